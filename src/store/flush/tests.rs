//! Tests of flushes and merges that fail.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;

use crate::commitlog::Durability;
use crate::commitlog::testing::Scratch;
use crate::store::{Keyspace, Store, StoreError, StoreOptions};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Synced)
        .create(true)
        .memtable_bytes_max(64)
        .memtables_max(1)
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
            store.flush().unwrap();
            store.compact().unwrap();
            assert_eq!(
                store.get(KEYS, b"a").unwrap().as_deref(),
                Some(&b"1"[..]),
                "[I1]"
            );
            drop(store);
            let (store, report) = Store::open(&scratch.env, "", &options).unwrap();
            assert_eq!(report.tables, 1, "[I2] {kind:?} {file} {skip}");
            assert_eq!(store.get(KEYS, b"a").unwrap().as_deref(), Some(&b"1"[..]));
        }
    }
    assert!(failures >= 8, "{failures}");
}

/// [I3] While flushes fail, writes go on to the limit, and are then refused;
/// nothing is lost, and all is well once there is space.
#[test]
fn writes_are_refused_at_the_limit_and_go_on_when_there_is_space() {
    let scratch = Scratch::new();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    let fault = scratch.disk.fail(CallKind::Write).on("tables*");
    fault.times(1000).errno(Errno::Enospc);
    let mut written = 0_u8;
    let refused = loop {
        match store.put(KEYS, &[written], &[written; 60]) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 20, "it is refused at some time");
    };
    assert!(
        matches!(refused, StoreError::MemtablesFull { .. }),
        "{refused}"
    );
    assert!(store.background_error().is_some() && written >= 2);
    scratch.disk.heal();
    store.put(KEYS, b"more", b"").unwrap();
    store.compact().unwrap();
    for key in 0..written {
        let found = store.get(KEYS, &[key]).unwrap();
        assert_eq!(found, Some(vec![key; 60]), "[I3]");
    }
}
