//! Copies a store that is in use, and goes on from the copy.
//!
//! `cargo run --example store_backup -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::Env;
use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreOptions, backup, verify};

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    // Store and copies lie below one root: then tables are linked, and take no space twice.
    let env = Env::os(dir);
    let options = StoreOptions::new(Durability::Os).create(true);
    let (store, _) = Store::open(&env, "live", &options)?;
    let keys = Keyspace::DEFAULT;
    store.put(keys, b"a", b"1")?;
    store.flush()?;
    store.put(keys, b"b", b"2")?;

    let report = store.backup("copy")?;
    println!(
        "{} tables, {} bytes linked",
        report.tables, report.bytes_linked
    );
    let checked = verify(&env, "copy", &mut |_| {})?;
    assert!(checked.is_good(), "{:?}", checked.findings);

    // What is written later is in the store alone.
    store.delete(keys, b"a")?;
    drop(store);

    // To restore is to open the copy; a backup of it keeps the copy as it is.
    backup(&env, "copy", "restored", &mut |_| {})?;
    let (restored, _) = Store::open(&env, "restored", &options)?;
    assert_eq!(restored.get(keys, b"a")?.as_deref(), Some(&b"1"[..]));
    assert_eq!(restored.get(keys, b"b")?.as_deref(), Some(&b"2"[..]));
    restored.put(keys, b"c", b"3")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
