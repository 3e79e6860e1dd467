//! Transactions, and keyspaces that come and go.

use blackstart::commitlog::{Durability, TxOffset};
use blackstart::store::{Keyspace, Store as Engine, StoreError, Transaction, WriteBatch};
use blackstart_sim::oracle::{Level, Write};
use blackstart_sim::{Ctx, Failure};

use super::Store;
use super::drive::{commit, create_spaces};
use super::excuse::{Since, excuse};
use super::key::{Key, Value, key_bytes, key_number};
use super::model::{Event, Rows, Writes};
use super::op::{Op, SPACES_MAX};
use super::opening::keyspace;

type Context = Ctx<Store>;

/// The name of the keyspace that comes and goes.
const NAME: &str = "comes and goes";

/// Ranges of keys, and their rows as they were shown.
type Sights = Vec<(std::ops::Range<Key>, Rows)>;

/// One transaction. What it has read is one state from between its begin and its end; and if it
/// commits, it is the state that all batches before it make.
pub(super) fn transact(ctx: &Context, store: &Engine, op: &Op) -> Result<bool, Failure> {
    let Op::Transact {
        serialized,
        key,
        space,
        bytes,
        level,
        ..
    } = *op
    else {
        return Ok(true);
    };
    if !create_spaces(ctx, store, space)? {
        return Ok(true);
    }
    let mut before = ctx.model(|model| model.oracle.view());
    let mut transaction = match serialized {
        true => store.transaction(),
        false => store.optimistic(),
    };
    ctx.model(|model| model.oracle.view_is_fixed(&mut before));
    let sights = match read(ctx, &transaction, op) {
        Ok(sights) => sights,
        Err(error) => return excuse(ctx, &error, Since::Now).map(|()| true),
    };
    for (range, rows) in sights.clone() {
        before.saw(range, rows);
    }
    ctx.record(Event::Read { view: before })?;
    let token = ctx.model(|model| model.oracle.token_next());
    let value = Value::of(token, bytes);
    let mut writes = Writes::new();
    for number in [key, key + 2] {
        let put = transaction.put(keyspace(space), &key_bytes(number), &value.to_bytes());
        put.map_err(|error| Failure::new("limits", error.to_string()))?;
        writes.push(Write::Put(Key { space, number }, value));
    }
    let call = |durability| transaction.commit_at(durability);
    let (sequence, is_usable) = commit(ctx, store, (writes, level), call)?;
    if let Some(sequence) = sequence {
        let mut then = ctx.model(|model| model.oracle.view_at(sequence));
        for (range, rows) in sights {
            then.saw(range, rows);
        }
        ctx.record(Event::Read { view: then })?;
        ctx.mark("a transaction committed");
        ctx.verified();
    }
    Ok(is_usable)
}

/// Reads a key and some rows, and lets others run between.
fn read(ctx: &Context, transaction: &Transaction<'_>, op: &Op) -> Result<Sights, StoreError> {
    let Op::Transact {
        key,
        from,
        rows: count,
        space,
        ..
    } = *op
    else {
        return Ok(Sights::new());
    };
    let place = |number| Key { space, number };
    let found = transaction.get(keyspace(space), &key_bytes(key))?;
    let found = found.map(|value| (place(key), Value::from_bytes(&value)));
    let mut sights = vec![(place(key)..place(key + 1), found.into_iter().collect())];
    ctx.env().tasks().yield_now();
    let mut cursor = transaction.scan_from(keyspace(space), &key_bytes(from))?;
    let (mut rows, mut end) = (Rows::new(), place(from));
    while (rows.len() as u32) < count {
        match cursor.next()? {
            Some((key, value)) => {
                let key = place(key_number(key));
                end = place(key.number + 1);
                rows.insert(key, Value::from_bytes(value));
            }
            None => {
                end = place(u32::MAX);
                break;
            }
        }
    }
    sights.push((place(from)..end, rows));
    ctx.env().tasks().yield_now();
    Ok(sights)
}

/// A keyspace is created, written, dropped and created again. The handle of the first one is of no
/// use then, and its number is not that of the second.
pub(super) fn renew(ctx: &Context, store: &Engine) -> Result<bool, Failure> {
    let wrong = |what: &str| Err(Failure::new("keyspaces", what.to_owned()));
    // What comes and goes has the numbers behind those of all others.
    if !create_spaces(ctx, store, SPACES_MAX - 1)? {
        return Ok(true);
    }
    let Some(first) = create(ctx, store)? else {
        return Ok(false);
    };
    let put = |keyspace: Keyspace| {
        let mut batch = WriteBatch::new();
        batch.put(keyspace, b"key", b"value").map(|()| batch)
    };
    let batch = put(first).map_err(|error| Failure::new("limits", error.to_string()))?;
    let nothing = || (Writes::new(), Level::Synced);
    let call = |durability| store.write(batch.clone(), durability);
    if let (None, is_usable) = commit(ctx, store, nothing(), call)? {
        return Ok(is_usable);
    }
    let call = |_| store.drop_keyspace(NAME).map(|_| last(store));
    if let (None, is_usable) = commit(ctx, store, nothing(), call)? {
        return Ok(is_usable);
    }
    match store.write(batch, Durability::Synced) {
        Err(StoreError::NoKeyspace { .. }) => {}
        Ok(_) => return wrong("the handle of a dropped keyspace wrote"),
        Err(error) => return excuse(ctx, &error, Since::Now).map(|()| false),
    }
    let Some(second) = create(ctx, store)? else {
        return Ok(false);
    };
    if first == second {
        return wrong("a number was given twice");
    }
    for keyspace in [first, second] {
        match store.get(keyspace, b"key") {
            Ok(None) => {}
            Ok(Some(_)) => return wrong("what a dropped keyspace had is there"),
            Err(error) => return excuse(ctx, &error, Since::Now).map(|()| true),
        }
    }
    ctx.mark("a keyspace was dropped");
    ctx.verified();
    Ok(true)
}

/// The sequence of the last batch, which a lone client knows.
fn last(store: &Engine) -> TxOffset {
    TxOffset::new(store.next_sequence().get() - 1)
}

/// Creates the keyspace if it is not there; none if that failed.
fn create(ctx: &Context, store: &Engine) -> Result<Option<Keyspace>, Failure> {
    match store.find_keyspace(NAME) {
        Ok(None) => {}
        Ok(found) => return Ok(found),
        Err(error) => return excuse(ctx, &error, Since::Now).map(|()| None),
    }
    let mut created = None;
    let call = |_| {
        created = Some(store.keyspace(NAME)?);
        Ok(last(store))
    };
    commit(ctx, store, (Writes::new(), Level::Synced), call)?;
    Ok(created)
}
