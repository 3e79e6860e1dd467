//! Tests of the task, and of who waits for it.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;

use crate::commitlog::Durability;
use crate::commitlog::testing::Scratch;
use crate::store::{Keyspace, Store, StoreError, StoreOptions};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Buffered)
        .create(true)
        .memtable_bytes_max(400)
        .memtables_max(1)
}

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; 60]
}

fn fill(store: &Store, keys: u32, rounds: u32) {
    for number in 0..keys * rounds {
        let key = (number * 7 % keys).to_be_bytes();
        store.put(KEYS, &key, &value(number)).unwrap();
    }
}

/// [I1] and [I3] Writers that are faster than flushes and merges wait for them, with a task and
/// without; in the end all is there, and few runs are left.
#[test]
fn writers_wait_for_memtables_and_merges() {
    for has_task in [true, false] {
        let scratch = Scratch::new();
        let options = options().background_task(has_task);
        let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
        fill(&store, 64, 12);
        let stats = store.stats();
        assert!(stats.memtables_waiting <= 2, "[I1] {stats:?}");
        assert!((2..=12).contains(&stats.runs), "[I3] {stats:?}");
        assert!(store.background_error().is_none());
        for number in 64 * 11..64 * 12 {
            let key = (number * 7 % 64_u32).to_be_bytes();
            assert_eq!(store.get(KEYS, &key).unwrap(), Some(value(number)));
        }
        store.flush().unwrap();
        store.compact().unwrap();
        let stats = store.stats();
        // Two rows are the store's own.
        assert_eq!((stats.runs, stats.table_rows), (1, 66), "{stats:?}");
        store.close().unwrap();
        drop(store);
        let (store, report) = Store::open(&scratch.env, "", &options).unwrap();
        assert_eq!(report.tables, stats.tables);
        assert_eq!(store.stats().runs, 1);
    }
}

/// [I2] While flushes fail, writes go on to the limit and are refused then, reads go on, and so do
/// merges; once there is space, all is well.
#[test]
fn a_full_disk_refuses_writes_at_the_limit() {
    let scratch = Scratch::new();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    fill(&store, 16, 2);
    store.flush().unwrap();
    let fault = scratch.disk.fail(CallKind::Write).on("tables*");
    fault.times(100_000).errno(Errno::Enospc);
    let mut written = 100;
    let refused = loop {
        match store.put(KEYS, &1_000_u32.to_be_bytes(), &value(written)) {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 200, "it is refused at some time");
    };
    assert!(
        matches!(refused, StoreError::MemtablesFull { .. }),
        "[I2] {refused}"
    );
    assert!(store.background_error().is_some());
    let shown = store.get(KEYS, &1_000_u32.to_be_bytes()).unwrap();
    assert_eq!(shown, Some(value(written - 1)), "reads go on");
    scratch.disk.heal();
    store.put(KEYS, b"more", b"").unwrap();
    store.flush().unwrap();
    // A merge that had failed as well is told until one succeeds.
    store.compact().unwrap();
    assert!(store.background_error().is_none());
    let shown = store.get(KEYS, &1_000_u32.to_be_bytes()).unwrap();
    assert_eq!(shown, Some(value(written - 1)));
}

/// [I2] A merge that meets damage is told of, is not tried again, and refuses nothing.
#[test]
fn damage_stops_the_merge_of_its_tables_alone() {
    let scratch = Scratch::new();
    let options = options().background_task(false);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    store.put(KEYS, b"a", &value(1)).unwrap();
    store.flush().unwrap();
    // The first one has what is the store's own.
    let table = "tables/00000000000000000002.tbl";
    scratch.edit(table, |bytes| bytes[20] ^= 1);
    store.put(KEYS, b"a", &value(2)).unwrap();
    store.flush().unwrap();
    let told = store.background_error().unwrap().to_string();
    assert!(told.contains(table), "[I2] {told}");
    for number in 3..10 {
        store.put(KEYS, b"b", &value(number)).unwrap();
        store.flush().unwrap();
    }
    assert_eq!(store.background_error().unwrap().to_string(), told);
    assert_eq!(store.get(KEYS, b"b").unwrap(), Some(value(9)));
    assert_eq!(store.get(KEYS, b"a").unwrap(), Some(value(2)));
    assert!(store.compact().is_err());
}
