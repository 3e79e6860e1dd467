//! Reads: single ones, and cursors and snapshots that a client keeps while the store goes on.

use std::collections::BTreeMap;

use blackstart::store::{Cursor, Snapshot, Store as Engine, StoreError};
use blackstart_sim::oracle::View;
use blackstart_sim::{Ctx, Failure};

use super::Store;
use super::excuse::{Since, excuse};
use super::key::{Key, Value, key_bytes, key_number};
use super::model::{Event, Model, Rows};
use super::op::SPACES_MAX;
use super::opening::keyspace;

type Context = Ctx<Store>;

/// What shows the store as it was.
enum Kept {
    Cursor(Box<Cursor>),
    Snapshot(Snapshot),
}

/// A cursor or a snapshot that is kept.
pub(super) struct Held {
    kept: Kept,
    /// The keyspace that a cursor reads, and what it has shown.
    space: u32,
    rows: Rows,
    view: View<Key, Value>,
}

/// What one client keeps.
pub(super) type Slots = BTreeMap<u32, Held>;

/// A read begins now.
fn view(ctx: &Context) -> View<Key, Value> {
    ctx.model(|model| model.oracle.view())
}

/// What it shows is fixed now.
fn fix(ctx: &Context, view: &mut View<Key, Value>) {
    ctx.model(|model: &Model| model.oracle.view_is_fixed(view));
}

fn judge(ctx: &Context, view: View<Key, Value>) -> Result<(), Failure> {
    ctx.record(Event::Read { view })?;
    ctx.verified();
    Ok(())
}

/// All keys of a keyspace from one to before another.
fn keys(space: u32, from: u32, to: u32) -> std::ops::Range<Key> {
    let key = |number| Key { space, number };
    key(from)..key(to.max(from))
}

pub(super) fn get(ctx: &Context, store: &Engine, key: Key) -> Result<(), Failure> {
    let mut view = view(ctx);
    let found = match store.get(keyspace(key.space), &key_bytes(key.number)) {
        Ok(found) => found,
        Err(error) => return excuse(ctx, &error, Since::Now),
    };
    let rows = found.map(|value| (key, Value::from_bytes(&value)));
    view.saw(key..=key, rows.into_iter().collect());
    judge(ctx, view)
}

pub(super) fn scan(
    ctx: &Context,
    store: &Engine,
    space: u32,
    (from, to): (u32, u32),
) -> Result<(), Failure> {
    let mut view = view(ctx);
    let bounds = (key_bytes(from), key_bytes(to));
    let mut rows = Rows::new();
    let read = store.scan(keyspace(space), bounds.0.as_slice()..bounds.1.as_slice());
    match read.and_then(|mut cursor| take(&mut cursor, space, u32::MAX, &mut rows)) {
        Ok(_) => {}
        Err(error) => return excuse(ctx, &error, Since::Now),
    }
    view.saw(keys(space, from, to), rows);
    judge(ctx, view)
}

/// Begins a scan, and keeps it.
pub(super) fn hold(
    ctx: &Context,
    store: &Engine,
    slots: &mut Slots,
    (slot, space): (u32, u32),
) -> Result<(), Failure> {
    slots.remove(&slot);
    let mut view = view(ctx);
    match store.scan_from(keyspace(space), b"") {
        Ok(cursor) => {
            fix(ctx, &mut view);
            let held = Held {
                kept: Kept::Cursor(Box::new(cursor)),
                space,
                rows: Rows::new(),
                view,
            };
            slots.insert(slot, held);
            ctx.verified();
            Ok(())
        }
        Err(error) => excuse(ctx, &error, Since::Now),
    }
}

/// Takes a snapshot, and keeps it.
pub(super) fn snap(ctx: &Context, store: &Engine, slots: &mut Slots, slot: u32) {
    let mut view = view(ctx);
    let kept = Kept::Snapshot(store.snapshot());
    fix(ctx, &mut view);
    let held = Held {
        kept,
        space: 0,
        rows: Rows::new(),
        view,
    };
    slots.insert(slot, held);
}

/// Goes on with a cursor for so many rows, or reads a snapshot from the beginning.
pub(super) fn go_on(
    ctx: &Context,
    slots: &mut Slots,
    (slot, rows): (u32, u32),
) -> Result<(), Failure> {
    let Some(mut held) = slots.remove(&slot) else {
        return Ok(());
    };
    let gone_on = match &mut held.kept {
        Kept::Cursor(_) => held.cursor(rows),
        Kept::Snapshot(_) => held.snapshot(rows),
    };
    let is_over = match gone_on {
        Ok(is_over) => is_over,
        Err(error) => return excuse(ctx, &error, Since::Now),
    };
    judge(ctx, held.view.clone())?;
    ctx.mark("a kept cursor went on");
    if !is_over {
        slots.insert(slot, held);
    }
    Ok(())
}

impl Held {
    /// Whether it has come to its end.
    fn cursor(&mut self, rows: u32) -> Result<bool, StoreError> {
        let Kept::Cursor(cursor) = &mut self.kept else {
            return Ok(true);
        };
        let is_over = take(cursor, self.space, rows, &mut self.rows)?;
        let last = self
            .rows
            .keys()
            .next_back()
            .map_or(0, |last| last.number + 1);
        let end = if is_over { u32::MAX } else { last };
        self.view.clear();
        self.view.saw(keys(self.space, 0, end), self.rows.clone());
        Ok(is_over)
    }

    /// All that it ever shows has to be one state, over all keyspaces.
    fn snapshot(&mut self, count: u32) -> Result<bool, StoreError> {
        let Kept::Snapshot(snapshot) = &self.kept else {
            return Ok(true);
        };
        for space in 0..SPACES_MAX {
            let mut rows = Rows::new();
            let mut cursor = snapshot.scan_from(keyspace(space), b"")?;
            let is_over = take(&mut cursor, space, count, &mut rows)?;
            let last = rows.keys().next_back().map_or(0, |last| last.number + 1);
            let end = if is_over { u32::MAX } else { last };
            self.view.saw(keys(space, 0, end), rows);
        }
        Ok(false)
    }
}

/// Takes rows from a cursor; whether it has come to its end. What is out of order or not whole
/// shows as a key or a value that nobody wrote.
pub(super) fn take(
    cursor: &mut Cursor,
    space: u32,
    count: u32,
    rows: &mut Rows,
) -> Result<bool, StoreError> {
    for _ in 0..count {
        let Some((key, value)) = cursor.next()? else {
            return Ok(true);
        };
        let number = key_number(key);
        let key = Key { space, number };
        let value = Value::from_bytes(value);
        let is_behind = rows.keys().next_back().is_none_or(|last| *last < key);
        let value = if is_behind { value } else { Value::NONE };
        rows.insert(key, value);
    }
    Ok(false)
}
