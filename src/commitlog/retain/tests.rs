//! Tests of retention.

use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Budget, DiskConfig, Errno, SimFs};
use parking_lot::Mutex;

use crate::commitlog::testing::hooked::{Call, HookedFs};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    ArchiveSegment, Durability, FileReason, Log, LogError, LogOptions, SegmentInfo, TxOffset,
};

const FIRST: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000002.log";
const LETTERS: [&str; 6] = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f"];

/// A log of commits a to f, two in a segment, and an empty newest segment.
fn six(options: LogOptions) -> (Scratch, Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options).unwrap();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    (scratch, log)
}

#[test]
fn whole_segments_below_go_and_nothing_else() {
    for (asked, oldest) in [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (6, 6), (100, 6)] {
        let (scratch, log) = six(options());
        assert_eq!(log.retain_from(tx(asked)).unwrap(), tx(oldest));
        assert_eq!(log.oldest(), tx(oldest));
        let expected = &LETTERS[oldest as usize..];
        assert_eq!(read(log.reader(tx(oldest)).unwrap()), expected);
        assert_eq!(scratch.names().len(), 4 - oldest as usize / 2);
        if oldest > 0 {
            let gone = log.reader(tx(oldest - 1)).map(|_| ());
            assert!(
                matches!(gone, Err(LogError::HistoryGone { .. })),
                "{gone:?}"
            );
            let gone = log.truncate_to(tx(oldest - 1));
            assert!(
                matches!(gone, Err(LogError::HistoryGone { .. })),
                "{gone:?}"
            );
        }
        commit(&log, &["g"]);
        drop(log);
        for close in [false, true] {
            let (log, report) = scratch.open();
            assert_eq!((report.oldest, report.next), (tx(oldest), tx(7)));
            assert_eq!(report.segments, 4 - oldest / 2);
            if close {
                log.close().unwrap();
            }
        }
    }
}

#[test]
fn the_oldest_offset_survives_kills_rotations_and_cuts() {
    let (scratch, log) = six(options());
    log.retain_from(tx(2)).unwrap();
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(report.oldest, tx(2));
    commit(&log, &["g"]);
    log.rotate().unwrap();
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(report.oldest, tx(2));
    log.truncate_to(tx(3)).unwrap();
    log.close().unwrap();
    let (log, report) = scratch.open();
    assert_eq!((report.oldest, report.next), (tx(2), tx(3)));
    assert_eq!(read(log.reader(tx(2)).unwrap()), ["2:c"]);
}

#[test]
fn the_archive_sees_each_segment_before_it_goes() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let write = seen.clone();
    let (scratch, log) = six(options().archive(move |segment| {
        write.lock().push(segment.clone());
        if segment.range.start == tx(2) {
            Err("full".into())
        } else {
            Ok(())
        }
    }));
    let len = scratch.read(FIRST).len() as u64;
    let refused = log.retain_from(tx(6));
    let Err(LogError::Archive { file, source }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (file.as_str(), source.to_string()),
        ("00000000000000000002.log", "full".into())
    );
    assert_eq!(
        log.oldest(),
        tx(2),
        "what was archived is removed, what was refused is kept"
    );
    let seen = seen.lock();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].path, PathBuf::from(FIRST));
    assert_eq!((seen[0].range.clone(), seen[0].bytes), (tx(0)..tx(2), len));
}

#[test]
fn an_archive_may_hard_link() {
    let scratch = Scratch::new();
    let env = scratch.env.clone();
    let link = move |segment: &ArchiveSegment| {
        let name = format!("archive-{}", segment.range.start);
        Ok(env
            .fs()
            .hard_link(&segment.path, std::path::Path::new(&name))?)
    };
    let options = options().archive(link);
    let (log, _) = scratch.open_with(options).unwrap();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    let before = scratch.read(FIRST);
    log.retain_from(tx(2)).unwrap();
    for name in ["c", "d", "e"] {
        commit(&log, &[name]);
        log.rotate().unwrap();
    }
    assert_eq!(scratch.read("archive-0"), before);
}

