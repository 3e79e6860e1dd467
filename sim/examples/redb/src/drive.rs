//! Puts redb through an era's operations.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use blackstart_sim::oracle::Write;
use blackstart_sim::{Ctx, Failure};
use blackstart_vfs::port::Barrier;
use redb::{
    CompactionError, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition,
    TableError, WriteTransaction,
};

use crate::backend::{self, Backend};
use crate::model::{Event, Model, State, Value, Writes};
use crate::op::{Change, Ending, Op};
use crate::scenario::Redb;

type Context = Ctx<Redb>;

const TABLE: TableDefinition<'_, u16, &[u8]> = TableDefinition::new("table");
/// Small, so that pages are read from the disk again.
const CACHE_BYTES: usize = 256 << 10;

/// An open database.
struct Open {
    db: Database,
    state: Arc<backend::State>,
}

/// One era.
pub fn run(ctx: &Context) -> Result<(), Failure> {
    ctx.env()
        .fs()
        .create_root()
        .map_err(|error| broken(&error))?;
    let barrier = Arc::new(Barrier::default());
    // No handle of redb outlives `era`: the crash goes on where none is left to be unwound.
    barrier.around(|| era(ctx, &barrier))
}

fn era(ctx: &Context, barrier: &Arc<Barrier>) -> Result<(), Failure> {
    let mut open_db = open(ctx, barrier)?;
    for step in ctx.steps(0) {
        ctx.begin(step.id);
        match &step.op {
            Op::Transaction { changes, ending } => {
                transaction(ctx, barrier, &open_db.db, changes, *ending)?
            }
            Op::Undo { changes } => undo(ctx, barrier, &open_db.db, changes)?,
            Op::Compact => compact(ctx, barrier, &mut open_db.db)?,
            Op::Reopen => {
                close(ctx, barrier, open_db)?;
                open_db = open(ctx, barrier)?;
            }
        }
    }
    close(ctx, barrier, open_db)
}

/// An error on a disk without faults.
#[track_caller]
fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new("no errors on an honest disk", error.to_string())
}

/// Records what happened, unless it happened after the crash.
fn record(ctx: &Context, barrier: &Barrier, event: Event) -> Result<(), Failure> {
    if barrier.is_crashed() {
        return Err(broken(&"crashed"));
    }
    ctx.record(event)
}

/// Creates the database under another name: a crash in the middle leaves a file that redb refuses.
fn create(ctx: &Context, barrier: &Arc<Barrier>) -> Result<(), Failure> {
    let disk = ctx.env().fs();
    let backend = Backend::create(disk, barrier).map_err(|error| broken(&error))?;
    let created = Database::builder().create_with_backend(backend);
    drop(created.map_err(|error| broken(&error))?);
    Backend::install(disk, barrier).map_err(|error| broken(&error))
}

fn open(ctx: &Context, barrier: &Arc<Barrier>) -> Result<Open, Failure> {
    let disk = ctx.env().fs();
    if !Backend::is_there(disk, barrier).map_err(|error| broken(&error))? {
        create(ctx, barrier)?;
    }
    let backend = Backend::open(disk, barrier).map_err(|error| broken(&error))?;
    let state = backend.state();
    let opened = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_with_backend(backend);
    let mut db = opened.map_err(|error| Failure::new("it opens", error.to_string()))?;
    let found = Arc::new(contents(&db)?);
    if !found.is_empty() {
        ctx.mark("opened with contents");
    }
    record(ctx, barrier, Event::Opened(Arc::clone(&found)))?;
    if ctx.model(|model| model.has_survived) {
        ctx.mark("a commit in flight survived");
    }
    if ctx.config().integrity {
        let is_sound = db.check_integrity().map_err(|error| broken(&error))?;
        let again = contents(&db)?;
        if !barrier.is_crashed() && (!is_sound || again != *found) {
            let message = format!("sound: {is_sound}; the same contents: {}", again == *found);
            return Err(Failure::new("check_integrity finds nothing", message));
        }
    }
    Ok(Open { db, state })
}

/// Closes in order, or leaves the database as the end of the process would.
fn close(ctx: &Context, barrier: &Barrier, mut open: Open) -> Result<(), Failure> {
    let is_abandoned = ctx.config().abandon;
    open.state.is_over.store(is_abandoned, Ordering::SeqCst);
    if is_abandoned {
        // It fails at its first call. After that redb does not even try to write when it is
        // dropped, which changes nothing on the disk and saves it a commit.
        let _ = open.db.check_integrity();
    }
    drop(open.db);
    if open.state.is_resized.load(Ordering::SeqCst) {
        ctx.mark("resized");
    }
    match is_abandoned {
        true => Ok(()),
        false => record(ctx, barrier, Event::Closed),
    }
}

