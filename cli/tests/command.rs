//! The command as a person uses it: what it prints, and its exit codes.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the command work on real files"
)]

use std::path::Path;
use std::process::{Command, Output};

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
        &["sim", "run", "--shard", "0/4"],
        1,
        &[],
        &["counts from 1"],
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
fn small_workloads_are_explored() {
    let explore = |more: &[&'static str]| [&["sim", "explore"], more].concat();
    let shallow = ["commitlog", "--depth", "1", "--jobs", "2"];
    check(&explore(&shallow), 0, &["depth 1: ", "findings 0"], &[]);
    let json = blackstart(&explore(
        &[&shallow[..], &["--message-format", "json"]].concat(),
    ));
    let json = text(&json.stdout);
    for part in ["\"defect\":null", "\"complete\":true", "\"findings\":[]"] {
        assert!(json.contains(part), "{part} is not in {json}");
    }
    check(&explore(&["nothing"]), 1, &[], &["there is no scenario"]);
    check(&explore(&["commitlog", "--tear", "100"]), 1, &[], &["4096"]);
    check(&explore(&["commitlog", "--depth", "0"]), 1, &[], &["1..=8"]);
    let both = ["commitlog", "--budget", "9", "--minutes", "1"];
    check(&explore(&both), 1, &[], &["cannot be used with"]);
    let missing = ["commitlog", "--case", "/no/such.case"];
    check(&explore(&missing), 1, &[], &["can't be read"]);
}

#[test]
fn a_case_with_an_unknown_version_scenario_or_field_is_refused_with_the_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let seed = text(&blackstart(&["sim", "replay", "1", "--scenario", "commitlog"]).stdout);
    let case: String = seed
        .lines()
        .take_while(|line| !line.starts_with("not met") && !line.contains("calls on"))
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
fn a_case_with_values_that_nothing_can_be_made_of_is_refused_with_the_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.case");
    let name = path.to_str().expect("text");
    for (from, to, said) in [
        (
            "tear_bytes: 1,",
            "tear_bytes: 0,",
            "tear_bytes: 0 is no power of two",
        ),
        (
            "tear_bytes: 1,",
            "tear_bytes: 96,",
            "tear_bytes: 96 is no power of two",
        ),
        (
            "logical_block_bytes: 512",
            "logical_block_bytes: 0",
            "logical_block_bytes: 0",
        ),
        ("records: 1,", "records: 4000000000,", "4000000000 records"),
    ] {
        let bad = KEPT.replacen(from, to, 1);
        let line = bad.lines().position(|line| line.contains(to));
        let line = line.expect("the value is there") + 1;
        std::fs::write(&path, &bad).expect("writes");
        for command in ["replay", "shrink", "explain"] {
            check(
                &["sim", command, name],
                1,
                &[],
                &[&format!("a.case:{line}: "), said],
            );
        }
        check(
            &["sim", "explore", "commitlog", "--case", name],
            1,
            &[],
            &[said],
        );
    }
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

/// A case that passes, as the corpus holds it.
const KEPT: &str = include_str!("../../corpus/cases/commitlog/torn-close-mark.case");

#[test]
fn a_case_is_kept_with_what_broke_at_its_head_and_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let bare: String = KEPT
        .lines()
        .filter(|line| !line.starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(at("found.case"), bare).expect("writes");
    let add = |more: &[&str]| {
        let (file, corpus) = (at("found.case"), at("corpus"));
        let mut arguments = vec!["sim", "corpus", "add", &file, "--dir", &corpus];
        arguments.extend_from_slice(more);
        blackstart(&arguments)
    };
    let refused = add(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("what broke"));
    let why = ["--why", "A close mark was torn.", "--name", "torn"];
    assert_eq!(add(&why).status.code(), Some(0));
    let kept = std::fs::read_to_string(at("corpus/commitlog/torn.case")).expect("it is filed");
    assert!(
        kept.starts_with("// A close mark was torn.\nCase("),
        "{kept}"
    );
    let again = add(&why);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("torn.case exists"));
    check(
        &["sim", "corpus", "run", &at("corpus")],
        0,
        &["1 of 1 cases pass"],
        &[],
    );

    // Entries that are no good are named, with their lines, and the others are replayed.
    std::fs::write(at("corpus/commitlog/bare.case"), "Case(version: 1)").expect("writes");
    let damaged = KEPT.replacen("buffer_bytes_max", "buffer_bytes_min", 1);
    let line = 1 + KEPT
        .lines()
        .position(|line| line.contains("buffer_bytes_max"))
        .expect("it is there");
    std::fs::write(at("corpus/commitlog/damaged.case"), damaged).expect("writes");
    std::fs::create_dir(at("corpus/other")).expect("creates");
    std::fs::write(at("corpus/other/misfiled.case"), KEPT).expect("writes");
    check(
        &["sim", "corpus", "run", &at("corpus")],
        1,
        &["1 of 4 cases pass"],
        &[
            "bare.case:1: a case of the corpus begins with a comment",
            &format!("damaged.case:{line}:"),
            "misfiled.case:1: the case is of scenario \"commitlog\", and filed under \"other\"",
        ],
    );
}

