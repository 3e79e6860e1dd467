//! What is written together, and how a record of the log holds it.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0 | kind | 1 genesis, 2 batch |
//! | of a genesis: 1..9 | magic | `BLKSTORE` |
//! | 9..13 | format version | 1 |
//! | of a batch: 1..5 | rows | |
//! | then, for each row | kind | 1 put, 2 delete |
//! | | key length, value length | u32 each; the value length of a delete is 0 |
//! | | key, value | |
//!
//! Invariants:
//! - \[I1\] A batch is settled when it is sealed: its rows are in order, one for each key, and that
//!   is the last write of it.
//! - \[I2\] An empty value is a value.

use super::error::StoreError;
use super::handle::Keyspace;
use super::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
use crate::codec::{ByteOffset, Cursor, Defect};

const GENESIS: u8 = 1;
const BATCH: u8 = 2;
const PUT: u8 = 1;
const DELETE: u8 = 2;
const MAGIC: [u8; 8] = *b"BLKSTORE";
const VERSION: u32 = 1;
/// Kind and two lengths.
const ROW_BYTES_MIN: usize = 9;

/// Writes that become visible together, and survive together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// In the order in which they were added.
    rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
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
        let bytes = value.len();
        if bytes > VALUE_BYTES_MAX {
            return Err(StoreError::ValueTooLong { bytes });
        }
        self.add(keyspace, key, Some(value.to_vec()))
    }

    /// Adds a delete.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`]: nothing was added.
    pub fn delete(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<(), StoreError> {
        self.add(keyspace, key, None)
    }

    fn add(
        &mut self,
        keyspace: Keyspace,
        key: &[u8],
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let bytes = key.len();
        if bytes > KEY_BYTES_MAX {
            return Err(StoreError::KeyTooLong { bytes });
        }
        self.rows.push((keyspace.key(key), value));
        Ok(())
    }

    /// How many writes it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Its rows as they will be: in order, the last write of each key.
    pub(crate) fn seal(mut self) -> SealedBatch {
        // The sort is stable: of equal keys the last one was written last.
        self.rows.sort_by(|one, two| one.0.cmp(&two.0));
        let mut rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::with_capacity(self.rows.len());
        for row in self.rows {
            match rows.last_mut().filter(|last| last.0 == row.0) {
                Some(last) => *last = row,
                None => rows.push(row),
            }
        }
        SealedBatch { rows }
    }
}

/// The rows of a batch, settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedBatch {
    pub rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl SealedBatch {
    /// The batch as a record of the log.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![BATCH];
        bytes.extend_from_slice(&len_u32(self.rows.len()).to_le_bytes());
        for (key, value) in &self.rows {
            bytes.push(if value.is_some() { PUT } else { DELETE });
            let value = value.as_deref().unwrap_or_default();
            bytes.extend_from_slice(&len_u32(key.len()).to_le_bytes());
            bytes.extend_from_slice(&len_u32(value.len()).to_le_bytes());
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
        }
        bytes
    }
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("keys, values and batches have limits below 4 GiB")
}

/// A record of the log, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The log's first: it holds a store.
    Genesis,
    /// A batch.
    Batch(SealedBatch),
}

impl Record {
    /// The first record of a store's log.
    pub fn genesis() -> Vec<u8> {
        let mut bytes = vec![GENESIS];
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// What is wrong with it, by its place in the record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let mut cursor = Cursor::new(bytes, ByteOffset::new(0));
        let record = match cursor.u8("kind of record")? {
            GENESIS => genesis(&mut cursor)?,
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

fn genesis(cursor: &mut Cursor<'_>) -> Result<Record, Defect> {
    let at = cursor.at();
    if cursor.array("magic")? != MAGIC {
        return Err(Defect::new(at, "magic", "BLKSTORE", "something else"));
    }
    let at = cursor.at();
    match cursor.u32("format version")? {
        VERSION => Ok(Record::Genesis),
        found => Err(Defect::new(at, "format version", VERSION, found)),
    }
}

fn batch(cursor: &mut Cursor<'_>) -> Result<SealedBatch, Defect> {
    let at = cursor.at();
    let count = cursor.u32("rows")?;
    let room = cursor.rest().len() / ROW_BYTES_MIN;
    if count as usize > room {
        return Err(Defect::new(at, "rows", room as u64, count));
    }
    let mut rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let at = cursor.at();
        let kind = cursor.u8("kind of row")?;
        let key_len = cursor.u32("key length")? as usize;
        let value_len = cursor.u32("value length")? as usize;
        let key = cursor.bytes(key_len, "key")?.to_vec();
        let value = cursor.bytes(value_len, "value")?.to_vec();
        let value = match (kind, value_len) {
            (PUT, _) => Some(value),
            (DELETE, 0) => None,
            _ => {
                let expected = "a put, or a delete without a value";
                return Err(Defect::new(at, "kind of row", expected, u32::from(kind)));
            }
        };
        if rows.last().is_some_and(|(last, _)| *last >= key) {
            let expected = "a key above the one before";
            return Err(Defect::new(at, "key", expected, "another order"));
        }
        rows.push((key, value));
    }
    Ok(SealedBatch { rows })
}

#[cfg(test)]
mod tests;
