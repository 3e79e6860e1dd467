//! Tests of the store as its applications use it.

use std::collections::BTreeMap;

use blackstart_sim::disk::{DiskConfig, Image};

use crate::commitlog::testing::{Scratch, crashes};
use crate::commitlog::{Durability, LogOptions};
use crate::store::{Keyspace, Store, StoreOptions, WriteBatch};

const KEYS: Keyspace = Keyspace::DEFAULT;
/// The name of the first keyspace, and the number of the next.
const OWN_ROWS: u64 = 2;

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(1024)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .memtable_bytes_max(512)
        .block_bytes(128)
        .log(log)
}

fn open(scratch: &Scratch) -> Store {
    let opened = Store::open(&scratch.env, "", &options());
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

/// All that a scan shows.
fn all(store: &Store) -> BTreeMap<String, String> {
    let mut cursor = store.scan_from(KEYS, b"").unwrap();
    let mut shown = BTreeMap::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        let [key, value] = [key, value].map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert!(shown.last_key_value().is_none_or(|(last, _)| *last < key));
        assert!(shown.insert(key, value).is_none());
    }
    shown
}

/// Puts, overwrites and deletes, in an order that looks like chance; what should be there then.
fn write_many(store: &Store, rounds: u32) -> BTreeMap<String, String> {
    let mut model: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..rounds {
        let key = format!("key {}", round * 7919 % 97);
        if round % 23 == 22 {
            store.delete_range(KEYS, b"key 3"..b"key 5").unwrap();
            model.retain(|key, _| !("key 3".."key 5").contains(&key.as_str()));
        } else if round % 5 == 4 {
            store.delete(KEYS, key.as_bytes()).unwrap();
            model.remove(&key);
        } else {
            let value = format!("value {round}");
            store.put(KEYS, key.as_bytes(), value.as_bytes()).unwrap();
            model.insert(key, value);
        }
    }
    model
}

fn check(store: &Store, model: &BTreeMap<String, String>) {
    assert_eq!(all(store), *model);
    for number in 0..97 {
        let key = format!("key {number}");
        let found = store.get(KEYS, key.as_bytes()).unwrap();
        let expected = model.get(&key).map(|value| value.as_bytes().to_vec());
        assert_eq!(found, expected, "{key}");
    }
}

#[test]
fn what_was_written_is_read_through_flushes_merges_and_openings() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let model = write_many(&store, 300);
    assert!(store.stats().tables > 1, "{:?}", store.stats());
    check(&store, &model);
    store.flush().unwrap();
    assert_eq!(store.stats().memtable_bytes, 0);
    check(&store, &model);
    store.compact().unwrap();
    let stats = store.stats();
    let rows = model.len() as u64 + OWN_ROWS;
    assert_eq!((stats.runs, stats.table_rows), (1, rows));
    check(&store, &model);
    drop(store);
    let (store, report) = Store::open(&scratch.env, "", &options()).unwrap();
    assert_eq!((report.tables, report.batches_replayed), (stats.tables, 0));
    check(&store, &model);
    assert_eq!(
        store.next_sequence().get(),
        301,
        "the log begins with the store's own record"
    );
}

#[test]
fn a_scan_shows_what_was_there_when_it_began() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    for key in ["a", "b", "c"] {
        store.put(KEYS, key.as_bytes(), b"old").unwrap();
    }
    let mut cursor = store.scan(KEYS, b"a".as_slice()..b"c".as_slice()).unwrap();
    store.put(KEYS, b"a", b"new").unwrap();
    store.delete(KEYS, b"b").unwrap();
    store.put(KEYS, b"aa", b"new").unwrap();
    store.flush().unwrap();
    store.compact().unwrap();
    assert_eq!(cursor.next().unwrap(), Some((&b"a"[..], &b"old"[..])));
    assert_eq!(cursor.next().unwrap(), Some((&b"b"[..], &b"old"[..])));
    assert_eq!(cursor.next().unwrap(), None);
    drop(cursor);
    store.compact().unwrap();
    assert_eq!(all(&store).len(), 3);
    assert_eq!(store.stats().table_rows, 3 + OWN_ROWS);
}

