//! Tests of flushes and merges that fail.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;

use crate::commitlog::Durability;
use crate::commitlog::testing::Scratch;
use crate::store::{Keyspace, Store, StoreOptions};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Synced)
        .create(true)
        .memtable_bytes_max(64)
        .memtables_max(1)
        .background_task(false)
}

/// [I1] and [I2] Each call of a flush and of a merge fails once: what was written stays readable,
/// the next attempt succeeds, and an opening finds one manifest and its tables.
#[test]
fn a_flush_that_failed_is_made_anew() {
    let kinds = [
        CallKind::Open,
        CallKind::Write,
        CallKind::SyncAll,
        CallKind::Rename,
        CallKind::SyncDir,
    ];
    let mut failures = 0;
    for (kind, file) in kinds
        .into_iter()
        .flat_map(|kind| [(kind, "tables*"), (kind, "M*")])
    {
        for skip in 0..3 {
            let scratch = Scratch::new();
            let options = options().memtable_bytes_max(1_000);
            let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
            store.put(KEYS, b"a", b"1").unwrap();
            scratch
                .disk
                .fail(kind)
                .on(file)
                .nth(skip + 1)
                .errno(Errno::Eio);
            let outcomes = [
                store.flush(),
                store.compact(),
                store.flush(),
                store.compact(),
            ];
            failures += outcomes.iter().filter(|outcome| outcome.is_err()).count();
            scratch.disk.heal();
            store.flush().unwrap();
            store.compact().unwrap();
            assert_eq!(
                store.get(KEYS, b"a").unwrap().as_deref(),
                Some(&b"1"[..]),
                "[I1]"
            );
            drop(store);
            let (store, report) = Store::open(&scratch.env, "", &options).unwrap();
            assert!(report.tables <= 2, "[I2] {kind:?} {file} {skip}");
            assert_eq!(store.get(KEYS, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        }
    }
    assert!(failures >= 8, "{failures}");
}

/// [I3] What a snapshot shows outlives merges, and goes with it.
#[test]
fn merges_keep_what_a_snapshot_shows() {
    let scratch = Scratch::new();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    store.put(KEYS, b"a", b"old").unwrap();
    let snapshot = store.snapshot();
    store.delete(KEYS, b"a").unwrap();
    for _ in 0..3 {
        store.put(KEYS, b"b", b"new").unwrap();
        store.flush().unwrap();
        store.compact().unwrap();
        let shown = snapshot.get(KEYS, b"a").unwrap();
        assert_eq!(shown.as_deref(), Some(&b"old"[..]), "[I3]");
        assert_eq!(store.get(KEYS, b"a").unwrap(), None);
    }
    drop(snapshot);
    store.compact().unwrap();
    // Two rows are the store's own.
    assert_eq!(store.stats().table_rows, 3, "[I3]");
}
