//! Looking at a store from outside: what is in its files.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] Memory is one block of a table, or one frame of the log.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::Env;

use super::batch::{Record, Write};
use super::block::Block;
use super::cache::Cache;
use super::error::StoreError;
use super::manifest::{self, Manifest};
use super::open::{LOG, Listing, TABLES};
use super::table::{self, Table, TableInfo};
use crate::codec::{ByteOffset, Defect};
use crate::commitlog::directory::Directory;
use crate::commitlog::{Epoch, LogError, LogId, LogOptions, LogSource, ReadOnlyLog, TxOffset};

/// What a manifest says of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableSummary {
    /// The table's file name.
    pub file: String,
    /// A number that was drawn for it: every checksum of the table starts from it.
    pub creation: u64,
    /// The file's length.
    pub bytes: u64,
    /// Its rows, older ones of the same key and deletes included.
    pub rows: u64,
}

impl TableSummary {
    pub(crate) fn of(info: &TableInfo) -> Self {
        Self {
            file: table::name(info.number),
            creation: info.creation,
            bytes: info.bytes,
            rows: info.rows,
        }
    }
}

/// What a manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestSummary {
    /// Of the log that the tables belong to.
    pub log_id: LogId,
    /// The log's epoch when the newest table was made.
    pub epoch: Epoch,
    /// The tables hold everything of the log before this.
    pub flushed_through: TxOffset,
    /// The next table gets this number.
    pub table_next: u64,
    /// Newest first.
    pub tables: Vec<TableSummary>,
}

/// A write as it stands in a batch of the log. Keys begin with the number of their keyspace, 4
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InspectedWrite {
    /// The key got a value of so many bytes.
    Put(Vec<u8>, usize),
    /// The key was deleted.
    Delete(Vec<u8>),
    /// All keys from the first on and before the second were deleted.
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// Something seen in a store's directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Inspected {
    /// A manifest. The last one that is shown counts.
    Manifest {
        /// Its file name.
        file: String,
        /// What it says, or why it cannot be read.
        manifest: Result<ManifestSummary, StoreError>,
    },
    /// A table that the newest manifest names begins.
    Table {
        /// What the manifest says of it.
        table: TableSummary,
        /// How many blocks it has, or why it cannot be opened.
        blocks: Result<usize, StoreError>,
    },
    /// A block of that table.
    Block {
        /// Where it stands in the file.
        at: ByteOffset,
        /// Its length in the file.
        bytes: u32,
        /// What it holds, or why it cannot be read.
        block: Result<BlockSummary, StoreError>,
    },
    /// A range of keys that was deleted, in that table. Keys begin with the number of their
    /// keyspace, 4 bytes.
    DeletedRange {
        /// The first key.
        from: Vec<u8>,
        /// The key behind the last.
        end: Vec<u8>,
    },
    /// A batch of the log behind the tables.
    Batch {
        /// Its sequence.
        sequence: TxOffset,
        /// What it writes, or what is wrong with it.
        writes: Result<Vec<InspectedWrite>, Defect>,
    },
    /// How far the log is readable, or why it is not.
    Log {
        /// The transactions that it shows.
        log: Result<std::ops::Range<TxOffset>, StoreError>,
    },
    /// A file that the newest manifest does not name.
    Unnamed {
        /// Its path within the store's directory.
        file: String,
    },
    /// A file that is none of a store's.
    Unknown {
        /// Its name.
        file: String,
    },
}

/// What a block holds. Keys begin with the number of their keyspace, 4 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockSummary {
    /// How many rows it has.
    pub rows: usize,
    /// How many of them are deletes.
    pub deletes: usize,
    /// The first key.
    pub first: Vec<u8>,
    /// The last key.
    pub last: Vec<u8>,
    /// The lowest and the highest sequence.
    pub sequences: (TxOffset, TxOffset),
}

impl BlockSummary {
    fn of(block: &Block) -> Self {
        let block = block.rows();
        let rows = || 0..block.len();
        let sequences = || rows().map(|row| block.sequence(row));
        let key = |row| [block.prefix(), block.rest(row)].concat();
        Self {
            rows: block.len(),
            deletes: rows().filter(|row| block.value(*row).is_none()).count(),
            first: key(0),
            last: key(block.len() - 1),
            sequences: (
                TxOffset::new(sequences().min().unwrap_or(0)),
                TxOffset::new(sequences().max().unwrap_or(0)),
            ),
        }
    }
}

/// Decodes the bytes of a block, which has this number in a table with this creation number.
///
/// # Errors
/// What is wrong with it.
pub fn check_block(bytes: &[u8], creation: u64, number: u32) -> Result<BlockSummary, Defect> {
    let at = ByteOffset::new(0);
    let block = Block::decode(bytes.into(), creation, number, at)?;
    Ok(BlockSummary::of(&block))
}

/// Decodes the bytes of a manifest's file.
///
/// # Errors
/// What is wrong with it.
pub fn check_manifest(bytes: &[u8]) -> Result<ManifestSummary, Defect> {
    Manifest::decode(bytes).map(|manifest| summary(&manifest))
}

/// Decodes a record of the log.
///
/// # Errors
/// What is wrong with it.
pub fn check_record(bytes: &[u8]) -> Result<Vec<InspectedWrite>, Defect> {
    let (Record::Genesis(writes) | Record::Batch(writes)) = Record::decode(bytes)?;
    Ok(writes.map(shown).collect())
}

