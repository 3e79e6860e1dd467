//! Tests of looking at a log from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::CallRecord;

use super::*;
use crate::commitlog::testing::hooked::{Call, HookedFs};
use crate::commitlog::testing::{Scratch, commit, options};
use crate::commitlog::{Durability, Epoch, salvage};

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
            Inspected::Gone { file } => format!("{file} is gone"),
            Inspected::Superblock { superblock } => {
                let told = superblock.map(|superblock| {
                    let Superblock {
                        epoch,
                        oldest,
                        newest,
                        durable_through,
                        ..
                    } = superblock;
                    [
                        epoch.get().into(),
                        oldest.get(),
                        newest.get(),
                        durable_through.get(),
                    ]
                });
                format!("superblock {told:?}")
            }
            Inspected::Other { file, reason } => format!("{file} {reason:?}"),
        });
    };
    inspect(&scratch.env, "", &mut visit).unwrap();
    seen
}

#[test]
fn everything_is_shown() {
    let scratch = log();
    scratch.write("00000000000000000009.tmp", b"");
    scratch.write("notes", b"");
    scratch.edit("00000000000000000003.log", |bytes| {
        bytes[128 + 34] ^= 1;
        bytes.resize(300, 0);
    });
    assert_eq!(
        seen(&scratch),
        [
            "00000000000000000000.log 207 Some((0, 1))",
            "128 commit 0..1",
            "165 commit 1..3",
            "00000000000000000003.log 300 Some((3, 1))",
            "frame checksum 74 1",
            "superblock Some([1, 0, 3, 3])",
            "00000000000000000009.tmp Unfinished",
            "notes Unknown",
        ]
    );
    let missing = inspect(&scratch.env, "nowhere", &mut |_| {});
    assert!(matches!(missing, Err(LogError::NotFound { .. })));
}

#[test]
fn a_good_log_is_good() {
    let scratch = log();
    let verification = verify(&scratch.env, "", &LogOptions::new()).unwrap();
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
    scratch.edit("00000000000000000000.log", |bytes| bytes[165 + 34] ^= 1);
    let verification = verify(&scratch.env, "", &LogOptions::new()).unwrap();
    assert!(verification.opening.is_ok() && !verification.is_good());
    let problem = verification.segments[0].problem.clone();
    let Some(LogError::Corrupt { corrupt, .. }) = problem else {
        panic!("{problem:?}")
    };
    assert_eq!(
        (corrupt.defect.field, corrupt.defect.at.get()),
        ("frame checksum", 165)
    );
    assert_eq!(verification.segments[0].commits, 1);
    assert!(verification.segments[1].problem.is_none());
}

#[test]
fn a_log_that_would_be_refused_is_told_segment_by_segment() {
    let scratch = log();
    scratch.edit("00000000000000000003.log", |bytes| bytes[132] ^= 1);
    let verification = verify(&scratch.env, "", &LogOptions::new()).unwrap();
    assert!(matches!(
        verification.opening,
        Err(LogError::Corrupt { .. })
    ));
    assert_eq!(verification.segments.len(), 2);
    assert!(verification.segments[0].problem.is_none());
    assert!(verification.segments[1].problem.is_some());
}

#[test]
fn losses_that_a_salvage_recorded_are_listed_and_no_problem() {
    let scratch = log();
    scratch.edit("00000000000000000000.log", |bytes| bytes[165 + 34] ^= 1);
    let options = LogOptions::new();
    salvage(&scratch.env, "", &scratch.env, "saved", &options).unwrap();
    let verification = verify(&scratch.env, "saved", &options).unwrap();
    assert!(verification.is_good(), "{:?}", verification.problem());
    let lost = verification.segments.iter();
    let lost: Vec<_> = lost.filter_map(|segment| segment.lost.clone()).collect();
    assert_eq!(lost, [TxOffset::new(1)..TxOffset::new(3)]);
}

#[test]
fn the_callers_knowledge_counts() {
    let scratch = log();
    let options = |through| {
        let through = TxOffset::new(through);
        LogOptions::new().durable_through(Epoch::FIRST, through)
    };
    assert!(verify(&scratch.env, "", &options(5)).unwrap().is_good());
    let verification = verify(&scratch.env, "", &options(6)).unwrap();
    assert!(matches!(
        verification.opening,
        Err(LogError::Corrupt {
            evidence: Evidence::Caller { .. },
            ..
        })
    ));
    let missing = verify(&scratch.env, "nowhere", &options(0));
    assert!(
        matches!(missing, Err(LogError::NotFound { .. })),
        "{missing:?}"
    );
}

/// [I1], and source [I1]: nothing is written and no lock is taken.
#[test]
fn looking_changes_nothing() {
    let scratch = log();
    let before: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    let effects = scratch.disk.trace_len();
    scratch.disk.set_verbose(true);
    seen(&scratch);
    verify(&scratch.env, "", &LogOptions::new()).unwrap();
    scratch.records();
    assert_eq!(scratch.disk.trace_len(), effects, "[I1], source [I1]");
    let calls = scratch.disk.take_log();
    let locks = |record: &CallRecord| record.call.kind == CallKind::Lock;
    assert!(!calls.is_empty() && !calls.iter().any(locks), "[I1]");
    let after: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    assert!(before == after);
}

/// [I2] Reads are chunks, or a frame if that is larger: never the whole of a long segment.
#[test]
fn memory_is_bounded_by_a_chunk_and_a_frame() {
    let largest = Arc::new(AtomicU64::new(0));
    let scratch = Scratch::new();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(4 << 20))
        .unwrap();
    for _ in 0..300 {
        log.commit(&["x".repeat(10_000)], Durability::Os).unwrap();
    }
    drop(log);
    let seen = largest.clone();
    let fs = HookedFs::new(Arc::new(scratch.disk.clone()), move |call, _| {
        if let Call::Read(bytes) = call {
            seen.fetch_max(bytes as u64, Ordering::Relaxed);
        }
        Ok(())
    });
    let env = scratch.env.with_fs(Arc::new(fs));
    inspect(&env, "", &mut |_| {}).unwrap();
    assert!(verify(&env, "", &LogOptions::new()).unwrap().is_good());
    let largest = largest.load(Ordering::Relaxed);
    assert!((10_000..=256 << 10).contains(&largest), "[I2] {largest}");
}