#[test]
fn the_archive_is_left_alone_once_the_log_is_closed_or_poisoned() {
    let calls = Arc::new(Mutex::new(0));
    for poison in [false, true] {
        let count = calls.clone();
        let (scratch, log) = six(options().archive(move |_| {
            *count.lock() += 1;
            Ok(())
        }));
        if poison {
            scratch.disk.fail(CallKind::SyncData).errno(Errno::Eio);
            log.commit(&["g"], Durability::Synced).unwrap_err();
        } else {
            log.close().unwrap();
        }
        let refused = log.retain_from(tx(2));
        assert_eq!(
            matches!(refused, Err(LogError::Poisoned { .. })),
            poison,
            "{refused:?}"
        );
        assert!(refused.is_err());
    }
    assert_eq!(*calls.lock(), 0);
}

/// The superblock's write may fail: nothing was removed, and the log goes on.
#[test]
fn a_superblock_that_cannot_be_written_keeps_everything() {
    for kind in [CallKind::Open, CallKind::Write, CallKind::SyncData] {
        let (scratch, log) = six(options());
        scratch.disk.fail(kind).on("lock").errno(Errno::Eio);
        let failed = log.retain_from(tx(4));
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        assert_eq!(log.oldest(), tx(0));
        assert_eq!(read(log.reader(tx(0)).unwrap()), LETTERS);
        commit(&log, &["g"]);
        assert_eq!(log.retain_from(tx(4)).unwrap(), tx(4), "{kind:?}");
        drop(log);
        assert_eq!(scratch.records(), ["4:e", "5:f", "6:g"]);
    }
}

/// An old file that stays is nobody's business: the log goes on, now and after each opening, which
/// tells of it.
#[test]
fn a_file_that_cannot_be_removed_stays_and_is_listed() {
    let (scratch, log) = six(options());
    let refuse = |scratch: &Scratch| {
        let fault = scratch.disk.fail(CallKind::RemoveFile).on(FIRST);
        fault.times(u32::MAX).errno(Errno::Eperm);
    };
    refuse(&scratch);
    assert_eq!(log.retain_from(tx(4)).unwrap(), tx(4));
    assert!(!scratch.names().contains(&SECOND.to_owned()));
    commit(&log, &["g"]);
    drop(log);
    for next in 7..9 {
        let (log, report) = scratch.open();
        assert_eq!((report.oldest, report.next), (tx(4), tx(next)));
        let [note] = report.files.as_slice() else {
            panic!("{:?}", report.files)
        };
        assert_eq!(
            (note.file.as_str(), note.reason, note.removed),
            (FIRST, FileReason::Retired, false)
        );
        log.commit(&["x"], Durability::Synced).unwrap();
    }
    scratch.disk.heal();
    let (_, report) = scratch.open();
    assert!(report.files[0].removed);
    assert!(!scratch.names().contains(&FIRST.to_owned()));
}

/// A power failure at any time during retention leaves the history before or after it, whatever the
/// disk kept; the superblock's [I2].
#[test]
fn a_crash_within_retention_leaves_one_history_or_the_other() {
    let calls = |disk: &SimFs| disk.trace_len();
    let (scratch, log) = six(options());
    let before = calls(&scratch.disk);
    log.retain_from(tx(4)).unwrap();
    let effects = calls(&scratch.disk) - before;
    assert!(effects >= 4, "a write, two removals and a sync: {effects}");
    let kinds = [CallKind::Write, CallKind::RemoveFile, CallKind::SyncDir];
    let mut oldest_seen = std::collections::BTreeSet::new();
    for (kind, nth) in kinds.into_iter().flat_map(|kind| [(kind, 1), (kind, 2)]) {
        let (scratch, log) = six(options());
        // From there on nothing reaches the disk.
        let all = [
            CallKind::Write,
            CallKind::SyncData,
            CallKind::RemoveFile,
            CallKind::SyncDir,
        ];
        for stopped in all {
            // What comes before it in retention's order still succeeds.
            let place = |kind| all.iter().position(|other| *other == kind);
            let nth = match place(stopped).cmp(&place(kind)) {
                Ordering::Less => 100,
                Ordering::Equal => nth,
                Ordering::Greater => 1,
            };
            let fault = scratch.disk.fail(stopped).nth(nth);
            fault.times(u32::MAX).errno(Errno::Eio);
        }
        drop(log.retain_from(tx(4)));
        for (survivors, image) in scratch.disk.images(&Budget::up_to(60)) {
            let config = DiskConfig::default();
            let crashed = Scratch::on(SimFs::of_image(&image, &config));
            let (log, report) = crashed.open();
            assert_eq!(report.next, tx(6), "{survivors:?}");
            let oldest = report.oldest;
            assert!(oldest == tx(0) || oldest == tx(4), "{oldest} {survivors:?}");
            assert_eq!(
                read(log.reader(oldest).unwrap()),
                LETTERS[oldest.get() as usize..]
            );
            oldest_seen.insert(oldest);
        }
    }
    assert_eq!(oldest_seen.len(), 2, "both were there");
}

