//! A table: a file of rows in order, written once.
//!
//! data blocks · index · filter · range tombstones · footer
//!
//! | section | its form | number of its checksum |
//! |---|---|---|
//! | data blocks | that of `block` | the block's |
//! | index | that of `index` | `FFFF_FFFF` |
//! | filter | that of `filter` | `FFFF_FFFC` |
//! | range tombstones | that of `tombstone`, and a checksum as that of a block | `FFFF_FFFD` |
//!
//! | bytes of the footer | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTTBL` |
//! | 8..12 | format version | 1 |
//! | 12..16 | | zeros |
//! | 16..24 | creation number | drawn; every checksum of the table starts from it |
//! | 24..32 | rows | |
//! | 32..40 | length of the index | |
//! | 40..48 | length of the filter | |
//! | 48..56 | length of the range tombstones | |
//! | 56..60 | checksum | of bytes 0..56, with the number `FFFF_FFFE` |
//!
//! Invariants:
//! - \[I1\] A table gets its name when it is complete and synced, and is never changed then.
//! - \[I2\] A block is checked when it is read from the file, and not again while it is cached.

use std::ops::Range;
use std::sync::Arc;

use blackstart_vfs::OpenOptions;

use super::block::{Block, BlockBuilder, checksum, expect_checksum};
use super::cache::{Cache, Caching, Slots};
use super::error::StoreError;
use super::filter::{Filter, FilterBuilder, KeyHash};
use super::index::{Index, IndexBuilder};
use super::tombstone::Tombstones;
use crate::codec::{ByteOffset, Cursor, Defect};
use crate::commitlog::directory::{Directory, OpenFile};
use crate::commitlog::{LogSource, ReadAt, SourceFile};

const MAGIC: [u8; 8] = *b"BLKSTTBL";
const VERSION: u32 = 1;
const FOOTER_BYTES: usize = 60;
const FOOTER: u32 = u32::MAX - 1;
const TOMBSTONES: u32 = u32::MAX - 2;

/// What the manifest knows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableInfo {
    /// Its name is this number.
    pub number: u64,
    pub creation: u64,
    /// The file's length.
    pub bytes: u64,
    pub footer_checksum: u32,
    pub rows: u64,
    /// Of them, and of range tombstones, those that a merge can drop once no snapshot sees what
    /// they hide: deletes, and older rows of a key.
    pub stale: u64,
    /// Of rows and range tombstones.
    pub sequence_min: u64,
    pub sequence_max: u64,
    /// No row is before it, nor is anything of a range tombstone.
    pub first_key: Vec<u8>,
    /// All is before this key.
    pub end_key: Vec<u8>,
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

/// An open table.
#[derive(Debug)]
pub(crate) struct Table {
    pub info: TableInfo,
    /// Ranges that were deleted.
    pub tombstones: Tombstones,
    file: OpenFile,
    index: Index,
    filter: Filter,
    slots: Arc<Slots>,
}

impl Table {
    /// Opens a table and checks all of it but its blocks, which come through `cache`.
    pub fn open(
        directory: &Directory,
        info: &TableInfo,
        named_by: &str,
        cache: &Arc<Cache>,
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
        let section = |range: Range<u64>| -> Result<_, StoreError> {
            let mut bytes = vec![0; (range.end - range.start) as usize];
            let read = file.read_full_at(&mut bytes, range.start)?;
            bytes.truncate(read);
            Ok((bytes, ByteOffset::new(range.start)))
        };
        let (bytes, at) = section(len - FOOTER_BYTES as u64..len)?;
        let footer = Footer::decode(&bytes, info, at).map_err(corrupt)?;
        let (bytes, at) = section(footer.index)?;
        let index = Index::decode(&bytes, info.creation, at).map_err(corrupt)?;
        let (bytes, at) = section(footer.filter)?;
        let filter = Filter::decode(&bytes, info.creation, at).map_err(corrupt)?;
        let (bytes, at) = section(footer.tombstones)?;
        let tombstones = decode_tombstones(&bytes, info.creation, at).map_err(corrupt)?;
        Ok(Self {
            info: info.clone(),
            tombstones,
            slots: cache.slots(index.len()),
            file,
            index,
            filter,
        })
    }

