//! What one would do without the simulator: copy a file, open the copy, read it, write, reopen.
//!
//! It stands beside the simulator's numbers as a measure of speed, and of nothing else: the copy is
//! one state of many, and which others a loss of power may leave, a loop like this does not know.
#![expect(
    clippy::disallowed_methods,
    reason = "it measures what is done without the seam"
)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use blackstart_sim::cli::{Exit, complain, say};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const TABLE: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("table");

/// Measures for so many seconds, in a directory of its own below `parent`.
pub fn run(parent: &Path, seconds: u64, value_bytes: usize) -> Exit {
    let directory = parent.join(format!("redb-plain-{}", std::process::id()));
    let measured = fs::create_dir(&directory)
        .map_err(Into::into)
        .and_then(|()| {
            measure(
                &directory,
                Duration::from_secs(seconds),
                &vec![7; value_bytes],
            )
        });
    let _ = fs::remove_dir_all(&directory);
    match measured {
        Ok(per_second) => {
            say(&format!(
                "{per_second:.0} copies opened and judged in a second\n"
            ));
            Exit::Fine
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::Usage
        }
    }
}

fn measure(directory: &Path, time_max: Duration, value: &[u8]) -> Result<f64, Box<dyn Error>> {
    let (original, copy) = (directory.join("original"), directory.join("copy"));
    let db = Database::create(&original)?;
    for token in 0..8 {
        put(&db, token, value)?;
    }
    // A crash, not an orderly end: the copy is taken while the database is open.
    let bytes = fs::read(&original)?;
    drop(db);
    let (begin, mut count) = (Instant::now(), 0_u64);
    while begin.elapsed() < time_max {
        fs::write(&copy, &bytes)?;
        let db = Database::create(&copy)?;
        if contents(&db)? < 8 {
            return Err("a commit is missing".into());
        }
        put(&db, 8, value)?;
        drop(db);
        if contents(&Database::create(&copy)?)? != 9 {
            return Err("the copy is not usable".into());
        }
        count += 1;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

fn put(db: &Database, token: u16, value: &[u8]) -> Result<(), Box<dyn Error>> {
    let transaction = db.begin_write()?;
    transaction.open_table(TABLE)?.insert(token, value)?;
    Ok(transaction.commit()?)
}

fn contents(db: &Database) -> Result<usize, Box<dyn Error>> {
    let transaction = db.begin_read()?;
    Ok(transaction.open_table(TABLE)?.iter()?.count())
}
