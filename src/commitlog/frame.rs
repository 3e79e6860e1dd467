//! Frames: the checksummed units of a segment.
//!
//! Invariants:
//! - \[I1\] A length above [`SMALL_PAYLOAD_BYTES_MAX`] is believed only after the header's
//!   checksum, and a payload only after its own.
//! - \[I2\] A frame is valid at one place of one segment only: its checksum starts from log id, the
//!   segment's first tx offset and the position, and it names the segment's creation tag. With
//!   `prev` it is valid in one history only.
//! - \[I3\] A frame can be validated without those before it, which looking ahead needs.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..4 | checksum | CRC-32 of bytes 4..32, and of the payload if that is small |
//! | 4..6 | magic | `F5 4B` |
//! | 6 | kind | 1 commit, 2 close |
//! | 7 | flags | zero |
//! | 8..12 | creation tag | as in the segment's header |
//! | 12..16 | prev | checksum of the frame before; of the first frame see `header` |
//! | 16..20 | payload length | |
//! | 20..24 | tx count | at least 1; 0 in a close mark |
//! | 24..28 | relative tx offset | of its first transaction, from the segment's first; of a close mark, that of the next transaction |
//! | 28..32 | durable bytes | the segment's bytes before this were durable when the frame was written |
//! | 32.. | payload | |
//! | last 4 | payload checksum | CRC-32 of the payload; only if that is larger than 1,024 bytes |
//!
//! The checksum's initial value is the CRC-32 of log id and the segment's first tx offset, XOR the
//! position. A commit's payload is, for each transaction, a length (u32) and so many bytes. A close
//! mark has none.
//!
//! Not here: reading frames in sequence (see `chain`).

use super::{LogId, TxOffset};
use crate::codec::{ByteOffset, Defect, Value};

/// The length of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 32;
/// Up to this length a payload shares the header's checksum.
pub const SMALL_PAYLOAD_BYTES_MAX: u32 = 1024;
/// The length of a record's length.
pub const RECORD_PREFIX_BYTES: usize = 4;
/// The length of the checksum behind a large payload.
const TRAILER_BYTES: u64 = 4;

/// The magic's bytes in the order in which they stand.
pub(crate) const MAGIC: [u8; 2] = [0xF5, 0x4B];
/// Where the magic stands in a frame.
pub(crate) const MAGIC_AT: usize = 4;

/// What all frames of one segment share: their checksums start from it, and they name its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameKey {
    salt: u32,
    first: TxOffset,
    /// None: any tag will do. Salvage has it so where the segment's header is lost.
    tag: Option<u32>,
}

impl FrameKey {
    /// The key of the segment of `log_id` that starts with transaction `first`.
    pub fn new(log_id: LogId, first: TxOffset, tag: Option<u32>) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&log_id.bytes());
        hasher.update(&first.get().to_le_bytes());
        let salt = hasher.finalize();
        Self { salt, first, tag }
    }

    /// The same for frames with this tag.
    pub(crate) fn tagged(self, tag: u32) -> Self {
        let tag = Some(tag);
        Self { tag, ..self }
    }

    #[inline]
    fn checksum(&self, at: ByteOffset, covered: &[u8]) -> u32 {
        // Positions in a segment are 32-bit numbers.
        let mut hasher = crc32fast::Hasher::new_with_initial(self.salt ^ at.get() as u32);
        hasher.update(covered);
        hasher.finalize()
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// A commit.
    Commit = 1,
    /// The log was closed here: everything before was synced before this was written.
    Close = 2,
}

impl FrameKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Commit),
            2 => Some(Self::Close),
            _ => None,
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Close => "close",
        }
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// What the frame is.
    pub kind: FrameKind,
    /// The creation tag of its segment.
    pub tag: u32,
    /// The checksum of the frame before.
    pub prev: u32,
    /// The payload's length.
    pub payload_len: u32,
    /// How many transactions.
    pub tx_count: u32,
    /// The first transaction; of a close mark, the next one.
    pub first: TxOffset,
    /// All bytes of the segment before this were durable when the frame was written.
    pub durable_bytes: u32,
}

/// A header as it stands, nothing believed yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawHeader([u8; FRAME_HEADER_BYTES]);

