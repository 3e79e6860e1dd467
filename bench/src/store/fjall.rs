//! fjall.

use std::path::Path;

use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

/// The open database, with one keyspace.
pub struct Fjall {
    database: Database,
    rows: Keyspace,
    level: Level,
}

impl Fjall {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let keeps_in_process = setup.level == Level::Process;
        let database = Database::builder(dir)
            .cache_size(setup.cache_bytes)
            .journal_compression(CompressionType::None)
            .manual_journal_persist(keeps_in_process)
            .max_journaling_size((512 << 20).max(4 * setup.memtable_bytes))
            .open()?;
        let rows = database.keyspace("rows", || {
            KeyspaceCreateOptions::default()
                .manual_journal_persist(keeps_in_process)
                // Values do not compress; it would only cost.
                .data_block_compression_policy(CompressionPolicy::disabled())
                .max_memtable_size(setup.memtable_bytes)
        })?;
        Ok(Self {
            database,
            rows,
            level: setup.level,
        })
    }

    fn persist(&self) -> Result<()> {
        if self.level == Level::Synced {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

impl Contender for Fjall {
    fn put(&self, row: &Row) -> Result<()> {
        self.rows.insert(row.key.as_ref(), &row.value[..])?;
        self.persist()
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let mut batch = self.database.batch();
        if self.level == Level::Synced {
            batch = batch.durability(Some(PersistMode::SyncData));
        }
        for row in rows {
            batch.insert(&self.rows, row.key.as_ref(), &row.value[..]);
        }
        Ok(batch.commit()?)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.rows.remove(key.as_ref())?;
        self.persist()
    }

    fn flush(&self) -> Result<()> {
        Ok(self.rows.rotate_memtable_and_wait()?)
    }

    fn compact(&self) -> Result<()> {
        self.flush()?;
        Ok(self.rows.major_compact()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Direct { rows: &self.rows }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

/// Each read sees the newest state.
struct Direct<'a> {
    rows: &'a Keyspace,
}

impl Reader for Direct<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let value = self.rows.get(key.as_ref())?;
        value.map(|value| number(&value)).transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let rows_max = usize::try_from(rows_max)?;
        let mut see = |row: Guard| {
            let (key, value) = row.into_inner()?;
            tally.see(&key, &value);
            Result::Ok(())
        };
        match way {
            Way::Forward => self
                .rows
                .range(from..)
                .take(rows_max)
                .try_for_each(&mut see),
            Way::Backward => {
                let rows = self.rows.range(..=from);
                rows.rev().take(rows_max).try_for_each(&mut see)
            }
        }
    }
}
