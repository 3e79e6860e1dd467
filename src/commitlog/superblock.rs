//! The superblock: what is known of a log beside its segments. It is the content of `lock`.
//!
//! Invariants:
//! - \[I1\] Slots are written in turn, so that a torn write leaves the states before. What was read
//!   may be in the page cache only, as after a sync that failed; then an older slot is the durable
//!   one, and it takes 7 failed syncs in a row, and no opening between them that got through, to
//!   reach it.
//! - \[I2\] What it says of segments was durable before it was written; what it says of retired
//!   history is durable before anything is removed.
//! - \[I3\] Writing it takes no space: its bytes are there since the log was created.
//!
//! Eight slots of 512 bytes; the valid one with the highest counter counts, and its slot is the
//! counter modulo 8.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTSUP` |
//! | 8..12 | format version | 2 |
//! | 12..16 | epoch | of the newest segment |
//! | 16..32 | log id | |
//! | 32..40 | counter | one more with each write |
//! | 40..48 | oldest tx offset | history below was removed on purpose |
//! | 48..56 | newest segment | its first tx offset |
//! | 56..64 | durable through | all transactions before this were durable, in this epoch |
//! | 64..68 | checksum | CRC-32 of bytes 0..64; zeros follow to the slot's end |

use super::header::SegmentHeader;
use super::{Epoch, LogId, TxOffset};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

/// The length of the file.
pub const SUPERBLOCK_BYTES: usize = SLOTS * SLOT_BYTES;
const SLOTS: usize = 8;
/// A slot has a sector of its own.
const SLOT_BYTES: usize = 512;
const MAGIC: [u8; 8] = *b"BLKSTSUP";
const VERSION: u32 = 2;
const COVERED_BYTES: usize = 64;

/// What is known of a log beside its segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The log's identity.
    pub log_id: LogId,
    /// The epoch of the newest segment.
    pub epoch: Epoch,
    /// How often it was written.
    pub counter: u64,
    /// History below was removed on purpose.
    pub oldest: TxOffset,
    /// The first transaction of the newest segment.
    pub newest: TxOffset,
    /// All transactions before this were durable.
    pub durable_through: TxOffset,
}

impl Superblock {
    /// Has it name the newest segment, and how far all is durable.
    pub(crate) fn describe(&mut self, newest: &SegmentHeader, durable_through: TxOffset) {
        self.epoch = newest.epoch;
        self.newest = newest.first;
        self.durable_through = durable_through;
    }

    /// One slot as bytes.
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.get().to_le_bytes());
        bytes[16..32].copy_from_slice(&self.log_id.bytes());
        bytes[32..40].copy_from_slice(&self.counter.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.oldest.get().to_le_bytes());
        bytes[48..56].copy_from_slice(&self.newest.get().to_le_bytes());
        bytes[56..64].copy_from_slice(&self.durable_through.get().to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..COVERED_BYTES]);
        bytes[COVERED_BYTES..COVERED_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Where the slot of this counter stands in the file.
    pub(crate) fn position(&self) -> u64 {
        (self.counter % SLOTS as u64) * SLOT_BYTES as u64
    }

    /// Reads the file's content: the newest valid slot.
    ///
    /// # Errors
    /// What is wrong with the first slot, if none is valid.
    pub fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let slots = bytes.chunks(SLOT_BYTES).take(SLOTS).enumerate();
        let decode = |(at, slot)| Self::slot(slot, ByteOffset::new((at * SLOT_BYTES) as u64));
        let valid = slots.filter_map(|slot| decode(slot).ok());
        match valid.max_by_key(|slot| slot.counter) {
            Some(newest) => Ok(newest),
            None => Self::slot(bytes, ByteOffset::new(0)),
        }
    }

    /// Whether the file, of which this is the newest valid slot, may have lost a later one: a write
    /// of it was cut short, or it was damaged.
    pub(crate) fn is_later_lost(&self, bytes: &[u8]) -> bool {
        let next = (self.counter % SLOTS as u64 + 1) as usize % SLOTS;
        // The slots behind the newest are zeros until each was written once.
        let is_due = |at: usize| at == next && self.counter >= SLOTS as u64 - 1;
        (0..SLOTS).any(|at| {
            let from = at * SLOT_BYTES;
            let Some(slot) = bytes.get(from..from + SLOT_BYTES) else {
                return at == next;
            };
            let is_empty = slot.iter().all(|byte| *byte == 0);
            let is_valid = Self::slot(slot, ByteOffset::new(from as u64)).is_ok();
            !is_valid && (!is_empty || is_due(at))
        })
    }

    fn slot(bytes: &[u8], at: ByteOffset) -> Result<Self, Defect> {
        let mut cursor = Cursor::new(bytes, at);
        let covered = cursor.bytes(COVERED_BYTES, "superblock")?;
        let checksum_at = cursor.at();
        let found = cursor.u32("superblock checksum")?;
        let computed = crc32fast::hash(covered);
        if found != computed {
            let (expected, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
            let field = "superblock checksum";
            return Err(Defect::new(checksum_at, field, expected, found));
        }
        let mut cursor = Cursor::new(covered, at);
        if cursor.array("superblock magic")? != MAGIC {
            let expected = "BLKSTSUP";
            return Err(Defect::new(
                at,
                "superblock magic",
                expected,
                "something else",
            ));
        }
        let version_at = cursor.at();
        let version = cursor.u32("superblock version")?;
        if version != VERSION {
            return Err(Defect::new(
                version_at,
                "superblock version",
                VERSION,
                version,
            ));
        }
        Ok(Self {
            epoch: Epoch::new(cursor.u32("epoch")?),
            log_id: LogId::new(cursor.array("log id")?),
            counter: cursor.u64("counter")?,
            oldest: TxOffset::new(cursor.u64("oldest tx offset")?),
            newest: TxOffset::new(cursor.u64("newest segment")?),
            durable_through: TxOffset::new(cursor.u64("durable through")?),
        })
    }
}

#[cfg(test)]
mod tests;
