//! spacetimedb-commitlog: a segmented log; commits of up to 65,535 records.
//!
//! It has no group commit of its own: each durable append flushes and syncs.

use std::cell::Cell;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use spacetimedb_commitlog::payload::{ArrayDecodeError, Decoder};
use spacetimedb_commitlog::{Commitlog, Options, fold_transactions};
use spacetimedb_paths::FromPathUnchecked;
use spacetimedb_paths::server::CommitLogDir;
use spacetimedb_sats::buffer::BufReader;

use super::contender::Contender;
use super::record::{RECORD_BYTES, Record, Tally};
use crate::Result;

/// The open log.
pub struct Spacetimedb {
    log: Commitlog<Record>,
    /// The next transaction's offset: the caller must give them without a gap.
    next: Mutex<u64>,
}

impl Spacetimedb {
    /// Opens the log with the crate's default options.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = CommitLogDir::from_path_unchecked(dir);
        let log = Commitlog::open(dir, Options::default(), None)?;
        let next = log.max_committed_offset().map_or(0, |offset| offset + 1);
        Ok(Self {
            log,
            next: Mutex::new(next),
        })
    }
}

impl Contender for Spacetimedb {
    fn append_synced(&self, _writer: usize, record: &Record) -> Result<()> {
        self.append_batch(std::slice::from_ref(record))?;
        self.log.flush_and_sync()?;
        Ok(())
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.log.commit((*next..).zip(records.iter().copied()))?;
        *next += records.len() as u64;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.log.flush()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.log.flush_and_sync()?;
        Ok(())
    }
}

/// Folds over all records without copying them out.
pub fn replay(dir: &Path) -> Result<Tally> {
    let counting = Counting(Cell::default());
    fold_transactions(CommitLogDir::from_path_unchecked(dir), &counting)?;
    Ok(counting.0.get())
}

struct Counting(Cell<Tally>);

impl Decoder for &Counting {
    type Record = Record;
    type Error = ArrayDecodeError;

    fn decode_record<'a, R: BufReader<'a>>(
        &self,
        _version: u8,
        _tx_offset: u64,
        reader: &mut R,
    ) -> std::result::Result<Record, ArrayDecodeError> {
        Ok(*reader.get_array()?)
    }

    fn consume_record<'a, R: BufReader<'a>>(
        &self,
        _version: u8,
        _tx_offset: u64,
        reader: &mut R,
    ) -> std::result::Result<(), ArrayDecodeError> {
        let record = reader.get_slice(RECORD_BYTES)?;
        let mut tally = self.0.get();
        tally.see(record);
        self.0.set(tally);
        Ok(())
    }

    fn skip_record<'a, R: BufReader<'a>>(
        &self,
        _version: u8,
        _tx_offset: u64,
        reader: &mut R,
    ) -> std::result::Result<(), ArrayDecodeError> {
        reader.get_slice(RECORD_BYTES)?;
        Ok(())
    }
}
