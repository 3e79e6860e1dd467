//! One planted bug's campaign and what came of it.
//!
//! Invariants:
//! - \[I1\] A seed that fails with the bug proves something only if it passes without it.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::catalogue::Mutant;
use super::{MutantsArgs, MutantsError};

/// What a campaign against one planted bug gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    report: Report,
    verdict: Verdict,
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
struct Report {
    cases: u64,
    images: u64,
    elapsed_s: f64,
    failures: Vec<FailureReport>,
    nondeterminism: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct FailureReport {
    seed: u64,
    failure: Failure,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    oracle: String,
}

impl Outcome {
    /// Runs the campaign.
    pub fn of(binary: &Path, mutant: &Mutant, args: &MutantsArgs) -> Result<Self, MutantsError> {
        let report = campaign(binary, mutant, args, 0..mutant.patch.cases_max, true)?;
        let verdict = match (report.failures.first(), &report.nondeterminism) {
            (None, None) => Verdict::NotFound,
            (None, Some(_)) => Verdict::Found,
            (Some(failure), _) => {
                let seeds = failure.seed..failure.seed + 1;
                let without = campaign(binary, mutant, args, seeds, false)?;
                if without.failures.is_empty() {
                    Verdict::Found
                } else {
                    Verdict::Masked
                }
            }
        };
        Ok(Self { report, verdict })
    }

    /// Whether it is as it must be.
    pub fn is_good(&self, mutant: &Mutant) -> bool {
        let expected = if mutant.patch.harmless {
            Verdict::NotFound
        } else {
            Verdict::Found
        };
        self.verdict == expected
    }

    /// For people.
    pub fn line(&self, mutant: &Mutant) -> String {
        let verdict = match (self.verdict, mutant.patch.harmless) {
            (Verdict::Found, false) => "found",
            (Verdict::NotFound, false) => "NOT FOUND",
            (Verdict::Found, true) => "FOUND, AND HARMLESS",
            (Verdict::NotFound, true) => "harmless, not found",
            (Verdict::Masked, _) => "FAILS WITHOUT IT TOO",
        };
        let by = self
            .report
            .failures
            .first()
            .map_or_else(String::new, |failure| {
                format!("by {} at seed {}", failure.failure.oracle, failure.seed)
            });
        format!(
            "{:34} {verdict:20} {:6} cases {:8} images {:6.2} s  {by}\n",
            mutant.name, self.report.cases, self.report.images, self.report.elapsed_s
        )
    }

    /// For machines.
    pub fn json(&self, mutant: &Mutant) -> serde_json::Value {
        serde_json::json!({
            "scenario": mutant.scenario,
            "name": mutant.name,
            "about": mutant.patch.about,
            "harmless": mutant.patch.harmless,
            "found": self.verdict == Verdict::Found,
            "masked": self.verdict == Verdict::Masked,
            "cases": self.report.cases,
            "images": self.report.images,
            "elapsed_s": self.report.elapsed_s,
            "oracle": self.report.failures.first().map(|failure| &failure.failure.oracle),
        })
    }
}

/// Runs a campaign up to its first failure, with the bug switched on or without it.
fn campaign(
    binary: &Path,
    mutant: &Mutant,
    args: &MutantsArgs,
    seeds: Range<u64>,
    planted: bool,
) -> Result<Report, MutantsError> {
    let out = match &args.keep {
        Some(keep) => keep.join(&mutant.name),
        None => args.source.join("target/mutants/cases").join(&mutant.name),
    };
    let mut command = Command::new(binary);
    command
        .args([
            "sim",
            "run",
            &mutant.scenario,
            "--first-failure",
            "--message-format",
            "json",
        ])
        .args(["--seeds", &format!("{}..{}", seeds.start, seeds.end)])
        .args(["--jobs", &args.jobs.to_string()])
        .arg("--out")
        .arg(out)
        .env(
            "BLACKSTART_PLANTED",
            if planted { mutant.name.as_str() } else { "" },
        );
    if args.keep.is_none() || !planted {
        command.arg("--no-shrink");
    }
    let output = command
        .output()
        .map_err(|error| MutantsError::io(binary, error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = format!("{error}; exit {:?}; {stderr}", output.status.code());
        MutantsError::Campaign {
            name: mutant.name.clone(),
            reason,
        }
    })
}