/// Shows everything in a store's directory but rows: manifests, tables with their blocks, what the
/// log has behind them, other files. It judges nothing: see [`verify`](super::verify). The store
/// may be in use meanwhile; a table that its writer removes is shown as missing then.
///
/// # Errors
/// [`LogError::NotFound`] if there is no directory, or that it cannot be listed.
pub fn inspect(
    env: &Env,
    dir: impl AsRef<Path>,
    visit: &mut dyn FnMut(Inspected),
) -> Result<(), StoreError> {
    let root = Directory::open(env, dir.as_ref())?;
    let listing = Listing::read(&root)?;
    let mut newest = None;
    for number in &listing.manifests {
        let read = Manifest::read(&root, *number);
        let manifest = read.as_ref().map(summary).map_err(Clone::clone);
        let file = manifest::name(*number);
        visit(Inspected::Manifest { file, manifest });
        newest = Some(read);
    }
    let newest = newest.and_then(Result::ok);
    let tables = Directory::open(env, &dir.as_ref().join(TABLES)).ok();
    if let (Some(manifest), Some(tables)) = (&newest, &tables) {
        let named_by = root.shown(&manifest::name(manifest.number));
        for info in manifest.tables() {
            inspect_table(tables, info, &named_by, visit);
        }
    }
    let from = newest.as_ref().map(|manifest| manifest.flushed_through);
    let log = inspect_log(env, &dir.as_ref().join(LOG), from, visit);
    visit(Inspected::Log { log });
    let others = Others::of(&listing, newest.as_ref(), tables.as_ref())?;
    for file in others.unnamed {
        visit(Inspected::Unnamed { file });
    }
    for file in others.unknown {
        visit(Inspected::Unknown { file });
    }
    Ok(())
}

fn summary(manifest: &Manifest) -> ManifestSummary {
    ManifestSummary {
        log_id: manifest.log_id,
        epoch: manifest.epoch,
        flushed_through: manifest.flushed_through,
        table_next: manifest.table_next,
        tables: manifest.tables().map(TableSummary::of).collect(),
    }
}

fn inspect_table(
    directory: &Directory,
    info: &TableInfo,
    named_by: &str,
    visit: &mut dyn FnMut(Inspected),
) {
    let opened = Table::open(directory, info, named_by, &Cache::new(0)).map(Arc::new);
    let table = TableSummary::of(info);
    let blocks = opened
        .as_ref()
        .map(|table| table.blocks())
        .map_err(Clone::clone);
    visit(Inspected::Table { table, blocks });
    let Ok(table) = opened else { return };
    for number in 0..table.blocks() {
        let (at, bytes) = table.place(number);
        let block = table.read(number).map(|block| BlockSummary::of(&block));
        visit(Inspected::Block { at, bytes, block });
    }
    table.tombstones.for_each_run(|from, end| {
        let (from, end) = (from.to_vec(), end.to_vec());
        visit(Inspected::DeletedRange { from, end });
    });
}

/// Shows the batches from `from` on; returns what the log shows.
fn inspect_log(
    env: &Env,
    dir: &Path,
    from: Option<TxOffset>,
    visit: &mut dyn FnMut(Inspected),
) -> Result<std::ops::Range<TxOffset>, StoreError> {
    let (log, _) = ReadOnlyLog::open(env, dir, LogOptions::new())?;
    let mut reader = log.reader(from.unwrap_or(TxOffset::ZERO).max(log.oldest()))?;
    while let Some(commit) = reader.next_commit()? {
        for (sequence, record) in commit.transactions() {
            let writes = check_record(record);
            if sequence > TxOffset::ZERO {
                visit(Inspected::Batch { sequence, writes });
            }
        }
    }
    Ok(log.oldest()..log.visible_through())
}

fn shown(write: Write<'_>) -> InspectedWrite {
    match write {
        Write::Row(key, Some(value)) => InspectedWrite::Put(key.to_vec(), value.len()),
        Write::Row(key, None) => InspectedWrite::Delete(key.to_vec()),
        Write::DeleteRange(from, end) => InspectedWrite::DeleteRange(from.to_vec(), end.to_vec()),
    }
}

/// Files that do not count.
pub(super) struct Others {
    /// Those that the newest manifest does not name.
    pub unnamed: Vec<String>,
    /// Those that are none of a store's.
    pub unknown: Vec<String>,
}

impl Others {
    pub fn of(
        listing: &Listing,
        newest: Option<&Manifest>,
        tables: Option<&Directory>,
    ) -> Result<Self, LogError> {
        let older = listing.manifests.iter().rev().skip(1).rev();
        let older = older.map(|number| manifest::name(*number));
        let mut others = Self {
            unnamed: older.chain(listing.temps.iter().cloned()).collect(),
            unknown: listing.unknown.clone(),
        };
        let Some(tables) = tables else {
            return Ok(others);
        };
        let named: Vec<_> = newest.into_iter().flat_map(Manifest::tables).collect();
        let mut names: Vec<_> = tables
            .names()?
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        names.sort_unstable();
        for name in names {
            let number = table::parse(&name);
            let is_named = named.iter().any(|table| Some(table.number) == number);
            let path = format!("{TABLES}/{name}");
            match number.is_some() || name.contains(".tmp") {
                true if is_named => {}
                true => others.unnamed.push(path),
                false => others.unknown.push(path),
            }
        }
        Ok(others)
    }
}

#[cfg(test)]
mod tests;
