//! Rows that no table has yet.
//!
//! Invariants:
//! - \[I1\] Rows are ordered by key, and those of one key by sequence, highest first.
//! - \[I2\] Only the leader of the log's batches inserts, in log order; what it inserts is seen
//!   once the store's visible sequence has passed it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::batch::{Write, Writes};
use super::tombstone::{Span, Tombstones};

/// A row, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// With its keyspace.
    pub key: Vec<u8>,
    pub sequence: u64,
    /// None: the key was deleted.
    pub value: Option<Vec<u8>>,
}

type Place = (Vec<u8>, Reverse<u64>);

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    rows: RwLock<BTreeMap<Place, Option<Vec<u8>>>>,
    tombstones: RwLock<Tombstones>,
    has_tombstones: AtomicBool,
    /// Bytes of keys and values, and 16 for each row; and those of tombstones.
    bytes: AtomicU64,
}

impl Memtable {
    /// Adds what a batch writes; returns how many rows it has.
    pub fn insert(&self, writes: Writes<'_>, sequence: u64) -> u64 {
        let (mut count, mut bytes) = (0, 0);
        let mut rows = self.rows.write();
        for write in writes {
            match write {
                Write::Row(key, value) => {
                    count += 1;
                    bytes += (key.len() + value.map_or(0, <[u8]>::len) + 16) as u64;
                    let place = (key.to_vec(), Reverse(sequence));
                    let before = rows.insert(place, value.map(<[u8]>::to_vec));
                    assert!(before.is_none(), "[I1] a sequence has one row of a key");
                }
                Write::DeleteRange(from, end) => bytes += self.delete_range(from, end, sequence),
            }
        }
        drop(rows);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        count
    }

    /// Adds a range tombstone; returns how many bytes that took.
    fn delete_range(&self, from: &[u8], end: &[u8], sequence: u64) -> u64 {
        let mut tombstones = self.tombstones.write();
        let before = tombstones.bytes();
        tombstones.insert(from, end, sequence);
        self.has_tombstones.store(true, Ordering::Relaxed);
        tombstones.bytes() - before
    }

    /// Whether ranges were deleted. A reader that may see the batch that did it sees this.
    pub fn has_tombstones(&self) -> bool {
        self.has_tombstones.load(Ordering::Relaxed)
    }

    /// The ranges that were deleted.
    pub fn tombstones(&self) -> Tombstones {
        self.tombstones.read().clone()
    }

    /// The neighbours of a key that the same range tombstone covers.
    pub fn span(&self, key: &[u8], visible: u64) -> Span {
        match self.has_tombstones() {
            true => self.tombstones.read().span(key, visible),
            false => Span::default(),
        }
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.read().is_empty() && !self.has_tombstones()
    }

    /// The newest row of a key among those below `visible`: its value, or that it was deleted.
    pub fn get(&self, key: &[u8], visible: u64) -> Option<Option<Vec<u8>>> {
        let from = (key.to_vec(), Reverse(visible.checked_sub(1)?));
        let rows = self.rows.read();
        let found = rows
            .range(from..)
            .next()
            .filter(|(place, _)| place.0 == key);
        let row = found.map(|(place, value)| (place.1.0, value));
        let deleted_at = match self.has_tombstones() {
            true => self.tombstones.read().newest(key, visible),
            false => None,
        };
        match (row, deleted_at) {
            (Some((sequence, value)), at) if at.is_none_or(|at| at <= sequence) => {
                Some(value.clone())
            }
            (_, at) => at.map(|_| None),
        }
    }

    /// The first row at or behind this place.
    pub fn seek(&self, key: &[u8], sequence: u64) -> Option<Row> {
        self.first_from(Bound::Included((key.to_vec(), Reverse(sequence))))
    }

    /// The row behind this one.
    pub fn after(&self, row: Row) -> Option<Row> {
        self.first_from(Bound::Excluded((row.key, Reverse(row.sequence))))
    }

    fn first_from(&self, from: Bound<Place>) -> Option<Row> {
        let rows = self.rows.read();
        let (place, value) = rows.range((from, Bound::Unbounded)).next()?;
        Some(Row {
            key: place.0.clone(),
            sequence: place.1.0,
            value: value.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
