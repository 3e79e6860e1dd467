//! Following a live log.

use blackstart_vfs::Monotonic;

use super::{Commit, LogError, TxOffset};

/// A reader that waits for new commits.
#[derive(Debug)]
pub struct Follower {}

impl Follower {
    /// The next commit, waiting for one. None once the log is closed and all was read.
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        todo!()
    }

    /// As [`next_commit`](Self::next_commit), but also none at the deadline.
    pub fn next_commit_until(
        &mut self,
        _deadline: Monotonic,
    ) -> Result<Option<Commit<'_>>, LogError> {
        todo!()
    }

    /// The offset of the transaction after the last one read.
    pub fn position(&self) -> TxOffset {
        todo!()
    }
}
