//! The flags of each command.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::explore::ExploreArgs;
use crate::campaign::in_test::parse_seeds;
use crate::disk::Profile;
use crate::shard::{SHARDS_MAX, Shard};

/// Commands of the simulator.
#[derive(Clone, Debug, Subcommand)]
pub enum SimCommand {
    /// Run a campaign: draw cases, crash them in many ways, check every recovery
    Run(RunArgs),
    /// Go through every cut of a small workload, and the images there in order
    Explore(ExploreArgs),
    /// List the scenarios
    List,
    /// Run one case again, from a file or a seed
    Replay(ReplayArgs),
    /// Tell the story of a case: what was lost, when, and why that is wrong
    Explain(ExplainArgs),
    /// Find the smallest case with the same failure
    Shrink(ShrinkArgs),
    /// Run one case under every order of tasks that needs few preemptions
    Schedules(SchedulesArgs),
    /// Keep cases that failed once, and replay them
    #[command(subcommand)]
    Corpus(CorpusCommand),
    /// Turn what a fuzzer found into a case
    FromFuzz(FromFuzzArgs),
    /// Put the reports of several campaigns or shards together
    Merge(MergeArgs),
}

/// `sim run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Scenarios to run; all of them if none is named
    pub scenarios: Vec<String>,
    /// Seeds, as `0..500`; without seeds and minutes: one minute
    #[arg(long, value_parser = parse_seeds, value_name = "A..B")]
    pub seeds: Option<Range<u64>>,
    /// Stop beginning new seeds after this many minutes
    #[arg(long, value_parser = parse_minutes)]
    pub minutes: Option<f64>,
    /// Threads; one for each processor if not given
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Only the seeds of one shard, from `1/4` to `4/4`. If it is not given, the shard is that of
    /// BLACKSTART_SHARD, of a Slurm array task, or of a pod of an Indexed Job
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// How many shards there are, where a batch system tells the number of this one only
    #[arg(long, value_name = "N", conflicts_with = "shard",
          value_parser = clap::value_parser!(u64).range(1..=SHARDS_MAX))]
    pub shards: Option<u64>,
    /// Only this file system's rules
    #[arg(long, value_parser = parse_profile, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// How deep crashes nest
    #[arg(long)]
    pub depth: Option<u32>,
    /// Vary cases that led to something new, besides drawing fresh ones
    #[arg(long)]
    pub guided: bool,
    /// Keep failing cases as they were found
    #[arg(long)]
    pub no_shrink: bool,
    /// Stop at the first failure
    #[arg(long)]
    pub first_failure: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// Directory for failing cases
    #[arg(long, default_value = "target/blackstart")]
    pub out: PathBuf,
    /// Where reports go
    #[command(flatten)]
    pub files: ReportFiles,
}

/// Where reports go besides standard output.
#[derive(Clone, Debug, Args)]
pub struct ReportFiles {
    /// Write a report, as versioned JSON, to this file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write a report in the form of JUnit to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

/// `sim merge`.
#[derive(Clone, Debug, Args)]
pub struct MergeArgs {
    /// The reports
    #[arg(required = true, value_name = "REPORT")]
    pub reports: Vec<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "human")]
    pub message_format: MessageFormat,
    /// Where reports go
    #[command(flatten)]
    pub files: ReportFiles,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MessageFormat {
    /// Text
    Human,
    /// One JSON object per line, described in docs/REPORT.md
    Json,
}

/// `sim replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// A case file, or the number of a seed
    pub case: String,
    /// The scenario of a seed; not needed if there is only one
    #[arg(long)]
    pub scenario: Option<String>,
    /// Only this file system's rules (for a seed)
    #[arg(long, value_parser = parse_profile, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// How deep crashes nest (for a seed)
    #[arg(long)]
    pub depth: Option<u32>,
    /// Print every call on the seam
    #[arg(long)]
    pub trace: bool,
}

/// `sim explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A case file, or the number of a seed
    pub case: String,
    /// The scenario of a seed; not needed if there is only one
    #[arg(long)]
    pub scenario: Option<String>,
    /// Only this file system's rules (for a seed)
    #[arg(long, value_parser = parse_profile, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// Fold only calls that change nothing
    #[arg(long)]
    pub all: bool,
    /// Also write the story as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// `sim shrink`.
