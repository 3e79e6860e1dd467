//! The manifest: which tables there are, and how far they hold the log.
//!
//! Each change writes a file of its own, whole: `MANIFEST-n`, under a temporary name first. The one
//! with the highest number counts; the one before is removed after.
//!
//! | bytes | field | meaning |
//! |---|---|---|
//! | 0..8 | magic | `BLKSTMAN` |
//! | 8..12 | format version | 1 |
//! | 12..16 | features | compatible: who does not know them may pass over them |
//! | 16..20 | | who does not know them may read, and not write |
//! | 20..24 | | who does not know them may not read |
//! | 24..32 | number | as in its name |
//! | 32..48 | log id | of the log that the tables belong to |
//! | 48..52 | epoch | of the log when the newest table was made |
//! | 52..60 | flushed through | the tables hold everything of the log before this offset |
//! | 60..68 | next table number | |
//! | 68..76 | fork | the history is to be cut at this offset, and the next opening does it; all ones: it is not |
//! | 76..80 | runs | newest first |
//! | for each run | tier | u8; 255: the bottom |
//! | | tables | u32; they share no key and are in order |
//! | for each table | number, creation number, length | u64 each |
//! | | checksum of its footer | u32 |
//! | | rows, stale rows | u64 each |
//! | | lowest and highest sequence | u64 each |
//! | | lengths of its first key and of its end | u32 each |
//! | | first key, end | no key of the table is before the one, and all are before the other |
//! | last 4 | checksum | CRC-32 of everything before |
//!
//! Invariants:
//! - \[I1\] A manifest has its name once it is complete, it and all it names are durable.
//! - \[I2\] Damage to the newest is an error, never a reason to take the one before.
//! - \[I3\] Tables of one run share no key and are in order; each table is in one run; the bottom
//!   is the last run, and tiers grow downwards.

use std::collections::BTreeSet;

use super::error::StoreError;
use super::table::TableInfo;
use crate::codec::{ByteOffset, Cursor, Defect, Value};
use crate::commitlog::directory::Directory;
use crate::commitlog::{Epoch, LogId, TxOffset};
use crate::commitlog::{LogSource, SourceFile};

const MAGIC: [u8; 8] = *b"BLKSTMAN";
const VERSION: u32 = 1;
const NO_FORK: u64 = u64::MAX;
/// What a table takes without its keys.
const TABLE_BYTES_MIN: usize = 68;
/// Tier and number of tables.
const RUN_BYTES_MIN: usize = 5;
/// More tables than a manifest of this length has nobody.
const BYTES_MAX: u64 = 64 << 20;
/// The tier of the last run of all.
pub(crate) const BOTTOM: u8 = u8::MAX;

/// Bits that say what a program has to know of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Who does not know them may pass over them.
    pub compatible: u32,
    /// Who does not know them may read, and not write.
    pub read_only: u32,
    /// Who does not know them may not read.
    pub incompatible: u32,
}

/// Tables that share no key, in order. None of their rows is older than one of the same key in a
/// run below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunInfo {
    /// How often its rows were merged, about; [`BOTTOM`] if no run is below.
    pub tier: u8,
    pub tables: Vec<TableInfo>,
}

