//! Reading commits in order.

use std::ops::Range;

use super::{Epoch, LogError, TxOffset};

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// Every commit that was acknowledged at its own level.
    Visible,
    /// Only what is durable.
    Synced,
}

/// One commit, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    first: TxOffset,
    count: u32,
    epoch: Epoch,
    payload: &'a [u8],
}

impl<'a> Commit<'a> {
    /// The offset of its first transaction.
    pub fn first(&self) -> TxOffset {
        self.first
    }

    /// Its transactions' offsets.
    pub fn range(&self) -> Range<TxOffset> {
        todo!()
    }

    /// The epoch of the segment it is in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its transactions in order.
    pub fn transactions(&self) -> Transactions<'a> {
        let _ = (self.count, self.payload);
        todo!()
    }
}

/// The transactions of a commit: offset and record.
#[derive(Clone, Debug)]
pub struct Transactions<'a> {
    rest: &'a [u8],
    next: TxOffset,
}

impl<'a> Iterator for Transactions<'a> {
    type Item = (TxOffset, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let _ = (self.rest, self.next);
        todo!()
    }
}

/// What stands next in the log.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A commit.
    Commit(Commit<'a>),
    /// Transactions lost to damage, left out by a salvage.
    Lost(Range<TxOffset>),
}

/// Reads commits in order. It sees commits that become visible while it reads.
#[derive(Debug)]
pub struct Reader {}

impl Reader {
    /// The next commit or lost range; none at the visible end (more may come later).
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, LogError> {
        todo!()
    }

    /// The next commit. A lost range is the error [`LogError::Lost`], once; the next call goes on
    /// behind it.
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        todo!()
    }

    /// The offset of the transaction after the last one read.
    pub fn position(&self) -> TxOffset {
        todo!()
    }
}
