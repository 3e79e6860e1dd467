//! The handle of a writable log.

use std::path::Path;

use blackstart_vfs::Env;

use super::{
    Committed, Durability, Epoch, Follower, LogError, LogId, LogOptions, LogStats, ReadScope,
    Reader, RecoveryReport, Ticket, TxOffset,
};

/// A writable log. Clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {}

impl Log {
    /// Opens the log in `dir` (relative to the environment's root; "" is the root) and recovers.
    pub fn open(
        _env: &Env,
        _dir: impl AsRef<Path>,
        _options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        todo!()
    }

    /// Appends one commit of `records.len()` transactions and waits for its level.
    pub fn commit<R: AsRef<[u8]>>(
        &self,
        _records: &[R],
        _durability: Durability,
    ) -> Result<Committed, LogError> {
        todo!()
    }

    /// Hands in a commit without waiting.
    pub fn submit<R: AsRef<[u8]>>(
        &self,
        _records: &[R],
        _durability: Durability,
    ) -> Result<Ticket, LogError> {
        todo!()
    }

    /// Hands all buffered commits to the operating system.
    pub fn flush(&self) -> Result<(), LogError> {
        todo!()
    }

    /// Makes all commits durable; returns the offset before which all are.
    pub fn sync(&self) -> Result<TxOffset, LogError> {
        todo!()
    }

    /// Seals the newest segment and starts another, unless it is empty.
    pub fn rotate(&self) -> Result<(), LogError> {
        todo!()
    }

    /// Cuts the history: transactions from `tx_offset` on are gone when this returns, durably.
    pub fn truncate_to(&self, _tx_offset: TxOffset) -> Result<(), LogError> {
        todo!()
    }

    /// Removes sealed segments that hold only transactions below `tx_offset`; returns the oldest
    /// transaction that is kept.
    pub fn retain_from(&self, _tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        todo!()
    }

    /// Writes everything, marks the end as clean, and gives the directory free.
    pub fn close(&self) -> Result<(), LogError> {
        todo!()
    }

    /// A reader of what is visible, from the commit that holds `from` on.
    pub fn reader(&self, _from: TxOffset) -> Result<Reader, LogError> {
        todo!()
    }

    /// A reader of what is visible or only of what is synced.
    pub fn reader_of(&self, _from: TxOffset, _scope: ReadScope) -> Result<Reader, LogError> {
        todo!()
    }

    /// A reader that waits for new commits.
    pub fn follow(&self, _from: TxOffset, _scope: ReadScope) -> Result<Follower, LogError> {
        todo!()
    }

    /// The offset before which all transactions are visible: the next one's, when nothing is in flight.
    pub fn visible_through(&self) -> TxOffset {
        todo!()
    }

    /// The offset before which all transactions are durable.
    pub fn durable_through(&self) -> TxOffset {
        todo!()
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        todo!()
    }

    /// The epoch in which the log writes.
    pub fn epoch(&self) -> Epoch {
        todo!()
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        todo!()
    }

    /// Counters since the opening.
    pub fn stats(&self) -> LogStats {
        todo!()
    }
}
