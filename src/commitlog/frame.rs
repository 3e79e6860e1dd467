//! Frames: the checksummed units of a segment.
//!
//! Invariants:
//! - \[I1\] A length is believed only after the header's checksum, and a payload only after its
//!   own.
//! - \[I2\] The header's checksum depends on log, segment and position, so that a frame is valid at
//!   one place of one segment only; with `prev` and the epoch it is valid in one history only.
//! - \[I3\] A frame can be validated without those before it, which looking ahead needs.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..4 | checksum | CRC-32 from the segment's seed: position as u64, bytes 4..48, 76 zeros |
//! | 4..6 | magic | `0x4BF5` |
//! | 6 | kind | 1 commit, 2 close, 3 seal, 4 open, 5 retain, 6 lost |
//! | 7 | flags | zero |
//! | 8..16 | first tx offset | of the commit; of a mark, that of the next transaction |
//! | 16..24 | durable through | all transactions before this were durable when it was written |
//! | 24..28 | epoch | as in the segment's header |
//! | 28..32 | tx count | at least 1; 0 in a mark |
//! | 32..36 | payload length | |
//! | 36..40 | payload checksum | CRC-32 |
//! | 40..44 | prev | checksum of the frame before; the header's `chain` in the first frame |
//! | 44..48 | durable bytes | the segment's bytes before this were durable when it was written |
//!
//! The seed is the CRC-32 of log id and the segment's first tx offset. A commit's payload is, for
//! each transaction, a length (u32) and so many bytes. A mark's payload is one number (u64).
//!
//! Not here: reading frames in sequence (see `chain`).

use super::{Epoch, LogId, TxOffset};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

/// The length of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 48;
/// The length of a mark: a header and one number.
pub const MARK_BYTES: usize = FRAME_HEADER_BYTES + MARK_PAYLOAD_BYTES;
const MARK_PAYLOAD_BYTES: usize = 8;
/// The length of a record's length.
pub const RECORD_PREFIX_BYTES: usize = 4;

/// The magic's bytes in the order in which they stand.
pub(crate) const MAGIC: [u8; 2] = [0xF5, 0x4B];
/// Where the magic stands in a frame.
pub(crate) const MAGIC_AT: usize = 4;

/// What a segment's frames have in common: their checksums start from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u32);

impl Seed {
    /// The seed of the segment of `log_id` that starts with transaction `first`.
    pub fn new(log_id: LogId, first: TxOffset) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&log_id.bytes());
        hasher.update(&first.get().to_le_bytes());
        Self(hasher.finalize())
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// A commit.
    Commit = 1,
    /// The log was closed; everything before is durable. Payload: the oldest tx offset.
    Close = 2,
    /// The segment ends here. Payload: the checksum that this seal stands for after a salvage, or
    /// 0.
    Seal = 3,
    /// Writing went on after a close: the close before it no longer says that the end is clean.
    /// Payload: 0.
    Open = 4,
    /// History below is removed on purpose. Payload: the oldest tx offset.
    Retain = 5,
    /// Transactions were lost to damage. Payload: the first offset after them.
    Lost = 6,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Commit,
            Self::Close,
            Self::Seal,
            Self::Open,
            Self::Retain,
            Self::Lost,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Close => "close",
            Self::Seal => "seal",
            Self::Open => "open",
            Self::Retain => "retain",
            Self::Lost => "lost",
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: FrameKind,
    /// The first transaction; of a mark, the next one.
    pub first: TxOffset,
    /// All transactions before this were durable when the frame was written.
    pub durable_through: TxOffset,
    /// The segment's epoch.
    pub epoch: Epoch,
    /// How many transactions.
    pub tx_count: u32,
    /// The payload's length.
    pub payload_len: u32,
    /// The payload's checksum.
    pub payload_checksum: u32,
    /// The checksum of the frame before.
    pub prev: u32,
    /// All bytes of the segment before this were durable when the frame was written.
    pub durable_bytes: u32,
}

