//! Tests of reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::commitlog::testing::hooked::{Call, HookedFs};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    Durability, Entry, ErrorClass, Log, LogError, LogOptions, ReadOnlyLog, ReadScope, salvage,
};

/// A log of commits a to f, two in a segment, and an empty newest segment.
fn six() -> (Scratch, Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    (scratch, log)
}

/// [I1] A reader ends at the frontier of its scope, and goes on when that does.
#[test]
fn a_reader_shows_what_is_in_its_scope_and_no_more() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    let mut visible = log.reader(tx(0)).unwrap();
    let mut synced = log.reader_of(tx(0), ReadScope::Synced).unwrap();
    let levels = [Durability::Buffered, Durability::Os, Durability::Synced];
    for number in 0..60 {
        log.commit(&["x"; 3], levels[number % 3]).unwrap();
        for (reader, end) in [
            (&mut visible, log.visible_through()),
            (&mut synced, log.durable_through()),
        ] {
            let mut next = reader.position();
            while let Some(commit) = reader.next_commit().unwrap() {
                assert_eq!(commit.first(), next, "[I1] in order and without gaps");
                next = commit.range().end;
            }
            assert_eq!(
                (reader.position(), next),
                (end, end),
                "[I1] up to the frontier"
            );
        }
    }
    assert!(log.stats().rotations > 2);
}

#[test]
fn a_reader_may_start_within_a_commit() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a", "b", "c"], Durability::Os).unwrap();
    commit(&log, &["d"]);
    for from in 0..3 {
        let mut reader = log.reader(tx(from)).unwrap();
        let commit = reader.next_commit().unwrap().unwrap();
        assert_eq!(commit.range(), tx(0)..tx(3), "the commit that holds {from}");
        assert_eq!(commit.epoch(), log.epoch());
        assert_eq!(commit.incarnation(), log.incarnation());
        assert_eq!(commit.transactions().len(), 3);
    }
    assert!(log.reader(tx(4)).unwrap().next_commit().unwrap().is_none());
}

/// [I2] Every byte of every frame is checked: damage to any of them is an error where it is met,
/// and stays one.
#[test]
fn damage_to_any_byte_is_met_as_an_error() {
    const FIRST: &str = "00000000000000000000.log";
    let (scratch, log) = six();
    drop(log);
    let sound = scratch.read(FIRST);
    for at in 128..sound.len() {
        scratch.edit(FIRST, |bytes| bytes[at] ^= 4);
        let (log, _) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
        let mut reader = log.reader(tx(0)).unwrap();
        let whole = (at - 128) / ((sound.len() - 128) / 2);
        for _ in 0..whole {
            reader.next_commit().unwrap().unwrap();
        }
        for _ in 0..2 {
            let told = reader.next_commit().map(|_| ());
            assert!(
                matches!(told, Err(LogError::Corrupt { .. })),
                "[I2] {at}: {told:?}"
            );
        }
        assert_eq!(reader.position(), tx(whole as u64));
        scratch.write(FIRST, &sound);
    }
}

/// [I3] Reads are chunks of a segment, or a frame if that is larger.
#[test]
fn memory_is_one_chunk_or_one_frame() {
    let largest = Arc::new(AtomicU64::new(0));
    let scratch = Scratch::new();
    let seen = largest.clone();
    let fs = HookedFs::new(Arc::new(scratch.disk.clone()), move |call, _| {
        if let Call::Read(bytes) = call {
            seen.fetch_max(bytes as u64, Ordering::Relaxed);
        }
        Ok(())
    });
    let env = scratch.env.with_fs(Arc::new(fs));
    let options = || options().segment_bytes_max(8 << 20);
    for (record, bytes_max) in [(10_000, 256 << 10), (1 << 20, (1 << 20) + 4096)] {
        let dir = record.to_string();
        let (log, _) = Log::open(&env, &dir, options()).unwrap();
        for _ in 0..(3 << 20) / record {
            log.commit(&["x".repeat(record)], Durability::Os).unwrap();
        }
        largest.store(0, Ordering::Relaxed);
        let (log, _) = ReadOnlyLog::open(&env, &dir, options()).unwrap();
        assert_eq!(read(log.reader(tx(0)).unwrap()).len(), (3 << 20) / record);
        let largest = largest.load(Ordering::Relaxed);
        assert!(largest >= 4096 && largest <= bytes_max, "[I3] {largest}");
    }
}

