//! Puts the store through an era's operations and tells the model what happened.

use blackstart::commitlog::{Durability, ErrorClass, TxOffset};
use blackstart::store::{Store as Engine, StoreError, WriteBatch};
use blackstart_sim::oracle::{Level, Write};
use blackstart_sim::{Ctx, Failure};

use super::Store;
use super::beside::{backup, look};
use super::excuse::{Since, excuse, is_usable};
use super::held::{Slots, get, go_on, hold, scan, snap};
use super::key::{Key, Value, key_bytes};
use super::model::{Event, Writes};
use super::op::Op;
use super::opening::{keyspace, no_strays, nothing_open, open, open_fork};
use super::together::{renew, transact};

type Context = Ctx<Store>;

/// Names the calls of the last operations; drawn steps have small numbers.
const SPACE_AGAIN: u32 = 1_000_001;
const ONCE_MORE: u32 = 1_000_002;
/// What the last operations write and read.
const LAST: Key = Key {
    space: 0,
    number: 7,
};

/// One era.
pub(super) fn run(ctx: &Context) -> Result<(), Failure> {
    let Some(store) = open(ctx)? else {
        return Ok(());
    };
    let clients = ctx.clients();
    let left = match clients.as_slice() {
        [_] => client(ctx, store, 0)?,
        several => Some(together(ctx, store, several)?),
    };
    match left {
        Some(left) => end(ctx, left),
        None => Ok(()),
    }
}

/// A store, and whether it takes writes as far as is known.
struct Left {
    store: Engine,
    is_usable: bool,
}

/// Several clients on one store, each a task.
fn together(ctx: &Context, store: Engine, clients: &[u32]) -> Result<Left, Failure> {
    ctx.mark("batches of several clients");
    let mut tasks = Vec::new();
    for &number in clients {
        let (task_ctx, task_store) = (ctx.clone(), store.clone());
        let body = move || {
            if let Err(failure) = client(&task_ctx, task_store, number) {
                task_ctx.fail(failure);
            }
        };
        let tasks_of_env = ctx.env().tasks();
        let task = tasks_of_env.spawn(&format!("client {number}"), Box::new(body));
        tasks.push(task.map_err(|error| Failure::new("spawn", error.to_string()))?);
    }
    for task in tasks {
        // A panic fails the run by itself.
        let _ = task.join();
    }
    let is_usable = ctx.faults_struck() == 0;
    Ok(Left { store, is_usable })
}

/// One client's steps. Gives back the store it ended with, if there is one.
fn client(ctx: &Context, store: Engine, number: u32) -> Result<Option<Left>, Failure> {
    let mut left = Left {
        store,
        is_usable: true,
    };
    let mut slots = Slots::new();
    let is_alone = ctx.clients().len() == 1;
    for step in ctx.steps(number) {
        ctx.begin(step.id);
        let reopens = matches!(step.op, Op::Reopen | Op::Abandon | Op::Fork { .. });
        if reopens && !is_alone {
            continue;
        }
        left.is_usable = perform(ctx, &left.store, &mut slots, &step.op)?;
        left.is_usable &= told_of_background(ctx, &left.store)?;
        if reopens || (!left.is_usable && is_alone) {
            let fork = match step.op {
                Op::Fork { back } if left.is_usable => Some(back),
                _ => None,
            };
            if !matches!(step.op, Op::Reopen | Op::Fork { .. }) {
                ctx.record(Event::Abandoned)?;
            }
            slots.clear();
            match again(ctx, left.store, fork)? {
                Some(store) => {
                    left = Left {
                        store,
                        is_usable: true,
                    }
                }
                None => return Ok(None),
            }
        }
    }
    Ok(Some(left))
}

/// Drops the store and opens it again, as it was so many batches ago if that is asked for.
fn again(ctx: &Context, store: Engine, fork: Option<u32>) -> Result<Option<Engine>, Failure> {
    let next = store.next_sequence().get();
    drop(store);
    nothing_open(ctx)?;
    match fork {
        Some(back) => open_fork(ctx, next.saturating_sub(u64::from(back)).max(1)),
        None => open(ctx),
    }
}

/// What failed behind a write is told to whoever asks. Whether the store is usable all the same.
fn told_of_background(ctx: &Context, store: &Engine) -> Result<bool, Failure> {
    match store.background_error() {
        Some(error) => {
            ctx.mark("a flush failed behind a write");
            excuse(ctx, &error, Since::Opening)?;
            Ok(error.class() == ErrorClass::NoSpace)
        }
        None => Ok(true),
    }
}

