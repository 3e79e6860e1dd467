//! What can go wrong with a store.

use crate::codec::Corrupt;
use crate::commitlog::{ErrorClass, LogError, TxOffset};

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log refused or failed, or the operating system did: the error names the file.
    #[error(transparent)]
    Log(LogError),
    /// The process may open no more files.
    #[error("{source}: a store keeps a file open for each table; allow more of them (ulimit -n)")]
    TooFewHandles {
        /// What could not be opened.
        source: Box<LogError>,
    },
    /// The log behind the tables does not fit into the memory that a read-only opening may use.
    #[error(
        "the log behind the tables has {bytes} bytes, more than the {bytes_max} that may be held \
         in memory"
    )]
    SuffixTooLarge {
        /// Bytes of the log's records that have to be held in memory.
        bytes: u64,
        /// [`ReadOnlyOptions::replay_bytes_max`](super::ReadOnlyOptions::replay_bytes_max).
        bytes_max: u64,
    },
    /// A table or the manifest is damaged. Nothing was changed.
    #[error("{corrupt}")]
    Corrupt {
        /// Where and what.
        corrupt: Corrupt,
    },
    /// A table that the manifest names is missing.
    #[error("{file}: the table is missing; {named_by} names it")]
    TableMissing {
        /// The table.
        file: String,
        /// The manifest.
        named_by: String,
    },
    /// The log does not reach back to where the tables end, and no manifest says that they reach
    /// further.
    #[error("the log begins with transaction {oldest}, and the tables end at {flushed_through}")]
    ManifestBehind {
        /// The log's oldest transaction.
        oldest: TxOffset,
        /// How far the newest manifest says that tables hold the log.
        flushed_through: TxOffset,
    },
    /// The log does not reach back far enough for this point in time.
    #[error(
        "the store cannot go back to before {flushed_through}, which its tables hold: the log \
         begins with transaction {oldest}"
    )]
    HistoryGone {
        /// The log's oldest transaction.
        oldest: TxOffset,
        /// The tables hold what is below this.
        flushed_through: TxOffset,
    },
    /// The log holds more than the memtables may, and the options say that no tables are to be
    /// written. Nothing was changed.
    #[error("the log fills more than {memtables_max} memtables; {bytes} bytes were read")]
    ReplayTooLarge {
        /// How many may be full.
        memtables_max: usize,
        /// Bytes of those that are.
        bytes: u64,
    },
    /// The history was cut after the manifest was written, and the tables hold what was cut off.
    #[error("{file}: its tables reach to {flushed_through}, and the log was cut at {cut} later")]
    BeyondFork {
        /// The manifest.
        file: String,
        /// The tables hold what is below this.
        flushed_through: TxOffset,
        /// Where the log was cut.
        cut: TxOffset,
    },
    /// The log is not the one that the tables belong to, or holds something else than a store.
    #[error("{what}")]
    Foreign {
        /// What does not fit.
        what: &'static str,
    },
    /// A key is longer than [`KEY_BYTES_MAX`](super::KEY_BYTES_MAX).
    #[error(
        "the key has {bytes} bytes, at most {} are allowed",
        super::KEY_BYTES_MAX
    )]
    KeyTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A value is longer than [`VALUE_BYTES_MAX`](super::VALUE_BYTES_MAX).
    #[error(
        "the value has {bytes} bytes, at most {} are allowed",
        super::VALUE_BYTES_MAX
    )]
    ValueTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The store has no keyspace with this number: it was dropped, or is of another store. Nothing
    /// was written.
    #[error("the store has no keyspace {number}; it may have been dropped")]
    NoKeyspace {
        /// Its number.
        number: u32,
    },
    /// There is no number for another keyspace.
    #[error("all numbers of keyspaces have been given")]
    KeyspacesExhausted,
    /// What the transaction has read was changed by another commit since it began. Nothing was
    /// written; the transaction may be run again.
    #[error("another commit has changed what the transaction has read")]
    Conflict {
        /// The sequence of that commit. None if the transaction was open for so long that the
        /// store has forgotten what was written since.
        with: Option<TxOffset>,
    },
    /// What was to fill a new store has failed. There is no store.
    #[error("the store was not created: what was to fill it has failed")]
    Uninitialized,
    /// As many memtables as are allowed wait for a flush that fails. Reads go on, and so does
    /// whatever frees space; the write changed nothing.
    #[error("the memtables are full, and cannot be written to tables")]
    MemtablesFull {
        /// Why the last flush failed.
        source: Box<Self>,
    },
}

impl StoreError {
    /// What kind of thing went wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Log(error) => error.class(),
            Self::TooFewHandles { .. } => ErrorClass::System,
            Self::Corrupt { .. }
            | Self::TableMissing { .. }
            | Self::ManifestBehind { .. }
            | Self::BeyondFork { .. }
            | Self::Foreign { .. } => ErrorClass::Damage,
            Self::HistoryGone { .. }
            | Self::ReplayTooLarge { .. }
            | Self::SuffixTooLarge { .. }
            | Self::KeyTooLong { .. }
            | Self::ValueTooLong { .. }
            | Self::NoKeyspace { .. }
            | Self::KeyspacesExhausted
            | Self::Conflict { .. }
            | Self::Uninitialized => ErrorClass::Caller,
            Self::MemtablesFull { source } => source.class(),
        }
    }

    pub(crate) fn corrupt(corrupt: Corrupt) -> Self {
        Self::Corrupt { corrupt }
    }
}

/// EMFILE and ENFILE: the process, or the system, may open no more files. The standard library has
/// no kind for them.
const TOO_MANY_OPEN: [i32; 2] = [24, 23];

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::Io { source, .. }
                if source
                    .raw_os_error()
                    .is_some_and(|code| TOO_MANY_OPEN.contains(&code)) =>
            {
                let source = Box::new(error);
                Self::TooFewHandles { source }
            }
            _ => Self::Log(error),
        }
    }
}