impl FrameHeader {
    /// The frame's length with its payload.
    pub const fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES as u64 + self.payload_len as u64
    }

    /// The transaction after the frame's last one; of a lost range, see its payload.
    ///
    /// # Errors
    /// A count that leads beyond the last offset there is.
    #[inline]
    pub fn end(&self, at: ByteOffset) -> Result<TxOffset, Defect> {
        self.first
            .checked_add(self.tx_count.into())
            .ok_or_else(|| Defect {
                at: at.plus(28),
                field: "tx count",
                expected: Value::Text("a count that stays within the offsets"),
                found: Value::Number(self.tx_count.into()),
            })
    }

    /// Writes the header for the position `at` and returns it with its checksum.
    pub fn encode(&self, seed: Seed, at: ByteOffset) -> ([u8; FRAME_HEADER_BYTES], u32) {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        let [m0, m1] = MAGIC;
        let mut fill = |from: usize, field: &[u8]| {
            bytes[from..from + field.len()].copy_from_slice(field);
        };
        fill(4, &[m0, m1, self.kind as u8, 0]);
        fill(8, &self.first.get().to_le_bytes());
        fill(16, &self.durable_through.get().to_le_bytes());
        fill(24, &self.epoch.get().to_le_bytes());
        fill(28, &self.tx_count.to_le_bytes());
        fill(32, &self.payload_len.to_le_bytes());
        fill(36, &self.payload_checksum.to_le_bytes());
        fill(40, &self.prev.to_le_bytes());
        fill(44, &self.durable_bytes.to_le_bytes());
        let checksum = header_checksum(seed, at, &bytes);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }

    /// Reads the header of a frame at `at`, and its checksum. What it says of its place in the
    /// sequence is for the caller to judge.
    ///
    /// # Errors
    /// What is wrong with it; nothing is believed before the checksum but the magic.
    #[inline]
    pub fn decode(
        bytes: &[u8; FRAME_HEADER_BYTES],
        seed: Seed,
        at: ByteOffset,
    ) -> Result<(Self, u32), Defect> {
        let mut cursor = Cursor::new(bytes, at);
        let checksum = cursor.u32("frame checksum")?;
        expect_magic(&mut cursor)?;
        let computed = header_checksum(seed, at, bytes);
        if checksum != computed {
            let (expected, found) = (Value::Hex(computed.into()), Value::Hex(checksum.into()));
            return Err(Defect {
                at,
                field: "frame checksum",
                expected,
                found,
            });
        }
        let kind = frame_kind(&mut cursor)?;
        let header = Self {
            kind,
            first: TxOffset::new(cursor.u64("first tx offset")?),
            durable_through: TxOffset::new(cursor.u64("durable through")?),
            epoch: Epoch::new(cursor.u32("epoch")?),
            tx_count: cursor.u32("tx count")?,
            payload_len: cursor.u32("payload length")?,
            payload_checksum: cursor.u32("payload checksum")?,
            prev: cursor.u32("prev")?,
            durable_bytes: cursor.u32("durable bytes")?,
        };
        header.expect_counts(at)?;
        Ok((header, checksum))
    }

    /// Whether count and length fit the kind.
    #[inline]
    fn expect_counts(&self, at: ByteOffset) -> Result<(), Defect> {
        let is_mark = self.kind != FrameKind::Commit;
        if is_mark != (self.tx_count == 0) {
            return Err(Defect {
                at: at.plus(28),
                field: "tx count",
                expected: Value::Text(if is_mark { "0 in a mark" } else { "at least 1" }),
                found: Value::Number(self.tx_count.into()),
            });
        }
        let least = match is_mark {
            true => MARK_PAYLOAD_BYTES as u64,
            false => u64::from(self.tx_count) * RECORD_PREFIX_BYTES as u64,
        };
        let len = u64::from(self.payload_len);
        if len < least || (is_mark && len > least) {
            let (expected, found) = (Value::Number(least), Value::Number(len));
            return Err(Defect {
                at: at.plus(32),
                field: "payload length",
                expected,
                found,
            });
        }
        Ok(())
    }
}

/// What a header's checksum is taken of: the position, bytes 4..48, and zeros. From 128 bytes on
/// the
/// processor's carry-less multiply is used, which takes a quarter of the time that the bytes alone
/// would take.
const COVERED_BYTES: usize = 128;

#[inline]
fn header_checksum(seed: Seed, at: ByteOffset, header: &[u8; FRAME_HEADER_BYTES]) -> u32 {
    let mut covered = [0; COVERED_BYTES];
    covered[..8].copy_from_slice(&at.get().to_le_bytes());
    covered[8..4 + FRAME_HEADER_BYTES].copy_from_slice(&header[4..]);
    let mut hasher = crc32fast::Hasher::new_with_initial(seed.0);
    hasher.update(&covered);
    hasher.finalize()
}

#[inline]
fn expect_magic(cursor: &mut Cursor<'_>) -> Result<(), Defect> {
    let at = cursor.at();
    let found: [u8; 2] = cursor.array("frame magic")?;
    if found == MAGIC {
        return Ok(());
    }
    let [expected, found] = [MAGIC, found].map(|magic| u64::from(u16::from_le_bytes(magic)));
    let (expected, found) = (Value::Hex(expected), Value::Hex(found));
    Err(Defect {
        at,
        field: "frame magic",
        expected,
        found,
    })
}

#[inline]
fn frame_kind(cursor: &mut Cursor<'_>) -> Result<FrameKind, Defect> {
    let at = cursor.at();
    let byte = cursor.u8("frame kind")?;
    let kind = FrameKind::from_byte(byte).ok_or(Defect {
        at,
        field: "frame kind",
        expected: Value::Text("a known kind"),
        found: Value::Number(byte.into()),
    })?;
    let at = cursor.at();
    match cursor.u8("frame flags")? {
        0 => Ok(kind),
        flags => Err(Defect {
            at,
            field: "frame flags",
            expected: Value::Number(0),
            found: Value::Hex(flags.into()),
        }),
    }
}

/// A mark: a frame without transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub kind: FrameKind,
    pub number: u64,
}

impl Mark {
    /// The mark as a whole frame, and the frame's checksum.
    pub fn encode(self, place: &Place, seed: Seed, at: ByteOffset) -> ([u8; MARK_BYTES], u32) {
        let payload = self.number.to_le_bytes();
        let header = FrameHeader {
            kind: self.kind,
            first: place.next,
            durable_through: place.durable_through,
            epoch: place.epoch,
            tx_count: 0,
            payload_len: MARK_PAYLOAD_BYTES as u32,
            payload_checksum: crc32fast::hash(&payload),
            prev: place.prev,
            durable_bytes: place.durable_bytes,
        };
        let (encoded, checksum) = header.encode(seed, at);
        let mut bytes = [0; MARK_BYTES];
        bytes[..FRAME_HEADER_BYTES].copy_from_slice(&encoded);
        bytes[FRAME_HEADER_BYTES..].copy_from_slice(&payload);
        (bytes, checksum)
    }

    /// The number in a mark's payload.
    ///
    /// # Errors
    /// The payload is too short.
    pub fn number(payload: &[u8], at: ByteOffset) -> Result<u64, Defect> {
        Cursor::new(payload, at.plus(FRAME_HEADER_BYTES as u64)).u64("mark payload")
    }
}

/// What a new frame says of its place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub epoch: Epoch,
    pub next: TxOffset,
    pub prev: u32,
    pub durable_through: TxOffset,
    pub durable_bytes: u32,
}

#[cfg(test)]
mod tests;
