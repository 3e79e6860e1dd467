//! A log opened for reading only.
//!
//! What it shows need not be durable: it is what the operating system has. A directory without
//! write permission will do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blackstart_vfs::Env;

use super::directory::Directory;
use super::error::LogError;
use super::follow::Follower;
use super::options::{LogOptions, ReadScope};
use super::reader::Reader;
use super::report::RecoveryReport;
use super::retain::SegmentInfo;
use super::state::{Shared, View};
use super::view::{look, refresh};
use super::{Epoch, Incarnation, LogId, TxOffset};

/// A log opened for reading only: it takes no lock, writes nothing, and may be read while another
/// process writes.
#[derive(Debug)]
pub struct ReadOnlyLog {
    shared: Arc<Shared>,
}

impl ReadOnlyLog {
    /// Opens the log in `dir` as it is now. Of the options those matter that say what is known of
    /// the log (`durable_through`, `known_features`) and how much of it to show (`history_end`).
    ///
    /// # Errors
    /// As [`Log::open`](super::Log::open), but for locks; [`LogError::NotACommitBoundary`] of
    /// `history_end`.
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        options.check()?;
        let directory = Directory::open(env, dir.as_ref())?;
        let view = View::new(&directory, &options);
        let (state, plan, report) = look(&directory, &view)?;
        let shared = Shared::new(directory, plan.log_id(), Some(view), state);
        let shared = Arc::new(shared);
        Ok((Self { shared }, report))
    }

    /// As [`open`](Self::open), for a path of the operating system.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_path(
        path: impl AsRef<Path>,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        Self::open(&Env::os(path), "", options)
    }

    /// Reads the log again: what was written since becomes visible. Readers go on, unless the
    /// history was cut below them.
    ///
    /// # Errors
    /// As [`open`](Self::open); what was visible before stays so.
    pub fn refresh(&self) -> Result<RecoveryReport, LogError> {
        let Some(view) = &self.shared.view else {
            unreachable!("a read-only log has a view");
        };
        refresh(&self.shared, view).map(|(_, report)| report)
    }

    /// A reader from the commit that holds `from` on.
    ///
    /// # Errors
    /// [`LogError::HistoryGone`], [`LogError::BeyondEnd`].
    pub fn reader(&self, from: TxOffset) -> Result<Reader, LogError> {
        Reader::new(self.shared.clone(), from, ReadScope::Visible)
    }

    /// A reader that waits for new commits of the process that writes the log, which it looks for
    /// every `interval`.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn follow(&self, from: TxOffset, interval: Duration) -> Result<Follower, LogError> {
        Ok(Follower::new(self.reader(from)?, interval))
    }

    /// The offset before which all transactions are visible.
    pub fn visible_through(&self) -> TxOffset {
        self.shared.frontier(ReadScope::Visible)
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        self.shared.state.lock().oldest
    }

    /// The segments of the log, oldest first, as far as they are shown.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.segments()
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.shared.log_id
    }

    /// The epoch of the newest segment that is shown, and the opening that wrote it.
    pub fn epoch(&self) -> (Incarnation, Epoch) {
        let state = self.shared.state.lock();
        let header = &state.active.segment.header;
        (header.incarnation, header.epoch)
    }
}
