//! One contract, two worlds: the operating system and the simulated disk.
//!
//! Each topic is a row of calls whose results are written down in a transcript: the value, or the
//! error number. The transcript of the simulated disk must equal that of Linux line by line, since
//! a simulator that answers differently tests a program that nobody runs. Where they differ, Linux
//! is right.
//!
//! Not here: what survives a crash (the profiles' own tests), injected faults, speed. Names that
//! are not UTF-8, which the simulated disk refuses (EINVAL) since cases are text.

#[path = "env_contract/files.rs"]
mod files;
#[path = "env_contract/inodes.rs"]
mod inodes;
#[path = "env_contract/names.rs"]
mod names;
#[path = "env_contract/sequences.rs"]
mod sequences;
#[path = "env_contract/transcript.rs"]
mod transcript;

use std::path::Path;
use std::sync::Arc;

use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::Env;
use blackstart_vfs::os::{OsClock, OsEntropy, OsTasks};

use transcript::Session;

/// The operating system below `root`, which need not exist.
fn real(root: &Path) -> Env {
    Env::os(root.join("root"))
}

/// A simulated disk without faults, whose root does not exist yet.
fn simulated() -> Env {
    let disk = Arc::new(SimFs::new(DiskConfig::default()));
    Env::new(
        disk,
        Arc::new(OsClock::new()),
        Arc::new(OsTasks::new()),
        Arc::new(OsEntropy),
    )
}

/// Both transcripts of a topic that starts with an existing, empty root.
fn transcripts(topic: impl Fn(&mut Session<'_>)) -> (Vec<String>, Vec<String>) {
    let run = |env: &Env| {
        env.fs().create_root().expect("the root can be created");
        let mut session = Session::new(env);
        topic(&mut session);
        session.into_lines()
    };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    (run(&real(scratch.path())), run(&simulated()))
}

/// Runs a topic in both worlds and fails at the first line that differs, with those before it.
#[track_caller]
fn check(topic: impl Fn(&mut Session<'_>)) {
    let (real, simulated) = transcripts(topic);
    assert!(!real.is_empty(), "a topic without calls proves nothing");
    if let Some(difference) = first_difference(&real, &simulated) {
        panic!("{difference}");
    }
}

/// Tells where two transcripts part; `None` if they are equal.
fn first_difference(real: &[String], simulated: &[String]) -> Option<String> {
    let lines = real.len().max(simulated.len());
    let at = (0..lines).find(|&at| real.get(at) != simulated.get(at))?;
    let nothing = "(nothing)".to_owned();
    Some(format!(
        "line {at} differs after:\n  {}\noperating system: {}\nsimulated disk:   {}",
        real[at.saturating_sub(12)..at.min(real.len())].join("\n  "),
        real.get(at).unwrap_or(&nothing),
        simulated.get(at).unwrap_or(&nothing),
    ))
}

#[test]
fn a_difference_is_found() {
    let lines = |texts: &[&str]| {
        texts
            .iter()
            .map(|&text| text.to_owned())
            .collect::<Vec<_>>()
    };
    let (short, long) = (lines(&["one"]), lines(&["one", "two"]));
    assert_eq!(first_difference(&long, &long), None);
    for (real, simulated) in [
        (&short, &long),
        (&long, &short),
        (&long, &lines(&["one", "2"])),
    ] {
        let difference = first_difference(real, simulated).expect("they differ");
        assert!(difference.starts_with("line 1 differs"), "{difference}");
    }
}

#[test]
fn the_root_is_missing_until_created() {
    let topic = |env: &Env| {
        let mut session = Session::new(env);
        session.metadata("");
        session.read_dir("");
        session.sync_dir("");
        session.create_dir("a");
        session.create_dir("");
        session.open("a", transcript::CREATE);
        session.create_root();
        session.metadata("");
        session.read_dir("");
        session.open("a", transcript::CREATE);
        // A second time is no error and destroys nothing.
        session.create_root();
        session.read_dir("");
        session.into_lines()
    };
    let scratch = tempfile::tempdir().expect("a scratch directory");
    assert_eq!(
        first_difference(&topic(&real(scratch.path())), &topic(&simulated())),
        None
    );
}
