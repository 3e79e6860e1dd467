//! Tests of backups.

use std::collections::BTreeMap;
use std::path::Path;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{DiskConfig, Errno, Image};

use super::{BackupReport, backup};
use crate::commitlog::testing::{Scratch, crashes};
use crate::commitlog::{Durability, LogError, LogOptions};
use crate::store::{Keyspace, Store, StoreError, StoreOptions, verify};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(1024)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .block_bytes(128)
        .log(log)
}

fn open(scratch: &Scratch, dir: &str) -> Store {
    let opened = Store::open(&scratch.env, dir, &options());
    opened.unwrap_or_else(|error| panic!("{dir}: {error}")).0
}

fn put(store: &Store, number: u32) {
    let (key, value) = (format!("key {number:04}"), format!("value {number}"));
    store.put(KEYS, key.as_bytes(), value.as_bytes()).unwrap();
}

/// An open store with two tables and batches behind them.
fn filled(scratch: &Scratch) -> Store {
    let store = open(scratch, "store");
    for number in 0..50 {
        put(&store, number);
        if number % 20 == 19 {
            store.flush().unwrap();
        }
    }
    store
}

fn all(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut cursor = store.scan_from(KEYS, b"").unwrap();
    let mut all = BTreeMap::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        all.insert(key.to_vec(), value.to_vec());
    }
    all
}

fn copy(scratch: &Scratch) -> Result<BackupReport, StoreError> {
    backup(&scratch.env, "store", "copy", &mut |_| {})
}

#[test]
fn a_copy_is_a_store_of_its_own() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let report = copy(&scratch).unwrap();
    assert_eq!((report.tables, report.bytes_copied), (2, 0));
    assert!(report.bytes_linked > 0);
    let before = all(&store);
    // [I3] Neither changes what the other has.
    store.compact().unwrap();
    put(&store, 100);
    let verification = verify(&scratch.env, "copy", &mut |_| {}).unwrap();
    assert!(verification.is_good(), "{:?}", verification.findings);
    let copied = open(&scratch, "copy");
    assert_eq!(all(&copied), before);
    put(&copied, 200);
    copied.flush().unwrap();
    copied.compact().unwrap();
    assert_eq!(all(&copied).len(), 51);
    assert_eq!(all(&store).len(), 51);
    assert_eq!(copied.log_id(), store.log_id());
}

#[test]
fn what_is_there_is_not_touched() {
    let scratch = Scratch::new();
    let _store = filled(&scratch);
    copy(&scratch).unwrap();
    let again = copy(&scratch).unwrap_err();
    assert!(
        matches!(again, StoreError::Log(LogError::AlreadyExists { .. })),
        "[I3] {again}"
    );
    let missing = backup(&scratch.env, "none", "other", &mut |_| {}).unwrap_err();
    assert!(
        matches!(missing, StoreError::Log(LogError::NotFound { .. })),
        "{missing}"
    );
    scratch.env.fs().create_dir(Path::new("empty")).unwrap();
    backup(&scratch.env, "empty", "other", &mut |_| {}).unwrap_err();
    assert!(!scratch.names().iter().any(|name| name.starts_with("other")));
}

/// Tables that cannot be linked are copied, and the copies are read back.
#[test]
fn tables_are_copied_where_they_cannot_be_linked() {
    let scratch = Scratch::new();
    let store = filled(&scratch);
    let fault = scratch.disk.fail(CallKind::HardLink).on("*.tbl");
    fault.times(100).errno(Errno::Eperm);
    let report = copy(&scratch).unwrap();
    assert_eq!((report.tables, report.bytes_linked), (2, 0));
    assert!(report.bytes_copied > 0);
    assert_eq!(all(&open(&scratch, "copy")), all(&store));
    let table = "store/tables/00000000000000000001.tbl";
    scratch.edit(table, |bytes| bytes[50] ^= 1);
    let damaged = backup(&scratch.env, "store", "other", &mut |_| {}).unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
    assert!(!scratch.names().iter().any(|name| name.starts_with("other")));
}

/// [I2] Whichever step of the copy a flush and a merge come before, the copy is whole.
#[test]
fn a_writer_beside_does_not_tear_the_copy() {
    let mut steps = 0;
    loop {
        let scratch = Scratch::new();
        let store = filled(&scratch);
        let mut step = 0;
        let report = backup(&scratch.env, "store", "copy", &mut |_| {
            if step == steps {
                put(&store, 50);
                store.flush().unwrap();
                store.compact().unwrap();
                put(&store, 51);
            }
            step += 1;
        });
        let report = report.unwrap();
        let verification = verify(&scratch.env, "copy", &mut |_| {}).unwrap();
        assert!(verification.is_good(), "[I2] {:?}", verification.findings);
        assert_eq!(verification.files_unnamed, Vec::<String>::new());
        let copied = all(&open(&scratch, "copy"));
        assert!(copied.len() >= 50, "{} rows, {report:?}", copied.len());
        if step <= steps {
            break;
        }
        steps += 1;
    }
    assert!(steps > 1);
}

/// [I1], [I3] The power fails at any time: the store opens, and the copy is whole or has no name.
#[test]
fn a_crash_leaves_the_whole_copy_or_none() {
    let work = |scratch: &Scratch| {
        let store = open(scratch, "store");
        put(&store, 1);
        store.flush().unwrap();
        put(&store, 2);
        copy(scratch).unwrap();
    };
    let mut whole = 0;
    for crash in crashes(&Image::empty(&DiskConfig::default()), work) {
        let scratch = crash.disk;
        let has = |name: &str| scratch.names().iter().any(|own| own == name);
        if has("copy") {
            let copied = Store::open(&scratch.env, "copy", &StoreOptions::new(Durability::Os));
            let (copied, _) = copied.unwrap_or_else(|error| panic!("[I3] {error}"));
            assert_eq!(all(&copied).len(), 2, "[I3]");
            whole += 1;
        }
        if has("store") {
            drop(open(&scratch, "store"));
        }
    }
    assert!(whole > 0);
}
