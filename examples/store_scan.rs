//! Reads keys in order: a range, and all from a key on.
//!
//! `cargo run --example store_scan -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreOptions};

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = StoreOptions::new(Durability::Os).create(true);
    let (store, _) = Store::open_path(dir, &options)?;
    let events = Keyspace::DEFAULT;
    for hour in 0_u64..24 {
        // Numbers are in order as big-endian bytes.
        store.put(
            events,
            &hour.to_be_bytes(),
            format!("hour {hour}").as_bytes(),
        )?;
    }

    let (from, end) = (9_u64.to_be_bytes(), 12_u64.to_be_bytes());
    let mut cursor = store.scan(events, &from..&end)?;
    let mut hours = Vec::new();
    // A cursor lends what it shows, and shows the store as it was when the scan began.
    while let Some((_key, value)) = cursor.next()? {
        hours.push(String::from_utf8(value.to_vec())?);
    }
    assert_eq!(hours, ["hour 9", "hour 10", "hour 11"]);

    let mut cursor = store.scan_from(events, &20_u64.to_be_bytes())?;
    let mut rest = 0;
    while cursor.next()?.is_some() {
        rest += 1;
    }
    println!("{rest} events from hour 20 on");
    assert_eq!(rest, 4);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
