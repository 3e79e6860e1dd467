//! What is written together, and how a record of the log holds it.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0 | kind | 1 genesis, 2 batch |
//! | of a genesis: 1..9 | magic | `BLKSTORE` |
//! | 9..13 | format version | 1 |
//! | 13..17 | features | 0 |
//! | of a batch: 1..5; of a genesis: 17..21 | writes | |
//! | then, for each write | kind | 1 put, 2 delete, 3 delete of a range |
//! | | key length, value length | u32 each; the value length of a delete is 0 |
//! | | key, value | of a range: its first key, and the key behind its last |
//!
//! Invariants:
//! - \[I1\] Sealing settles a batch. Ranges come first, in order, and do not touch each other. Then
//!   come rows in order, one for each key: the last write of it, unless the batch deleted a range
//!   around the key after that.
//! - \[I2\] An empty value is a value.
//! - \[I3\] A batch deletes its ranges before it writes its rows.

use std::ops::{Range, RangeInclusive};

use super::error::StoreError;
use super::keyspace::{Keyspace, PREFIX_BYTES};
use super::tombstone::Tombstones;
use super::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::codec::{ByteOffset, Cursor, Defect};

const GENESIS: u8 = 1;
const BATCH: u8 = 2;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;
const MAGIC: [u8; 8] = *b"BLKSTORE";
const VERSION: u32 = 1;
const FEATURES: u32 = 0;
/// Kind and number of writes.
const HEADER_BYTES: usize = 5;
/// Kind and two lengths.
const WRITE_BYTES_MIN: usize = 9;

/// Writes that become visible together, and survive together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Keys, each with its value behind it.
    bytes: Vec<u8>,
    /// In the order in which they were added.
    writes: Vec<Added>,
}

/// A write by its place in the bytes of its batch.
#[derive(Clone, Copy, Debug)]
struct Added {
    /// The key's first 16 bytes, then zeros, as a number of the same order.
    head: u128,
    key_at: usize,
    key_bytes: u32,
    value_bytes: u32,
    kind: u8,
}

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a put.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`], [`StoreError::ValueTooLong`]: nothing was added.
    pub fn put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        expect_value_len(value)?;
        expect_key_len(key)?;
        self.add(PUT, keyspace, key, &[value]);
        Ok(())
    }

    /// Adds a delete.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`]: nothing was added.
    pub fn delete(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<(), StoreError> {
        expect_key_len(key)?;
        self.add(DELETE, keyspace, key, &[]);
        Ok(())
    }

    /// Adds a delete of all keys from `range.start` on and before `range.end`. A range that holds
    /// no key adds nothing. Puts that were added before are covered as well, later ones are not.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`]: nothing was added.
    pub fn delete_range(
        &mut self,
        keyspace: Keyspace,
        range: Range<&[u8]>,
    ) -> Result<(), StoreError> {
        expect_key_len(range.start)?;
        expect_key_len(range.end)?;
        if range.start < range.end {
            let end: [&[u8]; 2] = [&keyspace.prefix(), range.end];
            self.add(DELETE_RANGE, keyspace, range.start, &end);
        }
        Ok(())
    }

    /// Adds a delete of all keys of a keyspace.
    pub fn delete_all(&mut self, keyspace: Keyspace) {
        self.add(DELETE_RANGE, keyspace, &[], &[&keyspace.end()]);
    }

    fn add(&mut self, kind: u8, keyspace: Keyspace, key: &[u8], value: &[&[u8]]) {
        self.push(kind, &[&keyspace.prefix(), key], value);
    }

    /// Adds a write whose keys are those of the tree, and have been checked.
    pub(crate) fn add_write(&mut self, write: Write<'_>) {
        match write {
            Write::Row(key, Some(value)) => self.push(PUT, &[key], &[value]),
            Write::Row(key, None) => self.push(DELETE, &[key], &[]),
            Write::DeleteRange(from, end) => self.push(DELETE_RANGE, &[from], &[end]),
        }
    }

    fn push(&mut self, kind: u8, key: &[&[u8]], value: &[&[u8]]) {
        let key_at = self.bytes.len();
        for part in key {
            self.bytes.extend_from_slice(part);
        }
        let key_end = self.bytes.len();
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        self.writes.push(Added {
            head: head(&self.bytes[key_at..key_end]),
            key_at,
            key_bytes: len_u32(key_end - key_at),
            value_bytes: len_u32(self.bytes.len() - key_end),
            kind,
        });
    }

    /// How many writes it has.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    fn key(&self, write: &Added) -> &[u8] {
        &self.bytes[write.key_at..][..write.key_bytes as usize]
    }

    fn value(&self, write: &Added) -> &[u8] {
        let key_end = write.key_at + write.key_bytes as usize;
        &self.bytes[key_end..][..write.value_bytes as usize]
    }

    /// [I1] The batch as it will be in the log.
    pub(crate) fn seal(mut self) -> SealedBatch {
        let ranges = self.ranges();
        let mut rows = std::mem::take(&mut self.writes);
        rows.retain(|write| write.kind != DELETE_RANGE);
        // Later writes of a key have higher places. Those of one key that are newest come first.
        rows.sort_unstable_by(|one, two| {
            let order = one.head.cmp(&two.head);
            let order = order.then_with(|| self.key(one).cmp(self.key(two)));
            order.then_with(|| two.key_at.cmp(&one.key_at))
        });
        rows.dedup_by(|older, newer| {
            older.head == newer.head && self.key(older) == self.key(newer)
        });
        if !ranges.is_empty() {
            rows.retain(|row| {
                let deleted_at = ranges.newest(self.key(row), u64::MAX);
                deleted_at.is_none_or(|at| at < row.key_at as u64)
            });
        }
        let mut record = RecordWriter::new(self.bytes.len(), self.len());
        ranges.for_each_run(|from, end| record.push(DELETE_RANGE, from, end));
        for row in &rows {
            record.push(row.kind, self.key(row), self.value(row));
        }
        record.finish()
    }

    /// What it deletes as ranges; the place of the write stands for the sequence.
    fn ranges(&self) -> Tombstones {
        let mut ranges = Tombstones::default();
        let writes = self.writes.iter();
        for write in writes.filter(|write| write.kind == DELETE_RANGE) {
            ranges.insert(self.key(write), self.value(write), write.key_at as u64);
        }
        ranges
    }
}

