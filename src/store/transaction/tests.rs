//! Tests of transactions, as their applications use them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, LogOptions};
use crate::store::{Keyspace, Store, StoreError, StoreOptions, Transaction};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    StoreOptions::new(Durability::Os)
        .create(true)
        .log(LogOptions::new().preallocate_bytes(0))
}

fn open(scratch: &Scratch) -> Store {
    let opened = Store::open(&scratch.env, "", &options());
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

fn filled(scratch: &Scratch, keys: &[&str]) -> Store {
    let store = open(scratch);
    for key in keys {
        store.put(KEYS, key.as_bytes(), b"before").unwrap();
    }
    store
}

/// The keys that a transaction sees from one on, at most so many.
fn scan(transaction: &Transaction<'_>, from: &str, count: usize) -> Vec<String> {
    let mut cursor = transaction.scan_from(KEYS, from.as_bytes()).unwrap();
    let mut keys = Vec::new();
    while keys.len() < count {
        match cursor.next().unwrap() {
            Some((key, _)) => keys.push(String::from_utf8(key.to_vec()).unwrap()),
            None => break,
        }
    }
    keys
}

#[track_caller]
fn expect_conflict(transaction: Transaction<'_>) {
    match transaction.commit() {
        Err(StoreError::Conflict { .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// [I1] Its own writes over those of the snapshot, in gets and in scans.
#[test]
fn a_transaction_reads_what_it_wrote() {
    let scratch = Scratch::new();
    let store = filled(&scratch, &["a", "c", "e", "g"]);
    let mut transaction = store.optimistic();
    transaction.put(KEYS, b"b", b"own").unwrap();
    transaction.put(KEYS, b"c", b"own").unwrap();
    transaction.delete(KEYS, b"e").unwrap();
    store.put(KEYS, b"d", b"later").unwrap();
    assert_eq!(scan(&transaction, "", 9), ["a", "b", "c", "g"], "[I1]");
    assert_eq!(
        transaction.get(KEYS, b"c").unwrap().as_deref(),
        Some(&b"own"[..])
    );
    assert_eq!(transaction.get(KEYS, b"e").unwrap(), None);
    transaction.delete_range(KEYS, b"b"..b"d").unwrap();
    transaction.put(KEYS, b"bb", b"own").unwrap();
    assert_eq!(scan(&transaction, "", 9), ["a", "bb", "g"]);
    assert_eq!(transaction.get(KEYS, b"b").unwrap(), None);
    assert_eq!(scan(&store.optimistic(), "", 9), ["a", "c", "d", "e", "g"]);
    drop(transaction);
    let mut transaction = store.optimistic();
    transaction.delete_range(KEYS, b"b"..b"d").unwrap();
    transaction.put(KEYS, b"bb", b"own").unwrap();
    transaction.commit().unwrap();
    assert_eq!(scan(&store.optimistic(), "", 9), ["a", "bb", "d", "e", "g"]);
}

/// [I2] What was read, and nothing else, has conflicts: keys that were there or not, ranges as far
/// as the cursor went, and what range deletes cover.
#[test]
fn what_was_read_has_conflicts_and_nothing_else() {
    type Read = fn(&Transaction<'_>);
    let reads: [(Read, &[&str]); 5] = [
        (|tx| drop(tx.get(KEYS, b"c").unwrap()), &["c"]),
        (|tx| drop(tx.get(KEYS, b"d").unwrap()), &["d"]),
        (|tx| drop(scan(tx, "b", 1)), &["b", "bb", "c"]),
        (|tx| drop(scan(tx, "d", 9)), &["d", "e", "f", "g", "z"]),
        (|_| {}, &[]),
    ];
    let writes: Vec<_> = ["a", "b", "bb", "c", "cc", "d", "e", "f", "g", "z"].into();
    for (at, (read, expected)) in reads.iter().enumerate() {
        for key in &writes {
            for is_range in [false, true] {
                let scratch = Scratch::new();
                let store = filled(&scratch, &["a", "c", "e", "g"]);
                let mut transaction = store.optimistic();
                read(&transaction);
                transaction.put(KEYS, b"own", b"").unwrap();
                let key = key.as_bytes();
                match is_range {
                    true => store.delete_range(KEYS, key..&[key, b"\0"].concat()),
                    false => store.put(KEYS, key, b"after"),
                }
                .unwrap();
                let conflicts = match transaction.commit() {
                    Ok(_) => false,
                    Err(StoreError::Conflict { with: Some(_) }) => true,
                    Err(error) => panic!("{error}"),
                };
                let key = str::from_utf8(key).unwrap();
                assert_eq!(
                    conflicts,
                    expected.contains(&key),
                    "[I2] read {at}, {key} is written"
                );
            }
        }
    }
}

/// What a cursor passes over without showing it was read as well.
#[test]
fn what_a_cursor_passed_over_was_read() {
    let scratch = Scratch::new();
    let store = filled(&scratch, &["a", "c", "e"]);
    let mut transaction = store.optimistic();
    transaction.delete(KEYS, b"a").unwrap();
    transaction.put(KEYS, b"d", b"").unwrap();
    assert_eq!(scan(&transaction, "", 2), ["c", "d"]);
    store.put(KEYS, b"cc", b"phantom").unwrap();
    expect_conflict(transaction);
}

#[test]
fn a_transaction_that_wrote_nothing_has_no_conflicts() {
    let scratch = Scratch::new();
    let store = filled(&scratch, &["a"]);
    let transaction = store.optimistic();
    transaction.get(KEYS, b"a").unwrap();
    store.put(KEYS, b"a", b"after").unwrap();
    let (sees, next) = (transaction.sequence(), store.next_sequence());
    assert_eq!(transaction.commit().unwrap(), sees);
    assert_eq!(store.next_sequence(), next);
}

/// A plain write beside a serialized transaction is not lost.
#[test]
fn a_serialized_transaction_waits_for_its_turn_and_is_validated() {
    let scratch = Scratch::new();
    let store = filled(&scratch, &["a"]);
    let mut transaction = store.transaction();
    transaction.get(KEYS, b"a").unwrap();
    transaction.put(KEYS, b"a", b"lost update").unwrap();
    store.put(KEYS, b"a", b"plain").unwrap();
    expect_conflict(transaction);
    assert_eq!(
        store.get(KEYS, b"a").unwrap().as_deref(),
        Some(&b"plain"[..])
    );
    let mut transaction = store.transaction();
    transaction.get(KEYS, b"a").unwrap();
    transaction.put(KEYS, b"a", b"after").unwrap();
    transaction.commit().unwrap();
    drop(store.transaction());
}

#[test]
fn tickets_say_what_became_of_a_commit() {
    let scratch = Scratch::new();
    let store = filled(&scratch, &["a"]);
    let increment = || {
        let mut transaction = store.optimistic();
        transaction.get(KEYS, b"a").unwrap();
        transaction.put(KEYS, b"a", b"").unwrap();
        transaction.submit(Durability::Os).unwrap()
    };
    let (first, second) = (increment(), increment());
    assert!(first.outcome().is_none());
    let refused = second.wait().unwrap_err();
    let sequence = first.outcome().unwrap().unwrap();
    assert!(
        matches!(refused, StoreError::Conflict { with: Some(with) } if with == sequence),
        "{refused}"
    );
    assert_eq!(first.wait().unwrap(), sequence);
    let nothing = store.optimistic().submit(Durability::Os).unwrap();
    assert_eq!(nothing.wait().unwrap(), store.next_sequence());
}

/// One that outlives what is kept of the writes since cannot be checked any more.
#[test]
fn a_transaction_may_not_outlive_what_is_kept() {
    let scratch = Scratch::new();
    let options = options().write_sets_bytes_max(100);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    let write_beside = |bytes| {
        let mut transaction = store.optimistic();
        transaction.get(KEYS, b"a").unwrap();
        transaction.put(KEYS, b"b", b"").unwrap();
        store.put(KEYS, b"c", &vec![0; bytes]).unwrap();
        transaction.commit()
    };
    write_beside(10).unwrap();
    let refused = write_beside(200).unwrap_err();
    assert!(
        matches!(refused, StoreError::Conflict { with: None }),
        "{refused}"
    );
    write_beside(10).unwrap();
}

/// A keyspace that is dropped takes what was read of it, and what was to be written.
#[test]
fn a_dropped_keyspace_conflicts() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let dropped = store.keyspace("dropped").unwrap();
    let (mut reads, mut writes) = (store.optimistic(), store.optimistic());
    reads.get(dropped, b"a").unwrap();
    reads.put(KEYS, b"a", b"").unwrap();
    writes.put(dropped, b"a", b"").unwrap();
    store.drop_keyspace("dropped").unwrap();
    expect_conflict(reads);
    let refused = writes.commit().unwrap_err();
    assert!(
        matches!(refused, StoreError::NoKeyspace { .. }),
        "{refused}"
    );
}

/// What a client of the model does.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    Get(u8),
    Scan(u8, usize),
    Put(u8),
    Delete(u8),
    DeleteRange(u8, u8),
    Commit,
    Drop,
}

impl Step {
    fn writes(&self) -> bool {
        match self {
            Self::Put(_) | Self::Delete(_) => true,
            Self::DeleteRange(from, end) => from < end,
            _ => false,
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..8_u8;
    prop_oneof![
        Just(Step::Begin),
        key.clone().prop_map(Step::Get),
        (key.clone(), 1..4_usize).prop_map(|(from, count)| Step::Scan(from, count)),
        key.clone().prop_map(Step::Put),
        key.clone().prop_map(Step::Delete),
        (key.clone(), key).prop_map(|(from, end)| Step::DeleteRange(from, end)),
        Just(Step::Commit),
        Just(Step::Drop),
    ]
}

type Model = BTreeMap<u8, u8>;

/// A transaction beside what it should see.
struct Client {
    transaction: Transaction<'static>,
    sees: Model,
    /// What it did, to be done again at the commit, and what reads have shown.
    done: Vec<Step>,
    shown: Vec<Vec<(u8, u8)>>,
}

/// The same steps on a map: what the reads show.
fn again(model: &mut Model, done: &[Step], value: u8) -> Vec<Vec<(u8, u8)>> {
    let mut shown = Vec::new();
    for step in done {
        match *step {
            Step::Get(key) => {
                let found = model.get(&key).map(|value| (key, *value));
                shown.push(found.into_iter().collect());
            }
            Step::Scan(from, count) => {
                let rows = model.range(from..).take(count);
                shown.push(rows.map(|(key, value)| (*key, *value)).collect());
            }
            Step::Put(key) => drop(model.insert(key, value)),
            Step::Delete(key) => drop(model.remove(&key)),
            Step::DeleteRange(from, end) => model.retain(|key, _| !(from..end).contains(key)),
            Step::Begin | Step::Commit | Step::Drop => {}
        }
    }
    shown
}

impl Client {
    fn take(&mut self, step: &Step, value: u8) {
        let transaction = &mut self.transaction;
        let shown = match *step {
            Step::Get(key) => {
                let found = transaction.get(KEYS, &[key]).unwrap();
                Some(
                    found
                        .map(|value| (key, value[0]))
                        .into_iter()
                        .collect::<Vec<_>>(),
                )
            }
            Step::Scan(from, count) => {
                let mut cursor = transaction.scan_from(KEYS, &[from]).unwrap();
                let mut rows = Vec::new();
                while rows.len() < count {
                    let Some((key, value)) = cursor.next().unwrap() else {
                        break;
                    };
                    rows.push((key[0], value[0]));
                }
                Some(rows)
            }
            Step::Put(key) => transaction
                .put(KEYS, &[key], &[value])
                .map(|()| None)
                .unwrap(),
            Step::Delete(key) => transaction.delete(KEYS, &[key]).map(|()| None).unwrap(),
            Step::DeleteRange(from, end) => {
                let range = &[from][..]..&[end][..];
                transaction
                    .delete_range(KEYS, range)
                    .map(|()| None)
                    .unwrap()
            }
            Step::Begin | Step::Commit | Step::Drop => None,
        };
        let expected = again(&mut self.sees, std::slice::from_ref(step), value);
        let shown: Vec<_> = shown.into_iter().collect();
        assert_eq!(shown, expected, "[I1] {step:?}");
        self.shown.extend(shown);
        self.done.push(step.clone());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Three clients in turn against a map: a transaction sees its snapshot and its own writes; if
    /// it commits, the same steps at that moment would have shown the same.
    #[test]
    fn transactions_are_serializable(steps in prop::collection::vec((0..3_usize, step()), 1..80)) {
        let scratch = Scratch::new();
        let store = open(&scratch);
        let mut now = Model::new();
        let mut clients: [Option<Client>; 3] = [None, None, None];
        for (client, step) in steps {
            let value = client as u8;
            match (&step, &mut clients[client]) {
                (Step::Begin, open @ None) => {
                    *open = Some(Client {
                        transaction: store.optimistic(),
                        sees: now.clone(),
                        done: Vec::new(),
                        shown: Vec::new(),
                    });
                }
                (Step::Drop, open) => *open = None,
                (Step::Commit, open) => {
                    let Some(client) = open.take() else { continue };
                    let (done, shown) = (client.done, client.shown);
                    match client.transaction.commit() {
                        Ok(_) if done.iter().any(Step::writes) => {
                            prop_assert_eq!(again(&mut now, &done, value), shown, "[I2]");
                        }
                        Ok(_) | Err(StoreError::Conflict { with: Some(_) }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                (step, Some(client)) => client.take(step, value),
                (_, None) => {}
            }
        }
    }
}
