//! Tests of memtables.

#[cfg(loom)]
mod loom;
mod model;
mod stress;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::batch::SealedBatch;
use crate::store::{KEY_BYTES_MAX, Keyspace, WriteBatch};
use model::Model;

type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn sealed<K: AsRef<[u8]>, V: AsRef<[u8]>>(rows: &[(K, Option<V>)]) -> SealedBatch {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        let added = match value {
            Some(value) => batch.put(Keyspace::DEFAULT, key.as_ref(), value.as_ref()),
            None => batch.delete(Keyspace::DEFAULT, key.as_ref()),
        };
        added.unwrap();
    }
    batch.seal()
}

fn insert(memtable: &Memtable, sequence: u64, rows: &[(&str, Option<&str>)]) {
    memtable.insert(sealed(rows).writes(), sequence);
}

fn key(key: &str) -> Vec<u8> {
    Keyspace::DEFAULT.key(key.as_bytes())
}

fn at(cursor: &Cursor) -> Option<Row> {
    cursor.row().map(RowRef::to_owned)
}

/// [I1] Rows come by key, newest first; a lookup below a sequence sees what was there then. [I2]
/// What a reader sees is bounded by its sequence, not by what was inserted.
#[test]
fn rows_are_ordered_and_seen_as_of_a_sequence() {
    let memtable = Memtable::default();
    assert!(memtable.is_empty() && memtable.bytes() == 0);
    insert(&memtable, 3, &[("a", Some("3")), ("b", Some("3"))]);
    insert(&memtable, 5, &[("a", None), ("c", Some(""))]);
    let get = |name: &str, visible| memtable.get(&key(name), visible);
    assert_eq!(get("a", 3), None, "[I2]");
    assert_eq!(get("a", 4), Some(Some(&b"3"[..])));
    assert_eq!(get("a", 5), Some(Some(&b"3"[..])), "[I2]");
    assert_eq!(get("a", 6), Some(None));
    assert_eq!(get("c", 9), Some(Some(&b""[..])));
    assert_eq!((get("d", 9), get("a", 0)), (None, None));
    let mut places = Vec::new();
    let mut cursor = memtable.cursor();
    cursor.seek(b"", u64::MAX);
    while let Some(found) = at(&cursor) {
        places.push((found.key, found.sequence));
        cursor.next();
    }
    let expected = [("a", 5), ("a", 3), ("b", 3), ("c", 5)];
    let expected = expected.map(|(name, sequence)| (key(name), sequence));
    assert_eq!(places, expected, "[I1]");
    assert!(memtable.bytes() > 40);
}

#[test]
#[should_panic(expected = "[I1] a sequence has one row of a key")]
fn a_sequence_is_given_once() {
    let memtable = Memtable::default();
    insert(&memtable, 3, &[("a", Some("3"))]);
    insert(&memtable, 3, &[("a", None)]);
}

#[test]
#[should_panic(expected = "[I1] a sequence has one row of a key")]
fn a_sequence_is_given_once_in_replay() {
    let mut gathered = Gathered::default();
    gathered.push(sealed(&[("a", Some("3"))]).writes(), 3);
    gathered.push(sealed(&[("a", Some("4"))]).writes(), 3);
    gathered.take();
}

#[test]
#[should_panic(expected = "[I3] a frozen memtable gets no rows")]
fn what_is_frozen_gets_no_rows() {
    let memtable = Memtable::default();
    memtable.freeze();
    insert(&memtable.successor(), 3, &[("a", None)]);
    insert(&memtable, 3, &[("a", None)]);
}

/// Every answer of a memtable is that of the model, from each row's place and its neighbours.
fn compare(memtable: &Memtable, model: &Model) {
    let rows = model.rows();
    let mut cursor = memtable.cursor();
    cursor.seek(b"", u64::MAX);
    for row in &rows {
        assert_eq!(at(&cursor).as_ref(), Some(row), "[I1]");
        cursor.next();
    }
    assert_eq!(at(&cursor), None);
    cursor.next();
    assert_eq!(at(&cursor), None);
    cursor.seek_back(&[0xFF; 80], 0);
    for row in rows.iter().rev() {
        assert_eq!(at(&cursor).as_ref(), Some(row), "[I1]");
        cursor.back();
    }
    assert_eq!(at(&cursor), None);
    cursor.back();
    assert_eq!(at(&cursor), None);
    for row in &rows {
        let longer = [&row.key[..], b"\0"].concat();
        let shorter = &row.key[..row.key.len().saturating_sub(1)];
        for key in [&row.key[..], &longer, shorter] {
            for sequence in [row.sequence - 1, row.sequence, row.sequence + 1, u64::MAX] {
                let found = memtable.get(key, sequence);
                let found = found.map(|value| value.map(<[u8]>::to_vec));
                assert_eq!(found, model.get(key, sequence));
                cursor.seek(key, sequence);
                assert_eq!(at(&cursor), model.seek(key, sequence));
                cursor.seek_back(key, sequence);
                assert_eq!(at(&cursor), model.seek_back(key, sequence));
            }
        }
    }
}

