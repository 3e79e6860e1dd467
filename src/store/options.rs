//! How a store is opened.

use super::history::History;
use crate::commitlog::{Durability, LogOptions, TxOffset};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) create: bool,
    pub(crate) memtable_bytes_max: u64,
    pub(crate) memtables_max: usize,
    pub(crate) block_bytes: usize,
    pub(crate) cache_bytes_max: u64,
    pub(crate) write_sets_bytes_max: u64,
    pub(crate) background_task: bool,
    pub(crate) durability: Durability,
    pub(crate) log: LogOptions,
    pub(crate) when_full: WhenFull,
    pub(crate) history: History,
    pub(crate) max_tx_offset: Option<TxOffset>,
}

/// What an opening does if the log holds more than the memtables may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It writes tables.
    #[default]
    Flush,
    /// It fails with [`StoreError::ReplayTooLarge`](super::StoreError::ReplayTooLarge), and changes
    /// nothing.
    Refuse,
}

impl StoreOptions {
    /// Opens an existing store and creates none. Writes have `durability` unless they say
    /// otherwise. Memtables of 64 MiB, of which two may wait for a flush; blocks of 8 KiB, of
    /// which 256 MiB are cached.
    pub fn new(durability: Durability) -> Self {
        Self {
            create: false,
            memtable_bytes_max: 64 << 20,
            memtables_max: 2,
            block_bytes: 8 << 10,
            cache_bytes_max: 256 << 20,
            write_sets_bytes_max: 64 << 20,
            background_task: true,
            durability,
            log: LogOptions::new(),
            when_full: WhenFull::Flush,
            history: History::Flushed,
            max_tx_offset: None,
        }
    }

    /// Create the store if there is none.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// A memtable that holds this many bytes of keys and values is written to a table. A single
    /// batch may overshoot it. A table has about as many bytes at most.
    #[must_use]
    pub fn memtable_bytes_max(mut self, bytes: u64) -> Self {
        self.memtable_bytes_max = bytes;
        self
    }

    /// How many full memtables may wait for a flush, in an opening as later. If flushes fail,
    /// writes are refused then.
    #[must_use]
    pub fn memtables_max(mut self, memtables: usize) -> Self {
        self.memtables_max = memtables;
        self
    }

    /// How many bytes of what was written are kept in memory while transactions are open. A
    /// transaction that outlives more of them gets
    /// [`StoreError::Conflict`](super::StoreError::Conflict).
    #[must_use]
    pub fn write_sets_bytes_max(mut self, bytes: u64) -> Self {
        self.write_sets_bytes_max = bytes;
        self
    }

    /// What an opening does if the log holds more than the memtables may.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// How much of the log stays once tables hold it. What was retired is gone for good.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Recover the store as it was when this was its last transaction. An opening for writing cuts
    /// the history there, for good: a fork. The transactions behind it are gone, and their offsets
    /// are given again, in a later epoch. A crash in between leaves the fork to the next opening.
    ///
    /// The log must reach back to the end of the tables; or, if these hold more already, to the
    /// store's first transaction: see [`history`](Self::history).
    #[must_use]
    pub fn max_tx_offset(mut self, tx_offset: TxOffset) -> Self {
        self.max_tx_offset = Some(tx_offset);
        self
    }

    /// Whether flushes and merges are the work of a task of their own, which begins with the first
    /// memtable that is full and ends with the store. Without it, or where the operating system has
    /// no room for it, the write that fills a memtable does that work, and waits as long.
    #[must_use]
    pub fn background_task(mut self, background_task: bool) -> Self {
        self.background_task = background_task;
        self
    }

    /// A block of a table ends once it has this many bytes.
    #[must_use]
    pub fn block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes;
        self
    }

    /// How many bytes of blocks of tables stay in memory at most. Beside them are the memtables,
    /// and for each open table its index and its filter: about 2 bytes a row. A cursor holds the
    /// block that it stands in, cached or not.
    #[must_use]
    pub fn cache_bytes_max(mut self, bytes: u64) -> Self {
        self.cache_bytes_max = bytes;
        self
    }

    /// Segment size, buffer and preallocation of the log. The store itself says whether it is
    /// created, how it begins, how large a frame may be, and what is known of it beforehand.
    #[must_use]
    pub fn log(mut self, log: LogOptions) -> Self {
        self.log = log;
        self
    }
}