/// Retention writes nothing but the superblock, whose space is there.
#[test]
fn a_full_disk_is_recovered_by_keeping_less() {
    // How the log came to its end before there was no space any more.
    for (is_open, is_closed) in [(true, false), (false, false), (false, true)] {
        let scratch = Scratch::with(DiskConfig {
            capacity_bytes: Some(64 << 10),
            ..DiskConfig::default()
        });
        let (log, _) = scratch.open();
        let mut end = 0;
        for record in ["x".repeat(1000), "y".to_owned()] {
            while log.commit(&[&record], Durability::Synced).is_ok() {
                end += 1;
            }
        }
        let half = tx(end / 2);
        if is_closed {
            // There may be no space for a close mark either.
            drop(log.close());
        }
        let log = match is_open {
            true => {
                let oldest = log.retain_from(half).unwrap();
                assert!(oldest > tx(0) && oldest <= half);
                log
            }
            false => {
                drop(log);
                if !is_closed {
                    let refused = scratch.open_with(options());
                    assert!(
                        matches!(refused, Err(LogError::NoSpace { .. })),
                        "{refused:?}"
                    );
                }
                let (log, report) = scratch.open_with(options().retain_from(half)).unwrap();
                assert!(report.oldest > tx(0) && report.oldest <= half);
                assert_eq!(report.next, tx(end));
                log
            }
        };
        for number in 0..5 {
            let committed = log.commit(&["z".repeat(1000)], Durability::Synced);
            assert_eq!(committed.unwrap().first, tx(end + number));
        }
        log.close().unwrap();
        let (log, report) = scratch.open();
        assert_eq!(report.next, tx(end + 5));
        read(log.reader(log.oldest()).unwrap());
    }
}

#[test]
fn a_pin_keeps_history_until_it_is_dropped() {
    let (_scratch, log) = six(options());
    let (one, other) = (log.pin(tx(3)).unwrap(), log.pin(tx(5)).unwrap());
    assert_eq!((one.from(), other.from()), (tx(3), tx(5)));
    assert_eq!(log.retain_from(tx(6)).unwrap(), tx(2));
    drop(one);
    assert_eq!(log.retain_from(tx(6)).unwrap(), tx(4));
    drop(other);
    assert_eq!(log.retain_from(tx(6)).unwrap(), tx(6));
    let gone = log.pin(tx(5)).map(|_| ());
    assert!(
        matches!(
            gone,
            Err(LogError::HistoryGone { asked, oldest }) if (asked, oldest) == (tx(5), tx(6))
        ),
        "{gone:?}"
    );
}

/// What happens in the log while the archive hook runs, and what is retired then.
fn meanwhile(act: impl Fn(&Log) + Send + Sync + 'static) -> (Scratch, Log, TxOffset) {
    let handle: Arc<OnceLock<Log>> = Arc::default();
    let within = handle.clone();
    let (scratch, log) = six(options().archive(move |segment| {
        if segment.range.start == tx(2) {
            act(within.get().expect("the log is open"));
        }
        Ok(())
    }));
    handle.set(log.clone()).expect("it is set once");
    let oldest = log.retain_from(tx(4)).unwrap();
    assert_eq!(oldest, log.oldest());
    (scratch, log, oldest)
}

