//! The header of a segment.
//!
//! Invariants:
//! - \[I1\] In every format version the magic, the version and the header's length stand where
//!   they stand here, and the header's last 4 bytes are its checksum: so a version is believed
//!   only after the checksum.
//! - \[I2\] A header is written once, before the segment has its name, and never in place.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTLOG` |
//! | 8..12 | format version | 2 |
//! | 12..16 | header length | 128 |
//! | 16..20 | compat features | unknown bits are ignored |
//! | 20..24 | read-only-compat features | unknown bits allow reading only |
//! | 24..28 | incompat features | unknown bits refuse the log |
//! | 28..32 | flags | bit 0 fork, bit 1 behind a loss, bit 2 follows a segment |
//! | 32..48 | log id | identity of the log |
//! | 48..56 | first tx offset | of the segment; also its name |
//! | 56..64 | oldest tx offset | history below was removed on purpose |
//! | 64..72 | incarnation | drawn by the writable opening that made the segment |
//! | 72..80 | durable through | transactions before this were durable when the segment got its name |
//! | 80..84 | epoch | of all its frames |
//! | 84..88 | creation tag | drawn for the segment; its frames name it |
//! | 88..92 | durable bytes | the length of header and first content |
//! | 92..96 | predecessor's end: position | where the segment before ends; the fields from here on are zero if none is before |
//! | 96..104 | predecessor: first tx offset | its name |
//! | 104..112 | predecessor's end: tx offset | |
//! | 112..116 | predecessor's end: checksum | of the last frame before that end; what its first frame would name if it has none |
//! | 116..120 | predecessor: checksum of its header | |
//! | 120..124 | cut epoch | of the truncation that cut the history where the segment begins; 0 if none did |
//! | 124..128 | checksum | CRC-32 of bytes 0..124 |
//!
//! The first frame names as the frame before: the CRC-32 of bytes 112..116 and the creation tag.

use super::frame::FrameKey;
use super::link::Link;
use super::options::Features;
use super::{Epoch, Incarnation, LogId, TxOffset};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

const MAGIC: [u8; 8] = *b"BLKSTLOG";

/// The newest format version, and the one that is written.
pub const FORMAT_VERSION: u32 = 2;

/// The length of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 128;

/// Where the cut epoch stands.
const CUT_EPOCH_AT: usize = SEGMENT_HEADER_BYTES - 8;
/// No version's header is longer.
const HEADER_BYTES_MAX: usize = 4096;
/// What stands at the same place in every version: magic, version, length.
const PRELUDE_BYTES: usize = 16;

/// Bits of the flags field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SegmentFlags(u32);

impl SegmentFlags {
    /// Nothing special: the segment goes on where the one before ends.
    pub const NONE: Self = Self(0);
    /// The segment takes over inside of its predecessor, whose file may still be longer.
    pub const FORK: Self = Self(1);
    /// Transactions between the predecessor's end and this segment were lost to damage.
    pub const LOSS: Self = Self(2);

    const FOLLOWS: Self = Self(4);
    const KNOWN: u32 = Self::FORK.0 | Self::LOSS.0 | Self::FOLLOWS.0;

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Where a segment's predecessor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Predecessor {
    /// Its first transaction: its name.
    pub first: TxOffset,
    /// The checksum of its header.
    pub header_checksum: u32,
    /// The position of its end.
    pub end_at: ByteOffset,
    /// The transaction after its last one.
    pub end_tx: TxOffset,
    /// The checksum of its last frame; what its first frame would name if it has none.
    pub end_checksum: u32,
}

impl Predecessor {
    /// The segment with this header, ended at `end`.
    pub(crate) fn new(header: &SegmentHeader, end: Link) -> Self {
        Self {
            first: header.first,
            header_checksum: header.checksum(),
            end_at: end.at,
            end_tx: end.next,
            end_checksum: end.prev,
        }
    }

    /// Its end as a place in it.
    pub(crate) fn end(&self) -> Link {
        Link {
            at: self.end_at,
            prev: self.end_checksum,
            next: self.end_tx,
        }
    }
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentHeader {
    /// What the log's content uses.
    pub features: Features,
    /// What is special about the segment.
    pub flags: SegmentFlags,
    /// The log's identity.
    pub log_id: LogId,
    /// The segment's first transaction.
    pub first: TxOffset,
    /// The oldest transaction kept when the segment was created.
    pub oldest: TxOffset,
    /// The opening that made it.
    pub incarnation: Incarnation,
    /// All transactions before this were durable when the segment got its name.
    pub durable_through: TxOffset,
    /// The epoch of all its frames.
    pub epoch: Epoch,
    /// Drawn when the segment is created. Its frames name it, so that frames of an unfinished
    /// creation are never taken for those of the next one of the same name: a block that such
    /// frames were written to may show in any new file.
    pub tag: u32,
    /// All bytes of the segment before this were durable when it got its name.
    pub durable_bytes: u32,
    /// Where the segment before ends; none in the first segment of a log.
    pub predecessor: Option<Predecessor>,
    /// The epoch of the truncation that cut the history where the segment begins. Whoever has seen
    /// the log in an earlier epoch only, and more of it, has seen what was cut.
    pub cut_epoch: Option<Epoch>,
}

/// Why a segment's header cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// It is not a whole header.
    Defect(Defect),
    /// It is whole, of a version that is not known.
    UnknownVersion(u32),
}

