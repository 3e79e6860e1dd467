//! `sim explore`.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;

use super::campaign::processors;
use super::options::{MessageFormat, parse_minutes, parse_profile};
use super::{Exit, Registry, UsageError, complain, files, interrupt, say};
use crate::any::Workload;
use crate::disk::Profile;
use crate::explorer::{Exploration, ExploreOptions, FindingReport};

/// `sim explore`.
#[derive(Clone, Debug, Args)]
pub struct ExploreArgs {
    /// The scenario
    pub scenario: String,
    /// Explore the case that this seed draws; without seed and file: the scenario's small cases
    #[arg(long, conflicts_with = "case")]
    pub seed: Option<u64>,
    /// Explore the case of a file
    #[arg(long, value_name = "FILE")]
    pub case: Option<PathBuf>,
    /// This file system's rules instead of those of the case
    #[arg(long, value_parser = parse_profile, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Bytes that are written whole or not at all, instead of those of the case
    #[arg(long, value_parser = parse_tear, value_name = "BYTES")]
    pub tear: Option<u64>,
    /// Damage units inside that were being written, too
    #[arg(long)]
    pub torn: bool,
    /// How deep crashes nest
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub depth: u32,
    /// Choices of survivors tried at each cut of the workload
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "minutes")]
    pub budget: Option<u64>,
    /// Choices of survivors tried at each cut of a recovery
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub nested_budget: Option<u64>,
    /// Run one in so many of the images that the read tree has judged, and compare; 1: all of them
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub check_one_in: Option<u64>,
    /// Go on with new choices for this many minutes
    #[arg(long, value_parser = parse_minutes)]
    pub minutes: Option<f64>,
    /// Threads; one for each processor if not given
    #[arg(long)]
    pub jobs: Option<usize>,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// Directory for failing cases
    #[arg(long, default_value = "target/blackstart")]
    pub out: PathBuf,
}

fn parse_tear(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes @ (1 | 64 | 512 | 4_096)) => Ok(bytes),
        _ => Err("expected 1, 64, 512 or 4096".to_owned()),
    }
}

/// Explores one scenario.
pub(super) fn explore(args: &ExploreArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let scenario = registry.find(&args.scenario)?;
    let file = args.case.as_ref().map(|path| path.display().to_string());
    let text = match &args.case {
        Some(path) => files::read(path)?,
        None => String::new(),
    };
    let workload = match (args.seed, &file) {
        (Some(seed), _) => Workload::Seed(seed),
        (None, Some(file)) => Workload::Text { file, text: &text },
        (None, None) => Workload::Small,
    };
    let interrupted = interrupt::flag();
    let report = scenario
        .explore(&workload, &options_of(args), &interrupted)
        .map_err(|error| UsageError(error.to_string()))?;
    let exit = conclude(args, &report)?;
    match interrupted.load(Ordering::Relaxed) {
        true => Ok(exit.and(Exit::Interrupted)),
        false => Ok(exit),
    }
}

fn options_of(args: &ExploreArgs) -> ExploreOptions {
    let default = ExploreOptions::default();
    let minutes = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
    ExploreOptions {
        profile: args.profile,
        tear_bytes: args.tear,
        torn_units: args.torn,
        depth_max: args.depth,
        choices_max: args.budget.unwrap_or(default.choices_max),
        nested_choices_max: args.nested_budget.unwrap_or(default.nested_choices_max),
        check_one_in: args.check_one_in.unwrap_or(default.check_one_in),
        time_max: args.minutes.map(minutes),
        jobs: args.jobs.unwrap_or_else(processors),
    }
}

/// Prints the report, keeps the failing cases, and says how it went.
fn conclude(args: &ExploreArgs, report: &Exploration) -> Result<Exit, UsageError> {
    let mut stories = String::new();
    for (finding, number) in report.findings.iter().zip(1..) {
        let cases = finding.files(number);
        for (name, text) in &cases {
            files::write(&args.out.join(name), text)?;
        }
        stories.push_str(&story(args, finding, &cases));
    }
    match args.message_format {
        MessageFormat::Json => say(&format!("{}\n", json(report))),
        MessageFormat::Human => {
            say(&report.summary());
            say(&stories);
        }
    }
    if let Some(defect) = &report.defect {
        complain(defect);
        return Ok(Exit::Internal);
    }
    match report.findings.is_empty() {
        true => Ok(Exit::Fine),
        false => Ok(Exit::Failure),
    }
}

fn json(report: &Exploration) -> serde_json::Value {
    let total = report.total();
    let findings = report.findings.iter().map(|finding| {
        serde_json::json!({
            "failure": finding.failure,
            "profile": finding.profile,
            "most_ordered_profiles": finding.profiles(),
            "images": finding.images,
            "depth": finding.depth,
            "case": finding.case,
        })
    });
    serde_json::json!({
        "scenario": report.scenario,
        "cases": report.cases,
        "levels": report.levels,
        "images": total.tried + total.kills,
        "images_distinct": report.distinct,
        "judged": total.judged,
        "judged_by_tree": total.by_tree,
        "compared": total.checked,
        "recoveries": total.recoveries,
        "seam_calls": total.calls,
        "elapsed_s": report.elapsed.as_secs_f64(),
        "complete": report.is_complete,
        "findings": findings.collect::<Vec<_>>(),
        "defect": report.defect,
    })
}

fn story(args: &ExploreArgs, finding: &FindingReport, cases: &[(String, &str)]) -> String {
    let mut text = format!(
        "\n{}\n  shown by {} images under {}, crashes nested {} deep\n  the most ordered profiles \
         that still show it: {}\n",
        finding.failure,
        finding.images,
        finding.profile,
        finding.depth,
        finding.profiles().join(", ")
    );
    for (name, _) in cases {
        let path = args.out.join(name);
        text.push_str(&format!(
            "blackstart sim replay {} --trace\n",
            path.display()
        ));
    }
    text
}
