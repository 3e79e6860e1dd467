//! Looking at a log from outside: what is in its files, and whether all of it is good.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] Memory is one chunk of a segment, or one frame if that is larger.

use std::ops::Range;
use std::path::Path;

use blackstart_vfs::Env;

use super::TxOffset;
use super::chain::{Chain, Check, each_frame};
use super::directory::Directory;
use super::error::{Evidence, LogError};
use super::frame::{FrameHeader, FrameKind};
use super::header::{HeaderProblem, SegmentHeader};
use super::link::Link;
use super::names;
use super::options::LogOptions;
use super::recovery::evidence::look_ahead;
use super::recovery::listing::{Head, HeadFile, Known, Listing};
use super::recovery::{Beforehand, Plan, Planned, plan};
use super::report::{FileReason, RecoveryReport};
use super::source::LogSource;
use super::superblock::Superblock;
use super::view::read_steadily;
use crate::codec::{ByteOffset, Defect};

/// Something seen in a log's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inspected {
    /// A segment begins.
    Segment {
        /// Its file name.
        file: String,
        /// The file's length.
        bytes: u64,
        /// Its header, or what is wrong with it.
        header: Result<SegmentHeader, HeaderProblem>,
    },
    /// A frame of that segment that continues the chain.
    Frame {
        /// Where it stands.
        at: ByteOffset,
        /// Its header; the payload's checksum was checked.
        frame: FrameHeader,
        /// The transaction after it.
        end: TxOffset,
    },
    /// The chain of that segment ends before the file does.
    Break {
        /// Why.
        defect: Defect,
        /// The bytes from there to the last one that is not zero.
        bytes: u64,
        /// Valid frames among them.
        later_frames: u64,
    },
    /// A segment that was listed and is gone: a writer retired or superseded it meanwhile.
    Gone {
        /// Its file name.
        file: String,
    },
    /// The superblock; none if there is none, or no valid one.
    Superblock {
        /// What it says.
        superblock: Option<Superblock>,
    },
    /// A file that is no part of the log.
    Other {
        /// Its file name.
        file: String,
        /// Why not.
        reason: FileReason,
    },
}

/// Shows everything in a log's directory, segments in the order of their names. It judges nothing:
/// see [`verify`]. The log may be in use meanwhile.
///
/// # Errors
/// [`LogError::NotFound`] if there is no directory, [`LogError::Io`].
pub fn inspect(
    env: &Env,
    dir: impl AsRef<Path>,
    visit: &mut dyn FnMut(Inspected),
) -> Result<(), LogError> {
    let directory = Directory::open(env, dir.as_ref())?;
    let listing = Listing::read(&directory)?;
    for first in &listing.segments {
        match inspect_segment(&directory, *first, visit) {
            Err(error) if error.is_not_found() => visit(Inspected::Gone {
                file: names::segment(*first),
            }),
            inspected => inspected?,
        }
    }
    let superblock = Known::read(&directory, &listing)?.superblock().copied();
    visit(Inspected::Superblock { superblock });
    for note in listing.notes() {
        visit(Inspected::Other {
            file: note.file,
            reason: note.reason,
        });
    }
    Ok(())
}

fn inspect_segment(
    source: &dyn LogSource,
    first: TxOffset,
    visit: &mut dyn FnMut(Inspected),
) -> Result<(), LogError> {
    let (Head { len, header, .. }, file) = Head::read(source, first)?;
    visit(Inspected::Segment {
        file: names::segment(first),
        bytes: len.get(),
        header,
    });
    let Ok(header) = header else { return Ok(()) };
    let mut chain = Chain::new(header.key(), header.start());
    let defect = each_frame(
        &mut chain,
        &file,
        len,
        Check::Payload,
        |before, frame, chain| {
            let (at, frame, end) = (before.at, *frame, chain.link().next);
            visit(Inspected::Frame { at, frame, end });
            Ok(())
        },
    )?;
    let Some(defect) = defect else { return Ok(()) };
    let at = chain.link().at;
    let tail = look_ahead(&file, header.key(), at, len)?;
    visit(Inspected::Break {
        defect,
        bytes: tail.content_end.since(at),
        later_frames: tail.later_frames,
    });
    Ok(())
}

/// What [`verify`] found in one segment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentVerdict {
    /// Its file name.
    pub file: String,
    /// Good commits, up to the first problem.
    pub commits: u64,
    /// Their transactions.
    pub transactions: u64,
    /// Bytes that were read and found good.
    pub bytes: u64,
    /// Transactions before this segment that a salvage gave up.
    pub lost: Option<Range<TxOffset>>,
    /// What is wrong, if anything.
    pub problem: Option<LogError>,
}

