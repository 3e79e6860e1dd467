//! Group commit.

use std::ops::Range;

use super::{Epoch, LogError, TxOffset};

/// An acknowledged commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of its first transaction.
    pub first: TxOffset,
    /// The number of its transactions.
    pub count: u32,
    /// The epoch it was written in.
    pub epoch: Epoch,
}

impl Committed {
    /// Its transactions' offsets.
    pub fn range(&self) -> Range<TxOffset> {
        todo!()
    }
}

/// A commit handed in and not yet acknowledged.
#[derive(Debug)]
pub struct Ticket {}

impl Ticket {
    /// Waits until the commit has reached its level.
    pub fn wait(self) -> Result<Committed, LogError> {
        todo!()
    }

    /// The outcome, if there is one already.
    pub fn outcome(&self) -> Option<Result<Committed, LogError>> {
        todo!()
    }
}

/// Counters since the opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Commits acknowledged.
    pub commits: u64,
    /// Transactions acknowledged.
    pub transactions: u64,
    /// Batches of commits that were completed together.
    pub batches: u64,
    /// Calls of `sync_data` and `sync_all` on segments.
    pub syncs: u64,
    /// Bytes written to segments.
    pub bytes_written: u64,
    /// Segments sealed.
    pub rotations: u64,
}
