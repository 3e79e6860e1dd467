//! Following a live log.

use blackstart_vfs::Monotonic;

use super::TxOffset;
use super::error::LogError;
use super::reader::{Commit, Reader};

/// A reader that waits for new commits. It goes on across rotations; see [`Reader`] for its
/// errors.
#[derive(Debug)]
pub struct Follower {
    reader: Reader,
}

impl Follower {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// The next commit, waiting for one. None once the log is closed and all was read.
    ///
    /// # Errors
    /// As [`Reader::next_commit`]; and [`LogError::Poisoned`] once all that is visible was read and
    /// no more can come.
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        self.next(None)
    }

    /// As [`next_commit`](Self::next_commit), but also none at the deadline;
    /// [`is_over`](Self::is_over) tells them apart.
    ///
    /// # Errors
    /// As [`next_commit`](Self::next_commit).
    pub fn next_commit_until(
        &mut self,
        deadline: Monotonic,
    ) -> Result<Option<Commit<'_>>, LogError> {
        self.next(Some(deadline))
    }

    /// Whether the log is closed and all of it was read.
    pub fn is_over(&self) -> bool {
        let is_closed = self.reader.shared().state.lock().closed;
        is_closed && self.is_at_end()
    }

    /// The offset of the transaction after the last one read.
    pub fn position(&self) -> TxOffset {
        self.reader.position()
    }

    fn next(&mut self, deadline: Option<Monotonic>) -> Result<Option<Commit<'_>>, LogError> {
        while self.wait(deadline)? {
            if let Some(header) = self.reader.find_commit()? {
                return Ok(Some(self.reader.commit(&header)));
            }
        }
        Ok(None)
    }

    fn is_at_end(&self) -> bool {
        let reader = &self.reader;
        reader.position() >= reader.shared().frontier(reader.scope())
    }

    /// Waits until there is something to read or an error to report; false if nothing more will
    /// come, or not before the deadline.
    fn wait(&self, deadline: Option<Monotonic>) -> Result<bool, LogError> {
        let shared = self.reader.shared();
        loop {
            let ticket = shared.changed.ticket();
            // What refuses writing was said after the last commit became visible.
            let refusal = shared.refusal();
            if !self.is_at_end() || self.reader.is_outdated() {
                return Ok(true);
            }
            match refusal {
                Some(LogError::Closed) => return Ok(false),
                Some(error) => return Err(error),
                None => {}
            }
            match deadline {
                None => shared.changed.wait(ticket),
                Some(deadline) if shared.changed.wait_until(ticket, deadline) => {}
                Some(_) => return Ok(false),
            }
        }
    }
}