/// What [`verify`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verification {
    /// What an opening would find; or why it would refuse the log.
    pub opening: Result<RecoveryReport, LogError>,
    /// Each segment by itself.
    pub segments: Vec<SegmentVerdict>,
}

impl Verification {
    /// Whether the log opens and nothing is wrong in any segment. A torn tail is not wrong.
    pub fn is_good(&self) -> bool {
        self.problem().is_none()
    }

    /// The first problem.
    pub fn problem(&self) -> Option<&LogError> {
        let problems = self
            .segments
            .iter()
            .filter_map(|segment| segment.problem.as_ref());
        self.opening
            .as_ref()
            .err()
            .into_iter()
            .chain(problems)
            .next()
    }
}

/// Reads a whole log and checks every frame and record. The log may be in use meanwhile: a problem
/// that a writer explains is none.
///
/// # Errors
/// [`LogError::NotFound`] if there is no log, [`LogError::Io`],
/// [`LogError::ChangedWhileReading`]. What is wrong with the log is in the answer.
pub fn verify(
    env: &Env,
    dir: impl AsRef<Path>,
    options: &LogOptions,
) -> Result<Verification, LogError> {
    let directory = Directory::open(env, dir.as_ref())?;
    let mut last = None;
    let read = read_steadily(&directory, || {
        last = None;
        let verification = verify_once(&directory, options)?;
        let problem = verification.problem().cloned();
        last = Some(verification);
        problem.map_or(Ok(()), Err)
    });
    match (read, last) {
        (Err(error @ LogError::ChangedWhileReading { .. }), _) => Err(error),
        (_, Some(verification)) => Ok(verification),
        (Err(error), None) => Err(error),
        (Ok(()), None) => unreachable!("what was read without a problem was kept"),
    }
}

fn verify_once(directory: &Directory, options: &LogOptions) -> Result<Verification, LogError> {
    let mut segments = Vec::new();
    match plan(directory, Beforehand::of(options)) {
        Ok(Planned::Nothing { .. }) => Err(LogError::NotFound {
            dir: directory.shown_dir(),
        }),
        Ok(Planned::Log(plan)) => {
            for expected in expectations(&plan) {
                segments.push(verify_segment(directory, &expected)?);
            }
            Ok(Verification {
                opening: Ok(plan.report()),
                segments,
            })
        }
        Err(error) => {
            // Each by itself, as far as it goes.
            for first in Listing::read(directory).unwrap_or_default().segments {
                let (Head { header, .. }, _) = Head::read(directory, first)?;
                let Ok(header) = header else { continue };
                let expected = Expected { header, end: None };
                segments.push(verify_segment(directory, &expected)?);
            }
            Ok(Verification {
                opening: Err(error),
                segments,
            })
        }
    }
}

/// What a segment should be.
struct Expected {
    header: SegmentHeader,
    /// Where its part of the log ends, if that is known.
    end: Option<Link>,
}

fn expectations(plan: &Plan) -> Vec<Expected> {
    let sealed = plan.sealed.iter().map(|sealed| Expected {
        header: sealed.segment.header,
        end: Some(sealed.end),
    });
    let newest = Expected {
        header: plan.newest,
        end: Some(plan.scan.end),
    };
    sealed.chain([newest]).collect()
}

fn verify_segment(source: &dyn LogSource, expected: &Expected) -> Result<SegmentVerdict, LogError> {
    let header = &expected.header;
    let file = names::segment(header.first);
    let (bytes, len) = HeadFile::open(source, &file)?;
    let limit = expected.end.map_or(len, |end| end.at);
    let (mut commits, mut transactions) = (0, 0);
    let mut chain = Chain::new(header.key(), header.start());
    let broken = each_frame(&mut chain, &bytes, limit, Check::Records, |_, frame, _| {
        commits += u64::from(frame.kind == FrameKind::Commit);
        transactions += u64::from(frame.tx_count);
        Ok(())
    })?;
    let link = chain.link();
    let end = expected.end.filter(|end| *end != link);
    let ends_badly = end.map(|end| {
        let (expected, found) = (end.next.get(), link.next.get());
        Defect::new(link.at, "end of the segment", expected, found)
    });
    let problem = broken.or(ends_badly).map(|defect| LogError::Corrupt {
        corrupt: defect.in_file(source.shown(&file)),
        evidence: Evidence::ReadBefore,
    });
    Ok(SegmentVerdict {
        file,
        commits,
        transactions,
        bytes: link.at.get(),
        lost: header.loss(),
        problem,
    })
}

#[cfg(test)]
mod tests;
