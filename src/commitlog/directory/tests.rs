//! Tests of the directory of a log.

use std::path::Path;

use blackstart_vfs::port::fs;

use super::Directory;
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Log, LogError, LogOptions};

/// [I1] An open log goes on in its directory, wherever that is and whatever has its name.
#[test]
fn renaming_or_replacing_the_directory_changes_nothing_for_an_open_log() {
    for scratch in [Scratch::new(), Scratch::os()] {
        let disk = scratch.env.fs();
        let (log, _) = Log::open(&scratch.env, "log", options().segment_bytes_max(512)).unwrap();
        let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        commit(&log, &letters[..3]);
        fs::rename(disk, "log", "moved").unwrap();
        commit(&log, &letters[3..6]);
        log.rotate().unwrap();
        fs::create_dir(disk, "log").unwrap();
        commit(&log, &letters[6..]);
        log.truncate_to(tx(8)).unwrap();
        log.retain_from(tx(6)).unwrap();
        let expected = ["6:g", "7:h"];
        assert_eq!(read(log.reader(tx(6)).unwrap()), expected, "[I1]");
        let beside = Log::open(&scratch.env, "moved", options());
        assert!(
            matches!(beside, Err(LogError::Locked { .. })),
            "[I1] the lock went along"
        );
        log.close().unwrap();
        assert!(fs::read_dir(disk, "log").unwrap().next().is_none(), "[I1]");
        let (log, report) = Log::open(&scratch.env, "moved", LogOptions::new()).unwrap();
        assert!(report.closed);
        assert_eq!(read(log.reader(tx(6)).unwrap()), expected);
    }
}

/// [I2] Errors show each path as it was given.
#[test]
fn paths_are_shown_as_they_were_given() {
    let scratch = Scratch::new();
    let disk = scratch.env.fs();
    fs::create_dir_all(disk, "some/where").unwrap();
    let directory = Directory::open(&scratch.env, Path::new("some/where")).unwrap();
    let error = directory
        .open_file("missing", blackstart_vfs::OpenOptions::new().read())
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "some/where/missing: cannot open it",
        "[I2]"
    );
    assert_eq!(directory.shown_dir(), Path::new("some/where"));
    fs::rename(disk, "some/where", "else").unwrap();
    let error = directory.rename("missing", "other").unwrap_err();
    assert_eq!(
        error.to_string(),
        "some/where/missing: cannot rename it",
        "[I2]"
    );
    directory.remove("missing").unwrap();
    assert_eq!(directory.id_of("missing").unwrap(), None);
    let missing = Directory::open(&scratch.env, Path::new("nowhere")).unwrap_err();
    assert!(matches!(&missing, LogError::NotFound { dir } if dir == Path::new("nowhere")));
    fs::write(disk, "file", b"").unwrap();
    let odd = Directory::open(&scratch.env, Path::new("file")).unwrap_err();
    assert_eq!(odd.to_string(), "file: cannot open the directory", "[I2]");
}
