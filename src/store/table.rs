//! A table: a file of rows in order, written once.
//!
//! data blocks · index · range tombstones · footer
//!
//! | bytes of the index | field | meaning |
//! |---|---|---|
//! | 0..4 | blocks | |
//! | for each block | position, length | u64, u32 |
//! | | last sequence, length of the last key | u64, u32 |
//! | | last key | |
//! | last 4 | checksum | as that of a block, with the number `FFFF_FFFF` |
//!
//! The section of range tombstones is that of `tombstone`, and a checksum as that of a block, with
//! the number `FFFF_FFFD`.
//!
//! | bytes of the footer | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTTBL` |
//! | 8..12 | format version | 1 |
//! | 12..16 | length of the index | |
//! | 16..24 | creation number | drawn; every checksum of the table starts from it |
//! | 24..32 | position of the index | |
//! | 32..40 | rows | |
//! | 40..44 | length of the range tombstones | |
//! | 44..48 | checksum | of bytes 0..44, with the number `FFFF_FFFE` |
//!
//! Invariants:
//! - \[I1\] A table gets its name when it is complete and synced, and is never changed then.
//! - \[I2\] A block is checked when it is read from the file, and not again.

use std::sync::{Arc, OnceLock};

use blackstart_vfs::OpenOptions;

use super::block::{Block, BlockBuilder, checksum, expect_checksum};
use super::error::StoreError;
use super::tombstone::Tombstones;
use crate::codec::{ByteOffset, Cursor, Defect};
use crate::commitlog::directory::{Directory, OpenFile};
use crate::commitlog::{LogSource, ReadAt, SourceFile};

const MAGIC: [u8; 8] = *b"BLKSTTBL";
const VERSION: u32 = 1;
const FOOTER_BYTES: usize = 48;
const INDEX: u32 = u32::MAX;
const FOOTER: u32 = u32::MAX - 1;
const TOMBSTONES: u32 = u32::MAX - 2;
/// Position, length, sequence and length of the key.
const ENTRY_BYTES_MIN: usize = 24;

/// What the manifest knows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableInfo {
    /// Its name is this number.
    pub number: u64,
    pub creation: u64,
    /// The file's length.
    pub bytes: u64,
    pub footer_checksum: u32,
    pub rows: u64,
}

/// The file name of a table.
pub(crate) fn name(number: u64) -> String {
    format!("{number:020}.tbl")
}

/// The number of the table with this file name.
pub(crate) fn parse(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".tbl")?;
    let is_exact = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| is_exact)
}

/// A block by its place, and what it ends with.
#[derive(Debug)]
struct IndexEntry {
    at: u64,
    bytes: u32,
    last_sequence: u64,
    last_key: Vec<u8>,
}

/// An open table.
#[derive(Debug)]
pub(crate) struct Table {
    pub info: TableInfo,
    /// Ranges that were deleted.
    pub tombstones: Tombstones,
    file: OpenFile,
    index: Vec<IndexEntry>,
    blocks: Vec<OnceLock<Arc<Block>>>,
}

