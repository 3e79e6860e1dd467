//! Puts the store through an era's operations and tells the model what happened.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use blackstart::commitlog::{Durability, ErrorClass, LogEnd, LogError, LogOptions};
use blackstart::store::{
    Cursor, Keyspace, RecoveryReport, Snapshot, Store as Engine, StoreError, StoreOptions,
    WriteBatch,
};
use blackstart_sim::disk::Told;
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Ctx, Failure, Promise};

use super::Store;
use super::excuse::{excuse, is_usable};
use super::model::{Event, Opened, Rows, Writes};
use super::op::{Level, Op};

type Context = Ctx<Store>;

const KEYS: Keyspace = Keyspace::DEFAULT;
/// What all keys begin with.
const PREFIX: &str = "key ";
/// Names the calls of the last operations; drawn steps have small numbers.
const ONCE_MORE: u32 = 1_000_002;

/// One era.
pub(super) fn run(ctx: &Context) -> Result<(), Failure> {
    let Some(store) = open(ctx)? else {
        return Ok(());
    };
    let clients = ctx.clients();
    let store = match clients.as_slice() {
        [_] => client(ctx, store, 0)?,
        several => Some(together(ctx, store, several)?),
    };
    match store {
        Some(store) => end(ctx, store),
        None => Ok(()),
    }
}

fn options(ctx: &Context) -> StoreOptions {
    let config = ctx.config();
    let log = LogOptions::new()
        .segment_bytes_max(config.segment_bytes_max)
        .buffer_bytes_max(config.buffer_bytes_max)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .memtable_bytes_max(config.memtable_bytes_max)
        .memtables_max(config.memtables_max as usize)
        .block_bytes(config.block_bytes as usize)
        .background_task(config.has_task)
        .log(log)
}

/// Opens the store, and lets the model judge what it shows. None if it cannot be opened for a
/// reason that a fault explains, and that stays when faults stop.
fn open(ctx: &Context) -> Result<Option<Engine>, Failure> {
    let error = match open_once(ctx)? {
        Ok(store) => return Ok(Some(store)),
        Err(error) => error,
    };
    excuse(ctx, &error)?;
    let is_damage = |error: &StoreError| {
        let is_missing = matches!(error, StoreError::Log(LogError::NotFound { .. }));
        ctx.promise() != Promise::Full && (error.class() == ErrorClass::Damage || is_missing)
    };
    if is_damage(&error) {
        return Ok(None);
    }
    ctx.heal();
    match open_once(ctx)? {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_damage(&error) => excuse(ctx, &error).map(|()| None),
        Err(error) => {
            let message = format!("faults have stopped, and it fails: {}", with_causes(&error));
            Err(Failure::new("liveness", message))
        }
    }
}

fn open_once(ctx: &Context) -> Result<Result<Engine, StoreError>, Failure> {
    ctx.record(Event::OpenBegan)?;
    let (store, report) = match Engine::open(ctx.env(), "", &options(ctx)) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let mut rows = Rows::new();
    let read = store.scan_from(KEYS, b"");
    let read = read.and_then(|mut cursor| take(&mut cursor, u32::MAX, &mut rows));
    if let Err(error) = read {
        return Ok(Err(error));
    }
    note(ctx, &report);
    let has_dropped = match &report.log.end {
        LogEnd::Tail(tail) => {
            let told = Told::Bytes(tail.at.get()..u64::MAX);
            ctx.reported(&tail.file, &told);
            true
        }
        _ => false,
    };
    if report.log.superblock_lost {
        ctx.reported("log/lock", &Told::Bytes(0..u64::MAX));
    }
    ctx.record(Event::Opened(Opened {
        next: store.next_sequence().get(),
        rows,
        has_dropped,
        promise: ctx.promise(),
    }))?;
    ctx.verified();
    let (survived, lost) =
        ctx.model(|model| (model.survived_unacknowledged, model.lost_acknowledged));
    if survived {
        ctx.mark("unacknowledged batch survived");
    }
    if lost {
        ctx.mark("acknowledged batch lost below its level");
    }
    // A task may be at work already.
    if !ctx.config().has_task || report.memtables == 0 {
        no_strays(ctx, &store)?;
    }
    Ok(Ok(store))
}