#[derive(Clone, Debug, Args)]
pub struct ShrinkArgs {
    /// The case file
    pub file: PathBuf,
    /// Where the smallest case goes; standard output if not given
    #[arg(long, short)]
    pub output: Option<PathBuf>,
    /// Print it as a Rust test of this name
    #[arg(long, value_name = "NAME", value_parser = parse_identifier, conflicts_with = "output")]
    pub rust_test: Option<String>,
}

/// `sim schedules`.
#[derive(Clone, Debug, Args)]
pub struct SchedulesArgs {
    /// A case file, or the number of a seed
    pub case: String,
    /// The scenario of a seed; not needed if there is only one
    #[arg(long)]
    pub scenario: Option<String>,
    /// Preemptions of one schedule
    #[arg(long, default_value_t = 2)]
    pub preemptions: usize,
    /// Schedules of one era
    #[arg(long, default_value_t = 20_000)]
    pub schedules: u64,
    /// Images of crashes of each run; 0: runs are not crashed
    #[arg(long, default_value_t = 200)]
    pub images: u64,
}

/// `sim corpus`.
#[derive(Clone, Debug, Subcommand)]
pub enum CorpusCommand {
    /// File a case under its scenario
    Add(CorpusAddArgs),
    /// Replay all cases, and crash their operations in other places too
    Run(CorpusRunArgs),
}

/// `sim corpus add`.
#[derive(Clone, Debug, Args)]
pub struct CorpusAddArgs {
    /// The case file
    pub file: PathBuf,
    /// What broke, and why it matters: a line of the comment at its head, may be repeated; the
    /// file's own comment if not given
    #[arg(long, value_name = "TEXT")]
    pub why: Vec<String>,
    /// The file's name without ending; that of FILE if not given
    #[arg(long)]
    pub name: Option<String>,
    /// The corpus
    #[arg(long, default_value = CORPUS)]
    pub dir: PathBuf,
    /// Images of other crashes, for each era
    #[arg(long, default_value_t = NEAR_IMAGES)]
    pub images: u64,
}

/// `sim corpus run`.
#[derive(Clone, Debug, Args)]
pub struct CorpusRunArgs {
    /// The corpus, or one case of it
    #[arg(default_value = CORPUS)]
    pub path: PathBuf,
    /// Images of other crashes, for each era
    #[arg(long, default_value_t = NEAR_IMAGES)]
    pub images: u64,
}

const CORPUS: &str = "corpus/cases";
const NEAR_IMAGES: u64 = 1_000;

/// `sim from-fuzz`.
#[derive(Clone, Debug, Args)]
pub struct FromFuzzArgs {
    /// The fuzz target
    pub target: String,
    /// The file that it found
    pub file: PathBuf,
    /// Only this scenario
    #[arg(long)]
    pub scenario: Option<String>,
    /// Where the case goes; standard output if not given
    #[arg(long, short)]
    pub output: Option<PathBuf>,
}

fn parse_identifier(text: &str) -> Result<String, String> {
    let is_start = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_part = |c: char| is_start(c) || c.is_ascii_digit();
    if text.starts_with(is_start) && text.chars().all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("expected a name as torn_tail_is_kept".to_owned())
    }
}

pub(super) fn parse_minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    let fits = minutes.is_finite() && minutes > 0.0 && minutes <= 60.0 * 24.0 * 365.0;
    if fits {
        Ok(minutes)
    } else {
        Err("expected more than 0 and at most a year".to_owned())
    }
}

pub(super) fn parse_profile(text: &str) -> Result<Profile, String> {
    if text == Profile::Tmpfs.name() {
        return Err("tmpfs keeps nothing, so no scenario can promise anything on it".to_owned());
    }
    Profile::ALL
        .into_iter()
        .find(|profile| profile.name() == text)
        .ok_or_else(|| {
            let known: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name()).collect();
            format!(
                "there is no profile {text:?}; there are: {}",
                known.join(", ")
            )
        })
}
