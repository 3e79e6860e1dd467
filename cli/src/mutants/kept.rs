//! The kept cases of planted bugs: do they still show the bug, and nothing without it?
//!
//! A case of the corpus belongs to a planted bug if the comment at its head says so: "With this
//! mistake planted (NAME)". A bug may have several.
//!
//! Invariants:
//! - \[I1\] A case counts only if its own run fails with the bug. That other crashes of its
//!   operations fail is not enough: a later change may leave none of them.
//! - \[I2\] A case whose bug is not in the catalogue is an error.

use std::path::{Path, PathBuf};
use std::process::Command;

use blackstart_sim::cli::say;
use blackstart_sim::corpus::planted_bug;

use super::catalogue::{Catalogue, Mutant, entries, read};
use super::{MutantsArgs, MutantsError};

/// What the kept cases of one bug are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All fail with the bug, and pass without it.
    Shows,
    /// There are none.
    Missing,
    /// One passes with the bug.
    Rotted,
    /// One fails without the bug.
    FailsWithout,
}

impl Verdict {
    /// Whether this is as it must be.
    pub fn is_good(self, mutant: &Mutant) -> bool {
        match self {
            Self::Shows => !mutant.patch.harmless,
            Self::Missing => mutant.patch.harmless,
            Self::Rotted | Self::FailsWithout => false,
        }
    }

    /// For machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shows => "fails",
            Self::Missing => "missing",
            Self::Rotted => "passes",
            Self::FailsWithout => "fails without",
        }
    }

    /// For people.
    const fn words(self) -> &'static str {
        match self {
            Self::Shows => "its case fails, and passes without it",
            Self::Missing => "no case is kept",
            Self::Rotted => "ITS CASE HAS ROTTED: it passes",
            Self::FailsWithout => "ITS CASE FAILS WITHOUT IT TOO, OR IS STALE",
        }
    }
}

/// Runs the kept cases of these bugs; with each bug, what they are worth. What is not as it must be
/// is told at once.
pub(super) fn run(
    binary: &Path,
    catalogue: &Catalogue,
    wanted: &[&Mutant],
    args: &MutantsArgs,
) -> Result<Vec<Verdict>, MutantsError> {
    let cases = cases(catalogue, &args.source.join("corpus/cases"))?;
    let verdicts = wanted.iter().map(|mutant| {
        let own = cases.iter().filter(|(owner, _)| {
            (&owner.scenario, &owner.name) == (&mutant.scenario, &mutant.name)
        });
        let mut verdict = Verdict::Missing;
        for (_, path) in own {
            verdict = judge(binary, mutant, path)?;
            if verdict != Verdict::Shows {
                say(&format!("{}\n", path.display()));
                break;
            }
        }
        if args.json && args.kept {
            let (scenario, name) = (&mutant.scenario, &mutant.name);
            let line = serde_json::json!({
                "scenario": scenario,
                "name": name,
                "good": verdict.is_good(mutant),
                "case": verdict.name(),
            });
            say(&format!("{line}\n"));
        }
        if !args.json && (args.kept || !verdict.is_good(mutant)) {
            say(&format!("{:34} {}\n", mutant.name, verdict.words()));
        }
        Ok(verdict)
    });
    verdicts.collect()
}

/// The cases that belong to planted bugs, with their bugs.
fn cases<'c>(
    catalogue: &'c Catalogue,
    corpus: &Path,
) -> Result<Vec<(&'c Mutant, PathBuf)>, MutantsError> {
    let mut cases = Vec::new();
    for scenario in catalogue.scenarios() {
        let directory = corpus.join(scenario);
        if !directory.is_dir() {
            continue;
        }
        for path in entries(&directory)? {
            let text = read(&path)?;
            let Some(name) = planted_bug(&text) else {
                continue;
            };
            let mut mutants = catalogue.mutants.iter();
            let owner = mutants.find(|mutant| mutant.scenario == scenario && mutant.name == name);
            let owner = owner.ok_or_else(|| MutantsError::Catalogue {
                path: path.display().to_string(),
                reason: format!("there is no planted bug {name:?}"),
            })?;
            cases.push((owner, path));
        }
    }
    Ok(cases)
}

fn judge(binary: &Path, mutant: &Mutant, path: &Path) -> Result<Verdict, MutantsError> {
    match exit(binary, mutant, &mutant.name, &["replay"], path)? {
        Exit::Fails => {}
        Exit::Passes => return Ok(Verdict::Rotted),
    }
    match exit(binary, mutant, "", &["corpus", "run"], path)? {
        Exit::Fails => Ok(Verdict::FailsWithout),
        Exit::Passes => Ok(Verdict::Shows),
    }
}

enum Exit {
    Passes,
    Fails,
}

/// Runs a case with one of the switches on, or with none.
fn exit(
    binary: &Path,
    mutant: &Mutant,
    planted: &str,
    command: &[&str],
    path: &Path,
) -> Result<Exit, MutantsError> {
    let output = Command::new(binary)
        .arg("sim")
        .args(command)
        .arg(path)
        .env("BLACKSTART_PLANTED", planted)
        .output()
        .map_err(|error| MutantsError::io(binary, error))?;
    match output.status.code() {
        Some(0) => Ok(Exit::Passes),
        Some(2) => Ok(Exit::Fails),
        code => Err(MutantsError::Campaign {
            name: mutant.name.clone(),
            reason: format!(
                "its case gave exit {code:?}; {}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }),
    }
}

#[cfg(test)]
mod tests;
