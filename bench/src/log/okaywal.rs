//! okaywal: every commit is synced; the log is read while it is opened.
//!
//! Its segments are preallocated by writing zeros; 64 MiB here, so that within a slice it always
//! writes ahead of its size, which is its best case. It never checkpoints: a log keeps its
//! records.

use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use okaywal::{
    Configuration, Entry, EntryId, LogManager, ReadChunkResult, SegmentReader, WriteAheadLog,
};

use super::contender::Contender;
use super::record::{RECORD_BYTES, Record, Tally};
use crate::Result;

const PREALLOCATE_BYTES: u32 = 64 << 20;

/// The open log.
pub struct Okaywal {
    log: WriteAheadLog,
}

fn open(dir: &Path, manager: Reader) -> io::Result<WriteAheadLog> {
    Configuration::default_for(dir)
        .preallocate_bytes(PREALLOCATE_BYTES)
        .checkpoint_after_bytes(u64::MAX)
        .buffer_bytes(1 << 16)
        .open(manager)
}

impl Okaywal {
    /// Opens the log, reading all of it.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            log: open(
                dir,
                Reader {
                    tally: Tally::default(),
                    result: None,
                },
            )?,
        })
    }
}

impl Contender for Okaywal {
    fn append_synced(&self, _writer: usize, record: &Record) -> Result<()> {
        self.append_batch(std::slice::from_ref(record))
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        let mut entry = self.log.begin_entry()?;
        for record in records {
            entry.write_chunk(record)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.log.shutdown()?)
    }
}

/// Opens the log, which shows every record on the way.
pub fn replay(dir: &Path) -> Result<Tally> {
    let (sender, receiver) = channel();
    let log = open(
        dir,
        Reader {
            tally: Tally::default(),
            result: Some(sender),
        },
    )?;
    log.shutdown()?;
    receiver
        .iter()
        .last()
        .ok_or_else(|| "okaywal showed no entry".into())
}

#[derive(Debug)]
struct Reader {
    tally: Tally,
    result: Option<Sender<Tally>>,
}

impl LogManager for Reader {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut record = [0; RECORD_BYTES];
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            chunk.read_exact(&mut record)?;
            if !chunk.check_crc()? {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.tally.see(&record);
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _last_checkpointed_id: EntryId,
        _checkpointed_entries: &mut SegmentReader,
        _wal: &WriteAheadLog,
    ) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(result) = &self.result {
            // Nobody listens once the replay has failed.
            let _ = result.send(self.tally);
        }
    }
}
