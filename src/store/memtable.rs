//! Rows that no table has yet.
//!
//! Invariants:
//! - \[I1\] Rows are ordered by key, and those of one key by sequence, highest first.
//! - \[I2\] Only the leader of the log's batches inserts, in log order; what it inserts is seen
//!   once the store's visible sequence has passed it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::batch::SealedBatch;

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
    /// Bytes of keys and values, and 16 for each row.
    bytes: AtomicU64,
}

impl Memtable {
    /// Adds the rows of a batch.
    pub fn insert(&self, batch: SealedBatch, sequence: u64) {
        let mut bytes = 0;
        let mut rows = self.rows.write();
        for (key, value) in batch.rows {
            bytes += (key.len() + value.as_ref().map_or(0, Vec::len) + 16) as u64;
            let before = rows.insert((key, Reverse(sequence)), value);
            assert!(before.is_none(), "[I1] a sequence has one row of a key");
        }
        drop(rows);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.read().is_empty()
    }

    /// The newest row of a key among those below `visible`: its value, or that it was deleted.
    pub fn get(&self, key: &[u8], visible: u64) -> Option<Option<Vec<u8>>> {
        let rows = self.rows.read();
        let from = (key.to_vec(), Reverse(visible.checked_sub(1)?));
        let (place, value) = rows.range(from..).next()?;
        (place.0 == key).then(|| value.clone())
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
