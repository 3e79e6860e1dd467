//! Salvage: a corrupt log is made whole again around what was lost.
//!
//! It decides, then does. The survey reads the whole log and says which segments are to be written
//! anew and with what; then each is written under a temporary name, synced, and takes the damaged
//! one's name, while the damaged file keeps another. What is missing becomes a lost mark, so that
//! offsets do not shift and no reader passes over it unknowingly.
//!
//! Invariants:
//! - \[I1\] Salvage drops nothing that can be read: every valid frame that continues the history
//!   comes into the new segment with its offset.
//! - \[I2\] It only follows evidence. What no evidence covers is a tail, as in any recovery.
//! - \[I3\] A damaged file is kept, durably, before its name is given to the new one. A crash at
//!   any
//!   step leaves a log that the next salvage goes on from.
//! - \[I4\] What it keeps is durable before it writes anything.
//! - \[I5\] A pair of epoch and offset that was given is not given again. Where what is lost may
//!   have had a later epoch than all that is left, epochs are passed over, and that is written
//!   before anything that shows the loss is replaced.
//! - \[I6\] Segments of another log, unknown formats, overlaps, wrong chains and read errors are no
//!   damage that could be left out; they stay errors.

mod survey;
mod walk;

use std::io;
use std::ops::Range;

use blackstart_vfs::OpenOptions;

use super::TxOffset;
use super::chain::{Chain, Check, Identity, Link, Step};
use super::creation::Creation;
use super::error::{Evidence, LogError};
use super::frame::{FrameKind, MARK_BYTES, Mark};
use super::header::SegmentFlags;
use super::names;
use super::recovery::heads::{Listing, header, last_mark};
use super::source::{Directory, OpenFile, ReadAt, SourceFile};
use super::writer::Failure;
use crate::codec::ByteOffset;
use survey::{Rewrite, survey};

/// How many copies of one damaged segment are kept.
const DAMAGED_MAX: u32 = 1000;

/// What a salvage gave up and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// Ranges that are lost.
    pub lost: Vec<Range<TxOffset>>,
    /// Copies of damaged segments.
    pub damaged: Vec<String>,
}

/// Part of a segment as it is written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Frames of the old segment, from a place in it to the end of its chain there.
    Frames {
        /// Identity of the old frames.
        identity: Identity,
        /// The first.
        from: Link,
        /// Behind the last.
        to: ByteOffset,
    },
    /// Nothing is left of these.
    Lost(Range<TxOffset>),
}

/// Writes anew what is damaged.
pub(crate) fn repair(
    directory: &Directory,
    durable_through: Option<TxOffset>,
) -> Result<Salvaged, LogError> {
    let mut salvaged = Salvaged::default();
    let mut seal = 0;
    let rewrites = survey(directory, durable_through)?;
    if !rewrites.is_empty() {
        settle(directory, &rewrites)?;
    }
    for rewrite in rewrites {
        seal = write(directory, rewrite, seal, &mut salvaged)?;
    }
    salvaged.lost.sort_by_key(|range| range.start);
    salvaged.damaged.sort_unstable();
    Ok(salvaged)
}

/// Makes durable what was seen. What is damaged, and is to be kept as such, may be so in the page
/// cache only. And of the segments that stay an opening may have cut one and ended before it synced
/// the cut, or its sync may have failed; that it was to be made once more is told by a header of
/// the segments behind, and it is those that are written anew. So each seal is written again behind
/// which a fork goes on, or something of which the header is lost, as any opening does that finds
/// such a cut. If a crash tears it, the fork still tells where the cut was. All other seals were
/// durable before there was anything behind them, and a tear would cost them.
fn settle(directory: &Directory, rewrites: &[Rewrite]) -> Result<(), LogError> {
    let listing = Listing::read(directory)?.unwrap_or_default();
    let is_kept = |first: &TxOffset| {
        let mut rewritten = rewrites.iter().map(|rewrite| rewrite.header.first);
        rewritten.all(|rewritten| rewritten != *first)
    };
    let following = listing.segments.iter().skip(1).copied().map(Some);
    let following: Vec<_> = following.chain([None]).collect();
    for (first, next) in listing.segments.into_iter().zip(following) {
        let name = names::segment(first);
        let file = directory.open_file(&name, OpenOptions::new().read().write())?;
        let file = OpenFile { file, name };
        if let Some(next) = next
            && is_kept(&first)
            && may_be_fork(directory, next)?
            && let Some(at) = seal(&file)?
        {
            let mut seal = [0; MARK_BYTES];
            file.read_full_at(&mut seal, at.get())?;
            file.write(&seal, at.get())?;
        }
        file.sync_all()?;
    }
    directory.sync()
}

