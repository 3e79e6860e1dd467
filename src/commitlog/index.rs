//! An index of places in a segment, some distance apart: a cache in memory.
//!
//! Invariants:
//! - \[I1\] An index is never trusted: a place is used only if a valid frame that continues from it
//!   stands there; otherwise the segment is walked from its start.

use super::TxOffset;
use super::link::Link;
use crate::codec::ByteOffset;

/// An index has at most about this many places.
const PLACES_MAX: u64 = 256;
/// Places are at least this far apart.
const INTERVAL_BYTES_MIN: u64 = 512;

/// Places in a segment, some distance apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    interval_bytes: u64,
    links: Vec<Link>,
}

impl SparseIndex {
    /// An index without places, for a segment of this length.
    pub fn new(segment_bytes: u64) -> Self {
        Self {
            interval_bytes: (segment_bytes / PLACES_MAX).max(INTERVAL_BYTES_MIN),
            links: Vec::new(),
        }
    }

    /// Adds the place of a frame if it is far enough from the last one.
    #[inline]
    pub fn add(&mut self, link: Link) {
        let last = self.links.last().map(|last| last.at).unwrap_or_default();
        if link.at.since(last) >= self.interval_bytes {
            self.links.push(link);
        }
    }

    /// Drops all places at or behind `at`.
    pub fn cut(&mut self, at: ByteOffset) {
        let kept = self.links.partition_point(|link| link.at < at);
        self.links.truncate(kept);
    }

    /// The last place at or before `tx_offset`.
    pub fn before(&self, tx_offset: TxOffset) -> Option<Link> {
        let count = self.links.partition_point(|link| link.next <= tx_offset);
        self.links.get(count.checked_sub(1)?).copied()
    }
}
