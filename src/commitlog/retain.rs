//! Retention: the oldest segments are archived and removed.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. the archive hook, for each segment | everything |
//! | 2. the superblock names the new oldest offset, synced | everything; the next opening removes what is below |
//! | 3. segments are removed | any of them, in any order |
//! | 4. `sync_dir` | the shorter log |
//!
//! The superblock comes before any removal, so that a retired segment is told from a lost one. The
//! writer is free meanwhile: commits wait for nothing here.

use std::sync::Arc;

use super::TxOffset;
use super::core::Core;
use super::directory::Directory;
use super::error::LogError;
use super::ids::Epoch;
use super::options::{ArchiveHook, ArchiveSegment};
use super::segment::Sealed;
use super::source::LogSource;
use super::state::{Shared, State};

/// Keeps the segments of an open log from being retired. Dropping it gives them free.
#[derive(Debug)]
pub struct Pin {
    core: Arc<Core>,
    id: u64,
    from: TxOffset,
}

impl Pin {
    /// The transaction from which on history is kept.
    pub fn from(&self) -> TxOffset {
        self.from
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.core.shared.state.lock().pins.remove(&self.id);
    }
}

/// A segment of an open log, for who copies or links its file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Its file, relative to the root of the environment.
    pub path: std::path::PathBuf,
    /// The transactions in it that are durable.
    pub range: std::ops::Range<TxOffset>,
    /// If the history was cut where it begins: the epoch that began then.
    pub cut_epoch: Option<Epoch>,
    /// How many bytes from the file's start are part of the log, and durable.
    pub bytes: u64,
    /// Whether another segment follows, so that this one will not change.
    pub is_full: bool,
}

impl Shared {
    /// The segments of the log, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.state.lock();
        let path = |name: &str| self.directory.path_of(name);
        let full = state.sealed.values().map(|sealed| SegmentInfo {
            path: path(&sealed.segment.name),
            range: sealed.segment.header.first..sealed.end.next,
            cut_epoch: sealed.segment.header.cut_epoch,
            bytes: sealed.end.at.get(),
            is_full: true,
        });
        let active = &state.active.segment;
        let newest = SegmentInfo {
            path: path(&active.name),
            range: active.header.first..state.durable.next,
            cut_epoch: active.header.cut_epoch,
            bytes: state.durable.at.get(),
            is_full: false,
        };
        full.chain([newest]).collect()
    }
}

impl Core {
    /// Keeps history from `from` on.
    pub fn pin(self: &Arc<Self>, from: TxOffset) -> Result<Pin, LogError> {
        let mut state = self.shared.state.lock();
        let (asked, oldest) = (from, state.retiring.unwrap_or(state.oldest));
        if asked < oldest {
            return Err(LogError::HistoryGone { asked, oldest });
        }
        let id = state.pin_next;
        state.pin_next += 1;
        state.pins.insert(id, from);
        let core = self.clone();
        Ok(Pin { core, id, from })
    }

    /// The segments of the log, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.shared.segments()
    }

    /// Removes segments that hold only transactions below `tx_offset`; returns the oldest
    /// transaction that is kept.
    pub fn retain_from(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        // One at a time, so that no segment is archived twice.
        let _turn = self.retention.lock();
        self.expect_owner()?;
        let candidates = retirable(&self.shared.state.lock(), tx_offset);
        let directory = &self.shared.directory;
        let (archived, refused) = archive(directory, self.archive.as_ref(), candidates);
        self.retire(archived)?;
        match refused {
            Some(error) => Err(error),
            None => Ok(self.shared.state.lock().oldest),
        }
    }

    /// Records the new oldest offset and removes the segments before it.
    fn retire(&self, archived: Vec<(Sealed, TxOffset)>) -> Result<(), LogError> {
        let mut keeper = self.keeper.lock();
        let mut state = self.shared.state.lock();
        // A truncation may have taken some of them, and somebody may have pinned some.
        let (retired, oldest) = still_retirable(&state, archived);
        let Some(oldest) = oldest else {
            return Ok(());
        };
        // From here on nobody can pin it.
        state.retiring = Some(oldest);
        drop(state);
        let updated = keeper.update(|superblock| superblock.oldest = oldest);
        let mut state = self.shared.state.lock();
        state.retiring = None;
        updated?;
        state.oldest = oldest;
        for sealed in &retired {
            state.sealed.remove(&sealed.segment.header.first);
        }
        drop(state);
        drop(keeper);
        remove(&self.shared.directory, &retired)
    }
}

/// Segments that end at or before `tx_offset` and that nobody pinned, oldest first, with their
/// ends.
pub(crate) fn retirable(state: &State, tx_offset: TxOffset) -> Vec<(Sealed, TxOffset)> {
    let pinned = state.pins.values().min().copied();
    let limit = pinned.map_or(tx_offset, |pinned| pinned.min(tx_offset));
    let active = state.active.segment.header.first;
    let ends = state.sealed.keys().skip(1).copied().chain([active]);
    let with_ends = state.sealed.values().cloned().zip(ends);
    with_ends.take_while(|(_, end)| *end <= limit).collect()
}

/// Has the archive hook see each segment; returns those that it took, and why it stopped.
pub(crate) fn archive(
    directory: &Directory,
    hook: Option<&ArchiveHook>,
    candidates: Vec<(Sealed, TxOffset)>,
) -> (Vec<(Sealed, TxOffset)>, Option<LogError>) {
    let Some(hook) = hook else {
        return (candidates, None);
    };
    let mut archived = Vec::new();
    for (sealed, end) in candidates {
        let segment = ArchiveSegment {
            path: directory.path_of(&sealed.segment.name),
            range: sealed.segment.header.first..end,
            bytes: sealed.end.at.get(),
        };
        if let Err(error) = hook(&segment) {
            let refused = LogError::Archive {
                file: directory.shown(&sealed.segment.name),
                source: Arc::from(error),
            };
            return (archived, Some(refused));
        }
        archived.push((sealed, end));
    }
    (archived, None)
}

/// Of the segments that were archived, those that may be removed now; and the oldest offset then.
fn still_retirable(
    state: &State,
    archived: Vec<(Sealed, TxOffset)>,
) -> (Vec<Sealed>, Option<TxOffset>) {
    let Some((_, limit)) = archived.last() else {
        return (Vec::new(), None);
    };
    let now = retirable(state, *limit);
    let is_same = |((sealed, _), (then, _)): &((Sealed, TxOffset), (Sealed, TxOffset))| {
        Arc::ptr_eq(&sealed.segment, &then.segment) && sealed.end == then.end
    };
    let same = now.into_iter().zip(archived).take_while(is_same);
    let mut oldest = None;
    let retired = same.map(|((sealed, end), _)| {
        oldest = Some(end);
        sealed
    });
    (retired.collect(), oldest)
}

/// Removes segments that are retired, durably. One that cannot be removed stays: the superblock
/// says that it is no part of the log, and the next opening tries again.
pub(crate) fn remove(directory: &Directory, retired: &[Sealed]) -> Result<(), LogError> {
    for sealed in retired {
        drop(directory.remove(&sealed.segment.name));
    }
    directory.sync()
}

#[cfg(test)]
mod tests;
