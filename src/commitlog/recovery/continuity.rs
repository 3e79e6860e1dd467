//! Whether each segment is complete and followed by the next.

use crate::codec::{ByteOffset, Defect};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::header::{Predecessor, SegmentHeader};
use crate::commitlog::link::Link;
use crate::commitlog::names;
use crate::commitlog::segment::{Sealed, Segment};
use crate::commitlog::source::LogSource;

use super::listing::Head;

/// A segment and the one that follows it, both with usable headers.
pub(crate) struct Pair<'a> {
    pub head: &'a Head,
    pub header: &'a SegmentHeader,
    pub next: &'a SegmentHeader,
}

impl Pair<'_> {
    /// The segment as its successor names it.
    ///
    /// # Errors
    /// The successor names another segment, another end, or one that the file does not reach.
    pub fn link(&self, source: &dyn LogSource) -> Result<Sealed, LogError> {
        let Self { head, header, next } = self;
        let file = source.shown(&names::segment(next.first));
        let Some(before) = &next.predecessor else {
            let (expected, found) = (next.first, header.first);
            return Err(LogError::Overlap {
                file,
                expected,
                found,
            });
        };
        self.expect_named(before, file)?;
        if head.len < before.end_at {
            let (expected, found) = (before.end_at.get(), head.len.get());
            let defect = Defect::new(head.len, "end of the segment", expected, found);
            return Err(LogError::Corrupt {
                corrupt: defect.in_file(source.shown(&head.name())),
                evidence: Evidence::Successor {
                    file: names::segment(next.first),
                },
            });
        }
        Ok(Sealed {
            segment: Segment::new(**header),
            end: before.end(),
        })
    }

    fn expect_named(&self, before: &Predecessor, file: String) -> Result<(), LogError> {
        let Self { header, next, .. } = self;
        if before.first > header.first {
            let (expected, found) = (before.first, next.first);
            return Err(LogError::Gap {
                file,
                expected,
                found,
            });
        }
        if before.first < header.first {
            let (expected, found) = (next.first, header.first);
            return Err(LogError::Overlap {
                file,
                expected,
                found,
            });
        }
        let (expected, found) = (header.checksum(), before.header_checksum);
        if expected != found {
            return Err(LogError::WrongPredecessor {
                file,
                expected,
                found,
            });
        }
        if before.end_tx < next.first && next.loss().is_none() {
            let (expected, found) = (before.end_tx, next.first);
            return Err(LogError::Gap {
                file,
                expected,
                found,
            });
        }
        Ok(())
    }
}

/// A segment that has to end where a fork takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The segment that is cut.
    pub first: crate::commitlog::TxOffset,
    /// Where.
    pub at: ByteOffset,
}

impl Cut {
    /// The cut in front of a fork; none in front of other segments.
    pub fn before(fork: &SegmentHeader) -> Option<Self> {
        use crate::commitlog::header::SegmentFlags;
        let before = fork.predecessor.as_ref()?;
        fork.flags.contains(SegmentFlags::FORK).then_some(Self {
            first: before.first,
            at: before.end_at,
        })
    }
}

/// The cuts in front of the forks at the log's end that nobody appended to: an opening that made
/// them may have ended before they were durable. Whoever appends to a fork has made its cut durable
/// before. `end` is where the newest segment ends.
pub(crate) fn cuts_to_confirm(newest: &SegmentHeader, end: Link, sealed: &[Sealed]) -> Vec<Cut> {
    let before = sealed
        .iter()
        .map(|sealed| (sealed.segment.header, sealed.end));
    let segments = before.chain([(*newest, end)]);
    let untouched = segments
        .rev()
        .take_while(|(header, end)| end.at.get() <= u64::from(header.durable_bytes));
    untouched
        .filter_map(|(header, _)| Cut::before(&header))
        .collect()
}