fn note(ctx: &Context, report: &RecoveryReport) {
    if report.tables > 0 {
        ctx.mark("opened with tables");
    }
    if report.batches_replayed > 0 {
        ctx.mark("replayed batches");
    }
    if !report.files_removed.is_empty() {
        ctx.mark("unnamed files removed at opening");
    }
}

/// An opening leaves one manifest, and the tables that it names.
fn no_strays(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    if ctx.faults_struck() > 0 || ctx.promise() != Promise::Full {
        return Ok(());
    }
    let names = |dir: &str| {
        let entries = ctx.env().fs().read_dir(Path::new(dir));
        entries.map(|entries| {
            entries
                .into_iter()
                .map(|entry| entry.name)
                .collect::<Vec<_>>()
        })
    };
    let (Ok(tables), Ok(root)) = (names("tables"), names("")) else {
        // A fault, or too few handles.
        return Ok(());
    };
    let named = store.stats().tables;
    // The log, the tables, and one manifest.
    if (tables.len(), root.len()) == (named, 3) {
        return Ok(());
    }
    let message = format!("the manifest names {named} tables, and there are {tables:?}, {root:?}");
    Err(Failure::new("no leaks", message))
}

/// Several clients on one store, each a task.
fn together(ctx: &Context, store: Engine, clients: &[u32]) -> Result<Engine, Failure> {
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
    Ok(store)
}

/// What shows the store as it was.
enum Kept {
    Cursor(Box<Cursor>),
    Snapshot(Snapshot),
}

/// A cursor or a snapshot that is kept.
struct Held {
    kept: Kept,
    rows: Rows,
    floor: u64,
    ceiling: u64,
}

type Slots = BTreeMap<u32, Held>;

/// One client's steps. Gives back the store it ended with, if there is one.
fn client(ctx: &Context, store: Engine, number: u32) -> Result<Option<Engine>, Failure> {
    let mut store = store;
    let mut slots = Slots::new();
    let is_alone = ctx.clients().len() == 1;
    for step in ctx.steps(number) {
        ctx.begin(step.id);
        let reopens = matches!(step.op, Op::Reopen | Op::Abandon);
        if reopens && !is_alone {
            continue;
        }
        let is_usable = perform(ctx, &store, &mut slots, &step.op)?;
        told_of_background(ctx, &store)?;
        if reopens || (!is_usable && is_alone) {
            if !matches!(step.op, Op::Reopen) {
                ctx.record(Event::Abandoned)?;
            }
            slots.clear();
            drop(store);
            nothing_open(ctx)?;
            match open(ctx)? {
                Some(again) => store = again,
                None => return Ok(None),
            }
        }
    }
    Ok(Some(store))
}

/// What failed behind a write is told to whoever asks.
fn told_of_background(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    match store.background_error() {
        Some(error) => {
            ctx.mark("a flush failed behind a write");
            excuse(ctx, &error)
        }
        None => Ok(()),
    }
}

/// A store that was dropped holds no file and no lock.
fn nothing_open(ctx: &Context) -> Result<(), Failure> {
    let open = ctx.fs().open_files();
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("the store was dropped, and files are open: {open:?}");
    Err(Failure::new("no leaks", message))
}

/// Carries out one step; false if the store takes no more writes.
fn perform(ctx: &Context, store: &Engine, slots: &mut Slots, op: &Op) -> Result<bool, Failure> {
    match *op {
        Op::Write {
            first,
            count,
            stride,
            deletes,
            bytes,
            level,
        } => {
            let keys = (0..count).map(|at| (first + at * stride, deletes & (1 << (at % 32)) != 0));
            write(ctx, store, &keys.collect::<Vec<_>>(), bytes, level)
        }
        Op::Get { key } => get(ctx, store, key).map(|()| true),
        Op::Scan { from, to } => scan(ctx, store, from..to).map(|()| true),
        Op::Hold { slot } => hold(ctx, store, slots, slot).map(|()| true),
        Op::Snap { slot } => {
            let floor = ctx.model(super::Model::acked_end);
            let snapshot = Kept::Snapshot(store.snapshot());
            keep(ctx, slots, slot, (snapshot, floor));
            Ok(true)
        }
        Op::GoOn { slot, rows } => go_on(ctx, slots, slot, rows).map(|()| true),
        Op::Flush => {
            let done = settle(ctx, store.flush())?;
            if store.stats().tables > 1 {
                ctx.mark("several tables");
            }
            Ok(done)
        }
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
        Op::Reopen => close(ctx, store).map(|()| true),
        Op::Abandon => Ok(true),
    }
}

