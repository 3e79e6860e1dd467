//! Tests of memtables.

use super::*;
use crate::store::{Keyspace, WriteBatch};

fn insert(memtable: &Memtable, sequence: u64, rows: &[(&str, Option<&str>)]) {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        let added = match value {
            Some(value) => batch.put(Keyspace::DEFAULT, key.as_bytes(), value.as_bytes()),
            None => batch.delete(Keyspace::DEFAULT, key.as_bytes()),
        };
        added.unwrap();
    }
    memtable.insert(batch.seal().writes(), sequence);
}

fn key(key: &str) -> Vec<u8> {
    Keyspace::DEFAULT.key(key.as_bytes())
}

/// [I1] Rows come by key, newest first; a lookup below a sequence sees what was there then. [I2]
/// What a reader sees is bounded by its sequence, not by what was inserted.
#[test]
fn rows_are_ordered_and_seen_as_of_a_sequence() {
    let memtable = Memtable::default();
    assert!(memtable.is_empty());
    insert(&memtable, 3, &[("a", Some("3")), ("b", Some("3"))]);
    insert(&memtable, 5, &[("a", None), ("c", Some(""))]);
    let at = |name: &str, visible| memtable.get(&key(name), visible);
    assert_eq!(at("a", 3), None, "[I2]");
    assert_eq!(at("a", 4), Some(Some(b"3".to_vec())));
    assert_eq!(at("a", 5), Some(Some(b"3".to_vec())), "[I2]");
    assert_eq!(at("a", 6), Some(None));
    assert_eq!(at("c", 9), Some(Some(Vec::new())));
    assert_eq!((at("d", 9), at("a", 0)), (None, None));
    let mut places = Vec::new();
    let mut row = memtable.seek(b"", u64::MAX);
    while let Some(found) = row {
        places.push((found.key.clone(), found.sequence));
        row = memtable.after(found);
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
