//! Cursors in both directions against an ordered map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::commitlog::Durability;
use crate::commitlog::testing::Scratch;
use crate::store::{Cursor, Keyspace, Snapshot, Store, StoreOptions, WriteBatch};

const KEYS: Keyspace = Keyspace::DEFAULT;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>, u8),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
    Snapshot,
    DropSnapshot,
    Flush,
    Compact,
}

/// Few keys, short and long ones, that have much in common.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let short = prop::collection::vec(0_u8..3, 0..3);
    let long = (0_u8..12).prop_map(|last| [&b"a common beginning"[..], &[last]].concat());
    prop_oneof![short, long, Just(vec![0xFF]), Just(vec![0xFF; 2])]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        3 => key().prop_map(Step::Delete),
        1 => (key(), key()).prop_map(|(from, end)| Step::DeleteRange(from, end)),
        1 => Just(Step::Snapshot),
        1 => Just(Step::DropSnapshot),
        2 => Just(Step::Flush),
        1 => Just(Step::Compact),
    ]
}

fn apply(store: &Store, model: &mut Model, step: &Step) {
    let mut batch = WriteBatch::new();
    match step {
        Step::Put(key, value) => {
            batch.put(KEYS, key, &[*value]).unwrap();
            model.insert(key.clone(), vec![*value]);
        }
        Step::Delete(key) => {
            batch.delete(KEYS, key).unwrap();
            model.remove(key);
        }
        Step::DeleteRange(from, end) => {
            batch.delete_range(KEYS, from..end).unwrap();
            model.retain(|key, _| !(from <= key && key < end));
        }
        Step::Flush => return store.flush().unwrap(),
        Step::Compact => return store.compact().unwrap(),
        Step::Snapshot | Step::DropSnapshot => return,
    }
    store.write(batch, Durability::Buffered).unwrap();
}

fn shown(cursor: Cursor) -> Vec<(Vec<u8>, Vec<u8>)> {
    cursor.into_iter().map(Result::unwrap).collect()
}

/// What a snapshot shows, in whole, of two ranges and of a prefix, forwards and backwards.
fn expect_model(snapshot: &Snapshot, model: &Model, from: &[u8], end: &[u8]) {
    let pairs = |keep: &dyn Fn(&[u8]) -> bool| -> Vec<_> {
        let rows = model.iter().filter(|(key, _)| keep(key));
        rows.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let both = |cursor: &dyn Fn() -> Cursor, keep: &dyn Fn(&[u8]) -> bool, what: &str| {
        let mut expected = pairs(keep);
        assert_eq!(shown(cursor()), expected, "[I2] {what}");
        expected.reverse();
        assert_eq!(shown(cursor().rev()), expected, "[I2] {what}, backwards");
    };
    both(&|| snapshot.range(KEYS, ..), &|_| true, "all");
    let keep = |key: &[u8]| from <= key && key < end;
    both(&|| snapshot.range(KEYS, from..end), &keep, "half open");
    let keep = |key: &[u8]| key <= end;
    both(&|| snapshot.range(KEYS, ..=end), &keep, "to the end");
    let keep = |key: &[u8]| key.starts_with(from);
    both(&|| snapshot.prefix(KEYS, from), &keep, "of a prefix");
    for (key, value) in model {
        assert_eq!(snapshot.get(KEYS, key).unwrap().as_ref(), Some(value));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// [I2], source [I2] Whatever was written, flushed and merged, cursors show what an ordered map
    /// shows, in both directions, and snapshots what it showed.
    #[test]
    fn cursors_show_what_a_map_shows(
        steps in prop::collection::vec(step(), 1..60),
        (from, end) in (key(), key()),
        block_bytes in prop_oneof![Just(1_usize), Just(120), Just(8 << 10)],
        cache_bytes_max in prop_oneof![Just(0_u64), Just(400), Just(1 << 20)],
    ) {
        let scratch = Scratch::new();
        let options = StoreOptions::new(Durability::Buffered)
            .create(true)
            .block_bytes(block_bytes)
            .cache_bytes_max(cache_bytes_max);
        let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
        let other = store.keyspace("other").unwrap();
        store.put(other, b"", b"behind all of them").unwrap();
        let mut model = Model::new();
        let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
        for step in &steps {
            apply(&store, &mut model, step);
            match step {
                Step::Snapshot => snapshots.push((store.snapshot(), model.clone())),
                Step::DropSnapshot => drop(snapshots.pop()),
                _ => {}
            }
        }
        snapshots.push((store.snapshot(), model));
        for (snapshot, model) in &snapshots {
            expect_model(snapshot, model, &from, &end);
        }
        prop_assert!(store.stats().cache_bytes <= cache_bytes_max);
    }
}
