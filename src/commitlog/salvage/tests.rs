//! Tests of salvage.

use std::path::Path;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Budget, CrashKind, DiskConfig, Errno, SimFs};
use blackstart_vfs::port::fs;

use super::{SalvageReport, salvage};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    Durability, Epoch, Features, FileReason, Log, LogError, LogOptions, ReadOnlyLog, verify,
};

const FIRST: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000002.log";
const THIRD: &str = "00000000000000000004.log";
const NAMES: [&str; 3] = [FIRST, SECOND, THIRD];

const LETTERS: [&str; 7] = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f", "6:g"];

const HEADER_BYTES: usize = 128;
/// A commit of one letter.
const COMMIT_BYTES: usize = 37;

/// Two segments of two commits each, and a newest one of three. Each commit is synced, and vouched
/// for by the next; nothing vouches for the last. The log was killed.
fn healthy() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c", "d"]);
    log.rotate().unwrap();
    commit(&log, &["e", "f", "g"]);
    scratch
}

fn letters(except: &[(usize, &str)]) -> Vec<String> {
    let mut letters = LETTERS.map(String::from).to_vec();
    for (at, instead) in except {
        letters[*at] = (*instead).to_owned();
    }
    letters.retain(|letter| !letter.is_empty());
    letters
}

/// What a salvage saves. Nothing in the old directory is changed; the new log is sound, holds what
/// the report says, and goes on.
fn saved_with(scratch: &Scratch, options: &LogOptions) -> (Vec<String>, SalvageReport) {
    let before = contents(scratch);
    let target = Scratch::new();
    let report = salvage(&scratch.env, "", &target.env, "saved", options).unwrap();
    assert!(contents(scratch) == before, "[I1] the damaged directory");
    let verified = verify(&target.env, "saved", &LogOptions::new()).unwrap();
    assert!(verified.is_good(), "{:?}", verified.problem());
    let open = || {
        Log::open(&target.env, "saved", LogOptions::new())
            .unwrap()
            .0
    };
    let log = open();
    assert_eq!(
        (log.visible_through(), log.oldest()),
        (report.next, report.oldest)
    );
    assert_eq!(
        (log.epoch() >= report.epoch, log.log_id()),
        (true, report.log_id)
    );
    let records = read(log.reader(log.oldest()).unwrap());
    let lost = records.iter().filter(|record| record.starts_with("lost"));
    let told = report.lost.iter();
    let told = told.map(|range| format!("lost {}..{}", range.start, range.end));
    assert!(lost.cloned().eq(told), "{records:?} {report:?}");
    let saved = records.iter().filter(|record| !record.starts_with("lost"));
    assert_eq!(report.transactions, saved.count() as u64);
    let added = log.commit(&["added"], Durability::Synced).unwrap();
    drop(log);
    let log = open();
    let again = read(log.reader(log.oldest()).unwrap());
    assert_eq!(
        again,
        [&records[..], &[format!("{}:added", added.first)]].concat()
    );
    (records, report)
}

fn saved(scratch: &Scratch) -> (Vec<String>, SalvageReport) {
    saved_with(scratch, &LogOptions::new())
}

/// All files of a directory, the superblock's too.
fn contents(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let names = scratch.names().into_iter().chain(["lock".to_owned()]);
    let there = names.filter(|name| scratch.env.fs().metadata(Path::new(name)).is_ok());
    there
        .map(|name| (name.clone(), scratch.read(&name)))
        .collect()
}

fn refused(scratch: &Scratch, options: &LogOptions) -> LogError {
    let target = Scratch::new();
    let error = salvage(&scratch.env, "", &target.env, "saved", options).unwrap_err();
    assert_eq!(target.names(), [""; 0], "nothing is left of it");
    error
}

