//! Keys and values in bytes, and back.
//!
//! | number of a key | bytes |
//! |---|---|
//! | 0 | none |
//! | below 1,000 | `key 0001` |
//! | from 1,000 on | the same, filled up to the longest key that there may be |
//!
//! A value is its token, and then the token's lowest byte as often as there is room; a value of
//! fewer than eight bytes holds the token's lowest ones.

use blackstart::store::KEY_BYTES_MAX;

/// A key: its keyspace, and its number there. Both orders are those of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The keyspace, from 0.
    pub space: u32,
    /// The number.
    pub number: u32,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.space {
            0 => write!(f, "{}", self.number),
            space => write!(f, "{space}/{}", self.number),
        }
    }
}

/// A value: whose it is, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value {
    /// The token of the batch that wrote it, or the part of it that has room.
    pub token: u64,
    /// Its length.
    pub bytes: u32,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t{}:{}B", self.token, self.bytes)
    }
}

/// A number that no key has: what was shown is no key.
const NO_KEY: u32 = u32::MAX - 1;
/// A token that no batch has: what was shown was never written.
const NO_TOKEN: u64 = u64::MAX;

const PREFIX: &str = "key ";
/// Keys from this number on are as long as they may be.
pub(super) const LONG: u32 = 1_000;

/// The bytes of a key.
pub(super) fn key_bytes(number: u32) -> Vec<u8> {
    match number {
        0 => Vec::new(),
        number => {
            let mut bytes = format!("{PREFIX}{number:04}").into_bytes();
            if number >= LONG {
                bytes.resize(KEY_BYTES_MAX, b'x');
            }
            bytes
        }
    }
}

/// The number of the key with these bytes.
pub(super) fn key_number(bytes: &[u8]) -> u32 {
    if bytes.is_empty() {
        return 0;
    }
    let head = bytes.get(..PREFIX.len() + 4).unwrap_or(bytes);
    let text = std::str::from_utf8(head).ok();
    let number = text.and_then(|text| text.strip_prefix(PREFIX)?.parse().ok());
    number
        .filter(|number| key_bytes(*number) == bytes)
        .unwrap_or(NO_KEY)
}

impl Value {
    /// A value that nobody wrote.
    pub(super) const NONE: Self = Self {
        token: NO_TOKEN,
        bytes: u32::MAX,
    };

    /// The value that a batch with this token writes.
    pub(super) fn of(token: u64, bytes: u32) -> Self {
        let shift = 8 * bytes.min(8);
        let token = match 1_u64.checked_shl(shift) {
            Some(end) => token & (end - 1),
            None => token,
        };
        Self { token, bytes }
    }

    /// Its bytes.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.token.to_le_bytes().to_vec();
        bytes.resize(self.bytes as usize, self.token as u8);
        bytes
    }

    /// The value that these bytes are; one that nobody wrote, if they are not whole.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut token = [0; 8];
        for (to, from) in token.iter_mut().zip(bytes) {
            *to = *from;
        }
        let token = u64::from_le_bytes(token);
        let rest = bytes.get(8..).unwrap_or_default();
        let is_whole = rest.iter().all(|byte| *byte == token as u8);
        Self {
            token: if is_whole { token } else { NO_TOKEN },
            bytes: bytes.len() as u32,
        }
    }
}
