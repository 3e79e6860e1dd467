//! The offset index of a segment: a cache of places, in memory and as a file.
//!
//! Invariants:
//! - \[I1\] An index is never trusted: a place is used only if a valid frame that continues from it
//!   stands there; otherwise the segment is walked from its start.
//! - \[I2\] A missing or wrong file costs time and nothing else. It is not synced.
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | magic `BLKSTIDX` |
//! | 8..12 | format version: 1 |
//! | 12..16 | number of entries |
//! | 16..32 | log id |
//! | 32..40 | the segment's first tx offset |
//! | 40..48 | the length of its frames |
//! | 48..52 | its epoch |
//! | 52.. | entries: tx offset u64, position u32, checksum of the frame before u32 |
//! | last 4 | CRC-32 of all before |

use super::chain::Link;
use super::header::SegmentHeader;
use super::{Epoch, LogId, TxOffset};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

const MAGIC: [u8; 8] = *b"BLKSTIDX";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 52;
const ENTRY_BYTES: usize = 16;

/// Places in a segment, some distance apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    interval_bytes: u64,
    links: Vec<Link>,
    /// Whether it began with the segment.
    is_complete: bool,
}

impl SparseIndex {
    /// The index of a segment in which nothing was written yet.
    pub fn new(interval_bytes: u64) -> Self {
        Self {
            interval_bytes,
            links: Vec::new(),
            is_complete: true,
        }
    }

    /// The index of a segment whose frames so far are not known.
    pub fn incomplete(interval_bytes: u64) -> Self {
        Self {
            is_complete: false,
            ..Self::new(interval_bytes)
        }
    }

    /// Whether it began with the segment.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Remembers the place of a frame if it is far enough from the last one. The segment's start
    /// needs no entry.
    pub fn add(&mut self, link: Link) {
        let last = self.links.last().map(|last| last.at).unwrap_or_default();
        if link.at.since(last) >= self.interval_bytes {
            self.links.push(link);
        }
    }

    /// Forgets all places at or behind `at`.
    pub fn cut(&mut self, at: ByteOffset) {
        let kept = self.links.partition_point(|link| link.at < at);
        self.links.truncate(kept);
    }

    /// The last place at or before `tx_offset`.
    pub fn before(&self, tx_offset: TxOffset) -> Option<Link> {
        let count = self.links.partition_point(|link| link.next <= tx_offset);
        self.links.get(count.checked_sub(1)?).copied()
    }

    /// Whether there is nothing worth keeping.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

/// Which segment an index is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOf {
    /// The log.
    pub log_id: LogId,
    /// The segment's first transaction.
    pub first: TxOffset,
    /// The segment's epoch.
    pub epoch: Epoch,
    /// Where the segment's frames end.
    pub len: ByteOffset,
}

impl IndexOf {
    pub(crate) fn segment(header: &SegmentHeader, len: ByteOffset) -> Self {
        Self {
            log_id: header.log_id,
            first: header.first,
            epoch: header.epoch,
            len,
        }
    }
}

/// The index as bytes.
pub(crate) fn encode(of: IndexOf, index: &SparseIndex) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + index.links.len() * ENTRY_BYTES + 4);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(index.links.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&of.log_id.bytes());
    bytes.extend_from_slice(&of.first.get().to_le_bytes());
    bytes.extend_from_slice(&of.len.get().to_le_bytes());
    bytes.extend_from_slice(&of.epoch.get().to_le_bytes());
    for link in &index.links {
        bytes.extend_from_slice(&link.next.get().to_le_bytes());
        bytes.extend_from_slice(&(link.at.get() as u32).to_le_bytes());
        bytes.extend_from_slice(&link.prev.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads an index.
///
/// # Errors
/// It is damaged, or of another segment or another state of this one.
pub(crate) fn decode(
    bytes: &[u8],
    of: IndexOf,
    interval_bytes: u64,
) -> Result<SparseIndex, Defect> {
    let zero = ByteOffset::new(0);
    let Some((covered, stored)) = bytes.split_last_chunk() else {
        return Err(defect(zero, "index", Value::Text("a checksum")));
    };
    if crc32fast::hash(covered) != u32::from_le_bytes(*stored) {
        let at = ByteOffset::new(covered.len() as u64);
        return Err(defect(
            at,
            "index checksum",
            Value::Hex(crc32fast::hash(covered).into()),
        ));
    }
    let mut cursor = Cursor::new(covered, zero);
    if cursor.array("magic")? != MAGIC {
        return Err(defect(zero, "magic", Value::Text("BLKSTIDX")));
    }
    let at = cursor.at();
    if cursor.u32("format version")? != VERSION {
        return Err(defect(at, "format version", Value::Number(VERSION.into())));
    }
    let count = cursor.u32("number of entries")?;
    let at = cursor.at();
    let log_id = LogId::new(cursor.array("log id")?);
    let first = TxOffset::new(cursor.u64("first tx offset")?);
    let len = ByteOffset::new(cursor.u64("length of the frames")?);
    let epoch = Epoch::new(cursor.u32("epoch")?);
    if (IndexOf {
        log_id,
        first,
        epoch,
        len,
    }) != of
    {
        return Err(defect(
            at,
            "segment",
            Value::Text("the segment that the index is named for"),
        ));
    }
    let links = decode_links(&mut cursor, count)?;
    Ok(SparseIndex {
        interval_bytes,
        links,
        is_complete: true,
    })
}

/// Reads an index file of the named segment and says how many entries it has: for tests of bad
/// input.
///
/// # Errors
/// As for any index: damaged, or of another segment.
pub fn decode_index(bytes: &[u8], of: IndexOf) -> Result<usize, Defect> {
    decode(bytes, of, 1).map(|index| index.links.len())
}

fn decode_links(cursor: &mut Cursor<'_>, count: u32) -> Result<Vec<Link>, Defect> {
    if cursor.rest().len() as u64 != u64::from(count) * ENTRY_BYTES as u64 {
        return Err(defect(
            cursor.at(),
            "number of entries",
            Value::Number(count.into()),
        ));
    }
    let mut links: Vec<Link> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let entry_at = cursor.at();
        let next = TxOffset::new(cursor.u64("entry")?);
        let at = ByteOffset::new(cursor.u32("entry")?.into());
        let prev = cursor.u32("entry")?;
        if links
            .last()
            .is_some_and(|last| last.at >= at || last.next > next)
        {
            return Err(defect(
                entry_at,
                "entry",
                Value::Text("a place behind the one before"),
            ));
        }
        links.push(Link { at, prev, next });
    }
    Ok(links)
}

fn defect(at: ByteOffset, field: &'static str, expected: Value) -> Defect {
    Defect {
        at,
        field,
        expected,
        found: Value::Text("something else"),
    }
}

#[cfg(test)]
mod tests;
