//! Tests of truncation.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Budget, CrashKind, DiskConfig, Errno, SimFs};

use crate::commitlog::testing::{Scratch, commit, read, tx};
use crate::commitlog::{Durability, FileReason, Log, LogError, ReadScope};

const LETTERS: [&str; 8] = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f", "6:g", "7:h"];

/// A log of commits a to h, two in a segment.
fn eight() -> (Scratch, Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    commit(&log, &["g", "h"]);
    (scratch, log)
}

#[test]
fn a_cut_anywhere_leaves_what_was_before_and_goes_on() {
    for cut in 0..=8 {
        let (scratch, log) = eight();
        let before = log.epoch();
        log.truncate_to(tx(cut)).unwrap();
        let expected = &LETTERS[..cut as usize];
        assert_eq!(log.epoch() > before, cut < 8, "a cut raises the epoch");
        assert_eq!(
            (log.visible_through(), log.durable_through()),
            (tx(cut), tx(cut))
        );
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
        assert_eq!(scratch.records(), expected);
        let again = log.commit(&["x"], Durability::Synced).unwrap();
        assert_eq!(again.first, tx(cut));
        let last = format!("{cut}:x");
        let expected = [expected, &[last.as_str()]].concat();
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
        drop(log);
        assert_eq!(scratch.records(), expected);
        let (log, _) = scratch.open();
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
    }
}

#[test]
fn cuts_may_follow_each_other() {
    let (scratch, log) = eight();
    log.truncate_to(tx(7)).unwrap();
    commit(&log, &["i", "j"]);
    log.truncate_to(tx(5)).unwrap();
    log.truncate_to(tx(5)).unwrap();
    log.truncate_to(tx(4)).unwrap();
    commit(&log, &["k"]);
    log.rotate().unwrap();
    log.truncate_to(tx(1)).unwrap();
    commit(&log, &["l"]);
    log.close().unwrap();
    assert_eq!(scratch.records(), ["0:a", "1:l"]);
    let (_, report) = scratch.open();
    assert!(report.closed);
    assert_eq!(
        scratch.names(),
        ["00000000000000000000.log", "00000000000000000001.log"]
    );
}

#[test]
fn what_is_buffered_can_be_cut_too() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for name in ["a", "b", "c"] {
        log.commit(&[name], Durability::Buffered).unwrap();
    }
    log.truncate_to(tx(2)).unwrap();
    assert_eq!(log.durable_through(), tx(2));
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:b"]);
}

#[test]
fn a_cut_inside_a_commit_is_refused() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.commit(&["b", "c", "d"], Durability::Synced).unwrap();
    for inside in [2, 3] {
        let refused = log.truncate_to(tx(inside));
        let Err(LogError::NotACommitBoundary { asked, first, end }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((asked, first, end), (tx(inside), tx(1), tx(4)));
    }
    commit(&log, &["e"]);
    assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e"]);
}

/// The state's [I3]: a reader that sees a new generation checks its position against it.
#[test]
fn readers_learn_of_a_cut_below_them_and_only_then() {
    let (_scratch, log) = eight();
    let mut below = log.reader(tx(0)).unwrap();
    let mut above = log.follow(tx(0), ReadScope::Visible).unwrap();
    for _ in 0..3 {
        below.next_commit().unwrap().unwrap();
    }
    for _ in 0..7 {
        above.next_commit().unwrap().unwrap();
    }
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x", "y", "z", "1", "2", "3"]);
    for _ in 0..2 {
        let told = above.next_commit().map(|_| ());
        let Err(LogError::Truncated { position, at }) = told else {
            panic!("{told:?}")
        };
        assert_eq!((position, at), (tx(7), tx(3)));
    }
    assert_eq!(below.next_commit().unwrap().unwrap().range(), tx(3)..tx(4));
    assert_eq!(below.position(), tx(4));
}

/// A cut exactly at a reader's position is no business of the reader, in a segment or between two.
#[test]
fn a_cut_at_a_readers_position_is_not_below_it() {
    for at in 1..8 {
        let (_scratch, log) = eight();
        let mut reader = log.reader(tx(0)).unwrap();
        for _ in 0..at {
            reader.next_commit().unwrap().unwrap();
        }
        log.truncate_to(tx(at)).unwrap();
        assert!(reader.next_commit().unwrap().is_none(), "{at}");
        commit(&log, &["x"]);
        let commit = reader.next_commit().unwrap().unwrap();
        assert_eq!((commit.first(), commit.epoch()), (tx(at), log.epoch()));
    }
}

