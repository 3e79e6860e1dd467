//! The store on a real disk, beside other embedded stores.

mod baseline;
mod blackstart;
mod contender;
#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "lmdb")]
mod lmdb;
mod mixed;
mod overwriting;
mod reading;
mod reads;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod rows;
mod shapes;
mod slice;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "surrealkv")]
mod surrealkv;
mod tables;
mod writing;

use clap::Args;

pub use contender::Engine;
pub use slice::{Job, slice};

use crate::place::Place;
use crate::table::Report;
use crate::{CommonArgs, Result};

/// Options of `store`.
#[derive(Args)]
pub struct StoreArgs {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Only these stores, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<Engine>,
    /// Only these workloads, separated by commas
    #[arg(long, value_delimiter = ',')]
    work: Vec<tables::Workload>,
    /// Of the reads only these: hits, misses, scan, "reverse scan", "100-row ranges", …
    #[arg(long, value_delimiter = ',')]
    reads: Vec<String>,
    /// Rows of a store
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// Range deletes of the workload of that name
    #[arg(long, default_value_t = 100_000)]
    ranges: u64,
    /// Rows of the store that is larger than the cache
    #[arg(long, default_value_t = 20_000_000)]
    large_rows: u64,
    /// Seconds of mixed work after its fill
    #[arg(long, default_value_t = 600.0)]
    mixed_seconds: f64,
    /// A fill ends after so many seconds, finished or not
    #[arg(long, default_value_t = 10.0)]
    fill_seconds: f64,
}

impl StoreArgs {
    fn engines(&self, takes_part: impl Fn(Engine) -> bool) -> Vec<Engine> {
        let chosen = |engine: &Engine| {
            (self.only.is_empty() || self.only.contains(engine)) && takes_part(*engine)
        };
        Engine::all().into_iter().filter(chosen).collect()
    }
}

/// Measures all chosen workloads.
pub fn run(args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
    for workload in tables::Workload::ALL {
        let chosen = match args.work[..] {
            [] => workload.is_default(),
            _ => args.work.contains(&workload),
        };
        if chosen {
            workload.measure(args, place, report)?;
        }
    }
    Ok(())
}