/// Carries out one step; false if the store takes no more writes.
fn perform(ctx: &Context, store: &Engine, slots: &mut Slots, op: &Op) -> Result<bool, Failure> {
    match *op {
        Op::Write { level, .. } => write(ctx, store, op, level),
        Op::Get { key, space } => {
            let key = Key { space, number: key };
            get(ctx, store, key).map(|()| true)
        }
        Op::Scan { from, to, space } => scan(ctx, store, space, (from, to)).map(|()| true),
        Op::Hold { slot, space } => hold(ctx, store, slots, (slot, space)).map(|()| true),
        Op::Snap { slot } => {
            snap(ctx, store, slots, slot);
            Ok(true)
        }
        Op::GoOn { slot, rows } => go_on(ctx, slots, (slot, rows)).map(|()| true),
        Op::Flush => flush(ctx, store),
        Op::Compact => {
            let before = store.stats().tables;
            let done = settle(ctx, store.compact())?;
            if before > 1 && store.stats().runs <= 1 {
                ctx.mark("merged");
            }
            Ok(done)
        }
        Op::Sync => match store.sync() {
            Ok(through) => {
                let (end, level) = (through.get(), Level::Synced);
                ctx.record(Event::Through { end, level }).map(|()| true)
            }
            Err(error) => settle(ctx, Err(error)),
        },
        Op::Reopen | Op::Fork { .. } => close(ctx, store),
        Op::Abandon => Ok(true),
        Op::Look { back } => look(ctx, store, back).map(|()| true),
        // Each client would need names of its own.
        Op::Backup if ctx.clients().len() > 1 => Ok(true),
        Op::Backup => backup(ctx, store).map(|()| true),
        Op::Transact { .. } => transact(ctx, store, op),
        Op::Renew => renew(ctx, store),
    }
}

/// When the fault may have struck that is in the way of a write: a task may have met it before.
fn since(ctx: &Context) -> Since {
    match ctx.config().has_task {
        true => Since::Opening,
        false => Since::Now,
    }
}

fn settle(ctx: &Context, done: Result<(), StoreError>) -> Result<bool, Failure> {
    match done {
        Ok(()) => {
            ctx.verified();
            Ok(true)
        }
        Err(error) => {
            excuse(ctx, &error, since(ctx))?;
            Ok(is_usable(ctx, &error))
        }
    }
}

/// All that was acknowledged before is in tables then.
fn flush(ctx: &Context, store: &Engine) -> Result<bool, Failure> {
    let end = ctx.model(|model| model.oracle.end());
    let flushed = store.flush();
    let is_done = flushed.is_ok();
    let is_usable = settle(ctx, flushed)?;
    if is_done {
        ctx.record(Event::Flushed { end })?;
    }
    if store.stats().tables > 1 {
        ctx.mark("several tables");
    }
    Ok(is_usable)
}

/// What an operation writes, with the token that is next.
fn writes(ctx: &Context, op: &Op) -> Writes {
    let Op::Write {
        first,
        count,
        stride,
        deletes,
        bytes,
        spaces,
        clears,
        ..
    } = *op
    else {
        return Writes::new();
    };
    let token = ctx.model(|model| model.oracle.token_next());
    let spaces = spaces.max(1);
    let clear = |space| {
        let key = |number| Key { space, number };
        Write::DeleteRange(key(first)..key(first.saturating_add(clears)))
    };
    let clears = (0..spaces).filter(|_| clears > 0).map(clear);
    let rows = (0..count).map(|at| {
        let key = Key {
            space: at % spaces,
            number: first.saturating_add(at.saturating_mul(stride)),
        };
        match deletes & (1 << (at % 32)) != 0 {
            true => Write::Delete(key),
            false => Write::Put(key, Value::of(token, bytes)),
        }
    });
    clears.chain(rows).collect()
}

fn batch(writes: &Writes) -> Result<WriteBatch, StoreError> {
    let mut batch = WriteBatch::new();
    for write in writes {
        match write {
            Write::Put(key, value) => {
                batch.put(
                    keyspace(key.space),
                    &key_bytes(key.number),
                    &value.to_bytes(),
                )?;
            }
            Write::Delete(key) => batch.delete(keyspace(key.space), &key_bytes(key.number))?,
            Write::DeleteRange(range) => {
                let (from, to) = (key_bytes(range.start.number), key_bytes(range.end.number));
                batch.delete_range(keyspace(range.start.space), from.as_slice()..to.as_slice())?;
            }
        }
    }
    Ok(batch)
}

/// Creates the keyspaces through `last` that are not there. They are empty batches of the store's
/// own, and each comes after the one before it in number.
pub(super) fn create_spaces(ctx: &Context, store: &Engine, last: u32) -> Result<bool, Failure> {
    for space in 1..=last {
        let name = format!("space {space}");
        match store.find_keyspace(&name) {
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => {
                excuse(ctx, &error, Since::Now)?;
                return Ok(false);
            }
        }
        let token = ctx.model(|model| model.oracle.token_next());
        let (writes, level) = (Writes::new(), Level::Synced);
        ctx.record(Event::Submitted { writes, level })?;
        match store.keyspace(&name) {
            Ok(found) if found != keyspace(space) => {
                let message = format!("keyspace {space} has number {}", found.number());
                return Err(Failure::new("numbers", message));
            }
            // Beside other clients nobody knows which batch it was, or whether it was another's.
            Ok(_) if ctx.clients().len() > 1 => {}
            Ok(_) => {
                let sequence = store.next_sequence().get() - 1;
                ctx.record(Event::Acked {
                    token,
                    sequence,
                    level,
                })?;
            }
            Err(error) => {
                refused(ctx, token, &error)?;
                excuse(ctx, &error, since(ctx))?;
                return Ok(false);
            }
        }
        ctx.mark("a keyspace was created");
    }
    Ok(true)
}

