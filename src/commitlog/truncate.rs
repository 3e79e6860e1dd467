//! Logical truncation: the history is cut at a transaction, for good.
//!
//! A new segment that starts with that transaction, in a new epoch and flagged as a fork, takes
//! over. Its name is the moment at which the history changes.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. write out and sync the newest segment | the old history |
//! | 2. the fork under a temporary name, `sync_all` | the old history, and a temporary file |
//! | 3. rename, `sync_dir` | the old or the new history. With the new one: segments that the fork's epoch shows to be superseded, and an uncut predecessor, in which reading stops at the fork |
//! | 4. remove what is superseded, cut the predecessor, `sync_dir` | the new history |
//!
//! Nothing is appended before step 4 is complete, so the next opening may repeat it.

use std::sync::Arc;

use super::TxOffset;
use super::chain::{Check, Link, Step};
use super::creation::Creation;
use super::error::LogError;
use super::frame::{FrameKind, MARK_BYTES};
use super::header::{SegmentFlags, SegmentHeader};
use super::names;
use super::recovery::apply::apply_cut;
use super::recovery::{Cut, seal_at};
use super::seek::seek;
use super::shared::{LiveFile, SealedSegment, Segment, State};
use super::source::Directory;
use super::writer::{Failure, Writer};
use crate::codec::ByteOffset;

/// Cuts the history at `tx_offset`. Everything that was encoded is published before.
pub(crate) fn truncate(writer: &mut Writer, tx_offset: TxOffset) -> Result<(), Failure> {
    let (oldest, next) = (writer.shared.state.lock().oldest, writer.link.next);
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
    writer.begin()?;
    writer.sync()?;
    let fork = Fork::plan(writer, tx_offset).map_err(Failure::Harmless)?;
    let directory = writer.shared.directory.clone();
    let interval = writer.options.index_interval_bytes;
    let unnamed = Creation::begin(&directory, fork.header, interval)
        .map_err(Failure::Harmless)
        .and_then(Creation::finish)
        .inspect_err(|_| Creation::abandon(&directory, tx_offset))?;
    let newborn = unnamed.publish().map_err(Failure::Fatal)?;
    // Readers hear of it before any file changes.
    writer.enter(newborn, |state, _| fork.forget(state, tx_offset));
    fork.finish(&directory).map_err(Failure::Fatal)
}

/// What a truncation changes.
struct Fork {
    header: SegmentHeader,
    /// The segment that holds the transaction before, and where it is cut; none if the fork takes
    /// the place of a whole segment.
    cut: Option<(Arc<Segment>, Cut)>,
    /// Segments that are superseded.
    superseded: Vec<TxOffset>,
}

impl Fork {
    fn plan(writer: &Writer, tx_offset: TxOffset) -> Result<Self, LogError> {
        let highest = writer.epoch();
        let epoch = highest
            .next()
            .ok_or(LogError::Exhausted { number: "epoch" })?;
        let (segment, end, superseded, oldest) = locate(writer, tx_offset);
        let header = SegmentHeader {
            flags: SegmentFlags::FORK,
            first: tx_offset,
            oldest,
            durable_through: tx_offset,
            epoch,
            ..segment.header
        };
        if segment.header.first == tx_offset {
            // The fork takes the segment's name, and continues what the segment continued.
            return Ok(Self {
                header,
                cut: None,
                superseded,
            });
        }
        let seal = seal_at(&segment.header, find(writer, &segment, end, tx_offset)?);
        let header = SegmentHeader {
            chain: seal.checksum,
            ..header
        };
        Ok(Self {
            header,
            cut: Some((segment, seal)),
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
        if let Some((segment, cut)) = &self.cut {
            let len = cut.at.plus(MARK_BYTES as u64);
            let sealed = SealedSegment {
                segment: segment.clone(),
                len,
            };
            state.sealed.insert(segment.header.first, sealed);
        }
    }

    /// Removes and cuts what the fork, which is durable, made superfluous.
    fn finish(&self, directory: &Directory) -> Result<(), LogError> {
        if let Some((_, cut)) = &self.cut {
            apply_cut(directory, cut)?;
        }
        for first in &self.superseded {
            directory.remove(&names::segment(*first))?;
            directory.remove(&names::index(*first))?;
        }
        directory.sync()
    }
}

/// The segment that holds `tx_offset`, its end, all that start behind it, and the oldest offset.
fn locate(
    writer: &Writer,
    tx_offset: TxOffset,
) -> (Arc<Segment>, ByteOffset, Vec<TxOffset>, TxOffset) {
    let state = writer.shared.state.lock();
    let active = state.active.segment.header.first;
    let mut superseded: Vec<_> = state.sealed.keys().copied().chain([active]).collect();
    superseded.retain(|first| *first > tx_offset);
    let sealed = state.sealed.range(..=tx_offset).next_back();
    match sealed.filter(|_| tx_offset < active) {
        Some((_, sealed)) => (sealed.segment.clone(), sealed.len, superseded, state.oldest),
        None => (
            state.active.segment.clone(),
            writer.link.at,
            superseded,
            state.oldest,
        ),
    }
}

/// The place in `segment` at which the commit of `tx_offset` starts.
fn find(
    writer: &Writer,
    segment: &Arc<Segment>,
    end: ByteOffset,
    tx_offset: TxOffset,
) -> Result<Link, LogError> {
    let file = writer.shared.open_segment(segment)?;
    let mut chain = seek(&writer.shared, segment, &file, end, tx_offset)?;
    let link = chain.link();
    if link.next == tx_offset {
        return Ok(link);
    }
    let file = LiveFile {
        shared: &writer.shared,
        segment,
        file: &file,
    };
    let step = chain.step(&file, end, Check::Header)?;
    let (first, end) = (link.next, chain.link().next);
    match step {
        Step::Frame(frame) if frame.kind == FrameKind::Lost => Err(LogError::Lost {
            from: first,
            to: end,
        }),
        Step::Frame(_) => Err(LogError::NotACommitBoundary {
            asked: tx_offset,
            first,
            end,
        }),
        Step::End | Step::Break(_) => unreachable!("this frame was just read"),
    }
}

#[cfg(test)]
mod tests;
