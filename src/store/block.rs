//! A block: neighbouring rows of a table, read and checked at once.
//!
//! The columns stand in the order in which a lookup touches them.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..4 | rows | at least 1 |
//! | 4..8 | prefix length | bytes that all keys begin with |
//! | 8..16 | base sequence | the lowest |
//! | 16 | columns | bit 0: sequences, bit 1: kinds |
//! | 17..24 | | zeros |
//! | 8 a row | heads | 8 bytes of the key behind the prefix, then zeros, as a big-endian number |
//! | 4 a row | value ends | within the values |
//! | 4 a row | key ends | within the key rests |
//! | 8 a row | sequences | above the base; only if they are not all equal |
//! | 1 a row | kinds | 1 put, 2 delete; only if there are deletes |
//! | | prefix | |
//! | | key rests | what follows the prefix |
//! | | values | |
//! | last 4 | checksum | CRC-32 of all before; it starts from creation and block number |
//!
//! Invariants:
//! - \[I1\] Rows are ordered by key, and those of one key by sequence, highest first.
//! - \[I2\] A block that was decoded has ends that stay within their columns: lookups check
//!   nothing.

use std::cmp::Ordering;
use std::ops::Range;

use crate::codec::{ByteOffset, Cursor, Defect, Value};

const HEADER_BYTES: usize = 24;
const SEQUENCES: u8 = 1;
const KINDS: u8 = 2;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const CHECKSUM_BYTES: usize = 4;

/// The checksum of a part of a table.
pub(crate) fn checksum(creation: u64, number: u32, bytes: &[u8]) -> u32 {
    let mut start = crc32fast::Hasher::new();
    start.update(&creation.to_le_bytes());
    start.update(&number.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(start.finalize());
    hasher.update(bytes);
    hasher.finalize()
}

/// The first 8 bytes of what follows a key's prefix, as a number of the same order.
fn head(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = rest.len().min(8);
    bytes[..len].copy_from_slice(&rest[..len]);
    u64::from_be_bytes(bytes)
}

/// Rows that will be a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    keys: Vec<u8>,
    key_ends: Vec<u32>,
    values: Vec<u8>,
    value_ends: Vec<u32>,
    sequences: Vec<u64>,
    deletes: Vec<bool>,
}

impl BlockBuilder {
    /// Adds a row behind the last one.
    pub fn push(&mut self, key: &[u8], sequence: u64, value: Option<&[u8]>) {
        self.keys.extend_from_slice(key);
        self.key_ends.push(len_u32(self.keys.len()));
        self.values.extend_from_slice(value.unwrap_or_default());
        self.value_ends.push(len_u32(self.values.len()));
        self.sequences.push(sequence);
        self.deletes.push(value.is_none());
    }

