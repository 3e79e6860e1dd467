//! The commit log of this repository, with the options of `LogOptions::new()`.

use std::path::Path;

use blackstart::commitlog::{Durability, Log, LogOptions, ReadOnlyLog};
use blackstart_vfs::Env;

use super::contender::Contender;
use super::record::{Record, Tally};
use crate::Result;

/// The open log.
pub struct Blackstart {
    log: Log,
}

impl Blackstart {
    /// Opens or creates the log, with segments of another size if one is given.
    pub fn open(dir: &Path, segment_bytes_max: Option<u64>) -> Result<Self> {
        let mut options = LogOptions::new().create(true);
        if let Some(bytes) = segment_bytes_max {
            options = options.segment_bytes_max(bytes);
        }
        let (log, _report) = Log::open(&Env::os(dir), "", options)?;
        Ok(Self { log })
    }
}

impl Contender for Blackstart {
    fn append_synced(&self, _writer: usize, record: &Record) -> Result<()> {
        self.log
            .commit(std::slice::from_ref(record), Durability::Synced)?;
        Ok(())
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        self.log.commit(records, Durability::Buffered)?;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.log.flush()?)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.log.close()?)
    }
}

/// Reads every transaction of the closed log, checksums and chain verified.
pub fn replay(dir: &Path) -> Result<Tally> {
    let (log, report) = ReadOnlyLog::open(&Env::os(dir), "", LogOptions::new())?;
    let mut reader = log.reader(report.oldest)?;
    let mut tally = Tally::default();
    while let Some(commit) = reader.next_commit()? {
        for (_offset, record) in commit.transactions() {
            tally.see(record);
        }
    }
    Ok(tally)
}
