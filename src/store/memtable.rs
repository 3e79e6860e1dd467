//! Rows, and ranges that were deleted, that no table has yet.
//!
//! | module | what it is |
//! |---|---|
//! | `arena` | memory for rows and nodes, which goes at once |
//! | `tree` | the order of rows: a B-link tree, and cursors over it |
//!
//! Invariants:
//! - \[I1\] Rows are ordered by key, and those of one key by sequence, highest first.
//! - \[I2\] Only the leader of the log's batches inserts, in log order; what it inserts is seen
//!   once the store's visible sequence has passed it.
//! - \[I3\] A frozen memtable gets no more rows.

mod arena;
mod tree;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use super::batch::{Write, Writes};
use super::tombstone::{Span, Tombstones};
use arena::Entry;
pub(crate) use tree::Cursor;

/// A row, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// With its keyspace.
    pub key: Vec<u8>,
    pub sequence: u64,
    /// None: the key was deleted.
    pub value: Option<Vec<u8>>,
}

/// A row of a memtable that is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRef<'a> {
    /// With its keyspace.
    pub key: &'a [u8],
    pub sequence: u64,
    /// None: the key was deleted.
    pub value: Option<&'a [u8]>,
}

impl<'a> From<Entry<'a>> for RowRef<'a> {
    fn from(row: Entry<'a>) -> Self {
        Self {
            key: row.key(),
            sequence: row.sequence(),
            value: row.value(),
        }
    }
}

impl RowRef<'_> {
    /// A copy.
    pub fn to_owned(self) -> Row {
        Row {
            key: self.key.to_vec(),
            sequence: self.sequence,
            value: self.value.map(<[u8]>::to_vec),
        }
    }
}

/// Rows in memory.
#[derive(Debug, Default)]
pub(crate) struct Memtable {
    rows: Arc<tree::Tree>,
    tombstones: RwLock<Tombstones>,
    has_tombstones: AtomicBool,
    /// Bytes of tombstones.
    tombstone_bytes: AtomicU64,
}

impl Memtable {
    /// An empty memtable, which takes the memory that this one gives back.
    pub fn successor(&self) -> Self {
        let rows = tree::Tree::new(self.rows.pool());
        Self::of(rows, Tombstones::default())
    }

    fn of(rows: tree::Tree, tombstones: Tombstones) -> Self {
        Self {
            rows: Arc::new(rows),
            has_tombstones: AtomicBool::new(!tombstones.is_empty()),
            tombstone_bytes: AtomicU64::new(tombstones.bytes()),
            tombstones: RwLock::new(tombstones),
        }
    }

    /// Adds what a batch writes; returns how many rows it has.
    pub fn insert(&self, writes: Writes<'_>, sequence: u64) -> u64 {
        let rows = writes.filter_map(|write| match write {
            Write::Row(key, value) => Some((key, value)),
            Write::DeleteRange(from, end) => {
                self.delete_range(from, end, sequence);
                None
            }
        });
        self.rows.insert(rows, sequence)
    }

    /// Adds a range tombstone.
    fn delete_range(&self, from: &[u8], end: &[u8], sequence: u64) {
        let mut tombstones = self.tombstones.write();
        tombstones.insert(from, end, sequence);
        self.has_tombstones.store(true, Ordering::Relaxed);
        let bytes = tombstones.bytes();
        self.tombstone_bytes.store(bytes, Ordering::Relaxed);
    }

    /// [I3] It is full.
    pub fn freeze(&self) {
        self.rows.freeze();
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

    /// How large it is: bytes of rows, of the nodes that order them, and of tombstones.
    pub fn bytes(&self) -> u64 {
        self.rows.bytes() + self.tombstone_bytes.load(Ordering::Relaxed)
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && !self.has_tombstones()
    }

    /// The newest row of a key among those below `visible`: its value, or that it was deleted.
    pub fn get(&self, key: &[u8], visible: u64) -> Option<Option<&[u8]>> {
        let row = self.rows.first_from(key, visible.checked_sub(1)?);
        let row = row.filter(|row| row.key() == key);
        let deleted_at = match self.has_tombstones() {
            true => self.tombstones.read().newest(key, visible),
            false => None,
        };
        match (row, deleted_at) {
            (Some(row), at) if at.is_none_or(|at| at <= row.sequence()) => Some(row.value()),
            (_, at) => at.map(|_| None),
        }
    }

    /// A cursor at no row.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(self.rows.clone())
    }
}

/// What many batches write, which becomes a memtable at once. Nobody reads it before.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    rows: tree::Gathered,
    tombstones: Tombstones,
}

impl Gathered {
    /// Adds what a batch writes; returns how many rows it has.
    pub fn push(&mut self, writes: Writes<'_>, sequence: u64) -> u64 {
        let mut rows = 0;
        for write in writes {
            match write {
                Write::Row(key, value) => {
                    self.rows.push(key, sequence, value);
                    rows += 1;
                }
                Write::DeleteRange(from, end) => self.tombstones.insert(from, end, sequence),
            }
        }
        rows
    }

    /// How large the memtable will be, about.
    pub fn bytes(&self) -> u64 {
        self.rows.bytes() + self.tombstones.bytes()
    }

    /// The memtable of what was gathered, which leaves nothing.
    pub fn take(&mut self) -> Memtable {
        let next = tree::Gathered::new(self.rows.pool().clone());
        let rows = std::mem::replace(&mut self.rows, next).build();
        Memtable::of(rows, std::mem::take(&mut self.tombstones))
    }
}

#[cfg(test)]
mod tests;
