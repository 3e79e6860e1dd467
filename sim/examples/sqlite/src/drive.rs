//! Puts SQLite through an era's operations.

use std::sync::Arc;

use blackstart_sim::{Ctx, Failure};
use blackstart_vfs::port::Barrier;
use rusqlite::{Connection, OpenFlags, params};

use crate::door::{NAME, Session};
use crate::model::{Event, State, Value};
use crate::op::{Change, Mode, Op};
use crate::scenario::Sqlite;

type Context = Ctx<Sqlite>;

/// One era.
pub fn run(ctx: &Context, mode: Mode) -> Result<(), Failure> {
    ctx.env()
        .fs()
        .create_root()
        .map_err(|error| broken(&error))?;
    let barrier = Arc::new(Barrier::default());
    let session = Session {
        env: ctx.env().clone(),
        barrier: Arc::clone(&barrier),
        syncs_removals: mode == Mode::DeleteExtra,
    };
    session.enter();
    // No connection outlives `era`: the crash goes on where no frame of C is left.
    barrier.around(|| era(ctx, mode, &barrier))
}

fn era(ctx: &Context, mode: Mode, barrier: &Barrier) -> Result<(), Failure> {
    let mut db = open(ctx, mode, barrier)?;
    for step in ctx.steps(0) {
        ctx.begin(step.id);
        match &step.op {
            Op::Transaction(changes) => transaction(ctx, mode, barrier, &mut db, changes)?,
            Op::Reopen => {
                close(ctx, mode, barrier, db)?;
                db = open(ctx, mode, barrier)?;
            }
        }
    }
    close(ctx, mode, barrier, db)
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

fn open(ctx: &Context, mode: Mode, barrier: &Barrier) -> Result<Connection, Failure> {
    let opened = connect(mode).and_then(|db| contents(&db).map(|found| (db, found)));
    let (db, found) = opened.map_err(|error| Failure::new("it opens", error.to_string()))?;
    let found = Arc::new(found.map_err(|what| Failure::new("a value is whole", what))?);
    if !found.is_empty() {
        ctx.mark("opened with contents");
    }
    record(ctx, barrier, Event::Opened(found))?;
    if ctx.model(|model| model.has_survived) {
        ctx.mark("a commit in flight survived");
    }
    let sound = db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    match sound.map_err(|error| broken(&error))?.as_str() {
        "ok" => Ok(db),
        damage => Err(Failure::new("integrity_check finds nothing", damage)),
    }
}

fn connect(mode: Mode) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags_and_vfs("db", flags, NAME)?;
    let (_, journal, synchronous) = mode.words();
    db.execute_batch(&format!(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA cache_size=8;
         PRAGMA journal_mode={journal}; PRAGMA synchronous={synchronous};
         CREATE TABLE IF NOT EXISTS kv (key INTEGER PRIMARY KEY, value BLOB NOT NULL);"
    ))?;
    Ok(db)
}

/// Closes in order. It makes durable what a write-ahead log had not yet.
fn close(ctx: &Context, mode: Mode, barrier: &Barrier, db: Connection) -> Result<(), Failure> {
    db.close().map_err(|(_, error)| broken(&error))?;
    match mode {
        Mode::WalFull | Mode::WalNormal => record(ctx, barrier, Event::Closed),
        _ => Ok(()),
    }
}

fn transaction(
    ctx: &Context,
    mode: Mode,
    barrier: &Barrier,
    db: &mut Connection,
    changes: &[Change],
) -> Result<(), Failure> {
    let (writes, token_next) = ctx.model(|model| model.writes(changes));
    let mut token = ctx.model(|model| model.token_next);
    let transaction = db.transaction().map_err(|error| broken(&error))?;
    for change in changes {
        let done = match *change {
            Change::Put(key, bytes) => {
                let value = value_of(token, bytes.max(8));
                token += 1;
                let put = "INSERT OR REPLACE INTO kv VALUES (?, ?)";
                transaction.execute(put, params![key, value])
            }
            Change::Remove(key) => transaction.execute("DELETE FROM kv WHERE key = ?", [key]),
        };
        done.map_err(|error| broken(&error))?;
    }
    let writes = Arc::new(writes);
    record(ctx, barrier, Event::Begun { writes, token_next })?;
    transaction.commit().map_err(|error| broken(&error))?;
    let is_durable = mode.is_durable();
    record(ctx, barrier, Event::Committed { is_durable })
}

/// The bytes of a value: they can be told from those of any other.
fn value_of(token: u64, bytes: u32) -> Vec<u8> {
    let mut value = token.to_le_bytes().to_vec();
    value.resize(bytes as usize, token as u8);
    value
}

/// Reads everything; what is wrong with a value if one is not whole.
fn contents(db: &Connection) -> rusqlite::Result<Result<State, String>> {
    let mut state = State::new();
    let mut query = db.prepare("SELECT key, value FROM kv ORDER BY key")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (key, found): (u16, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let token = found
            .first_chunk()
            .map_or(0, |&token| u64::from_le_bytes(token));
        let bytes = found.len() as u32;
        if found != value_of(token, bytes) {
            return Ok(Err(format!(
                "key {key} holds {bytes} bytes that no put wrote"
            )));
        }
        state.insert(key, Value { token, bytes });
    }
    Ok(Ok(state))
}
