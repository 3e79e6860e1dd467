//! Where a segment ends once a fork took over what followed.

use crate::codec::ByteOffset;
use crate::commitlog::TxOffset;
use crate::commitlog::chain::{Chain, Check, Identity, Link, Step};
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FrameKind, MARK_BYTES, Mark, Place};
use crate::commitlog::header::SegmentHeader;
use crate::commitlog::source::ReadAt;

/// A cut to be made in a segment: a seal is written at `at`, and the file ends behind it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cut {
    /// The segment.
    pub first: TxOffset,
    /// Where the seal goes.
    pub at: ByteOffset,
    /// The seal.
    pub seal: [u8; MARK_BYTES],
    /// Its checksum: the successor's `chain`.
    pub checksum: u32,
}

/// The seal of a segment at `link`. It depends on nothing but the segment up to there, so that a
/// later opening can make the same one.
pub(crate) fn seal_at(header: &SegmentHeader, link: Link) -> Cut {
    let place = Place {
        epoch: header.epoch,
        next: link.next,
        prev: link.prev,
        durable_through: link.next,
        // A position in a segment is a 32-bit number: the writer rotates before.
        durable_bytes: link.at.get() as u32,
    };
    let mark = Mark {
        kind: FrameKind::Seal,
        number: 0,
    };
    let (seal, checksum) = mark.encode(&place, Identity::of(header).seed, link.at);
    Cut {
        first: header.first,
        at: link.at,
        seal,
        checksum,
    }
}

/// Finds where the segment must end so that a fork which starts with `end` and continues `chain`
/// follows it; none if it has no such place.
pub(crate) fn find<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    header: &SegmentHeader,
    end: TxOffset,
    chain: u32,
) -> Result<Option<Cut>, LogError> {
    let mut walk = Chain::new(Identity::of(header), Link::start(header));
    loop {
        let link = walk.link();
        if link.next == end {
            let cut = seal_at(header, link);
            if cut.checksum == chain {
                return Ok(Some(cut));
            }
        }
        let Step::Frame(_) = walk.step(file, len, Check::Header)? else {
            return Ok(None);
        };
        if link.next > end {
            return Ok(None);
        }
    }
}
