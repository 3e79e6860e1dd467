//! What a failing disk does to a log that is open for writing.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, DiskConfig, Errno, Fault, SyncFailure};

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, Log, LogError};

fn is_no_space<T: std::fmt::Debug>(result: Result<T, LogError>) {
    assert!(
        matches!(result, Err(LogError::NoSpace { .. })),
        "{result:?}"
    );
}

fn is_poisoned<T: std::fmt::Debug>(result: Result<T, LogError>) {
    assert!(
        matches!(result, Err(LogError::Poisoned { .. })),
        "{result:?}"
    );
}

#[test]
fn no_space_fails_the_commit_for_good_and_the_log_goes_on() {
    for errno in [Errno::Enospc, Errno::Edquot] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a"]);
        scratch.disk.fail(CallKind::Write).errno(errno);
        is_no_space(log.commit(&["b"], Durability::Synced));
        let next = log.commit(&["c"], Durability::Synced).unwrap();
        assert_eq!(next.first, tx(1), "the offset was never given");
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:c"]);
        drop(log);
        assert_eq!(scratch.records(), ["0:a", "1:c"]);
    }
}

#[test]
fn a_disk_that_fills_up_mid_write_leaves_no_hole() {
    let capacity_bytes = Some(12 << 10);
    let scratch = Scratch::with(DiskConfig {
        capacity_bytes,
        ..DiskConfig::default()
    });
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(1 << 20))
        .unwrap();
    commit(&log, &["a"]);
    // Part of the write fits.
    is_no_space(log.commit(&["x".repeat(20_000)], Durability::Os));
    scratch.disk.heal();
    commit(&log, &["b"]);
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(scratch.records(), ["0:a", "1:b"]);
    let (_, report) = scratch.open();
    assert_eq!(report.next, tx(2));
}

#[test]
fn what_was_buffered_before_the_disk_was_full_is_tried_again() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a"], Durability::Buffered).unwrap();
    scratch
        .disk
        .fail(CallKind::Write)
        .times(3)
        .errno(Errno::Enospc);
    is_no_space(log.commit(&["b"], Durability::Os));
    is_no_space(log.flush());
    is_no_space(log.close());
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
    log.commit(&["c"], Durability::Buffered).unwrap();
    log.close().unwrap();
    assert_eq!(scratch.records(), ["0:a", "1:c"]);
}

#[test]
fn a_cut_that_fails_after_a_full_disk_poisons() {
    for kind in [CallKind::SetLen, CallKind::SyncAll] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a"]);
        scratch.disk.fail(CallKind::Write).errno(Errno::Enospc);
        scratch.disk.fail(kind).errno(Errno::Eio);
        let failed = log.commit(&["b"], Durability::Synced);
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        is_poisoned(log.commit(&["c"], Durability::Buffered));
    }
}

/// A log with one synced commit whose next sync fails.
fn failing_sync(failure: SyncFailure) -> (Scratch, Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    scratch
        .disk
        .fail(CallKind::SyncData)
        .with(Fault::Sync(failure));
    (scratch, log)
}

#[test]
fn a_failed_sync_poisons_whatever_the_disk_made_of_it() {
    for failure in [
        SyncFailure::CleanKeepNew,
        SyncFailure::RevertOld,
        SyncFailure::StayDirty,
        SyncFailure::PartialThenEio,
    ] {
        let (scratch, log) = failing_sync(failure);
        let failed = log.commit(&["b"], Durability::Synced);
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        is_poisoned(log.commit(&["c"], Durability::Buffered));
        is_poisoned(log.submit(&["c"], Durability::Buffered));
        is_poisoned(log.flush());
        is_poisoned(log.sync());
        is_poisoned(log.rotate());
        is_poisoned(log.truncate_to(tx(0)));
        is_poisoned(log.close());
        assert!(log.poison().is_some());
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"], "reading goes on");
        drop(log);
        // What is shown now was made durable, though the pages had been marked clean.
        let (log, _) = scratch.open();
        let shown = read(log.reader(tx(0)).unwrap());
        assert!(
            shown == ["0:a"] || shown == ["0:a", "1:b"],
            "{failure:?}: {shown:?}"
        );
        drop(log);
        scratch.disk.crash(CrashKind::Power);
        assert_eq!(scratch.records(), shown, "{failure:?}");
    }
}

#[test]
fn tickets_in_the_queue_learn_of_the_poison() {
    let (_scratch, log) = failing_sync(SyncFailure::StayDirty);
    let first = log.submit(&["b"], Durability::Synced).unwrap();
    let second = log.submit(&["c"], Durability::Buffered).unwrap();
    assert!(matches!(first.wait(), Err(LogError::Io { .. })));
    assert!(
        matches!(second.wait(), Err(LogError::Io { .. })),
        "they shared a batch"
    );
}

