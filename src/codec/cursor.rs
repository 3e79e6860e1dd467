//! A checked reader over bytes.

use super::{ByteOffset, Defect};

/// Takes fields from the front of a slice. Each step either has the bytes or says which field
/// they end in.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    at: ByteOffset,
}

impl<'a> Cursor<'a> {
    /// A cursor over `bytes`, which stand at `at` in their file.
    pub const fn new(bytes: &'a [u8], at: ByteOffset) -> Self {
        Self { rest: bytes, at }
    }

    /// Where the next field stands.
    pub const fn at(&self) -> ByteOffset {
        self.at
    }

    /// The bytes not yet taken.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes `len` bytes.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Defect> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.short(len, field));
        };
        self.rest = rest;
        self.at = self.at.plus(len as u64);
        Ok(taken)
    }

    /// Takes an array.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Defect> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.short(N, field));
        };
        self.rest = rest;
        self.at = self.at.plus(N as u64);
        Ok(*taken)
    }

    /// Takes a byte.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Defect> {
        self.array(field).map(u8::from_le_bytes)
    }

    /// Takes a 16-bit number.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Defect> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// Takes a 32-bit number.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Defect> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Takes a 64-bit number.
    ///
    /// # Errors
    /// The bytes end before.
    #[inline]
    pub fn u64(&mut self, field: &'static str) -> Result<u64, Defect> {
        self.array(field).map(u64::from_le_bytes)
    }

    #[cold]
    fn short(&self, len: usize, field: &'static str) -> Defect {
        Defect::new(self.at, field, len as u64, "the end of the bytes")
    }
}

#[cfg(test)]
mod tests;
