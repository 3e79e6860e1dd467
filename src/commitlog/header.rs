//! The header of a segment.
//!
//! Invariants:
//! - \[I1\] These 96 bytes keep their layout in every format version, so that a version is
//!   believed only after the checksum.
//! - \[I2\] A header is written once, before the segment has its name, and never in place.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTLOG` |
//! | 8..12 | format version | 1 |
//! | 12..16 | header length | 96 |
//! | 16..20 | compat features | unknown bits are ignored |
//! | 20..24 | read-only-compat features | unknown bits allow reading only |
//! | 24..28 | incompat features | unknown bits refuse the log |
//! | 28..32 | flags | bit 0 fork, bit 1 salvaged |
//! | 32..48 | log id | identity of the log |
//! | 48..56 | first tx offset | of the segment; also its name |
//! | 56..64 | oldest tx offset | history below was removed on purpose |
//! | 64..72 | durable through | transactions before this are durable: the end of the first content |
//! | 72..76 | epoch | of all its frames |
//! | 76..80 | chain | checksum of the seal of the segment before; 0 if there never was one |
//! | 80..84 | durable bytes | the length of header and first content |
//! | 84..92 | creation | drawn at random, so that no two creations of a segment are alike |
//! | 92..96 | checksum | CRC-32 of bytes 0..92 |

use super::{Epoch, LogId, TxOffset};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

const MAGIC: [u8; 8] = *b"BLKSTLOG";

/// The newest format version, and the one that is written.
pub const FORMAT_VERSION: u32 = 1;

/// The length of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 96;

/// Where the checksum stands.
const CHECKSUM_AT: usize = SEGMENT_HEADER_BYTES - 4;

/// Bits of the flags field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SegmentFlags(u32);

impl SegmentFlags {
    /// Nothing special: the segment follows a sealed one.
    pub const NONE: Self = Self(0);
    /// The segment begins a recorded fork: what other segments of a lower epoch hold from its
    /// first transaction on is superseded, and its predecessor may still be uncut.
    pub const FORK: Self = Self(1);
    /// The segment was rewritten by a salvage.
    pub const SALVAGED: Self = Self(2);