    /// How many blocks it has.
    pub fn blocks(&self) -> usize {
        self.index.len()
    }

    /// Bytes of memory that it takes while it is open, without its blocks.
    pub fn memory_bytes(&self) -> u64 {
        let tombstones = self.tombstones.bytes();
        self.index.bytes() + self.filter.bytes() + self.slots.bytes() + tombstones
    }

    /// Where a block stands, and its length.
    pub fn place(&self, number: usize) -> (ByteOffset, u32) {
        let range = self.index.range(number);
        let bytes = (range.end - range.start) as u32;
        (ByteOffset::new(range.start), bytes)
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
        self.index.seek(key, sequence)
    }

    /// The last key of a block.
    pub fn last_key(&self, number: usize) -> &[u8] {
        self.index.last_key(number)
    }

    /// A block, out of the cache if it is there.
    pub fn block(&self, number: usize, caching: Caching) -> Result<Block, StoreError> {
        if let Some(block) = self.slots.get(number, caching) {
            return Ok(block.clone());
        }
        let block = self.read(number)?;
        self.slots.insert(number, &block, caching);
        Ok(block)
    }

    /// Reads a block from the file.
    pub fn read(&self, number: usize) -> Result<Block, StoreError> {
        let range = self.index.range(number);
        let len = (range.end - range.start) as usize;
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, len).collect();
        let buffer = Arc::get_mut(&mut bytes).expect("nobody else has it yet");
        // What the file lacks stays zeros, which no checksum covers.
        self.file.read_full_at(buffer, range.start)?;
        let at = ByteOffset::new(range.start);
        let block = Block::decode(bytes, self.info.creation, number as u32, at);
        block.map_err(|defect| StoreError::corrupt(defect.in_file(self.file.name.as_str())))
    }

    /// Shows the value of a key as of a sequence, or none if it was deleted. What it answers is
    /// none if the table says nothing of the key.
    pub fn get_with<R>(
        &self,
        key: &[u8],
        hash: KeyHash,
        sequence: u64,
        show: impl FnOnce(Option<&[u8]>) -> R,
    ) -> Result<Option<R>, StoreError> {
        let deleted_at = match self.tombstones.is_empty() {
            true => None,
            false => self.tombstones.newest(key, sequence.saturating_add(1)),
        };
        let number = match self.filter.may_have(hash) {
            true => self.index.seek(key, sequence),
            false => self.blocks(),
        };
        if number == self.blocks() {
            return Ok(deleted_at.map(|_| show(None)));
        }
        let (cached, read);
        let block = match self.slots.get(number, Caching::Keep) {
            Some(found) => {
                cached = found;
                &*cached
            }
            None => {
                read = self.block(number, Caching::Keep)?;
                &read
            }
        };
        block.fetch();
        let rows = block.rows();
        let row = rows.seek(key, sequence);
        if row == rows.len() || !rows.has_key(row, key) {
            return Ok(deleted_at.map(|_| show(None)));
        }
        let is_deleted = deleted_at.is_some_and(|at| rows.sequence(row) < at);
        Ok(Some(show(rows.value(row).filter(|_| !is_deleted))))
    }
}

/// The end of a table: where the sections before it are.
struct Footer {
    index: Range<u64>,
    filter: Range<u64>,
    tombstones: Range<u64>,
}

