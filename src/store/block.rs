//! A block: neighbouring rows of a table, read and checked at once.
//!
//! The columns stand in the order in which a lookup touches them.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0 | kind | 1: rows as they are. 2 is kept for compressed rows, and refused |
//! | 1 | columns | bit 0: kinds |
//! | 2 | width of value ends | 2 or 4 |
//! | 3 | width of key ends | 2 or 4 |
//! | 4 | width of sequences | 0 if they are all equal, else 1, 2, 4 or 8 |
//! | 5..8 | | zeros |
//! | 8..12 | rows | at least 1 |
//! | 12..16 | prefix length | bytes that all keys begin with |
//! | 16..20 | length of the key rests | |
//! | 20..24 | | zeros; kept for the length of compressed rows |
//! | 24..32 | base sequence | the lowest |
//! | 8 a row | heads | 8 bytes of the key behind the prefix, then zeros, as a big-endian number |
//! | a width a row | value ends | within the values |
//! | a width a row | key ends | within the key rests |
//! | a width a row | sequences | above the base |
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
use std::sync::Arc;

use super::heads::{self, HEAD_BYTES, head};
use crate::codec::{ByteOffset, Cursor, Defect, Value};

const HEADER_BYTES: usize = 32;
const ROWS: u8 = 1;
const KINDS: u8 = 1;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const CHECKSUM_BYTES: usize = 4;
/// A lookup reads the heads and the ends of a usual block, which begins with these bytes.
const FRONT_BYTES: usize = 768;
const LINE_BYTES: usize = 64;

/// The checksum of a part of a table.
pub(crate) fn checksum(creation: u64, number: u32, bytes: &[u8]) -> u32 {
    let mut start = crc32fast::Hasher::new();
    start.update(&creation.to_le_bytes());
    start.update(&number.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new_with_initial(start.finalize());
    hasher.update(bytes);
    hasher.finalize()
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
    /// Bytes that all keys begin with.
    prefix: usize,
}

impl BlockBuilder {
    /// Adds a row behind the last one.
    pub fn push(&mut self, key: &[u8], sequence: u64, value: Option<&[u8]>) {
        self.prefix = match self.is_empty() {
            true => key.len(),
            false => heads::shared(&self.key(0)[..self.prefix], key),
        };
        self.keys.extend_from_slice(key);
        self.key_ends.push(len_u32(self.keys.len()));
        self.values.extend_from_slice(value.unwrap_or_default());
        self.value_ends.push(len_u32(self.values.len()));
        self.sequences.push(sequence);
        self.deletes.push(value.is_none());
    }

    /// How large the block is so far, about.
    pub fn bytes(&self) -> usize {
        let rows = self.sequences.len();
        let prefixes = self.prefix * rows.saturating_sub(1);
        HEADER_BYTES + self.keys.len() - prefixes + self.values.len() + ROW_BYTES * rows
    }

    /// How many bytes one row more adds, about.
    pub fn bytes_of(key: &[u8], value: Option<&[u8]>) -> usize {
        key.len() + value.map_or(0, <[u8]>::len) + ROW_BYTES
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
        let prefix = heads::shared(first, last);
        let rests = self.keys.len() - prefix * rows;
        let base = self.sequences.iter().min().copied().unwrap_or(0);
        let above = self.sequences.iter().map(|sequence| sequence - base);
        let has_kinds = self.deletes.contains(&true);
        let widths = [
            width_of_ends(self.values.len()),
            width_of_ends(rests),
            width_of_sequences(above.clone().max().unwrap_or(0)),
        ];
        let mut bytes = Vec::with_capacity(self.bytes() + ROW_BYTES * rows);
        bytes.extend_from_slice(&[ROWS, u8::from(has_kinds) * KINDS]);
        bytes.extend_from_slice(&widths);
        bytes.resize(8, 0);
        bytes.extend_from_slice(&len_u32(rows).to_le_bytes());
        bytes.extend_from_slice(&len_u32(prefix).to_le_bytes());
        bytes.extend_from_slice(&len_u32(rests).to_le_bytes());
        bytes.resize(HEADER_BYTES - 8, 0);
        bytes.extend_from_slice(&base.to_le_bytes());
        for row in 0..rows {
            bytes.extend_from_slice(&head(&self.key(row)[prefix..]).to_le_bytes());
        }
        let ends = self.value_ends.iter().map(|end| u64::from(*end));
        push_column(&mut bytes, widths[0], ends);
        let ends = self.key_ends.iter().enumerate();
        let ends = ends.map(|(row, end)| u64::from(*end) - (prefix * (row + 1)) as u64);
        push_column(&mut bytes, widths[1], ends);
        push_column(&mut bytes, widths[2], above);
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
        self.clear();
        bytes
    }

    /// Keeps its memory for the next block.
    fn clear(&mut self) {
        self.keys.clear();
        self.key_ends.clear();
        self.values.clear();
        self.value_ends.clear();
        self.sequences.clear();
        self.deletes.clear();
    }
}

/// What a row takes besides its key and its value: head, two ends, and a sequence.
const ROW_BYTES: usize = HEAD_BYTES + 6;

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a block ends long before 4 GiB")
}

