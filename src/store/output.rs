//! A table that is being written, and what the manifest will say of it.
//!
//! Invariants:
//! - \[I1\] A table whose write or sync failed is given up: its file is removed, and never synced
//!   again.

use super::error::StoreError;
use super::table::{TableInfo, TableWriter};
use super::tombstone::Tombstones;
use crate::commitlog::directory::Directory;

/// A table that is being written.
pub(crate) struct Output {
    writer: TableWriter,
    info: TableInfo,
    last_key: Vec<u8>,
    bytes: u64,
}

impl Output {
    /// Begins the table with this number.
    pub fn create(tables: &Directory, number: u64, block_bytes: usize) -> Result<Self, StoreError> {
        Ok(Self {
            writer: TableWriter::create(tables, number, block_bytes)?,
            info: TableInfo {
                sequence_min: u64::MAX,
                ..TableInfo::default()
            },
            last_key: Vec::new(),
            bytes: 0,
        })
    }

    /// Bytes of its rows, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The key of the last row.
    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Adds a row behind the last one.
    ///
    /// # Errors
    /// Its file is removed, and the table is of no more use.
    pub fn push(
        &mut self,
        key: &[u8],
        sequence: u64,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let pushed = self.writer.push(key, sequence, value);
        if pushed.is_err() {
            self.writer.abandon();
            return pushed;
        }
        let info = &mut self.info;
        let is_first = info.rows == 0;
        let is_older = !is_first && self.last_key == key;
        info.rows += 1;
        info.stale += u64::from(is_older || value.is_none());
        info.sequence_min = info.sequence_min.min(sequence);
        info.sequence_max = info.sequence_max.max(sequence);
        if is_first {
            info.first_key.extend_from_slice(key);
        }
        if !is_older {
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        }
        self.bytes += (key.len() + value.map_or(0, <[u8]>::len) + 8) as u64;
        Ok(())
    }

    /// Gives the table up.
    pub fn abandon(&self) {
        self.writer.abandon();
    }

    /// Completes the table, with these range tombstones, and gives it its name, durably.
    pub fn finish(mut self, tombstones: Tombstones) -> Result<TableInfo, StoreError> {
        let mut range = self.info;
        let mut end_key = self.last_key;
        // Behind the last key, and before any other.
        end_key.push(0);
        if let (Some((first, end)), Some((low, high))) =
            (tombstones.extent(), tombstones.sequences())
        {
            if range.rows == 0 || first < range.first_key.as_slice() {
                range.first_key = first.to_vec();
            }
            if range.rows == 0 || end > end_key.as_slice() {
                end_key = end.to_vec();
            }
            range.sequence_min = range.sequence_min.min(low);
            range.sequence_max = range.sequence_max.max(high);
            range.stale += tombstones.len() as u64;
        }
        self.writer.tombstones(tombstones);
        Ok(TableInfo {
            stale: range.stale,
            sequence_min: range.sequence_min,
            sequence_max: range.sequence_max,
            first_key: range.first_key,
            end_key,
            ..self.writer.finish()?
        })
    }
}

#[cfg(test)]
mod tests;