#[test]
fn a_cut_that_is_refused_or_finds_no_space_changes_nothing() {
    let (scratch, log) = eight();
    let before = log.epoch();
    assert!(matches!(
        log.truncate_to(tx(9)),
        Err(LogError::BeyondEnd { asked, next }) if (asked, next) == (tx(9), tx(8))
    ));
    for kind in [CallKind::Open, CallKind::Write] {
        scratch.disk.fail(kind).on("*.tmp").errno(Errno::Enospc);
        let refused = log.truncate_to(tx(3));
        assert!(
            matches!(refused, Err(LogError::NoSpace { .. })),
            "{refused:?}"
        );
        assert_eq!((log.epoch(), log.visible_through()), (before, tx(8)));
        assert_eq!(scratch.names().len(), 4, "no temporary file is left");
    }
    log.retain_from(tx(2)).unwrap();
    let gone = log.truncate_to(tx(1));
    assert!(
        matches!(gone, Err(LogError::HistoryGone { .. })),
        "{gone:?}"
    );
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x"]);
    drop(log);
    assert_eq!(scratch.records(), ["2:c", "3:x"]);
}

/// What a fork superseded and nobody could remove is known by its epoch, and listed.
#[test]
fn superseded_files_that_cannot_be_removed_are_listed() {
    let (scratch, log) = eight();
    let fault = scratch.disk.fail(CallKind::RemoveFile).on("*.log");
    fault.times(u32::MAX).errno(Errno::Eperm);
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:x"]);
    for _ in 0..2 {
        let (log, report) = scratch.open();
        assert_eq!(report.next, tx(4));
        let notes = report.files.iter();
        let notes: Vec<_> = notes
            .map(|note| (note.file.as_str(), note.reason, note.removed))
            .collect();
        let note = |file| (file, FileReason::Superseded, false);
        assert_eq!(
            notes,
            [
                note("00000000000000000004.log"),
                note("00000000000000000006.log")
            ]
        );
        log.close().unwrap();
    }
}

/// How many commits a log shows whose truncation may have failed. A name that was given to the fork
/// is no damage: reading says that the log is poisoned.
fn shown(log: &Log) -> usize {
    let mut reader = log.reader(tx(0)).unwrap();
    for count in 0.. {
        match reader.next_commit() {
            Ok(Some(_)) => {}
            Ok(None) => return count,
            Err(LogError::Poisoned { .. }) => return usize::MAX,
            Err(error) => panic!("after {count} commits: {error}"),
        }
    }
    unreachable!("a log has an end")
}

/// A truncation that a crash or a failure interrupts leaves the old history or the new one; after
/// one that has returned there is only the new one.
#[test]
fn a_crash_within_a_truncation_leaves_one_history_or_the_other() {
    let kinds = [
        CallKind::Open,
        CallKind::Write,
        CallKind::SyncAll,
        CallKind::Rename,
        CallKind::SyncDir,
        CallKind::SetLen,
        CallKind::RemoveFile,
        CallKind::SyncData,
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (kind, nth) in kinds
        .into_iter()
        .flat_map(|kind| [1, 2, 3].map(|nth| (kind, nth)))
    {
        for cut in [2, 3, 7] {
            let (scratch, log) = eight();
            let fault = scratch.disk.fail(kind).nth(nth);
            fault.times(u32::MAX).errno(Errno::Eio);
            let done = log.truncate_to(tx(cut)).is_ok();
            scratch.disk.heal();
            let shown = shown(&log);
            for (survivors, image) in scratch.disk.images(&Budget::up_to(60)) {
                let crashed = Scratch::on(SimFs::of_image(&image, &DiskConfig::default()));
                let records = crashed.records();
                let what = format!("{kind:?} {nth} {cut} {survivors:?}");
                let is_old = records == LETTERS;
                let is_new = records == LETTERS[..cut as usize];
                assert!(is_new || (is_old && !done), "{what}: {records:?}");
                seen.insert((is_new, shown));
                let (log, report) = crashed.open();
                assert_eq!(report.next, tx(records.len() as u64), "{what}");
                commit(&log, &["x"]);
                drop(log);
                crashed.disk.crash(CrashKind::Power);
                assert_eq!(crashed.records().len(), records.len() + 1, "{what}");
            }
        }
    }
    assert!(seen.len() >= 4, "{seen:?}");
}

/// History that was cut never comes back, though the fork's file is lost later.
#[test]
fn what_was_cut_stays_cut_without_the_fork() {
    let (scratch, log) = eight();
    log.truncate_to(tx(3)).unwrap();
    drop(log);
    let fork = "00000000000000000003.log";
    assert!(scratch.names().contains(&fork.to_owned()));
    scratch.remove(fork);
    let error = scratch.error();
    assert!(
        matches!(error, LogError::SegmentMissing { .. }),
        "the superblock names it: {error}"
    );
    scratch.remove("lock");
    assert_eq!(
        scratch.records(),
        LETTERS[..3],
        "the cut itself was durable"
    );
}