/// A tear of a write that is not made.
const TORN_ELSEWHERE: &str = "torn: [TornUnit(effect: EffectId(eras_ago: 0, call: \
    CallId(op: 9, task: 0, kind: Write, nth: 0), index: 0), unit: 517, tear: Garbage, over: 0)]";

/// A kept case that names what its run does not meet passes for the wrong reason.
#[test]
fn a_kept_case_of_which_one_name_is_not_met_fails() {
    let dir = tempfile::tempdir().expect("a directory");
    let case = dir.path().join("commitlog/torn.case");
    std::fs::create_dir(dir.path().join("commitlog")).expect("creates");
    let run = |kept: &str, code: i32, stdout: &[&str], stderr: &[&str]| {
        std::fs::write(&case, kept).expect("writes");
        let path = case.to_str().expect("text");
        check(&["sim", "corpus", "run", path], code, stdout, stderr);
    };
    run(KEPT, 0, &["1 of 1 cases pass"], &[]);
    let edits = [
        (
            "kind: SyncData, nth: 0",
            "kind: SyncData, nth: 9",
            "the cut before op 1",
        ),
        ("torn: []", TORN_ELSEWHERE, "the effect of op 9"),
    ];
    for (met, unmet, name) in edits {
        let stale = KEPT.replacen(met, unmet, 1);
        assert_ne!(stale, KEPT);
        run(
            &stale,
            2,
            &["0 of 1 cases pass"],
            &["stale: never met: era", name],
        );
    }
}

#[test]
fn what_a_fuzzer_found_becomes_a_case() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    std::fs::write(at("found"), [7; 300]).expect("writes");
    let case = at("from-bytes.case");
    check(
        &["sim", "from-fuzz", "case_bytes", &at("found"), "-o", &case],
        0,
        &["it does not fail"],
        &[],
    );
    check(&["sim", "replay", &case], 0, &["no failure"], &[]);
    check(
        &["sim", "from-fuzz", "frame_header", &at("found")],
        1,
        &[],
        &[
            "the bytes of target \"frame_header\" are no case",
            "cargo fuzz run frame_header",
        ],
    );
    check(
        &["sim", "from-fuzz", "case_text", &at("found")],
        1,
        &[],
        &["found:1:1: "],
    );
    check(
        &["sim", "from-fuzz", "case_bytes", &at("missing")],
        1,
        &[],
        &["missing can't be read"],
    );
}

#[test]
fn the_schedules_of_a_case_are_enumerated() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/cases/commitlog");
    let case = root.join("planted-late-commits-ride-along.case");
    let case = case.to_str().expect("text");
    let count = |preemptions: &str| {
        let output = blackstart(&["sim", "schedules", case, "--preemptions", preemptions]);
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{stdout}");
        assert!(stdout.contains("(all there are)"), "{stdout}");
        let count = stdout
            .split(' ')
            .next()
            .and_then(|word| word.parse::<u64>().ok());
        count.expect("a number of schedules")
    };
    assert_eq!(count("0"), 2, "each era until blocked");
    assert!(
        count("1") > 1 && count("2") > count("1"),
        "more with more preemptions"
    );
    let few = blackstart(&["sim", "schedules", case, "--schedules", "2"]);
    assert!(text(&few.stdout).contains("not all there are"), "{few:?}");
}

#[test]
fn a_case_is_explained_on_the_terminal_and_as_a_page() {
    let dir = tempfile::tempdir().expect("a directory");
    let page = dir.path().join("story.html");
    let name = page.to_str().expect("text");
    let arguments = [
        "sim",
        "explain",
        "1",
        "--scenario",
        "commitlog",
        "--html",
        name,
    ];
    let told = [
        "nothing is wrong",
        "Era 0 of",
        "the log is being opened",
        "sim replay 1",
    ];
    check(&arguments, 0, &told, &[]);
    let page = std::fs::read_to_string(&page).expect("it was written");
    assert!(page.starts_with("<!doctype html>") && page.contains("nothing is wrong"));
    assert!(!page.contains("http"), "a page needs nothing else");
    // What can't be read is told with its place.
    let case = dir.path().join("bad.case");
    let bad = case.to_str().expect("text");
    std::fs::write(
        &case,
        "// a comment\nCase(\n  version: 1,\n  scenario: 7,\n)\n",
    )
    .expect("writes");
    check(&["sim", "explain", bad], 1, &[], &["bad.case:4:"]);
    check(
        &["sim", "explain", "/no/such.case"],
        1,
        &[],
        &["/no/such.case can't be read"],
    );
    check(
        &["sim", "explain", "1", "--scenario", "none"],
        1,
        &[],
        &["there is no scenario"],
    );
    let nowhere = [
        "sim",
        "explain",
        "1",
        "--scenario",
        "commitlog",
        "--html",
        "/proc/none/story.html",
    ];
    check(&nowhere, 1, &[], &["can't be written"]);
}

#[test]
fn cross_validation_knows_the_file_systems_it_can_cut() {
    check(
        &["sim", "cross-validate", "--fs", "vfat"],
        1,
        &[],
        &["ext4", "xfs", "btrfs"],
    );
    check(
        &["sim", "cross-validate", "--fs", "ext4", "--profile", "vfat"],
        1,
        &[],
        &["there is no profile \"vfat\""],
    );
}