    /// How large the block is so far, about.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.keys.len() + self.values.len() + 24 * self.sequences.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    fn key(&self, row: usize) -> &[u8] {
        let from = match row {
            0 => 0,
            _ => self.key_ends[row - 1] as usize,
        };
        &self.keys[from..self.key_ends[row] as usize]
    }

    /// The last row's key and sequence.
    pub fn last(&self) -> (&[u8], u64) {
        let last = self.sequences.len() - 1;
        (self.key(last), self.sequences[last])
    }

    /// The block, and nothing is left of it here.
    pub fn finish(&mut self, creation: u64, number: u32) -> Vec<u8> {
        let rows = self.sequences.len();
        let (first, last) = (self.key(0), self.key(rows - 1));
        // Keys are in order: what the first and the last share, all do.
        let prefix = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let base = self.sequences.iter().min().copied().unwrap_or(0);
        let has_sequences = self.sequences.iter().any(|sequence| *sequence != base);
        let has_kinds = self.deletes.contains(&true);
        let columns = u8::from(has_sequences) * SEQUENCES + u8::from(has_kinds) * KINDS;
        let mut bytes = Vec::with_capacity(self.bytes());
        bytes.extend_from_slice(&len_u32(rows).to_le_bytes());
        bytes.extend_from_slice(&len_u32(prefix).to_le_bytes());
        bytes.extend_from_slice(&base.to_le_bytes());
        bytes.push(columns);
        bytes.resize(HEADER_BYTES, 0);
        for row in 0..rows {
            bytes.extend_from_slice(&head(&self.key(row)[prefix..]).to_le_bytes());
        }
        for end in &self.value_ends {
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        for (row, end) in self.key_ends.iter().enumerate() {
            let rest_end = end - len_u32(prefix * (row + 1));
            bytes.extend_from_slice(&rest_end.to_le_bytes());
        }
        if has_sequences {
            for sequence in &self.sequences {
                bytes.extend_from_slice(&(sequence - base).to_le_bytes());
            }
        }
        if has_kinds {
            let kinds = self.deletes.iter();
            bytes.extend(kinds.map(|is_delete| if *is_delete { DELETE } else { PUT }));
        }
        bytes.extend_from_slice(&self.key(0)[..prefix]);
        for row in 0..rows {
            bytes.extend_from_slice(&self.key(row)[prefix..]);
        }
        bytes.extend_from_slice(&self.values);
        let checksum = checksum(creation, number, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        *self = Self::default();
        bytes
    }
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a block ends long before 4 GiB")
}

/// A block that was checked.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    rows: usize,
    base: u64,
    value_ends: usize,
    key_ends: usize,
    sequences: Option<usize>,
    kinds: Option<usize>,
    prefix: Range<usize>,
    rests: usize,
    values: usize,
}