fn width_of_ends(last: usize) -> u8 {
    if u16::try_from(last).is_ok() { 2 } else { 4 }
}

fn width_of_sequences(highest: u64) -> u8 {
    match highest {
        0 => 0,
        1..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
    }
}

fn push_column(bytes: &mut Vec<u8>, width: u8, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes()[..width.into()]);
    }
}

/// Numbers of one width.
#[derive(Clone, Copy, Debug)]
struct Column {
    at: usize,
    width: usize,
}

impl Column {
    #[inline]
    fn get(self, bytes: &[u8], row: usize) -> u64 {
        let numbers = &bytes[self.at + row * self.width..];
        let number = match self.width {
            0 => Some(0),
            1 => numbers.first().map(|byte| u64::from(*byte)),
            2 => numbers
                .first_chunk()
                .map(|number| u16::from_le_bytes(*number).into()),
            4 => numbers
                .first_chunk()
                .map(|number| u32::from_le_bytes(*number).into()),
            _ => numbers
                .first_chunk()
                .map(|number| u64::from_le_bytes(*number)),
        };
        number.expect("[I2] within its column")
    }

    /// What ends at a row's end, of a column whose contents begin at `from`.
    #[inline]
    fn range(self, bytes: &[u8], from: usize, row: usize) -> Range<usize> {
        let start = match row {
            0 => 0,
            _ => self.get(bytes, row - 1) as usize,
        };
        from + start..from + self.get(bytes, row) as usize
    }
}

/// Where the columns of a block are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    rows: usize,
    base: u64,
    value_ends: Column,
    key_ends: Column,
    sequences: Column,
    /// None: all are puts.
    kinds: Option<usize>,
    prefix: usize,
    rests: usize,
    values: usize,
}

impl Layout {
    /// The layout that a header states.
    #[inline]
    fn of(header: &[u8; HEADER_BYTES]) -> Self {
        let [_, columns, value_width, key_width, sequence_width, ..] = *header;
        let [.., r0, r1, r2, r3, p0, p1, p2, p3, k0, k1, k2, k3] = *header
            .first_chunk::<20>()
            .expect("a header is longer than this");
        let base = header.last_chunk().expect("a header is longer than this");
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        let prefix_bytes = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let rest_bytes = u32::from_le_bytes([k0, k1, k2, k3]) as usize;
        let mut next = HEADER_BYTES + HEAD_BYTES * rows;
        let mut column = |width: u8| {
            let (at, width) = (next, usize::from(width));
            next += width * rows;
            Column { at, width }
        };
        let value_ends = column(value_width);
        let key_ends = column(key_width);
        let sequences = column(sequence_width);
        let has_kinds = columns & KINDS != 0;
        let kinds = has_kinds.then_some(next);
        let prefix = next + if has_kinds { rows } else { 0 };
        Self {
            rows,
            base: u64::from_le_bytes(*base),
            value_ends,
            key_ends,
            sequences,
            kinds,
            prefix,
            rests: prefix + prefix_bytes,
            values: prefix + prefix_bytes + rest_bytes,
        }
    }
}

