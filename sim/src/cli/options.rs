//! The flags of each command.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::disk::Profile;

/// Commands of the simulator.
#[derive(Clone, Debug, Subcommand)]
pub enum SimCommand {
    /// Run a campaign: draw cases, crash them in many ways, check every recovery
    Run(RunArgs),
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
    /// Only the seeds of one shard, as `0/4`
    #[arg(long, value_parser = parse_shard, value_name = "I/N")]
    pub shard: Option<(u64, u64)>,
    /// Only this file system's rules
    #[arg(long, value_parser = parse_profile, value_name = "PROFILE")]
    pub profile: Option<Profile>,
    /// How deep crashes nest
    #[arg(long)]
    pub depth: Option<u32>,
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
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MessageFormat {
    /// Text
    Human,
    /// One JSON object per scenario
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

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("expected a range as 0..500")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is no number"))
    };
    let (start, end) = (number(start)?, number(end)?);
    if start < end {
        Ok(start..end)
    } else {
        Err(format!("{start}..{end} is empty"))
    }
}

fn parse_minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    let fits = minutes.is_finite() && minutes > 0.0 && minutes <= 60.0 * 24.0 * 365.0;
    if fits {
        Ok(minutes)
    } else {
        Err("expected more than 0 and at most a year".to_owned())
    }
}

fn parse_shard(text: &str) -> Result<(u64, u64), String> {
    let (index, count) = text.split_once('/').ok_or("expected a shard as 0/4")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is no number"))
    };
    let (index, count) = (number(index)?, number(count)?);
    if index < count {
        Ok((index, count))
    } else {
        Err(format!(
            "shard {index} of {count}: the first number counts from 0"
        ))
    }
}

fn parse_profile(text: &str) -> Result<Profile, String> {
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
