//! RocksDB.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, Options, ReadOptions,
    WriteBatch, WriteOptions,
};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

/// The open database, with its default column family.
pub struct Rocksdb {
    database: DB,
    level: Level,
}

impl Rocksdb {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(usize::try_from(setup.cache_bytes)?));
        blocks.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size(usize::try_from(setup.memtable_bytes)?);
        options.set_max_background_jobs(2);
        // Values do not compress; it would only cost.
        options.set_compression_type(DBCompressionType::None);
        options.set_manual_wal_flush(setup.level == Level::Process);
        Ok(Self {
            database: DB::open(&options, dir)?,
            level: setup.level,
        })
    }

    fn options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.level == Level::Synced);
        options
    }
}

impl Contender for Rocksdb {
    fn put(&self, row: &Row) -> Result<()> {
        Ok(self
            .database
            .put_opt(row.key.as_ref(), row.value, &self.options())?)
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for row in rows {
            batch.put(row.key.as_ref(), row.value);
        }
        Ok(self.database.write_opt(batch, &self.options())?)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        Ok(self.database.delete_opt(key.as_ref(), &self.options())?)
    }

    fn delete_range(&self, from: &[u8], end: &[u8]) -> Result<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range(from, end);
        Ok(self.database.write_opt(batch, &self.options())?)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.database.flush()?)
    }

    fn compact(&self) -> Result<()> {
        self.flush()?;
        self.database.compact_range(None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(Direct {
            database: &self.database,
        }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        if self.level != Level::Process {
            self.database.flush_wal(true)?;
        }
        Ok(())
    }
}

/// Each read sees the newest state.
struct Direct<'a> {
    database: &'a DB,
}

impl Reader for Direct<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let value = self.database.get_pinned(key.as_ref())?;
        value.map(|value| number(&value)).transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let mut rows: DBRawIterator<'_> = self.database.raw_iterator_opt(ReadOptions::default());
        match way {
            Way::Forward => rows.seek(from),
            Way::Backward => rows.seek_for_prev(from),
        }
        for _ in 0..rows_max {
            let Some((key, value)) = rows.item() else {
                break;
            };
            tally.see(key, value);
            match way {
                Way::Forward => rows.next(),
                Way::Backward => rows.prev(),
            }
        }
        Ok(rows.status()?)
    }
}
