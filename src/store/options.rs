//! How a store is opened.

use crate::commitlog::{Durability, LogOptions};

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub(crate) create: bool,
    pub(crate) memtable_bytes_max: u64,
    pub(crate) memtables_max: usize,
    pub(crate) block_bytes: usize,
    pub(crate) durability: Durability,
    pub(crate) log: LogOptions,
}

impl StoreOptions {
    /// Opens an existing store and creates none. Writes have `durability` unless they say
    /// otherwise. Memtables of 64 MiB, of which two may wait for a flush; blocks of 8 KiB.
    pub fn new(durability: Durability) -> Self {
        Self {
            create: false,
            memtable_bytes_max: 64 << 20,
            memtables_max: 2,
            block_bytes: 8 << 10,
            durability,
            log: LogOptions::new(),
        }
    }

    /// Create the store if there is none.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// A memtable that holds this many bytes of keys and values is written to a table. A single
    /// batch may overshoot it.
    #[must_use]
    pub fn memtable_bytes_max(mut self, bytes: u64) -> Self {
        self.memtable_bytes_max = bytes;
        self
    }

    /// How many full memtables may wait for a flush that fails before writes are refused.
    #[must_use]
    pub fn memtables_max(mut self, memtables: usize) -> Self {
        self.memtables_max = memtables;
        self
    }

    /// A block of a table ends once it has this many bytes.
    #[must_use]
    pub fn block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes;
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
