//! The filter of a table: which keys it may have. A get skips a table whose filter lacks its key.
//!
//! A Bloom filter whose bits for one key are all in one line of 64 bytes, 10 bits a key: about one
//! key in a hundred that the table lacks passes.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..4 | lines | none: no filter, and any key may be there |
//! | 64 a line | bits | eight numbers; bit n is in number n / 64 |
//! | last 4 | checksum | as that of a block, with the number `FFFF_FFFC` |
//!
//! A key's hash is its XXH3-64 h. Its line is the upper half of h, scaled to the number of lines;
//! its seven bits are the first seven numbers of 9 bits of h times `9E37_79B9_7F4A_7C15`, the
//! highest first.
//!
//! Invariants:
//! - \[I1\] A key that the table has passes, a range tombstone's extent does not: tombstones are
//!   asked beside the filter.

use twox_hash::XxHash3_64;

use super::block::{checksum, expect_checksum};
use crate::codec::{ByteOffset, Cursor, Defect};

const NUMBER: u32 = u32::MAX - 3;
const LINE_BYTES: usize = 64;
const LINE_BITS: usize = 512;
const BITS_A_KEY: usize = 10;
const PROBES: u32 = 7;
const PROBE_BITS: u32 = 9;
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// A line of a processor's cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([u64; 8]);

/// What a filter knows a key by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    /// The hash of a key.
    #[inline]
    pub fn of(key: &[u8]) -> Self {
        Self(XxHash3_64::oneshot(key))
    }

    #[inline]
    fn line(self, lines: usize) -> usize {
        (((self.0 >> 32) * lines as u64) >> 32) as usize
    }

    #[inline]
    fn bits(self) -> impl Iterator<Item = u64> {
        let mixed = self.0.wrapping_mul(MIX);
        (1..=PROBES).map(move |probe| (mixed >> (u64::BITS - probe * PROBE_BITS)) & 511)
    }
}

/// The filter of a table.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    lines: Vec<Line>,
}

impl Filter {
    /// Checks a filter that stands at `at` in its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8], creation: u64, at: ByteOffset) -> Result<Self, Defect> {
        expect_checksum(bytes, creation, NUMBER, at)?;
        let mut cursor = Cursor::new(bytes, at);
        let count = cursor.u32("lines of the filter")? as usize;
        let bits = cursor.bytes(count.saturating_mul(LINE_BYTES), "filter")?;
        if cursor.rest().len() != 4 {
            let (at, found) = (cursor.at(), cursor.rest().len() as u64);
            return Err(Defect::new(at, "end of the filter", 4_u64, found));
        }
        let (lines, _) = bits.as_chunks::<LINE_BYTES>();
        let lines = lines.iter().map(|bytes| {
            let mut line = Line::default();
            for (number, bytes) in line.0.iter_mut().zip(bytes.as_chunks().0) {
                *number = u64::from_le_bytes(*bytes);
            }
            line
        });
        Ok(Self {
            lines: lines.collect(),
        })
    }

    /// Whether a key may be there.
    #[inline]
    pub fn may_have(&self, key: KeyHash) -> bool {
        let Some(Line(line)) = self.lines.get(key.line(self.lines.len())) else {
            return true;
        };
        // Without branches: which bit is missing nobody can foresee.
        let found = key.bits().fold(1, |found, bit| {
            found & (line[bit as usize / 64] >> (bit % 64))
        });
        found & 1 == 1
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        (self.lines.len() * LINE_BYTES) as u64
    }
}

/// The keys of a filter that grows.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    keys: Vec<KeyHash>,
}

impl FilterBuilder {
    /// Adds a key, unless it is the last one.
    pub fn push(&mut self, key: &[u8]) {
        let hash = KeyHash::of(key);
        if self.keys.last() != Some(&hash) {
            self.keys.push(hash);
        }
    }

    /// The filter.
    pub fn finish(&self, creation: u64) -> Vec<u8> {
        let mut lines = vec![Line::default(); (self.keys.len() * BITS_A_KEY).div_ceil(LINE_BITS)];
        let count = lines.len();
        for key in &self.keys {
            let Line(line) = &mut lines[key.line(count)];
            for bit in key.bits() {
                line[bit as usize / 64] |= 1 << (bit % 64);
            }
        }
        let count = u32::try_from(count).expect("a table has less than 2^32 lines of keys");
        let mut bytes = count.to_le_bytes().to_vec();
        let numbers = lines.iter().flat_map(|line| line.0);
        bytes.extend(numbers.flat_map(u64::to_le_bytes));
        let checksum = checksum(creation, NUMBER, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests;
