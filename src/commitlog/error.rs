//! Everything that can go wrong with a log, as one type.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{LogId, TxOffset};
use crate::codec::{ByteOffset, Corrupt};

/// Why something must have been durable although it cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// A valid frame further behind says so.
    LaterFrame {
        /// Where that frame stands in the same file.
        at: ByteOffset,
        /// All bytes of the segment before this were durable when it was written.
        durable_bytes: ByteOffset,
    },
    /// The segment's own header says so: a segment gets its name after its first content is
    /// durable.
    Header {
        /// All bytes of the segment before this were durable when it was named.
        durable_bytes: ByteOffset,
    },
    /// A segment that follows has a name, which it gets only when all before it is durable.
    Successor {
        /// Its file name.
        file: String,
    },
    /// The caller said so ([`LogOptions::durable_through`](super::LogOptions::durable_through)).
    Caller {
        /// All transactions before this were durable.
        tx_offset: TxOffset,
    },
    /// The log's superblock says so (the file `lock`).
    Superblock {
        /// All transactions before this were durable.
        tx_offset: TxOffset,
    },
    /// A segment gets its name only when its header and first content are durable.
    Name,
    /// It was read, and was good, a moment before.
    ReadBefore,
    /// It is part of the log that this process has open.
    InUse,
}

