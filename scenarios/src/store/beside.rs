//! What others see of the store while it is open: readers that never write, and backups.

use std::path::Path;

use blackstart::commitlog::{LogError, TxOffset};
use blackstart::store::{ReadOnlyOptions, ReadOnlyStore, Store as Engine, StoreError};
use blackstart_sim::oracle::{Level, View};
use blackstart_sim::{Ctx, Failure, Promise};

use super::Store;
use super::excuse::{Since, excuse, may_be_altered};
use super::held::take;
use super::key::{Key, Value};
use super::model::{Event, Rows};
use super::op::{Kept, SPACES_MAX};
use super::opening::keyspace;

type Context = Ctx<Store>;

/// What the names of copies begin with.
pub(super) const COPY: &str = "copy";

/// Opens the store for reading only, as it is or as it was so many batches ago.
pub(super) fn look(ctx: &Context, store: &Engine, back: u32) -> Result<(), Failure> {
    let end = store.next_sequence().get();
    let end = end.saturating_sub(u64::from(back)).max(1);
    let (options, view) = match back {
        0 => {
            let view = ctx.model(|model| model.oracle.view_from_outside(Level::Os));
            (ReadOnlyOptions::new(), view)
        }
        _ => {
            let options = ReadOnlyOptions::new().max_tx_offset(TxOffset::new(end - 1));
            (options, ctx.model(|model| model.oracle.view_at(end)))
        }
    };
    // What the log's buffer holds nobody else sees.
    let is_there = back == 0 || end <= ctx.model(|model| model.oracle.reached_end(Level::Os));
    match shown(ctx, "", options) {
        Ok(rows) if is_there => judge(ctx, view, rows),
        Ok(_) => Ok(()),
        Err(StoreError::HistoryGone {
            flushed_through, ..
        }) if flushed_through.get() > end && ctx.config().history != Kept::All => {
            ctx.mark("history gone");
            Ok(())
        }
        Err(error) => excuse(ctx, &error, Since::Now),
    }
}

/// Backs the store up, and looks at the copy.
pub(super) fn backup(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    let view = ctx.model(|model| model.oracle.view_from_outside(Level::Os));
    let name = format!("{COPY}{}", ctx.model(|model| model.oracle.token_next()));
    match store.backup(&name) {
        Ok(_) => {}
        // One that a fault or a crash has cut short.
        Err(StoreError::Log(LogError::AlreadyExists { .. })) => return Ok(()),
        Err(error) => return excuse(ctx, &error, Since::Now),
    }
    match shown(ctx, &name, ReadOnlyOptions::new()) {
        Ok(rows) => judge(ctx, view, rows)?,
        Err(error) => excuse(ctx, &error, Since::Now)?,
    }
    ctx.mark("backed up");
    remove(ctx, &name);
    Ok(())
}

fn judge(ctx: &Context, mut view: View<Key, Value>, rows: Rows) -> Result<(), Failure> {
    ctx.verified();
    // A disk that lied shows others what it will, and so does one whose names were altered.
    if ctx.promise() == Promise::PrefixOnly || may_be_altered(ctx) {
        return Ok(());
    }
    view.saw(.., rows);
    ctx.record(Event::Read { view })?;
    ctx.mark("others looked");
    Ok(())
}

/// All rows that a read-only opening shows.
fn shown(ctx: &Context, dir: &str, options: ReadOnlyOptions) -> Result<Rows, StoreError> {
    let (store, _) = ReadOnlyStore::open(ctx.env(), dir, options)?;
    let mut rows = Rows::new();
    for space in 0..SPACES_MAX {
        let mut cursor = store.scan_from(keyspace(space), b"")?;
        take(&mut cursor, space, u32::MAX, &mut rows)?;
    }
    Ok(rows)
}

/// Removes a copy; what a fault keeps stays, and the store does not care.
fn remove(ctx: &Context, name: &str) {
    let fs = ctx.env().fs();
    let dirs = ["tables", "log", ""].map(|part| Path::new(name).join(part));
    for dir in &dirs {
        let entries = fs.read_dir(dir).unwrap_or_default();
        for entry in entries {
            let _ = fs.remove_file(&dir.join(entry.name));
        }
        let _ = fs.remove_dir(dir);
    }
}
