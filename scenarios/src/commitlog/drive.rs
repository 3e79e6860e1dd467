//! Puts the log through an era's operations and tells the model what happened.

use std::path::Path;
use std::time::Duration;

use blackstart::commitlog::{
    Commit, Durability, Entry, Log, LogEnd, LogError, LogOptions, ReadOnlyLog, ReadScope, Reader,
    RecoveryReport, TxOffset,
};
use blackstart_sim::{Ctx, Failure, Promise, Step};

use super::CommitLog;
use super::history::{Event, Found, Opened};
use super::op::{Config, Level, Op};
use super::payload;

type Context = Ctx<CommitLog>;

/// How long a follower waits, in virtual time, for what is there already.
const FOLLOW_WAIT: Duration = Duration::from_secs(5);

/// One era.
pub(super) fn run(ctx: &Context) -> Result<(), Failure> {
    let Some(log) = open(ctx)? else { return Ok(()) };
    let clients = ctx.clients();
    let log = match clients.as_slice() {
        [_] => client(ctx, log, 0)?,
        several => Some(together(ctx, log, several)?),
    };
    match log {
        Some(log) => close(ctx, &log),
        None => Ok(()),
    }
}

/// Several clients on one log, each a task.
fn together(ctx: &Context, log: Log, clients: &[u32]) -> Result<Log, Failure> {
    ctx.mark("commits of several clients");
    let mut tasks = Vec::new();
    for &number in clients {
        let (task_ctx, task_log) = (ctx.clone(), log.clone());
        let body = move || {
            if let Err(failure) = client(&task_ctx, task_log, number) {
                task_ctx.fail(failure);
            }
        };
        let task = ctx
            .env()
            .tasks()
            .spawn(&format!("client {number}"), Box::new(body));
        tasks.push(task.map_err(|error| Failure::new("spawn", error.to_string()))?);
    }
    for task in tasks {
        // A panic fails the run by itself.
        let _ = task.join();
    }
    Ok(log)
}

/// One client's steps. Gives back the log it ended with, if there is one.
fn client(ctx: &Context, log: Log, number: u32) -> Result<Option<Log>, Failure> {
    let mut log = log;
    let is_alone = ctx.clients().len() == 1;
    for step in ctx.steps(number) {
        ctx.begin(step.id);
        let is_usable = perform(ctx, &log, step)?;
        let reopens = matches!(step.op, Op::Reopen | Op::Abandon);
        if is_alone && (reopens || !is_usable) {
            if !reopens {
                ctx.record(Event::Abandoned)?;
            }
            drop(log);
            match open(ctx)? {
                Some(again) => log = again,
                None => return Ok(None),
            }
        }
    }
    Ok(Some(log))
}

/// Carries out one step; false if the log takes no more writes.
fn perform(ctx: &Context, log: &Log, step: &Step<Op>) -> Result<bool, Failure> {
    match step.op {
        Op::Append {
            records,
            bytes,
            level,
        } => append(ctx, log, records, bytes, level),
        Op::Sync => {
            let done = log.sync();
            settle(ctx, done, |through| {
                ctx.record(Event::Through {
                    offset: through.get(),
                    level: Level::Synced,
                })
            })
        }
        Op::Flush => {
            let through = ctx.model(super::Model::end);
            let done = log.flush();
            settle(ctx, done, |()| {
                ctx.record(Event::Through {
                    offset: through,
                    level: Level::Os,
                })
            })
        }
        Op::Rotate => settle(ctx, log.rotate(), |()| Ok(())),
        Op::Retain { back } => retain(ctx, log, back),
        Op::Truncate { commits } => truncate(ctx, log, commits),
        Op::Reopen => close(ctx, log).map(|()| true),
        Op::Abandon => ctx.record(Event::Abandoned).map(|()| true),
        Op::Read { back } => read(ctx, log, back).map(|()| true),
        Op::Peek => peek(ctx).map(|()| true),
        Op::Follow => follow(ctx, log),
    }
}