impl Footer {
    fn decode(bytes: &[u8], info: &TableInfo, at: ByteOffset) -> Result<Self, Defect> {
        expect_checksum(bytes, info.creation, FOOTER, at)?;
        let own = bytes.last_chunk().map(|own| u32::from_le_bytes(*own));
        if own != Some(info.footer_checksum) {
            let (expected, found) = (info.footer_checksum, own.unwrap_or_default());
            let field = "checksum that the manifest has";
            return Err(Defect::new(at, field, expected, found));
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
        cursor.u32("footer")?;
        let creation_at = cursor.at();
        let creation = cursor.u64("creation number")?;
        if creation != info.creation {
            let (expected, found) = (info.creation, creation);
            return Err(Defect::new(creation_at, "creation number", expected, found));
        }
        cursor.u64("rows")?;
        let lengths_at = cursor.at();
        let index_bytes = cursor.u64("length of the index")?;
        let filter_bytes = cursor.u64("length of the filter")?;
        let tombstone_bytes = cursor.u64("length of the range tombstones")?;
        let section = |end: u64, bytes: u64| match end.checked_sub(bytes) {
            Some(start) => Ok(start..end),
            None => Err(Defect::new(lengths_at, "length of a section", end, bytes)),
        };
        let tombstones = section(at.get(), tombstone_bytes)?;
        let filter = section(tombstones.start, filter_bytes)?;
        let index = section(filter.start, index_bytes)?;
        Ok(Self {
            index,
            filter,
            tombstones,
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

/// A table that is being written.
pub(crate) struct TableWriter {
    directory: Directory,
    file: OpenFile,
    temp: String,
    info: TableInfo,
    block: BlockBuilder,
    block_bytes: usize,
    index: IndexBuilder,
    filter: FilterBuilder,
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
                ..TableInfo::default()
            },
            block: BlockBuilder::default(),
            block_bytes,
            index: IndexBuilder::default(),
            filter: FilterBuilder::default(),
            tombstones: Tombstones::default(),
        })
    }

    /// Gives the table its range tombstones.
    pub fn tombstones(&mut self, tombstones: Tombstones) {
        self.tombstones = tombstones;
    }

    /// Adds a row behind the last one. A large value has a block of its own.
    pub fn push(
        &mut self,
        key: &[u8],
        sequence: u64,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let is_large = value.is_some_and(|value| value.len() > self.block_bytes / 4);
        let bytes = self.block.bytes() + BlockBuilder::bytes_of(key, value);
        if !self.block.is_empty() && (is_large || bytes > self.block_bytes) {
            self.end_block()?;
        }
        self.block.push(key, sequence, value);
        self.filter.push(key);
        self.info.rows += 1;
        match is_large {
            true => self.end_block(),
            false => Ok(()),
        }
    }

    fn end_block(&mut self) -> Result<(), StoreError> {
        let (last_key, last_sequence) = self.block.last();
        let last_key = last_key.to_vec();
        let bytes = self.block.finish(self.info.creation, self.index.blocks());
        self.index.push(bytes.len(), &last_key, last_sequence);
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write(bytes, self.info.bytes)?;
        self.info.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Completes the table and gives it its name, durably. If that fails, its file is removed.
    pub fn finish(mut self) -> Result<TableInfo, StoreError> {
        let completed = self.complete();
        if completed.is_err() {
            self.abandon();
        }
        completed.map(|()| self.info)
    }

    /// Removes the file. What cannot be removed the next opening removes.
    pub fn abandon(&self) {
        drop(self.directory.remove(&self.temp));
        drop(self.directory.remove(&name(self.info.number)));
    }

    fn complete(&mut self) -> Result<(), StoreError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let creation = self.info.creation;
        let index = std::mem::take(&mut self.index).finish(creation);
        self.write(&index)?;
        let filter = self.filter.finish(creation);
        self.write(&filter)?;
        let mut tombstones = self.tombstones.encode();
        let tombstones_checksum = checksum(creation, TOMBSTONES, &tombstones);
        tombstones.extend_from_slice(&tombstones_checksum.to_le_bytes());
        self.write(&tombstones)?;
        let mut footer = MAGIC.to_vec();
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.resize(16, 0);
        footer.extend_from_slice(&creation.to_le_bytes());
        footer.extend_from_slice(&self.info.rows.to_le_bytes());
        for section in [&index, &filter, &tombstones] {
            footer.extend_from_slice(&(section.len() as u64).to_le_bytes());
        }
        self.info.footer_checksum = checksum(self.info.creation, FOOTER, &footer);
        footer.extend_from_slice(&self.info.footer_checksum.to_le_bytes());
        self.write(&footer)?;
        self.file.sync_all()?;
        self.directory.rename(&self.temp, &name(self.info.number))?;
        self.directory.sync()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