impl From<Defect> for HeaderProblem {
    fn from(defect: Defect) -> Self {
        Self::Defect(defect)
    }
}

impl SegmentHeader {
    /// The header as bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        let flags = match self.predecessor {
            Some(_) => self.flags.with(SegmentFlags::FOLLOWS),
            None => self.flags,
        };
        put(&MAGIC);
        put(&FORMAT_VERSION.to_le_bytes());
        put(&(SEGMENT_HEADER_BYTES as u32).to_le_bytes());
        put(&self.features.compat.to_le_bytes());
        put(&self.features.ro_compat.to_le_bytes());
        put(&self.features.incompat.to_le_bytes());
        put(&flags.bits().to_le_bytes());
        put(&self.log_id.bytes());
        put(&self.first.get().to_le_bytes());
        put(&self.oldest.get().to_le_bytes());
        put(&self.incarnation.get().to_le_bytes());
        put(&self.durable_through.get().to_le_bytes());
        put(&self.epoch.get().to_le_bytes());
        put(&self.tag.to_le_bytes());
        put(&self.durable_bytes.to_le_bytes());
        if let Some(before) = &self.predecessor {
            put(&position(before.end_at).to_le_bytes());
            put(&before.first.get().to_le_bytes());
            put(&before.end_tx.get().to_le_bytes());
            put(&before.end_checksum.to_le_bytes());
            put(&before.header_checksum.to_le_bytes());
        }
        let cut_epoch = self.cut_epoch.map_or(0, Epoch::get);
        bytes[CUT_EPOCH_AT..CUT_EPOCH_AT + 4].copy_from_slice(&cut_epoch.to_le_bytes());
        let (covered, stored) = bytes.split_at_mut(SEGMENT_HEADER_BYTES - 4);
        stored.copy_from_slice(&crc32fast::hash(covered).to_le_bytes());
        bytes
    }

    /// The place of the segment's first frame, which continues the predecessor's last one, in this
    /// creation alone.
    pub(crate) fn start(&self) -> Link {
        let end_checksum = self.predecessor.map_or(0, |before| before.end_checksum);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&end_checksum.to_le_bytes());
        hasher.update(&self.tag.to_le_bytes());
        Link {
            at: ByteOffset::new(SEGMENT_HEADER_BYTES as u64),
            prev: hasher.finalize(),
            next: self.first,
        }
    }

    /// What all frames of the segment share.
    pub(crate) fn key(&self) -> FrameKey {
        FrameKey::new(self.log_id, self.first, Some(self.tag))
    }

    /// The header's own checksum, by which a successor names the segment.
    pub fn checksum(&self) -> u32 {
        let bytes = self.encode();
        let [.., a, b, c, d] = bytes;
        u32::from_le_bytes([a, b, c, d])
    }

    /// Reads a header from the start of a file. `bytes` may be longer.
    ///
    /// # Errors
    /// [`HeaderProblem`]; the checksum is believed before anything but magic and length.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let mut prelude = Cursor::new(bytes, ByteOffset::new(0));
        expect_magic(&mut prelude)?;
        let version = prelude.u32("format version")?;
        let len_at = prelude.at();
        let len = prelude.u32("header length")? as usize;
        let lengths = PRELUDE_BYTES + 4..=HEADER_BYTES_MAX;
        if !lengths.contains(&len) || (version == FORMAT_VERSION && len != SEGMENT_HEADER_BYTES) {
            let expected = SEGMENT_HEADER_BYTES as u64;
            return Err(Defect::new(len_at, "header length", expected, len as u64).into());
        }
        let header = Cursor::new(bytes, ByteOffset::new(0)).bytes(len, "segment header")?;
        expect_checksum(header)?;
        if version != FORMAT_VERSION {
            return Err(HeaderProblem::UnknownVersion(version));
        }
        let mut cursor = Cursor::new(header, ByteOffset::new(0));
        cursor.bytes(PRELUDE_BYTES, "segment header")?;
        let decoded = Self::fields(&mut cursor)?;
        decoded.expect_zeros(header)?;
        decoded.expect_order()?;
        Ok(decoded)
    }

    fn fields(cursor: &mut Cursor<'_>) -> Result<Self, Defect> {
        let features = Features {
            compat: cursor.u32("compat features")?,
            ro_compat: cursor.u32("read-only-compat features")?,
            incompat: cursor.u32("incompat features")?,
        };
        let flags = flags(cursor)?;
        let log_id = LogId::new(cursor.array("log id")?);
        let first = TxOffset::new(cursor.u64("first tx offset")?);
        let oldest = TxOffset::new(cursor.u64("oldest tx offset")?);
        let incarnation = Incarnation::new(cursor.u64("incarnation")?);
        let durable_through = TxOffset::new(cursor.u64("durable through")?);
        let epoch = Epoch::new(cursor.u32("epoch")?);
        let tag = cursor.u32("creation tag")?;
        let durable_bytes = cursor.u32("durable bytes")?;
        let before = predecessor(cursor)?;
        let cut_epoch = cursor.u32("cut epoch")?;
        Ok(Self {
            features,
            flags: flags.without(SegmentFlags::FOLLOWS),
            log_id,
            first,
            oldest,
            incarnation,
            durable_through,
            epoch,
            tag,
            durable_bytes,
            predecessor: flags.contains(SegmentFlags::FOLLOWS).then_some(before),
            cut_epoch: (cut_epoch != 0).then_some(Epoch::new(cut_epoch)),
        })
    }

    /// Whether everything that is no field of this header is zero: a header is known by its
    /// checksum, so there is one form of it only.
    fn expect_zeros(&self, header: &[u8]) -> Result<(), Defect> {
        let encoded = self.encode();
        let mut bytes = header.iter().zip(&encoded).zip(0..);
        match bytes.find(|((found, expected), _)| found != expected) {
            None => Ok(()),
            Some(((found, expected), at)) => {
                let [expected, found] = [*expected, *found].map(u32::from);
                let at = ByteOffset::new(at);
                Err(Defect::new(at, "unused byte", expected, found))
            }
        }
    }

    /// Whether the offsets are in an order that a writer leaves: retention never reaches into the
    /// segment that is written, and a predecessor lies before.
    fn expect_order(&self) -> Result<(), Defect> {
        let first = self.first.get();
        if self.oldest > self.first {
            let at = ByteOffset::new(56);
            return Err(Defect::new(
                at,
                "oldest tx offset",
                first,
                self.oldest.get(),
            ));
        }
        if self.durable_through < self.first {
            let (at, found) = (ByteOffset::new(72), self.durable_through.get());
            return Err(Defect::new(at, "durable through", first, found));
        }
        let Some(before) = &self.predecessor else {
            return Ok(());
        };
        if before.first >= self.first || before.end_tx > self.first {
            let at = ByteOffset::new(104);
            let field = "predecessor's end: tx offset";
            return Err(Defect::new(at, field, first, before.end_tx.get()));
        }
        Ok(())
    }

    /// The transactions between the predecessor and this segment, which were lost to damage.
    pub fn loss(&self) -> Option<std::ops::Range<TxOffset>> {
        let end = match &self.predecessor {
            Some(before) => before.end_tx,
            None => self.oldest,
        };
        let is_loss = self.flags.contains(SegmentFlags::LOSS) && end < self.first;
        is_loss.then_some(end..self.first)
    }
}

