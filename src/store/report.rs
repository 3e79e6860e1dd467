//! What an opening found and did.

use std::time::Duration;

use crate::commitlog::{self, TxOffset};

/// What an opening found and did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// What became of the log.
    pub log: commitlog::RecoveryReport,
    /// The number of the manifest; 0 if there was none, and the log was replayed from its start.
    pub manifest: u64,
    /// Tables that it names.
    pub tables: usize,
    /// The log's transactions before this are in tables.
    pub flushed_through: TxOffset,
    /// Batches that were replayed from the log.
    pub batches_replayed: u64,
    /// Rows of theirs.
    pub rows_replayed: u64,
    /// Memtables that hold them.
    pub memtables: usize,
    /// Files that no manifest names. They were removed.
    pub files_removed: Vec<String>,
    /// Files that are none of a store's. They were left alone.
    pub files_unknown: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}
