//! Tests of keyspaces by name, and of what a store begins with.

use blackstart_sim::disk::{DiskConfig, Image};
use blackstart_vfs::catch;

use crate::commitlog::testing::{Scratch, crashes};
use crate::commitlog::{Durability, ErrorClass};
use crate::store::{Genesis, Keyspace, Store, StoreError, StoreOptions, WriteBatch};

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Synced).create(true)
}

fn open(scratch: &Scratch) -> Store {
    let opened = Store::open(&scratch.env, "", &options());
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

fn names(store: &Store) -> Vec<String> {
    let keyspaces = store.keyspaces().unwrap();
    keyspaces.into_iter().map(|named| named.0).collect()
}

/// [I1] A number is given once, whatever was dropped, flushed, merged and opened meanwhile.
#[test]
fn a_name_has_one_keyspace_and_a_number_one_name() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    assert_eq!(
        store.find_keyspace("default").unwrap(),
        Some(Keyspace::DEFAULT)
    );
    let mut given = vec![Keyspace::DEFAULT];
    for round in 0..4 {
        let keyspace = store.keyspace("users").unwrap();
        assert!(
            !given.contains(&keyspace),
            "[I1] {keyspace:?} was given before"
        );
        given.push(keyspace);
        assert_eq!(store.keyspace("users").unwrap(), keyspace);
        assert_eq!(store.get(keyspace, b"a").unwrap(), None, "it begins empty");
        store.put(keyspace, b"a", b"1").unwrap();
        if round % 2 == 0 {
            store.flush().unwrap();
            store.compact().unwrap();
        }
        drop(store);
        store = open(&scratch);
        assert_eq!(store.find_keyspace("users").unwrap(), Some(keyspace));
        assert!(store.drop_keyspace("users").unwrap());
        assert!(!store.drop_keyspace("users").unwrap());
        assert_eq!(names(&store), ["default"]);
    }
}

#[test]
fn a_dropped_keyspace_shows_nothing_and_takes_nothing() {
    let scratch = Scratch::new();
    let mut store = open(&scratch);
    let (dropped, other) = (store.keyspace("a").unwrap(), store.keyspace("b").unwrap());
    for keyspace in [dropped, other] {
        store.put(keyspace, b"key", b"value").unwrap();
    }
    let before = store.snapshot();
    store.drop_keyspace("a").unwrap();
    for _ in 0..2 {
        let mut batch = WriteBatch::new();
        batch.put(other, b"also", b"").unwrap();
        batch.delete(dropped, b"none").unwrap();
        let next = store.next_sequence();
        let refused = store.write(batch, Durability::Synced).unwrap_err();
        assert!(
            matches!(refused, StoreError::NoKeyspace { .. }),
            "{refused}"
        );
        assert_eq!(refused.class(), ErrorClass::Caller);
        let refused = store.clear_keyspace(dropped).unwrap_err();
        assert!(
            matches!(refused, StoreError::NoKeyspace { .. }),
            "{refused}"
        );
        assert_eq!(store.next_sequence(), next);
        assert_eq!(store.get(dropped, b"key").unwrap(), None);
        assert!(
            store
                .scan_from(dropped, b"")
                .unwrap()
                .next()
                .unwrap()
                .is_none()
        );
        assert_eq!(store.get(other, b"also").unwrap(), None);
        drop(store);
        store = open(&scratch);
    }
    assert!(before.get(dropped, b"key").unwrap().is_some());
    store.clear_keyspace(other).unwrap();
    assert_eq!(store.get(other, b"key").unwrap(), None);
    store.put(other, b"key", b"again").unwrap();
    assert_eq!(names(&store), ["b", "default"]);
}

fn initialize(genesis: &mut Genesis) -> Result<(), StoreError> {
    let users = genesis.keyspace("users")?;
    assert_eq!(genesis.keyspace("users")?, users);
    genesis.put(users, b"1", b"Ada")?;
    genesis.put(Keyspace::DEFAULT, b"version", b"1")
}

/// Crashes at every call: the store is there with all that it begins with, or it is not there.
#[test]
fn a_store_begins_whole_or_not_at_all() {
    let image = Image::empty(&DiskConfig::default());
    let create = |scratch: &Scratch| {
        let options = StoreOptions::new(Durability::Synced);
        drop(Store::create_with(&scratch.env, "", &options, initialize));
    };
    let mut outcomes = [0; 2];
    for crash in crashes(&image, create) {
        let scratch = &crash.disk;
        let without = StoreOptions::new(Durability::Synced);
        let there = match Store::open(&scratch.env, "", &without) {
            Ok((store, _)) => {
                let users = store.find_keyspace("users").unwrap();
                let users = users.unwrap_or_else(|| panic!("call {}", crash.cut));
                assert_eq!(
                    store.get(users, b"1").unwrap().as_deref(),
                    Some(&b"Ada"[..])
                );
                assert_eq!(names(&store), ["default", "users"]);
                true
            }
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Caller, "{error}");
                false
            }
        };
        assert!(there || !crash.is_over, "call {}", crash.cut);
        outcomes[usize::from(there)] += 1;
        let again = Store::create_with(&scratch.env, "", &without, |genesis| {
            assert!(!there, "what exists is not begun again");
            initialize(genesis)
        });
        let (store, _) = again.unwrap();
        assert_eq!(names(&store), ["default", "users"]);
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn who_fails_to_begin_a_store_leaves_none() {
    let scratch = Scratch::new();
    let options = StoreOptions::new(Durability::Synced);
    let refused = Store::create_with(&scratch.env, "", &options, |genesis| {
        genesis.put(Keyspace::DEFAULT, b"a", b"1")?;
        let foreign = Keyspace::new(9);
        genesis.put(foreign, b"a", b"1")
    });
    assert!(matches!(refused, Err(StoreError::NoKeyspace { number: 9 })));
    let panicking = std::panic::AssertUnwindSafe(|| {
        let begin = |_: &mut Genesis| -> Result<(), StoreError> { panic!("as told") };
        drop(Store::create_with(&scratch.env, "", &options, begin));
    });
    assert!(catch(panicking).is_err());
    let none = Store::open(&scratch.env, "", &options).unwrap_err();
    assert_eq!(none.class(), ErrorClass::Caller, "{none}");
    assert_eq!(names(&open(&scratch)), ["default"]);
}