/// A batch that lacked space is not there.
fn refused(ctx: &Context, token: u64, error: &StoreError) -> Result<bool, Failure> {
    let is_harmless =
        error.class() == ErrorClass::NoSpace || matches!(error, StoreError::MemtablesFull { .. });
    if is_harmless {
        ctx.record(Event::Refused { token })?;
    }
    Ok(is_harmless)
}

fn write(ctx: &Context, store: &Engine, op: &Op, level: Level) -> Result<bool, Failure> {
    // With the token that is next then, and no call of the seam between.
    let planned = writes(ctx, op);
    let spaces = planned.iter().map(|write| match write {
        Write::Put(key, _) | Write::Delete(key) => key.space,
        Write::DeleteRange(range) => range.start.space,
    });
    if !create_spaces(ctx, store, spaces.max().unwrap_or(0))? {
        return Ok(true);
    }
    let writes = &writes(ctx, op);
    let batch = batch(writes).map_err(|error| Failure::new("limits", error.to_string()))?;
    let call = |durability| store.write(batch, durability);
    commit(ctx, store, (writes.clone(), level), call).map(|(_, is_usable)| is_usable)
}

/// Has a call commit these writes; returns their sequence, if it succeeded, and whether the store
/// takes more. Nothing runs between the choice of the writes' token and this.
pub(super) fn commit(
    ctx: &Context,
    store: &Engine,
    (writes, level): (Writes, Level),
    call: impl FnOnce(Durability) -> Result<TxOffset, StoreError>,
) -> Result<(Option<u64>, bool), Failure> {
    let token = ctx.model(|model| model.oracle.token_next());
    ctx.record(Event::Submitted { writes, level })?;
    let durability = match level {
        Level::Buffered => Durability::Buffered,
        Level::Os => Durability::Os,
        Level::Synced => Durability::Synced,
    };
    match call(durability) {
        Ok(sequence) => {
            let sequence = sequence.get();
            ctx.record(Event::Acked {
                token,
                sequence,
                level,
            })?;
            Ok((Some(sequence), true))
        }
        Err(StoreError::Conflict { .. }) if ctx.clients().len() > 1 => {
            ctx.record(Event::Refused { token })?;
            ctx.mark("a transaction had a conflict");
            ctx.verified();
            Ok((None, true))
        }
        Err(error) => {
            let is_harmless = refused(ctx, token, &error)?;
            excuse(ctx, &error, since(ctx))?;
            if is_harmless {
                // Reads go on.
                get(ctx, store, LAST)?;
            }
            Ok((None, is_usable(ctx, &error)))
        }
    }
}

/// Whether it was closed in order.
fn close(ctx: &Context, store: &Engine) -> Result<bool, Failure> {
    match store.close() {
        Ok(()) => {
            ctx.record(Event::Closed)?;
            Ok(true)
        }
        Err(error) => {
            excuse(ctx, &error, since(ctx))?;
            ctx.record(Event::Abandoned)?;
            Ok(false)
        }
    }
}

/// Closes the store. If faults have struck, they stop, and it has to open, take a write, make a
/// table of it, and close; the same handle as well, if a lack of space was all that it met.
fn end(ctx: &Context, Left { store, is_usable }: Left) -> Result<(), Failure> {
    let is_struck = ctx.faults_struck() > 0;
    if is_struck && is_usable && told_of_background(ctx, &store)? {
        ctx.heal();
        ctx.begin(SPACE_AGAIN);
        works(ctx, &store)?;
        ctx.mark("went on when there was space again");
    }
    if !ctx.config().has_task {
        no_strays(ctx, &store)?;
    }
    close(ctx, &store)?;
    told_of_background(ctx, &store)?;
    drop(store);
    nothing_open(ctx)?;
    if !is_struck {
        return Ok(());
    }
    ctx.heal();
    ctx.begin(ONCE_MORE);
    let Some(store) = open(ctx)? else {
        return Ok(());
    };
    works(ctx, &store)?;
    close(ctx, &store)?;
    ctx.mark("worked again when faults had stopped");
    drop(store);
    nothing_open(ctx)
}

/// Faults have stopped: the store takes a write, makes a table of it, and reads it.
fn works(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    let op = Op::Write {
        first: LAST.number,
        count: 1,
        stride: 1,
        deletes: 0,
        bytes: 20,
        level: Level::Synced,
        spaces: 1,
        clears: 0,
    };
    write(ctx, store, &op, Level::Synced)?;
    flush(ctx, store)?;
    get(ctx, store, LAST)
}
