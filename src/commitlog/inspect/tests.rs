//! Tests of looking at a log from outside.

use super::*;
use crate::commitlog::Durability;
use crate::commitlog::testing::{Scratch, commit, options};

fn log() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.commit(&["b", "c"], Durability::Synced).unwrap();
    log.rotate().unwrap();
    commit(&log, &["d", "e"]);
    scratch
}

/// What is seen, in words.
fn seen(scratch: &Scratch) -> Vec<String> {
    let mut seen = Vec::new();
    let mut visit = |what: Inspected| {
        seen.push(match what {
            Inspected::Segment {
                file,
                bytes,
                header,
            } => {
                let header = header.map(|header| (header.first.get(), header.epoch.get()));
                format!("{file} {bytes} {:?}", header.ok())
            }
            Inspected::Frame { at, frame, end } => {
                format!("{at} {} {}..{end}", frame.kind.name(), frame.first)
            }
            Inspected::Break {
                defect,
                bytes,
                later_frames,
            } => {
                format!("{} {bytes} {later_frames}", defect.field)
            }
            Inspected::Other { file } => file,
        });
    };
    inspect(&scratch.env, "", &mut visit).unwrap();
    seen
}

#[test]
fn everything_is_shown() {
    let scratch = log();
    scratch.write("00000000000000000009.tmp", b"");
    scratch.edit("00000000000000000003.log", |bytes| {
        bytes[96 + 50] ^= 1;
        bytes.resize(300, 0);
    });
    assert_eq!(
        seen(&scratch),
        [
            "00000000000000000000.log 263 Some((0, 1))",
            "96 commit 0..1",
            "149 commit 1..3",
            "207 seal 3..3",
            "00000000000000000003.log 300 Some((3, 1))",
            "payload checksum 106 1",
            "00000000000000000009.tmp",
        ]
    );
    let missing = inspect(&scratch.env, "nowhere", &mut |_| {});
    assert!(matches!(missing, Err(LogError::NotFound { .. })));
}

#[test]
fn a_good_log_is_good() {
    let scratch = log();
    let verification = verify(&scratch.env, "").unwrap();
    assert!(verification.is_good());
    let counts = verification
        .segments
        .iter()
        .map(|segment| (segment.commits, segment.transactions));
    assert_eq!(counts.collect::<Vec<_>>(), [(2, 3), (2, 2)]);
    assert_eq!(verification.opening.unwrap().next, TxOffset::new(5));
}

#[test]
fn damage_that_opening_does_not_look_for_is_found() {
    let scratch = log();
    scratch.edit("00000000000000000000.log", |bytes| bytes[149 + 50] ^= 1);
    let verification = verify(&scratch.env, "").unwrap();
    assert!(verification.opening.is_ok() && !verification.is_good());
    let problem = verification.segments[0].problem.clone();
    let Some(LogError::Corrupt { corrupt, .. }) = problem else {
        panic!("{problem:?}")
    };
    assert_eq!(
        (corrupt.defect.field, corrupt.defect.at.get()),
        ("payload checksum", 197)
    );
    assert_eq!(verification.segments[0].commits, 1);
    assert!(verification.segments[1].problem.is_none());
}

#[test]
fn a_log_that_would_be_refused_is_told_segment_by_segment() {
    let scratch = log();
    scratch.edit("00000000000000000003.log", |bytes| bytes[100] ^= 1);
    let verification = verify(&scratch.env, "").unwrap();
    assert!(matches!(
        verification.opening,
        Err(LogError::Corrupt { .. })
    ));
    assert_eq!(verification.segments.len(), 2);
    assert!(verification.segments[0].problem.is_none());
    assert!(verification.segments[1].problem.is_some());
}

#[test]
fn salvaged_losses_are_listed_and_no_problem() {
    let scratch = log();
    scratch.edit("00000000000000000000.log", |bytes| bytes[149 + 50] ^= 1);
    drop(scratch.open_with(options().salvage(true)).unwrap());
    let verification = verify(&scratch.env, "").unwrap();
    assert!(verification.is_good());
    assert_eq!(
        verification.segments[0].lost,
        [TxOffset::new(1)..TxOffset::new(3)]
    );
}

#[test]
fn looking_changes_nothing() {
    let scratch = log();
    let before: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    let effects = scratch.disk.trace_len();
    seen(&scratch);
    verify(&scratch.env, "").unwrap();
    scratch.records();
    assert_eq!(scratch.disk.trace_len(), effects);
    let after: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    assert!(before == after);
}
