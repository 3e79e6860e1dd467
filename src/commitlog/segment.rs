//! Segments of a log.

use std::sync::{Arc, OnceLock};

use super::directory::OpenFile;
use super::header::SegmentHeader;
use super::index::SparseIndex;
use super::link::Link;
use super::names;

/// A segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub header: SegmentHeader,
    /// Its file's name.
    pub name: String,
    /// Places in it, once somebody has sought there or it was written by this opening.
    pub index: OnceLock<SparseIndex>,
}

impl Segment {
    pub fn new(header: SegmentHeader) -> Arc<Self> {
        Arc::new(Self {
            name: names::segment(header.first),
            header,
            index: OnceLock::new(),
        })
    }

    /// Whether both are the same file content: of the same name and creation.
    pub fn is(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

/// A segment that another one follows.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub segment: Arc<Segment>,
    /// Where its part of the log ends; its successor says so.
    pub end: Link,
}

/// A new segment that is open for writing.
pub(crate) struct NewSegment {
    pub header: SegmentHeader,
    pub file: Arc<OpenFile>,
    /// The file's length, which may be beyond the content.
    pub len: u64,
    /// Where its first own frame goes.
    pub end: Link,
    /// Places in its first content.
    pub index: SparseIndex,
}