pub(crate) fn expect_value_len(value: &[u8]) -> Result<(), StoreError> {
    let bytes = value.len();
    match bytes > VALUE_BYTES_MAX {
        true => Err(StoreError::ValueTooLong { bytes }),
        false => Ok(()),
    }
}

pub(crate) fn expect_key_len(key: &[u8]) -> Result<(), StoreError> {
    let bytes = key.len();
    match bytes > KEY_BYTES_MAX {
        true => Err(StoreError::KeyTooLong { bytes }),
        false => Ok(()),
    }
}

/// The first 16 bytes of a key, then zeros, as a number of the same order.
pub(crate) fn head(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let len = key.len().min(16);
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

/// A record that is being written.
struct RecordWriter {
    bytes: Vec<u8>,
    writes: u32,
    /// What it writes to, as runs.
    keyspaces: Vec<RangeInclusive<u32>>,
}

impl RecordWriter {
    fn new(bytes: usize, writes: usize) -> Self {
        let mut record = Vec::with_capacity(HEADER_BYTES + bytes + WRITE_BYTES_MIN * writes);
        record.push(BATCH);
        record.resize(HEADER_BYTES, 0);
        Self {
            bytes: record,
            writes: 0,
            keyspaces: Vec::new(),
        }
    }

    fn push(&mut self, kind: u8, key: &[u8], value: &[u8]) {
        self.writes += 1;
        self.touch(kind, key, value);
        self.bytes.push(kind);
        self.bytes
            .extend_from_slice(&len_u32(key.len()).to_le_bytes());
        self.bytes
            .extend_from_slice(&len_u32(value.len()).to_le_bytes());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// Notes which keyspaces a write is in. Ranges that were joined may span several.
    fn touch(&mut self, kind: u8, key: &[u8], value: &[u8]) {
        let first = number(key);
        let last = match kind {
            DELETE_RANGE if value.len() == PREFIX_BYTES => number(value) - 1,
            DELETE_RANGE => number(value),
            _ => first,
        };
        if self.keyspaces.last() != Some(&(first..=last)) {
            self.keyspaces.push(first..=last);
        }
    }

    fn finish(mut self) -> SealedBatch {
        self.bytes[1..HEADER_BYTES].copy_from_slice(&self.writes.to_le_bytes());
        SealedBatch {
            record: self.bytes,
            keyspaces: self.keyspaces,
        }
    }
}

/// The number of the keyspace that a key of the tree is in.
fn number(key: &[u8]) -> u32 {
    let prefix = key.first_chunk::<PREFIX_BYTES>();
    u32::from_be_bytes(*prefix.expect("a key of the tree begins with its keyspace"))
}

/// A batch as a record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedBatch {
    record: Vec<u8>,
    keyspaces: Vec<RangeInclusive<u32>>,
}

impl SealedBatch {
    /// The record.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// How long the record is.
    pub fn bytes(&self) -> u64 {
        self.record.len() as u64
    }

    /// The keyspaces that it writes to.
    pub fn keyspaces(&self) -> impl Iterator<Item = u32> {
        self.keyspaces.iter().cloned().flatten()
    }

    /// What it writes.
    pub fn writes(&self) -> Writes<'_> {
        Writes {
            bytes: &self.record[HEADER_BYTES..],
        }
    }
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("keys, values and batches have limits below 4 GiB")
}

/// A write of a sealed batch. Keys are those of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write<'a> {
    /// The key has this value, or none any more.
    Row(&'a [u8], Option<&'a [u8]>),
    /// All keys from the first one on and before the second have no value any more.
    DeleteRange(&'a [u8], &'a [u8]),
}