impl Table {
    /// Opens a table and checks footer and index.
    pub fn open(
        directory: &Directory,
        info: &TableInfo,
        named_by: &str,
    ) -> Result<Self, StoreError> {
        let name = name(info.number);
        let file = match directory.open_file(&name, OpenOptions::new().read()) {
            Err(error) if error.is_not_found() => {
                return Err(StoreError::TableMissing {
                    file: directory.shown(&name),
                    named_by: named_by.to_owned(),
                });
            }
            opened => opened?,
        };
        let corrupt = |defect: Defect| StoreError::corrupt(defect.in_file(file.name.as_str()));
        let len = SourceFile::len(&file)?;
        if len != info.bytes || len < FOOTER_BYTES as u64 {
            let at = ByteOffset::new(len);
            return Err(corrupt(Defect::new(at, "length", info.bytes, len)));
        }
        let footer_at = len - FOOTER_BYTES as u64;
        let mut footer = vec![0; FOOTER_BYTES];
        let read = file.read_full_at(&mut footer, footer_at)?;
        footer.truncate(read);
        let at = ByteOffset::new(footer_at);
        let footer = Footer::decode(&footer, info, at).map_err(corrupt)?;
        let section = |at: u64, len: u32| -> Result<_, StoreError> {
            let mut bytes = vec![0; len as usize];
            let read = file.read_full_at(&mut bytes, at)?;
            bytes.truncate(read);
            Ok((bytes, ByteOffset::new(at)))
        };
        let (bytes, at) = section(footer.index_at, footer.index_bytes)?;
        let index = decode_index(&bytes, info.creation, at).map_err(corrupt)?;
        let tombstones_at = footer.index_at + u64::from(footer.index_bytes);
        let (bytes, at) = section(tombstones_at, footer.tombstone_bytes)?;
        let tombstones = decode_tombstones(&bytes, info.creation, at).map_err(corrupt)?;
        let blocks = index.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            info: info.clone(),
            tombstones,
            file,
            index,
            blocks,
        })
    }

    /// How many blocks it has.
    pub fn blocks(&self) -> usize {
        self.index.len()
    }

    /// Where a block stands, and its length.
    pub fn place(&self, number: usize) -> (ByteOffset, u32) {
        let entry = &self.index[number];
        (ByteOffset::new(entry.at), entry.bytes)
    }

    /// The last key of a block.
    pub fn last_key(&self, number: usize) -> &[u8] {
        &self.index[number].last_key
    }

    /// Its file's path for people.
    pub fn shown(&self) -> &str {
        &self.file.name
    }

    /// Its file.
    pub fn file(&self) -> &OpenFile {
        &self.file
    }

    /// The first block that may hold this place, or what follows it.
    pub fn locate(&self, key: &[u8], sequence: u64) -> usize {
        self.index.partition_point(|entry| {
            let order = entry.last_key.as_slice().cmp(key);
            let order = order.then_with(|| sequence.cmp(&entry.last_sequence));
            order.is_lt()
        })
    }

    /// A block, from memory if it was read before.
    pub fn block(&self, number: usize) -> Result<Arc<Block>, StoreError> {
        let slot = &self.blocks[number];
        match slot.get() {
            Some(block) => Ok(block.clone()),
            None => {
                let block = Arc::new(self.read(number)?);
                // Another reader may have been faster.
                Ok(slot.get_or_init(|| block).clone())
            }
        }
    }

    /// Reads a block, and keeps nothing of it.
    pub fn read(&self, number: usize) -> Result<Block, StoreError> {
        let entry = &self.index[number];
        let mut bytes = vec![0; entry.bytes as usize];
        let read = self.file.read_full_at(&mut bytes, entry.at)?;
        bytes.truncate(read);
        let at = ByteOffset::new(entry.at);
        let block = Block::decode(bytes, self.info.creation, number as u32, at);
        block.map_err(|defect| StoreError::corrupt(defect.in_file(self.file.name.as_str())))
    }

    /// The newest row of a key at or below a sequence: its value, or that it was deleted.
    pub fn get(&self, key: &[u8], sequence: u64) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let deleted_at = match self.tombstones.is_empty() {
            true => None,
            false => self.tombstones.newest(key, sequence.saturating_add(1)),
        };
        let deleted = deleted_at.map(|_| None);
        let number = self.locate(key, sequence);
        if number == self.blocks() {
            return Ok(deleted);
        }
        let block = self.block(number)?;
        let row = block.seek(key, sequence);
        if row == block.rows() || !block.has_key(row, key) {
            return Ok(deleted);
        }
        match deleted_at.is_some_and(|at| block.sequence(row) < at) {
            true => Ok(deleted),
            false => Ok(Some(block.value(row).map(<[u8]>::to_vec))),
        }
    }
}

/// The end of a table.
struct Footer {
    index_at: u64,
    index_bytes: u32,
    tombstone_bytes: u32,
}

impl Footer {
    fn decode(bytes: &[u8], info: &TableInfo, at: ByteOffset) -> Result<Self, Defect> {
        expect_checksum(bytes, info.creation, FOOTER, at)?;
        let own = bytes.last_chunk().map(|own| u32::from_le_bytes(*own));
        if own != Some(info.footer_checksum) {
            let (expected, found) = (info.footer_checksum, own.unwrap_or_default());
            return Err(Defect::new(
                at,
                "checksum that the manifest has",
                expected,
                found,
            ));
        }
        let mut cursor = Cursor::new(bytes, at);
        if cursor.array("magic")? != MAGIC {
            return Err(Defect::new(at, "magic", "BLKSTTBL", "something else"));
        }
        let version_at = cursor.at();
        let version = cursor.u32("format version")?;
        if version != VERSION {
            return Err(Defect::new(version_at, "format version", VERSION, version));
        }
        let index_bytes = cursor.u32("length of the index")?;
        let creation_at = cursor.at();
        let creation = cursor.u64("creation number")?;
        if creation != info.creation {
            let (expected, found) = (info.creation, creation);
            return Err(Defect::new(creation_at, "creation number", expected, found));
        }
        let index_field_at = cursor.at();
        let index_at = cursor.u64("position of the index")?;
        let _rows = cursor.u64("rows")?;
        let tombstone_bytes = cursor.u32("length of the range tombstones")?;
        let bytes = u64::from(index_bytes) + u64::from(tombstone_bytes);
        if index_at.checked_add(bytes) != Some(at.get()) {
            let expected = "sections that end at the footer";
            return Err(Defect::new(
                index_field_at,
                "position of the index",
                expected,
                index_at,
            ));
        }
        Ok(Self {
            index_at,
            index_bytes,
            tombstone_bytes,
        })
    }
}

fn decode_tombstones(bytes: &[u8], creation: u64, at: ByteOffset) -> Result<Tombstones, Defect> {
    expect_checksum(bytes, creation, TOMBSTONES, at)?;
    let mut cursor = Cursor::new(bytes, at);
    let tombstones = Tombstones::decode(&mut cursor)?;
    match cursor.rest().len() {
        4 => Ok(tombstones),
        found => {
            let (at, found) = (cursor.at(), found as u64);
            Err(Defect::new(at, "end of the range tombstones", 4_u64, found))
        }
    }
}