/// Everything that can go wrong with a log. Cloning shares the causes.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system reported an error. On a write or sync the log is now poisoned.
    #[error("{file}: cannot {action}")]
    Io {
        /// The file or directory, as its path was given.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// There is no space (ENOSPC, EDQUOT). Nothing of the failed commit is in the log or will be;
    /// the log goes on.
    #[error("{file}: no space to {action}")]
    NoSpace {
        /// The file or directory, as its path was given.
        file: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync failed, so what is durable is unknown. Nothing is written until
    /// the log is opened again; reading goes on. Whether a commit that got this error is in the
    /// log is settled by that opening.
    #[error("the log is poisoned by an earlier failure")]
    Poisoned {
        /// The first failure.
        #[source]
        cause: Arc<LogError>,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// A panic interrupted a write, so the writer's state is unknown.
    #[error("a panic interrupted a write to the log")]
    Interrupted,
    /// Another opener holds the log.
    #[error("{dir}: the log is in use")]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The process was forked: this is the child, and the log belongs to the parent.
    #[error("{dir}: the log was opened by another process, of which this one is a fork")]
    Forked {
        /// The log's directory.
        dir: PathBuf,
        /// What the lock's check said.
        source: Arc<io::Error>,
    },
    /// The newest segment's name was removed, or given to another file, while the log was open.
    /// What was acknowledged before is in the file that lost its name.
    #[error("{file}: it was removed, renamed or replaced while the log was open")]
    Replaced {
        /// The file.
        file: String,
    },
    /// The log changed each time it was read.
    #[error("{dir}: the log's files change faster than they can be read")]
    ChangedWhileReading {
        /// The log's directory.
        dir: PathBuf,
    },
    /// There is no log, and none was to be created.
    #[error("{dir}: there is no log")]
    NotFound {
        /// The log's directory.
        dir: PathBuf,
    },
    /// There is a log, or a directory, and a new one was to be created.
    #[error("{dir}: it exists already")]
    AlreadyExists {
        /// The log's directory.
        dir: PathBuf,
    },
    /// A log was here, and none of its segments is; no empty log is put in its place.
    #[error("{dir}: all segments of a log are missing; {found} shows that there was one")]
    SegmentsMissing {
        /// The log's directory.
        dir: PathBuf,
        /// What shows it.
        found: String,
    },
    /// The newest segment is missing.
    #[error("{file}: the segment is missing; {named_by} names it")]
    SegmentMissing {
        /// The missing file.
        file: String,
        /// The file that names it.
        named_by: String,
    },
    /// Something that was durable is damaged.
    #[error("{corrupt}")]
    Corrupt {
        /// File, position, field, expected, found.
        #[source]
        corrupt: Corrupt,
        /// Why it is damage and not an unfinished write.
        evidence: Evidence,
    },
    /// History is missing between two segments, or before the first.
    #[error("{file}: history is missing: expected transaction {expected}, found {found}")]
    Gap {
        /// The file after the gap.
        file: String,
        /// The transaction that should come next.
        expected: TxOffset,
        /// The one that comes.
        found: TxOffset,
    },
    /// Two segments hold the same transactions, and no recorded fork explains it.
    #[error("{file}: transactions from {found} to {expected} are in two segments")]
    Overlap {
        /// The later file.
        file: String,
        /// The transaction that should come next.
        expected: TxOffset,
        /// The one that comes.
        found: TxOffset,
    },
    /// A segment does not follow the one before it: they are from different histories.
    #[error(
        "{file}: it follows another segment: header checksum {found:#010x}, \
         expected {expected:#010x}"
    )]
    WrongPredecessor {
        /// The later file.
        file: String,
        /// The checksum of the header of the segment before.
        expected: u32,
        /// The checksum that the segment names.
        found: u32,
    },
    /// A segment belongs to another log.
    #[error("{file}: it belongs to log {found}, not to {expected}")]
    Foreign {
        /// The file.
        file: String,
        /// The log's identity, from its newest segment.
        expected: LogId,
        /// The file's.
        found: LogId,
    },
    /// The segment's format is not known.
    #[error("{file}: format version {found} is not supported, only {supported}")]
    UnsupportedVersion {
        /// The file.
        file: String,
        /// Its version.
        found: u32,
        /// The version that is.
        supported: u32,
    },
    /// The segment uses features that must be understood.
    #[error("{file}: unknown incompatible features {bits:#x}")]
    UnsupportedFeature {
        /// The file.
        file: String,
        /// The unknown bits.
        bits: u32,
    },
    /// The segment uses features that must be understood to write; open it read-only.
    #[error("{file}: unknown features {bits:#x} allow reading only")]
    ReadOnlyFeature {
        /// The file.
        file: String,
        /// The unknown bits.
        bits: u32,
    },
    /// A commit of no transactions.
    #[error("a commit needs at least one transaction")]
    EmptyCommit,
    /// A commit larger than the log's limit.
    #[error("the commit's frame of {bytes} bytes is larger than {frame_bytes_max}")]
    CommitTooLarge {
        /// The frame's length.
        bytes: u64,
        /// The limit.
        frame_bytes_max: u64,
    },
    /// All numbers are used up.
    #[error("the log is full: there is no next {number}")]
    Exhausted {
        /// Which number.
        number: &'static str,
    },
    /// The history there was removed on purpose.
    #[error("transaction {asked} is gone: the log starts at {oldest}")]
    HistoryGone {
        /// What was asked for.
        asked: TxOffset,
        /// The first transaction that is kept.
        oldest: TxOffset,
    },
    /// The log does not reach so far.
    #[error("transaction {asked} is beyond the end of the log at {next}")]
    BeyondEnd {
        /// What was asked for.
        asked: TxOffset,
        /// The offset of the next transaction.
        next: TxOffset,
    },
    /// The log can be cut between commits only.
    #[error("transaction {asked} is inside the commit of {first} to {end}")]
    NotACommitBoundary {
        /// What was asked for.
        asked: TxOffset,
        /// The first transaction of that commit.
        first: TxOffset,
        /// The first transaction after it.
        end: TxOffset,
    },
    /// The history below this reader's position was cut while it read. It may not go on, since
    /// what it read is no longer part of the log; open a new reader at or below `at`.
    #[error("the history was truncated at {at}, below the reader's position {position}")]
    Truncated {
        /// Where the reader was.
        position: TxOffset,
        /// Where the history was cut.
        at: TxOffset,
    },
    /// These transactions were lost to damage: the log was written by a salvage. The next read goes
    /// on after them.
    #[error("transactions {from} to {to} were lost to damage")]
    Lost {
        /// The first lost transaction.
        from: TxOffset,
        /// The first transaction after the lost ones.
        to: TxOffset,
    },
    /// The archive hook failed; retention stopped there.
    #[error("{file}: the archive refused it")]
    Archive {
        /// The segment.
        file: String,
        /// What the hook said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The commit's owner refused it when it learnt its offset
    /// ([`CommitOwner`](super::CommitOwner)). It is not in the log; it used no offset.
    #[error("the commit's owner refused it")]
    Refused {
        /// What the owner said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The owner of a log that was being opened could not take a commit.
    #[error("the log's owner could not take a commit that was recovered")]
    Visitor {
        /// What the owner said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// An option has a value that makes no sense.
    #[error("option {option}: {reason}")]
    InvalidOption {
        /// Which.
        option: &'static str,
        /// Why.
        reason: &'static str,
    },
}

/// What kind of thing went wrong: callers that have an answer for each kind match this, and not the
/// variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The caller asked for what cannot be: an option, an offset, a log that is closed or in use.
    Caller,
    /// There is no space. The log goes on.
    NoSpace,
    /// Something that was durable is damaged or missing, or is of another log or format.
    Damage,
    /// The operating system failed.
    System,
    /// An earlier failure ended writing; the log has to be opened again.
    Poisoned,
}

/// What happens to an open log when a step fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has changed; the log goes on.
    Harmless(LogError),
    /// What is on the disk is unknown; the log is poisoned.
    Fatal(LogError),
}

impl Failure {
    /// A failed write: for lack of space it can be undone.
    pub fn of_write(error: LogError) -> Self {
        match error {
            LogError::NoSpace { .. } => Self::Harmless(error),
            _ => Self::Fatal(error),
        }
    }

    pub fn into_error(self) -> LogError {
        let (Self::Harmless(error) | Self::Fatal(error)) = self;
        error
    }
}

impl LogError {
    /// Whether the operating system found no such file.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// What kind of thing went wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSpace { .. } => ErrorClass::NoSpace,
            Self::Io { .. }
            | Self::Archive { .. }
            | Self::Visitor { .. }
            | Self::ChangedWhileReading { .. } => ErrorClass::System,
            Self::Poisoned { .. } | Self::Interrupted => ErrorClass::Poisoned,
            Self::SegmentsMissing { .. }
            | Self::SegmentMissing { .. }
            | Self::Replaced { .. }
            | Self::Corrupt { .. }
            | Self::Gap { .. }
            | Self::Overlap { .. }
            | Self::WrongPredecessor { .. }
            | Self::Foreign { .. }
            | Self::UnsupportedVersion { .. }
            | Self::UnsupportedFeature { .. }
            | Self::ReadOnlyFeature { .. }
            | Self::Lost { .. } => ErrorClass::Damage,
            Self::Closed
            | Self::Locked { .. }
            | Self::Forked { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::EmptyCommit
            | Self::CommitTooLarge { .. }
            | Self::Exhausted { .. }
            | Self::HistoryGone { .. }
            | Self::BeyondEnd { .. }
            | Self::NotACommitBoundary { .. }
            | Self::Truncated { .. }
            | Self::Refused { .. }
            | Self::InvalidOption { .. } => ErrorClass::Caller,
        }
    }

    /// An error of the operating system, classed by its kind and never by its text.
    pub(crate) fn io(file: impl Into<String>, action: &'static str, error: io::Error) -> Self {
        let (file, source) = (file.into(), Arc::new(error));
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace {
                file,
                action,
                source,
            },
            _ => Self::Io {
                file,
                action,
                source,
            },
        }
    }
}
