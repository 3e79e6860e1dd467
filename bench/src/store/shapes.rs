//! Slices in the two shapes that hurt log-structured merge trees: a queue, and range deletes.

use std::time::Instant;

use super::rows::{Row, Shape, Tally, Values};
use super::slice::{BATCH_ROWS, Job, open};
use crate::Result;
use crate::child::Sample;

/// Rows that wait in the queue.
const QUEUE_ROWS: u64 = 1_000;
/// Parts whose time is taken.
const PARTS: u64 = 1_000;

/// Appends at the end, seeks the first, deletes it.
pub fn queue(job: &Job, operations: u64, seconds_max: f64) -> Result<Sample> {
    let store = open(job)?;
    let values = Values::new();
    let row = |number| Row {
        key: job.shape.key(number),
        value: values.value(number),
    };
    for number in 0..QUEUE_ROWS {
        store.put(&row(number))?;
    }
    let part = operations.div_ceil(PARTS);
    let mut parts = Vec::new();
    let start = Instant::now();
    let (mut part_start, mut front) = (start, 0);
    while front < operations && start.elapsed().as_secs_f64() < seconds_max {
        store.put(&row(front + QUEUE_ROWS))?;
        let mut tally = Tally::default();
        store.first(&mut tally)?;
        if (tally.rows, tally.sum) != (1, front) {
            return Err(format!("{tally:?} where row {front} is the first").into());
        }
        store.delete(&job.shape.key(front))?;
        front += 1;
        if front % part == 0 {
            parts.push(part_start.elapsed().as_secs_f64());
            part_start = Instant::now();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    std::mem::forget(store);
    Ok(Sample {
        operations: front,
        seconds,
        figures: [last_to_first(&parts), 0.0, 0.0, 0.0],
        ..Sample::default()
    })
}

/// The time of the last tenth in that of the first.
fn last_to_first(parts: &[f64]) -> f64 {
    let tenth = (parts.len() / 10).max(1);
    let first: f64 = parts.iter().take(tenth).sum();
    let last: f64 = parts.iter().rev().take(tenth).sum();
    last / first
}

/// Fills, deletes the rows behind the first ones by ranges of one row each, and flushes: no merge
/// is asked for, so the tombstones live.
pub fn delete_ranges(job: &Job, rows: u64, ranges: u64) -> Result<Sample> {
    let store = open(job)?;
    let values = Values::new();
    let numbers: Vec<u64> = (0..rows + ranges).collect();
    for numbers in numbers.chunks(BATCH_ROWS) {
        let row = |&number| Row {
            key: job.shape.key(number),
            value: values.value(number),
        };
        let batch: Vec<Row> = numbers.iter().map(row).collect();
        store.write(&batch)?;
    }
    store.flush()?;
    let start = Instant::now();
    for number in rows..rows + ranges {
        let key = job.shape.key(number);
        let end = [key.as_ref(), &[0]].concat();
        store.delete_range(key.as_ref(), &end)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    store.close()?;
    Ok(Sample {
        operations: ranges,
        seconds,
        ..Sample::default()
    })
}

/// The shape of the keys of a queue.
pub const QUEUE_SHAPE: Shape = Shape::Sequential;
