//! The handle of a writable log.
//!
//! Not here: what it does. Opening is `open`, committing is `group`, and rotation, truncation and
//! retention have their files.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{Env, Lock};
use parking_lot::Mutex;

use super::error::LogError;
use super::follow::Follower;
use super::group::{Committed, LogStats, Queue, Ticket};
use super::open;
use super::options::{ArchiveHook, Durability, LogOptions};
use super::reader::{ReadScope, Reader};
use super::report::RecoveryReport;
use super::rotate::rotate;
use super::shared::Shared;
use super::truncate::truncate;
use super::writer::{Failure, Writer};
use super::{Epoch, LogId, TxOffset};

/// A writable log. Clones are the same log.
///
/// Dropping the last clone gives the directory free and does no I/O: commits at level
/// [`Durability::Buffered`] that are still in the buffer are lost, as if the process had died.
/// [`close`](Self::close) first.
#[derive(Clone, Debug)]
pub struct Log {
    core: Arc<Core>,
}

/// A log that is open for writing, as its handles and tickets share it.
pub(crate) struct Core {
    pub shared: Arc<Shared>,
    pub writer: blackstart_vfs::Mutex<Writer>,
    pub queue: Queue,
    /// A queue with this many bytes is worked off by whoever adds to it.
    pub queue_bytes_max: u64,
    pub frame_bytes_max: u64,
    pub archive: Option<ArchiveHook>,
    /// Held while segments are archived and removed.
    pub retention: blackstart_vfs::Mutex<()>,
    /// The directory's lock, until the log is closed.
    pub lock: Mutex<Option<Box<dyn Lock>>>,
}

