//! Tests of the superblock's writing.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, Errno};

use crate::commitlog::testing::{Scratch, commit, tx};
use crate::commitlog::{LogError, Superblock};

fn superblock(scratch: &Scratch) -> Superblock {
    Superblock::decode(&scratch.read("lock")).unwrap()
}

/// [I1] An opening that retires files on the word of a superblock which is in the page cache only
/// writes it anew first.
#[test]
fn what_was_read_is_written_anew_before_it_is_relied_on() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c"]);
    // The retention's superblock is written and not synced: what it retires stays.
    scratch
        .disk
        .fail(CallKind::SyncData)
        .on("lock")
        .errno(Errno::Eio);
    log.retain_from(tx(2)).unwrap_err();
    drop(log);
    scratch.disk.crash(CrashKind::Kill);
    let read = superblock(&scratch);
    assert_eq!(read.oldest, tx(2), "it is in the page cache");
    let (_, report) = scratch.open();
    assert_eq!(report.oldest, tx(2));
    assert!(
        superblock(&scratch).counter > read.counter,
        "[I1] written anew"
    );
    scratch.disk.crash(CrashKind::Power);
    let (log, report) = scratch.open();
    assert_eq!(
        (report.oldest, report.next),
        (tx(2), tx(3)),
        "[I1] and durable before"
    );
    log.close().unwrap();
}

/// [I1] Each write goes to the next slot and leaves the others.
#[test]
fn slots_are_written_in_turn() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    let mut before = scratch.read("lock");
    for number in 0..20 {
        commit(&log, &["x"]);
        log.rotate().unwrap();
        let after = scratch.read("lock");
        let slots = before.chunks(512).zip(after.chunks(512));
        let changed: Vec<_> = slots
            .enumerate()
            .filter(|(_, (one, other))| one != other)
            .collect();
        assert_eq!(changed.len(), 1, "rotation {number}");
        assert_eq!(changed[0].0 as u64, superblock(&scratch).counter % 8);
        before = after;
    }
    assert_eq!(log.stats().superblock_failures, 0);
}

/// The log can do without its superblock: a write that fails is counted, and the next says more.
#[test]
fn a_failing_superblock_stops_no_rotation() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    for kind in [CallKind::Open, CallKind::Write, CallKind::SyncData] {
        scratch.disk.fail(kind).on("lock").errno(Errno::Eio);
        let before = log.stats().superblock_failures;
        log.rotate().unwrap();
        assert_eq!(log.stats().superblock_failures, before + 1, "{kind:?}");
        commit(&log, &["b"]);
    }
    log.rotate().unwrap();
    assert_eq!(superblock(&scratch).newest, tx(4));
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(scratch.open().1.next, tx(4));
}

/// A counter without a next is an error, and nothing is overwritten.
#[test]
fn the_last_counter_is_an_error() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.close().unwrap();
    drop(log);
    let last = Superblock {
        counter: u64::MAX,
        ..superblock(&scratch)
    };
    scratch.edit("lock", |bytes| {
        bytes[7 * 512..].copy_from_slice(&last.encode())
    });
    let (log, _) = scratch.open();
    let refused = log.retain_from(tx(0));
    assert_eq!(
        refused.unwrap(),
        tx(0),
        "nothing is retired, so nothing is written"
    );
    commit(&log, &["b"]);
    log.rotate().unwrap();
    let refused = log.retain_from(tx(2));
    assert!(
        matches!(refused, Err(LogError::Exhausted { .. })),
        "{refused:?}"
    );
    assert_eq!(superblock(&scratch), last);
}
