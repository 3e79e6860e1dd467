//! surrealkv.

use std::path::Path;

use surrealkv::{
    CompactRangeOptions, Durability, LSMIterator, Mode, Transaction, Tree, TreeBuilder,
};
use tokio::runtime::Runtime;

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

/// The open tree, and what its tasks run in.
pub struct Surrealkv {
    tree: Tree,
    durability: Durability,
    runtime: Runtime,
}

impl Surrealkv {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let builder = TreeBuilder::new()
            .with_path(dir.into())
            // Values do not compress; it would only cost.
            .without_compression()
            .with_max_memtable_size(usize::try_from(setup.memtable_bytes)?)
            .with_block_cache_capacity(setup.cache_bytes);
        let tree = runtime.block_on(async { builder.build() })?;
        let durability = match setup.level {
            Level::Process | Level::System => Durability::Eventual,
            Level::Synced => Durability::Immediate,
        };
        Ok(Self {
            tree,
            durability,
            runtime,
        })
    }

    fn change(&self, work: impl FnOnce(&mut Transaction) -> Result<()>) -> Result<()> {
        let mut transaction = self.tree.begin_with_mode(Mode::WriteOnly)?;
        transaction.set_durability(self.durability);
        work(&mut transaction)?;
        Ok(self.runtime.block_on(transaction.commit())?)
    }
}

impl Contender for Surrealkv {
    fn put(&self, row: &Row) -> Result<()> {
        self.write(std::slice::from_ref(row))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        self.change(|transaction| {
            for row in rows {
                transaction.set(row.key.as_ref(), &row.value[..])?;
            }
            Ok(())
        })
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.change(|transaction| Ok(transaction.delete(key.as_ref())?))
    }

    fn delete_range(&self, from: &[u8], end: &[u8]) -> Result<()> {
        self.change(|transaction| Ok(transaction.delete_range(from, end)?))
    }

    fn flush(&self) -> Result<()> {
        let mut options = CompactRangeOptions::default();
        options.flush_memtable = true;
        options.target_level = Some(0);
        Ok(self.tree.compact_range(None, None, &options)?)
    }

    fn compact(&self) -> Result<()> {
        let mut options = CompactRangeOptions::default();
        options.flush_memtable = true;
        Ok(self.tree.compact_range(None, None, &options)?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let transaction = self.tree.begin_with_mode(Mode::ReadOnly)?;
        Ok(Box::new(OneTransaction { transaction }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.runtime.block_on(self.tree.close())?)
    }
}

/// All reads in one transaction.
struct OneTransaction {
    transaction: Transaction,
}

impl Reader for OneTransaction {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let value = self.transaction.get(key.as_ref())?;
        value.map(|value| number(&value)).transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let mut rows = self.transaction.iter()?;
        match way {
            Way::Forward => rows.seek(from)?,
            Way::Backward => {
                rows.seek(from)?;
                match rows.valid() {
                    true if rows.key().user_key() > from => rows.prev()?,
                    true => true,
                    false => rows.seek_last()?,
                }
            }
        };
        for _ in 0..rows_max {
            if !rows.valid() {
                break;
            }
            tally.see(rows.key().user_key(), rows.value()?.as_ref());
            match way {
                Way::Forward => rows.next()?,
                Way::Backward => rows.prev()?,
            };
        }
        Ok(())
    }
}