impl RawHeader {
    #[inline]
    pub fn new(bytes: [u8; FRAME_HEADER_BYTES]) -> Self {
        Self(bytes)
    }

    #[inline]
    fn u32(&self, at: usize) -> u32 {
        let bytes = [self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]];
        u32::from_le_bytes(bytes)
    }

    /// The payload's length, as far as the header's checksum covers the payload: that many bytes
    /// are needed to check it.
    #[inline]
    pub fn covered_payload_len(&self) -> u32 {
        match self.u32(16) {
            len if len <= SMALL_PAYLOAD_BYTES_MAX => len,
            _ => 0,
        }
    }

    /// The header, if its checksum is right. `covered` is the frame's bytes from 4 to the end of
    /// what the checksum covers. Returns the checksum too.
    ///
    /// # Errors
    /// What is wrong with it; nothing is believed before the checksum but magic and a small length.
    #[inline]
    pub fn check(
        &self,
        covered: &[u8],
        key: &FrameKey,
        at: ByteOffset,
    ) -> Result<(FrameHeader, u32), Defect> {
        let checksum = self.u32(0);
        if [self.0[4], self.0[5]] != MAGIC {
            return Err(self.wrong_magic(at));
        }
        let computed = key.checksum(at, covered);
        if checksum != computed {
            let (expected, found) = (Value::Hex(computed.into()), Value::Hex(checksum.into()));
            return Err(Defect::new(at, "frame checksum", expected, found));
        }
        let header = self.decode(key, at)?;
        Ok((header, checksum))
    }

    #[inline]
    fn decode(&self, key: &FrameKey, at: ByteOffset) -> Result<FrameHeader, Defect> {
        let [kind, flags] = [self.0[6], self.0[7]];
        let Some(kind) = FrameKind::from_byte(kind) else {
            let found = u32::from(kind);
            return Err(Defect::new(at.plus(6), "frame kind", "a known kind", found));
        };
        if flags != 0 {
            let found = Value::Hex(flags.into());
            return Err(Defect::new(at.plus(7), "frame flags", 0_u32, found));
        }
        let tag = self.u32(8);
        if let Some(expected) = key.tag.filter(|expected| *expected != tag) {
            let (expected, found) = (Value::Hex(expected.into()), Value::Hex(tag.into()));
            return Err(Defect::new(at.plus(8), "creation tag", expected, found));
        }
        let relative = self.u32(24);
        let Some(first) = key.first.checked_add(relative.into()) else {
            let expected = "one that stays within the offsets";
            return Err(Defect::new(
                at.plus(24),
                "relative tx offset",
                expected,
                relative,
            ));
        };
        let header = FrameHeader {
            kind,
            tag,
            prev: self.u32(12),
            payload_len: self.u32(16),
            tx_count: self.u32(20),
            first,
            durable_bytes: self.u32(28),
        };
        header.expect_counts(at)?;
        Ok(header)
    }

    #[cold]
    fn wrong_magic(&self, at: ByteOffset) -> Defect {
        let found = [self.0[4], self.0[5]];
        let [expected, found] = [MAGIC, found].map(|magic| u64::from(u16::from_le_bytes(magic)));
        let (expected, found) = (Value::Hex(expected), Value::Hex(found));
        Defect::new(at.plus(4), "frame magic", expected, found)
    }
}

