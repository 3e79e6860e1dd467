//! Writes of two keyspaces become visible together, and survive together or not at all.
//!
//! `cargo run --example store_batch -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{Store, StoreOptions, WriteBatch};

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = StoreOptions::new(Durability::Os).create(true);
    let (store, _) = Store::open_path(dir, &options)?;
    let (users, by_mail) = (store.keyspace("users")?, store.keyspace("by mail")?);

    let mut batch = WriteBatch::new();
    batch.put(users, b"7", b"ada@example.org")?;
    batch.put(by_mail, b"ada@example.org", b"7")?;
    store.write(batch, Durability::Synced)?;

    // Of one key the last write of a batch counts; a range is deleted before its keys are put.
    let mut batch = WriteBatch::new();
    batch.delete_range(users, b"0"..b"9")?;
    batch.put(users, b"8", b"first")?;
    batch.put(users, b"8", b"second")?;
    let sequence = store.write(batch, Durability::Os)?;
    println!("the batch has sequence {sequence}");
    assert_eq!(store.get(users, b"7")?, None);
    assert_eq!(store.get(users, b"8")?.as_deref(), Some(&b"second"[..]));
    // Makes all before durable, whatever its level.
    store.sync()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
