//! The rows: numbered keys and values, so that whatever comes back can be checked.
//!
//! A row's key follows from its number, and its value begins with the number. Values do not
//! compress: what an engine's compressor does to them is not what is compared.

use crate::Result;

/// Bytes of a value.
pub const VALUE_BYTES: usize = 128;
/// Bytes of the longest key.
const KEY_BYTES_MAX: usize = 20;
/// How many different values the middle of a composite key has.
const GROUPS: u64 = 100;
/// Bytes from which values are cut: more than any compressor's block.
const POOL_BYTES: usize = 1 << 20;

/// What keys look like.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Shape {
    /// 16 bytes, in the order of their numbers.
    Sequential,
    /// 16 random bytes.
    Random,
    /// 8 bytes with 100 values, then 12 random ones.
    Composite,
}

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Shape {
    /// Bytes of a key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Sequential | Self::Random => 16,
            Self::Composite => KEY_BYTES_MAX,
        }
    }

    /// The key of a number: another one for each.
    pub fn key(self, number: u64) -> Key {
        let [first, second] = [scramble(number), scramble(number ^ 0x5bd1_e995)];
        let words: [u64; 2] = match self {
            Self::Sequential => [number, 0],
            Self::Random => [first, second],
            Self::Composite => [first % GROUPS, first],
        };
        let mut bytes = [0; KEY_BYTES_MAX];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&words[0].to_be_bytes());
        let (middle, rest) = high.split_at_mut(8);
        middle.copy_from_slice(&words[1].to_be_bytes());
        rest.copy_from_slice(&(second as u32).to_be_bytes());
        Key {
            bytes,
            len: self.key_bytes(),
        }
    }
}

/// A bijection of 64 bits that looks random: the finalizer of splitmix64.
fn scramble(number: u64) -> u64 {
    let mut word = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Numbers that look random, below a bound.
pub struct Numbers {
    state: u64,
}

impl Numbers {
    /// A stream of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: scramble(seed) | 1,
        }
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64*, and the high half of a product in place of a division.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((u128::from(self.state) * u128::from(bound)) >> 64) as u64
    }
}

/// Makes values.
pub struct Values {
    pool: Vec<u8>,
}

impl Values {
    /// Fills the pool.
    pub fn new() -> Self {
        let words = (0..POOL_BYTES as u64 / 8).map(|word| scramble(word ^ 0xa5a5).to_le_bytes());
        Self {
            pool: words.flatten().collect(),
        }
    }

    /// The value of a number.
    pub fn value(&self, number: u64) -> [u8; VALUE_BYTES] {
        let at = (number as usize).wrapping_mul(VALUE_BYTES) % (POOL_BYTES - VALUE_BYTES);
        let mut value = [0; VALUE_BYTES];
        if let Some(cut) = self.pool.get(at..at + VALUE_BYTES) {
            value.copy_from_slice(cut);
        }
        if let Some(head) = value.first_chunk_mut() {
            *head = number.to_le_bytes();
        }
        value
    }
}

/// The number in a value.
pub fn number(value: &[u8]) -> Result<u64> {
    match value.first_chunk() {
        Some(head) if value.len() == VALUE_BYTES => Ok(u64::from_le_bytes(*head)),
        _ => Err(format!("a value of {} bytes came back", value.len()).into()),
    }
}

/// A row that is about to be written.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its key.
    pub key: Key,
    /// Its value.
    pub value: [u8; VALUE_BYTES],
}

/// What a scan saw: enough to notice a row that is missing, doubled, or never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// The sum of their numbers.
    pub sum: u64,
    /// The exclusive or of the last bytes of their keys.
    pub keys: u8,
}

impl Tally {
    /// Counts a row.
    pub fn see(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        let number = value
            .first_chunk()
            .map_or(u64::MAX, |head| u64::from_le_bytes(*head));
        self.sum = self.sum.wrapping_add(number);
        self.keys ^= key.last().copied().unwrap_or_default();
    }

    /// What a scan over the rows 0 to `rows` must have seen.
    pub fn of(shape: Shape, rows: u64) -> Self {
        let mut tally = Self::default();
        for number in 0..rows {
            tally.see(shape.key(number).as_ref(), &number.to_le_bytes());
        }
        tally
    }
}
