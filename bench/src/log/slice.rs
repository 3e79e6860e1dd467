//! One slice of one log, in a process of its own.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::contender::{Contender, Engine, WRITERS_MAX};
use super::record::{RECORD_BYTES, Records, Tally};
use crate::child::Sample;
use crate::{Result, memory};

/// Durable appends by each writer before the clock starts: files are created, sizes set.
const WARM_UP_APPENDS: usize = 100;
const READ_BYTES: usize = 1 << 20;

/// What to do with which log.
#[derive(Clone, Serialize, Deserialize)]
pub struct Job {
    /// The log.
    pub engine: Engine,
    /// Its directory; created if it is missing.
    pub dir: PathBuf,
    /// What to do.
    pub work: Work,
}

/// What to do with a log.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Work {
    /// Single durable appends by some writers for some seconds.
    Synced {
        /// Writers at the same time.
        writers: usize,
        /// How long.
        seconds: f64,
    },
    /// Unsynced appends in batches, everything handed to the operating system at the end.
    Unsynced {
        /// Stop after so many records.
        records_max: u64,
        /// Stop after so many seconds.
        seconds: f64,
    },
    /// Fill a log and close it cleanly. Measures nothing of interest.
    Fill {
        /// So many records.
        records: u64,
        /// Records per commit.
        commit_records: usize,
    },
    /// Read and check all records of a closed log, again and again for some seconds.
    Replay {
        /// So many must be there.
        records: u64,
        /// How long; once at least.
        seconds: f64,
    },
    /// Open a closed log for writing, and close it again.
    Open,
    /// Open the log, append one record durably, and end, again and again.
    Openings {
        /// How often.
        openings: u64,
        /// Whether each ends with a clean close; else as if the process had been killed.
        closes: bool,
    },
    /// Read all bytes of a closed log in big chunks and take their CRC-32, again and again.
    Checksum {
        /// How long; once at least.
        seconds: f64,
    },
}

/// Records per batch of [`Work::Unsynced`].
pub const BATCH_RECORDS: usize = 1_000;

/// Does a job in this process.
pub fn slice(job: &Job) -> Result<Sample> {
    fs::create_dir_all(&job.dir)?;
    match job.work {
        Work::Synced { writers, seconds } => synced(job, writers, seconds),
        Work::Unsynced {
            records_max,
            seconds,
        } => unsynced(job, records_max, seconds),
        Work::Fill {
            records,
            commit_records,
        } => fill(job, records, commit_records),
        Work::Replay { records, seconds } => replay(job, records, seconds),
        Work::Open => open(job),
        Work::Openings { openings, closes } => open_often(job, openings, closes),
        Work::Checksum { seconds } => checksum(&job.dir, seconds),
    }
}

fn synced(job: &Job, writers: usize, seconds: f64) -> Result<Sample> {
    if writers > WRITERS_MAX {
        return Err(format!("{writers} writers are more than {WRITERS_MAX}").into());
    }
    let log = job.engine.open(&job.dir)?;
    let (stop, barrier) = (AtomicBool::new(false), Barrier::new(writers + 1));
    let (operations, elapsed) = thread::scope(|scope| -> Result<(u64, Duration)> {
        let spawn = |writer| {
            let (log, stop, barrier) = (&*log, &stop, &barrier);
            scope.spawn(move || append_until(log, writer, stop, barrier))
        };
        let threads: Vec<_> = (0..writers).map(spawn).collect();
        barrier.wait();
        let start = Instant::now();
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let mut operations = 0;
        for thread in threads {
            operations += thread.join().map_err(|_| "a writer panicked")??;
        }
        Ok((operations, start.elapsed()))
    })?;
    log.close()?;
    Ok(Sample {
        operations,
        seconds: elapsed.as_secs_f64(),
        ..Sample::default()
    })
}

/// Appends until told to stop. The barrier is reached whatever happens, or the others would wait
/// for ever.
fn append_until(
    log: &dyn Contender,
    writer: usize,
    stop: &AtomicBool,
    barrier: &Barrier,
) -> Result<u64> {
    let mut records = Records::new(1);
    let mut append = || {
        records
            .next_batch()
            .iter()
            .try_for_each(|r| log.append_synced(writer, r))
    };
    let warm = (0..WARM_UP_APPENDS).try_for_each(|_| append());
    barrier.wait();
    warm?;
    let mut operations = 0;
    while !stop.load(Ordering::Relaxed) {
        append()?;
        operations += 1;
    }
    Ok(operations)
}

