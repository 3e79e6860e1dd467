//! Slices of writers that write at the same time.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contender::Contender;
use super::rows::{Row, Shape, Values};
use super::slice::{Job, open};
use crate::Result;
use crate::child::Sample;

/// Writes by each writer before the clock starts: files are created, sizes set.
const WARM_UP_WRITES: u64 = 100;

/// Writes for some seconds.
pub fn slice(job: &Job, writers: usize, batch_rows: usize, seconds: f64) -> Result<Sample> {
    let store = open(job)?;
    let (stop, barrier) = (AtomicBool::new(false), Barrier::new(writers + 1));
    let (operations, elapsed) = thread::scope(|scope| -> Result<(u64, Duration)> {
        let spawn = |writer| {
            let (store, stop, barrier) = (&*store, &stop, &barrier);
            let writer = Writer {
                shape: job.shape,
                writer,
                writers,
                batch_rows,
            };
            scope.spawn(move || writer.until(store, stop, barrier))
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
    store.close()?;
    Ok(Sample {
        operations,
        seconds: elapsed.as_secs_f64(),
        ..Sample::default()
    })
}

struct Writer {
    shape: Shape,
    writer: usize,
    writers: usize,
    batch_rows: usize,
}

impl Writer {
    /// Writes until told to stop. The barrier is reached whatever happens, or the others would
    /// wait for ever.
    fn until(&self, store: &dyn Contender, stop: &AtomicBool, barrier: &Barrier) -> Result<u64> {
        let values = Values::new();
        let mut next = self.writer as u64;
        let mut batch = Vec::new();
        let mut write = || {
            batch.clear();
            for _ in 0..self.batch_rows {
                batch.push(Row {
                    key: self.shape.key(next),
                    value: values.value(next),
                });
                next += self.writers as u64;
            }
            match (&batch[..], self.batch_rows) {
                ([row], 1) => store.put(row),
                (rows, _) => store.write(rows),
            }
        };
        let warm = (0..WARM_UP_WRITES.div_ceil(self.batch_rows as u64)).try_for_each(|_| write());
        barrier.wait();
        warm?;
        let mut operations = 0;
        while !stop.load(Ordering::Relaxed) {
            write()?;
            operations += self.batch_rows as u64;
        }
        Ok(operations)
    }
}