/// [I4] What was retired before a reader came to it is gone, and not lost: in the log itself, and
/// in a view of it.
#[test]
fn retired_history_is_gone_and_not_lost() {
    let (scratch, log) = six();
    let (view, _) = ReadOnlyLog::open(&scratch.env, "", LogOptions::new()).unwrap();
    let mut readers = Vec::new();
    for from in 0..4 {
        for steps in 0..2 {
            let both = [
                log.reader(tx(from)).unwrap(),
                view.reader(tx(from)).unwrap(),
            ];
            readers.extend(both.map(|mut reader| {
                for _ in 0..steps {
                    reader.next_commit().unwrap().unwrap();
                }
                reader
            }));
        }
    }
    log.retain_from(tx(4)).unwrap();
    view.refresh().unwrap();
    for mut reader in readers {
        let from = reader.position();
        let told = loop {
            // One that has a segment open may read it to its end.
            match reader.next_commit() {
                Ok(Some(_)) => {}
                other => break other.map(|_| ()),
            }
        };
        match told {
            Err(LogError::HistoryGone { oldest, .. }) => assert_eq!(oldest, tx(4), "[I4]"),
            Ok(()) => assert!(from >= tx(2) && reader.position() == tx(6), "[I4] {from}"),
            Err(error) => panic!("[I4] from {from}: {error}"),
        }
    }
}

/// [I4] A cut below is told once and for all, with its place.
#[test]
fn a_cut_is_no_damage_whatever_becomes_of_the_files() {
    for cut in 0..6 {
        let (scratch, log) = six();
        let (view, _) = ReadOnlyLog::open(&scratch.env, "", LogOptions::new()).unwrap();
        let mut readers: Vec<_> = (0..=6).map(|from| view.reader(tx(from)).unwrap()).collect();
        log.truncate_to(tx(cut)).unwrap();
        commit(&log, &["x"]);
        log.rotate().unwrap();
        for (from, reader) in readers.iter_mut().enumerate() {
            let told = loop {
                match reader.next_commit() {
                    Ok(Some(_)) => {}
                    other => break other.map(|_| ()),
                }
            };
            let position = reader.position();
            match told {
                Ok(()) => assert!(
                    position == tx(cut + 1) || from == 6,
                    "{cut} {from} {position}"
                ),
                Err(error @ LogError::Truncated { at, .. }) => {
                    assert_eq!((at, error.class()), (tx(cut), ErrorClass::Caller), "[I4]");
                    assert!(position > at);
                }
                Err(error) => panic!("[I4] cut at {cut}, from {from}: {error}"),
            }
        }
    }
}

/// A lost range is an entry, or an error once; the reader goes on behind it. [I1]
#[test]
fn a_lost_range_is_told_and_passed() {
    let (scratch, log) = six();
    drop(log);
    scratch.remove("00000000000000000002.log");
    salvage(&scratch.env, "", &scratch.env, "saved", &LogOptions::new()).unwrap();
    let (log, _) = ReadOnlyLog::open(&scratch.env, "saved", LogOptions::new()).unwrap();
    let expected = ["0:a", "1:b", "lost 2..4", "4:e", "5:f"];
    assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
    let mut reader = log.reader(tx(3)).unwrap();
    let entry = reader.next_entry().unwrap().unwrap();
    assert!(matches!(entry, Entry::Lost(range) if range == (tx(3)..tx(4))));
    let entry = reader.next_entry().unwrap().unwrap();
    assert!(matches!(entry, Entry::Commit(commit) if commit.first() == tx(4)));
}