fn unsynced(job: &Job, records_max: u64, seconds: f64) -> Result<Sample> {
    let log = job.engine.open(&job.dir)?;
    let mut records = Records::new(BATCH_RECORDS);
    let start = Instant::now();
    while records.given() < records_max && start.elapsed().as_secs_f64() < seconds {
        log.append_batch(records.next_batch())?;
    }
    log.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    // Not closed: the clean close's sync is not what is measured, nor wanted on a disk that the
    // next contender is about to use.
    std::mem::forget(log);
    let operations = records.given();
    let bytes = operations * RECORD_BYTES as u64;
    Ok(Sample {
        operations,
        bytes,
        seconds,
        ..Sample::default()
    })
}

fn fill(job: &Job, count: u64, commit_records: usize) -> Result<Sample> {
    let log = job.engine.open(&job.dir)?;
    let mut records = Records::new(commit_records);
    let start = Instant::now();
    while records.given() < count {
        log.append_batch(records.next_batch())?;
    }
    log.close()?;
    let (operations, seconds) = (records.given(), start.elapsed().as_secs_f64());
    let bytes = operations * RECORD_BYTES as u64;
    Ok(Sample {
        operations,
        bytes,
        seconds,
        ..Sample::default()
    })
}

fn replay(job: &Job, records: u64, seconds: f64) -> Result<Sample> {
    let expected = Tally::of(records);
    let before = memory::reset_peak()?;
    let mut operations = 0;
    let start = Instant::now();
    while operations == 0 || start.elapsed().as_secs_f64() < seconds {
        let tally = job.engine.replay(&job.dir)?;
        if tally != expected {
            let engine = job.engine;
            return Err(format!("{engine} read {tally:?} where {expected:?} was written").into());
        }
        operations += records;
    }
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    let bytes = operations * RECORD_BYTES as u64;
    Ok(Sample {
        operations,
        bytes,
        seconds,
        memory_bytes,
        ..Sample::default()
    })
}

fn open(job: &Job) -> Result<Sample> {
    let before = memory::reset_peak()?;
    let start = Instant::now();
    let log = job.engine.open(&job.dir)?;
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    log.close()?;
    Ok(Sample {
        operations: 1,
        bytes: 0,
        seconds,
        memory_bytes,
        ..Sample::default()
    })
}

fn open_often(job: &Job, openings: u64, closes: bool) -> Result<Sample> {
    let mut records = Records::new(1);
    let start = Instant::now();
    for _ in 0..openings {
        let log = job.engine.open(&job.dir)?;
        for record in records.next_batch() {
            log.append_synced(0, record)?;
        }
        if closes {
            log.close()?;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let expected = Tally::of(openings);
    let tally = job.engine.replay(&job.dir)?;
    if tally != expected {
        return Err(format!("read {tally:?} where {expected:?} was written").into());
    }
    Ok(Sample {
        operations: openings,
        seconds,
        ..Sample::default()
    })
}

/// Operations are passes over all files; bytes are those of one pass.
fn checksum(dir: &Path, seconds: f64) -> Result<Sample> {
    let mut files = Vec::new();
    collect_files(dir, &mut files)?;
    let mut buffer = vec![0; READ_BYTES];
    let (mut bytes, mut passes) = (0, 0);
    let start = Instant::now();
    while passes == 0 || start.elapsed().as_secs_f64() < seconds {
        bytes = 0;
        for path in &files {
            bytes += checksum_file(path, &mut buffer)?;
        }
        passes += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Sample {
        operations: passes,
        bytes,
        seconds,
        ..Sample::default()
    })
}

/// Reads a file to its end; returns its length.
fn checksum_file(path: &Path, buffer: &mut [u8]) -> Result<u64> {
    let mut file = File::open(path)?;
    let mut bytes = 0;
    loop {
        let count = file.read(buffer)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
            return Ok(bytes);
        };
        std::hint::black_box(crc32fast::hash(chunk));
        bytes += count as u64;
    }
}

fn collect_files(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(())
}
