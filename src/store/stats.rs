//! What a store consists of.

use super::tree::Tree;
use crate::commitlog::TxOffset;

/// What a store consists of at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStats {
    /// Bytes in the memtable that takes writes.
    pub memtable_bytes: u64,
    /// Full memtables that wait for a flush.
    pub memtables_waiting: usize,
    /// Tables.
    pub tables: usize,
    /// Runs of tables that share no key. A read may have to look into each.
    pub runs: usize,
    /// Bytes of their files.
    pub table_bytes: u64,
    /// Rows in them, older ones of the same keys and deletes included.
    pub table_rows: u64,
    /// Bytes of memory that open tables take without their blocks: index and filter above all.
    pub table_memory_bytes: u64,
    /// Bytes of blocks of tables that are cached.
    pub cache_bytes: u64,
    /// How many blocks were not cached when they were read, since the opening.
    pub cache_misses: u64,
    /// The log's transactions before this are in tables.
    pub flushed_through: TxOffset,
}

impl StoreStats {
    pub(crate) fn of(tree: &Tree, flushed_through: TxOffset) -> Self {
        let layers = tree.pin();
        let tables: Vec<_> = layers.tables().collect();
        let infos = tables.iter().map(|table| &table.info);
        Self {
            memtable_bytes: layers.active.bytes(),
            memtables_waiting: layers.frozen.len(),
            tables: tables.len(),
            runs: layers.runs.len(),
            table_bytes: infos.clone().map(|info| info.bytes).sum(),
            table_rows: infos.map(|info| info.rows).sum(),
            table_memory_bytes: tables.iter().map(|table| table.memory_bytes()).sum(),
            cache_bytes: tree.cache.bytes(),
            cache_misses: tree.cache.misses(),
            flushed_through,
        }
    }
}
