//! Tests of the writable log as its users see it.

use std::sync::Arc;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, Errno};
use blackstart_vfs::Event;
use parking_lot::Mutex;

use super::super::testing::{Scratch, commit, options, read, tx};
use super::*;
use crate::commitlog::LogEnd;

#[test]
fn what_is_committed_is_read_and_stays() {
    let scratch = Scratch::os();
    let (log, report) = scratch.open();
    assert!(report.created);
    let committed = log.commit(&["a", "b"], Durability::Synced).unwrap();
    assert_eq!(committed.range(), tx(0)..tx(2));
    let committed = log.commit(&["c"], Durability::Buffered).unwrap();
    assert_eq!(committed.range(), tx(2)..tx(3));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
    assert_eq!(
        (log.visible_through(), log.durable_through()),
        (tx(3), tx(2))
    );
    log.close().unwrap();
    log.close().unwrap();
    assert!(matches!(
        log.commit(&["d"], Durability::Os),
        Err(LogError::Closed)
    ));

    let (log, report) = scratch.open();
    assert!(report.closed && !report.created);
    assert_eq!((report.next, report.end), (tx(3), LogEnd::Clean));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
    assert_eq!(log.epoch(), committed.epoch);
    assert_ne!(log.incarnation(), committed.incarnation);
}

#[test]
fn what_was_buffered_dies_with_the_handle_and_the_epoch_goes_up() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    let first = log.commit(&["a"], Durability::Os).unwrap();
    log.commit(&["b"], Durability::Buffered).unwrap();
    drop(log);
    let (log, report) = scratch.open();
    assert!(!report.closed);
    assert_eq!((report.next, report.known_durable_through), (tx(1), tx(0)));
    let again = log.commit(&["c"], Durability::Os).unwrap();
    assert_eq!(
        (again.first, again.epoch),
        (tx(1), first.epoch.next().unwrap())
    );
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:c"]);
}

#[test]
fn a_clean_log_that_is_appended_to_is_no_longer_closed() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.close().unwrap();
    let (log, report) = scratch.open();
    assert!(report.closed);
    let lost = log.commit(&["b"], Durability::Buffered).unwrap();
    drop(log);
    let (log, report) = scratch.open();
    assert!(!report.closed, "the first append has made a new segment");
    assert_eq!(report.next, tx(1));
    let again = log.commit(&["c"], Durability::Synced).unwrap();
    assert_eq!(again.first, lost.first);
    assert!(again.epoch > lost.epoch, "the same offset in another epoch");
}

/// [I3] An offset is given again in a later epoch only, and never by the same incarnation: over
/// closed, killed and truncated lives.
#[test]
fn epoch_and_offset_are_never_given_twice() {
    let scratch = Scratch::new();
    let mut given = std::collections::BTreeMap::new();
    let mut incarnations = std::collections::BTreeSet::new();
    for life in 0..24 {
        let (log, _) = scratch.open();
        assert!(incarnations.insert(log.incarnation()), "each draws its own");
        let mut note = |record: String, durability| {
            let committed = log.commit(&[&record], durability).unwrap();
            assert_eq!(committed.incarnation, log.incarnation());
            let place = (committed.epoch, committed.first);
            let before = given.insert(place, record.clone());
            assert_eq!(before, None, "[I3] {place:?} was given to {record} as well");
        };
        for number in 0..4 {
            let durability = [Durability::Synced, Durability::Os, Durability::Buffered];
            note(format!("{life}.{number}"), durability[(life + number) % 3]);
        }
        let end = log.visible_through().get();
        match life % 4 {
            0 => log.close().unwrap(),
            1 => {}
            2 => {
                log.truncate_to(tx(end - 2)).unwrap();
                note(format!("{life}.x"), Durability::Synced);
            }
            _ => {
                log.rotate().unwrap();
                log.truncate_to(tx(end - 1)).unwrap();
                log.close().unwrap();
            }
        }
    }
}

#[test]
fn opening_and_closing_without_writing_changes_nothing() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.close().unwrap();
    let before: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    for _ in 0..3 {
        let (log, _) = scratch.open();
        log.close().unwrap();
    }
    let after: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    assert!(before == after);
}

#[test]
fn segments_rotate_and_are_read_across() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    let names: Vec<_> = (0..40).map(|number| format!("record {number}")).collect();
    for name in &names {
        log.commit(&[name], Durability::Synced).unwrap();
    }
    assert!(log.stats().rotations > 3);
    let numbered = names
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{at}:{name}"));
    let expected: Vec<_> = numbered.collect();
    assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
    for from in 0..40 {
        assert_eq!(
            read(log.reader(tx(from)).unwrap()),
            expected[from as usize..]
        );
    }
    drop(log);
    assert_eq!(scratch.records(), expected);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(40));
    assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
}

#[test]
fn the_directory_is_for_one() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    assert!(matches!(scratch.error(), LogError::Locked { .. }));
    log.close().unwrap();
    let (log, _) = scratch.open();
    drop(log);
    scratch.open();
}

