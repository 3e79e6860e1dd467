//! Tests of replay in bounded memory, and of points in time.

use blackstart_sim::disk::{CrashModel, DiskConfig, Image};

use crate::commitlog::testing::{Scratch, crashes};
use crate::commitlog::{Durability, ErrorClass, LogOptions, TxOffset};
use crate::store::{History, Keyspace, Store, StoreError, StoreOptions, WhenFull};

const KEYS: Keyspace = Keyspace::DEFAULT;
const KEY_COUNT: u64 = 5;

fn options(history: History) -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(512)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .memtable_bytes_max(300)
        .history(history)
        .log(log)
}

/// The batch of each sequence puts that number under one of a few keys; now and then it deletes
/// the lower half.
fn write(store: &Store, count: u64) {
    for _ in 0..count {
        let sequence = store.next_sequence().get();
        let written = match sequence % 7 {
            6 => store.delete_range(KEYS, b"0"..b"2"),
            _ => store.put(KEYS, &key(sequence % KEY_COUNT), &[sequence as u8]),
        };
        assert_eq!(written.unwrap().get(), sequence);
    }
}

fn key(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// What each key has once the batches through `last` were applied.
fn expected(last: u64) -> Vec<Option<u8>> {
    let mut values = vec![None; KEY_COUNT as usize];
    for sequence in 1..=last {
        match sequence % 7 {
            6 => values[..2].fill(None),
            _ => values[(sequence % KEY_COUNT) as usize] = Some(sequence as u8),
        }
    }
    values
}

fn shown(store: &Store) -> Vec<Option<u8>> {
    let get = |number| store.get(KEYS, &key(number)).unwrap();
    let values = (0..KEY_COUNT).map(get);
    values.map(|value| value.map(|bytes| bytes[0])).collect()
}

fn offset(number: u64) -> TxOffset {
    TxOffset::new(number)
}

/// A life of 40 batches, with flushes and a merge.
fn live(scratch: &Scratch, history: History) {
    let (store, _) = Store::open(&scratch.env, "", &options(history)).unwrap();
    for _ in 0..4 {
        write(&store, 10);
        store.flush().unwrap();
    }
    store.compact().unwrap();
}

/// [I1] A fork at each batch shows what was there then, goes on from there, and is not undone.
#[test]
fn a_fork_brings_back_each_point_in_time() {
    for last in 0..=41 {
        let scratch = Scratch::new();
        live(&scratch, History::All);
        let at = options(History::All).max_tx_offset(offset(last));
        let (store, report) = Store::open(&scratch.env, "", &at).unwrap();
        let end = last.min(40) + 1;
        assert_eq!(shown(&store), expected(last.min(40)), "[I1] {last}");
        assert_eq!(report.fork, (last < 40).then_some(offset(end)), "{last}");
        assert_eq!(report.next_sequence, offset(end));
        write(&store, 3);
        store.flush().unwrap();
        drop(store);
        let (store, report) = Store::open(&scratch.env, "", &options(History::All)).unwrap();
        assert_eq!((shown(&store), report.fork), (expected(end + 2), None));
        write(&store, 1);
    }
}

fn image_of_a_life() -> Image {
    let config = DiskConfig::default();
    let empty = Image::empty(&config);
    let scratch = Scratch::with(config.clone());
    live(&scratch, History::All);
    let trace = scratch.disk.take_trace();
    let mut model = CrashModel::new(&empty, &config, &[]);
    model.advance(&trace, trace.len());
    model.kill_image()
}

/// A fork that a crash cut short is not made, or made whole; the next opening needs no option.
#[test]
fn a_fork_is_whole_after_a_crash() {
    let image = image_of_a_life();
    for last in [3, 25] {
        let at = options(History::All).max_tx_offset(offset(last));
        let mut forks = 0;
        for crash in crashes(&image, |scratch| drop(Store::open(&scratch.env, "", &at))) {
            let opened = Store::open(&crash.disk.env, "", &options(History::All));
            let (store, report) = opened.unwrap_or_else(|error| panic!("{}: {error}", crash.cut));
            let next = report.next_sequence.get();
            assert!(
                next == 41 || next == last + 1,
                "{last} {}: {next}",
                crash.cut
            );
            assert!(!crash.is_over || next == last + 1, "{last}");
            assert_eq!(shown(&store), expected(next - 1), "{last} {}", crash.cut);
            forks += usize::from(next == last + 1);
            write(&store, 2);
        }
        assert!(forks > 3, "{last}: {forks}");
    }
}

/// Without its history a store goes back to the end of its tables, and no further.
#[test]
fn a_point_in_time_needs_history() {
    let scratch = Scratch::new();
    live(&scratch, History::Flushed);
    let at = |last| options(History::Flushed).max_tx_offset(offset(last));
    let refused = Store::open(&scratch.env, "", &at(20)).unwrap_err();
    assert!(
        matches!(refused, StoreError::HistoryGone { .. }),
        "{refused}"
    );
    assert_eq!(refused.class(), ErrorClass::Caller);
    let (store, _) = Store::open(&scratch.env, "", &options(History::Flushed)).unwrap();
    write(&store, 3);
    drop(store);
    let (store, report) = Store::open(&scratch.env, "", &at(41)).unwrap();
    assert_eq!(
        (shown(&store), report.fork),
        (expected(41), Some(offset(42)))
    );
}

/// [I2] What memtables have no room for goes into tables, or the opening is refused.
#[test]
fn a_replay_stays_within_its_memtables() {
    let scratch = Scratch::new();
    let large = options(History::Flushed).memtable_bytes_max(1 << 20);
    let (store, _) = Store::open(&scratch.env, "", &large).unwrap();
    write(&store, 60);
    drop(store);
    let names = scratch.names();
    let small = options(History::Flushed).memtables_max(1);
    let refusing = small.clone().when_full(WhenFull::Refuse);
    let refused = Store::open(&scratch.env, "", &refusing).unwrap_err();
    let is_it =
        matches!(refused, StoreError::ReplayTooLarge { memtables_max: 1, bytes } if bytes > 300);
    assert!(is_it, "{refused}");
    assert_eq!(scratch.names(), names);
    let (store, report) = Store::open(&scratch.env, "", &small).unwrap();
    assert!(
        report.memtables <= 3 && report.tables_flushed > 1,
        "[I2] {report:?}"
    );
    assert_eq!((report.batches_replayed, shown(&store)), (60, expected(60)));
    store.flush().unwrap();
    drop(store);
    let (store, report) = Store::open(&scratch.env, "", &refusing).unwrap();
    assert_eq!((report.tables_flushed, shown(&store)), (0, expected(60)));
}
