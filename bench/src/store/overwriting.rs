//! Slices that write few keys many times: what that takes on the disk.
//!
//! Figures of a sample: bytes on the disk after a close, and after a compaction and another close,
//! both to the bytes of live keys and values; bytes that were written until all was flushed, to
//! those of keys and values that were asked for.

use std::time::Instant;

use super::reading;
use super::rows::{Numbers, Row, VALUE_BYTES, Values};
use super::slice::{BATCH_ROWS, Job, open};
use crate::child::Sample;
use crate::{Result, memory, place};

/// Writes, flushes, closes, compacts.
pub fn slice(job: &Job, rows: u64, keys: u64) -> Result<Sample> {
    let store = open(job)?;
    let values = Values::new();
    let mut numbers = Numbers::new(3);
    // Each key once first, so that it is known what is live.
    let mut written = 0;
    let mut next = || {
        let number = if written < keys {
            written
        } else {
            numbers.below(keys)
        };
        written += 1;
        Row {
            key: job.shape.key(number),
            value: values.value(number),
        }
    };
    let before = memory::reset_peak()?;
    let written_before = memory::written()?;
    let start = Instant::now();
    for _ in 0..rows / BATCH_ROWS as u64 {
        let batch: Vec<Row> = (0..BATCH_ROWS).map(|_| next()).collect();
        store.write(&batch)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    store.flush()?;
    let written_bytes = memory::written()? - written_before;
    store.close()?;
    let left_bytes = place::disk_bytes(&job.dir)?;
    let store = open(job)?;
    store.compact()?;
    reading::check_some(&*store, job.shape, keys, 1_000)?;
    store.close()?;
    let compacted_bytes = place::disk_bytes(&job.dir)?;
    let row_bytes = (job.shape.key_bytes() + VALUE_BYTES) as f64;
    let live_bytes = row_bytes * keys as f64;
    Ok(Sample {
        operations: rows,
        seconds,
        memory_bytes,
        figures: [
            left_bytes as f64 / live_bytes,
            compacted_bytes as f64 / live_bytes,
            written_bytes as f64 / (row_bytes * rows as f64),
            0.0,
        ],
        ..Sample::default()
    })
}