fn settle(ctx: &Context, done: Result<(), StoreError>) -> Result<bool, Failure> {
    match done {
        Ok(()) => {
            ctx.verified();
            Ok(true)
        }
        Err(error) => {
            excuse(ctx, &error)?;
            Ok(is_usable(ctx, &error))
        }
    }
}

fn name(key: u32) -> Vec<u8> {
    format!("{PREFIX}{key:04}").into_bytes()
}

/// A value that says whose it is.
fn value(token: u64, bytes: u32) -> Vec<u8> {
    let mut value = token.to_le_bytes().to_vec();
    value.resize((bytes as usize).max(8), token as u8);
    value
}

/// Whose a value is, if it is as it was written.
fn token(value: &[u8]) -> Option<u64> {
    let (token, rest) = value.split_first_chunk()?;
    let token = u64::from_le_bytes(*token);
    rest.iter()
        .all(|byte| *byte == token as u8)
        .then_some(token)
}

fn write(
    ctx: &Context,
    store: &Engine,
    keys: &[(u32, bool)],
    bytes: u32,
    level: Level,
) -> Result<bool, Failure> {
    let token = ctx.model(|model| model.token_next);
    let mut batch = WriteBatch::new();
    let mut writes = Writes::new();
    for (key, is_delete) in keys {
        let added = match is_delete {
            true => batch.delete(KEYS, &name(*key)),
            false => batch.put(KEYS, &name(*key), &value(token, bytes)),
        };
        added.map_err(|error| Failure::new("limits", error.to_string()))?;
        writes.insert(*key, (!is_delete).then_some(token));
    }
    ctx.record(Event::Submitted { token, writes })?;
    let durability = match level {
        Level::Buffered => Durability::Buffered,
        Level::Os => Durability::Os,
        Level::Synced => Durability::Synced,
    };
    match store.write(batch, durability) {
        Ok(sequence) => {
            let sequence = sequence.get();
            ctx.record(Event::Acked {
                token,
                sequence,
                level,
            })?;
            Ok(true)
        }
        Err(error) => {
            let is_harmless = error.class() == ErrorClass::NoSpace
                || matches!(error, StoreError::MemtablesFull { .. });
            if is_harmless {
                ctx.record(Event::Refused { token })?;
            }
            excuse(ctx, &error)?;
            Ok(is_usable(ctx, &error))
        }
    }
}

fn get(ctx: &Context, store: &Engine, key: u32) -> Result<(), Failure> {
    let floor = ctx.model(super::Model::acked_end);
    let mut rows = Rows::new();
    match store.get(KEYS, &name(key)) {
        Ok(None) => {}
        Ok(Some(found)) => add(&mut rows, key, &found)?,
        Err(error) => return excuse(ctx, &error),
    }
    ctx.record(Event::Read {
        keys: key..key + 1,
        rows,
        floor,
        ceiling: None,
    })?;
    ctx.verified();
    Ok(())
}

fn scan(ctx: &Context, store: &Engine, keys: Range<u32>) -> Result<(), Failure> {
    let floor = ctx.model(super::Model::acked_end);
    let (from, to) = (name(keys.start), name(keys.end));
    let mut rows = Rows::new();
    let read = store.scan(KEYS, from.as_slice()..to.as_slice());
    match read.and_then(|mut cursor| take(&mut cursor, u32::MAX, &mut rows)) {
        Ok(_) => {}
        Err(error) => return excuse(ctx, &error),
    }
    ctx.record(Event::Read {
        keys,
        rows,
        floor,
        ceiling: None,
    })?;
    ctx.verified();
    Ok(())
}