#[test]
fn a_healthy_log_is_copied() {
    let scratch = healthy();
    let (records, report) = saved(&scratch);
    assert_eq!(records, LETTERS);
    assert_eq!((report.lost.len(), report.problems.len()), (0, 0));
    assert_eq!(
        (report.commits, report.next, report.epoch),
        (7, tx(7), Epoch::new(2))
    );
    // Also one with forks, and one that was closed.
    for _ in 0..2 {
        let (log, _) = scratch.open();
        log.truncate_to(tx(5)).unwrap();
        commit(&log, &["f", "g"]);
        log.close().unwrap();
        let (records, report) = saved(&scratch);
        assert_eq!((records, report.problems.len()), (letters(&[]), 0));
        assert!(report.epoch > log.epoch());
    }
}

/// [I2] [I3] One damaged byte anywhere costs the commit that it belongs to, and no other. The last
/// commit, for which nothing vouches, is a tail.
#[test]
fn damage_anywhere_costs_only_the_commit_it_hits() {
    for (name, first, end) in [(FIRST, 0, 2), (SECOND, 2, 4), (THIRD, 4, 7)] {
        for at in 0..healthy().read(name).len() {
            let scratch = healthy();
            scratch.edit(name, |bytes| bytes[at] ^= 0x81);
            let (records, report) = saved(&scratch);
            let commit = at
                .checked_sub(HEADER_BYTES)
                .map(|at| first + at / COMMIT_BYTES);
            let hit = commit.filter(|commit| *commit < end);
            let lost = hit.map(|hit| (hit, format!("lost {hit}..{}", hit + 1)));
            let is_tail = hit == Some(6);
            let expected = match &lost {
                None => letters(&[]),
                Some(_) if is_tail => letters(&[(6, "")]),
                Some((hit, lost)) => letters(&[(*hit, lost)]),
            };
            assert_eq!(records, expected, "[I2] [I3] {name} at {at}");
            let problems = usize::from(!is_tail);
            assert_eq!(
                report.problems.len(),
                problems,
                "{name} at {at}: {report:?}"
            );
        }
    }
}

#[test]
fn a_missing_segment_is_a_lost_range() {
    for (name, range) in [(FIRST, 0..2), (SECOND, 2..4)] {
        let scratch = healthy();
        scratch.remove(name);
        let (records, _) = saved(&scratch);
        let mut expected = letters(&[]);
        let lost = format!("lost {}..{}", range.start, range.end);
        expected.splice(range, [lost]);
        assert_eq!(records, expected);
    }
}

/// [I3] What a newest segment held that is gone nobody knows; but that it is gone is said, and what
/// was known to be durable is a loss.
#[test]
fn a_missing_newest_segment_is_a_problem() {
    let scratch = healthy();
    scratch.remove(THIRD);
    let (records, report) = saved(&scratch);
    assert_eq!(records, LETTERS[..4]);
    let [LogError::SegmentMissing { file, .. }] = report.problems.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(file, THIRD);

    let scratch = healthy();
    scratch.open().0.close().unwrap();
    scratch.remove(THIRD);
    let (records, report) = saved(&scratch);
    assert_eq!(
        records,
        [&letters(&[])[..4], &["lost 4..7".to_owned()]].concat()
    );
    assert_eq!(report.next, tx(7), "the offsets are not given again");
    assert_eq!(report.problems.len(), 1, "{report:?}");
}

#[test]
fn several_damages_are_all_listed() {
    let scratch = healthy();
    scratch.edit(FIRST, |bytes| bytes[HEADER_BYTES + 10] ^= 1);
    scratch.edit(SECOND, |bytes| bytes[..20].fill(0));
    scratch.edit(THIRD, |bytes| bytes[HEADER_BYTES + COMMIT_BYTES + 5] ^= 1);
    scratch.write("stray", b"somebody's");
    scratch.write("00000000000000000009.tmp", b"unfinished");
    let (records, report) = saved(&scratch);
    assert_eq!(records, letters(&[(0, "lost 0..1"), (5, "lost 5..6")]));
    assert_eq!(report.problems.len(), 3, "{report:?}");
    let reasons: Vec<_> = report.files.iter().map(|note| note.reason).collect();
    assert_eq!(reasons, [FileReason::Unfinished, FileReason::Unknown]);
}

