//! Moves money between two accounts; nobody else's transfer gets lost.
//!
//! `cargo run --example store_transaction -- DIR`

use std::error::Error;
use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{Keyspace, Store, StoreError, StoreOptions};

/// Moves an amount, and tries again as long as others changed what it has read.
fn transfer(store: &Store, from: &[u8], to: &[u8], amount: u64) -> Result<(), StoreError> {
    let accounts = Keyspace::DEFAULT;
    loop {
        let mut transaction = store.optimistic();
        let balance = |bytes: Option<Vec<u8>>| {
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_be_bytes)
        };
        let (has, gets) = (
            balance(transaction.get(accounts, from)?),
            balance(transaction.get(accounts, to)?),
        );
        let amount = amount.min(has);
        transaction.put(accounts, from, &(has - amount).to_be_bytes())?;
        transaction.put(accounts, to, &(gets + amount).to_be_bytes())?;
        match transaction.commit() {
            Err(StoreError::Conflict { .. }) => {}
            committed => return committed.map(drop),
        }
    }
}

/// The example, in a directory of its own.
pub fn run(dir: &Path) -> Result<(), Box<dyn Error>> {
    let options = StoreOptions::new(Durability::Os).create(true);
    let (store, _) = Store::open_path(dir, &options)?;
    let accounts = Keyspace::DEFAULT;
    store.put(accounts, b"ada", &100_u64.to_be_bytes())?;
    transfer(&store, b"ada", b"bob", 30)?;
    transfer(&store, b"bob", b"ada", 10)?;
    let bob = store.get(accounts, b"bob")?;
    assert_eq!(bob.as_deref(), Some(&20_u64.to_be_bytes()[..]));
    println!("bob has 20");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    run(&PathBuf::from(
        std::env::args().nth(1).unwrap_or("data".into()),
    ))
}