/// Whether a segment takes over from a place of the one before, as far as its header tells.
fn may_be_fork(directory: &Directory, first: TxOffset) -> Result<bool, LogError> {
    let name = names::segment(first);
    let file = directory.open_file(&name, OpenOptions::new().read())?;
    let header = header(&OpenFile { file, name })?;
    Ok(header.map_or(true, |header| header.flags.contains(SegmentFlags::FORK)))
}

/// Where a segment's seal stands, if it ends with one: a cut that was recorded may not be made yet.
fn seal(file: &OpenFile) -> Result<Option<ByteOffset>, LogError> {
    let Ok(header) = header(file)? else {
        return Ok(None);
    };
    let last = last_mark(file, &header, ByteOffset::new(file.len()?))?;
    let seal = last.filter(|last| last.header.kind == FrameKind::Seal);
    Ok(seal.map(|seal| seal.at))
}

/// Writes one segment anew and returns the checksum of its seal. `before` is that of the segment
/// written before it.
fn write(
    directory: &Directory,
    rewrite: Rewrite,
    before: u32,
    salvaged: &mut Salvaged,
) -> Result<u32, LogError> {
    let mut header = rewrite.header;
    if rewrite.continues_rewritten {
        header.chain = before;
    }
    let name = names::segment(header.first);
    // No index is made of it: that is done when somebody seeks there.
    let mut creation = Creation::begin(directory, header, u64::MAX)?;
    for piece in rewrite.pieces {
        match piece {
            Piece::Lost(range) => {
                creation.push_lost(range.end)?;
                salvaged.lost.push(range);
            }
            Piece::Frames { identity, from, to } => {
                let file = directory.open_file(&name, OpenOptions::new().read())?;
                let file = OpenFile {
                    file,
                    name: name.clone(),
                };
                copy(&file, Chain::new(identity, from), to, &mut creation)?;
            }
        }
    }
    let seal = match rewrite.stands_for {
        Some(checksum) => creation.push_seal(checksum)?,
        None => 0,
    };
    let ready = creation.finish().map_err(Failure::into_error)?;
    if rewrite.replaces {
        salvaged.damaged.push(keep(directory, header.first)?);
    }
    ready.publish()?;
    Ok(seal)
}

fn copy(
    file: &OpenFile,
    mut chain: Chain,
    to: ByteOffset,
    creation: &mut Creation,
) -> Result<(), LogError> {
    loop {
        match chain.step(file, to, Check::Payload)? {
            Step::Frame(frame) if frame.kind == FrameKind::Commit => {
                creation.push(frame, chain.payload(), chain.link().next)?;
            }
            Step::Frame(frame) if frame.kind == FrameKind::Lost => {
                creation.push_lost(chain.link().next)?;
            }
            // Other marks spoke of the old segment.
            Step::Frame(_) => {}
            Step::End => return Ok(()),
            Step::Break(defect) => {
                let corrupt = defect.in_file(file.name.as_str());
                return Err(LogError::Corrupt {
                    corrupt,
                    evidence: Evidence::ReadBefore,
                });
            }
        }
    }
}

/// Gives the damaged file a second name, durably.
fn keep(directory: &Directory, first: TxOffset) -> Result<String, LogError> {
    let from = names::segment(first);
    for attempt in 0..DAMAGED_MAX {
        let name = names::damaged(first, attempt);
        let fs = directory.env.fs();
        match fs.hard_link(&directory.file(&from), &directory.file(&name)) {
            Ok(()) => {
                directory.sync()?;
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(LogError::io(from, "keep the damaged file", error)),
        }
    }
    Err(LogError::Exhausted {
        number: "name for a damaged segment",
    })
}

impl Creation {
    /// Appends a mark that the transactions up to `to` are lost.
    fn push_lost(&mut self, to: TxOffset) -> Result<(), LogError> {
        let mark = Mark {
            kind: FrameKind::Lost,
            number: to.get(),
        };
        self.push_mark(mark, to).map(|_| ())
    }

    /// Appends a seal that stands for the one the successor continues.
    fn push_seal(&mut self, stands_for: u32) -> Result<u32, LogError> {
        let next = self.link().next;
        self.push_mark(
            Mark {
                kind: FrameKind::Seal,
                number: stands_for.into(),
            },
            next,
        )
    }
}

#[cfg(test)]
mod tests;
