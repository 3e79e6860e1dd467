//! What a recovery found and did, as plain data.

use std::ops::Range;
use std::time::Duration;

use super::{Epoch, LogId, TxOffset};
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
    /// The bytes from there to the last one that is not zero. If the file was a spare before, that
    /// includes what it held then.
    pub bytes: u64,
    /// Valid frames found among them, which do not continue the chain.
    pub later_frames: u64,
    /// Why the chain ends there.
    pub defect: Defect,
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
    /// Files that were removed: unfinished creations, superseded and retired segments. A
    /// read-only opening lists what it ignores.
    pub removed: Vec<String>,
    /// Segments whose unfinished cut (by a truncation or an earlier recovery) was completed.
    pub cut: Vec<String>,
    /// Ranges given up by this opening's salvage.
    pub lost: Vec<Range<TxOffset>>,
    /// Copies of damaged segments kept by this opening's salvage.
    pub damaged: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}
