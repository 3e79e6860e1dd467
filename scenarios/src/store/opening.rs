//! Opening the store, and what must be true of it then.

use std::path::Path;

use blackstart::commitlog::{Durability, ErrorClass, LogEnd, LogError, LogOptions, TxOffset};
use blackstart::store::{
    History, Keyspace, RecoveryReport, Store as Engine, StoreError, StoreOptions,
};
use blackstart_sim::disk::Told;
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Ctx, Failure, Promise};

use super::Store;
use super::beside::COPY;
use super::excuse::{Since, excuse, goes_around, may_be_altered};
use super::held::take;
use super::model::{Event, Opened, Rows};
use super::op::{Kept, SPACES_MAX};

type Context = Ctx<Store>;

/// Bytes of a sector: damage is told by its place in one.
const SECTOR: u64 = 512;

/// The keyspace with this number in the scenario.
pub(super) fn keyspace(space: u32) -> Keyspace {
    Keyspace::new(1 + space)
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
        .history(match config.history {
            Kept::Flushed => History::Flushed,
            Kept::Bytes(bytes) => History::Bytes(bytes),
            Kept::All => History::All,
        })
        .log(log)
}

/// Opens the store, and lets the model judge what it shows. None if it cannot be opened for a
/// reason that a fault explains, and that stays when faults stop.
pub(super) fn open(ctx: &Context) -> Result<Option<Engine>, Failure> {
    let error = match open_once(ctx, None)? {
        Ok(store) => return Ok(Some(store)),
        Err(error) => error,
    };
    excuse(ctx, &error, Since::Now)?;
    if is_damage(ctx, &error) {
        return Ok(None);
    }
    ctx.heal();
    match open_once(ctx, None)? {
        Ok(store) => Ok(Some(store)),
        Err(error) if is_damage(ctx, &error) => excuse(ctx, &error, Since::Now).map(|()| None),
        Err(error) => {
            let message = format!("faults have stopped, and it fails: {}", with_causes(&error));
            Err(Failure::new("liveness", message))
        }
    }
}

fn is_damage(ctx: &Context, error: &StoreError) -> bool {
    let is_other = match error {
        StoreError::Log(LogError::NotFound { .. }) => true,
        // It is no file any more.
        StoreError::Log(LogError::Io { file, .. }) => {
            ctx.model(|model| model.altered.iter().any(|name| file.ends_with(name)))
        }
        _ => false,
    };
    let may_be = ctx.promise() != Promise::Full || may_be_altered(ctx);
    may_be && (error.class() == ErrorClass::Damage || is_other)
}

/// Opens the store as it was before `end`. If that history is gone, or a fault is in the way, it is
/// opened as it is.
pub(super) fn open_fork(ctx: &Context, end: u64) -> Result<Option<Engine>, Failure> {
    let error = match open_once(ctx, Some(end))? {
        Ok(store) => {
            ctx.mark("a fork");
            return Ok(Some(store));
        }
        Err(error) => error,
    };
    match error {
        StoreError::HistoryGone {
            flushed_through, ..
        } if ctx.config().history != Kept::All && flushed_through.get() > end => {
            ctx.mark("history gone");
        }
        error => excuse(ctx, &error, Since::Now)?,
    }
    open(ctx)
}

fn open_once(ctx: &Context, fork: Option<u64>) -> Result<Result<Engine, StoreError>, Failure> {
    let ledger = ctx.fs().ledger();
    let at_rest = ledger.iter().filter(|entry| {
        let kinds = ["bit flip", "garbage sector", "unreadable sector"];
        kinds.contains(&entry.kind)
    });
    ctx.record(Event::OpenBegan {
        damages: at_rest.map(|entry| entry.injected).sum(),
        is_wide: ctx.has_struck("garbage sector"),
        altered: ctx.fs().altered_names(),
        is_renewed: ctx.has_struck("root made anew"),
        fork,
    })?;
    let mut options = options(ctx);
    if let Some(last) = fork.and_then(|end| end.checked_sub(1)) {
        options = options.max_tx_offset(TxOffset::new(last));
    }
    let (store, report) = match Engine::open(ctx.env(), "", &options) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let rows = match everything(&store) {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    note(ctx, &report);
    ctx.record(Event::Opened(Opened {
        next: store.next_sequence().get(),
        rows,
        reports_damage: reports_damage(ctx, &report),
        was_closed: report.log.closed,
        flushed_through: report.flushed_through.get(),
        promise: ctx.promise(),
    }))?;
    goes_around(ctx);
    ctx.verified();
    let settled = ctx.model(|model| model.settled);
    if settled.survived > 0 {
        ctx.mark("unacknowledged batch survived");
    }
    if settled.lost > 0 {
        ctx.mark("acknowledged batch lost below its level");
    }
    if !ctx.config().has_task || report.memtables == 0 {
        no_strays(ctx, &store)?;
    }
    Ok(Ok(store))
}

/// All rows of all keyspaces.
fn everything(store: &Engine) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    for space in 0..SPACES_MAX {
        let mut cursor = store.scan_from(keyspace(space), b"")?;
        take(&mut cursor, space, u32::MAX, &mut rows)?;
    }
    Ok(rows)
}

/// Whether bytes were dropped, and the report names those that were damaged.
fn reports_damage(ctx: &Context, report: &RecoveryReport) -> bool {
    if report.log.superblock_lost {
        ctx.reported("log/lock", &Told::Bytes(0..u64::MAX));
    }
    let LogEnd::Tail(tail) = &report.log.end else {
        return false;
    };
    let at = tail.at.get();
    let told = Told::Bytes(at..at.saturating_add(tail.bytes + SECTOR));
    !ctx.reported(&tail.file, &told).is_empty()
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

/// An opening leaves one manifest, and the tables that it names; and so does all that goes well
/// after.
pub(super) fn no_strays(ctx: &Context, store: &Engine) -> Result<(), Failure> {
    let names = |dir: &str| {
        let entries = ctx.env().fs().read_dir(Path::new(dir));
        entries.map(|entries| {
            let names = entries.into_iter().map(|entry| entry.name);
            let names = names.map(|name| name.to_string_lossy().into_owned());
            names.collect::<Vec<_>>()
        })
    };
    let (Ok(tables), Ok(root)) = (names("tables"), names("")) else {
        // Too few handles.
        return Ok(());
    };
    // A fault may have struck the looking itself.
    let is_touched = ctx.faults_struck() > 0 || may_be_altered(ctx);
    if is_touched || ctx.promise() != Promise::Full {
        return Ok(());
    }
    let named = store.stats().tables;
    // Copies are left alone.
    let root: Vec<_> = root
        .into_iter()
        .filter(|name| !name.starts_with(COPY))
        .collect();
    let is_known = |name: &String| {
        name == "log" || name == "tables" || (name.starts_with("MANIFEST-") && name.len() == 29)
    };
    if tables.len() == named && root.len() == 3 && root.iter().all(is_known) {
        return Ok(());
    }
    let message = format!("the manifest names {named} tables, and there are {tables:?}, {root:?}");
    Err(Failure::new("no leaks", message))
}

/// A store that was dropped holds no file and no lock.
pub(super) fn nothing_open(ctx: &Context) -> Result<(), Failure> {
    let open = ctx.fs().open_files();
    if open.is_empty() {
        return Ok(());
    }
    let message = format!("the store was dropped, and files are open: {open:?}");
    Err(Failure::new("no leaks", message))
}
