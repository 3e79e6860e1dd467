//! The command as a person uses it: what it prints, and its exit codes.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the command work on real files"
)]

use std::path::Path;
use std::process::{Command, Output};

use blackstart::commitlog::{Durability, Log, LogOptions};
use blackstart_vfs::Env;

fn blackstart(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_blackstart"))
        .args(arguments)
        .output()
        .expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[track_caller]
fn check(arguments: &[&str], code: i32, out: &[&str], err: &[&str]) {
    let output = blackstart(arguments);
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
}

/// A log of five commits in a directory, closed or left.
fn log_in(dir: &Path, closes: bool) {
    let options = LogOptions::new().create(true).segment_bytes_max(512);
    let (log, _) = Log::open(&Env::os(dir), "", options).expect("opens");
    for number in 0..5u8 {
        log.commit(&[[number; 100]], Durability::Synced)
            .expect("commits");
    }
    if closes {
        log.close().expect("closes");
    }
}

fn newest(dir: &Path) -> std::path::PathBuf {
    let names = std::fs::read_dir(dir)
        .expect("lists")
        .map(|entry| entry.expect("entry").path());
    let mut logs: Vec<_> = names
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    logs.sort();
    logs.pop().expect("a segment")
}

#[test]
fn a_good_log_is_listed_and_verified() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("text");
    log_in(dir.path(), true);
    check(
        &["log", "inspect", path],
        0,
        &[
            "00000000000000000000.log",
            "commit   0..1, 1 transactions",
            "close",
            "the end: closed",
        ],
        &[],
    );
    check(
        &["log", "verify", path],
        0,
        &[": good", "transactions 0..5"],
        &[],
    );
}

#[test]
fn a_torn_tail_is_told_from_damage() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("text");
    log_in(dir.path(), false);
    let file = newest(dir.path());
    let before = std::fs::read(&file).expect("reads");
    // The last commit is torn: nothing behind it vouches for it.
    let last = before.iter().rposition(|&byte| byte != 0).expect("content");
    let mut torn = before.clone();
    torn[last] = 0;
    std::fs::write(&file, &torn).expect("writes");
    check(&["log", "verify", path], 0, &["a torn tail of"], &[]);
    check(&["log", "inspect", path], 0, &["the chain ends"], &[]);
    assert_eq!(
        std::fs::read(&file).expect("reads"),
        torn,
        "looking writes nothing"
    );
    // A flipped bit in the first segment is damage: its successor has a name.
    let first = dir.path().join("00000000000000000000.log");
    let mut bytes = std::fs::read(&first).expect("reads");
    bytes[200] ^= 1;
    std::fs::write(&first, bytes).expect("writes");
    check(
        &["log", "verify", path],
        2,
        &["00000000000000000000.log", "at byte"],
        &[],
    );
}

#[test]
fn wrong_use_is_one_sentence_and_exit_code_1() {
    check(
        &["log", "verify", "/no/such/directory"],
        1,
        &[],
        &["there is no log"],
    );
    check(
        &["sim", "run", "nonesuch"],
        1,
        &[],
        &["there is no scenario", "commitlog"],
    );
    check(&["sim", "run", "--seeds", "7"], 1, &[], &["0..500"]);
    check(&["sim", "run", "--seeds", "7..7"], 1, &[], &["empty"]);
    check(
        &["sim", "run", "--shard", "4/4"],
        1,
        &[],
        &["counts from 0"],
    );
    check(
        &["sim", "run", "--profile", "fat"],
        1,
        &[],
        &["posix-strict"],
    );
    check(
        &["sim", "replay", "/no/such.case"],
        1,
        &[],
        &["can't be read"],
    );
    check(&["sim", "frobnicate"], 1, &[], &["unrecognized"]);
    check(&["--help"], 0, &["sim", "log"], &[]);
    check(&["sim", "list"], 0, &["commitlog"], &[]);
}

#[test]
fn a_case_with_an_unknown_version_scenario_or_field_is_refused_with_the_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let seed = text(&blackstart(&["sim", "replay", "1"]).stdout);
    let case: String = seed
        .lines()
        .take_while(|line| !line.contains("calls on"))
        .fold(String::new(), |text, line| text + line + "\n");
    let path = dir.path().join("a.case");
    let name = path.to_str().expect("text");
    let refused = |text: String, parts: &[&str]| {
        std::fs::write(&path, text).expect("writes");
        check(&["sim", "replay", name], 1, &[], parts);
    };
    std::fs::write(&path, &case).expect("writes");
    check(&["sim", "replay", name], 0, &["no failure"], &[]);
    refused(
        case.replace("version: 1", "version: 9"),
        &["a.case:3", "version 9"],
    );
    refused(
        case.replace("\"commitlog\"", "\"other\""),
        &["a.case:4", "other"],
    );
    refused(
        case.replace("tear_bytes", "tear_bits"),
        &["a.case:", "tear_bits"],
    );
    refused("(".to_owned(), &["a.case:1"]);
}

#[test]
fn a_campaign_is_reported_for_machines_as_well() {
    let out = tempfile::tempdir().expect("a directory");
    let out = out.path().to_str().expect("text");
    let arguments = [
        "sim",
        "run",
        "--seeds",
        "0..4",
        "--jobs",
        "2",
        "--message-format",
        "json",
        "--out",
        out,
    ];
    check(&arguments, 0, &["\"cases\":4", "\"failures\":[]"], &[]);
    // The same seeds give the same numbers, whatever the number of threads.
    let images = |jobs: &str| {
        let arguments = [
            "sim", "run", "--seeds", "0..4", "--jobs", jobs, "--out", out,
        ];
        let text = text(&blackstart(&arguments).stdout);
        let line = text
            .lines()
            .find(|line| line.contains("distinct"))
            .map(str::to_owned);
        line.and_then(|line| line.split_once("distinct").map(|(_, rest)| rest.to_owned()))
            .map(|rest| rest.split('(').next().unwrap_or_default().to_owned())
    };
    assert_eq!(images("1"), images("2"));
    assert!(images("1").is_some());
}
