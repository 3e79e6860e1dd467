//! SQLite, by rusqlite, built in.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};

use super::contender::{Contender, Level, Reader, Setup, Way};
use super::rows::{Key, Row, Tally, number};
use crate::Result;

/// Bytes of the file that are read by mapping it.
const MAP_BYTES: u64 = 8 << 30;

/// The connection that writes; each reader opens one of its own.
pub struct Sqlite {
    writer: Mutex<Connection>,
    path: PathBuf,
    setup: Setup,
}

fn connect(path: &Path, setup: Setup) -> Result<Connection> {
    let connection = Connection::open(path)?;
    let synchronous = match setup.level {
        Level::Process | Level::System => "off",
        Level::Synced => "full",
    };
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(
        None,
        "cache_size",
        -i64::try_from(setup.cache_bytes / 1024)?,
    )?;
    connection.pragma_update(None, "mmap_size", i64::try_from(MAP_BYTES)?)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    Ok(connection)
}

impl Sqlite {
    /// Opens or creates it: one table without row ids, ordered by its key.
    pub fn open(dir: &Path, setup: Setup) -> Result<Self> {
        let path = dir.join("sqlite");
        let connection = connect(&path, setup)?;
        connection.execute_batch(
            "create table if not exists rows (k blob primary key, v blob not null) without rowid",
        )?;
        Ok(Self {
            writer: Mutex::new(connection),
            path,
            setup,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PUT: &str = "insert or replace into rows (k, v) values (?1, ?2)";

impl Contender for Sqlite {
    fn put(&self, row: &Row) -> Result<()> {
        let writer = self.writer();
        writer
            .prepare_cached(PUT)?
            .execute(params![row.key.as_ref(), &row.value[..]])?;
        Ok(())
    }

    fn write(&self, rows: &[Row]) -> Result<()> {
        let mut writer = self.writer();
        let transaction = writer.transaction()?;
        let mut put = transaction.prepare_cached(PUT)?;
        for row in rows {
            put.execute(params![row.key.as_ref(), &row.value[..]])?;
        }
        drop(put);
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        let writer = self.writer();
        writer
            .prepare_cached("delete from rows where k = ?1")?
            .execute([key.as_ref()])?;
        Ok(())
    }

    fn first(&self, tally: &mut Tally) -> Result<()> {
        scan(&self.writer(), &[], Way::Forward, 1, tally)
    }

    fn flush(&self) -> Result<()> {
        let writer = self.writer();
        writer.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Reader + '_>> {
        let connection = connect(&self.path, self.setup)?;
        connection.execute_batch("begin")?;
        Ok(Box::new(OneTransaction { connection }))
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.flush()
    }
}

/// All reads in one transaction.
struct OneTransaction {
    connection: Connection,
}

impl Reader for OneTransaction {
    fn get(&mut self, key: &Key) -> Result<Option<u64>> {
        let mut get = self
            .connection
            .prepare_cached("select v from rows where k = ?1")?;
        let value = get
            .query_row([key.as_ref()], |row| {
                Ok(row.get_ref(0)?.as_bytes().map(number))
            })
            .optional()?;
        match value {
            Some(number) => Ok(Some(number??)),
            None => Ok(None),
        }
    }

    fn scan(&mut self, from: &[u8], way: Way, rows_max: u64, tally: &mut Tally) -> Result<()> {
        scan(&self.connection, from, way, rows_max, tally)
    }
}

fn scan(
    connection: &Connection,
    from: &[u8],
    way: Way,
    rows_max: u64,
    tally: &mut Tally,
) -> Result<()> {
    let mut scan = connection.prepare_cached(match way {
        Way::Forward => "select k, v from rows where k >= ?1 order by k limit ?2",
        Way::Backward => "select k, v from rows where k <= ?1 order by k desc limit ?2",
    })?;
    let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
    let mut rows = scan.query(params![from, rows_max])?;
    while let Some(row) = rows.next()? {
        tally.see(row.get_ref(0)?.as_bytes()?, row.get_ref(1)?.as_bytes()?);
    }
    Ok(())
}
