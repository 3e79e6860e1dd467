//! Logical truncation: the history is cut at a transaction, for good.
//!
//! A new segment that starts with that transaction, in a new epoch, takes over. Its name is the
//! moment at which the history changes.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. write out and sync the newest segment | the old history |
//! | 2. the fork under a temporary name, `sync_all` | the old history, and a temporary file |
//! | 3. rename, `sync_dir` | the old or the new history. With the new one: segments that the fork's epoch shows to be superseded, and an uncut predecessor, in which reading stops at the fork |
//! | 4. cut the predecessor, remove what is superseded, `sync_dir` | the new history |
//! | 5. the superblock | the new history |
//!
//! Nothing is appended before step 4 is complete, so the next opening may repeat it.

use std::sync::Arc;

use super::TxOffset;
use super::chain::{Check, Step};
use super::creation::Creation;
use super::directory::Directory;
use super::error::{Failure, LogError};
use super::header::{Predecessor, SegmentFlags, SegmentHeader};
use super::link::Link;
use super::names;
use super::recovery::apply::apply_cut;
use super::recovery::continuity::Cut;
use super::seek::seek;
use super::segment::{Sealed, Segment};
use super::state::{LiveFile, State};
use super::writer::Writer;

/// Cuts the history at `tx_offset`. Everything that was encoded is published before.
pub(crate) fn truncate(writer: &mut Writer, tx_offset: TxOffset) -> Result<(), Failure> {
    writer.sync_published()?;
    let keeper = writer.keeper.clone();
    // A retention that decided before has changed the oldest offset; one that comes later will see
    // the shorter history.
    let mut keeper = keeper.lock();
    let (oldest, next) = (writer.shared.state.lock().oldest, writer.end.next);
    let asked = tx_offset;
    if asked < oldest {
        return Err(Failure::Harmless(LogError::HistoryGone { asked, oldest }));
    }
    if asked > next {
        return Err(Failure::Harmless(LogError::BeyondEnd { asked, next }));
    }
    if asked == next {
        return Ok(());
    }
    writer.expect_lock()?;
    // After a retention that failed the superblock may say that what the fork needs is retired.
    keeper.confirm().map_err(Failure::Harmless)?;
    let fork = Fork::plan(writer, tx_offset).map_err(Failure::Harmless)?;
    let directory = writer.shared.directory.clone();
    let staged = Creation::begin(&directory, fork.header, writer.options.segment_bytes_max)
        .map_err(Failure::Harmless)
        .and_then(Creation::finish)
        .inspect_err(|_| Creation::abandon(&directory, tx_offset))?;
    let shared = writer.shared.clone();
    let renaming = shared.renaming.lock();
    let new = staged.publish().map_err(Failure::Fatal)?;
    writer.expect_predecessor(&new)?;
    // Readers hear of it before any file changes.
    writer.enter_and(new, |state, _| fork.forget(state, tx_offset))?;
    drop(renaming);
    fork.finish(&directory).map_err(Failure::Fatal)?;
    drop(keeper);
    writer.note_newest();
    Ok(())
}

/// What a truncation changes.
struct Fork {
    header: SegmentHeader,
    /// The segment that holds the transaction before, and where it is cut; none if the fork takes
    /// the place of a whole segment.
    cut: Option<Sealed>,
    /// Segments that are superseded.
    superseded: Vec<TxOffset>,
}

impl Fork {
    fn plan(writer: &Writer, tx_offset: TxOffset) -> Result<Self, LogError> {
        let number = "epoch";
        let epoch = writer
            .epoch()
            .next()
            .ok_or(LogError::Exhausted { number })?;
        let state = writer.shared.state.lock();
        let (segment, sealed_end) = state.locate(tx_offset);
        let newest = state.active.segment.header;
        let mut superseded: Vec<_> = state.sealed.keys().copied().collect();
        superseded.push(newest.first);
        superseded.retain(|first| *first > tx_offset);
        let oldest = state.oldest;
        drop(state);
        let header = SegmentHeader {
            first: tx_offset,
            oldest,
            epoch,
            incarnation: writer.incarnation,
            features: newest.features,
            cut_epoch: Some(epoch),
            ..segment.header
        };
        if segment.header.first == tx_offset {
            // The fork takes the segment's name, and follows what the segment followed.
            return Ok(Self {
                header,
                cut: None,
                superseded,
            });
        }
        let limit = sealed_end.unwrap_or(writer.end);
        let end = find(writer, &segment, limit, tx_offset)?;
        let header = SegmentHeader {
            flags: SegmentFlags::FORK,
            predecessor: Some(Predecessor::new(&segment.header, end)),
            ..header
        };
        Ok(Self {
            header,
            cut: Some(Sealed { segment, end }),
            superseded,
        })
    }

    /// Has readers see the shorter history.
    fn forget(&self, state: &mut State, tx_offset: TxOffset) {
        state.truncations.push(tx_offset);
        for first in &self.superseded {
            state.sealed.remove(first);
        }
        state.sealed.remove(&tx_offset);
        if let Some(cut) = &self.cut {
            state.sealed.insert(cut.segment.header.first, cut.clone());
        }
    }

    /// Cuts and removes what the fork, which is durable, made superfluous.
    fn finish(&self, directory: &Directory) -> Result<(), LogError> {
        if let Some(cut) = Cut::before(&self.header).filter(|_| self.cut.is_some()) {
            apply_cut(directory, &cut)?;
        }
        for first in &self.superseded {
            // One that stays is known by its epoch.
            drop(directory.remove(&names::segment(*first)));
        }
        directory.sync()
    }
}

/// The place in `segment` at which the commit of `tx_offset` starts.
fn find(
    writer: &Writer,
    segment: &Arc<Segment>,
    limit: Link,
    tx_offset: TxOffset,
) -> Result<Link, LogError> {
    let file = writer.shared.open_segment(segment)?;
    let mut chain = seek(&writer.shared, segment, &file, limit, tx_offset)?;
    let link = chain.link();
    if link.next == tx_offset {
        return Ok(link);
    }
    let file = LiveFile {
        shared: &writer.shared,
        segment,
        file: &file,
    };
    match chain.step(&file, limit.at, Check::Header)? {
        Step::Frame(_) => Err(LogError::NotACommitBoundary {
            asked: tx_offset,
            first: link.next,
            end: chain.link().next,
        }),
        // It lies between this segment's end and the next one's start.
        Step::End | Step::Break(_) => Err(LogError::Lost {
            from: link.next,
            to: tx_offset,
        }),
    }
}

#[cfg(test)]
mod tests;
