//! redb.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// The open database, with one table.
pub struct Redb {
    database: Database,
    durability: Durability,
}

impl Redb {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let database = Database::builder()
            .set_cache_size(usize::try_from(setup.cache_bytes)?)
            .create(dir.join("redb"))?;
        let durability = match setup.level {
            Level::Process | Level::System => Durability::None,
            Level::Synced => Durability::Immediate,
        };
        let this = Self {
            database,
            durability,
        };
        this.change(durability, |_| Ok(()))?;
        Ok(this)
    }

    fn change(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut redb::Table<'_, &[u8], &[u8]>) -> Result<()>,
    ) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        work(&mut transaction.open_table(ROWS)?)?;
        Ok(transaction.commit()?)
    }
}

impl Contender for Redb {
    fn put(&self, row: &Row) -> Result<()> {
        self.write(std::slice::from_ref(row))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        self.change(self.durability, |table| {
            for row in rows {
                table.insert(row.key.as_ref(), &row.value[..])?;
            }
            Ok(())
        })
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.change(self.durability, |table| {
            table.remove(key.as_ref())?;
            Ok(())
        })
    }

    fn flush(&self) -> Result<()> {
        self.change(Durability::Immediate, |_| Ok(()))
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let transaction = self.database.begin_read()?;
        let table = transaction.open_table(ROWS)?;
        Ok(Box::new(OneTransaction { table }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

/// All reads in one transaction.
struct OneTransaction {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Reader for OneTransaction {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let value = self.table.get(key.as_ref())?;
        value.map(|value| number(value.value())).transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let rows_max = usize::try_from(rows_max)?;
        let mut see =
            |row: redb::Result<(redb::AccessGuard<'_, &[u8]>, redb::AccessGuard<'_, &[u8]>), _>| {
                let (key, value) = row?;
                tally.see(key.value(), value.value());
                Result::Ok(())
            };
        match way {
            Way::Forward => self
                .table
                .range(from..)?
                .take(rows_max)
                .try_for_each(&mut see),
            Way::Backward => {
                let rows = self.table.range::<&[u8]>(..=from)?;
                rows.rev().take(rows_max).try_for_each(&mut see)
            }
        }
    }
}
