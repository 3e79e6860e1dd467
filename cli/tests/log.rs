//! The commands on a log as a person uses them: what they print, and their exit codes.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the command work on real files"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use blackstart::commitlog::{Durability, Log, LogOptions};

/// The command, started in a directory, with relative paths as people give them.
#[track_caller]
fn check(dir: &Path, arguments: &[&str], code: i32, out: &[&str], err: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_blackstart"))
        .current_dir(dir)
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}\n{stdout}\n{stderr}"
    );
    for part in out {
        assert!(stdout.contains(part), "{part:?} is not in:\n{stdout}");
    }
    for part in err {
        assert!(stderr.contains(part), "{part:?} is not in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(
        stderr.lines().count(),
        usize::from(!err.is_empty()),
        "{stderr}"
    );
}

/// A log of five commits in the directory `log` of a scratch directory, closed or left.
fn scratch(closes: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let options = LogOptions::new().create(true).segment_bytes_max(512);
    let (log, _) = Log::open_path(dir.path().join("log"), options).expect("opens");
    for number in 0..5u8 {
        log.commit(&[[number; 100]], Durability::Synced)
            .expect("commits");
    }
    if closes {
        log.close().expect("closes");
    }
    dir
}

const FIRST: &str = "log/00000000000000000000.log";

fn newest(dir: &Path) -> PathBuf {
    let names = std::fs::read_dir(dir.join("log"))
        .expect("lists")
        .map(|entry| entry.expect("entry").path());
    let mut logs: Vec<_> = names
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    logs.sort();
    logs.pop().expect("a segment")
}

/// Changes one byte of a file.
fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).expect("reads");
    bytes[at] ^= 1;
    std::fs::write(file, bytes).expect("writes");
}

/// All files of the log with their contents.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(dir.join("log")).expect("lists");
    let paths = entries.map(|entry| entry.expect("entry").path());
    let mut files: Vec<_> = paths
        .map(|path| (path.clone(), std::fs::read(path).expect("reads")))
        .collect();
    files.sort();
    files
}

#[test]
fn a_good_log_is_listed_and_verified() {
    let scratch = scratch(true);
    let dir = scratch.path();
    let parts = [
        "00000000000000000000.log",
        "commit   0..1, 1 transactions",
        "follows 00000000000000000000.log at byte",
        "close",
        "lock  log ",
        "newest segment 00000000000000000004.log, durable through 5",
        "the end: closed",
    ];
    check(dir, &["log", "inspect", "log"], 0, &parts, &[]);
    let parts = [": good", "transactions 0..5"];
    check(dir, &["log", "verify", "log"], 0, &parts, &[]);
}

#[test]
fn a_torn_tail_is_told_from_damage() {
    let scratch = scratch(false);
    let dir = scratch.path();
    let file = newest(dir);
    let before = std::fs::read(&file).expect("reads");
    // The last commit is torn: nothing behind it says that it was durable.
    let last = before.iter().rposition(|&byte| byte != 0).expect("content");
    let mut torn = before.clone();
    torn[last] = 0;
    std::fs::write(&file, &torn).expect("writes");
    check(dir, &["log", "verify", "log"], 0, &["a torn tail of"], &[]);
    check(
        dir,
        &["log", "inspect", "log"],
        0,
        &["the chain of frames ends"],
        &[],
    );
    let known = ["log", "verify", "log", "--durable-through", "1:5"];
    check(dir, &known, 2, &["opening would refuse it: log/"], &[]);
    assert_eq!(
        std::fs::read(&file).expect("reads"),
        torn,
        "looking writes nothing"
    );
    // A flipped bit in the first segment is damage: its successor has a name.
    flip(&dir.join(FIRST), 200);
    check(dir, &["log", "verify", "log"], 2, &[FIRST, "at byte"], &[]);
}

#[test]
fn files_that_are_no_part_of_the_log_are_named() {
    let scratch = scratch(true);
    let dir = scratch.path();
    std::fs::write(dir.join("log/notes.txt"), "").expect("writes");
    std::fs::write(dir.join("log/00000000000000000009.tmp"), "").expect("writes");
    std::fs::write(dir.join("log/lock"), "").expect("writes");
    let parts = [
        "left out: notes.txt is no file of a log",
        "left out: 00000000000000000009.tmp is an unfinished segment",
        "lock: the superblock, or its last state, was lost",
    ];
    check(dir, &["log", "verify", "log"], 0, &parts, &[]);
    let parts = [
        "notes.txt  is no file of a log",
        "lock  no valid superblock",
    ];
    check(dir, &["log", "inspect", "log", "--brief"], 0, &parts, &[]);
}

