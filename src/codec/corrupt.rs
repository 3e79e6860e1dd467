//! What is wrong with bytes, and where.

use std::fmt;

/// A position in a file, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(u64);

impl ByteOffset {
    /// The position `bytes` from the start.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the start.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `bytes` further; it stops at the largest one.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// The bytes from `earlier` to here; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A value of a field as an error shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number that people read in decimal: a length, an offset, a count.
    Number(u64),
    /// A number that people read in hexadecimal: a checksum, a bit set, a magic.
    Hex(u64),
    /// An identity of 128 bits.
    Identity([u8; 16]),
    /// A description.
    Text(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Hex(number) => write!(f, "{number:#x}"),
            Self::Identity(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

/// What a decoder found wrong. It owns nothing, so that failed probes allocate nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Where the field stands, in bytes from the start of the file.
    pub at: ByteOffset,
    /// The field, in the words of the format's table.
    pub field: &'static str,
    /// What should have been there.
    pub expected: Value,
    /// What was there.
    pub found: Value,
}

impl Defect {
    /// A defect of the field at `at`.
    #[cold]
    pub fn new(
        at: ByteOffset,
        field: &'static str,
        expected: impl Into<Value>,
        found: impl Into<Value>,
    ) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self {
            at,
            field,
            expected,
            found,
        }
    }

    /// The same with the file's name.
    pub fn in_file(self, file: impl Into<String>) -> Corrupt {
        Corrupt {
            file: file.into(),
            defect: self,
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            field,
            expected,
            found,
        } = self;
        write!(
            f,
            "{field} at byte {at}: expected {expected}, found {found}"
        )
    }
}

/// A defect and the file that has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {defect}")]
pub struct Corrupt {
    /// The file, as the path was given.
    pub file: String,
    /// Where and what.
    pub defect: Defect,
}