impl FrameHeader {
    /// Reads the header of the frame at the start of `bytes`, which stands at `at` in its segment,
    /// and its checksum. `bytes` may be longer. A small payload is checked with it, a large one is
    /// not.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub fn decode(bytes: &[u8], key: &FrameKey, at: ByteOffset) -> Result<(Self, u32), Defect> {
        let short = |field, expected: usize| {
            let found = bytes.len() as u64;
            Defect::new(at, field, expected as u64, found)
        };
        let Some(head) = bytes.first_chunk() else {
            return Err(short("frame header", FRAME_HEADER_BYTES));
        };
        let raw = RawHeader::new(*head);
        let covered_to = FRAME_HEADER_BYTES + raw.covered_payload_len() as usize;
        match bytes.get(4..covered_to) {
            Some(covered) => raw.check(covered, key, at),
            None => Err(short("payload", covered_to)),
        }
    }

    /// The frame's length with its payload and what follows that.
    #[inline]
    pub const fn frame_bytes(&self) -> u64 {
        frame_bytes(self.payload_len as u64)
    }

    /// Whether the payload has a checksum of its own.
    #[inline]
    pub const fn is_large(&self) -> bool {
        self.payload_len > SMALL_PAYLOAD_BYTES_MAX
    }

    /// Whether the log was closed with this frame, which stands at `at`: a close mark that says
    /// that everything before it was durable. No writer leaves another one.
    pub(crate) fn closes_at(&self, at: ByteOffset) -> bool {
        self.kind == FrameKind::Close && u64::from(self.durable_bytes) == at.get()
    }

    /// The transaction after the frame's last one.
    ///
    /// # Errors
    /// A count that leads beyond the last offset there is.
    #[inline]
    pub fn end(&self, at: ByteOffset) -> Result<TxOffset, Defect> {
        let end = self.first.checked_add(self.tx_count.into());
        end.ok_or_else(|| {
            let expected = "a count that stays within the offsets";
            Defect::new(at.plus(20), "tx count", expected, self.tx_count)
        })
    }

    /// Whether count and length fit the kind.
    #[inline]
    fn expect_counts(&self, at: ByteOffset) -> Result<(), Defect> {
        let is_mark = self.kind != FrameKind::Commit;
        if is_mark != (self.tx_count == 0) {
            let expected = if is_mark { "0 in a mark" } else { "at least 1" };
            return Err(Defect::new(
                at.plus(20),
                "tx count",
                expected,
                self.tx_count,
            ));
        }
        let least = u64::from(self.tx_count) * RECORD_PREFIX_BYTES as u64;
        let len = u64::from(self.payload_len);
        if len < least || (is_mark && len > 0) {
            return Err(Defect::new(at.plus(16), "payload length", least, len));
        }
        Ok(())
    }
}

/// The length of a frame with a payload of this length.
#[inline]
pub(crate) const fn frame_bytes(payload_bytes: u64) -> u64 {
    let trailer = match payload_bytes > SMALL_PAYLOAD_BYTES_MAX as u64 {
        true => TRAILER_BYTES,
        false => 0,
    };
    FRAME_HEADER_BYTES as u64 + payload_bytes + trailer
}

/// Completes the frame that begins at byte `from` of `buffer`, where room for its header stands,
/// and behind it the payload up to the buffer's end. The frame will stand at `at` in its segment.
/// Returns the frame's checksum.
pub(crate) fn seal(
    buffer: &mut Vec<u8>,
    from: usize,
    header: &FrameHeader,
    key: &FrameKey,
    at: ByteOffset,
) -> u32 {
    let payload_from = from + FRAME_HEADER_BYTES;
    let payload_bytes = buffer.len() - payload_from;
    assert_eq!(payload_bytes, header.payload_len as usize, "as announced");
    let relative = header.first.since(key.first);
    let relative =
        u32::try_from(relative).expect("a record takes 4 bytes, a segment is below 4 GiB");
    if header.is_large() {
        let checksum = crc32fast::hash(&buffer[payload_from..]);
        buffer.extend_from_slice(&checksum.to_le_bytes());
    }
    let place = &mut buffer[from..payload_from];
    place[4..6].copy_from_slice(&MAGIC);
    place[6..8].copy_from_slice(&[header.kind as u8, 0]);
    place[8..12].copy_from_slice(&header.tag.to_le_bytes());
    place[12..16].copy_from_slice(&header.prev.to_le_bytes());
    place[16..20].copy_from_slice(&header.payload_len.to_le_bytes());
    place[20..24].copy_from_slice(&header.tx_count.to_le_bytes());
    place[24..28].copy_from_slice(&relative.to_le_bytes());
    place[28..32].copy_from_slice(&header.durable_bytes.to_le_bytes());
    let covered_to = if header.is_large() {
        payload_from
    } else {
        payload_from + payload_bytes
    };
    let checksum = key.checksum(at, &buffer[from + 4..covered_to]);
    buffer[from..from + 4].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

#[cfg(test)]
mod tests;