impl Log {
    /// Opens the log in `dir` (relative to the environment's root; "" is the root itself) and
    /// recovers. When this returns, all that the log shows is durable.
    ///
    /// # Errors
    /// [`LogError::NotFound`], [`LogError::AlreadyExists`], [`LogError::Locked`] and
    /// [`LogError::InvalidOption`] are the caller's. [`LogError::Corrupt`], [`LogError::Gap`],
    /// [`LogError::Overlap`], [`LogError::WrongChain`], [`LogError::EpochOrder`],
    /// [`LogError::Foreign`] and [`LogError::SegmentsMissing`] say that the log is damaged, and
    /// nothing was changed; [`LogOptions::salvage`] opens what is left. An error of the system
    /// leaves a log that the next opening recovers from where this one stopped.
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let (core, report) = open::open(env, dir.as_ref(), options)?;
        Ok((
            Self {
                core: Arc::new(core),
            },
            report,
        ))
    }

    /// Appends one commit, whose transactions are `records`, and waits until it has reached its
    /// level. On disk the commit is there whole or not at all.
    ///
    /// If the process dies before this returns, the commit may be there after recovery or not; if
    /// it has returned, it survives what its level promises.
    ///
    /// # Errors
    /// [`LogError::EmptyCommit`], [`LogError::CommitTooLarge`]: nothing happened.
    /// [`LogError::NoSpace`]: it is not in the log and will not be; the log goes on.
    /// [`LogError::Poisoned`], [`LogError::Io`]: whether it is in the log is settled by the next
    /// opening.
    pub fn commit<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
    ) -> Result<Committed, LogError> {
        self.core.commit(records, durability)
    }

    /// Hands in a commit without waiting. It is carried out when somebody waits for it or for a
    /// later one, or flushes, syncs or closes the log.
    ///
    /// # Errors
    /// [`LogError::EmptyCommit`], [`LogError::CommitTooLarge`], [`LogError::Poisoned`],
    /// [`LogError::Closed`]: nothing happened.
    pub fn submit<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
    ) -> Result<Ticket, LogError> {
        self.core.submit(records, durability)
    }

    /// Hands everything that was committed to the operating system: it then survives the end of
    /// the process.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: acknowledged commits stay in the buffer and are tried again.
    pub fn flush(&self) -> Result<(), LogError> {
        self.core.with_writer(Writer::flush)
    }

    /// Makes everything that was committed durable; returns the offset before which all is.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: as for [`flush`](Self::flush). A failing sync poisons the log.
    pub fn sync(&self) -> Result<TxOffset, LogError> {
        self.core.with_writer(|writer| {
            writer.sync()?;
            writer.publish(|_| {});
            Ok(writer.durable.tx)
        })
    }

    /// Seals the newest segment and starts another, unless it has no commits.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the newest segment goes on.
    pub fn rotate(&self) -> Result<(), LogError> {
        self.core.with_writer(rotate)
    }

    /// Cuts the history: when this returns, the transactions from `tx_offset` on are gone,
    /// durably and for ever; their offsets are given again, in a later epoch. After a crash
    /// before that, they are all there or all gone.
    ///
    /// # Errors
    /// [`LogError::NotACommitBoundary`], [`LogError::BeyondEnd`], [`LogError::HistoryGone`],
    /// [`LogError::NoSpace`]: nothing happened.
    pub fn truncate_to(&self, tx_offset: TxOffset) -> Result<(), LogError> {
        self.core.with_writer(|writer| truncate(writer, tx_offset))
    }

    /// Removes the sealed segments that hold only transactions below `tx_offset`, after the
    /// archive hook has seen each; returns the oldest transaction that is kept. The hook may take
    /// its time: commits go on meanwhile.
    ///
    /// # Errors
    /// [`LogError::Archive`]: the segments before the refused one are removed.
    /// [`LogError::Poisoned`], [`LogError::Closed`]: the hook was not called.
    pub fn retain_from(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        self.core.retain_from(tx_offset)
    }

    /// Makes everything durable, marks the end as clean, so that the next opening need not scan,
    /// and gives the directory free. A log that was found closed gets its mark once more: it may
    /// have been in the page cache only. Further writes get [`LogError::Closed`]; readers go on.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the log stays open. [`LogError::Poisoned`] and others: the
    /// directory is free once all handles are dropped.
    pub fn close(&self) -> Result<(), LogError> {
        self.core.close()
    }

    /// A reader of what is visible, from the commit that holds `from` on.
    ///
    /// # Errors
    /// [`LogError::HistoryGone`], [`LogError::BeyondEnd`].
    pub fn reader(&self, from: TxOffset) -> Result<Reader, LogError> {
        self.reader_of(from, ReadScope::Visible)
    }

    /// A reader of what is visible, or only of what is synced.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn reader_of(&self, from: TxOffset, scope: ReadScope) -> Result<Reader, LogError> {
        Reader::new(self.core.shared.clone(), from, scope)
    }

    /// A reader that waits for new commits.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn follow(&self, from: TxOffset, scope: ReadScope) -> Result<Follower, LogError> {
        Ok(Follower::new(self.reader_of(from, scope)?))
    }

    /// The offset before which all transactions are visible: that of the next one, when nothing
    /// is in flight.
    pub fn visible_through(&self) -> TxOffset {
        self.core.shared.frontier(ReadScope::Visible)
    }

    /// The offset before which all transactions are durable.
    pub fn durable_through(&self) -> TxOffset {
        self.core.shared.frontier(ReadScope::Synced)
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        self.core.shared.state.lock().oldest
    }

    /// The epoch in which the log writes.
    pub fn epoch(&self) -> Epoch {
        self.core.shared.state.lock().active.segment.header.epoch
    }

    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.core.shared.log_id
    }

    /// Counters since the opening.
    pub fn stats(&self) -> LogStats {
        self.core.shared.state.lock().stats
    }

    /// The failure that poisoned the log, if one did.
    pub fn poison(&self) -> Option<Arc<LogError>> {
        self.core.shared.state.lock().poison.clone()
    }
}

impl Core {
    /// Runs `body` on the writer, after everything that is queued was carried out. Commits that
    /// fail there have told their clients.
    pub fn with_writer<R>(
        &self,
        body: impl FnOnce(&mut Writer) -> Result<R, Failure>,
    ) -> Result<R, LogError> {
        let mut writer = self.writer.lock();
        let led = self.lead(&mut writer, None);
        let result = match led {
            // A lack of space for them need not be one for this.
            Ok(_) | Err(LogError::NoSpace { .. }) => {
                writer.guard(|writer| body(writer).map_err(|failure| writer.settle(failure)))
            }
            Err(error) => Err(error),
        };
        drop(writer);
        self.shared.changed.notify_all();
        result
    }

    fn close(&self) -> Result<(), LogError> {
        if matches!(self.shared.refusal(), Some(LogError::Closed)) {
            return Ok(());
        }
        self.with_writer(|writer| {
            let oldest = writer.shared.state.lock().oldest;
            writer.write_close_mark(oldest)?;
            writer.publish(|_| {});
            writer.shared.state.lock().closed = true;
            Ok(())
        })?;
        let lock = self.lock.lock().take();
        drop(lock);
        // Followers learn that nothing more will come.
        self.shared.changed.notify_all();
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Followers outlive the handles and would wait for ever.
        self.shared.state.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("directory", &self.shared.directory.name())
            .finish()
    }
}

#[cfg(test)]
mod tests;