/// [I2] Headers that are lost cost nothing, in any of the segments or in all.
#[test]
fn lost_headers_cost_nothing() {
    for which in 1..8 {
        let scratch = healthy();
        let hit = (0..3).filter(|at| which >> at & 1 == 1);
        for at in hit.clone() {
            scratch.edit(NAMES[at], |bytes| bytes[..HEADER_BYTES].fill(0xEE));
        }
        let (records, report) = saved(&scratch);
        assert_eq!(records, LETTERS, "[I2] {which}");
        assert_eq!(report.problems.len(), hit.count());
    }
    // Nothing says which log it was.
    let scratch = healthy();
    for name in NAMES {
        scratch.edit(name, |bytes| bytes[..HEADER_BYTES].fill(0xEE));
    }
    scratch.remove("lock");
    let error = refused(&scratch, &LogOptions::new());
    assert!(matches!(error, LogError::Corrupt { .. }), "{error}");
    let error = refused(&Scratch::new(), &LogOptions::new());
    assert!(matches!(error, LogError::NotFound { .. }), "{error}");
}

/// [I2] Frames whose payload has a checksum of its own, and commits of many transactions.
#[test]
fn damage_to_large_commits_costs_them_only() {
    let large = || {
        let scratch = Scratch::new();
        let (log, _) = scratch
            .open_with(options().segment_bytes_max(64 << 10))
            .unwrap();
        for letter in ["a", "b", "c", "d"] {
            log.commit(&[&letter.repeat(2000), letter, letter], Durability::Synced)
                .unwrap();
        }
        scratch
    };
    let frame_bytes = (large().read(FIRST).len() - HEADER_BYTES) / 4;
    for commit in 0..3_u64 {
        let from = HEADER_BYTES + commit as usize * frame_bytes;
        for at in [
            0,
            8,
            31,
            32,
            40,
            1055,
            1056,
            1500,
            2040,
            frame_bytes - 5,
            frame_bytes - 1,
        ] {
            let scratch = large();
            scratch.edit(FIRST, |bytes| bytes[from + at] ^= 0x20);
            let (records, report) = saved(&scratch);
            assert_eq!(
                report.lost,
                [tx(3 * commit)..tx(3 * commit + 3)],
                "[I2] {at}"
            );
            assert_eq!(records.len(), 10);
        }
    }
}

/// [I3] The caller's bound, and the superblock's, name a loss at the end.
#[test]
fn a_bound_names_a_loss_at_the_end() {
    let hit = |scratch: &Scratch, name| {
        scratch.edit(name, |bytes| {
            bytes[HEADER_BYTES + 2 * COMMIT_BYTES + 20] ^= 1;
        })
    };
    let scratch = healthy();
    hit(&scratch, THIRD);
    assert_eq!(saved(&scratch).0.len(), 6, "[I3] nothing covers it");
    let known = LogOptions::new().durable_through(Epoch::FIRST, tx(7));
    let (records, report) = saved_with(&scratch, &known);
    assert_eq!(
        (records, report.next),
        (letters(&[(6, "lost 6..7")]), tx(7))
    );

    let scratch = healthy();
    scratch.open().0.close().unwrap();
    hit(&scratch, THIRD);
    assert_eq!(
        saved(&scratch).0,
        letters(&[(6, "lost 6..7")]),
        "[I3] it was closed"
    );
}

