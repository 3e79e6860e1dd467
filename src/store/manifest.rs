//! The manifest: which tables there are, and how far they hold the log.
//!
//! Each change writes a file of its own, whole: `MANIFEST-n`, under a temporary name first. The one
//! with the highest number counts; the one before is removed after.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTMAN` |
//! | 8..12 | format version | 1 |
//! | 12..16 | features | bits that a program has to know; none are given yet |
//! | 16..24 | number | as in its name |
//! | 24..40 | log id | of the log that the tables belong to |
//! | 40..44 | epoch | of the log when the newest table was made |
//! | 44..52 | flushed through | the tables hold everything of the log before this offset |
//! | 52..60 | next table number | |
//! | 60..68 | fork | the history is to be cut at this offset, and the next opening does it; all ones: it is not |
//! | 68..72 | tables | newest first |
//! | for each table | number, creation number, length | u64 each |
//! | | checksum of its footer, rows | u32, u64 |
//! | last 4 | checksum | CRC-32 of everything before |
//!
//! Invariants:
//! - \[I1\] A manifest has its name once it is complete, it and all it names are durable.
//! - \[I2\] Damage to the newest is an error, never a reason to take the one before.

use super::error::StoreError;
use super::table::TableInfo;
use crate::codec::{ByteOffset, Cursor, Defect, Value};
use crate::commitlog::directory::Directory;
use crate::commitlog::{Epoch, LogId, TxOffset};
use crate::commitlog::{LogSource, SourceFile};

const MAGIC: [u8; 8] = *b"BLKSTMAN";
const VERSION: u32 = 1;
const NO_FORK: u64 = u64::MAX;
const TABLE_BYTES: usize = 36;
/// More tables than a manifest of this length has nobody.
const BYTES_MAX: u64 = 64 << 20;

/// Which tables there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub number: u64,
    pub log_id: LogId,
    pub epoch: Epoch,
    /// The tables hold everything of the log before this.
    pub flushed_through: TxOffset,
    pub table_next: u64,
    /// Where the history is to be cut. The tables hold nothing from there on.
    pub fork: Option<TxOffset>,
    /// Newest first.
    pub tables: Vec<TableInfo>,
}

/// A manifest's file name.
pub(crate) fn name(number: u64) -> String {
    format!("MANIFEST-{number:020}")
}

/// The number of the manifest with this file name.
pub(crate) fn parse(name: &str) -> Option<u64> {
    let number = name.strip_prefix("MANIFEST-")?;
    let is_exact = number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| is_exact)
}

/// Whether this is the name of a manifest that was not completed.
pub(crate) fn is_temp(name: &str) -> bool {
    let Some((name, rest)) = name.split_once(".tmp") else {
        return false;
    };
    let is_attempt = rest
        .strip_prefix('.')
        .is_some_and(|attempt| attempt.bytes().all(|byte| byte.is_ascii_digit()));
    parse(name).is_some() && (rest.is_empty() || is_attempt)
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.log_id.bytes());
        bytes.extend_from_slice(&self.epoch.get().to_le_bytes());
        bytes.extend_from_slice(&self.flushed_through.get().to_le_bytes());
        bytes.extend_from_slice(&self.table_next.to_le_bytes());
        let fork = self.fork.map_or(NO_FORK, TxOffset::get);
        bytes.extend_from_slice(&fork.to_le_bytes());
        bytes.extend_from_slice(&(self.tables.len() as u32).to_le_bytes());
        for table in &self.tables {
            bytes.extend_from_slice(&table.number.to_le_bytes());
            bytes.extend_from_slice(&table.creation.to_le_bytes());
            bytes.extend_from_slice(&table.bytes.to_le_bytes());
            bytes.extend_from_slice(&table.footer_checksum.to_le_bytes());
            bytes.extend_from_slice(&table.rows.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Decodes a manifest's file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Defect> {
        let Some((covered, found)) = bytes.split_last_chunk::<4>() else {
            let (at, found) = (ByteOffset::new(0), bytes.len() as u64);
            return Err(Defect::new(at, "manifest", "at least 76 bytes", found));
        };
        let (computed, found) = (crc32fast::hash(covered), u32::from_le_bytes(*found));
        if computed != found {
            let at = ByteOffset::new(covered.len() as u64);
            let (expected, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
            return Err(Defect::new(at, "checksum", expected, found));
        }
        let mut cursor = Cursor::new(covered, ByteOffset::new(0));
        if cursor.array("magic")? != MAGIC {
            let at = ByteOffset::new(0);
            return Err(Defect::new(at, "magic", "BLKSTMAN", "something else"));
        }
        for (field, expected) in [("format version", VERSION), ("features", 0)] {
            let at = cursor.at();
            let found = cursor.u32(field)?;
            if found != expected {
                return Err(Defect::new(at, field, expected, found));
            }
        }
        let mut manifest = Self {
            number: cursor.u64("number")?,
            log_id: LogId::new(cursor.array("log id")?),
            epoch: Epoch::new(cursor.u32("epoch")?),
            flushed_through: TxOffset::new(cursor.u64("flushed through")?),
            table_next: cursor.u64("next table number")?,
            fork: None,
            tables: Vec::new(),
        };
        let at = cursor.at();
        let fork = cursor.u64("fork")?;
        manifest.fork = (fork != NO_FORK).then_some(TxOffset::new(fork));
        if manifest
            .fork
            .is_some_and(|cut| cut < manifest.flushed_through)
        {
            let expected = "an offset behind what the tables hold";
            return Err(Defect::new(at, "fork", expected, fork));
        }
        let at = cursor.at();
        let count = cursor.u32("tables")? as usize;
        if cursor.rest().len() != count.saturating_mul(TABLE_BYTES) {
            let (expected, found) = (cursor.rest().len() / TABLE_BYTES, count);
            return Err(Defect::new(at, "tables", expected as u64, found as u64));
        }
        for _ in 0..count {
            manifest.tables.push(TableInfo {
                number: cursor.u64("table number")?,
                creation: cursor.u64("creation number")?,
                bytes: cursor.u64("length")?,
                footer_checksum: cursor.u32("checksum of the footer")?,
                rows: cursor.u64("rows")?,
            });
        }
        Ok(manifest)
    }

    /// Reads the manifest with this number.
    pub fn read(directory: &Directory, number: u64) -> Result<Self, StoreError> {
        let name = name(number);
        let file = directory.open(&name)?;
        let corrupt = |defect: Defect| StoreError::corrupt(defect.in_file(directory.shown(&name)));
        let len = SourceFile::len(&*file)?;
        if len > BYTES_MAX {
            let at = ByteOffset::new(0);
            return Err(corrupt(Defect::new(at, "length", BYTES_MAX, len)));
        }
        let mut bytes = vec![0; len as usize];
        let read = file.read_full_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let manifest = Self::decode(&bytes).map_err(corrupt)?;
        if manifest.number != number {
            let at = ByteOffset::new(16);
            return Err(corrupt(Defect::new(at, "number", number, manifest.number)));
        }
        Ok(manifest)
    }

    /// Writes it, durably. After an error either this or the one before may be what an opening
    /// finds.
    pub fn write(&self, directory: &Directory) -> Result<(), StoreError> {
        let name = name(self.number);
        let (temp, file) = directory.new_file(|attempt| match attempt {
            0 => format!("{name}.tmp"),
            _ => format!("{name}.tmp.{attempt}"),
        })?;
        file.write(&self.encode(), 0)?;
        file.sync_all()?;
        directory.rename(&temp, &name)?;
        directory.sync()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
