//! The handle of a writable log.
//!
//! Not here: what it does. Opening is `open`, committing is `group` above `writer`, and truncation
//! and retention have their files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blackstart_vfs::Env;

use super::commit::Visitor;
use super::core::Core;
use super::error::LogError;
use super::follow::Follower;
use super::group::Ticket;
use super::open;
use super::options::{Durability, Features, LogOptions, ReadScope};
use super::queue::CommitOwner;
use super::reader::Reader;
use super::report::RecoveryReport;
use super::retain::{Pin, SegmentInfo};
use super::state::{LogStats, Phase};
use super::truncate::truncate;
use super::writer::{Committed, Writer};
use super::{Epoch, Incarnation, LogId, TxOffset};

/// A writable log. Clones are the same log.
///
/// Dropping the last clone releases the directory lock and does no I/O: commits at level
/// [`Durability::Buffered`] that are still in the buffer are lost, as if the process had died.
/// [`close`](Self::close) first.
#[derive(Clone, Debug)]
pub struct Log {
    core: Arc<Core>,
}

impl Log {
    /// Opens the log in `dir` (relative to the environment's root; "" is the root itself) and
    /// recovers. When this returns, all that the log shows is durable.
    ///
    /// # Errors
    /// By [`LogError::class`]. Of the caller: [`LogError::NotFound`], [`LogError::AlreadyExists`],
    /// [`LogError::Locked`], [`LogError::InvalidOption`]. Damage: nothing was changed, but for
    /// temporary files that were removed; [`salvage`](super::salvage) reads what is left.
    /// [`LogError::NoSpace`]: [`LogOptions::retain_from`] frees some. After an error of the system
    /// the next opening goes on where this one stopped.
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        Self::opened(open::open(env, dir.as_ref(), options, None)?)
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

    /// As [`open`](Self::open), and hands each commit that ends behind `from` to `visitor`, in log
    /// order, in the pass that checks it. If this fails, the visitor was called in vain.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`LogError::HistoryGone`] if `from` is not kept any more;
    /// [`LogError::Visitor`].
    pub fn open_and_visit(
        env: &Env,
        dir: impl AsRef<Path>,
        options: LogOptions,
        from: TxOffset,
        visitor: &mut Visitor<'_>,
    ) -> Result<(Self, RecoveryReport), LogError> {
        let visit = Some((from, visitor));
        Self::opened(open::open(env, dir.as_ref(), options, visit)?)
    }

    fn opened((core, report): (Core, RecoveryReport)) -> Result<(Self, RecoveryReport), LogError> {
        let core = Arc::new(core);
        Ok((Self { core }, report))
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
        self.core.commit(records, durability, None)
    }

    /// As [`commit`](Self::commit), for an owner that is told where the commit stands.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); [`LogError::Refused`].
    pub fn commit_owned<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
        owner: Arc<dyn CommitOwner>,
    ) -> Result<Committed, LogError> {
        self.core.commit(records, durability, Some(owner))
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
        self.core.submit(records, durability, None)
    }

    /// As [`submit`](Self::submit), for an owner that is told where the commit stands.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn submit_owned<R: AsRef<[u8]>>(
        &self,
        records: &[R],
        durability: Durability,
        owner: Arc<dyn CommitOwner>,
    ) -> Result<Ticket, LogError> {
        self.core.submit(records, durability, Some(owner))
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
            writer.sync_published()?;
            Ok(writer.durable.next)
        })
    }

    /// Makes everything before `tx_offset` durable, and carries out nobody's queue; returns the
    /// offset before which all is durable.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn sync_through(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        self.core.sync_through(tx_offset)
    }

    /// Starts another segment, unless the newest one has no commits. It may stay empty: then all
    /// history before it can be retired.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the newest segment goes on.
    pub fn rotate(&self) -> Result<(), LogError> {
        self.core.rotate(Features::NONE)
    }

    /// Starts another segment whose header has these feature bits as well, durably: before the
    /// first commit that needs them.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the newest segment goes on, without them.
    pub fn raise_features(&self, features: Features) -> Result<(), LogError> {
        self.core.rotate(features)
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

    /// Removes the full segments that hold only transactions below `tx_offset` and that nobody
    /// pinned, after the archive hook has seen each; returns the oldest transaction that is kept.
    /// Commits go on meanwhile. It takes no space. A file that cannot be removed stays until the
    /// next opening.
    ///
    /// # Errors
    /// [`LogError::Archive`]: the segments before the refused one are removed.
    /// [`LogError::Poisoned`], [`LogError::Closed`]: the hook was not called. [`LogError::Io`]:
    /// nothing is retired, though the next opening may do it; or all is, and the files go then.
    pub fn retain_from(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        self.core.retain_from(tx_offset)
    }

    /// The segments of the log, oldest first, as far as they are durable: with a [`Pin`], what a
    /// backup copies or links.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.core.segments()
    }

    /// Keeps history from `from` on, whatever is retained, until the pin is dropped.
    ///
    /// # Errors
    /// [`LogError::HistoryGone`].
    pub fn pin(&self, from: TxOffset) -> Result<Pin, LogError> {
        self.core.pin(from)
    }

    /// Makes everything durable, marks the end as clean, so that the next opening need not scan,
    /// and releases the directory lock. Further writes get [`LogError::Closed`]; readers go on.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: the log stays open. [`LogError::Poisoned`] and others: the lock is
    /// released once all handles are dropped.
    pub fn close(&self) -> Result<(), LogError> {
        if matches!(self.core.shared.refusal(), Some(LogError::Closed)) {
            return Ok(());
        }
        let lock = self.core.with_writer(|writer| {
            writer.write_close_mark()?;
            writer.publish(|_| {});
            writer.shared.state.lock().phase = Phase::Closed;
            Ok(writer.lock.take())
        })?;
        drop(lock);
        // Followers learn that nothing more will come.
        self.core.shared.changed.notify_all();
        Ok(())
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
        Ok(Follower::new(self.reader_of(from, scope)?, Duration::ZERO))
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

    /// This opening.
    pub fn incarnation(&self) -> Incarnation {
        self.core.incarnation
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
        match &self.core.shared.state.lock().phase {
            Phase::Poisoned(cause) => Some(cause.clone()),
            Phase::Found | Phase::Writing | Phase::Closed => None,
        }
    }
}

#[cfg(test)]
mod tests;
