//! One planted bug's campaign and what came of it.
//!
//! Invariants:
//! - \[I1\] A seed that fails with the bug proves something only if it passes without it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::catalogue::Mutant;
use super::small::{Small, case_path, write};
use super::{MutantsArgs, MutantsError, kept};

/// What the campaigns against one planted bug gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// One a round.
    rounds: Vec<Round>,
    kept: kept::Verdict,
}

#[derive(Clone, Debug)]
struct Round {
    report: Report,
    verdict: Verdict,
    /// What the failure shrinks to, if the bug was found by one.
    small: Option<Small>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Found,
    NotFound,
    /// The seed that fails with the bug fails without it as well.
    Masked,
}

/// The parts of `sim run --message-format json` that matter here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Report {
    pub cases: u64,
    images: u64,
    elapsed_s: f64,
    pub failures: Vec<FailureReport>,
    pub nondeterminism: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct FailureReport {
    seed: u64,
    failure: Failure,
    pub case: String,
    /// Whether the seed alone does not lead to it.
    #[serde(default)]
    is_child: bool,
}

/// The parts of `sim explore --message-format json` that matter here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Exploration {
    pub images: u64,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Finding {
    pub case: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    oracle: String,
}

/// How far the seeds of two rounds are apart.
pub(super) const ROUND_SEEDS: u64 = 1_000_000_000;

impl Outcome {
    /// Runs the campaigns, each with seeds of its own. `kept` is what the bug's cases are worth.
    pub fn of(
        binary: &Path,
        mutant: &Mutant,
        kept: kept::Verdict,
        args: &MutantsArgs,
    ) -> Result<Self, MutantsError> {
        let rounds = (0..args.rounds.max(1)).map(|round| {
            let first = round * ROUND_SEEDS;
            Round::of(binary, mutant, args, first..first + mutant.patch.cases_max)
        });
        let rounds = rounds.collect::<Result<_, _>>()?;
        let outcome = Self { rounds, kept };
        if let Some(keep) = &args.keep
            && let Some((_, small)) = outcome.smallest()
        {
            write(&case_path(keep, mutant), &small.text)?;
        }
        Ok(outcome)
    }

    /// The shrunken cases, with the number of their round.
    pub fn small(&self) -> impl Iterator<Item = (usize, &Small)> {
        let rounds = self.rounds.iter().enumerate();
        rounds.filter_map(|(number, round)| Some((number, round.small.as_ref()?)))
    }

    /// The shrunken case with the least to read.
    fn smallest(&self) -> Option<(usize, &Small)> {
        self.small().min_by_key(|(_, small)| {
            let size = small.size;
            let least = size.operations + size.faults;
            (size.crashes.max(1), least, size.crashes, small.text.len())
        })
    }

    /// The median of the times to find the bug, in seconds.
    pub fn find_s_median(&self) -> f64 {
        let times = self.rounds.iter().map(|round| round.report.elapsed_s);
        let mut times: Vec<f64> = times.collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    /// Whether each round is as it must be, and the cases that are kept still show the bug.
    pub fn is_good(&self, mutant: &Mutant) -> bool {
        self.kept.is_good(mutant)
            && self
                .rounds
                .iter()
                .all(|round| round.verdict == expected(mutant))
    }

    /// The round that stands for all: the first that is not as it must be, else one with the median
    /// of the cases.
    fn typical(&self, mutant: &Mutant) -> Option<&Round> {
        let bad = self
            .rounds
            .iter()
            .find(|round| round.verdict != expected(mutant));
        let mut sorted: Vec<&Round> = self.rounds.iter().collect();
        sorted.sort_by_key(|round| round.report.cases);
        bad.or_else(|| sorted.get(sorted.len() / 2).copied())
    }

    /// For people.
    pub fn line(&self, mutant: &Mutant) -> String {
        let Some(Round {
            report,
            verdict,
            small,
        }) = self.typical(mutant)
        else {
            return String::new();
        };
        let verdict = match (verdict, mutant.patch.harmless) {
            (Verdict::Found, false) => "found",
            (Verdict::NotFound, false) => "NOT FOUND",
            (Verdict::Found, true) => "FOUND, AND HARMLESS",
            (Verdict::NotFound, true) => "harmless, not found",
            (Verdict::Masked, _) => "FAILS WITHOUT IT TOO",
        };
        let by = report.failures.first().map_or_else(String::new, |failure| {
            format!("by {} at seed {}", failure.failure.oracle, failure.seed)
        });
        let small = small.as_ref().map_or_else(String::new, |small| {
            format!("shrunken in {:.2} s to {}; ", small.elapsed_s, small.size)
        });
        format!(
            "{:34} {verdict:20} {:6} cases {:8} images {:6.2} s  {small}{by}\n",
            mutant.name, report.cases, report.images, report.elapsed_s
        )
    }

    /// For machines.
    pub fn json(&self, mutant: &Mutant) -> serde_json::Value {
        let rounds: Vec<_> = self.rounds.iter().map(Round::json).collect();
        serde_json::json!({
            "scenario": mutant.scenario,
            "name": mutant.name,
            "about": mutant.patch.about,
            "harmless": mutant.patch.harmless,
            "good": self.is_good(mutant),
            "rounds": rounds,
            "case": self.kept.name(),
        })
    }
}

fn expected(mutant: &Mutant) -> Verdict {
    if mutant.patch.harmless {
        Verdict::NotFound
    } else {
        Verdict::Found
    }
}

impl Round {
    fn of(
        binary: &Path,
        mutant: &Mutant,
        args: &MutantsArgs,
        seeds: Range<u64>,
    ) -> Result<Self, MutantsError> {
        let hunt = |seeds, guided| Hunt {
            seeds,
            seconds_max: None,
            jobs: args.jobs,
            guided,
        };
        let first = hunt(seeds, args.guided);
        let report = campaign(binary, mutant, args, &first, true)?;
        let verdict = match (report.failures.first(), &report.nondeterminism) {
            (None, None) => Verdict::NotFound,
            (None, Some(_)) => Verdict::Found,
            (Some(failure), _) => {
                let passes = if failure.is_child {
                    passes(binary, mutant, args, &failure.case)?
                } else {
                    let again = hunt(failure.seed..failure.seed + 1, false);
                    let without = campaign(binary, mutant, args, &again, false)?;
                    without.failures.is_empty()
                };
                match passes {
                    true => Verdict::Found,
                    false => Verdict::Masked,
                }
            }
        };
        let directory = scratch(args, mutant);
        let small = report.failures.first().map(|found| {
            let oracle = &found.failure.oracle;
            Small::of(binary, mutant, oracle, &found.case, &directory)
        });
        Ok(Self {
            small: small.transpose()?,
            report,
            verdict,
        })
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "found": self.verdict == Verdict::Found,
            "masked": self.verdict == Verdict::Masked,
            "cases": self.report.cases,
            "images": self.report.images,
            "elapsed_s": self.report.elapsed_s,
            "seed": self.report.failures.first().map(|failure| failure.seed),
            "oracle": self.report.failures.first().map(|failure| &failure.failure.oracle),
            "operations": self.small.as_ref().map(|small| small.size.operations),
            "crashes": self.small.as_ref().map(|small| small.size.crashes),
            "faults": self.small.as_ref().map(|small| small.size.faults),
            "shrink_s": self.small.as_ref().map(|small| small.elapsed_s),
        })
    }
}