#[test]
fn errors_name_the_path_as_it_was_given_and_what_to_do() {
    let scratch = scratch(true);
    let dir = scratch.path();
    for command in ["inspect", "verify"] {
        let err = ["nothing: there is no log; give the directory"];
        check(dir, &["log", command, "nothing"], 1, &[], &err);
    }
    let err = ["log: it exists already; give a directory that does not exist"];
    check(dir, &["log", "backup", "log", "log"], 1, &[], &err);
    check(dir, &["log", "salvage", "log", "log"], 1, &[], &err);
    std::fs::create_dir(dir.join("new.unfinished")).expect("makes it");
    let err = ["new.unfinished: it exists already; a command was interrupted there: remove it"];
    check(dir, &["log", "backup", "log", "new"], 1, &[], &err);
    check(
        dir,
        &["log", "backup", "log", ".."],
        1,
        &[],
        &["..: it is no name"],
    );
    // A missing segment is damage, and has the exit code of it.
    std::fs::remove_file(newest(dir)).expect("removes");
    let err = [
        "log/00000000000000000004.log: the segment is missing; log/lock names it",
        "blackstart log salvage DIR TO",
    ];
    check(dir, &["log", "backup", "log", "copy"], 2, &[], &err);
    check(dir, &["log", "retain", "log", "--from", "3"], 2, &[], &err);
}

#[test]
fn a_salvage_lists_what_is_lost_and_changes_nothing() {
    let scratch = scratch(true);
    let dir = scratch.path();
    let parts = ["whole: 5 commits, 5 transactions of 0..5 saved, 0 lost; epoch 2"];
    check(dir, &["log", "salvage", "log", "whole"], 0, &parts, &[]);
    std::fs::write(dir.join("log/notes.txt"), "").expect("writes");
    flip(&dir.join(FIRST), 200);
    let before = contents(dir);
    let parts = [
        "wrong: log/00000000000000000000.log",
        "left out: notes.txt",
        "lost: transactions 0..1",
        "saved: 4 commits, 4 transactions of 0..5 saved, 1 lost; epoch 2",
    ];
    check(dir, &["log", "salvage", "log", "saved"], 2, &parts, &[]);
    assert_eq!(contents(dir), before, "nothing in it is changed");
    let parts = ["0..1 before it are lost", "transactions 0..5"];
    check(dir, &["log", "verify", "saved"], 0, &parts, &[]);
    // What follows the last segment that is left is lost as well.
    std::fs::remove_file(newest(dir)).expect("removes");
    let parts = ["lost: transactions 4..5"];
    check(dir, &["log", "salvage", "log", "shorter"], 2, &parts, &[]);
}

#[test]
fn a_log_that_is_in_use_is_copied_and_neither_salvaged_nor_retired() {
    let scratch = scratch(true);
    let dir = scratch.path();
    let (log, _) = Log::open_path(dir.join("log"), LogOptions::new()).expect("opens");
    log.commit(&["sixth"], Durability::Os).expect("commits");
    let parts = ["copy: transactions 0..6", "read back and good"];
    check(dir, &["log", "backup", "log", "copy"], 0, &parts, &[]);
    check(
        dir,
        &["log", "verify", "copy"],
        0,
        &["transactions 0..6"],
        &[],
    );
    check(
        dir,
        &["log", "verify", "log"],
        0,
        &["transactions 0..6"],
        &[],
    );
    let err = ["log: the log is in use; end the program that has it open"];
    check(dir, &["log", "salvage", "log", "new"], 1, &[], &err);
    check(dir, &["log", "retain", "log", "--from", "3"], 1, &[], &err);
}

#[test]
fn old_transactions_are_retired() {
    let scratch = scratch(true);
    let dir = scratch.path();
    let parts = ["transactions 2..5 are kept, in 2 segments; those before 3 share a segment"];
    check(
        dir,
        &["log", "retain", "log", "--from", "3"],
        0,
        &parts,
        &[],
    );
    assert!(!dir.join(FIRST).exists());
    check(
        dir,
        &["log", "verify", "log"],
        0,
        &["transactions 2..5"],
        &[],
    );
    let parts = ["transactions 4..5 are kept, in 1 segments"];
    check(
        dir,
        &["log", "retain", "log", "--from", "99"],
        0,
        &parts,
        &[],
    );
}
