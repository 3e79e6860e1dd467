//! Tests of merged reading, over memtables and tables that hold rows of the same keys.

mod scans;

use std::collections::BTreeMap;

use super::*;
use crate::commitlog::Durability;
use crate::commitlog::testing::Scratch;
use crate::store::cache::Cache;
use crate::store::{Keyspace, Store, StoreOptions, WriteBatch};

const KEYS: Keyspace = Keyspace::DEFAULT;

/// A store of three tables and a memtable, in which each key has rows in several of them.
fn layered(scratch: &Scratch) -> (Store, BTreeMap<Vec<u8>, Vec<u8>>) {
    let options = StoreOptions::new(Durability::Os)
        .create(true)
        .block_bytes(1);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    let mut model = BTreeMap::new();
    for layer in 0..4_u8 {
        let mut batch = WriteBatch::new();
        for key in (0..30_u8).filter(|key| key % (layer + 2) == 0) {
            if key % 4 == layer {
                batch.delete(KEYS, &[key]).unwrap();
                model.remove(&vec![key]);
            } else {
                batch.put(KEYS, &[key], &[layer, key]).unwrap();
                model.insert(vec![key], vec![layer, key]);
            }
        }
        store.write(batch, Durability::Os).unwrap();
        if layer < 3 {
            store.flush().unwrap();
        }
    }
    assert_eq!(store.stats().tables, 3);
    (store, model)
}

/// [I1] All rows of the tables come in order, as source [I1] says. [I2] Of each key the newest
/// counts.
#[test]
fn many_sources_are_read_as_one() {
    let scratch = Scratch::new();
    let (store, model) = layered(&scratch);
    for from in [0, 7, 29] {
        let mut shown = BTreeMap::new();
        let mut cursor = store.scan_from(KEYS, &[from]).unwrap();
        while let Some((key, value)) = cursor.next().unwrap() {
            shown.insert(key.to_vec(), value.to_vec());
        }
        let expected = model.range(vec![from]..);
        assert!(shown.iter().eq(expected), "[I2] from {from}: {shown:?}");
    }
    drop(store);
    let directory = crate::commitlog::directory::Directory::open(&scratch.env, "tables".as_ref());
    let directory = directory.unwrap();
    let manifest = scratch.names();
    let manifest = manifest
        .iter()
        .find_map(|name| crate::store::manifest::parse(name));
    let root = crate::commitlog::directory::Directory::open(&scratch.env, "".as_ref()).unwrap();
    let manifest = crate::store::manifest::Manifest::read(&root, manifest.unwrap()).unwrap();
    let cache = Cache::new(0);
    let runs = Run::open_all(&directory, &manifest.runs, "the test", &cache).unwrap();
    let mut rows = Merge::of_runs(runs);
    let mut last: Option<Row> = None;
    let mut count = 0;
    while let Some(row) = rows.next().unwrap() {
        let is_behind = last.is_none_or(|last| {
            let order = last.key.cmp(&row.key);
            order.then(row.sequence.cmp(&last.sequence)).is_lt()
        });
        assert!(is_behind, "[I1] source [I1] {row:?}");
        last = Some(row);
        count += 1;
    }
    assert_eq!(
        count,
        manifest.tables().map(|table| table.rows).sum::<u64>()
    );
}
