//! Transactions of one store on threads of the operating system: what they read and write together
//! has one order, and what has ended before another begins comes before it.

use std::sync::atomic::{AtomicU64, Ordering};

use blackstart::commitlog::{Durability, LogOptions};
use blackstart::store::{Keyspace, Store, StoreError, StoreOptions, Transaction};
use blackstart_vfs::Env;

const KEYS: Keyspace = Keyspace::DEFAULT;

fn open(dir: &tempfile::TempDir) -> Store {
    let options = StoreOptions::new(Durability::Os)
        .create(true)
        .memtable_bytes_max(20_000)
        .log(LogOptions::new().preallocate_bytes(0));
    let opened = Store::open(&Env::os(dir.path()), "", &options);
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

fn amount(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |value| {
        u64::from_le_bytes(value.try_into().expect("8 bytes"))
    })
}

/// Runs a transaction until it has no conflict.
fn run(store: &Store, is_serialized: bool, body: impl Fn(&mut Transaction<'_>)) {
    loop {
        let mut transaction = match is_serialized {
            true => store.transaction(),
            false => store.optimistic(),
        };
        body(&mut transaction);
        match transaction.commit() {
            Ok(_) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Each client counts what it moved: nothing is lost or made, whoever reads.
#[test]
fn money_is_neither_lost_nor_made() {
    const ACCOUNTS: u8 = 6;
    const CLIENTS: u8 = 4;
    const MOVES: u64 = 150;
    const SUM: u64 = 100 * ACCOUNTS as u64;
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    for account in 0..ACCOUNTS {
        store.put(KEYS, &[account], &100_u64.to_le_bytes()).unwrap();
    }
    let put = |transaction: &mut Transaction<'_>, key: u8, value: u64| {
        transaction.put(KEYS, &[key], &value.to_le_bytes()).unwrap();
    };
    let transfer = |transaction: &mut Transaction<'_>, client: u8, round: u64| {
        let accounts = u64::from(ACCOUNTS);
        let from = ((u64::from(client) + round) % accounts) as u8;
        let to = (round * 5 % accounts) as u8;
        let get = |key: u8| amount(transaction.get(KEYS, &[key]).unwrap());
        let (out, into, count) = (get(from), get(to), get(100 + client));
        if from != to && out > 0 {
            put(transaction, from, out - 1);
            put(transaction, to, into + 1);
        }
        put(transaction, 100 + client, count + 1);
    };
    let sum = |transaction: &Transaction<'_>| {
        let accounts = transaction.scan(KEYS, &[0][..]..&[ACCOUNTS][..]);
        let (mut accounts, mut sum) = (accounts.unwrap(), 0);
        while let Some((_, value)) = accounts.next().unwrap() {
            sum += amount(Some(value.to_vec()));
        }
        sum
    };
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (store, transfer, sum) = (&store, &transfer, &sum);
            scope.spawn(move || {
                for round in 0..MOVES {
                    run(store, client % 2 == 0, |transaction| {
                        transfer(transaction, client, round);
                    });
                    assert_eq!(sum(&store.optimistic()), SUM);
                }
            });
        }
    });
    for client in 0..CLIENTS {
        assert_eq!(amount(store.get(KEYS, &[100 + client]).unwrap()), MOVES);
    }
    let reopened = {
        drop(store);
        open(&dir)
    };
    assert_eq!(sum(&reopened.optimistic()), SUM);
}

/// A counter that all clients raise, by transactions of both kinds and with plain writes beside.
/// Whoever has raised it finds it at least so high from then on: real time counts.
#[test]
fn a_counter_counts_in_real_time() {
    const CLIENTS: u64 = 4;
    const RAISES: u64 = 150;
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let highest = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (store, highest) = (&store, &highest);
            scope.spawn(move || {
                for round in 0..RAISES {
                    let before = highest.load(Ordering::SeqCst);
                    let raised = AtomicU64::new(0);
                    run(store, client % 2 == 0, |transaction| {
                        let count = amount(transaction.get(KEYS, b"counter").unwrap()) + 1;
                        let bytes = count.to_le_bytes();
                        transaction.put(KEYS, b"counter", &bytes).unwrap();
                        raised.store(count, Ordering::SeqCst);
                    });
                    let raised = raised.load(Ordering::SeqCst);
                    assert!(raised > before, "{raised} comes after {before}");
                    highest.fetch_max(raised, Ordering::SeqCst);
                    let key = [b'a' + client as u8];
                    store.put(KEYS, &key, &round.to_le_bytes()).unwrap();
                    assert_eq!(amount(store.get(KEYS, &key).unwrap()), round);
                }
            });
        }
    });
    assert_eq!(
        amount(store.get(KEYS, b"counter").unwrap()),
        CLIENTS * RAISES
    );
}