impl Block {
    /// Checks a block that stands at `at` in its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(
        bytes: Vec<u8>,
        creation: u64,
        number: u32,
        at: ByteOffset,
    ) -> Result<Self, Defect> {
        expect_checksum(&bytes, creation, number, at)?;
        let mut cursor = Cursor::new(&bytes, at);
        let rows = cursor.u32("rows")? as usize;
        let prefix_len = cursor.u32("prefix length")? as usize;
        let base = cursor.u64("base sequence")?;
        let columns = cursor.u8("columns")?;
        cursor.bytes(HEADER_BYTES - 17, "header")?;
        if rows == 0 || columns & !(SEQUENCES | KINDS) != 0 {
            let expected = "rows, and columns that are known";
            return Err(Defect::new(
                at,
                "block header",
                expected,
                Value::Hex(columns.into()),
            ));
        }
        let has = |column: u8| columns & column != 0;
        let heads = HEADER_BYTES;
        cursor.bytes(rows.saturating_mul(8), "heads")?;
        let value_ends = heads + 8 * rows;
        let ends_of_values = cursor.bytes(rows * 4, "value ends")?;
        let key_ends = value_ends + 4 * rows;
        let ends_of_keys = cursor.bytes(rows * 4, "key ends")?;
        let mut next = key_ends + 4 * rows;
        let sequences = has(SEQUENCES).then_some(next);
        if sequences.is_some() {
            cursor.bytes(rows * 8, "sequences")?;
            next += 8 * rows;
        }
        let kinds = has(KINDS).then_some(next);
        if kinds.is_some() {
            cursor.bytes(rows, "kinds")?;
            next += rows;
        }
        cursor.bytes(prefix_len, "prefix")?;
        let prefix = next..next + prefix_len;
        let key_bytes = last_end(ends_of_keys, cursor.at(), "key ends")?;
        cursor.bytes(key_bytes, "key rests")?;
        let value_bytes = last_end(ends_of_values, cursor.at(), "value ends")?;
        cursor.bytes(value_bytes, "values")?;
        if cursor.rest().len() != CHECKSUM_BYTES {
            let (at, found) = (cursor.at(), cursor.rest().len() as u64);
            return Err(Defect::new(
                at,
                "end of block",
                CHECKSUM_BYTES as u64,
                found,
            ));
        }
        let (rests, values) = (prefix.end, prefix.end + key_bytes);
        Ok(Self {
            bytes,
            rows,
            base,
            value_ends,
            key_ends,
            sequences,
            kinds,
            prefix,
            rests,
            values,
        })
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn u32(&self, column: usize, row: usize) -> usize {
        let at = column + 4 * row;
        let bytes = self.bytes[at..at + 4].first_chunk();
        u32::from_le_bytes(*bytes.expect("[I2] within its column")) as usize
    }

    fn u64(&self, column: usize, row: usize) -> u64 {
        let at = column + 8 * row;
        let bytes = self.bytes[at..at + 8].first_chunk();
        u64::from_le_bytes(*bytes.expect("[I2] within its column"))
    }

    fn range(&self, ends: usize, row: usize) -> Range<usize> {
        let from = if row == 0 { 0 } else { self.u32(ends, row - 1) };
        from..self.u32(ends, row)
    }

    /// What all keys begin with.
    pub fn prefix(&self) -> &[u8] {
        &self.bytes[self.prefix.clone()]
    }

    /// What follows the prefix in a row's key.
    pub fn rest(&self, row: usize) -> &[u8] {
        let range = self.range(self.key_ends, row);
        &self.bytes[self.rests + range.start..self.rests + range.end]
    }

    /// A row's sequence.
    pub fn sequence(&self, row: usize) -> u64 {
        self.base + self.sequences.map_or(0, |column| self.u64(column, row))
    }

    /// A row's value; none if it is a delete.
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        if self
            .kinds
            .is_some_and(|kinds| self.bytes[kinds + row] == DELETE)
        {
            return None;
        }
        let range = self.range(self.value_ends, row);
        Some(&self.bytes[self.values + range.start..self.values + range.end])
    }

    /// The first row at or behind a key and a sequence; the number of rows if there is none.
    pub fn seek(&self, key: &[u8], sequence: u64) -> usize {
        let prefix = self.prefix();
        let shared = key.len().min(prefix.len());
        match key[..shared].cmp(&prefix[..shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.rows,
            Ordering::Equal if key.len() < prefix.len() => return 0,
            Ordering::Equal => {}
        }
        let rest = &key[prefix.len()..];
        let wanted = head(rest);
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let row = low + (high - low) / 2;
            let order = self.u64(HEADER_BYTES, row).cmp(&wanted);
            let order = order.then_with(|| self.rest(row).cmp(rest));
            let order = order.then_with(|| sequence.cmp(&self.sequence(row)));
            match order {
                Ordering::Less => low = row + 1,
                _ => high = row,
            }
        }
        low
    }

    /// Whether a row has this key.
    pub fn has_key(&self, row: usize, key: &[u8]) -> bool {
        key.strip_prefix(self.prefix())
            .is_some_and(|rest| rest == self.rest(row))
    }
}

/// The checksum at the end of a part of a table.
pub(crate) fn expect_checksum(
    bytes: &[u8],
    creation: u64,
    number: u32,
    at: ByteOffset,
) -> Result<(), Defect> {
    let Some((covered, found)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        let found = bytes.len() as u64;
        return Err(Defect::new(at, "checksum", CHECKSUM_BYTES as u64, found));
    };
    let (computed, found) = (
        checksum(creation, number, covered),
        u32::from_le_bytes(*found),
    );
    match computed == found {
        true => Ok(()),
        false => {
            let at = at.plus(covered.len() as u64);
            let (expected, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
            Err(Defect::new(at, "checksum", expected, found))
        }
    }
}

/// The last of the ends of a column, none of which is below the one before.
fn last_end(ends: &[u8], at: ByteOffset, field: &'static str) -> Result<usize, Defect> {
    let (ends, _) = ends.as_chunks::<4>();
    let mut last = 0;
    for end in ends {
        let end = u32::from_le_bytes(*end);
        if end < last {
            return Err(Defect::new(at, field, last, end));
        }
        last = end;
    }
    Ok(last as usize)
}

#[cfg(test)]
mod tests;