fn transaction(
    ctx: &Context,
    barrier: &Barrier,
    db: &Database,
    changes: &[Change],
    ending: Ending,
) -> Result<(), Failure> {
    let mut transaction = db.begin_write().map_err(|error| broken(&error))?;
    if ending == Ending::NotDurable {
        let set = transaction.set_durability(Durability::None);
        set.map_err(|error| broken(&error))?;
    }
    transaction.set_two_phase_commit(ending == Ending::TwoPhase);
    transaction.set_quick_repair(ending == Ending::QuickRepair);
    let (writes, token_next) = change(ctx, &transaction, changes)?;
    if ending == Ending::Abort {
        return transaction.abort().map_err(|error| broken(&error));
    }
    commit(
        ctx,
        barrier,
        transaction,
        writes,
        token_next,
        ending != Ending::NotDurable,
    )
}

/// Commits, and says so.
fn commit(
    ctx: &Context,
    barrier: &Barrier,
    transaction: WriteTransaction,
    writes: Writes,
    token_next: u64,
    is_durable: bool,
) -> Result<(), Failure> {
    let writes = Arc::new(writes);
    record(ctx, barrier, Event::Begun { writes, token_next })?;
    transaction.commit().map_err(|error| broken(&error))?;
    record(ctx, barrier, Event::Committed { is_durable })
}

/// Carries out changes; returns what they write, and the next token.
fn change(
    ctx: &Context,
    transaction: &WriteTransaction,
    changes: &[Change],
) -> Result<(Writes, u64), Failure> {
    let (writes, token_next) = ctx.model(|model| model.writes(changes));
    let mut token = ctx.model(|model| model.token_next);
    let mut table = transaction
        .open_table(TABLE)
        .map_err(|error| broken(&error))?;
    for change in changes {
        match *change {
            Change::Put(key, bytes) => {
                let value = value_of(token, bytes.max(8));
                let put = table.insert(key, value.as_slice());
                put.map_err(|error| broken(&error))?;
                token += 1;
            }
            Change::Remove(key) => {
                table.remove(key).map_err(|error| broken(&error))?;
            }
        }
    }
    Ok((writes, token_next))
}

/// A durable transaction, and one that takes it back.
fn undo(
    ctx: &Context,
    barrier: &Barrier,
    db: &Database,
    changes: &[Change],
) -> Result<(), Failure> {
    let before = ctx.model(Model::latest);
    let transaction = db.begin_write().map_err(|error| broken(&error))?;
    let savepoint = transaction.ephemeral_savepoint();
    let savepoint = savepoint.map_err(|error| broken(&error))?;
    let (writes, token_next) = change(ctx, &transaction, changes)?;
    commit(ctx, barrier, transaction, writes, token_next, true)?;
    let back = difference(&ctx.model(Model::latest), &before);
    let mut transaction = db.begin_write().map_err(|error| broken(&error))?;
    let restored = transaction.restore_savepoint(&savepoint);
    restored.map_err(|error| broken(&error))?;
    commit(ctx, barrier, transaction, back, token_next, true)?;
    ctx.mark("went back to a savepoint");
    Ok(())
}

/// What leads from one state to another.
fn difference(from: &State, to: &State) -> Writes {
    let gone = from.keys().filter(|key| !to.contains_key(key));
    let gone = gone.map(|key| Write::Delete(*key));
    let new = to.iter().map(|(key, value)| Write::Put(*key, *value));
    gone.chain(new).collect()
}

/// Compaction changes nothing that can be seen. It commits durably, so all is durable then.
fn compact(ctx: &Context, barrier: &Barrier, db: &mut Database) -> Result<(), Failure> {
    match db.compact() {
        Ok(true) => ctx.mark("compacted"),
        // 4.1.0 refuses behind a commit that is not durable.
        Ok(false) | Err(CompactionError::TransactionInProgress) => {}
        Err(error) => return Err(broken(&error)),
    }
    if barrier.is_crashed() {
        return Err(broken(&"crashed"));
    }
    Ok(())
}

/// The bytes of a value, its token over and over: all of them can be told from those of any other.
fn value_of(token: u64, bytes: u32) -> Vec<u8> {
    let token = token.to_le_bytes();
    token.into_iter().cycle().take(bytes as usize).collect()
}

fn is_value_of(token: u64, value: &[u8]) -> bool {
    let (whole, rest) = value.as_chunks();
    let token = token.to_le_bytes();
    whole.iter().all(|part| *part == token) && token.starts_with(rest)
}

/// Reads everything.
fn contents(db: &Database) -> Result<State, Failure> {
    let mut state = State::new();
    let transaction = db.begin_read().map_err(|error| broken(&error))?;
    let table = match transaction.open_table(TABLE) {
        Ok(table) => table,
        Err(TableError::TableDoesNotExist(_)) => return Ok(state),
        Err(error) => return Err(broken(&error)),
    };
    for item in table.iter().map_err(|error| broken(&error))? {
        let (key, value) = item.map_err(|error| broken(&error))?;
        let (key, found) = (key.value(), value.value());
        let token = found
            .first_chunk()
            .map_or(0, |&token| u64::from_le_bytes(token));
        let bytes = found.len() as u32;
        if !is_value_of(token, found) {
            let message = format!("key {key} holds {bytes} bytes that no put wrote");
            return Err(Failure::new("a value is whole", message));
        }
        state.insert(key, Value { token, bytes });
    }
    Ok(state)
}
