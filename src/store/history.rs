//! How much of the log stays once tables hold it.

use crate::commitlog::{SegmentInfo, TxOffset};

/// How much history a store keeps in its log once tables hold it. A point in time can be recovered
/// as long as the log reaches back to the store's first transaction, or as the tables hold nothing
/// that is newer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// None: a flush retires what it wrote.
    #[default]
    Flushed,
    /// Whole segments of about so many bytes.
    Bytes(u64),
    /// All of it.
    All,
}

impl History {
    /// Where the history begins that stays. [`All`](Self::All) is never retired, also what an
    /// opening before has kept.
    pub(crate) fn oldest(self, segments: &[SegmentInfo], flushed_through: TxOffset) -> TxOffset {
        let bytes_max = match self {
            Self::Flushed => return flushed_through,
            Self::All => return TxOffset::ZERO,
            Self::Bytes(bytes_max) => bytes_max,
        };
        let mut oldest = flushed_through;
        let mut left = bytes_max;
        let flushed = segments.iter().rev();
        for segment in flushed.filter(|segment| segment.range.end <= flushed_through) {
            if segment.bytes > left {
                break;
            }
            left -= segment.bytes;
            oldest = segment.range.start;
        }
        oldest
    }
}

#[cfg(test)]
mod tests;
