//! mrecordlog: several queues in one log, all records kept in memory. It never syncs.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mrecordlog::{MultiRecordLog, SyncPolicy};
use tokio::runtime::{Builder, Runtime};

use super::contender::Contender;
use super::record::{Record, Tally};
use crate::Result;

const QUEUE: &str = "records";
/// Never by itself: the cheapest level.
const FLUSH_INTERVAL: Duration = Duration::from_secs(3_600);

/// The open log.
pub struct Mrecordlog {
    runtime: Runtime,
    log: Mutex<MultiRecordLog>,
}

fn open(runtime: &Runtime, dir: &Path) -> Result<MultiRecordLog> {
    let policy = SyncPolicy::OnDelay(FLUSH_INTERVAL);
    Ok(runtime.block_on(MultiRecordLog::open_with_prefs(dir, policy))?)
}

impl Mrecordlog {
    /// Opens the log, reading all of it into memory.
    pub fn open(dir: &Path) -> Result<Self> {
        let runtime = Builder::new_current_thread().build()?;
        let mut log = open(&runtime, dir)?;
        if !log.queue_exists(QUEUE) {
            runtime.block_on(log.create_queue(QUEUE))?;
        }
        Ok(Self {
            runtime,
            log: Mutex::new(log),
        })
    }
}

impl Contender for Mrecordlog {
    fn append_synced(&self, _writer: usize, _record: &Record) -> Result<()> {
        Err("mrecordlog has no durable append".into())
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let records = records.iter().map(|record| &record[..]);
        self.runtime
            .block_on(log.append_records(QUEUE, None, records))?;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.runtime.block_on(log.sync())?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

/// Opens the log, which reads and checks all of it, and goes through the records in memory.
pub fn replay(dir: &Path) -> Result<Tally> {
    let runtime = Builder::new_current_thread().build()?;
    let log = open(&runtime, dir)?;
    let mut tally = Tally::default();
    let records = log
        .range(QUEUE, ..)
        .map_err(|missing| format!("no queue {}", missing.0))?;
    for (_position, record) in records {
        tally.see(&record);
    }
    Ok(tally)
}
