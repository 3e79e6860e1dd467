//! Baselines: what part of a write the log alone takes, and what a careful person would write by
//! hand: an ordered map in memory beside a log of records.
//!
//! Not here: reads of a map that was reopened, snapshots, tables. A baseline is a bound for writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blackstart::commitlog::{Durability, Log, LogOptions};
use blackstart_vfs::Env;

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, VALUE_BYTES, number};
use crate::Result;
use crate::log::{Growth, Raw};

/// Bytes that the store writes for a row beside value and key: kind, two lengths, keyspace.
const ROW_OVERHEAD_BYTES: usize = 13;

/// As many bytes as the store writes for these rows, in one record.
fn record(rows: &[Row]) -> Vec<u8> {
    let mut record = vec![0; 5];
    for row in rows {
        record.extend_from_slice(&[1; ROW_OVERHEAD_BYTES]);
        record.extend_from_slice(row.key.as_ref());
        record.extend_from_slice(&row.value);
    }
    record
}

/// The commit log of this repository, alone.
pub struct LogAlone {
    log: Log,
    durability: Durability,
}

impl LogAlone {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let options = LogOptions::new().create(true);
        let (log, _report) = Log::open(&Env::os(dir), "", options)?;
        let durability = match setup.level {
            Level::Process => Durability::Buffered,
            Level::System => Durability::Os,
            Level::Synced => Durability::Synced,
        };
        Ok(Self { log, durability })
    }
}

impl Contender for LogAlone {
    fn put(&self, row: &Row) -> Result<()> {
        self.write(std::slice::from_ref(row))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        self.log.commit(&[record(rows)], self.durability)?;
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.log.commit(&[key.as_ref()], self.durability)?;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.log.sync()?;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Err("a log alone has no keys".into())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.log.close()?)
    }
}

type Rows = BTreeMap<Key, [u8; VALUE_BYTES]>;

/// A `BTreeMap` with keys of fixed length, and a hand-written log.
pub struct MapAndRaw {
    rows: Mutex<Rows>,
    raw: Raw,
    is_synced: bool,
}

impl MapAndRaw {
    /// Opens or creates it. Rows of an earlier time are not read.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        Ok(Self {
            rows: Mutex::default(),
            raw: Raw::open(dir, Growth::Ahead)?,
            is_synced: setup.level == Level::Synced,
        })
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contender for MapAndRaw {
    fn put(&self, row: &Row) -> Result<()> {
        self.write(std::slice::from_ref(row))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        self.raw.append_record(&record(rows), self.is_synced)?;
        self.rows()
            .extend(rows.iter().map(|row| (row.key, row.value)));
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.raw.append_record(key.as_ref(), self.is_synced)?;
        self.rows().remove(key);
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Locked { map: self }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        // What was preallocated stays behind the last record.
        Ok(())
    }
}

/// Each read takes the lock.
struct Locked<'a> {
    map: &'a MapAndRaw,
}

impl Reader for Locked<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let rows = self.map.rows();
        rows.get(key).map(|value| number(value)).transpose()
    }

    fn scan(&mut self, _: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let rows = self.map.rows();
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        match way {
            Way::Forward => rows
                .iter()
                .take(rows_max)
                .for_each(|(k, v)| tally.see(k.as_ref(), v)),
            Way::Backward => {
                let rows = rows.iter().rev().take(rows_max);
                rows.for_each(|(key, value)| tally.see(key.as_ref(), value));
            }
        }
        Ok(())
    }
}