/// Where the files of a bug's campaigns go.
fn scratch(args: &MutantsArgs, mutant: &Mutant) -> PathBuf {
    args.source.join("target/mutants/cases").join(&mutant.name)
}

/// A campaign up to its first failure.
pub(super) struct Hunt {
    pub seeds: Range<u64>,
    /// After so long it is given up; none: after all seeds.
    pub seconds_max: Option<u64>,
    pub jobs: usize,
    /// Whether cases that led to something new are varied.
    pub guided: bool,
}

/// Runs a campaign with the bug switched on, or without it.
pub(super) fn campaign(
    binary: &Path,
    mutant: &Mutant,
    args: &MutantsArgs,
    hunt: &Hunt,
    planted: bool,
) -> Result<Report, MutantsError> {
    let mut command = Command::new(binary);
    command
        .args(["sim", "run", &mutant.scenario])
        .args(["--first-failure", "--message-format", "json"])
        .args([
            "--seeds",
            &format!("{}..{}", hunt.seeds.start, hunt.seeds.end),
        ])
        .args(["--jobs", &hunt.jobs.to_string()])
        // All seeds, whatever batch system this runs in.
        .args(["--shard", "1/1"])
        .arg("--out")
        .arg(scratch(args, mutant))
        // Shrinking is told apart.
        .arg("--no-shrink")
        .env(
            "BLACKSTART_PLANTED",
            if planted { mutant.name.as_str() } else { "" },
        );
    if let Some(seconds) = hunt.seconds_max {
        let minutes = seconds as f64 / 60.0;
        command.args(["--minutes", &minutes.to_string()]);
    }
    if hunt.guided {
        command.arg("--guided");
    }
    // Of the lines of `docs/REPORT.md`, the one with everything.
    let is_report = |line: &serde_json::Value| line["type"] == "report";
    line_of(&mut command, mutant, is_report)
}

/// Explores the scenario's small cases with the bug switched on, until the time is over.
pub(super) fn exploration(
    binary: &Path,
    mutant: &Mutant,
    args: &MutantsArgs,
    depth: &str,
) -> Result<Exploration, MutantsError> {
    // It ends at a signal, and tells what it has found.
    let mut command = Command::new("timeout");
    command
        .arg(args.seconds.to_string())
        .arg(binary)
        .args(["sim", "explore", &mutant.scenario, "--depth", depth])
        .args(["--jobs", "1", "--message-format", "json"])
        .arg("--out")
        .arg(scratch(args, mutant))
        .env("BLACKSTART_PLANTED", &mutant.name);
    line_of(&mut command, mutant, |line| line["findings"].is_array())
}

/// Whether a case passes without any bug.
pub(super) fn passes(
    binary: &Path,
    mutant: &Mutant,
    args: &MutantsArgs,
    text: &str,
) -> Result<bool, MutantsError> {
    let path = scratch(args, mutant).join("found.case");
    write(&path, text)?;
    let output = Command::new(binary)
        .args(["sim", "replay"])
        .arg(&path)
        .env("BLACKSTART_PLANTED", "")
        .output()
        .map_err(|error| MutantsError::io(binary, error))?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(2) => Ok(false),
        code => Err(MutantsError::Campaign {
            name: mutant.name.clone(),
            reason: format!("its failing case gave exit {code:?} without the bug"),
        }),
    }
}

/// Runs a command, and reads the line of its output that is wanted.
fn line_of<T: serde::de::DeserializeOwned>(
    command: &mut Command,
    mutant: &Mutant,
    is_wanted: impl Fn(&serde_json::Value) -> bool,
) -> Result<T, MutantsError> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .output()
        .map_err(|error| MutantsError::io(&program, error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let is_wanted = |line: &&str| {
        let line: Option<serde_json::Value> = serde_json::from_str(line).ok();
        line.is_some_and(|line| is_wanted(&line))
    };
    let line = text.lines().find(is_wanted).unwrap_or_default();
    serde_json::from_str(line).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = format!("{error}; exit {:?}; {stderr}", output.status.code());
        MutantsError::Campaign {
            name: mutant.name.clone(),
            reason,
        }
    })
}
