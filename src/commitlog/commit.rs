//! One commit, as readers show it.

use std::ops::Range;

use super::records::{Ends, Transactions};
use super::{Epoch, Incarnation, TxOffset};

/// One commit, borrowed from a reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    pub(crate) first: TxOffset,
    pub(crate) end: TxOffset,
    pub(crate) epoch: Epoch,
    pub(crate) incarnation: Incarnation,
    pub(crate) payload: &'a [u8],
    pub(crate) ends: &'a Ends,
}

impl<'a> Commit<'a> {
    /// The offset of its first transaction.
    pub fn first(&self) -> TxOffset {
        self.first
    }

    /// Its transactions' offsets.
    pub fn range(&self) -> Range<TxOffset> {
        self.first..self.end
    }

    /// The epoch of the segment it is in. After a recovery that may be a later one than it was
    /// acknowledged in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The opening that wrote the segment it is in.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Its transactions in order.
    #[inline]
    pub fn transactions(&self) -> Transactions<'a> {
        Transactions::new(self.payload, self.ends, self.first)
    }
}

/// A commit that an opening has read, on its way to the log's owner.
#[derive(Clone, Copy, Debug)]
pub struct Recovered<'a> {
    /// The commit.
    pub commit: Commit<'a>,
    /// All transactions before this are known to be durable, by what was read so far. What lies
    /// beyond may be in the page cache only until the opening has returned: nothing of it may be
    /// shown, or written elsewhere, before.
    pub durable_through: TxOffset,
}

/// Where an opening puts the commits that it reads, in log order. An opening that fails has called
/// it in vain: its owner drops all that it was given.
pub type Visitor<'v> =
    dyn FnMut(Recovered<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'v;