/// [I5] What is no damage stays an error.
#[test]
fn what_is_no_damage_is_refused() {
    let (scratch, other) = (healthy(), healthy());
    scratch.write(SECOND, &other.read(SECOND));
    let error = refused(&scratch, &LogOptions::new());
    assert!(matches!(error, LogError::Foreign { .. }), "[I5] {error}");

    let scratch = Scratch::new();
    let needed = Features {
        incompat: 4,
        ..Features::NONE
    };
    let (log, _) = scratch.open_with(options().features(needed)).unwrap();
    commit(&log, &["a"]);
    drop(log);
    let error = refused(&scratch, &LogOptions::new());
    assert!(
        matches!(error, LogError::UnsupportedFeature { .. }),
        "[I5] {error}"
    );
    let known = LogOptions::new().known_features(needed);
    assert_eq!(saved_features(&scratch, &known), needed, "they stay");

    for kind in [
        CallKind::Read,
        CallKind::Open,
        CallKind::ReadDir,
        CallKind::Len,
    ] {
        for nth in 1..4 {
            let scratch = healthy();
            scratch.disk.fail(kind).nth(nth).errno(Errno::Eio);
            let target = Scratch::new();
            let told = salvage(&scratch.env, "", &target.env, "saved", &LogOptions::new());
            let Err(error) = told else {
                assert_eq!(scratch.disk.faults_struck(), 0, "[I5] {kind:?} {nth}");
                continue;
            };
            assert!(
                matches!(error, LogError::Io { .. }),
                "[I5] {kind:?} {error}"
            );
        }
    }
}

fn saved_features(scratch: &Scratch, known: &LogOptions) -> Features {
    let target = Scratch::new();
    salvage(&scratch.env, "", &target.env, "saved", known).unwrap();
    let mut features = Vec::new();
    crate::commitlog::inspect(&target.env, "saved", &mut |seen| {
        if let crate::commitlog::Inspected::Segment { header, .. } = seen {
            features.push(header.unwrap().features);
        }
    })
    .unwrap();
    features[0]
}

#[test]
fn salvage_is_for_one_and_writes_over_nothing() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let error = refused(&scratch, &LogOptions::new());
    assert!(matches!(error, LogError::Locked { .. }), "{error}");
    log.close().unwrap();
    for taken in ["saved", "saved.unfinished"] {
        let target = Scratch::new();
        fs::create_dir(target.env.fs(), taken).unwrap();
        let told = salvage(&scratch.env, "", &target.env, "saved", &LogOptions::new());
        assert!(
            matches!(told, Err(LogError::AlreadyExists { .. })),
            "{told:?}"
        );
        assert_eq!(target.names(), [taken]);
    }
}

