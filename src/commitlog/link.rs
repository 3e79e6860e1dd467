//! A place between two frames.

use super::TxOffset;
use crate::codec::ByteOffset;

/// A place between two frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// Where the next frame stands.
    pub at: ByteOffset,
    /// The checksum of the frame before.
    pub prev: u32,
    /// The next transaction.
    pub next: TxOffset,
}
