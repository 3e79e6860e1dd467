//! LMDB, by heed.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags, RoTxn, WithTls};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

const MAP_BYTES: usize = 32 << 30;

/// The open environment, with one database. It stays open until the process ends: a database
/// borrows its environment, and a slice opens one.
pub struct Lmdb {
    env: &'static Env<WithTls>,
    rows: Database<'static, Bytes, Bytes>,
}

impl Lmdb {
    /// Opens or creates it.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        open(&options, dir, setup.level != Level::Synced)
    }
}

#[expect(
    unsafe_code,
    reason = "heed: nobody else may change the file, and nobody does"
)]
fn open(options: &EnvOpenOptions<WithTls>, dir: &Path, is_unsynced: bool) -> Result<Lmdb> {
    let mut options = options.clone();
    // SAFETY: the directory is this run's own, and only one process opens it at a time.
    let env = unsafe {
        if is_unsynced {
            options.flags(EnvFlags::NO_SYNC);
        }
        options.open(dir)?
    };
    let env: &'static Env<WithTls> = Box::leak(Box::new(env));
    let created = env.create_databases_and_commit(env.write_txn()?, |databases, transaction| {
        let rows = databases.create_database(transaction, None)?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(rows))
    })?;
    let rows = created.unwrap_commit();
    Ok(Lmdb { env, rows })
}

impl Contender for Lmdb {
    fn put(&self, row: &Row) -> Result<()> {
        self.write(std::slice::from_ref(row))
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for row in rows {
            self.rows
                .put(&mut transaction, row.key.as_ref(), &row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        self.rows.delete(&mut transaction, key.as_ref())?;
        Ok(transaction.commit()?)
    }

    fn append(&self, rows: &[Row]) -> Result<()> {
        let mut transaction = self.env.write_txn()?;
        for row in rows {
            let key = row.key.as_ref();
            self.rows
                .put_with_flags(&mut transaction, PutFlags::APPEND, key, &row.value)?;
        }
        Ok(transaction.commit()?)
    }

    fn flush(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        Ok(Box::new(OneTransaction {
            transaction: self.env.read_txn()?,
            rows: self.rows,
        }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.env.force_sync()?)
    }
}

/// All reads in one transaction.
struct OneTransaction<'a> {
    transaction: RoTxn<'a, WithTls>,
    rows: Database<'static, Bytes, Bytes>,
}

impl Reader for OneTransaction<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let value = self.rows.get(&self.transaction, key.as_ref())?;
        value.map(number).transpose()
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        let rows_max = usize::try_from(rows_max)?;
        match way {
            Way::Forward => {
                // It has no empty keys.
                let from = if from.is_empty() { &[0] } else { from };
                let range = (Bound::Included(from), Bound::Unbounded);
                for row in self.rows.range(&self.transaction, &range)?.take(rows_max) {
                    let (key, value) = row?;
                    tally.see(key, value);
                }
            }
            Way::Backward => {
                let range = (Bound::Unbounded, Bound::Included(from));
                for row in self
                    .rows
                    .rev_range(&self.transaction, &range)?
                    .take(rows_max)
                {
                    let (key, value) = row?;
                    tally.see(key, value);
                }
            }
        }
        Ok(())
    }
}
