//! What every log must be able to do to take part, and which ones there are.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::record::{Record, Tally};
use super::{blackstart, mrecordlog, okaywal, raft_engine, raw, spacetimedb};
use crate::Result;

/// Writers that append at the same time at most.
pub const WRITERS_MAX: usize = 8;

/// A log that is open for writing.
pub trait Contender: Send + Sync {
    /// Appends a record as a commit of its own and returns once it survives power loss.
    /// `writer` is below [`WRITERS_MAX`]; the same writer does not call twice at a time.
    fn append_synced(&self, writer: usize, record: &Record) -> Result<()>;

    /// Appends records as one commit, at the engine's cheapest level.
    fn append_batch(&self, records: &[Record]) -> Result<()>;

    /// Hands everything appended so far to the operating system.
    fn flush(&self) -> Result<()>;

    /// Syncs and closes the log in the engine's cleanest way.
    fn close(self: Box<Self>) -> Result<()>;
}

/// The logs that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Engine {
    /// Hand-written: append frames, fdatasync, group commit. The file grows.
    Raw,
    /// The same with the file's size set ahead.
    RawAhead,
    /// The commit log of this repository.
    Blackstart,
    /// The same with segments of 64 MiB: what rotation costs.
    BlackstartSmall,
    /// spacetimedb-commitlog.
    Spacetimedb,
    /// raft-engine.
    Raft,
    /// okaywal.
    Okaywal,
    /// mrecordlog.
    Mrecordlog,
}

impl Engine {
    /// All of them, baselines first.
    pub const ALL: [Self; 8] = [
        Self::Raw,
        Self::RawAhead,
        Self::Blackstart,
        Self::BlackstartSmall,
        Self::Spacetimedb,
        Self::Raft,
        Self::Okaywal,
        Self::Mrecordlog,
    ];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawAhead => "raw-ahead",
            Self::Spacetimedb => "spacetimedb-commitlog 2.14",
            Self::Raft => "raft-engine 0.4.2",
            Self::Okaywal => "okaywal 0.3.1",
            Self::Mrecordlog => "mrecordlog 0.4.0",
            Self::Blackstart => "blackstart",
            Self::BlackstartSmall => "blackstart, segments of 64 MiB",
        }
    }

    /// Whether this is a hand-written baseline.
    pub const fn is_baseline(self) -> bool {
        matches!(self, Self::Raw | Self::RawAhead)
    }

    /// Whether this is the log of this repository, with whatever options.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Blackstart | Self::BlackstartSmall)
    }

    /// Whether an append can be made to survive power loss.
    pub const fn is_durable(self) -> bool {
        // mrecordlog's sync flushes a buffer to the operating system and never calls fsync.
        !matches!(self, Self::Mrecordlog)
    }

    /// Whether an append can do without a sync.
    pub const fn has_unsynced(self) -> bool {
        // Every commit of okaywal is synced.
        !matches!(self, Self::Okaywal)
    }

    /// What "unsynced" means to this engine, for the table.
    pub const fn unsynced_means(self) -> &'static str {
        match self {
            Self::Raw | Self::RawAhead => "one write(2) per batch: survives a kill",
            Self::Spacetimedb => "in a 128 KiB buffer of the process",
            Self::Raft => "one write(2) per batch: survives a kill; indexed in memory",
            Self::Okaywal => "does not exist: every commit is synced",
            Self::Mrecordlog => "in a 32 KiB buffer of the process; kept in memory",
            Self::Blackstart | Self::BlackstartSmall => {
                "level Buffered: in a 128 KiB buffer of the process"
            }
        }
    }

    /// Opens or creates the log in `dir`, which exists.
    pub fn open(self, dir: &Path) -> Result<Box<dyn Contender>> {
        Ok(match self {
            Self::Raw => Box::new(raw::Raw::open(dir, raw::Growth::Append)?),
            Self::RawAhead => Box::new(raw::Raw::open(dir, raw::Growth::Ahead)?),
            Self::Spacetimedb => Box::new(spacetimedb::Spacetimedb::open(dir)?),
            Self::Raft => Box::new(raft_engine::RaftEngine::open(dir)?),
            Self::Okaywal => Box::new(okaywal::Okaywal::open(dir)?),
            Self::Mrecordlog => Box::new(mrecordlog::Mrecordlog::open(dir)?),
            Self::Blackstart => Box::new(blackstart::Blackstart::open(dir, None)?),
            Self::BlackstartSmall => Box::new(blackstart::Blackstart::open(dir, Some(64 << 20))?),
        })
    }

    /// Reads every record of the closed log in `dir`, checksums verified, from the start.
    pub fn replay(self, dir: &Path) -> Result<Tally> {
        match self {
            Self::Raw | Self::RawAhead => raw::replay(dir),
            Self::Spacetimedb => spacetimedb::replay(dir),
            Self::Raft => raft_engine::replay(dir),
            Self::Okaywal => okaywal::replay(dir),
            Self::Mrecordlog => mrecordlog::replay(dir),
            Self::Blackstart | Self::BlackstartSmall => blackstart::replay(dir),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
