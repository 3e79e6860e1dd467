//! Tests of stores that are opened for reading only.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Errno, SimFs};
use blackstart_vfs::Env;

use crate::commitlog::testing::Scratch;
use crate::commitlog::testing::hooked::{Call, HookedFs};
use crate::commitlog::{Durability, ErrorClass, LogOptions};
use crate::store::{Keyspace, ReadOnlyOptions, ReadOnlyStore, Snapshot, Store, StoreError};
use crate::store::{StoreOptions, WriteBatch};

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

fn open(scratch: &Scratch) -> Store {
    let opened = Store::open(&scratch.env, "", &options());
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

fn open_read_only(env: &Env) -> Result<ReadOnlyStore, StoreError> {
    Store::open_read_only(env, "", ReadOnlyOptions::new()).map(|(store, _)| store)
}

fn put(store: &Store, number: u32) {
    let (key, value) = (format!("key {number:04}"), format!("value {number}"));
    store.put(KEYS, key.as_bytes(), value.as_bytes()).unwrap();
}

/// How many keys it shows.
fn count(snapshot: &Snapshot) -> usize {
    let mut cursor = snapshot.scan_from(KEYS, b"").unwrap();
    let mut count = 0;
    while cursor.next().unwrap().is_some() {
        count += 1;
    }
    count
}

/// An environment on the same disk, in which each call asks `hook` before.
fn hooked(
    scratch: &Scratch,
    hook: impl Fn(Call, &Path) -> io::Result<()> + Send + Sync + 'static,
) -> Env {
    let disk: SimFs = scratch.disk.clone();
    let fs = HookedFs::new(Arc::new(disk), hook);
    scratch.env.with_fs(Arc::new(fs))
}

/// [I1] Beside an open store, with tables and without, nothing but reads reaches the disk.
#[test]
fn it_only_reads_and_shows_tables_and_log() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let calls = Arc::new(AtomicU32::new(0));
    let reads_only = {
        let calls = calls.clone();
        hooked(&scratch, move |call, path| match call {
            Call::Look | Call::Read(_) | Call::Open => {
                calls.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            call => panic!("{call:?} of {}", path.display()),
        })
    };
    for flush in [false, true, false] {
        for number in 0..50 {
            put(&store, number);
        }
        store.delete(KEYS, b"key 0007").unwrap();
        if flush {
            store.flush().unwrap();
        }
        let (reader, report) =
            Store::open_read_only(&reads_only, "", ReadOnlyOptions::new()).unwrap();
        assert_eq!(count(reader.snapshot()), 49);
        assert_eq!(reader.get(KEYS, b"key 0007").unwrap(), None);
        let found = reader.get(KEYS, b"key 0008").unwrap();
        assert_eq!(found.as_deref(), Some(&b"value 8"[..]));
        assert_eq!(reader.snapshot().sequence(), store.next_sequence());
        assert_eq!(report.batches_replayed == 0, flush, "{report:?}");
        assert_eq!(reader.log_id(), store.log_id());
    }
    assert!(calls.load(Ordering::Relaxed) > 20);
}

/// What was open stays readable although the writer merged it away, and a refresh shows what came.
#[test]
fn handles_outlive_the_files_names() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    for number in 0..40 {
        put(&store, number);
        if number % 10 == 9 {
            store.flush().unwrap();
        }
    }
    // [I3] Not one block was read yet.
    let mut reader = open_read_only(&scratch.env).unwrap();
    store.compact().unwrap();
    put(&store, 40);
    assert_eq!(count(reader.snapshot()), 40, "[I3]");
    let report = reader.refresh().unwrap();
    let tables = store.stats().tables;
    assert_eq!((count(reader.snapshot()), report.tables), (41, tables));
}

/// [I2] Whichever call of the opening a merge and a flush of the writer come before, the opening
/// shows all.
#[test]
fn a_writer_that_merges_meanwhile_is_looked_at_again() {
    let mut looked_again = 0;
    for before in 0.. {
        let scratch = Scratch::new();
        let store = open(&scratch);
        for number in 0..60 {
            put(&store, number);
            if number % 20 == 19 && number < 50 {
                store.flush().unwrap();
            }
        }
        let calls = Arc::new(AtomicU32::new(0));
        let seen = calls.clone();
        let writer = store.clone();
        let env = hooked(&scratch, move |_, _| {
            if seen.fetch_add(1, Ordering::Relaxed) == before {
                put(&writer, 60);
                writer.flush().unwrap();
                writer.compact().unwrap();
                put(&writer, 61);
            }
            Ok(())
        });
        let reader = open_read_only(&env).unwrap();
        let shown = count(reader.snapshot());
        assert!((60..=62).contains(&shown), "{shown} before call {before}");
        let calls = calls.load(Ordering::Relaxed);
        if calls <= before {
            break;
        }
        looked_again += u32::from(shown > 60);
    }
    assert!(looked_again > 3, "[I2] {looked_again}");
}

#[test]
fn the_log_behind_the_tables_has_to_fit() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let mut batch = WriteBatch::new();
    batch.put(KEYS, b"large", &[7; 5000]).unwrap();
    store.write(batch, Durability::Synced).unwrap();
    let open = |bytes| {
        let options = ReadOnlyOptions::new().replay_bytes_max(bytes);
        Store::open_read_only(&scratch.env, "", options)
    };
    let error = open(4000).unwrap_err();
    let StoreError::SuffixTooLarge { bytes, bytes_max } = error else {
        panic!("{error}")
    };
    assert_eq!((bytes_max, error.class()), (4000, ErrorClass::Caller));
    assert!((5000..5200).contains(&bytes), "{bytes}");
    assert!(open(bytes).is_ok(), "what it asks for is enough");
    store.flush().unwrap();
    assert!(open(0).is_ok(), "tables are not held in memory");
}

#[test]
fn too_few_handles_are_named() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    put(&store, 1);
    store.flush().unwrap();
    let fault = scratch.disk.fail(CallKind::Open).on("*.tbl");
    fault.times(1).errno(Errno::Emfile);
    let error = open_read_only(&scratch.env).unwrap_err();
    let StoreError::TooFewHandles { source } = &error else {
        panic!("{error}")
    };
    assert!(source.to_string().contains(".tbl"), "{error}");
    assert_eq!(error.class(), ErrorClass::System);
    assert_eq!(count(open_read_only(&scratch.env).unwrap().snapshot()), 1);
}

#[test]
fn what_is_missing_or_damaged_is_refused() {
    let scratch = Scratch::new();
    assert_eq!(
        open_read_only(&scratch.env).unwrap_err().class(),
        ErrorClass::Caller
    );
    let store = open(&scratch);
    put(&store, 1);
    store.flush().unwrap();
    drop(store);
    let table = "tables/00000000000000000001.tbl";
    scratch.edit(table, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let damaged = open_read_only(&scratch.env).unwrap_err();
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged}");
    scratch.remove(table);
    let missing = open_read_only(&scratch.env).unwrap_err();
    assert!(
        matches!(missing, StoreError::TableMissing { .. }),
        "{missing}"
    );
}
