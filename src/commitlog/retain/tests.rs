//! Tests of retention.

use std::path::PathBuf;
use std::sync::Arc;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;
use parking_lot::Mutex;

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Log, LogError, LogOptions, MARK_BYTES};

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
        let letters = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f"];
        let expected = &letters[oldest as usize..];
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
        for close in [false, true] {
            let (log, report) = if close {
                scratch.open()
            } else {
                drop(log.clone());
                log.close().unwrap();
                scratch.open()
            };
            assert_eq!((report.oldest, report.next), (tx(oldest), tx(7)));
            drop(log);
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
    let len = scratch.read("00000000000000000000.log").len() as u64;
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
    assert_eq!(seen[0].path, PathBuf::from("00000000000000000000.log"));
    assert_eq!((seen[0].range.clone(), seen[0].bytes), (tx(0)..tx(2), len));
}

#[test]
fn an_archive_may_hard_link() {
    let scratch = Scratch::new();
    let env = scratch.env.clone();
    let link = move |segment: &crate::commitlog::ArchiveSegment| {
        let name = format!("archive-{}", segment.range.start);
        Ok(env
            .fs()
            .hard_link(&segment.path, std::path::Path::new(&name))?)
    };
    let options = options().archive(link).spare_segments_max(4);
    let (log, _) = scratch.open_with(options).unwrap();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    let before = scratch.read("00000000000000000000.log");
    log.retain_from(tx(2)).unwrap();
    for name in ["c", "d", "e"] {
        commit(&log, &[name]);
        log.rotate().unwrap();
    }
    // The archived file was not taken as a spare.
    assert_eq!(scratch.read("archive-0"), before);
}

#[test]
fn spares_become_segments_and_their_old_frames_stay_dead() {
    let (scratch, log) = six(options().spare_segments_max(2));
    log.retain_from(tx(6)).unwrap();
    let spares = |scratch: &Scratch| {
        scratch
            .names()
            .iter()
            .filter(|name| name.ends_with(".spare"))
            .count()
    };
    assert_eq!((spares(&scratch), scratch.names().len()), (2, 3));
    let spare = scratch.read("00000000000000000000.spare");
    assert!(
        spare[..96].iter().all(|byte| *byte == 0),
        "a spare has no header"
    );
    commit(&log, &["g"]);
    log.rotate().unwrap();
    assert_eq!(spares(&scratch), 1);
    let newest = scratch.read("00000000000000000007.log");
    assert!(
        newest.len() > 96 && newest[96..].iter().any(|byte| *byte != 0),
        "old frames"
    );
    commit(&log, &["h"]);
    drop(log);
    assert_eq!(scratch.records(), ["6:g", "7:h"]);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(8));
    assert_eq!(spares(&scratch), 0, "this opening wants no spares");
    commit(&log, &["i"]);
    log.close().unwrap();
    assert_eq!(scratch.records(), ["6:g", "7:h", "8:i"]);
}

#[test]
fn a_segment_that_someone_reads_is_not_reused() {
    let (scratch, log) = six(options().spare_segments_max(3));
    let mut reader = log.reader(tx(2)).unwrap();
    reader.next_commit().unwrap().unwrap();
    log.retain_from(tx(6)).unwrap();
    let names = scratch.names();
    assert!(
        !names.contains(&"00000000000000000002.spare".to_owned()),
        "{names:?}"
    );
    assert_eq!(
        names.iter().filter(|name| name.ends_with(".spare")).count(),
        2
    );
    // It reads its segment to the end, and then hears that the next is gone.
    assert_eq!(reader.next_commit().unwrap().unwrap().first(), tx(3));
    let gone = reader.next_commit().map(|_| ());
    assert!(
        matches!(gone, Err(LogError::HistoryGone { .. })),
        "{gone:?}"
    );
}

#[test]
fn a_sealed_segment_ends_with_its_seal() {
    let (scratch, _log) = six(options());
    let len = scratch.read("00000000000000000000.log").len();
    assert_eq!(len, 96 + 2 * (48 + 4 + 1) + MARK_BYTES);
}

#[test]
fn the_archive_is_left_alone_once_a_retirement_has_failed() {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let (scratch, log) = six(options().archive(move |_| {
        *count.lock() += 1;
        Ok(())
    }));
    scratch.disk.fail(CallKind::SyncData).errno(Errno::Eio);
    let failed = log.retain_from(tx(2));
    assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
    let refused = log.retain_from(tx(2));
    assert!(
        matches!(refused, Err(LogError::Poisoned { .. })),
        "{refused:?}"
    );
    assert_eq!(*calls.lock(), 1);
}