#[test]
fn a_follower_learns_of_the_poison() {
    let (_scratch, log) = failing_sync(SyncFailure::StayDirty);
    let mut follower = log
        .follow(tx(0), crate::commitlog::ReadScope::Visible)
        .unwrap();
    assert!(follower.next_commit().unwrap().is_some());
    log.commit(&["b"], Durability::Synced).unwrap_err();
    is_poisoned(follower.next_commit().map(|_| ()));
}

#[test]
fn a_rotation_without_space_leaves_the_segment_and_fails_the_batch() {
    // The open segment's file goes by the name under which it was opened.
    let cases = [
        (CallKind::Open, "00000000000000000002.tmp"),
        (CallKind::Write, "00000000000000000002.tmp"),
        // The seal.
        (CallKind::Write, "00000000000000000000.tmp"),
    ];
    for (kind, files) in cases {
        let scratch = Scratch::new();
        let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
        commit(&log, &["a", "b"]);
        let before = scratch.read("00000000000000000000.log");
        scratch.disk.fail(kind).on(files).errno(Errno::Enospc);
        is_no_space(log.commit(&["x".repeat(300)], Durability::Synced));
        assert!(
            scratch.read("00000000000000000000.log") == before,
            "{kind:?} {files}"
        );
        assert_eq!(scratch.names().len(), 1, "no temporary file is left");
        commit(&log, &["c"]);
        log.commit(&["y".repeat(300)], Durability::Synced).unwrap();
        assert_eq!((log.stats().rotations, log.visible_through()), (1, tx(4)));
        drop(log);
        let (_, report) = scratch.open();
        assert_eq!(report.next, tx(4));
    }
}

#[test]
fn commits_before_a_failing_rotation_in_their_batch_stay_acknowledged() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    scratch
        .disk
        .fail(CallKind::Open)
        .on("*.tmp")
        .errno(Errno::Enospc);
    let small = log.submit(&["a"], Durability::Os).unwrap();
    let large = log.submit(&["x".repeat(400)], Durability::Os).unwrap();
    is_no_space(large.wait());
    assert_eq!(small.wait().unwrap().first, tx(0));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
}

#[test]
fn a_failed_write_of_another_kind_poisons() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    scratch.disk.fail(CallKind::Write).errno(Errno::Eio);
    let failed = log.commit(&["a"], Durability::Os);
    assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
    is_poisoned(log.commit(&["b"], Durability::Os));
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(0));
    commit(&log, &["c"]);
}

#[test]
fn short_reads_and_writes_are_continued() {
    let scratch = Scratch::new();
    for kind in [CallKind::Write, CallKind::Read] {
        scratch.disk.fail(kind).times(100_000).with(Fault::Short(7));
    }
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    for number in 0..10 {
        log.commit(&[format!("record {number}")], Durability::Synced)
            .unwrap();
    }
    assert_eq!(read(log.reader(tx(0)).unwrap()).len(), 10);
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(
        (report.next, read(log.reader(tx(0)).unwrap()).len()),
        (tx(10), 10)
    );
}

#[test]
fn a_read_error_is_an_error_and_no_end() {
    for nth in 1..20 {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c", "d"]);
        drop(log);
        let before = scratch.names();
        scratch.disk.fail(CallKind::Read).nth(nth).errno(Errno::Eio);
        let opened = scratch.open_with(options());
        match opened {
            Err(error) => assert!(matches!(error, LogError::Io { .. }), "{error:?}"),
            // Fewer reads than that.
            Ok((_, report)) => {
                assert_eq!(report.next, tx(4));
                assert!(nth > 3);
                return;
            }
        }
        scratch.disk.heal();
        let (log, report) = scratch.open();
        assert_eq!(
            (report.next, log.visible_through()),
            (tx(4), tx(4)),
            "{before:?}"
        );
    }
    panic!("opening a small log takes few reads");
}

#[test]
fn an_opening_that_fails_anywhere_can_be_repeated() {
    let kinds = [
        CallKind::Open,
        CallKind::Write,
        CallKind::SetLen,
        CallKind::SyncAll,
        CallKind::SyncDir,
        CallKind::Rename,
        CallKind::RemoveFile,
        CallKind::ReadDir,
        CallKind::Len,
    ];
    for kind in kinds {
        for nth in 1..6 {
            let scratch = Scratch::new();
            let (log, _) = scratch.open();
            commit(&log, &["a", "b", "c"]);
            drop(log);
            scratch.write("00000000000000000009.tmp", b"left over");
            scratch.disk.fail(kind).nth(nth).errno(Errno::Eio);
            let failed = scratch.open_with(options()).is_err();
            scratch.disk.heal();
            let (log, report) = scratch.open();
            assert_eq!(report.next, tx(3), "{kind:?} {nth} {failed}");
            assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
            drop(log);
            scratch.disk.crash(CrashKind::Power);
            assert_eq!(scratch.records(), ["0:a", "1:b", "2:c"], "{kind:?} {nth}");
        }
    }
}
