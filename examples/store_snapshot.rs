//! Reads the store as it was at a moment, while it is written.
//!
//! `cargo run --example store_snapshot -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::Env;
use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, ReadOnlyOptions, Store, StoreOptions};

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = StoreOptions::new(Durability::Os).create(true);
    let (store, _) = Store::open_path(dir, &options)?;
    let keys = Keyspace::DEFAULT;
    store.put(keys, b"balance", b"100")?;

    let snapshot = store.snapshot();
    store.put(keys, b"balance", b"70")?;
    store.flush()?;
    // No writer waits for it, and none changes what it shows.
    assert_eq!(
        snapshot.get(keys, b"balance")?.as_deref(),
        Some(&b"100"[..])
    );
    println!("the snapshot shows what is below {}", snapshot.sequence());
    // It keeps old rows from being merged away as long as it lives.
    drop(snapshot);

    // Another process may read meanwhile, without a lock: it sees the store as it was when it
    // opened, or last refreshed, it.
    let (mut reader, _) = Store::open_read_only(&Env::os(dir), "", ReadOnlyOptions::new())?;
    assert_eq!(reader.get(keys, b"balance")?.as_deref(), Some(&b"70"[..]));
    store.put(keys, b"balance", b"60")?;
    reader.refresh()?;
    assert_eq!(reader.get(keys, b"balance")?.as_deref(), Some(&b"60"[..]));
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