fn decode_index(bytes: &[u8], creation: u64, at: ByteOffset) -> Result<Vec<IndexEntry>, Defect> {
    expect_checksum(bytes, creation, INDEX, at)?;
    let mut cursor = Cursor::new(bytes, at);
    let count = cursor.u32("blocks")? as usize;
    let room = cursor.rest().len() / ENTRY_BYTES_MIN;
    if count > room {
        return Err(Defect::new(at, "blocks", room as u64, count as u64));
    }
    let mut index: Vec<IndexEntry> = Vec::with_capacity(count);
    let mut next = 0;
    for _ in 0..count {
        let entry_at = cursor.at();
        let (block_at, block_bytes) = (cursor.u64("position")?, cursor.u32("length")?);
        let last_sequence = cursor.u64("last sequence")?;
        let key_len = cursor.u32("length of the last key")? as usize;
        let last_key = cursor.bytes(key_len, "last key")?.to_vec();
        if block_at != next {
            return Err(Defect::new(entry_at, "position", next, block_at));
        }
        next = block_at + u64::from(block_bytes);
        index.push(IndexEntry {
            at: block_at,
            bytes: block_bytes,
            last_sequence,
            last_key,
        });
    }
    match next == at.get() {
        true => Ok(index),
        false => Err(Defect::new(at, "end of the blocks", at.get(), next)),
    }
}

/// A table that is being written.
pub(crate) struct TableWriter {
    directory: Directory,
    file: OpenFile,
    temp: String,
    info: TableInfo,
    block: BlockBuilder,
    block_bytes: usize,
    index: Vec<IndexEntry>,
    tombstones: Tombstones,
}

impl TableWriter {
    /// Starts a table under a temporary name.
    pub fn create(
        directory: &Directory,
        number: u64,
        block_bytes: usize,
    ) -> Result<Self, StoreError> {
        let creation = u64::from_le_bytes(directory.draw()?);
        let (temp, file) = directory.new_file(|attempt| match attempt {
            0 => format!("{number:020}.tmp"),
            _ => format!("{number:020}.tmp.{attempt}"),
        })?;
        Ok(Self {
            directory: directory.clone(),
            file,
            temp,
            info: TableInfo {
                number,
                creation,
                bytes: 0,
                footer_checksum: 0,
                rows: 0,
            },
            block: BlockBuilder::default(),
            block_bytes,
            index: Vec::new(),
            tombstones: Tombstones::default(),
        })
    }

    /// Gives the table its range tombstones.
    pub fn tombstones(&mut self, tombstones: Tombstones) {
        self.tombstones = tombstones;
    }

    /// Adds a row behind the last one.
    pub fn push(
        &mut self,
        key: &[u8],
        sequence: u64,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        self.block.push(key, sequence, value);
        self.info.rows += 1;
        match self.block.bytes() < self.block_bytes {
            true => Ok(()),
            false => self.end_block(),
        }
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        let (last_key, last_sequence) = self.block.last();
        let last_key = last_key.to_vec();
        let number = self.index.len() as u32;
        let bytes = self.block.finish(self.info.creation, number);
        self.index.push(IndexEntry {
            at: self.info.bytes,
            bytes: bytes.len() as u32,
            last_sequence,
            last_key,
        });
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write(bytes, self.info.bytes)?;
        self.info.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Completes the table and gives it its name, durably.
    pub fn finish(mut self) -> Result<TableInfo, StoreError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let index_at = self.info.bytes;
        let index = self.encode_index();
        self.write(&index)?;
        let mut tombstones = self.tombstones.encode();
        let tombstones_checksum = checksum(self.info.creation, TOMBSTONES, &tombstones);
        tombstones.extend_from_slice(&tombstones_checksum.to_le_bytes());
        self.write(&tombstones)?;
        let mut footer = MAGIC.to_vec();
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.extend_from_slice(&(index.len() as u32).to_le_bytes());
        footer.extend_from_slice(&self.info.creation.to_le_bytes());
        footer.extend_from_slice(&index_at.to_le_bytes());
        footer.extend_from_slice(&self.info.rows.to_le_bytes());
        footer.extend_from_slice(&(tombstones.len() as u32).to_le_bytes());
        self.info.footer_checksum = checksum(self.info.creation, FOOTER, &footer);
        footer.extend_from_slice(&self.info.footer_checksum.to_le_bytes());
        self.write(&footer)?;
        self.file.sync_all()?;
        self.directory.rename(&self.temp, &name(self.info.number))?;
        self.directory.sync()?;
        Ok(self.info)
    }

    fn encode_index(&self) -> Vec<u8> {
        let mut bytes = (self.index.len() as u32).to_le_bytes().to_vec();
        for entry in &self.index {
            bytes.extend_from_slice(&entry.at.to_le_bytes());
            bytes.extend_from_slice(&entry.bytes.to_le_bytes());
            bytes.extend_from_slice(&entry.last_sequence.to_le_bytes());
            bytes.extend_from_slice(&(entry.last_key.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&entry.last_key);
        }
        let checksum = checksum(self.info.creation, INDEX, &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests;
