//! Tests of the tree.

mod stress;

use super::*;
use crate::store::batch::SealedBatch;
use crate::store::{Keyspace, WriteBatch};

fn batch(key: &str) -> SealedBatch {
    let mut batch = WriteBatch::new();
    batch.put(Keyspace::DEFAULT, key.as_bytes(), b"v").unwrap();
    batch.seal()
}

fn tree(memtable_bytes_max: u64) -> Arc<Tree> {
    let layers = Layers {
        active: Arc::default(),
        frozen: Vec::new(),
        runs: Vec::new(),
    };
    Arc::new(Tree::new(
        layers,
        Cache::new(1 << 20),
        1,
        memtable_bytes_max,
    ))
}

/// [I2] What is below `visible` is found. [I3] A frozen memtable ends where the next one begins.
#[test]
fn what_is_visible_is_found_and_frozen_memtables_end() {
    let tree = tree(60);
    for sequence in 1..20 {
        let key = format!("key {sequence}");
        tree.apply(batch(&key).writes(), sequence);
        assert_eq!(tree.visible(), sequence + 1);
        let found = tree.pin().get_with(
            &Keyspace::DEFAULT.key(key.as_bytes()),
            tree.visible(),
            <[u8]>::to_vec,
        );
        assert_eq!(found.unwrap().as_deref(), Some(&b"v"[..]), "[I2]");
    }
    let layers = tree.pin();
    let ends: Vec<_> = layers.frozen.iter().map(|frozen| frozen.end).collect();
    assert!(ends.len() > 3 && ends.is_sorted_by(|newer, older| newer > older));
    for frozen in &layers.frozen {
        let mut cursor = frozen.memtable.cursor();
        cursor.seek(b"", u64::MAX);
        while let Some(found) = cursor.row() {
            assert!(found.sequence < frozen.end, "[I3]");
            cursor.next();
        }
    }
    tree.freeze_all();
    tree.freeze_all();
    assert!(tree.pin().active.is_empty());
}

/// [I1] Rows that a reader has registered for are above the horizon, until it is gone.
#[test]
fn the_horizon_waits_for_readers() {
    let tree = tree(1000);
    tree.apply(batch("a").writes(), 1);
    let first = tree.register();
    tree.apply(batch("a").writes(), 2);
    let second = tree.register();
    let again = tree.register_again(&first);
    tree.apply(batch("a").writes(), 3);
    assert_eq!(
        (first.visible, second.visible, tree.horizon()),
        (2, 3, 2),
        "[I1]"
    );
    drop(first);
    assert_eq!(tree.horizon(), 2);
    drop(again);
    assert_eq!(tree.horizon(), 3);
    drop(second);
    assert_eq!(tree.horizon(), tree.visible());
}