/// What an operation's result means: its event, or an error that must be excusable. False if the
/// log takes no more writes.
fn settle<T>(
    ctx: &Context,
    result: Result<T, LogError>,
    on_success: impl FnOnce(T) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    match result {
        Ok(value) => on_success(value).map(|()| true),
        Err(error) => excuse(ctx, &error).map(|()| is_usable(ctx, &error)),
    }
}

fn is_usable(ctx: &Context, error: &LogError) -> bool {
    match error {
        LogError::NoSpace { .. } => {
            ctx.mark("no space, went on");
            true
        }
        LogError::Poisoned { .. } | LogError::Io { .. } => {
            ctx.mark("poisoned");
            false
        }
        _ => false,
    }
}

/// An error is excusable only if a fault has struck.
fn excuse(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    ctx.mark("typed error");
    if has_struck(ctx, "fsync: revert to old") {
        ctx.record(Event::CacheLost)?;
    }
    if ctx.promise() > Promise::Full {
        ctx.mark("damage reported");
        return Ok(());
    }
    if ctx.faults_struck() > 0 {
        return Ok(());
    }
    Err(Failure::new(
        "spurious error",
        format!("no fault has struck: {}", chain(error)),
    ))
}

fn has_struck(ctx: &Context, kind: &str) -> bool {
    ctx.fs()
        .ledger()
        .iter()
        .any(|entry| entry.kind == kind && entry.injected > 0)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn append(
    ctx: &Context,
    log: &Log,
    records: u32,
    bytes: u32,
    level: Level,
) -> Result<bool, Failure> {
    let tokens = ctx.model(|model| model.tokens(u64::from(records)));
    let commit: Vec<Vec<u8>> = tokens
        .clone()
        .map(|token| payload::record(token, bytes as usize))
        .collect();
    ctx.record(Event::Submitted {
        tokens: tokens.clone(),
    })?;
    match log.commit(&commit, durability(level)) {
        Ok(done) => {
            let (first, epoch) = (done.first.get(), done.epoch.get());
            ctx.record(Event::Acked {
                tokens,
                first,
                epoch,
                level,
            })?;
            Ok(true)
        }
        Err(error) => {
            let is_refused = matches!(
                error,
                LogError::NoSpace { .. }
                    | LogError::CommitTooLarge { .. }
                    | LogError::EmptyCommit
                    | LogError::Closed
            );
            let event = if is_refused {
                Event::Refused { tokens }
            } else {
                Event::Failed { tokens }
            };
            ctx.record(event)?;
            excuse(ctx, &error)?;
            Ok(is_usable(ctx, &error))
        }
    }
}

const fn durability(level: Level) -> Durability {
    match level {
        Level::Buffered => Durability::Buffered,
        Level::Os => Durability::Os,
        Level::Synced => Durability::Synced,
    }
}

fn retain(ctx: &Context, log: &Log, back: u32) -> Result<bool, Failure> {
    let offset = ctx.model(|model| model.end().saturating_sub(u64::from(back)));
    ctx.record(Event::RetainBegan { offset })?;
    let before = ctx.model(|model| model.oldest);
    settle(ctx, log.retain_from(TxOffset::new(offset)), |oldest| {
        if oldest.get() > before {
            ctx.mark("retired a segment");
        }
        ctx.record(Event::Retained {
            oldest: oldest.get(),
        })
    })
}

fn truncate(ctx: &Context, log: &Log, commits: u32) -> Result<bool, Failure> {
    if ctx.clients().len() > 1 {
        // The others' acknowledgements would race with the cut, and no model could judge them.
        return Ok(true);
    }
    let offset = ctx.model(|model| model.boundary_back(commits));
    ctx.record(Event::TruncateBegan { offset })?;
    match log.truncate_to(TxOffset::new(offset)) {
        Ok(()) => {
            ctx.mark("truncated history");
            ctx.record(Event::Truncated { offset })?;
            Ok(true)
        }
        Err(error) => {
            if matches!(error, LogError::NoSpace { .. }) {
                ctx.record(Event::TruncateRefused)?;
            }
            excuse(ctx, &error)?;
            Ok(is_usable(ctx, &error))
        }
    }
}

fn close(ctx: &Context, log: &Log) -> Result<(), Failure> {
    match log.close() {
        Ok(()) => ctx.record(Event::Closed),
        Err(error) => {
            excuse(ctx, &error)?;
            ctx.record(Event::Abandoned)
        }
    }
}

/// A reader sees everything that was acknowledged before it began; one that asks for what is
/// durable sees all that is, and nothing else.
fn read(ctx: &Context, log: &Log, back: u32) -> Result<(), Failure> {
    ctx.mark("read while writing");
    for scope in [ReadScope::Visible, ReadScope::Synced] {
        let is_synced = scope == ReadScope::Synced;
        let (from, acked_through) = ctx.model(|model| {
            let from = model
                .end()
                .saturating_sub(u64::from(back))
                .max(model.oldest);
            (
                from,
                if is_synced {
                    model.synced_through
                } else {
                    model.end()
                },
            )
        });
        let mut found = Vec::new();
        let outcome = log
            .reader_of(TxOffset::new(from), scope)
            .and_then(|mut reader| drain(&mut reader, &mut found));
        conclude_read(
            ctx,
            outcome,
            Event::Read {
                found,
                from,
                acked_through,
                is_synced,
            },
        )?;
    }
    Ok(())
}

/// Another process looks at the log while it is open: it sees what the operating system has.
fn peek(ctx: &Context) -> Result<(), Failure> {
    let (from, acked_through) = ctx.model(|model| (model.oldest, model.os_through));
    let mut found = Vec::new();
    let mut oldest = from;
    let outcome = ReadOnlyLog::open(ctx.env(), Path::new(""), options(ctx.config()))
        .and_then(|(log, _)| {
            // Others may have retired history since.
            oldest = log.oldest().get();
            log.reader(log.oldest())
        })
        .and_then(|mut reader| drain(&mut reader, &mut found));
    let from = from.max(oldest);
    conclude_read(
        ctx,
        outcome,
        Event::Read {
            found,
            from,
            acked_through,
            is_synced: false,
        },
    )
}

fn conclude_read(ctx: &Context, outcome: Result<(), LogError>, read: Event) -> Result<(), Failure> {
    match outcome {
        Ok(()) if ctx.promise() < Promise::PrefixOnly => ctx.record(read),
        Ok(()) => Ok(()),
        Err(error) => excuse_reader(ctx, &error),
    }
}

/// As [`excuse`]; and other clients may have retired what a reader asked for.
fn excuse_reader(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    match error {
        LogError::HistoryGone { .. } if ctx.clients().len() > 1 => Ok(()),
        error => excuse(ctx, error),
    }
}

/// A follower gets what is appended behind its back.
fn follow(ctx: &Context, log: &Log) -> Result<bool, Failure> {
    let from = ctx.model(super::Model::end);
    let mut follower = match log.follow(TxOffset::new(from), ReadScope::Synced) {
        Ok(follower) => follower,
        Err(error) => {
            excuse_reader(ctx, &error)?;
            return Ok(is_usable(ctx, &error));
        }
    };
    let before = ctx.model(|model| model.synced_through);
    let is_usable_after = append(ctx, log, 1, 16, Level::Synced)?;
    // Others may have appended as well, and not synced.
    let end = ctx.model(|model| model.synced_through);
    if end == before {
        return Ok(is_usable_after);
    }
    let deadline = ctx.env().clock().monotonic() + FOLLOW_WAIT;
    let mut seen = from;
    let mut found = Vec::new();
    while seen < end {
        match follower.next_commit_until(deadline) {
            Ok(Some(commit)) => {
                seen = commit.range().end.get();
                add(&mut found, &commit);
            }
            Ok(None) => {
                return Err(Failure::new(
                    "liveness",
                    format!("a follower saw only up to {seen} of {end}"),
                ));
            }
            Err(error) => return excuse_reader(ctx, &error).map(|()| is_usable_after),
        }
    }
    ctx.mark("followed");
    let read = Event::Read {
        found,
        from,
        acked_through: end,
        is_synced: true,
    };
    conclude_read(ctx, Ok(()), read)?;
    Ok(is_usable_after)
}

fn options(config: &Config) -> LogOptions {
    LogOptions::new()
        .create(true)
        .segment_bytes_max(config.segment_bytes_max)
        .buffer_bytes_max(config.buffer_bytes_max)
        .size_ahead_bytes(config.size_ahead_bytes)
        .spare_segments_max(config.spare_segments_max)
        .index_interval_bytes(config.index_interval_bytes)
}

/// Opens the log, reads everything, and lets the model judge. None if it can't be opened for an
/// excusable reason.
fn open(ctx: &Context) -> Result<Option<Log>, Failure> {
    let error = match open_once(ctx)? {
        Ok(log) => return Ok(Some(log)),
        Err(error) => error,
    };
    excuse(ctx, &error)?;
    // Liveness: once faults stop, it must open. Bytes that were damaged for good may prevent it.
    ctx.heal();
    match open_once(ctx)? {
        Ok(log) => Ok(Some(log)),
        Err(_) if ctx.promise() > Promise::Full => Ok(None),
        Err(error) => Err(Failure::new(
            "liveness",
            format!(
                "the faults have stopped, and it does not open: {}",
                chain(&error)
            ),
        )),
    }
}

fn open_once(ctx: &Context) -> Result<Result<Log, LogError>, Failure> {
    ctx.record(Event::OpenBegan {
        is_wide: has_struck(ctx, "garbage sector"),
    })?;
    let (log, report) = match Log::open(ctx.env(), Path::new(""), options(ctx.config())) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error)),
    };
    let mut found = Vec::new();
    let read = log
        .reader(report.oldest)
        .and_then(|mut reader| drain(&mut reader, &mut found));
    if let Err(error) = read {
        if bytes_dropped(&report) > 0 {
            ctx.record(Event::Dropped)?;
        }
        return Ok(Err(error));
    }
    mark(ctx, &report);
    ctx.record(Event::Opened(Opened {
        oldest: report.oldest.get(),
        next: report.next.get(),
        found,
        bytes_dropped: bytes_dropped(&report),
        promise: ctx.promise(),
    }))?;
    let (survived, lost) =
        ctx.model(|model| (model.survived_unacknowledged, model.lost_acknowledged));
    if survived {
        ctx.mark("unacknowledged commit survived");
    }
    if lost {
        ctx.mark("acknowledged commit lost below its level");
        if ctx.promise() > Promise::Full {
            ctx.mark("dropped bytes excused by damage");
        }
    }
    Ok(Ok(log))
}

