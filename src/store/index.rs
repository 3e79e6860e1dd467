//! The index of a table: where its blocks are, and the key that each ends with.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..4 | blocks | |
//! | for each block | length | u32; the first block begins where the file does |
//! | | last sequence | u64 |
//! | | shared, rest | u32 each: bytes that the last key shares with the one before, and others |
//! | | key | what follows |
//! | last 4 | checksum | as that of a block, with the number `FFFF_FFFF` |
//!
//! In memory blocks are in groups, each with a prefix of its own, behind which its heads are: keys
//! that begin with a few values (a keyspace, a tenant, a table) would otherwise have equal heads
//! all over. The file knows nothing of groups.
//!
//! Invariants:
//! - \[I1\] Places of last rows ascend: by key, and those of one key by sequence, highest first.
//! - \[I2\] A group has at least two blocks, unless it is the last, and hardly ever two blocks with
//!   equal heads.

use std::cmp::Ordering;
use std::ops::Range;

use super::block::{checksum, expect_checksum};
use super::heads::{self, HEAD_BYTES, head};
use crate::codec::{ByteOffset, Cursor, Defect};

const NUMBER: u32 = u32::MAX;
/// Length, sequence, and two lengths of a key.
const ENTRY_BYTES_MIN: usize = 20;

/// Neighbouring blocks.
#[derive(Debug)]
struct Group {
    /// The first block behind it.
    end: usize,
    /// Bytes that its last keys begin with.
    prefix: usize,
}

/// The blocks of a table.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Where each block ends in the file.
    ends: Vec<u64>,
    last_sequences: Vec<u64>,
    /// Last keys, and where each ends.
    keys: Vec<u8>,
    key_ends: Vec<usize>,
    /// Of last keys, behind the prefixes of their groups.
    heads: Vec<u64>,
    groups: Vec<Group>,
    /// Bytes that all last keys begin with.
    prefix: usize,
    /// Of the last keys of groups, behind that.
    group_heads: Vec<u64>,
}

