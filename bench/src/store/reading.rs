//! Slices that read a closed store.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::contender::{Contender, Reader, Way};
use super::rows::{Numbers, Shape, Tally};
use super::slice::{Job, open};
use crate::child::Sample;
use crate::{Result, memory};

/// Rows of a range.
pub const RANGE_ROWS: u64 = 100;
/// The clock is looked at once in so many reads.
const READS_AT_A_TIME: u64 = 100;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reading {
    /// Random keys that are there. An operation is a get.
    Hits,
    /// Random keys that are not there.
    Misses,
    /// All rows. An operation is a row.
    Scan(Way),
    /// Ranges of [`RANGE_ROWS`] rows from random keys on. An operation is a row.
    Ranges(Way),
}

impl Reading {
    /// Which way it goes.
    pub const fn way(self) -> Way {
        match self {
            Self::Hits | Self::Misses => Way::Forward,
            Self::Scan(way) | Self::Ranges(way) => way,
        }
    }
}

/// Reads some of the rows, and fails if one is not there.
pub fn check_some(store: &dyn Contender, shape: Shape, rows: u64, reads: u64) -> Result<()> {
    let reads_of = Reads {
        shape,
        rows,
        expected: Tally::default(),
        reading: Reading::Hits,
    };
    let mut reader = store.reader()?;
    reads_of.some(&mut *reader, &mut Numbers::new(rows), reads)?;
    Ok(())
}

/// Reads for some seconds, after a warm-up.
pub fn slice(
    job: &Job,
    rows: u64,
    reading: Reading,
    threads: usize,
    seconds: f64,
) -> Result<Sample> {
    let before = memory::reset_peak()?;
    let store = open(job)?;
    let expected = Tally::of(job.shape, rows);
    let warm = Reads {
        shape: job.shape,
        rows,
        expected,
        reading: Reading::Hits,
    };
    warm.some(&mut *store.reader()?, &mut Numbers::new(1), rows / 4)?;
    let reads = Reads { reading, ..warm };
    let (stop, barrier) = (AtomicBool::new(false), Barrier::new(threads + 1));
    let (operations, elapsed) = thread::scope(|scope| -> Result<(u64, Duration)> {
        let spawn = |thread| {
            let (store, reads, stop, barrier) = (&*store, &reads, &stop, &barrier);
            scope.spawn(move || {
                let reader = store.reader();
                barrier.wait();
                reads.until(&mut *reader?, thread as u64, stop)
            })
        };
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        barrier.wait();
        let start = Instant::now();
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let mut operations = 0;
        for thread in threads {
            operations += thread.join().map_err(|_| "a reader panicked")??;
        }
        Ok((operations, start.elapsed()))
    })?;
    let memory_bytes = memory::peak()?.saturating_sub(before);
    Ok(Sample {
        operations,
        seconds: elapsed.as_secs_f64(),
        memory_bytes,
        ..Sample::default()
    })
}

/// How rows are read, and what must come back.
#[derive(Clone, Copy)]
struct Reads {
    shape: Shape,
    rows: u64,
    expected: Tally,
    reading: Reading,
}

impl Reads {
    fn until(&self, reader: &mut dyn Reader, thread: u64, stop: &AtomicBool) -> Result<u64> {
        let mut numbers = Numbers::new(2 + thread);
        let mut operations = 0;
        while !stop.load(Ordering::Relaxed) {
            operations += self.some(reader, &mut numbers, READS_AT_A_TIME)?;
        }
        Ok(operations)
    }

    /// Some reads; returns how many operations they were.
    fn some(&self, reader: &mut dyn Reader, numbers: &mut Numbers, reads: u64) -> Result<u64> {
        match self.reading {
            Reading::Hits => self.gets(reader, numbers, reads, true),
            Reading::Misses => self.gets(reader, numbers, reads, false),
            Reading::Scan(way) => {
                let mut tally = Tally::default();
                reader.scan(end(way), way, u64::MAX, &mut tally)?;
                check(self.expected, tally)?;
                Ok(tally.rows)
            }
            Reading::Ranges(way) => {
                let mut tally = Tally::default();
                for _ in 0..reads.div_ceil(RANGE_ROWS) {
                    let key = self.shape.key(numbers.below(self.rows));
                    reader.scan(key.as_ref(), way, RANGE_ROWS, &mut tally)?;
                }
                Ok(tally.rows)
            }
        }
    }

    fn gets(
        &self,
        reader: &mut dyn Reader,
        numbers: &mut Numbers,
        reads: u64,
        hits: bool,
    ) -> Result<u64> {
        for _ in 0..reads {
            let number = numbers.below(self.rows) + if hits { 0 } else { self.rows };
            let expected = hits.then_some(number);
            let found = reader.get(&self.shape.key(number))?;
            if found != expected {
                return Err(format!("row {number}: got {found:?}").into());
            }
        }
        Ok(reads)
    }
}

/// Where a scan of all rows begins.
fn end(way: Way) -> &'static [u8] {
    match way {
        Way::Forward => &[],
        Way::Backward => &[0xff; 24],
    }
}

fn check(expected: Tally, tally: Tally) -> Result<()> {
    if tally != expected {
        return Err(format!("a scan saw {tally:?} where {expected:?} was written").into());
    }
    Ok(())
}