/// Which tables there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub number: u64,
    pub features: Features,
    pub log_id: LogId,
    pub epoch: Epoch,
    /// The tables hold everything of the log before this.
    pub flushed_through: TxOffset,
    pub table_next: u64,
    /// Where the history is to be cut. The tables hold nothing from there on.
    pub fork: Option<TxOffset>,
    /// Newest first.
    pub runs: Vec<RunInfo>,
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
    /// The first manifest of a store.
    pub fn first(log_id: LogId, epoch: Epoch) -> Self {
        Self {
            number: 1,
            features: Features::default(),
            log_id,
            epoch,
            flushed_through: TxOffset::ZERO,
            table_next: 1,
            fork: None,
            runs: Vec::new(),
        }
    }

    /// All tables, those of newer runs first.
    pub fn tables(&self) -> impl Iterator<Item = &TableInfo> {
        self.runs.iter().flat_map(|run| &run.tables)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let features = self.features;
        for number in [
            VERSION,
            features.compatible,
            features.read_only,
            features.incompatible,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.log_id.bytes());
        bytes.extend_from_slice(&self.epoch.get().to_le_bytes());
        bytes.extend_from_slice(&self.flushed_through.get().to_le_bytes());
        bytes.extend_from_slice(&self.table_next.to_le_bytes());
        let fork = self.fork.map_or(NO_FORK, TxOffset::get);
        bytes.extend_from_slice(&fork.to_le_bytes());
        bytes.extend_from_slice(&len_u32(self.runs.len()).to_le_bytes());
        for run in &self.runs {
            bytes.push(run.tier);
            bytes.extend_from_slice(&len_u32(run.tables.len()).to_le_bytes());
            for table in &run.tables {
                encode_table(&mut bytes, table);
            }
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
            return Err(Defect::new(at, "manifest", "at least 84 bytes", found));
        };
        let (computed, found) = (crc32fast::hash(covered), u32::from_le_bytes(*found));
        if computed != found {
            let at = ByteOffset::new(covered.len() as u64);
            let (computed, found) = (Value::Hex(computed.into()), Value::Hex(found.into()));
            return Err(Defect::new(at, "checksum", computed, found));
        }
        let mut cursor = Cursor::new(covered, ByteOffset::new(0));
        if cursor.array("magic")? != MAGIC {
            let at = ByteOffset::new(0);
            return Err(Defect::new(at, "magic", "BLKSTMAN", "something else"));
        }
        exactly(&mut cursor, "format version", VERSION)?;
        let features = Features {
            compatible: cursor.u32("compatible features")?,
            read_only: cursor.u32("features to write")?,
            incompatible: exactly(&mut cursor, "features to read", 0)?,
        };
        let manifest = Self {
            number: cursor.u64("number")?,
            features,
            log_id: LogId::new(cursor.array("log id")?),
            epoch: Epoch::new(cursor.u32("epoch")?),
            flushed_through: TxOffset::new(cursor.u64("flushed through")?),
            table_next: cursor.u64("next table number")?,
            fork: decode_fork(&mut cursor)?,
            runs: decode_runs(&mut cursor)?,
        };
        let (at, rest) = (cursor.at(), cursor.rest().len());
        if rest > 0 {
            return Err(Defect::new(at, "end", 0_u64, rest as u64));
        }
        manifest.check(at)?;
        Ok(manifest)
    }

    /// [I3] Whether its tables may be together as they are.
    fn check(&self, at: ByteOffset) -> Result<(), Defect> {
        let mut numbers = BTreeSet::new();
        for table in self.tables() {
            if table.number >= self.table_next || !numbers.insert(table.number) {
                let expected = "below the next, each once";
                return Err(Defect::new(at, "table number", expected, table.number));
            }
            let (low, high) = (table.sequence_min, table.sequence_max);
            if low > high || high >= self.flushed_through.get() {
                let expected = "below what is flushed, in order";
                return Err(Defect::new(at, "sequences", expected, high));
            }
        }
        if let Some(cut) = self.fork.filter(|cut| *cut < self.flushed_through) {
            let expected = "an offset behind what the tables hold";
            return Err(Defect::new(at, "fork", expected, cut.get()));
        }
        let tiers = self.runs.iter().map(|run| run.tier);
        let bottoms = tiers.clone().filter(|tier| *tier == BOTTOM).count();
        if bottoms > 1 || !tiers.is_sorted() {
            let expected = "growing, and one bottom";
            return Err(Defect::new(at, "tiers", expected, "another order"));
        }
        match self.runs.iter().find(|run| !run.is_disjoint()) {
            None => Ok(()),
            Some(run) => {
                let expected = "tables that share no key, in order";
                Err(Defect::new(at, "run", expected, u32::from(run.tier)))
            }
        }
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
            let at = ByteOffset::new(24);
            return Err(corrupt(Defect::new(at, "number", number, manifest.number)));
        }
        Ok(manifest)
    }

    /// As [`read`](Self::read), for a writer: it has to know what writers have to know.
    pub fn read_to_write(directory: &Directory, number: u64) -> Result<Self, StoreError> {
        let manifest = Self::read(directory, number)?;
        match manifest.features.read_only {
            0 => Ok(manifest),
            found => {
                let at = ByteOffset::new(16);
                let defect = Defect::new(at, "features to write", 0_u32, found);
                let file = directory.shown(&name(number));
                Err(StoreError::corrupt(defect.in_file(file)))
            }
        }
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

impl RunInfo {
    /// [I3] Whether its tables are in order and share no key.
    pub fn is_disjoint(&self) -> bool {
        let is_range = |table: &TableInfo| table.first_key < table.end_key;
        let mut pairs = self.tables.iter().zip(self.tables.iter().skip(1));
        !self.tables.is_empty()
            && self.tables.iter().all(is_range)
            && pairs.all(|(one, next)| one.end_key <= next.first_key)
    }
}

fn encode_table(bytes: &mut Vec<u8>, table: &TableInfo) {
    for number in [table.number, table.creation, table.bytes] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&table.footer_checksum.to_le_bytes());
    for number in [
        table.rows,
        table.stale,
        table.sequence_min,
        table.sequence_max,
    ] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for key in [&table.first_key, &table.end_key] {
        bytes.extend_from_slice(&len_u32(key.len()).to_le_bytes());
    }
    bytes.extend_from_slice(&table.first_key);
    bytes.extend_from_slice(&table.end_key);
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a manifest has far less than 4 G of anything")
}