/// [I4] The new directory is complete and durable, or it is not there: whatever fails, and whatever
/// the disk keeps of it.
#[test]
fn the_new_directory_is_whole_or_not_there() {
    let kinds = [
        CallKind::CreateDir,
        CallKind::Open,
        CallKind::Write,
        CallKind::SyncAll,
        CallKind::SyncDir,
        CallKind::Rename,
    ];
    let (mut is_whole, mut is_not_there) = (0, 0);
    for (kind, nth) in kinds
        .into_iter()
        .flat_map(|kind| (1..6).map(move |nth| (kind, nth)))
    {
        let (scratch, target) = (healthy(), Scratch::new());
        scratch.edit(SECOND, |bytes| bytes[HEADER_BYTES] ^= 1);
        let fault = target.disk.fail(kind).nth(nth).times(u32::MAX);
        fault.errno(Errno::Eio);
        let done = salvage(&scratch.env, "", &target.env, "saved", &LogOptions::new());
        target.disk.heal();
        for (survivors, image) in target.disk.images(&Budget::up_to(40)) {
            let crashed = Scratch::on(SimFs::of_image(&image, &DiskConfig::default()));
            let shown = ReadOnlyLog::open(&crashed.env, "saved", LogOptions::new());
            let what = format!("[I4] {kind:?} {nth} {survivors:?}");
            match shown {
                Ok((log, _)) => {
                    let records = read(log.reader(tx(0)).unwrap());
                    assert_eq!(records, letters(&[(2, "lost 2..3")]), "{what}");
                    is_whole += 1;
                }
                Err(LogError::NotFound { .. }) if done.is_err() => is_not_there += 1,
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }
    assert!(
        is_whole > 0 && is_not_there > 0,
        "{is_whole} {is_not_there}"
    );
}

#[test]
fn an_epoch_that_is_lost_with_its_header_is_not_given_again() {
    let scratch = healthy();
    let (log, _) = scratch.open();
    commit(&log, &["h"]);
    let epoch = log.epoch();
    drop(log);
    scratch.edit(THIRD, |bytes| bytes.fill(0xA5));
    let (_, report) = saved(&scratch);
    assert!(report.epoch > epoch, "{} after {epoch}", report.epoch);
}

/// A fork that superseded everything, whose header is lost, before segments that came back.
#[test]
fn a_header_that_is_lost_before_what_came_back_may_have_had_a_later_epoch() {
    for is_removed in [false, true] {
        let scratch = healthy();
        let kept = [SECOND, THIRD].map(|name| (name, scratch.read(name)));
        let (log, _) = scratch.open();
        log.truncate_to(tx(0)).unwrap();
        let epoch = log.epoch();
        drop(log);
        for (name, bytes) in &kept {
            scratch.write(name, bytes);
        }
        match is_removed {
            true => scratch.remove(FIRST),
            false => scratch.edit(FIRST, |bytes| bytes[70] ^= 1),
        }
        let (_, report) = saved(&scratch);
        assert!(report.epoch > epoch, "{} after {epoch}", report.epoch);
    }
}

/// What a fork superseded is left out and listed; what was cut does not come back.
#[test]
fn superseded_and_retired_segments_are_left_out() {
    let scratch = healthy();
    let kept = [FIRST, THIRD].map(|name| (name, scratch.read(name)));
    let (log, _) = scratch.open();
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x", "y"]);
    assert_eq!(log.retain_from(tx(2)).unwrap(), tx(2));
    drop(log);
    for (name, bytes) in &kept {
        scratch.write(name, bytes);
    }
    scratch.edit(SECOND, |bytes| bytes[HEADER_BYTES + 3] ^= 1);
    let (records, report) = saved(&scratch);
    assert_eq!(records, ["lost 2..3", "3:x", "4:y"]);
    assert_eq!((report.oldest, report.next), (tx(2), tx(5)));
    let notes: Vec<_> = report
        .files
        .iter()
        .map(|note| (note.file.as_str(), note.reason))
        .collect();
    assert_eq!(
        notes,
        [
            (FIRST, FileReason::Retired),
            (THIRD, FileReason::Superseded)
        ]
    );
}

/// A log that was salvaged and is damaged again: what was lost stays lost, and is told again.
#[test]
fn salvage_may_be_repeated() {
    let scratch = healthy();
    scratch.edit(FIRST, |bytes| bytes[HEADER_BYTES + 3] ^= 1);
    let first = Scratch::new();
    salvage(&scratch.env, "", &first.env, "saved", &LogOptions::new()).unwrap();
    let disk = first.env.fs();
    let last = fs::read_dir(disk, "saved").unwrap();
    let names: Vec<_> = last
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    let again = Scratch::new();
    for name in names {
        let bytes = fs::read(disk, Path::new("saved").join(&name)).unwrap();
        again.write(name.to_str().unwrap(), &bytes);
    }
    assert_eq!(again.records(), letters(&[(0, "lost 0..1")]));
    again.edit(SECOND, |bytes| bytes[HEADER_BYTES + COMMIT_BYTES + 3] ^= 1);
    let (records, report) = saved(&again);
    assert_eq!(records, letters(&[(0, "lost 0..1"), (3, "lost 3..4")]));
    assert_eq!(report.epoch, Epoch::new(3));
    // And what is salvaged after a loss of power is as durable as it said.
    first.disk.crash(CrashKind::Power);
    let (log, _) = Log::open(&first.env, "saved", LogOptions::new()).unwrap();
    assert_eq!(
        read(log.reader(tx(0)).unwrap()),
        letters(&[(0, "lost 0..1")])
    );
}