impl Index {
    /// Checks an index that stands at `at` in its file, where the blocks end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8], creation: u64, at: ByteOffset) -> Result<Self, Defect> {
        expect_checksum(bytes, creation, NUMBER, at)?;
        let mut cursor = Cursor::new(bytes, at);
        let count = cursor.u32("blocks")? as usize;
        let room = cursor.rest().len() / ENTRY_BYTES_MIN;
        if count > room {
            return Err(Defect::new(at, "blocks", room as u64, count as u64));
        }
        let mut index = Self::default();
        for _ in 0..count {
            index.decode_entry(&mut cursor)?;
        }
        let end = index.ends.last().copied().unwrap_or(0);
        if end != at.get() {
            return Err(Defect::new(at, "end of the blocks", at.get(), end));
        }
        index.group();
        Ok(index)
    }

    fn decode_entry(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Defect> {
        let entry_at = cursor.at();
        let bytes = cursor.u32("length of a block")?;
        let sequence = cursor.u64("last sequence")?;
        let shared = cursor.u32("shared bytes of the last key")? as usize;
        let rest_bytes = cursor.u32("length of the last key")? as usize;
        let rest = cursor.bytes(rest_bytes, "last key")?;
        let before = self.ends.len().checked_sub(1);
        let key = before.map_or(0..0, |before| self.key_range(before));
        if shared > key.len() {
            let (field, expected) = ("shared bytes of the last key", key.len() as u64);
            return Err(Defect::new(entry_at, field, expected, shared as u64));
        }
        let from = self.keys.len();
        self.keys.extend_from_within(key.start..key.start + shared);
        self.keys.extend_from_slice(rest);
        let order = self.keys[key].cmp(&self.keys[from..]);
        let order = order.then_with(|| self.last_sequences.last().cmp(&Some(&sequence)).reverse());
        if before.is_some() && order != Ordering::Less {
            let expected = "[I1] a place behind the one before";
            return Err(Defect::new(entry_at, "last key", expected, "another order"));
        }
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(start + u64::from(bytes));
        self.last_sequences.push(sequence);
        self.key_ends.push(self.keys.len());
        Ok(())
    }

    /// How many blocks there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        let numbers = 4 * self.ends.len() + 3 * self.groups.len();
        (self.keys.len() + 8 * numbers) as u64
    }

    /// Where a block is in the file.
    pub fn range(&self, block: usize) -> Range<u64> {
        let start = block.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[block]
    }

    fn key_range(&self, block: usize) -> Range<usize> {
        let start = block.checked_sub(1);
        start.map_or(0, |before| self.key_ends[before])..self.key_ends[block]
    }

    /// The last key of a block.
    #[inline]
    pub fn last_key(&self, block: usize) -> &[u8] {
        &self.keys[self.key_range(block)]
    }

    /// The first block that may hold this place, or what follows it; the number of blocks if all
    /// end before.
    #[inline]
    pub fn seek(&self, key: &[u8], sequence: u64) -> usize {
        let group = match self.groups.len() {
            0 | 1 => 0,
            _ => self.seek_group(key, sequence),
        };
        let Some(Group { end, prefix }) = self.groups.get(group) else {
            return self.len();
        };
        let start = group
            .checked_sub(1)
            .map_or(0, |before| self.groups[before].end);
        let rest = match heads::rest(key, &self.last_key(start)[..*prefix]) {
            Ok(rest) => rest,
            Err(Ordering::Less) => return start,
            Err(_) => return *end,
        };
        let found = heads::seek(
            &self.heads[start..*end],
            |head| *head,
            head(rest),
            |at| self.is_before(start + at, key, sequence),
        );
        start + found
    }

    /// The first group that does not end before a place.
    fn seek_group(&self, key: &[u8], sequence: u64) -> usize {
        let rest = match heads::rest(key, &self.last_key(0)[..self.prefix]) {
            Ok(rest) => rest,
            Err(Ordering::Less) => return 0,
            Err(_) => return self.groups.len(),
        };
        heads::seek(
            &self.group_heads,
            |head| *head,
            head(rest),
            |group| self.is_before(self.groups[group].end - 1, key, sequence),
        )
    }

    /// Whether a block ends before a place.
    fn is_before(&self, block: usize, key: &[u8], sequence: u64) -> bool {
        let order = self.last_key(block).cmp(key);
        order.then_with(|| sequence.cmp(&self.last_sequences[block])) == Ordering::Less
    }

    /// [I2] Puts blocks into groups: one ends before the key that would make its prefix so short
    /// that neighbours have equal heads.
    fn group(&mut self) {
        let mut start = 0;
        // What neighbours in the group share, the least and the most.
        let (mut prefix, mut most) = (usize::MAX, 0);
        for next in 1..self.len() {
            let shared = heads::shared(self.last_key(next - 1), self.last_key(next));
            let (next_prefix, next_most) = (prefix.min(shared), most.max(shared));
            if next_most >= next_prefix.saturating_add(HEAD_BYTES) {
                self.end_group(start, next, prefix);
                (start, prefix, most) = (next, usize::MAX, 0);
            } else {
                (prefix, most) = (next_prefix, next_most);
            }
        }
        if start < self.len() {
            self.end_group(start, self.len(), prefix);
            let last = self.last_key(self.len() - 1);
            self.prefix = heads::shared(self.last_key(0), last);
        }
        let last_keys = self.groups.iter().map(|group| self.last_key(group.end - 1));
        self.group_heads = last_keys.map(|key| head(&key[self.prefix..])).collect();
    }

    fn end_group(&mut self, start: usize, end: usize, prefix: usize) {
        let prefix = prefix.min(self.last_key(start).len());
        for block in start..end {
            let head = head(&self.last_key(block)[prefix..]);
            self.heads.push(head);
        }
        self.groups.push(Group { end, prefix });
    }
}

/// An index that grows.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    bytes: Vec<u8>,
    blocks: u32,
    last_key: Vec<u8>,
}

impl Default for IndexBuilder {
    fn default() -> Self {
        Self {
            bytes: vec![0; 4],
            blocks: 0,
            last_key: Vec::new(),
        }
    }
}

impl IndexBuilder {
    /// How many blocks there are; the number of the next.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Adds a block of this length behind the last one, with its last row's place.
    pub fn push(&mut self, block_bytes: usize, last_key: &[u8], last_sequence: u64) {
        let len_u32 = |len: usize| u32::try_from(len).expect("blocks and keys are below 4 GiB");
        let shared = heads::shared(&self.last_key, last_key);
        let rest = &last_key[shared..];
        self.bytes
            .extend_from_slice(&len_u32(block_bytes).to_le_bytes());
        self.bytes.extend_from_slice(&last_sequence.to_le_bytes());
        self.bytes.extend_from_slice(&len_u32(shared).to_le_bytes());
        self.bytes
            .extend_from_slice(&len_u32(rest.len()).to_le_bytes());
        self.bytes.extend_from_slice(rest);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
        self.blocks += 1;
    }

    /// The index.
    pub fn finish(mut self, creation: u64) -> Vec<u8> {
        self.bytes[..4].copy_from_slice(&self.blocks.to_le_bytes());
        let checksum = checksum(creation, NUMBER, &self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests;
