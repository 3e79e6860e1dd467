//! Tests of openings.

use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, ErrorClass, Log, LogOptions, TxOffset};
use crate::store::{Keyspace, Store, StoreError, StoreOptions};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Synced).create(true)
}

fn open(scratch: &Scratch) -> Store {
    Store::open(&scratch.env, "", &options()).unwrap().0
}

/// The store's [I4] and [I5]: what a table holds is no longer in the log, and files that nobody
/// names go once the tables were checked.
#[test]
fn unnamed_files_go_and_unknown_ones_stay() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    store.put(KEYS, b"a", b"1").unwrap();
    store.flush().unwrap();
    drop(store);
    for name in ["MANIFEST-00000000000000000009.tmp", "notes.txt"] {
        scratch.write(name, b"?");
    }
    for name in [
        "tables/00000000000000000099.tbl",
        "tables/00000000000000000098.tmp",
    ] {
        scratch.write(name, b"?");
    }
    let (store, report) = Store::open(&scratch.env, "", &options()).unwrap();
    assert_eq!(report.files_removed.len(), 3, "[I5] {report:?}");
    assert_eq!(report.files_unknown, ["notes.txt"]);
    assert_eq!(
        (report.batches_replayed, report.flushed_through),
        (0, TxOffset::new(2)),
        "[I4]"
    );
    assert_eq!(store.get(KEYS, b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn what_is_no_store_is_refused() {
    let scratch = Scratch::new();
    let refused = Store::open(&scratch.env, "none", &StoreOptions::new(Durability::Os));
    assert_eq!(refused.unwrap_err().class(), ErrorClass::Caller);
    let store = open(&scratch);
    let again = Store::open(&scratch.env, "", &options()).unwrap_err();
    assert_eq!(again.class(), ErrorClass::Caller, "{again}");
    drop(store);
    let (log, _) = Log::open(&scratch.env, "other/log", LogOptions::new().create(true)).unwrap();
    log.commit(&["something else"], Durability::Synced).unwrap();
    drop(log);
    let foreign = Store::open(&scratch.env, "other", &options()).unwrap_err();
    assert!(matches!(foreign, StoreError::Corrupt { .. }), "{foreign}");
}

/// A manifest that is gone is missed once the log has retired what the tables held.
#[test]
fn a_missing_manifest_or_table_is_noticed() {
    let scratch = Scratch::new();
    let log = LogOptions::new().segment_bytes_max(512);
    let options = options().log(log);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    for _ in 0..4 {
        store.put(KEYS, b"a", &[7; 400]).unwrap();
    }
    store.flush().unwrap();
    drop(store);
    let manifest = "MANIFEST-00000000000000000002";
    let bytes = scratch.read(manifest);
    scratch.remove(manifest);
    let missing = Store::open(&scratch.env, "", &options).unwrap_err();
    assert!(
        matches!(missing, StoreError::ManifestBehind { .. }),
        "{missing}"
    );
    scratch.write(manifest, &bytes);
    scratch.remove("tables/00000000000000000001.tbl");
    let missing = Store::open(&scratch.env, "", &options).unwrap_err();
    assert!(
        matches!(missing, StoreError::TableMissing { .. }),
        "{missing}"
    );
}
