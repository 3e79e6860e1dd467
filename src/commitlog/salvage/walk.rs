//! Walking through a damaged segment, over what is broken.

use crate::codec::ByteOffset;
use crate::commitlog::chain::{Chain, Check, Identity, Link, Step};
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FrameHeader, Seed};
use crate::commitlog::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::commitlog::recovery::evidence::{Search, look_ahead};
use crate::commitlog::source::ReadAt;
use crate::commitlog::{Epoch, TxOffset};

use super::Piece;

/// What is known of a segment before it is walked through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Its header, if that is not damaged.
    pub header: Option<SegmentHeader>,
    pub seed: Seed,
    pub first: TxOffset,
    /// The transaction after its last one, told by its successor; none for the newest segment.
    pub end: Option<TxOffset>,
    /// All transactions before this were durable, the caller says.
    pub bound: TxOffset,
}

/// What a walk found.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub pieces: Vec<Piece>,
    /// The transaction after the last piece.
    pub next: TxOffset,
    /// The epoch of its frames; none if there are none and no header says.
    pub epoch: Option<Epoch>,
    /// Whether nothing was broken.
    pub is_whole: bool,
}

impl Walk {
    /// What should have come up to `end` is lost.
    fn lose_to(&mut self, end: TxOffset) {
        if end > self.next {
            self.pieces.push(Piece::Lost(self.next..end));
            self.next = end;
            self.is_whole = false;
        }
    }
}

/// Why a chain was followed no further.
enum Stop {
    /// It ends where it should.
    End,
    Break,
}

/// Walks through a segment. Of a segment that has a successor everything was durable; in the
/// newest the walk goes on over a break only if some evidence covers what is broken.
pub(crate) fn walk<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    known: Known,
) -> Result<Walk, LogError> {
    let epoch = known.header.map(|header| header.epoch);
    let mut walk = Walk {
        pieces: Vec::new(),
        next: known.first,
        epoch,
        is_whole: known.header.is_some(),
    };
    let mut at = ByteOffset::new(SEGMENT_HEADER_BYTES as u64);
    let mut place = known
        .header
        .map(|header| (Identity::of(&header), Link::start(&header)));
    loop {
        if let Some((identity, from)) = place {
            walk.lose_to(from.next);
            let (last, stop) = follow(file, len, identity, from, known.end)?;
            walk.epoch = Some(identity.epoch);
            if last.at > from.at {
                walk.pieces.push(Piece::Frames {
                    identity,
                    from,
                    to: last.at,
                });
            }
            (at, walk.next) = (last.at, last.next);
            if let Stop::End = stop {
                break;
            }
            walk.is_whole = false;
            if known.end.is_none() {
                let durable = durable_behind(file, len, &known, identity, last)?;
                let Some(durable) = durable else { break };
                place = resume(file, len, &known, walk.epoch, at, walk.next)?;
                if place.is_none() {
                    walk.lose_to(durable);
                    break;
                }
                continue;
            }
        }
        place = resume(file, len, &known, walk.epoch, at, walk.next)?;
        if place.is_none() {
            break;
        }
    }
    walk.lose_to(known.end.unwrap_or(known.bound));
    Ok(walk)
}

/// Follows a chain to its end, or to the first frame that leads beyond the transaction `end`. The
/// marks behind the last transaction belong to it: a reader comes by them too.
fn follow<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    identity: Identity,
    from: Link,
    end: Option<TxOffset>,
) -> Result<(Link, Stop), LogError> {
    let mut chain = Chain::new(identity, from);
    loop {
        let link = chain.link();
        match chain.step(file, len, Check::Payload)? {
            Step::Frame(_) if end.is_some_and(|end| chain.link().next > end) => {
                // What a recorded fork has not cut off yet stands behind a whole segment.
                let is_whole = end == Some(link.next);
                return Ok((link, if is_whole { Stop::End } else { Stop::Break }));
            }
            Step::Frame(_) => {}
            Step::End => return Ok((link, Stop::End)),
            Step::Break(_) => return Ok((link, Stop::Break)),
        }
    }
}

/// Whether something behind a break in the newest segment was durable; if so, up to which
/// transaction at least.
fn durable_behind<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    known: &Known,
    identity: Identity,
    last: Link,
) -> Result<Option<TxOffset>, LogError> {
    let facts = look_ahead(file, identity, last.at, len)?;
    let frames = facts
        .best
        .map(|best| best.durable_bytes)
        .unwrap_or_default();
    let header = known
        .header
        .map(|header| ByteOffset::new(header.durable_bytes.into()));
    let bytes = header.unwrap_or_default().max(frames);
    let header = known
        .header
        .map(|header| header.durable_through)
        .unwrap_or_default();
    let through = header.max(facts.durable_through).max(known.bound);
    Ok((bytes > last.at || through > last.next).then_some(through))
}

/// The next frame at or behind `at` that belongs here and holds nothing before `next` and nothing
/// behind the segment's end.
fn resume<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    known: &Known,
    epoch: Option<Epoch>,
    at: ByteOffset,
    next: TxOffset,
) -> Result<Option<(Identity, Link)>, LogError> {
    let mut search = Search::new(file, at, len);
    let mut content_end = ByteOffset::default();
    while let Some(found) = search.next(&mut content_end)? {
        let Ok((header, _)) = FrameHeader::decode(&found.bytes, known.seed, found.at) else {
            continue;
        };
        let is_here = epoch.is_none_or(|epoch| epoch == header.epoch)
            && header.first >= next
            && known.end.is_none_or(|end| header.first <= end);
        let identity = Identity {
            seed: known.seed,
            epoch: header.epoch,
        };
        let link = Link {
            at: found.at,
            prev: header.prev,
            next: header.first,
        };
        let mut chain = Chain::new(identity, link);
        let is_good = matches!(chain.step(file, len, Check::Payload)?, Step::Frame(_));
        // One that leads beyond the end would be found again and again.
        let ends_here = known.end.is_none_or(|end| chain.link().next <= end);
        if is_here && is_good && ends_here {
            return Ok(Some((identity, link)));
        }
    }
    Ok(None)
}