/// The rows of a block that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    bytes: &'a [u8],
    layout: Layout,
}

impl<'a> Rows<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.layout.rows
    }

    #[inline]
    fn heads(&self) -> &'a [[u8; HEAD_BYTES]] {
        let heads = &self.bytes[HEADER_BYTES..self.layout.value_ends.at];
        heads.as_chunks().0
    }

    /// What all keys begin with.
    #[inline]
    pub fn prefix(&self) -> &'a [u8] {
        &self.bytes[self.layout.prefix..self.layout.rests]
    }

    /// What follows the prefix in a row's key.
    #[inline]
    pub fn rest(&self, row: usize) -> &'a [u8] {
        let Layout {
            key_ends, rests, ..
        } = self.layout;
        &self.bytes[key_ends.range(self.bytes, rests, row)]
    }

    /// A row's sequence.
    #[inline]
    pub fn sequence(&self, row: usize) -> u64 {
        self.layout.base + self.layout.sequences.get(self.bytes, row)
    }

    /// A row's value; none if it is a delete.
    #[inline]
    pub fn value(&self, row: usize) -> Option<&'a [u8]> {
        let Layout {
            value_ends,
            kinds,
            values,
            ..
        } = self.layout;
        if kinds.is_some_and(|kinds| self.bytes[kinds + row] == DELETE) {
            return None;
        }
        Some(&self.bytes[value_ends.range(self.bytes, values, row)])
    }

    /// The first row at or behind a key and a sequence; the number of rows if there is none.
    #[inline]
    pub fn seek(&self, key: &[u8], sequence: u64) -> usize {
        let rest = match heads::rest(key, self.prefix()) {
            Ok(rest) => rest,
            Err(Ordering::Less) => return 0,
            Err(_) => return self.len(),
        };
        let number = |head: &[u8; HEAD_BYTES]| u64::from_le_bytes(*head);
        heads::seek(self.heads(), number, head(rest), |row| {
            let order = self.rest(row).cmp(rest);
            order.then_with(|| sequence.cmp(&self.sequence(row))) == Ordering::Less
        })
    }

    /// Whether a row has this key.
    #[inline]
    pub fn has_key(&self, row: usize, key: &[u8]) -> bool {
        key.strip_prefix(self.prefix())
            .is_some_and(|rest| rest == self.rest(row))
    }

    /// Whether a row has the key of the row behind it.
    #[inline]
    pub fn has_key_of_next(&self, row: usize) -> bool {
        let heads = self.heads();
        heads[row] == heads[row + 1] && self.rest(row) == self.rest(row + 1)
    }
}

/// A block that was checked. Clones share its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Arc<[u8]>,
}