    const KNOWN: u32 = Self::FORK.0 | Self::SALVAGED.0;

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
}

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentHeader {
    /// The format version.
    pub version: u32,
    /// Features that may be ignored.
    pub compat: u32,
    /// Features that must be known to write.
    pub ro_compat: u32,
    /// Features that must be known to read.
    pub incompat: u32,
    /// What is special about the segment.
    pub flags: SegmentFlags,
    /// The log's identity.
    pub log_id: LogId,
    /// The segment's first transaction.
    pub first: TxOffset,
    /// The oldest transaction kept when the segment was created.
    pub oldest: TxOffset,
    /// All transactions before this were durable when the segment got its name.
    pub durable_through: TxOffset,
    /// The epoch of all its frames.
    pub epoch: Epoch,
    /// The checksum of the seal of the segment before.
    pub chain: u32,
    /// All bytes of the segment before this were durable when it got its name.
    pub durable_bytes: u32,
    /// Drawn when the segment is created. The chain of its frames starts from it, so that frames
    /// of an unfinished creation never continue the chain of the next one, although both have the
    /// same epoch: a block that such frames were written to may show in any new file.
    pub creation: u64,
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
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(SEGMENT_HEADER_BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(&self.compat.to_le_bytes());
        bytes.extend_from_slice(&self.ro_compat.to_le_bytes());
        bytes.extend_from_slice(&self.incompat.to_le_bytes());
        bytes.extend_from_slice(&self.flags.bits().to_le_bytes());
        bytes.extend_from_slice(&self.log_id.bytes());
        bytes.extend_from_slice(&self.first.get().to_le_bytes());
        bytes.extend_from_slice(&self.oldest.get().to_le_bytes());
        bytes.extend_from_slice(&self.durable_through.get().to_le_bytes());
        bytes.extend_from_slice(&self.epoch.get().to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        bytes.extend_from_slice(&self.durable_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.creation.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        let mut array = [0; SEGMENT_HEADER_BYTES];
        array.copy_from_slice(&bytes);
        array
    }

    /// Reads a header from the start of a file. `bytes` may be longer.
    ///
    /// # Errors
    /// [`HeaderProblem`]; the checksum is believed before anything but the magic.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let mut cursor = Cursor::new(bytes, ByteOffset::new(0));
        let header: [u8; SEGMENT_HEADER_BYTES] = cursor.array("segment header")?;
        let mut cursor = Cursor::new(&header, ByteOffset::new(0));
        expect_magic(&mut cursor)?;
        expect_checksum(&header)?;
        let version = cursor.u32("format version")?;
        if version != FORMAT_VERSION {
            return Err(HeaderProblem::UnknownVersion(version));
        }
        expect(&mut cursor, "header length", SEGMENT_HEADER_BYTES as u32)?;
        let decoded = Self {
            version,
            compat: cursor.u32("compat features")?,
            ro_compat: cursor.u32("read-only-compat features")?,
            incompat: cursor.u32("incompat features")?,
            flags: flags(&mut cursor)?,
            log_id: LogId::new(cursor.array("log id")?),
            first: TxOffset::new(cursor.u64("first tx offset")?),
            oldest: TxOffset::new(cursor.u64("oldest tx offset")?),
            durable_through: TxOffset::new(cursor.u64("durable through")?),
            epoch: Epoch::new(cursor.u32("epoch")?),
            chain: cursor.u32("chain")?,
            durable_bytes: cursor.u32("durable bytes")?,
            creation: cursor.u64("creation")?,
        };
        decoded.expect_order()?;
        Ok(decoded)
    }

    /// What the first frame continues: the segment before, and this creation alone.
    pub fn first_link(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.chain.to_le_bytes());
        hasher.update(&self.creation.to_le_bytes());
        hasher.finalize()
    }

    /// Whether the oldest transaction that is kept is not beyond the segment's start: retention
    /// never reaches into the segment that is written.
    fn expect_order(&self) -> Result<(), Defect> {
        if self.oldest <= self.first {
            return Ok(());
        }
        let (expected, found) = (Value::Number(self.first.get()), self.oldest.get());
        let found = Value::Number(found);
        Err(Defect {
            at: ByteOffset::new(56),
            field: "oldest tx offset",
            expected,
            found,
        })
    }
}

fn expect_magic(cursor: &mut Cursor<'_>) -> Result<(), Defect> {
    let at = cursor.at();
    if cursor.array("magic")? == MAGIC {
        return Ok(());
    }
    let (expected, found) = (Value::Text("BLKSTLOG"), Value::Text("something else"));
    Err(Defect {
        at,
        field: "magic",
        expected,
        found,
    })
}

fn expect_checksum(header: &[u8; SEGMENT_HEADER_BYTES]) -> Result<(), Defect> {
    let (covered, stored) = header.split_at(CHECKSUM_AT);
    let computed = crc32fast::hash(covered);
    let at = ByteOffset::new(CHECKSUM_AT as u64);
    let found = Cursor::new(stored, at).u32("header checksum")?;
    if found == computed {
        return Ok(());
    }
    let (expected, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
    Err(Defect {
        at,
        field: "header checksum",
        expected,
        found,
    })
}

fn expect(cursor: &mut Cursor<'_>, field: &'static str, expected: u32) -> Result<(), Defect> {
    let at = cursor.at();
    let found = cursor.u32(field)?;
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (Value::Number(expected.into()), Value::Number(found.into()));
    Err(Defect {
        at,
        field,
        expected,
        found,
    })
}

fn flags(cursor: &mut Cursor<'_>) -> Result<SegmentFlags, Defect> {
    let at = cursor.at();
    let bits = cursor.u32("flags")?;
    if bits & !SegmentFlags::KNOWN == 0 {
        return Ok(SegmentFlags(bits));
    }
    let (expected, found) = (Value::Text("known flags"), Value::Hex(bits.into()));
    Err(Defect {
        at,
        field: "flags",
        expected,
        found,
    })
}

#[cfg(test)]
mod tests;
