//! Tests of the writable log as its users see it.

use std::sync::Arc;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, Errno};
use blackstart_vfs::Event;

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
    assert!(!report.closed, "an open mark follows the close mark");
    assert_eq!(report.next, tx(1));
    let again = log.commit(&["c"], Durability::Synced).unwrap();
    assert_eq!(again.first, lost.first);
    assert!(again.epoch > lost.epoch, "the same offset in another epoch");
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
    assert!(log.stats().rotations > 5);
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
            bytes: 152,
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
fn many_clients_share_syncs_and_all_is_in_order() {
    let scratch = Scratch::os();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(16 << 10))
        .unwrap();
    let (clients, rounds) = (4, 50);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let log = log.clone();
            let body = move || {
                let mut last = None;
                for round in 0..rounds {
                    let committed = log.commit(&[format!("{client}.{round}")], Durability::Synced);
                    let first = committed.unwrap().first;
                    assert!(last < Some(first), "a client's commits are in its order");
                    last = Some(first);
                }
            };
            scratch
                .env
                .tasks()
                .spawn(&format!("client {client}"), Box::new(body))
                .unwrap()
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    let records = read(log.reader(tx(0)).unwrap());
    assert_eq!(records.len(), clients * rounds);
    assert_eq!(log.stats().commits, (clients * rounds) as u64);
    assert_eq!(log.durable_through(), tx((clients * rounds) as u64));
    drop(log);
    assert_eq!(scratch.records(), records);
}

#[test]
fn tickets_are_settled_by_whoever_leads() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    let first = log.submit(&["a"], Durability::Synced).unwrap();
    let second = log.submit(&["b"], Durability::Buffered).unwrap();
    assert!(first.outcome().is_none());
    log.commit(&["c"], Durability::Os).unwrap();
    assert_eq!(first.wait().unwrap().first, tx(0));
    assert_eq!(second.wait().unwrap().first, tx(1));
    let forgotten = log.submit(&["d"], Durability::Synced).unwrap();
    drop(forgotten);
    assert_eq!(log.sync().unwrap(), tx(4));
    let refused = log.submit(&["e"], Durability::Synced).unwrap();
    log.close().unwrap();
    assert_eq!(
        refused.wait().unwrap().first,
        tx(4),
        "closing carries out what is queued"
    );
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:d", "4:e"]);
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

/// A record that can be measured, and panics when it is copied.
struct Trap(std::cell::Cell<u32>);

impl AsRef<[u8]> for Trap {
    fn as_ref(&self) -> &[u8] {
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() < 2, "the trap snaps");
        b"trap"
    }
}

#[test]
fn a_panic_in_the_middle_of_a_write_is_the_last_one() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let waiting = log.submit(&["b"], Durability::Synced).unwrap();
    let leader = log.clone();
    let body = move || drop(leader.commit(&[Trap(0.into())], Durability::Synced));
    let task = scratch.env.tasks().spawn("leader", Box::new(body)).unwrap();
    assert!(task.join().is_err(), "the panic is the task's");
    assert!(matches!(waiting.wait(), Err(LogError::Interrupted)));
    let refused = log.commit(&["c"], Durability::Buffered);
    assert!(
        matches!(refused, Err(LogError::Poisoned { .. })),
        "{refused:?}"
    );
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a"]);
}

#[test]
fn closing_what_was_found_closed_makes_that_durable() {
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
    let (_, report) = scratch.open();
    assert!(report.closed);
}