/// A number that has to be this one.
fn exactly(cursor: &mut Cursor<'_>, field: &'static str, expected: u32) -> Result<u32, Defect> {
    let at = cursor.at();
    let found = cursor.u32(field)?;
    match found == expected {
        true => Ok(found),
        false => Err(Defect::new(at, field, expected, found)),
    }
}

/// A number of things that take at least `bytes_min` each.
fn count(cursor: &mut Cursor<'_>, field: &'static str, bytes_min: usize) -> Result<u32, Defect> {
    let at = cursor.at();
    let found = cursor.u32(field)?;
    let room = cursor.rest().len() / bytes_min;
    match found as usize <= room {
        true => Ok(found),
        false => Err(Defect::new(at, field, room as u64, found)),
    }
}

fn decode_fork(cursor: &mut Cursor<'_>) -> Result<Option<TxOffset>, Defect> {
    let fork = cursor.u64("fork")?;
    Ok((fork != NO_FORK).then_some(TxOffset::new(fork)))
}

fn decode_runs(cursor: &mut Cursor<'_>) -> Result<Vec<RunInfo>, Defect> {
    let mut runs = Vec::new();
    for _ in 0..count(cursor, "runs", RUN_BYTES_MIN)? {
        let tier = cursor.u8("tier")?;
        let mut tables = Vec::new();
        for _ in 0..count(cursor, "tables", TABLE_BYTES_MIN)? {
            tables.push(decode_table(cursor)?);
        }
        runs.push(RunInfo { tier, tables });
    }
    Ok(runs)
}

fn decode_table(cursor: &mut Cursor<'_>) -> Result<TableInfo, Defect> {
    let mut table = TableInfo {
        number: cursor.u64("table number")?,
        creation: cursor.u64("creation number")?,
        bytes: cursor.u64("length")?,
        footer_checksum: cursor.u32("checksum of the footer")?,
        rows: cursor.u64("rows")?,
        stale: cursor.u64("stale rows")?,
        sequence_min: cursor.u64("lowest sequence")?,
        sequence_max: cursor.u64("highest sequence")?,
        ..TableInfo::default()
    };
    let first_bytes = cursor.u32("length of the first key")? as usize;
    let end_bytes = cursor.u32("length of the end")? as usize;
    table.first_key = cursor.bytes(first_bytes, "first key")?.to_vec();
    table.end_key = cursor.bytes(end_bytes, "end")?.to_vec();
    Ok(table)
}

#[cfg(test)]
mod tests;