fn predecessor(cursor: &mut Cursor<'_>) -> Result<Predecessor, Defect> {
    let end_at = cursor.u32("predecessor's end: position")?;
    Ok(Predecessor {
        end_at: ByteOffset::new(end_at.into()),
        first: TxOffset::new(cursor.u64("predecessor: first tx offset")?),
        end_tx: TxOffset::new(cursor.u64("predecessor's end: tx offset")?),
        end_checksum: cursor.u32("predecessor's end: checksum")?,
        header_checksum: cursor.u32("predecessor: checksum of its header")?,
    })
}

/// A position in a segment as its 32-bit fields hold it.
pub(crate) fn position(at: ByteOffset) -> u32 {
    u32::try_from(at.get()).expect("the writer keeps segments below 4 GiB")
}

fn expect_magic(cursor: &mut Cursor<'_>) -> Result<(), Defect> {
    let at = cursor.at();
    if cursor.array("magic")? == MAGIC {
        return Ok(());
    }
    Err(Defect::new(at, "magic", "BLKSTLOG", "something else"))
}

/// The last 4 bytes are the checksum of those before.
fn expect_checksum(header: &[u8]) -> Result<(), Defect> {
    let Some((covered, stored)) = header.split_last_chunk() else {
        let at = ByteOffset::new(0);
        return Err(Defect::new(
            at,
            "header checksum",
            4_u32,
            "the end of the bytes",
        ));
    };
    let (computed, found) = (crc32fast::hash(covered), u32::from_le_bytes(*stored));
    if found == computed {
        return Ok(());
    }
    let at = ByteOffset::new(covered.len() as u64);
    let (expected, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
    Err(Defect::new(at, "header checksum", expected, found))
}

fn flags(cursor: &mut Cursor<'_>) -> Result<SegmentFlags, Defect> {
    let at = cursor.at();
    let bits = cursor.u32("flags")?;
    if bits & !SegmentFlags::KNOWN == 0 {
        return Ok(SegmentFlags(bits));
    }
    let found = Value::Hex(bits.into());
    Err(Defect::new(at, "flags", "known flags", found))
}

#[cfg(test)]
mod tests;
