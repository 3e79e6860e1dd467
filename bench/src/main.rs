//! Measures Blackstart beside hand-written baselines and its peers.
//!
//! Absolute figures move from machine to machine and from hour to hour; ratios within one run do
//! not. So everything that is compared is measured in one run, in short slices, contenders taking
//! turns, and what is printed is the median over the rounds of each figure and of each ratio.
//!
//! Invariants:
//! - \[I1\] A slice runs in a process of its own ([`child`]), so that no contender inherits
//!   another one's memory, threads or page faults.
//! - \[I2\] A ratio is taken within a round, between slices that ran next to each other.
//! - \[I3\] What a contender reads back is compared with what was written; a wrong or missing
//!   record fails the run.
//!
//! Not here: any judgement of correctness under crashes. That is the simulator's.
#![deny(unsafe_code)]

mod child;
#[cfg(feature = "simulator")]
mod cycles;
#[cfg(feature = "simulator")]
mod disk;
mod log;
mod memory;
mod place;
mod processor;
mod rounds;
mod stats;
mod store;
mod table;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::place::Place;
use crate::rounds::Pace;
use crate::table::Report;

/// The error of everything here: a benchmark stops at the first one and says what it was.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// A result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Measures Blackstart beside hand-written baselines and its peers, in one run.
#[derive(Parser)]
#[command(name = "blackstart-bench", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The commit log on a real disk, beside baselines and four other logs.
    Log(log::LogArgs),
    /// The simulated disk, beside turmoil-fs.
    #[cfg(feature = "simulator")]
    Disk(disk::DiskArgs),
    /// Crash-and-recover cycles of the commit log in the simulator.
    #[cfg(feature = "simulator")]
    Cycles(cycles::CyclesArgs),
    /// The store on a real disk, beside other embedded stores.
    Store(store::StoreArgs),
    /// One slice in a process of its own; started by the other commands.
    #[command(hide = true)]
    Child(child::ChildArgs),
}

/// What all commands take.
#[derive(Args, Clone)]
pub struct CommonArgs {
    /// Directory for the files; a subdirectory is made and removed [default: beside the binary]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Seconds of each slice
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Rounds: how often each contender has its turn
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// On a busy machine: repeat slices that other programs disturbed, for so many seconds a table
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CommonArgs {
    /// Rounds and patience.
    fn pace(&self) -> Pace {
        Pace {
            rounds: self.rounds,
            patience: Duration::from_secs(self.patience),
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Log(args) => {
            let place = Place::prepare(args.common.dir.as_deref())?;
            finish(&args.common, place.report(), |report| {
                log::run(&args, &place, report)
            })
        }
        #[cfg(feature = "simulator")]
        Command::Disk(args) => finish(&args.common, Report::new(place::machine()), |report| {
            disk::run(&args, report)
        }),
        #[cfg(feature = "simulator")]
        Command::Cycles(args) => finish(&args.common, Report::new(place::machine()), |report| {
            cycles::run(&args, report)
        }),
        Command::Store(args) => {
            let place = Place::prepare(args.common.dir.as_deref())?;
            finish(&args.common, place.report(), |report| {
                store::run(&args, &place, report)
            })
        }
        Command::Child(args) => child::answer(&args),
    }
}

/// Fills a report and prints it. What was measured before an error is printed too.
fn finish(
    common: &CommonArgs,
    mut report: Report,
    fill: impl FnOnce(&mut Report) -> Result<()>,
) -> Result<()> {
    if common.rounds == 0 || !common.seconds.is_finite() || common.seconds <= 0.0 {
        return Err("--rounds and --seconds must be greater than zero".into());
    }
    let before = place::load();
    let outcome = fill(&mut report);
    report.load(&before, &place::load());
    report.print(common.json)?;
    outcome
}
