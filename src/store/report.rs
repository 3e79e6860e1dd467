//! What an opening found and did.

use std::time::Duration;

use super::open::{Base, Listing};
use super::replay::Replay;
use super::tree::Tree;
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
    /// Bytes of rows in memory, when the opening had read what it keeps there.
    pub memtable_bytes: u64,
    /// Tables that the opening wrote, because there were more rows than memtables may hold.
    pub tables_flushed: usize,
    /// Where the history was cut, if it was: by this opening, or for one before that did not get
    /// so far.
    pub fork: Option<TxOffset>,
    /// The sequence of the next batch.
    pub next_sequence: TxOffset,
    /// Files that no manifest names. They were removed.
    pub files_removed: Vec<String>,
    /// Files that are none of a store's. They were left alone.
    pub files_unknown: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl RecoveryReport {
    /// Of what an opening found before it replayed anything.
    pub(super) fn new(listing: &Listing, base: &Base, log: commitlog::RecoveryReport) -> Self {
        Self {
            log,
            manifest: listing.manifests.last().copied().unwrap_or(0),
            tables: base.runs.iter().map(|run| run.tables.len()).sum(),
            flushed_through: base.flushed_through,
            batches_replayed: 0,
            rows_replayed: 0,
            memtables: 0,
            memtable_bytes: 0,
            tables_flushed: 0,
            fork: None,
            next_sequence: TxOffset::ZERO,
            files_removed: Vec::new(),
            files_unknown: listing.unknown.clone(),
            elapsed: Duration::ZERO,
        }
    }

    /// What was replayed, into this tree.
    pub(super) fn replayed(&mut self, replay: &Replay, tree: &Tree) {
        (self.batches_replayed, self.rows_replayed) = (replay.batches, replay.rows);
        let layers = tree.pin();
        (self.memtables, self.memtable_bytes) = (layers.memtables_held(), layers.memtable_bytes());
        self.next_sequence = TxOffset::new(tree.visible());
    }
}
