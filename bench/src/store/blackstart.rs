//! The store of this repository.

use std::path::Path;

use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreOptions, WriteBatch};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{self, Key, Row, Tally};
use crate::Result;

const KEYSPACE: Keyspace = Keyspace::DEFAULT;

/// The open store.
pub struct Blackstart {
    store: Store,
    durability: Durability,
}

impl Blackstart {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let durability = match setup.level {
            Level::Process => Durability::Buffered,
            Level::System => Durability::Os,
            Level::Synced => Durability::Synced,
        };
        let options = StoreOptions::new(durability)
            .create(true)
            .memtable_bytes_max(setup.memtable_bytes)
            .cache_bytes_max(setup.cache_bytes);
        let (store, _report) = Store::open_path(dir, &options)?;
        Ok(Self { store, durability })
    }
}

impl Contender for Blackstart {
    fn put(&self, row: &Row) -> Result<()> {
        self.store.put(KEYSPACE, row.key.as_ref(), &row.value)?;
        Ok(())
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let mut batch = WriteBatch::new();
        for row in rows {
            batch.put(KEYSPACE, row.key.as_ref(), &row.value)?;
        }
        self.store.write(batch, self.durability)?;
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.store.delete(KEYSPACE, key.as_ref())?;
        Ok(())
    }

    fn delete_range(&self, from: &[u8], end: &[u8]) -> Result<()> {
        self.store.delete_range(KEYSPACE, from..end)?;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        Ok(self.store.flush()?)
    }

    fn compact(&self) -> Result<()> {
        self.store.flush()?;
        Ok(self.store.compact()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Direct { store: &self.store }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.store.close()?)
    }
}

/// Each read sees the newest state.
struct Direct<'a> {
    store: &'a Store,
}

impl Reader for Direct<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let number = self.store.get_with(KEYSPACE, key.as_ref(), rows::number)?;
        number.transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        if way == Way::Backward {
            return Err("not there yet".into());
        }
        let mut cursor = self.store.scan_from(KEYSPACE, from)?;
        for _ in 0..rows_max {
            let Some((key, value)) = cursor.next()? else {
                break;
            };
            tally.see(key, value);
        }
        Ok(())
    }
}
