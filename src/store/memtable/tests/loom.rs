//! One thread inserts while another reads, under every order in which they may see each other's
//! writes. Nodes have three slots here, so that four rows split a leaf.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use crate::store::memtable::tree::{Cursor, Tree};

/// Runs a reader beside a thread that inserts keys, each at the next sequence, once `before` of
/// them are there. The reader is told how many rows it must find at least.
fn model(keys: &'static [&'static [u8]], before: usize, read: fn(&std::sync::Arc<Tree>, usize)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let tree = std::sync::Arc::new(Tree::default());
        let visible = Arc::new(AtomicU64::new(before as u64));
        let insert = move |tree: &Tree, at: usize| {
            let key = keys[at];
            tree.insert([(key, Some(key))].into_iter(), at as u64 + 1);
        };
        for at in 0..before {
            insert(&tree, at);
        }
        let writer = {
            let (tree, visible) = (tree.clone(), visible.clone());
            thread::spawn(move || {
                for at in before..keys.len() {
                    insert(&tree, at);
                    visible.store(at as u64 + 1, Ordering::Release);
                }
            })
        };
        let count = visible.load(Ordering::Acquire) as usize;
        read(&tree, count);
        writer.join().unwrap();
        read(&tree, keys.len());
    });
}

/// [I3] of the tree: what was inserted before a lookup began is found by it.
fn finds(keys: &[&[u8]], tree: &Tree, count: usize) {
    for (key, sequence) in keys[..count].iter().zip(1..) {
        let row = tree.first_from(key, u64::MAX).expect("[I3]");
        assert_eq!(
            (row.key(), row.sequence(), row.value()),
            (*key, sequence, Some(*key)),
            "[I3]"
        );
    }
}

const SHIFT: [&[u8]; 3] = [b"b", b"d", b"a"];
const SPLIT: [&[u8]; 4] = [b"b", b"d", b"f", b"c"];
const ASCENDING: [&[u8]; 4] = [b"prefix 1", b"prefix 2", b"prefix 3", b"prefix 4"];
/// The last row has less in common with the others than they have with each other.
const SHORTER: [&[u8]; 3] = [b"prefix 1", b"prefix 2", b"p"];

#[test]
fn a_row_is_published_into_the_middle() {
    model(&SHIFT, 2, |tree, count| finds(&SHIFT, tree, count));
}

#[test]
fn a_leaf_splits_in_half() {
    model(&SPLIT, 3, |tree, count| finds(&SPLIT, tree, count));
}

#[test]
fn a_leaf_splits_at_its_end() {
    model(&ASCENDING, 3, |tree, count| finds(&ASCENDING, tree, count));
}

#[test]
fn a_prefix_becomes_shorter() {
    model(&SHORTER, 2, |tree, count| finds(&SHORTER, tree, count));
}

/// A cursor meets all that was there when it was placed, in order, in both directions.
#[test]
fn a_cursor_passes_a_split() {
    model(&SPLIT, 3, |tree, count| {
        let mut expected: Vec<&[u8]> = SPLIT[..count].to_vec();
        expected.sort_unstable();
        let mut cursor = Cursor::new(tree.clone());
        for is_forward in [true, false] {
            let mut met: Vec<Vec<u8>> = Vec::new();
            match is_forward {
                true => cursor.seek(b"", u64::MAX),
                false => cursor.seek_back(&[0xFF; 80], 0),
            }
            while let Some(row) = cursor.row() {
                met.push(row.key.to_vec());
                match is_forward {
                    true => cursor.next(),
                    false => cursor.back(),
                }
            }
            if !is_forward {
                met.reverse();
            }
            assert!(met.is_sorted_by(|one, two| one < two), "[I1] {met:?}");
            assert!(
                expected.iter().all(|key| met.iter().any(|met| met == key)),
                "[I3] {met:?}"
            );
        }
    });
}
