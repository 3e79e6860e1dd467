//! Slices of a store that is larger than its cache: a fill, then writes, reads and scans at the
//! same time.
//!
//! Operations of a sample are rows of the fill. Figures: rows written and reads done a second
//! after the fill, the longest write in seconds, and bytes written to those asked for. A read is a
//! get, or a range, one in ten.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Contender, Way};
use super::reading::RANGE_ROWS;
use super::rows::{Numbers, Row, Tally, VALUE_BYTES, Values};
use super::slice::{BATCH_ROWS, Job, open};
use crate::child::Sample;
use crate::{Result, memory};

/// Rows of a batch after the fill.
const MIXED_BATCH_ROWS: usize = 100;
/// One read in so many is a range.
const RANGE_ONE_IN: u64 = 10;

/// What a thread did.
#[derive(Default)]
struct Done {
    operations: u64,
    longest: Duration,
}

/// Fills, then works for some seconds.
pub fn slice(job: &Job, rows: u64, seconds: f64) -> Result<Sample> {
    let before = memory::reset_peak()?;
    let written_before = memory::written()?;
    let store = open(job)?;
    let start = Instant::now();
    let mut longest = fill(job, &*store, rows)?;
    let fill_seconds = start.elapsed().as_secs_f64();
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let (writes, reads) = thread::scope(|scope| -> Result<(Done, Done)> {
        let writer = scope.spawn(|| write(job, &*store, rows, &stop));
        let reader = scope.spawn(|| read(job, &*store, rows, &stop));
        thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Ordering::Relaxed);
        let writes = writer.join().map_err(|_| "the writer panicked")??;
        let reads = reader.join().map_err(|_| "the reader panicked")??;
        Ok((writes, reads))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    longest = longest.max(writes.longest);
    let written = (memory::written()? - written_before) as f64;
    let row_bytes = (job.shape.key_bytes() + VALUE_BYTES) as f64;
    let asked = row_bytes * (rows + writes.operations) as f64;
    std::mem::forget(store);
    Ok(Sample {
        operations: rows,
        seconds: fill_seconds,
        memory_bytes,
        figures: [
            writes.operations as f64 / seconds,
            reads.operations as f64 / seconds,
            longest.as_secs_f64(),
            written / asked,
        ],
        ..Sample::default()
    })
}

/// Returns how long the longest batch took.
fn fill(job: &Job, store: &dyn Contender, rows: u64) -> Result<Duration> {
    let values = Values::new();
    let mut longest = Duration::ZERO;
    let mut next = 0;
    while next < rows {
        let row = |number| Row {
            key: job.shape.key(number),
            value: values.value(number),
        };
        let batch: Vec<Row> = (next..rows).take(BATCH_ROWS).map(row).collect();
        let start = Instant::now();
        store.write(&batch)?;
        longest = longest.max(start.elapsed());
        next += batch.len() as u64;
    }
    Ok(longest)
}

fn write(job: &Job, store: &dyn Contender, rows: u64, stop: &AtomicBool) -> Result<Done> {
    let values = Values::new();
    let mut numbers = Numbers::new(11);
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        let row = |number| Row {
            key: job.shape.key(number),
            value: values.value(number),
        };
        let batch: Vec<Row> = (0..MIXED_BATCH_ROWS)
            .map(|_| row(numbers.below(rows)))
            .collect();
        let start = Instant::now();
        store.write(&batch)?;
        done.longest = done.longest.max(start.elapsed());
        done.operations += batch.len() as u64;
    }
    Ok(done)
}

fn read(job: &Job, store: &dyn Contender, rows: u64, stop: &AtomicBool) -> Result<Done> {
    let mut reader = store.reader()?;
    let mut numbers = Numbers::new(12);
    let mut done = Done::default();
    while !stop.load(Ordering::Relaxed) {
        let number = numbers.below(rows);
        let key = job.shape.key(number);
        if done.operations % RANGE_ONE_IN == 0 {
            let mut tally = Tally::default();
            reader.scan(key.as_ref(), Way::Forward, RANGE_ROWS, &mut tally)?;
        } else if reader.get(&key)? != Some(number) {
            return Err(format!("row {number} is gone").into());
        }
        done.operations += 1;
    }
    Ok(done)
}
