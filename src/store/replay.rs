//! What the tables lack comes from the log, in bounded memory.
//!
//! The log's opening hands over each commit in the pass that checks it. Once as many memtables are
//! full as are allowed, the rest waits until the log is open; then it is read again from there,
//! with a flush for each memtable more.
//!
//! Invariants:
//! - \[I1\] Nothing at or behind `end` is taken in.
//! - \[I2\] No table is written before the log is open: until then what was read may be refused,
//!   and may be in the page cache only.

use std::ops::Range;
use std::sync::Arc;

use super::batch::{Record, SealedBatch, Writes};
use super::error::StoreError;
use super::flush::Keeper;
use super::memtable::Gathered;
use super::options::{StoreOptions, WhenFull};
use super::tree::{Frozen, Layers, Run};
use crate::commitlog::{Commit, TxOffset};

/// What is replayed from the log.
pub(super) struct Replay {
    /// What is taken in: from where the tables end, to the point in time.
    pub range: Range<TxOffset>,
    memtable_bytes_max: u64,
    memtables_max: usize,
    when_full: WhenFull,
    /// What no memtable has yet. It is sorted once, when it becomes one.
    gathered: Gathered,
    /// Newest first.
    frozen: Vec<Frozen>,
    /// The first transaction that found no room.
    waiting: Option<TxOffset>,
    pub batches: u64,
    pub rows: u64,
    /// Bytes of all memtables.
    pub bytes: u64,
}

impl Replay {
    pub fn new(options: &StoreOptions, range: Range<TxOffset>) -> Self {
        Self {
            range,
            memtable_bytes_max: options.memtable_bytes_max,
            memtables_max: options.memtables_max,
            when_full: options.when_full,
            gathered: Gathered::default(),
            frozen: Vec::new(),
            waiting: None,
            batches: 0,
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes in a commit.
    pub fn commit(&mut self, commit: &Commit<'_>) -> Result<(), StoreError> {
        for (offset, record) in commit.transactions() {
            if self.range.contains(&offset) && self.waiting.is_none() {
                self.record(offset, record)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, offset: TxOffset, record: &[u8]) -> Result<(), StoreError> {
        let writes = decode(offset, record)?;
        if self.frozen.len() > self.memtables_max {
            if self.when_full == WhenFull::Refuse {
                return Err(StoreError::ReplayTooLarge {
                    memtables_max: self.memtables_max,
                    bytes: self.bytes,
                });
            }
            self.waiting = Some(offset);
            return Ok(());
        }
        let rows = self.gathered.push(writes, offset.get());
        // What the store began with is no batch.
        if offset > TxOffset::ZERO {
            self.batches += 1;
            self.rows += rows;
        }
        if self.gathered.bytes() >= self.memtable_bytes_max {
            let memtable = Arc::new(self.gathered.take());
            memtable.freeze();
            self.bytes += memtable.bytes();
            let end = offset.get() + 1;
            self.frozen.insert(0, Frozen { memtable, end });
        }
        Ok(())
    }

    /// Takes in what a store begins with that this opening has made.
    pub fn begin_with(&mut self, genesis: &SealedBatch) {
        self.gathered.push(genesis.writes(), 0);
    }

    /// What was taken in, over tables.
    pub fn layers(&mut self, runs: Vec<Run>) -> Layers {
        Layers {
            active: Arc::new(self.gathered.take()),
            frozen: self.frozen.clone(),
            runs,
        }
    }

    /// [I2] Takes in what found no room, and flushes as often as that needs; returns how many
    /// tables that wrote.
    pub fn go_on(&mut self, keeper: &mut Keeper) -> Result<usize, StoreError> {
        let Some(from) = self.waiting.take() else {
            return Ok(0);
        };
        let mut tables = 0;
        let mut reader = keeper.log.reader(from)?;
        while let Some(commit) = reader.next_commit()? {
            for (offset, record) in commit.transactions() {
                if !self.range.contains(&offset) {
                    continue;
                }
                let writes = decode(offset, record)?;
                while keeper.tree.pin().frozen.len() > self.memtables_max {
                    tables += usize::from(keeper.flush()?.is_some());
                }
                self.batches += 1;
                let (rows, _) = keeper.tree.apply(writes, offset.get());
                self.rows += rows;
            }
        }
        Ok(tables)
    }
}

/// What a record of the log writes.
fn decode(offset: TxOffset, record: &[u8]) -> Result<Writes<'_>, StoreError> {
    let decoded = Record::decode(record).map_err(|defect| {
        let record = format!("record {offset} of the log");
        StoreError::corrupt(defect.in_file(record))
    })?;
    match decoded {
        Record::Genesis(writes) if offset == TxOffset::ZERO => Ok(writes),
        Record::Batch(writes) if offset > TxOffset::ZERO => Ok(writes),
        _ => {
            let what = "the log does not begin as that of a store";
            Err(StoreError::Foreign { what })
        }
    }
}

#[cfg(test)]
mod tests;