#[test]
fn what_was_pinned_or_cut_while_it_was_archived_stays() {
    let pin: Arc<Mutex<Option<crate::commitlog::Pin>>> = Arc::default();
    let keep = pin.clone();
    let (_scratch, log, oldest) = meanwhile(move |log| {
        *keep.lock() = Some(log.pin(tx(2)).unwrap());
    });
    assert_eq!(
        oldest,
        tx(2),
        "the second segment was pinned after it was archived"
    );
    assert_eq!(read(log.reader(tx(2)).unwrap()), LETTERS[2..]);
    drop(pin.lock().take());

    let (scratch, log, oldest) = meanwhile(|log| log.truncate_to(tx(3)).unwrap());
    assert_eq!(oldest, tx(2), "the second segment is another one now");
    assert_eq!(read(log.reader(tx(2)).unwrap()), ["2:c"]);
    drop(log);
    assert_eq!(scratch.records(), ["2:c"]);

    let (scratch, log, oldest) = meanwhile(|log| log.truncate_to(tx(1)).unwrap());
    assert_eq!(oldest, tx(0), "nothing that was archived is as it was");
    commit(&log, &["x"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:x"]);

    let (scratch, log, oldest) = meanwhile(|log| {
        commit(log, &["g"]);
        log.rotate().unwrap();
    });
    assert_eq!(oldest, tx(4), "commits do not disturb it");
    assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e", "5:f", "6:g"]);
    drop((scratch, log));
}

/// Between the decision and its last call nobody pins what goes, whatever the superblock's write
/// comes to.
#[test]
fn what_is_about_to_be_retired_is_not_pinned() {
    for fails in [false, true] {
        let scratch = Scratch::new();
        let handle: Arc<OnceLock<Log>> = Arc::default();
        let (within, refused) = (handle.clone(), Arc::new(Mutex::new(0)));
        let count = refused.clone();
        let fs = HookedFs::new(Arc::new(scratch.disk.clone()), move |call, path| {
            let is_superblock = call == Call::Write && path == Path::new("lock");
            if let Some(log) = within.get().filter(|_| is_superblock) {
                let pinned = log.pin(tx(0)).map(|_| ());
                assert!(matches!(pinned, Err(LogError::HistoryGone { .. })));
                *count.lock() += 1;
                if fails {
                    return Err(io::Error::from_raw_os_error(5));
                }
            }
            Ok(())
        });
        let env = scratch.env.with_fs(Arc::new(fs));
        let (log, _) = Log::open(&env, "", options()).unwrap();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        handle.set(log.clone()).expect("it is set once");
        assert_eq!(log.retain_from(tx(2)).is_err(), fails);
        let oldest = if fails { tx(0) } else { tx(2) };
        assert_eq!((*refused.lock(), log.oldest()), (1, oldest));
        assert_eq!(log.pin(tx(0)).is_ok(), fails);
    }
}

#[test]
fn a_truncation_may_cut_below_what_is_retired_next() {
    let (scratch, log) = six(options());
    assert_eq!(log.retain_from(tx(3)).unwrap(), tx(2));
    log.truncate_to(tx(2)).unwrap();
    assert_eq!((log.oldest(), log.visible_through()), (tx(2), tx(2)));
    assert_eq!(log.retain_from(tx(9)).unwrap(), tx(2));
    commit(&log, &["x"]);
    drop(log);
    assert_eq!(scratch.records(), ["2:x"]);
}

/// A live log is backed up under a pin: the files of `segments()`, as far as they say.
#[test]
fn the_listed_segments_are_a_log() {
    let (scratch, log) = six(options());
    commit(&log, &["g", "h"]);
    log.commit(&["os"], Durability::Os).unwrap();
    log.commit(&["buffered"], Durability::Buffered).unwrap();
    let _pin = log.pin(log.oldest()).unwrap();
    let segments = log.segments();
    let shape = |info: &SegmentInfo| (info.range.start.get(), info.range.end.get(), info.is_full);
    let shapes: Vec<_> = segments.iter().map(shape).collect();
    assert_eq!(
        shapes,
        [(0, 2, true), (2, 4, true), (4, 6, true), (6, 8, false)]
    );
    let backup = Scratch::new();
    for segment in &segments {
        let name = segment.path.to_str().unwrap();
        backup.write(name, &scratch.read(name)[..segment.bytes as usize]);
    }
    let expected = [&LETTERS[..], &["6:g", "7:h"]].concat();
    assert_eq!(backup.records(), expected);
    let (copy, report) = backup.open();
    assert!(report.superblock_lost);
    assert_eq!((report.next, report.log_id), (tx(8), log.log_id()));
    assert_ne!(copy.incarnation(), log.incarnation());
}