impl Block {
    /// Checks a block that stands at `at` in its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(
        bytes: Arc<[u8]>,
        creation: u64,
        number: u32,
        at: ByteOffset,
    ) -> Result<Self, Defect> {
        expect_checksum(&bytes, creation, number, at)?;
        let mut cursor = Cursor::new(&bytes, at);
        let header = cursor.array::<HEADER_BYTES>("block header")?;
        expect_header(&header, at)?;
        let layout = Layout::of(&header);
        let rows = layout.rows;
        cursor.bytes(rows.saturating_mul(HEAD_BYTES), "heads")?;
        let value_ends = cursor.bytes(rows * layout.value_ends.width, "value ends")?;
        let value_bytes = last_end(value_ends, layout.value_ends.width, at, "value ends")?;
        let key_ends = cursor.bytes(rows * layout.key_ends.width, "key ends")?;
        let key_bytes = last_end(key_ends, layout.key_ends.width, at, "key ends")?;
        let sequences_at = cursor.at();
        let sequences = cursor.bytes(rows * layout.sequences.width, "sequences")?;
        for sequence in numbers(sequences, layout.sequences.width) {
            if layout.base.checked_add(sequence).is_none() {
                let expected = "a sequence of 64 bits";
                return Err(Defect::new(sequences_at, "sequences", expected, sequence));
            }
        }
        if layout.kinds.is_some() {
            cursor.bytes(rows, "kinds")?;
        }
        cursor.bytes(layout.rests - layout.prefix, "prefix")?;
        let (rests_at, rest_bytes) = (cursor.at(), layout.values - layout.rests);
        if key_bytes != rest_bytes as u64 {
            return Err(Defect::new(
                rests_at,
                "key rests",
                rest_bytes as u64,
                key_bytes,
            ));
        }
        cursor.bytes(rest_bytes, "key rests")?;
        cursor.bytes(value_bytes as usize, "values")?;
        if cursor.rest().len() != CHECKSUM_BYTES {
            let (at, found) = (cursor.at(), cursor.rest().len() as u64);
            let expected = CHECKSUM_BYTES as u64;
            return Err(Defect::new(at, "end of block", expected, found));
        }
        Ok(Self { bytes })
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Its layout.
    #[inline]
    pub fn layout(&self) -> Layout {
        Layout::of(self.bytes.first_chunk().expect("[I2] it has a header"))
    }

    /// Its rows.
    #[inline]
    pub fn rows(&self) -> Rows<'_> {
        self.rows_of(self.layout())
    }

    /// Its rows, for whoever knows its layout.
    #[inline]
    pub fn rows_of(&self, layout: Layout) -> Rows<'_> {
        let bytes = &self.bytes;
        Rows { bytes, layout }
    }

    /// Has the processor fetch what a lookup reads first, all at once: one line after the other it
    /// would wait for each.
    #[inline]
    pub fn fetch(&self) {
        let front = &self.bytes[..self.bytes.len().min(FRONT_BYTES)];
        let lines = front.iter().step_by(LINE_BYTES);
        std::hint::black_box(lines.fold(0, |all, byte| all ^ byte));
    }
}

/// The fields of a header that say how the rest is read.
fn expect_header(header: &[u8; HEADER_BYTES], at: ByteOffset) -> Result<(), Defect> {
    let [kind, columns, value_width, key_width, sequence_width, ..] = *header;
    let is_known = kind == ROWS
        && columns & !KINDS == 0
        && matches!(value_width, 2 | 4)
        && matches!(key_width, 2 | 4)
        && matches!(sequence_width, 0 | 1 | 2 | 4 | 8)
        && Layout::of(header).rows > 0;
    match is_known {
        true => Ok(()),
        false => {
            let [found, ..] = header.as_chunks::<8>().0 else {
                unreachable!("a header is longer than this")
            };
            let expected = "rows, and widths and columns that are known";
            let found = Value::Hex(u64::from_be_bytes(*found));
            Err(Defect::new(at, "block header", expected, found))
        }
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

/// The numbers of a column.
fn numbers(column: &[u8], width: usize) -> impl Iterator<Item = u64> {
    let numbers = column.chunks_exact(width.max(1));
    numbers.map(|number| {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(number) {
            *to = *from;
        }
        u64::from_le_bytes(bytes)
    })
}

/// The last of the ends of a column, none of which is below the one before.
fn last_end(
    column: &[u8],
    width: usize,
    at: ByteOffset,
    field: &'static str,
) -> Result<u64, Defect> {
    let mut last = 0;
    for end in numbers(column, width) {
        if end < last {
            return Err(Defect::new(at, field, last, end));
        }
        last = end;
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