#[test]
fn the_last_write_of_a_key_in_a_batch_counts_and_keyspaces_are_apart() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let other = store.keyspace("other").unwrap();
    let mut batch = WriteBatch::new();
    batch.put(KEYS, b"k", b"1").unwrap();
    batch.put(other, b"k", b"").unwrap();
    batch.delete(KEYS, b"k").unwrap();
    batch.put(KEYS, b"k", b"2").unwrap();
    batch.put(KEYS, b"gone", b"3").unwrap();
    batch.delete(KEYS, b"gone").unwrap();
    store.write(batch, Durability::Os).unwrap();
    for _ in 0..2 {
        assert_eq!(store.get(KEYS, b"k").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(store.get(other, b"k").unwrap().as_deref(), Some(&b""[..]));
        assert!(!store.contains(KEYS, b"gone").unwrap());
        assert_eq!(all(&store).len(), 1);
        store.flush().unwrap();
    }
}

/// A life with flushes and a merge that crashes after each call: what is there is what was written
/// first, and a store that goes on.
#[test]
fn a_crash_leaves_what_was_written_first() {
    const ROUNDS: u32 = 24;
    let live = |scratch: &Scratch| {
        let store = open(scratch);
        for round in 0..ROUNDS {
            let value = vec![b'x'; 40];
            store.put(KEYS, &[b'a' + round as u8], &value).unwrap();
        }
        store.flush().unwrap();
        store.compact().unwrap();
        store.close().unwrap();
    };
    let mut images = 0;
    for crash in crashes(&Image::empty(&DiskConfig::default()), live) {
        let opened = Store::open(&crash.disk.env, "", &options());
        let (store, _) = opened.unwrap_or_else(|error| panic!("cut {}: {error}", crash.cut));
        let keys: Vec<_> = all(&store).into_keys().collect();
        let expected = (0..keys.len() as u8).map(|at| ((b'a' + at) as char).to_string());
        assert!(
            expected.eq(keys.iter().cloned()),
            "cut {}: {keys:?}",
            crash.cut
        );
        assert!(
            !crash.is_over || keys.len() == ROUNDS as usize,
            "cut {}",
            crash.cut
        );
        store.put(KEYS, b"z", b"goes on").unwrap();
        images += 1;
    }
    assert!(images > 200, "{images}");
}

/// A snapshot keeps what a range delete takes away, through flushes and merges.
#[test]
fn a_snapshot_sees_what_a_range_delete_took() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let before = write_many(&store, 60);
    let snapshot = store.snapshot();
    store.delete_range(KEYS, b"key 1"..b"key 9").unwrap();
    let last = store.put(KEYS, b"key 3", b"after").unwrap();
    for step in 0..3 {
        for key in before.keys() {
            let old = snapshot.get(KEYS, key.as_bytes()).unwrap();
            assert_eq!(old.as_deref(), Some(before[key].as_bytes()), "{step} {key}");
            let is_deleted = ("key 1".."key 9").contains(&key.as_str()) && key != "key 3";
            let new = store.contains(KEYS, key.as_bytes()).unwrap();
            assert_eq!(new, !is_deleted, "{step} {key}");
        }
        assert_eq!(
            snapshot.scan_from(KEYS, b"").map(count).unwrap(),
            before.len()
        );
        match step {
            0 => store.flush().unwrap(),
            _ => store.compact().unwrap(),
        }
    }
    drop(snapshot);
    store.compact().unwrap();
    let rows = all(&store).len() as u64 + OWN_ROWS;
    assert_eq!((store.stats().table_rows, store.stats().runs), (rows, 1));
    assert_eq!(store.next_sequence().get(), last.get() + 1);
}

fn count(mut cursor: crate::store::Cursor) -> usize {
    let mut rows = 0;
    while cursor.next().unwrap().is_some() {
        rows += 1;
    }
    rows
}

/// A batch is one frame, also where the options of the log say less.
#[test]
fn a_value_is_longer_than_frames_of_a_log_usually_are() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let value = vec![7; 40 << 20];
    store.put(KEYS, b"large", &value).unwrap();
    drop(store);
    let store = open(&scratch);
    assert!(
        store
            .get(KEYS, b"large")
            .unwrap()
            .is_some_and(|read| read == value)
    );
}
