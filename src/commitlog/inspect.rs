//! Looking at a log from outside: what is in its files, and whether all of it is good.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] Memory is one chunk of a segment, or one frame if that is larger.

use std::ops::Range;
use std::path::Path;

use blackstart_vfs::Env;

use super::TxOffset;
use super::chain::{Chain, Check, Identity, Link, Step};
use super::error::{Evidence, LogError};
use super::frame::{FrameHeader, FrameKind};
use super::header::{HeaderProblem, SegmentHeader};
use super::names;
use super::recovery::evidence::look_ahead;
use super::recovery::heads::{self, Listing};
use super::recovery::{Plan, Planned, plan};
use super::report::RecoveryReport;
use super::source::{Directory, LogSource};
use crate::codec::{ByteOffset, Defect, Value};

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
    /// Another file of the log: unfinished, spare, index, or kept by a salvage.
    Other {
        /// Its file name.
        file: String,
    },
}

/// Shows everything in a log's directory, segments in the order of their names. It judges nothing:
/// see [`verify`].
///
/// # Errors
/// [`LogError::NotFound`] if there is no directory, [`LogError::Io`].
pub fn inspect(
    env: &Env,
    dir: impl AsRef<Path>,
    visit: &mut dyn FnMut(Inspected),
) -> Result<(), LogError> {
    let directory = Directory::new(env, dir.as_ref());
    let listing = list(&directory)?;
    for first in &listing.segments {
        inspect_segment(&directory, *first, visit)?;
    }
    let temps = listing.temps.into_iter().map(names::temp);
    let spares = listing.spares.into_iter().map(names::spare);
    let indexes = listing.indexes.into_iter().map(names::index);
    for file in temps.chain(spares).chain(indexes).chain(listing.damaged) {
        visit(Inspected::Other { file });
    }
    Ok(())
}

fn list(directory: &Directory) -> Result<Listing, LogError> {
    Listing::read(directory)?.ok_or_else(|| LogError::NotFound {
        dir: directory.path.to_path_buf(),
    })
}

fn inspect_segment(
    source: &dyn LogSource,
    first: TxOffset,
    visit: &mut dyn FnMut(Inspected),
) -> Result<(), LogError> {
    let file = names::segment(first);
    let (bytes, len) = heads::open(source, &file)?;
    let header = heads::header(&bytes)?;
    visit(Inspected::Segment {
        file,
        bytes: len.get(),
        header,
    });
    let Ok(header) = header else { return Ok(()) };
    let identity = Identity::of(&header);
    let mut chain = Chain::new(identity, Link::start(&header));
    loop {
        let at = chain.link().at;
        match chain.step(&bytes, len, Check::Payload)? {
            Step::Frame(frame) => {
                visit(Inspected::Frame {
                    at,
                    frame,
                    end: chain.link().next,
                });
            }
            Step::End => return Ok(()),
            Step::Break(defect) => {
                let tail = look_ahead(&bytes, identity, at, len)?;
                let bytes = tail.content_end.since(at);
                visit(Inspected::Break {
                    defect,
                    bytes,
                    later_frames: tail.later_frames,
                });
                return Ok(());
            }
        }
    }
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
    /// Transactions that a salvage gave up.
    pub lost: Vec<Range<TxOffset>>,
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
        self.opening.is_ok()
            && self
                .segments
                .iter()
                .all(|segment| segment.problem.is_none())
    }
}

/// Reads a whole log and checks every frame and record.
///
/// # Errors
/// [`LogError::NotFound`] if there is no log, [`LogError::Io`]. What is wrong with the log is in
/// the answer.
pub fn verify(env: &Env, dir: impl AsRef<Path>) -> Result<Verification, LogError> {
    let directory = Directory::new(env, dir.as_ref());
    let listing = list(&directory)?;
    let mut segments = Vec::new();
    match plan(&directory, None) {
        Ok(Planned::Nothing { .. }) => Err(LogError::NotFound {
            dir: directory.path.to_path_buf(),
        }),
        Ok(Planned::Log(plan)) => {
            for expected in expectations(&plan) {
                segments.push(verify_segment(&directory, &expected)?);
            }
            Ok(Verification {
                opening: Ok(plan.report()),
                segments,
            })
        }
        Err(error) => {
            // Each by itself, as far as it goes.
            for first in listing.segments {
                let header = first_header(&directory, first)?;
                let Some(header) = header else { continue };
                let expected = Expected {
                    header,
                    len: None,
                    end: None,
                };
                segments.push(verify_segment(&directory, &expected)?);
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
    /// Where its frames end.
    len: Option<ByteOffset>,
    /// The transaction after its last one.
    end: Option<TxOffset>,
}

fn expectations(plan: &Plan) -> Vec<Expected> {
    let ends = plan.sealed.iter().skip(1).map(|sealed| sealed.header.first);
    let ends = ends.chain([plan.newest.first]);
    let sealed = plan.sealed.iter().zip(ends).map(|(sealed, end)| Expected {
        header: sealed.header,
        len: Some(sealed.len),
        end: Some(end),
    });
    let newest = Expected {
        header: plan.newest,
        len: Some(plan.last.at),
        end: Some(plan.last.next),
    };
    sealed.chain([newest]).collect()
}

fn first_header(
    source: &dyn LogSource,
    first: TxOffset,
) -> Result<Option<SegmentHeader>, LogError> {
    let (file, _) = heads::open(source, &names::segment(first))?;
    Ok(heads::header(&file)?.ok())
}

fn verify_segment(source: &dyn LogSource, expected: &Expected) -> Result<SegmentVerdict, LogError> {
    let file = names::segment(expected.header.first);
    let (bytes, len) = heads::open(source, &file)?;
    let limit = expected.len.unwrap_or(len);
    let mut chain = Chain::new(
        Identity::of(&expected.header),
        Link::start(&expected.header),
    );
    let (commits, transactions, lost, problem) = (0, 0, Vec::new(), None);
    let mut verdict = SegmentVerdict {
        file,
        commits,
        transactions,
        bytes: 0,
        lost,
        problem,
    };
    let defect = loop {
        let Link { at, next, .. } = chain.link();
        verdict.bytes = at.get();
        match chain.step(&bytes, limit, Check::Records)? {
            Step::Break(defect) => break Some(defect),
            Step::End => {
                break expected
                    .end
                    .filter(|end| *end != next)
                    .map(|end| ends(at, end, next));
            }
            Step::Frame(frame) => {
                if frame.kind == FrameKind::Lost {
                    verdict.lost.push(next..chain.link().next);
                }
                if frame.kind != FrameKind::Commit {
                    continue;
                }
                verdict.commits += 1;
                verdict.transactions += u64::from(frame.tx_count);
            }
        }
    };
    verdict.problem = defect.map(|defect| {
        let corrupt = defect.in_file(verdict.file.as_str());
        LogError::Corrupt {
            corrupt,
            evidence: Evidence::ReadBefore,
        }
    });
    Ok(verdict)
}

/// The chain ends well, and not where it should.
fn ends(at: ByteOffset, expected: TxOffset, found: TxOffset) -> Defect {
    let (expected, found) = (Value::Number(expected.get()), Value::Number(found.get()));
    Defect {
        at,
        field: "end of the segment",
        expected,
        found,
    }
}

#[cfg(test)]
mod tests;
