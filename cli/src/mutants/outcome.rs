//! One planted bug's campaign and what came of it.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::catalogue::Mutant;
use super::{MutantsArgs, MutantsError};

/// What a campaign against one planted bug gave.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    report: Report,
    /// Exit code 2: a failure was found.
    is_found: bool,
}

/// The parts of `sim run --message-format json` that matter here.
#[derive(Clone, Debug, Deserialize)]
struct Report {
    cases: u64,
    images: u64,
    elapsed_s: f64,
    failures: Vec<FailureReport>,
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
        let out = match &args.keep {
            Some(keep) => keep.join(&mutant.name),
            None => args.source.join("target/mutants/cases").join(&mutant.name),
        };
        let mut command = Command::new(binary);
        command
            .args(["sim", "run", &mutant.scenario, "--first-failure"])
            .args(["--message-format", "json"])
            .args(["--seeds", &format!("0..{}", mutant.patch.cases_max)])
            .args(["--jobs", &args.jobs.to_string()])
            .arg("--out")
            .arg(out)
            .env("BLACKSTART_PLANTED", &mutant.name);
        if args.keep.is_none() {
            command.arg("--no-shrink");
        }
        let failed = |reason: String| MutantsError::Campaign { name: mutant.name.clone(), reason };
        let output = command.output().map_err(|error| MutantsError::io(binary, error))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().unwrap_or_default();
        let report: Report = serde_json::from_str(line).map_err(|error| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            failed(format!("{error}; exit {:?}; {stderr}", output.status.code()))
        })?;
        let is_found = !report.failures.is_empty() || output.status.code() == Some(3);
        Ok(Self { report, is_found })
    }

    /// Whether it is as it must be.
    pub fn is_good(&self, mutant: &Mutant) -> bool {
        self.is_found != mutant.patch.harmless
    }

    /// For people.
    pub fn line(&self, mutant: &Mutant) -> String {
        let verdict = match (self.is_found, mutant.patch.harmless) {
            (true, false) => "found",
            (false, false) => "NOT FOUND",
            (true, true) => "FOUND BUT HARMLESS",
            (false, true) => "not found, as it must",
        };
        let by = self.report.failures.first().map_or_else(String::new, |failure| {
            format!("by {} at seed {}", failure.failure.oracle, failure.seed)
        });
        format!(
            "{:40} {verdict:10} {:6} cases {:8} images {:7.2} s  {by}\n",
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
            "found": self.is_found,
            "cases": self.report.cases,
            "images": self.report.images,
            "elapsed_s": self.report.elapsed_s,
            "oracle": self.report.failures.first().map(|failure| &failure.failure.oracle),
        })
    }
}