fn bytes_dropped(report: &RecoveryReport) -> u64 {
    match &report.end {
        LogEnd::Tail(tail) => tail.bytes,
        _ => 0,
    }
}

fn mark(ctx: &Context, report: &RecoveryReport) {
    if report.created {
        ctx.mark("created");
    }
    if report.closed {
        ctx.mark("opened clean");
    }
    if bytes_dropped(report) > 0 {
        ctx.mark("opened with a torn tail");
    }
    if report.segments > 1 {
        ctx.mark("several segments at opening");
    }
    if !report.removed.is_empty() {
        ctx.mark("unfinished file removed at opening");
    }
}

/// Adds a commit's transactions.
fn add(found: &mut Vec<Found>, commit: &Commit<'_>) {
    let epoch = commit.epoch().get();
    found.extend(commit.transactions().map(|(offset, record)| Found {
        offset: offset.get(),
        epoch,
        token: payload::token(record),
    }));
}

/// Reads to the visible end.
fn drain(reader: &mut Reader, found: &mut Vec<Found>) -> Result<(), LogError> {
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Commit(commit) => add(found, &commit),
            Entry::Lost(range) => {
                return Err(LogError::Lost {
                    from: range.start,
                    to: range.end,
                });
            }
        }
    }
    Ok(())
}
