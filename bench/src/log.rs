//! The commit log on a real disk, beside two hand-written baselines and four other logs.

mod blackstart;
mod contender;
mod mrecordlog;
mod okaywal;
mod openings;
mod raft_engine;
mod raw;
mod record;
mod slice;
mod spacetimedb;
mod tables;

use clap::Args;

pub use contender::Engine;
pub use raw::{Growth, Raw};
pub use slice::{Job, slice};

use crate::place::Place;
use crate::table::Report;
use crate::{CommonArgs, Result};

/// Options of `log`.
#[derive(Args)]
pub struct LogArgs {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Only these engines, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<Engine>,
    /// Only these workloads, separated by commas
    #[arg(long, value_delimiter = ',')]
    work: Vec<tables::Workload>,
    /// How many openings the workload `openings` measures
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    openings: u64,
}

impl LogArgs {
    fn engines(&self, takes_part: impl Fn(Engine) -> bool) -> Vec<Engine> {
        let chosen = |engine: &Engine| selected(&self.only, engine) && takes_part(*engine);
        Engine::ALL.into_iter().filter(chosen).collect()
    }
}

fn selected<T: PartialEq>(wanted: &[T], candidate: &T) -> bool {
    wanted.is_empty() || wanted.contains(candidate)
}

/// Measures all chosen workloads.
pub fn run(args: &LogArgs, place: &Place, report: &mut Report) -> Result<()> {
    for workload in tables::Workload::ALL {
        if selected(&args.work, &workload) {
            workload.measure(args, place, report)?;
        }
    }
    Ok(())
}