fn hold(ctx: &Context, store: &Engine, slots: &mut Slots, slot: u32) -> Result<(), Failure> {
    slots.remove(&slot);
    let floor = ctx.model(super::Model::acked_end);
    match store.scan_from(KEYS, b"") {
        Ok(cursor) => {
            keep(ctx, slots, slot, (Kept::Cursor(Box::new(cursor)), floor));
            ctx.verified();
            Ok(())
        }
        Err(error) => excuse(ctx, &error),
    }
}

fn keep(ctx: &Context, slots: &mut Slots, slot: u32, (kept, floor): (Kept, u64)) {
    let held = Held {
        kept,
        rows: Rows::new(),
        floor,
        ceiling: ctx.model(super::Model::ceiling),
    };
    slots.insert(slot, held);
}

fn go_on(ctx: &Context, slots: &mut Slots, slot: u32, rows: u32) -> Result<(), Failure> {
    let Some(mut held) = slots.remove(&slot) else {
        return Ok(());
    };
    let taken = match &mut held.kept {
        Kept::Cursor(cursor) => take(cursor, rows, &mut held.rows),
        Kept::Snapshot(snapshot) => {
            held.rows.clear();
            let cursor = snapshot.scan_from(KEYS, b"");
            cursor.and_then(|mut cursor| take(&mut cursor, rows, &mut held.rows))
        }
    };
    let is_over = match taken {
        Ok(is_over) => is_over,
        Err(error) => return excuse(ctx, &error),
    };
    let last = held.rows.keys().next_back().map_or(0, |last| last + 1);
    let end = if is_over { u32::MAX } else { last };
    ctx.record(Event::Read {
        keys: 0..end,
        rows: held.rows.clone(),
        floor: held.floor,
        ceiling: Some(held.ceiling),
    })?;
    ctx.verified();
    ctx.mark("a kept cursor went on");
    if !is_over || matches!(held.kept, Kept::Snapshot(_)) {
        slots.insert(slot, held);
    }
    Ok(())
}

/// Takes rows from a cursor; whether it has come to its end. What is out of order or not whole
/// shows as a key or a token that nobody wrote.
fn take(cursor: &mut Cursor, count: u32, rows: &mut Rows) -> Result<bool, StoreError> {
    for _ in 0..count {
        let Some((key, value)) = cursor.next()? else {
            return Ok(true);
        };
        let number = std::str::from_utf8(key).ok();
        let number = number.and_then(|key| key.strip_prefix(PREFIX)?.parse().ok());
        let number = number.unwrap_or(u32::MAX - 1);
        let is_behind = rows.keys().next_back().is_none_or(|last| *last < number);
        let token = token(value).filter(|_| is_behind).unwrap_or(u64::MAX);
        rows.insert(number, token);
    }
    Ok(false)
}

fn add(rows: &mut Rows, key: u32, value: &[u8]) -> Result<(), Failure> {
    match token(value) {
        Some(token) => {
            rows.insert(key, token);
            Ok(())
        }
        None => {
            let message = format!("key {key} has a value that nobody wrote: {value:?}");
            Err(Failure::new("values", message))
        }
    }
}

fn close(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    match store.close() {
        Ok(()) => {
            let (end, level) = (store.next_sequence().get(), Level::Synced);
            ctx.record(Event::Through { end, level })
        }
        Err(error) => {
            excuse(ctx, &error)?;
            ctx.record(Event::Abandoned)
        }
    }
}

/// Closes the store. If faults have struck, they stop, and it has to open, take a write, make a
/// table of it, and close.
fn end(ctx: &Context, store: Engine) -> Result<(), Failure> {
    close(ctx, &store)?;
    told_of_background(ctx, &store)?;
    drop(store);
    if ctx.faults_struck() == 0 {
        return nothing_open(ctx);
    }
    ctx.heal();
    ctx.begin(ONCE_MORE);
    let Some(store) = open(ctx)? else {
        return Ok(());
    };
    write(ctx, &store, &[(7, false)], 20, Level::Synced)?;
    settle(ctx, store.flush())?;
    get(ctx, &store, 7)?;
    told_of_background(ctx, &store)?;
    close(ctx, &store)?;
    ctx.mark("worked again when faults had stopped");
    drop(store);
    nothing_open(ctx)
}