/// Inserts batches one by one, and builds a memtable of `replayed` of them at once, to insert the
/// others into it.
fn check(batches: &[Batch], replayed: usize) {
    let (memtable, mut model) = (Memtable::default(), Model::default());
    let mut gathered = Gathered::default();
    for (batch, sequence) in batches.iter().zip(1..) {
        let batch = sealed(batch);
        model.insert(batch.writes(), sequence);
        if sequence as usize <= replayed {
            gathered.push(batch.writes(), sequence);
        }
        memtable.insert(batch.writes(), sequence);
    }
    compare(&memtable, &model);
    let again = gathered.take();
    for (batch, sequence) in batches.iter().zip(1..).skip(replayed) {
        again.insert(sealed(batch).writes(), sequence);
    }
    compare(&again, &model);
}

/// Keys with beginnings in common, short and long; few of them, so that some have many versions.
fn keys() -> impl Strategy<Value = Vec<u8>> {
    let beginning = prop_oneof![
        Just(Vec::new()),
        Just(b"tenant".to_vec()),
        Just(vec![0; 9]),
        Just(vec![b'p'; 17]),
        Just(vec![b'q'; 70]),
    ];
    let end = prop_oneof![
        vec(prop_oneof![Just(0), Just(1), Just(255)], 0..3),
        vec(any::<u8>(), 0..12),
    ];
    (beginning, end).prop_map(|(beginning, end)| [beginning, end].concat())
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let value = prop_oneof![
        Just(None),
        Just(Some(Vec::new())),
        vec(any::<u8>(), 0..40).prop_map(Some),
    ];
    vec(vec((keys(), value), 1..20), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_batches(batches in batches(), replayed in 0..60_usize) {
        check(&batches, replayed.min(batches.len()));
    }
}

fn put(key: impl Into<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.into(), Some(b"value".to_vec()))
}

#[test]
fn keys_and_values_at_their_limits() {
    let long = vec![7; KEY_BYTES_MAX];
    let mut longer = long.clone();
    *longer.last_mut().unwrap() = 8;
    let large = |bytes: usize| Some(vec![5; bytes]);
    let batch = vec![
        put(""),
        put("\0"),
        (long.clone(), large(1)),
        (longer, large(3 << 20)),
        (b"large".to_vec(), large(256 << 10)),
        (b"larger".to_vec(), large((1 << 20) - 16)),
    ];
    let batches = vec![vec![put("a")], batch.clone(), vec![(long, None)], batch];
    check(&batches, 0);
    check(&batches, 4);
}

#[test]
fn many_versions_of_one_key_and_few_keys() {
    let versions: Vec<Batch> = (0..500).map(|_| vec![put("hot")]).collect();
    check(&versions, 300);
    let keys = |n: u64| (n * n % 7).to_be_bytes();
    check(&(0..500).map(|n| vec![put(keys(n))]).collect::<Vec<_>>(), 9);
}

/// What comes in order fills its leaves, in the middle of other keys too.
#[test]
fn ascending_keys_fill_their_leaves() {
    const ROWS: u64 = 20_000;
    let memtable = Memtable::default();
    insert(&memtable, 1, &[("a", None), ("z", None)]);
    for n in 0..ROWS {
        let key = [b"counter ", &n.to_be_bytes()[..]].concat();
        memtable.insert(sealed(&[(key, Some("v"))]).writes(), n + 2);
    }
    // Header, keyspace, key and value, rounded up; slots of full leaves, and a little above them.
    let row = (16_u64 + 4 + 16 + 1).next_multiple_of(8) + 1088 / 62;
    assert!(memtable.bytes() < ROWS * (row + 2), "{}", memtable.bytes());
    let mut cursor = memtable.cursor();
    cursor.seek(b"", 0);
    let mut rows = 0;
    while cursor.row().is_some() {
        rows += 1;
        cursor.next();
    }
    assert_eq!(rows, ROWS + 2);
}
