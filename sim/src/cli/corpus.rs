//! `sim corpus`: keeping cases, and replaying those that are kept.

use std::path::Path;

use super::options::{CorpusAddArgs, CorpusCommand, CorpusRunArgs};
use super::{Exit, Registry, UsageError, complain, files, say};
use crate::corpus;

pub(super) fn run(command: &CorpusCommand, registry: &Registry) -> Result<Exit, UsageError> {
    match command {
        CorpusCommand::Add(args) => add(args, registry),
        CorpusCommand::Run(args) => run_all(args, registry),
    }
}

/// Files a case under its scenario, with what broke at its head.
fn add(args: &CorpusAddArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let text = files::read(&args.file)?;
    let file = args.file.display().to_string();
    let refuse = |error: &dyn std::fmt::Display| UsageError(error.to_string());
    let scenario = corpus::scenario_of(registry, &file, &text).map_err(|error| refuse(&error))?;
    let why = match args.why.as_slice() {
        [] => comment_of(&text),
        why => why.join("\n"),
    };
    if why.trim().is_empty() {
        return Err(UsageError(
            "say what broke and why it matters: --why TEXT, once for each line".to_owned(),
        ));
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => stem(&args.file)?,
    };
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    {
        return Err(UsageError(format!(
            "{name:?} can't be a file's name: letters, digits, - and _ only"
        )));
    }
    let text = scenario
        .rewrite(&file, &text, &why)
        .map_err(|error| refuse(&error))?;
    let path = args.dir.join(scenario.name()).join(format!("{name}.case"));
    if path.exists() {
        let path = path.display();
        return Err(UsageError(format!("{path} exists: choose another --name")));
    }
    files::write(&path, &text)?;
    say(&format!("{}\n", path.display()));
    let verdict = corpus::replay(registry, &path, args.images);
    Ok(verdict.map_or_else(
        |error| {
            complain(&error.to_string());
            Exit::Failure
        },
        |()| Exit::Fine,
    ))
}

/// The comment at the head of a case.
fn comment_of(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    let lines: Vec<&str> = lines.map(str::trim).collect();
    lines.join("\n")
}

fn stem(path: &Path) -> Result<String, UsageError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.map(str::to_owned)
        .ok_or_else(|| UsageError("give the case a --name".to_owned()))
}

/// Replays all; a damaged or failing entry does not keep the others from being replayed.
fn run_all(args: &CorpusRunArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let verdicts = corpus::replay_all(registry, &args.path, args.images)
        .map_err(|error| UsageError(error.to_string()))?;
    let mut exit = Exit::Fine;
    for entry in &verdicts {
        let Err(error) = &entry.verdict else {
            continue;
        };
        complain(&error.to_string());
        exit = match error {
            corpus::CorpusError::Fails { .. }
            | corpus::CorpusError::FailsNearby { .. }
            | corpus::CorpusError::Stale { .. } => Exit::Failure,
            _ if exit == Exit::Fine => Exit::Usage,
            _ => exit,
        };
    }
    let passed = verdicts
        .iter()
        .filter(|entry| entry.verdict.is_ok())
        .count();
    say(&format!("{passed} of {} cases pass\n", verdicts.len()));
    Ok(exit)
}