#[test]
fn the_callers_mistakes_change_nothing() {
    let scratch = Scratch::os();
    let missing = scratch.open_with(LogOptions::new());
    assert!(matches!(missing, Err(LogError::NotFound { .. })));
    let (log, _) = scratch.open_with(options().frame_bytes_max(100)).unwrap();
    let none: [&str; 0] = [];
    assert!(matches!(
        log.commit(&none, Durability::Os),
        Err(LogError::EmptyCommit)
    ));
    let large = log.commit(&["x".repeat(100)], Durability::Os);
    assert!(matches!(
        large,
        Err(LogError::CommitTooLarge {
            bytes: 136,
            frame_bytes_max: 100
        })
    ));
    assert!(matches!(log.reader(tx(1)), Err(LogError::BeyondEnd { .. })));
    assert!(matches!(
        log.truncate_to(tx(1)),
        Err(LogError::BeyondEnd { .. })
    ));
    log.close().unwrap();
    let exists = scratch.open_with(LogOptions::new().create_new(true));
    assert!(matches!(exists, Err(LogError::AlreadyExists { .. })));
    let options = LogOptions::new().segment_bytes_max(1);
    let invalid = scratch.open_with(options);
    assert!(matches!(
        invalid,
        Err(LogError::InvalidOption {
            option: "segment_bytes_max",
            ..
        })
    ));
}

#[test]
fn a_log_may_live_in_a_directory_below_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::os(dir.path().join("root"));
    let (log, _) = Log::open(&env, "a/b", options()).unwrap();
    commit(&log, &["x"]);
    log.close().unwrap();
    let (log, report) = Log::open(&env, "a/b", options()).unwrap();
    assert_eq!((report.next, log.visible_through()), (tx(1), tx(1)));
}

#[test]
fn a_follower_waits_goes_across_rotation_and_ends_with_the_log() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    let mut follower = log.follow(tx(0), ReadScope::Synced).unwrap();
    let clock = scratch.env.clock();
    let soon = clock.monotonic() + std::time::Duration::from_millis(1);
    assert!(follower.next_commit_until(soon).unwrap().is_none());
    assert!(!follower.is_over());
    let (started, seen) = (Event::new(&scratch.env), Arc::new(Mutex::new(Vec::new())));
    let (ticket, notify, write) = (started.ticket(), started.clone(), seen.clone());
    let body = move || {
        notify.notify_all();
        while let Some(commit) = follower.next_commit().unwrap() {
            write
                .lock()
                .extend(commit.transactions().map(|(tx_offset, _)| tx_offset.get()));
        }
    };
    let task = scratch
        .env
        .tasks()
        .spawn("follower", Box::new(body))
        .unwrap();
    started.wait(ticket);
    for number in 0..50 {
        log.commit(&[format!("record {number}")], Durability::Synced)
            .unwrap();
    }
    log.close().unwrap();
    task.join().unwrap();
    assert_eq!(*seen.lock(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_synced_scope_ends_at_the_last_sync() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.commit(&["b"], Durability::Os).unwrap();
    log.commit(&["c"], Durability::Buffered).unwrap();
    let mut reader = log.reader_of(tx(0), ReadScope::Synced).unwrap();
    assert_eq!(reader.next_commit().unwrap().unwrap().range(), tx(0)..tx(1));
    assert!(reader.next_commit().unwrap().is_none());
    log.sync().unwrap();
    assert_eq!(reader.next_commit().unwrap().unwrap().range(), tx(1)..tx(2));
    assert_eq!(reader.next_commit().unwrap().unwrap().range(), tx(2)..tx(3));
}

#[test]
fn a_follower_ends_when_all_handles_are_gone() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let mut follower = log.follow(tx(0), ReadScope::Visible).unwrap();
    assert!(follower.next_commit().unwrap().is_some());
    let drops = move || drop(log);
    let task = scratch.env.tasks().spawn("dropper", Box::new(drops));
    assert!(follower.next_commit().unwrap().is_none());
    assert!(follower.is_over());
    task.unwrap().join().unwrap();
}

/// A close mark that is lost costs nothing: everything before it was durable before it was written.
#[test]
fn a_close_mark_that_is_not_durable_is_good_enough() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    // The mark is written and not synced.
    scratch.disk.fail(CallKind::SyncAll).errno(Errno::Eio);
    log.close().unwrap_err();
    drop(log);
    scratch.disk.crash(CrashKind::Kill);
    let (log, report) = scratch.open();
    assert!(report.closed, "a kill leaves the page cache");
    log.close().unwrap();
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    let (log, report) = scratch.open();
    assert_eq!((report.next, report.end), (tx(1), LogEnd::Clean));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
}

/// [I2] A commit is there whole or not at all, at whichever byte its file ends.
#[test]
fn a_torn_commit_is_not_there() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let whole = scratch.read("00000000000000000000.log").len();
    log.commit(&["b", "c", "d"], Durability::Os).unwrap();
    drop(log);
    let bytes = scratch.read("00000000000000000000.log");
    for len in whole..=bytes.len() {
        scratch.write("00000000000000000000.log", &bytes[..len]);
        let expected: &[&str] = match len == bytes.len() {
            true => &["0:a", "1:b", "2:c", "3:d"],
            false => &["0:a"],
        };
        assert_eq!(scratch.records(), expected, "[I2] cut at {len}");
    }
}
