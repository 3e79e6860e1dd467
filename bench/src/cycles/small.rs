//! A small fixed history of the log on the simulated disk, crashed everywhere.
//!
//! Four commits of one record, synced one by one, and a fifth that is not. At each boundary
//! between two calls, up to [`IMAGES_MAX`] images of what the disk may hold; on each of them the
//! log is opened and read. What was synced must be there, nothing else may be but what was
//! appended, and one more commit must succeed.

use std::sync::Arc;

use blackstart::commitlog::{Durability, Log, LogOptions};
use blackstart_sim::disk::{Budget, CrashModel, DiskConfig, Image, SimFs, Trace, enumerate};
use blackstart_vfs::Env;
use blackstart_vfs::os::{OsClock, OsEntropy, OsTasks};

use crate::Result;
use crate::child::Sample;
use crate::processor::cpu_time;

/// The case in a table.
pub const DESCRIPTION: &str = "5 commits, crashed at every call, up to 8 images each";

const COMMITS: u64 = 5;
const COMMITS_SYNCED: u64 = 4;
const IMAGES_MAX: usize = 8;

/// What one run of the history left behind.
struct History {
    trace: Trace,
    /// The length of the trace when each synced commit was acknowledged.
    acknowledged: Vec<usize>,
}

/// Cycles for some seconds of processor time.
pub fn slice(seconds: f64) -> Result<Sample> {
    let start = cpu_time();
    let mut sample = Sample::default();
    while (cpu_time() - start).as_secs_f64() < seconds {
        let history = record()?;
        crash_everywhere(&history, &mut sample)?;
    }
    sample.seconds = (cpu_time() - start).as_secs_f64();
    Ok(sample)
}

/// The log on a simulated disk; time and tasks are the operating system's, for nothing waits.
fn environment(fs: &SimFs) -> Env {
    Env::new(
        Arc::new(fs.clone()),
        Arc::new(OsClock::new()),
        Arc::new(OsTasks::new()),
        Arc::new(OsEntropy),
    )
}

fn options() -> LogOptions {
    LogOptions::new()
        .create(true)
        .segment_bytes_max(4_096)
        .preallocate_bytes(512)
}

fn record() -> Result<History> {
    let fs = SimFs::new(DiskConfig::default());
    let (log, _report) = Log::open(&environment(&fs), "", options())?;
    let mut acknowledged = Vec::new();
    for token in 0..COMMITS {
        if token < COMMITS_SYNCED {
            log.commit(&[token.to_le_bytes()], Durability::Synced)?;
            acknowledged.push(fs.trace_len());
        } else {
            log.commit(&[token.to_le_bytes()], Durability::Os)?;
        }
    }
    Ok(History {
        trace: fs.take_trace(),
        acknowledged,
    })
}

fn crash_everywhere(history: &History, sample: &mut Sample) -> Result<()> {
    let config = DiskConfig::default();
    let mut model = CrashModel::new(&Image::empty(&config), &config, &[]);
    for cut in 0..=history.trace.len() {
        if history.trace.boundary(cut) != cut {
            continue;
        }
        model.advance(&history.trace, cut);
        let durable = history.acknowledged.iter().filter(|&&at| at <= cut).count() as u64;
        for survivors in enumerate(&model, &Budget::up_to(IMAGES_MAX)) {
            let fs = SimFs::of_image(&model.image(&survivors), &config);
            recover(&fs, durable)
                .map_err(|error| format!("cut {cut}, survivors {survivors:?}: {error}"))?;
            sample.operations += 1;
        }
    }
    Ok(())
}

/// Opens the log, checks what it shows, and appends.
fn recover(fs: &SimFs, durable: u64) -> Result<()> {
    let (log, report) = Log::open(&environment(fs), "", options())?;
    let mut reader = log.reader(report.oldest)?;
    let mut shown = 0_u64;
    while let Some(commit) = reader.next_commit()? {
        for (offset, record) in commit.transactions() {
            if offset.get() != shown || record != shown.to_le_bytes() {
                return Err(format!("at {offset} there is {record:?} instead of {shown}").into());
            }
            shown += 1;
        }
    }
    if !(durable..=COMMITS).contains(&shown) {
        return Err(format!("{shown} commits where {durable} were acknowledged").into());
    }
    log.commit(&[shown.to_le_bytes()], Durability::Synced)?;
    Ok(())
}
