//! Tests of what a look shows.

use super::{Inspected, InspectedWrite, inspect};
use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, TxOffset};
use crate::store::{Keyspace, Store, StoreOptions};

fn all(scratch: &Scratch) -> Vec<Inspected> {
    let mut seen = Vec::new();
    inspect(&scratch.env, "", &mut |one| seen.push(one)).unwrap();
    seen
}

/// [I1], [I2] A table of several blocks is shown block by block, with what the log has behind it,
/// while the store is open.
#[test]
fn tables_and_batches_are_shown_in_order() {
    let scratch = Scratch::new();
    let options = StoreOptions::new(Durability::Synced)
        .create(true)
        .block_bytes(128);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    let keys = Keyspace::DEFAULT;
    for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        store.put(keys, key.as_bytes(), &[b'v'; 40]).unwrap();
    }
    // Tables keep what it shows.
    let snapshot = store.snapshot();
    store.delete(keys, b"c").unwrap();
    store.flush().unwrap();
    drop(snapshot);
    store.put(keys, b"i", b"behind").unwrap();
    let (mut rows, mut deletes, mut blocks, mut batches) = (0, 0, 0, Vec::new());
    let mut last = Vec::new();
    for one in all(&scratch) {
        match one {
            Inspected::Manifest { manifest, .. } => {
                let manifest = manifest.unwrap();
                assert_eq!(manifest.log_id, store.log_id());
                assert_eq!(manifest.flushed_through, TxOffset::new(10));
                assert_eq!(manifest.tables.len(), 1);
            }
            Inspected::Table { table, blocks } => {
                assert!(blocks.unwrap() > 1);
                // Two are the store's own: the keyspace's name, and the next one's number.
                assert_eq!(table.rows, 11);
            }
            Inspected::Block { block, .. } => {
                let block = block.unwrap();
                assert!(last <= block.first, "[I2] in order");
                (rows, deletes, blocks) = (rows + block.rows, deletes + block.deletes, blocks + 1);
                last = block.last;
            }
            Inspected::Batch { sequence, writes } => batches.push((sequence, writes.unwrap())),
            Inspected::Log { log } => assert_eq!(log.unwrap().end, store.next_sequence()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((rows, deletes, last), (11, 1, b"\0\0\0\x01h".to_vec()));
    assert!(blocks > 1);
    let put = InspectedWrite::Put(b"\0\0\0\x01i".to_vec(), 6);
    assert_eq!(batches, [(TxOffset::new(10), vec![put])]);
}

#[test]
fn what_cannot_be_read_is_shown_as_that() {
    let scratch = Scratch::new();
    let options = StoreOptions::new(Durability::Synced).create(true);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    store.put(Keyspace::DEFAULT, b"a", b"1").unwrap();
    store.flush().unwrap();
    drop(store);
    let before = scratch.names();
    scratch.edit("tables/00000000000000000001.tbl", |bytes| bytes[9] ^= 1);
    scratch.write("notes", b"?");
    let seen = all(&scratch);
    let is_bad_block =
        |one: &Inspected| matches!(one, Inspected::Block { block, .. } if block.is_err());
    assert_eq!(seen.iter().filter(|one| is_bad_block(one)).count(), 1);
    let is_unknown =
        |one: &Inspected| matches!(one, Inspected::Unknown { file } if file == "notes");
    assert!(seen.iter().any(is_unknown));
    scratch.remove("notes");
    assert_eq!(scratch.names(), before, "[I1] nothing else is there");
}
