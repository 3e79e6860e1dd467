//! Campaigns as a person or a batch system runs them: shards, reports, merging, interruption.
#![expect(
    clippy::disallowed_methods,
    reason = "tests of the command work on real files"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The command in a directory, with nothing of a batch system around it.
fn blackstart(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blackstart"));
    command.args(arguments).current_dir(dir);
    for name in [
        "BLACKSTART_SHARD",
        "SLURM_ARRAY_TASK_ID",
        "JOB_COMPLETION_INDEX",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
    ] {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn check(command: &mut Command, code: i32) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (stdout, stderr)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("reads")
}

/// The line that counts crash images, without the rates.
fn images(text: &str) -> String {
    let line = text.lines().find(|line| line.contains("crash images"));
    let line = line.unwrap_or_else(|| panic!("no images: {text}"));
    let words = line.split_whitespace();
    let words = words.filter(|word| !word.starts_with('('));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn three_shards_are_merged_into_what_one_campaign_finds() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let run = ["sim", "run", "--seeds", "0..12", "--jobs", "1"];
    for index in 1..=3 {
        let (shard, file) = (format!("{index}/3"), format!("{index}.json"));
        let more = ["--shard", &shard, "--report", &file];
        let (text, _) = check(&mut blackstart(dir, &[&run[..], &more].concat()), 0);
        assert!(text.contains(&format!("shard {index}/3 of the seeds 0..12")));
    }
    let (whole, _) = check(&mut blackstart(dir, &run), 0);
    let merge = ["sim", "merge", "1.json", "3.json"];
    let (partly, errors) = check(&mut blackstart(dir, &merge), 1);
    assert!(errors.contains("missing shards: 2/3"), "{errors}");
    assert_ne!(images(&partly), images(&whole));
    let all = ["2.json", "--report", "all.json", "--junit", "all.xml"];
    let (merged, _) = check(&mut blackstart(dir, &[&merge[..], &all].concat()), 0);
    assert_eq!(images(&merged), images(&whole));
    assert!(merged.contains("of 3 parts"), "{merged}");
    assert!(read(&dir.join("all.xml")).contains("<testsuite name=\"commitlog\""));
    let again = ["sim", "merge", "all.json"];
    let (again, _) = check(&mut blackstart(dir, &again), 0);
    assert_eq!(again, merged);
}

#[test]
fn a_damaged_report_hides_no_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let run = [
        "sim",
        "run",
        "commitlog",
        "--seeds",
        "0..2",
        "--report",
        "a.json",
    ];
    check(&mut blackstart(dir, &run), 0);
    let text = read(&dir.join("a.json"));
    let half = text.get(..text.len() / 2).expect("ASCII");
    std::fs::write(dir.join("b.json"), half).expect("writes");
    let line = half.lines().count();
    let merge = ["sim", "merge", "b.json", "no.json", "a.json"];
    let (merged, errors) = check(&mut blackstart(dir, &merge), 1);
    assert!(merged.contains("commitlog: 2 cases"), "{merged}");
    assert!(errors.contains(&format!("b.json:{line}:")), "{errors}");
    assert!(errors.contains("no.json can't be read"), "{errors}");
}

/// A report with a failure: the commit log has none to find.
fn with_failure(text: &str) -> String {
    let failure = r#""failures": [{"seed": 1, "scenario": "commitlog", "flags": "",
        "failure": {"oracle": "durable prefix", "place": "a.rs:7", "message": "lost\n::x"},
        "case": "Case()", "shrunken": "", "shrink_runs": 0}]"#;
    text.replace("\"failures\": []", failure)
}

#[test]
fn a_failure_decides_the_exit_code_and_is_told_to_github() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let run = [
        "sim",
        "run",
        "commitlog",
        "--seeds",
        "0..2",
        "--report",
        "a.json",
    ];
    check(&mut blackstart(dir, &run), 0);
    let text = with_failure(&read(&dir.join("a.json")));
    std::fs::write(dir.join("b.json"), text).expect("writes");
    std::fs::write(dir.join("c.json"), "{").expect("writes");
    let merge = ["sim", "merge", "b.json", "c.json"];
    let mut command = blackstart(dir, &merge);
    command.env("GITHUB_ACTIONS", "true");
    command.env("GITHUB_STEP_SUMMARY", "summary.md");
    let (merged, _) = check(&mut command, 2);
    let commands: Vec<&str> = merged
        .lines()
        .filter(|line| line.starts_with("::"))
        .collect();
    assert_eq!(commands.len(), 1, "{merged}");
    assert!(
        commands[0].starts_with(
            "::error file=a.rs,line=7,title=commitlog%3A durable prefix::lost%0A::x%0A"
        ),
        "{merged}"
    );
    let summary = read(&dir.join("summary.md"));
    assert!(
        summary.contains("**durable prefix: lost ::x (a.rs:7)**"),
        "{summary}"
    );
    // A summary that can't be written is said, and changes no verdict.
    command.env("GITHUB_STEP_SUMMARY", "no/such/directory/summary.md");
    let (_, errors) = check(&mut command, 2);
    assert!(errors.contains("summary.md can't be written"), "{errors}");
}

