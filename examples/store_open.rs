//! Opens a store, writes a value, and reads it after the store was opened again.
//!
//! `cargo run --example store_open -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreOptions};

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    // Writes are durable when they return: the level may be lowered for each of them.
    let options = StoreOptions::new(Durability::Synced).create(true);
    let (store, report) = Store::open_path(dir, &options)?;
    println!("{} batches came from the log", report.batches_replayed);
    store.put(Keyspace::DEFAULT, b"greeting", b"hello")?;
    // Without it the next opening reads the end of the log; nothing is lost.
    store.close()?;
    drop(store);

    let (store, _) = Store::open_path(dir, &options)?;
    let value = store.get(Keyspace::DEFAULT, b"greeting")?;
    assert_eq!(value.as_deref(), Some(&b"hello"[..]));
    store.delete(Keyspace::DEFAULT, b"greeting")?;
    assert!(!store.contains(Keyspace::DEFAULT, b"greeting")?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
