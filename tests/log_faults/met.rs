//! The faults of kinds A and B as they were met, with what was right; and several files harmed at
//! once.
//!
//! The other kinds: F7, F8 and F9 are in `space`, F10 in `copies`, F12 and F13 in `beside`.

use std::os::unix::fs::symlink;

use blackstart::commitlog::{Durability, ErrorClass, Log, LogError, verify};
use blackstart_vfs::Env;

use super::directory::{Dir, Seen, fill, look, options, segment, tx};

/// The segments of 100 commits.
const FIRSTS: [u64; 4] = [0, 29, 58, 87];

fn hundred(dir: Dir, is_closed: bool) -> Dir {
    let (log, _) = dir.open(options().create(true)).expect("a new log");
    fill(&log, 100);
    if is_closed {
        log.close().expect("it closes");
    }
    drop(log);
    for first in FIRSTS {
        assert!(dir.names().contains(&segment(first)));
    }
    dir
}

/// F1: newest segments without a header, any number of them.
#[test]
fn emptied_segments_are_no_unfinished_creations() {
    for (count, is_closed) in (1..=4).flat_map(|count| [(count, true), (count, false)]) {
        let dir = hundred(Dir::new(), is_closed);
        for first in &FIRSTS[4 - count..] {
            dir.write(&segment(*first), b"");
        }
        let verified = verify(dir.env(), "", &options()).expect("there is a log");
        assert!(!verified.is_good());
        assert!(matches!(look(&dir, 100), Seen::Told(_)), "{count}");
    }
    // A log of one segment never becomes a new log.
    let dir = Dir::new();
    let (log, _) = dir.open(options().create(true)).expect("a new log");
    fill(&log, 20);
    drop(log);
    dir.write(&segment(0), b"");
    assert!(matches!(look(&dir, 20), Seen::Told(_)));
}

/// The newest segments are removed, any number of them: the superblock names the newest one. Where
/// it is lost as well, **nothing** else knew of them.
#[test]
fn removed_segments_are_missed() {
    for (count, is_closed) in (1..=4).flat_map(|count| [(count, true), (count, false)]) {
        for is_lock_lost in [false, true] {
            let dir = hundred(Dir::new(), is_closed);
            for first in &FIRSTS[4 - count..] {
                dir.remove(&segment(*first));
            }
            if is_lock_lost {
                dir.remove("lock");
            }
            match (is_lock_lost, count) {
                (false, _) => assert!(matches!(look(&dir, 100), Seen::Told(_)), "{count}"),
                // An empty directory is no log.
                (true, 4) => assert_eq!(dir.names(), [""; 0]),
                (true, _) => assert_eq!(look(&dir, 100), Seen::Fewer(FIRSTS[4 - count])),
            }
        }
    }
}

/// F2: a name of a log that is no regular file.
#[test]
fn names_that_are_no_files_are_refused() {
    for (count, first) in [(100, 87), (100, 58), (100, 0), (20, 0)] {
        for is_dangling in [false, true] {
            let dir = Dir::os();
            let (log, _) = dir.open(options().create(true)).expect("a new log");
            fill(&log, count);
            log.close().expect("it closes");
            let (path, elsewhere) = (
                dir.path(&segment(first)),
                dir.path("").with_file_name("else"),
            );
            std::fs::rename(&path, &elsewhere).expect("a rename");
            symlink("../else", &path).expect("a link");
            if is_dangling {
                std::fs::remove_file(&elsewhere).expect("it is there");
            }
            assert!(matches!(look(&dir, count), Seen::Told(_)), "{first}");
            let metadata = std::fs::symlink_metadata(&path).expect("the link is there");
            assert!(metadata.file_type().is_symlink(), "and stays what it was");
        }
    }
}

/// F4: the lock lies on the directory, and not on a file that may be removed.
#[test]
fn removing_the_lock_file_lets_nobody_in() {
    let dir = Dir::os();
    let (log, _) = dir.open(options().create(true)).expect("a new log");
    fill(&log, 5);
    dir.remove("lock");
    for names in [None, Some("lock")] {
        names.into_iter().for_each(|name| dir.write(name, b""));
        let other = Log::open(&Env::os(dir.path("")), "", options());
        assert!(matches!(other, Err(LogError::Locked { .. })), "{other:?}");
    }
    fill(&log, 61);
    log.close().expect("it closes");
    assert_eq!(look(&dir, 66), Seen::Whole);
}

/// F5: the directory is renamed, and perhaps made again: the log is where its directory is.
#[test]
fn a_directory_that_is_replaced_does_not_split_the_log() {
    for is_made_again in [false, true] {
        let dir = Dir::os();
        let (log, _) = dir.open(options().create(true)).expect("a new log");
        fill(&log, 10);
        let (data, moved) = (dir.path(""), dir.path("").with_file_name("moved"));
        std::fs::rename(&data, &moved).expect("a rename");
        if is_made_again {
            std::fs::create_dir(&data).expect("a directory");
        }
        fill(&log, 60);
        log.close().expect("it closes");
        let (log, report) = Log::open(&Env::os(&moved), "", options()).expect("it is there");
        assert_eq!((report.next, report.closed), (tx(70), true));
        log.commit(&["x"], Durability::Synced).expect("it goes on");
        let here = Log::open(&Env::os(&data), "", options()).map(|_| ());
        let error = here.expect_err("nothing is there");
        assert_eq!(error.class(), ErrorClass::Caller, "{error}");
    }
}