/// The writes of a record that was checked: [I3] ranges first, then rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writes<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Writes<'a> {
    type Item = Write<'a>;

    fn next(&mut self) -> Option<Write<'a>> {
        let (header, rest) = self.bytes.split_first_chunk::<WRITE_BYTES_MIN>()?;
        let [kind, k0, k1, k2, k3, v0, v1, v2, v3] = *header;
        let (key, rest) = rest.split_at(u32::from_le_bytes([k0, k1, k2, k3]) as usize);
        let (value, rest) = rest.split_at(u32::from_le_bytes([v0, v1, v2, v3]) as usize);
        self.bytes = rest;
        Some(match kind {
            PUT => Write::Row(key, Some(value)),
            DELETE => Write::Row(key, None),
            _ => Write::DeleteRange(key, value),
        })
    }
}

/// A record of the log, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// The log's first: it holds a store, which begins with these writes.
    Genesis(Writes<'a>),
    /// A batch.
    Batch(Writes<'a>),
}

impl<'a> Record<'a> {
    /// The first record of a store's log, with what the store begins with.
    pub fn genesis(batch: &SealedBatch) -> Vec<u8> {
        let (_, writes) = batch.record.split_at(1);
        let (version, features) = (VERSION.to_le_bytes(), FEATURES.to_le_bytes());
        [&[GENESIS], &MAGIC[..], &version, &features, writes].concat()
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// What is wrong with it, by its place in the record.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Defect> {
        let mut cursor = Cursor::new(bytes, ByteOffset::new(0));
        let record = match cursor.u8("kind of record")? {
            GENESIS => Self::Genesis(genesis(&mut cursor)?),
            BATCH => Self::Batch(batch(&mut cursor)?),
            found => {
                let at = ByteOffset::new(0);
                let expected = "a known kind";
                return Err(Defect::new(
                    at,
                    "kind of record",
                    expected,
                    u32::from(found),
                ));
            }
        };
        match cursor.rest().len() {
            0 => Ok(record),
            left => Err(Defect::new(
                cursor.at(),
                "end of record",
                0_u64,
                left as u64,
            )),
        }
    }
}

fn genesis<'a>(cursor: &mut Cursor<'a>) -> Result<Writes<'a>, Defect> {
    let at = cursor.at();
    if cursor.array("magic")? != MAGIC {
        return Err(Defect::new(at, "magic", "BLKSTORE", "something else"));
    }
    for (field, expected) in [("format version", VERSION), ("features", FEATURES)] {
        let at = cursor.at();
        let found = cursor.u32(field)?;
        if found != expected {
            return Err(Defect::new(at, field, expected, found));
        }
    }
    batch(cursor)
}

fn batch<'a>(cursor: &mut Cursor<'a>) -> Result<Writes<'a>, Defect> {
    let at = cursor.at();
    let count = cursor.u32("writes")?;
    let bytes = cursor.rest();
    let room = bytes.len() / WRITE_BYTES_MIN;
    if count as usize > room {
        return Err(Defect::new(at, "writes", room as u64, count));
    }
    let mut before = None;
    for _ in 0..count {
        before = Some(write(cursor, before)?);
    }
    let bytes = &bytes[..bytes.len() - cursor.rest().len()];
    Ok(Writes { bytes })
}

/// A write, which has its place behind the one before.
fn write<'a>(cursor: &mut Cursor<'a>, before: Option<Write<'a>>) -> Result<Write<'a>, Defect> {
    let at = cursor.at();
    let kind = cursor.u8("kind of write")?;
    let key_len = cursor.u32("key length")? as usize;
    let value_len = cursor.u32("value length")? as usize;
    let key = cursor.bytes(key_len, "key")?;
    let value = cursor.bytes(value_len, "value")?;
    let write = match (kind, value_len) {
        (PUT, _) => Write::Row(key, Some(value)),
        (DELETE, 0) => Write::Row(key, None),
        (DELETE_RANGE, _) if key < value => Write::DeleteRange(key, value),
        _ => {
            let expected = "a put, a delete without a value, or a range that is not empty";
            return Err(Defect::new(at, "kind of write", expected, u32::from(kind)));
        }
    };
    let is_behind = match (before, write) {
        (None, _) | (Some(Write::DeleteRange(..)), Write::Row(..)) => true,
        (Some(Write::Row(last, _)), Write::Row(key, _)) => last < key,
        (Some(Write::DeleteRange(_, end)), Write::DeleteRange(from, _)) => end < from,
        (Some(Write::Row(..)), Write::DeleteRange(..)) => false,
    };
    match is_behind {
        true => Ok(write),
        false => {
            let expected = "a key above the one before, and ranges before rows";
            Err(Defect::new(at, "key", expected, "another order"))
        }
    }
}

#[cfg(test)]
mod tests;