#[test]
fn batch_systems_choose_the_shard() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let run = ["sim", "run", "--seeds", "0..5", "--message-format", "json"];
    let index = |command: &mut Command| {
        let (text, _) = check(command, 0);
        let first: serde_json::Value =
            serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["type"], "begin");
        (
            first["shard"]["index"].clone(),
            first["shard"]["count"].clone(),
        )
    };
    let mut slurm = blackstart(dir, &run);
    for (name, value) in [("ID", "7"), ("MIN", "5"), ("MAX", "8"), ("COUNT", "4")] {
        slurm.env(format!("SLURM_ARRAY_TASK_{name}"), value);
    }
    assert_eq!(index(&mut slurm), (3.into(), 4.into()));
    let mut job = blackstart(dir, &[&run[..], &["--shards", "5"]].concat());
    job.env("JOB_COMPLETION_INDEX", "1");
    assert_eq!(index(&mut job), (2.into(), 5.into()));
    job.env("JOB_COMPLETION_INDEX", "5");
    let (_, errors) = check(&mut job, 1);
    assert!(errors.contains("no shard 6 of 5"), "{errors}");
    let (_, errors) = check(&mut blackstart(dir, &["sim", "run", "--shards", "5"]), 1);
    assert!(errors.contains("--shard I/N"), "{errors}");
}

#[test]
fn every_line_for_machines_is_json_and_says_its_type() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = blackstart(
        dir.path(),
        &[
            "sim",
            "run",
            "commitlog",
            "--seeds",
            "0..4",
            "--message-format",
            "json",
        ],
    );
    // Even where GitHub would be told.
    command.env("GITHUB_ACTIONS", "true");
    let (text, _) = check(&mut command, 0);
    let lines = text.lines().map(serde_json::from_str);
    let lines: Vec<serde_json::Value> = lines.map(|line| line.expect("JSON")).collect();
    let types: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["type"].as_str())
        .filter(|kind| *kind != "progress")
        .collect();
    assert_eq!(types, ["begin", "report", "end"]);
    assert_eq!(lines[lines.len() - 2]["cases"], 4);
    assert_eq!(lines[lines.len() - 1]["exit"], 0);
}

#[test]
fn an_interrupted_campaign_keeps_what_it_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let run = [
        "sim",
        "run",
        "--minutes",
        "9",
        "--jobs",
        "2",
        "--report",
        "a.json",
    ];
    for signal in ["-INT", "-TERM"] {
        let json = ["--message-format", "json"];
        let mut child = blackstart(dir, &[&run[..], &json].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut next = || lines.next().expect("a line").expect("text");
        // By the first line of progress it runs seeds.
        while !next().contains("\"progress\"") {}
        let process = child.id().to_string();
        let kill = Command::new("kill").args([signal, &process]).status();
        assert!(kill.expect("kill runs").success());
        let report = std::iter::repeat_with(&mut next).find(|line| line.contains("\"report\""));
        let report: serde_json::Value =
            serde_json::from_str(&report.expect("a report")).expect("JSON");
        assert_eq!(report["parts"][0]["ended"], "interrupted");
        assert!(report["cases"].as_u64() > Some(0), "{report}");
        assert!(next().contains("\"exit\":130"));
        assert_eq!(child.wait().expect("it ends").code(), Some(130));
        let (merged, errors) = check(&mut blackstart(dir, &["sim", "merge", "a.json"]), 1);
        assert!(merged.contains(&format!("commitlog: {} cases", report["cases"])));
        assert!(
            errors.contains("was interrupted: its seeds from"),
            "{errors}"
        );
    }
}
