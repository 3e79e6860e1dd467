//! What every store must be able to do to take part, and which ones there are.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::rows::{Key, Row, Tally};
use crate::Result;

/// Memory for blocks or pages that were read, for every store that takes such a number.
pub const CACHE_BYTES: u64 = 512 << 20;

/// What a write has reached when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Level {
    /// A buffer of the process: it may die with the process.
    Process,
    /// The operating system: it survives the process, and may die in a loss of power.
    System,
    /// The disk.
    Synced,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "in the process",
            Self::System => "with the operating system",
            Self::Synced => "synced",
        })
    }
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// What each write reaches.
    pub level: Level,
    /// Bytes of a memtable, for those that have one.
    pub memtable_bytes: u64,
    /// Bytes for blocks or pages.
    pub cache_bytes: u64,
}

impl Setup {
    /// Memtables of 64 MiB.
    pub const fn new(level: Level) -> Self {
        Self {
            level,
            memtable_bytes: 64 << 20,
            cache_bytes: CACHE_BYTES,
        }
    }
}

/// A store that is open.
pub trait Contender: Send + Sync {
    /// Writes a row.
    fn put(&self, row: &Row) -> Result<()>;

    /// Writes rows as one atomic batch.
    fn write(&self, rows: &[Row]) -> Result<()>;

    /// Deletes a row.
    fn delete(&self, key: &Key) -> Result<()>;

    /// Deletes all rows from a key on and before another one, with one range delete.
    fn delete_range(&self, _from: &[u8], _end: &[u8]) -> Result<()> {
        Err("it has no range deletes".into())
    }

    /// Shows the first row, as of now.
    fn first(&self, tally: &mut Tally) -> Result<()> {
        self.reader()?.scan(&[], Way::Forward, 1, tally)
    }

    /// Writes rows that come in ascending order, all behind what is there.
    fn append(&self, rows: &[Row]) -> Result<()> {
        self.write(rows)
    }

    /// Writes what is in memory to its place in files, and waits for it.
    fn flush(&self) -> Result<()>;

    /// As [`flush`](Self::flush), and merges all files into one sorted run, where files are
    /// merged.
    fn compact(&self) -> Result<()> {
        self.flush()
    }

    /// A reader, in the way that is cheapest for many reads by one thread.
    fn reader(&self) -> Result<Box<dyn Reader + '_>>;

    /// Closes the store in its cleanest way.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// Ascending, from the first key at or behind the given one.
    Forward,
    /// Descending, from the last key at or before the given one.
    Backward,
}

/// Reads by one thread.
pub trait Reader {
    /// The number in the value of a key, if it has one.
    fn get(&mut self, key: &Key) -> Result<Option<u64>>;

    /// Shows rows to a tally, at most so many.
    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()>;
}

/// The stores that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Engine {
    /// The store of this repository.
    Blackstart,
    /// The commit log of this repository, alone: as many bytes as the store writes.
    Log,
    /// A `BTreeMap` with keys of fixed length beside a hand-written log.
    Map,
    /// LMDB, by heed.
    Lmdb,
    /// redb.
    Redb,
    /// fjall.
    Fjall,
    /// RocksDB.
    Rocksdb,
    /// surrealkv.
    Surrealkv,
    /// SQLite, by rusqlite.
    Sqlite,
}

impl Engine {
    /// All of them that were built in.
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Blackstart, Self::Log, Self::Map];
        #[cfg(feature = "lmdb")]
        all.push(Self::Lmdb);
        #[cfg(feature = "redb")]
        all.push(Self::Redb);
        #[cfg(feature = "fjall")]
        all.push(Self::Fjall);
        #[cfg(feature = "rocksdb")]
        all.push(Self::Rocksdb);
        #[cfg(feature = "surrealkv")]
        all.push(Self::Surrealkv);
        #[cfg(feature = "sqlite")]
        all.push(Self::Sqlite);
        all
    }

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blackstart => "blackstart",
            Self::Log => "blackstart's log alone",
            Self::Map => "BTreeMap + raw log",
            Self::Lmdb => "LMDB (heed 0.23.1)",
            Self::Redb => "redb 4.6.0",
            Self::Fjall => "fjall 3.1.13",
            Self::Rocksdb => "RocksDB 11.8.1",
            Self::Surrealkv => "surrealkv 1.2.0",
            Self::Sqlite => "SQLite (rusqlite 0.43.0)",
        }
    }

    /// Whether this is a baseline: it does not do all that a store does.
    pub const fn is_baseline(self) -> bool {
        matches!(self, Self::Log | Self::Map)
    }

    /// Whether it deletes a range by one tombstone.
    pub const fn has_range_deletes(self) -> bool {
        matches!(self, Self::Blackstart | Self::Rocksdb | Self::Surrealkv)
    }

    /// Whether it reads backward.
    pub const fn has_backward(self) -> bool {
        // Not there yet.
        !matches!(self, Self::Blackstart)
    }

    /// Whether it is a log-structured merge tree.
    pub const fn is_lsm(self) -> bool {
        matches!(
            self,
            Self::Blackstart | Self::Fjall | Self::Rocksdb | Self::Surrealkv
        )
    }

    /// The levels without a sync that it has.
    pub const fn unsynced_levels(self) -> &'static [Level] {
        match self {
            Self::Blackstart | Self::Log | Self::Fjall | Self::Rocksdb => {
                &[Level::Process, Level::System]
            }
            // Without a sync, LMDB writes pages with write(2) at each commit, and SQLite its log.
            Self::Map | Self::Lmdb | Self::Surrealkv | Self::Sqlite => &[Level::System],
            // Without a sync, a commit of redb is not there at the next opening: only a later
            // commit that syncs makes it so.
            Self::Redb => &[Level::Process],
        }
    }

    /// Opens or creates the store in `dir`, which exists.
    pub fn open(self, dir: &Path, setup: Setup) -> Result<Box<dyn Contender>> {
        match self {
            Self::Blackstart => Ok(Box::new(super::blackstart::Blackstart::open(dir, setup)?)),
            Self::Log => Ok(Box::new(super::baseline::LogAlone::open(dir, setup)?)),
            Self::Map => Ok(Box::new(super::baseline::MapAndRaw::open(dir, setup)?)),
            #[cfg(feature = "lmdb")]
            Self::Lmdb => Ok(Box::new(super::lmdb::Lmdb::open(dir, setup)?)),
            #[cfg(feature = "redb")]
            Self::Redb => Ok(Box::new(super::redb::Redb::open(dir, setup)?)),
            #[cfg(feature = "fjall")]
            Self::Fjall => Ok(Box::new(super::fjall::Fjall::open(dir, setup)?)),
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => Ok(Box::new(super::rocksdb::Rocksdb::open(dir, setup)?)),
            #[cfg(feature = "surrealkv")]
            Self::Surrealkv => Ok(Box::new(super::surrealkv::Surrealkv::open(dir, setup)?)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Ok(Box::new(super::sqlite::Sqlite::open(dir, setup)?)),
            #[allow(unreachable_patterns, reason = "with all features none is left")]
            missing => Err(format!("{missing} was not built in: see the features").into()),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
