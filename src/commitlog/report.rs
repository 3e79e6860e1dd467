//! What a recovery found and did, as plain data.

use std::time::Duration;

use super::{Epoch, Incarnation, LogId, TxOffset};
use crate::codec::{ByteOffset, Defect};

/// What follows the last good commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogEnd {
    /// Nothing, or zeros.
    Clean,
    /// Something that is not a whole frame, and nothing shows that it ever was durable.
    Tail(Tail),
}

/// Bytes behind the last good commit that were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The file.
    pub file: String,
    /// Where the chain of good frames ends.
    pub at: ByteOffset,
    /// The bytes from there to the last one that is not zero.
    pub bytes: u64,
    /// Valid frames found among them, which do not continue the chain.
    pub later_frames: u64,
    /// Why the chain ends there.
    pub defect: Defect,
}

/// Why a file in the log's directory is no part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileReason {
    /// It has a temporary name: a segment that was never completed.
    Unfinished,
    /// A recorded fork of a later epoch took its place.
    Superseded,
    /// All it holds was retired.
    Retired,
    /// It is not named like a file of a log.
    Unknown,
}

/// A file in the log's directory that is no part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNote {
    /// The file's name.
    pub file: String,
    /// Why it is no part of the log.
    pub reason: FileReason,
    /// Whether this opening removed it. A read-only opening removes nothing; a writable one leaves
    /// unknown files alone, and what the system would not let it remove.
    pub removed: bool,
}

/// What an opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The log's identity.
    pub log_id: LogId,
    /// Whether this opening created the log.
    pub created: bool,
    /// Whether the log had been closed, so that nothing was scanned.
    pub closed: bool,
    /// The epoch in which the log now writes, or last wrote if it was opened read-only.
    pub epoch: Epoch,
    /// This opening, or the one that wrote the newest segment if this is read-only.
    pub incarnation: Incarnation,
    /// The oldest transaction that is kept.
    pub oldest: TxOffset,
    /// The offset that the next transaction gets.
    pub next: TxOffset,
    /// All transactions before this were provably durable before this opening. The others were
    /// made durable by it (unless it is read-only).
    pub known_durable_through: TxOffset,
    /// Segments in use after the opening.
    pub segments: u64,
    /// Bytes of frames that were read and checked.
    pub bytes_scanned: u64,
    /// Transactions in the commits that were read and checked.
    pub transactions_scanned: u64,
    /// What followed the last good commit.
    pub end: LogEnd,
    /// Every file in the directory that is no part of the log, and what became of it.
    pub files: Vec<FileNote>,
    /// Segments that were cut where a fork took over.
    pub cut: Vec<String>,
    /// Whether the superblock was missing or damaged, or a state of it was, perhaps the last. A
    /// writable opening has written it again.
    pub superblock_lost: bool,
    /// How long it took.
    pub elapsed: Duration,
}
