//! Following a live log.

use std::time::Duration;

use blackstart_vfs::Monotonic;

use super::TxOffset;
use super::commit::Commit;
use super::error::LogError;
use super::reader::Reader;
use super::view::refresh;

/// A reader that waits for new commits. It goes on across rotations; see [`Reader`] for its
/// errors.
#[derive(Debug)]
pub struct Follower {
    reader: Reader,
    /// How often a log that another process writes is read again.
    interval: Duration,
}

impl Follower {
    pub(crate) fn new(reader: Reader, interval: Duration) -> Self {
        Self { reader, interval }
    }

    /// The next commit, waiting for one. None once the log is closed and all was read. If another
    /// process writes the log and opens it again, a later call goes on.
    ///
    /// # Errors
    /// As [`Reader::next_commit`]; and [`LogError::Poisoned`] once all that is visible was read and
    /// no more can come.
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        self.next(None)
    }

    /// As [`next_commit`](Self::next_commit), but also none at the deadline;
    /// [`is_over`](Self::is_over) distinguishes them.
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
        let is_closed = matches!(self.reader.shared().refusal(), Some(LogError::Closed));
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
        let mut is_fresh = false;
        loop {
            let ticket = shared.changed.ticket();
            // What refuses writing was said after the last commit became visible.
            let refusal = shared.refusal();
            if !self.is_at_end() || self.reader.is_outdated() {
                return Ok(true);
            }
            if let (Some(view), false) = (&shared.view, is_fresh) {
                refresh(shared, view)?;
                is_fresh = true;
                continue;
            }
            match refusal {
                Some(LogError::Closed) => return Ok(false),
                Some(error) => return Err(error),
                None => {}
            }
            is_fresh = false;
            let clock = shared.directory.env.clock();
            let again = shared
                .view
                .as_ref()
                .map(|_| clock.monotonic() + self.interval);
            let is_over = |deadline| clock.monotonic() >= deadline;
            match (again, deadline) {
                (None, None) => shared.changed.wait(ticket),
                (None, Some(deadline)) if shared.changed.wait_until(ticket, deadline) => {}
                (None, Some(_)) => return Ok(false),
                (Some(_), Some(deadline)) if is_over(deadline) => return Ok(false),
                (Some(again), deadline) => {
                    let until = deadline.map_or(again, |deadline| deadline.min(again));
                    shared.changed.wait_until(ticket, until);
                }
            }
        }
    }
}
