//! One slice of one store, in a process of its own.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::contender::{Contender, Engine, Setup};
use super::reading::{self, Reading};
use super::rows::{Row, Shape, Values};
use super::{mixed, overwriting, shapes, writing};
use crate::child::Sample;
use crate::{Result, memory};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 1_000;

/// What to do with which store.
#[derive(Clone, Serialize, Deserialize)]
pub struct Job {
    /// The store.
    pub engine: Engine,
    /// Its directory; created if it is missing.
    pub dir: PathBuf,
    /// How it is opened.
    pub setup: Setup,
    /// What its keys look like.
    pub shape: Shape,
    /// What to do.
    pub work: Work,
}

/// What to do with a store.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Work {
    /// Write rows 0 to `rows`, until the last write has returned. Sequential keys go in order.
    Fill {
        /// So many.
        rows: u64,
        /// In batches of so many; 1: by single puts.
        batch_rows: usize,
        /// Stop after so many seconds.
        seconds: f64,
    },
    /// Make a store of rows in ascending order and close it. Measures nothing of interest.
    Load {
        /// So many.
        rows: u64,
        /// Merge all files into one run.
        compact: bool,
    },
    /// Read rows of a closed store for some seconds, after a warm-up.
    Read {
        /// So many are there.
        rows: u64,
        /// What is read.
        reading: Reading,
        /// Threads that read.
        threads: usize,
        /// How long.
        seconds: f64,
    },
    /// Single puts or batches by some writers for some seconds, at the level of the setup.
    Write {
        /// Writers at the same time.
        writers: usize,
        /// Rows of each batch; 1: by single puts.
        batch_rows: usize,
        /// How long.
        seconds: f64,
    },
    /// Write rows again and again, then close; figures: see [`overwriting`].
    Overwrite {
        /// So many writes.
        rows: u64,
        /// To so many keys.
        keys: u64,
    },
    /// Open what a process that was killed has left, and read a few rows.
    Reopen {
        /// So many are there.
        rows: u64,
    },
    /// Append at the end, seek the first, delete it. Figure: the time of the last tenth in that
    /// of the first.
    Queue {
        /// How often.
        operations: u64,
        /// Stop after so many seconds.
        seconds: f64,
    },
    /// Delete so many rows behind the first ones, each by a range delete, and close.
    DeleteRanges {
        /// Rows that stay.
        rows: u64,
        /// Rows that go.
        ranges: u64,
    },
    /// Fill, then write, read and scan at the same time. Figures: see [`mixed`].
    Mixed {
        /// So many rows.
        rows: u64,
        /// How long after the fill.
        seconds: f64,
    },
}

/// Does a job in this process.
pub fn slice(job: &Job) -> Result<Sample> {
    fs::create_dir_all(&job.dir)?;
    match job.work {
        Work::Fill {
            rows,
            batch_rows,
            seconds,
        } => fill(job, rows, batch_rows, seconds),
        Work::Load { rows, compact } => load(job, rows, compact),
        Work::Read {
            rows,
            reading,
            threads,
            seconds,
        } => reading::slice(job, rows, reading, threads, seconds),
        Work::Write {
            writers,
            batch_rows,
            seconds,
        } => writing::slice(job, writers, batch_rows, seconds),
        Work::Overwrite { rows, keys } => overwriting::slice(job, rows, keys),
        Work::Reopen { rows } => reopen(job, rows),
        Work::Queue {
            operations,
            seconds,
        } => shapes::queue(job, operations, seconds),
        Work::DeleteRanges { rows, ranges } => shapes::delete_ranges(job, rows, ranges),
        Work::Mixed { rows, seconds } => mixed::slice(job, rows, seconds),
    }
}

/// Opens the store of a job.
pub fn open(job: &Job) -> Result<Box<dyn Contender>> {
    job.engine.open(&job.dir, job.setup)
}

fn fill(job: &Job, rows: u64, batch_rows: usize, seconds: f64) -> Result<Sample> {
    let store = open(job)?;
    let values = Values::new();
    let before = memory::reset_peak()?;
    let mut batch = Vec::with_capacity(batch_rows);
    let start = Instant::now();
    let mut written = 0;
    while written < rows && start.elapsed().as_secs_f64() < seconds {
        batch.clear();
        batch.extend((written..rows).take(batch_rows).map(|number| Row {
            key: job.shape.key(number),
            value: values.value(number),
        }));
        match (&batch[..], batch_rows) {
            ([row], 1) => store.put(row)?,
            (rows, _) => store.write(rows)?,
        }
        written += batch.len() as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    // Not closed: what a clean close does is not what is measured.
    std::mem::forget(store);
    Ok(Sample {
        operations: written,
        seconds,
        memory_bytes,
        ..Sample::default()
    })
}

fn load(job: &Job, rows: u64, compact: bool) -> Result<Sample> {
    let mut numbers: Vec<u64> = (0..rows).collect();
    numbers.sort_unstable_by_key(|&number| job.shape.key(number));
    let values = Values::new();
    let store = open(job)?;
    let start = Instant::now();
    for numbers in numbers.chunks(BATCH_ROWS) {
        let rows: Vec<Row> = numbers
            .iter()
            .map(|&number| Row {
                key: job.shape.key(number),
                value: values.value(number),
            })
            .collect();
        store.append(&rows)?;
    }
    if compact {
        store.compact()?;
    } else {
        store.flush()?;
    }
    store.close()?;
    Ok(Sample {
        operations: rows,
        seconds: start.elapsed().as_secs_f64(),
        ..Sample::default()
    })
}

fn reopen(job: &Job, rows: u64) -> Result<Sample> {
    let before = memory::reset_peak()?;
    let start = Instant::now();
    let store = open(job)?;
    reading::check_some(&*store, job.shape, rows, 1)?;
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    reading::check_some(&*store, job.shape, rows, 1_000)?;
    std::mem::forget(store);
    Ok(Sample {
        operations: rows,
        seconds,
        memory_bytes,
        ..Sample::default()
    })
}
