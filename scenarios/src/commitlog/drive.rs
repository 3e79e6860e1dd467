//! Puts the log through an era's operations and tells the model what happened.

use std::ops::Range;

use blackstart::commitlog::{Committed, Durability, Log, LogError, TxOffset};
use blackstart_sim::{Ctx, Failure, Step};

use super::CommitLog;
use super::archive::Desk;
use super::beside;
use super::ending::end;
use super::excuse::{excuse, goes_around, is_usable};
use super::held::Slots;
use super::history::Event;
use super::op::{Level, Op};
use super::opening::{open, open_keeping};
use super::owned::batch;
use super::payload;
use super::readers::{follow, history, is_told_of_others, peek, read, watch};
use super::sight::Moment;

/// A commit of so many records has runs of records that are equally long.
const RECORDS_MANY: u64 = 16;

pub(super) type Context = Ctx<CommitLog>;

/// One era.
pub(super) fn run(ctx: &Context) -> Result<(), Failure> {
    let desk = Desk::of(ctx);
    let Some(log) = open(ctx, &desk)? else {
        return Ok(());
    };
    let clients = ctx.clients();
    let log = match clients.as_slice() {
        [_] => client(ctx, &desk, log, 0)?,
        several => Some(together(ctx, &desk, log, several)?),
    };
    match log {
        Some(log) => end(ctx, &desk, log),
        None => Ok(()),
    }
}

/// Several clients on one log, each a task.
fn together(ctx: &Context, desk: &Desk, log: Log, clients: &[u32]) -> Result<Log, Failure> {
    ctx.mark("commits of several clients");
    let mut tasks = Vec::new();
    for &number in clients {
        let (task_ctx, task_desk, task_log) = (ctx.clone(), desk.clone(), log.clone());
        let body = move || {
            if let Err(failure) = client(&task_ctx, &task_desk, task_log, number) {
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
fn client(ctx: &Context, desk: &Desk, log: Log, number: u32) -> Result<Option<Log>, Failure> {
    let mut log = log;
    let mut slots = Slots::default();
    let is_alone = ctx.clients().len() == 1;
    for step in ctx.steps(number) {
        ctx.begin(step.id);
        let reopens = matches!(
            step.op,
            Op::Reopen | Op::Abandon | Op::Close | Op::Renew { .. }
        );
        if reopens && !is_alone {
            // Others use the log. No such step is drawn, but an edited case may have one.
            continue;
        }
        if matches!(step.op, Op::Close) && !may_leave(ctx, &log)? {
            continue;
        }
        let is_usable = perform(ctx, (desk, &log), &mut slots, step)?;
        if is_alone && (reopens || !is_usable) {
            if !reopens {
                ctx.record(Event::Abandoned)?;
            }
            slots.leave(ctx)?;
            drop(log);
            if slots.is_empty() {
                nothing_open(ctx)?;
            }
            let retain = match step.op {
                Op::Renew { back } => Some(begin_retaining(ctx, back)?),
                _ => None,
            };
            match open_keeping(ctx, desk, retain)? {
                Some(again) => log = again,
                None => return Ok(None),
            }
        }
    }
    slots.leave(ctx)?;
    Ok(Some(log))
}

/// Closes the log; false if that fails for lack of space, and the log goes on.
fn may_leave(ctx: &Context, log: &Log) -> Result<bool, Failure> {
    let error = match log.close() {
        Ok(()) => return Ok(true),
        Err(error) => error,
    };
    excuse(ctx, &error)?;
    if !is_usable(ctx, &error) {
        return Ok(true);
    }
    ctx.mark("went on after a close that failed");
    append(ctx, log, 1, 16, Level::Synced).map(|is_usable| !is_usable)
}

/// Retention at an opening begins.
fn begin_retaining(ctx: &Context, back: u32) -> Result<u64, Failure> {
    let offset = ctx.model(|model| model.end().saturating_sub(u64::from(back)));
    ctx.record(Event::RetainBegan { offset })?;
    Ok(offset)
}

/// A log that was dropped, with all its readers, holds no file and no lock.
fn nothing_open(ctx: &Context) -> Result<(), Failure> {
    let open = ctx.fs().open_files();
    if open.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        "no leaks",
        format!("the log was dropped, and files are open: {open:?}"),
    ))
}

/// Carries out one step; false if the log takes no more writes.
fn perform(
    ctx: &Context,
    (desk, log): (&Desk, &Log),
    slots: &mut Slots,
    step: &Step<Op>,
) -> Result<bool, Failure> {
    match step.op {
        Op::Append {
            records,
            bytes,
            level,
        } => append(ctx, log, records, bytes, level),
        Op::Sync => {
            let began = ctx.model(Moment::of);
            let done = log.sync();
            settle(ctx, done, |through| {
                let offset = ctx.model(|model| began.left(model, through.get()));
                ctx.record(Event::Through {
                    offset,
                    level: Level::Synced,
                })
            })
        }
        Op::Flush => {
            let (through, began) = ctx.model(|model| (model.end(), Moment::of(model)));
            let done = log.flush();
            settle(ctx, done, |()| {
                let offset = ctx.model(|model| began.left(model, through));
                ctx.record(Event::Through {
                    offset,
                    level: Level::Os,
                })
            })
        }
        Op::Rotate => settle(ctx, log.rotate(), |()| Ok(())),
        Op::Retain { back } => retain(ctx, desk, log, back),
        Op::Truncate { commits } => truncate(ctx, log, commits),
        Op::Reopen => close(ctx, log).map(|()| true),
        Op::Abandon => ctx.record(Event::Abandoned).map(|()| true),
        Op::Read { back } => read(ctx, log, back).map(|()| true),
        Op::Peek => peek(ctx, log).map(|()| true),
        Op::Follow => follow(ctx, log),
        Op::Watch => watch(ctx, log),
        Op::History { commits } => history(ctx, commits).map(|()| true),
        Op::Hold { slot, kind, back } => slots.hold(ctx, log, (slot, kind, back)).map(|()| true),
        Op::GoOn {
            slot,
            commits,
            looks,
        } => slots.go_on(ctx, slot, commits, looks).map(|()| true),
        Op::Drop { slot } => slots.drop(ctx, slot).map(|()| true),
        Op::Pin { slot, back } => slots.pin(ctx, log, slot, back).map(|()| true),
        Op::OpenAgain => beside::open_again(ctx).map(|()| true),
        Op::Verify => beside::verified(ctx).map(|()| true),
        Op::SyncThrough { back } => beside::sync_through(ctx, log, back),
        Op::Segments => beside::segments(ctx, log).map(|()| true),
        Op::Batch {
            commits,
            bytes,
            level,
            refused,
        } => batch(ctx, log, (commits, bytes, level, refused)),
        Op::Many { commits, bytes } => many(ctx, log, commits, bytes),
        Op::Close | Op::Renew { .. } => close(ctx, log).map(|()| true),
    }
}

/// What an operation's result means: its event, or an error that must be excusable. False if the
/// log takes no more writes.
pub(super) fn settle<T>(
    ctx: &Context,
    result: Result<T, LogError>,
    on_success: impl FnOnce(T) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    match result {
        Ok(value) => {
            goes_around(ctx);
            on_success(value).map(|()| true)
        }
        Err(error) => excuse(ctx, &error).map(|()| is_usable(ctx, &error)),
    }
}

pub(super) fn append(
    ctx: &Context,
    log: &Log,
    records: u32,
    bytes: u32,
    level: Level,
) -> Result<bool, Failure> {
    let tokens = ctx.model(|model| model.tokens(u64::from(records)));
    let odd = odd_one(&tokens);
    let commit: Vec<Vec<u8>> = tokens
        .clone()
        .map(|token| payload::record(token, bytes as usize + usize::from(odd == Some(token))))
        .collect();
    ctx.record(Event::Submitted {
        tokens: tokens.clone(),
    })?;
    let outcome = log.commit(&commit, durability(level));
    ctx.record(outcome_event(tokens, level, &outcome))?;
    match outcome {
        Ok(_) => {
            goes_around(ctx);
            Ok(true)
        }
        Err(error) => {
            excuse(ctx, &error)?;
            Ok(is_usable(ctx, &error))
        }
    }
}

/// Of a commit of many records one is a byte longer than the others.
fn odd_one(tokens: &Range<u64>) -> Option<u64> {
    let count = tokens.end - tokens.start;
    (count >= RECORDS_MANY).then(|| tokens.start + tokens.start.wrapping_mul(7) % count)
}

/// Appends many small commits; false if the log takes no more writes.
fn many(ctx: &Context, log: &Log, commits: u32, bytes: u32) -> Result<bool, Failure> {
    for _ in 0..commits {
        if !append(ctx, log, 1, bytes, Level::Buffered)? {
            return Ok(false);
        }
    }
    ctx.mark("appended many commits");
    Ok(true)
}

/// What a commit's outcome is to the model.
pub(super) fn outcome_event(
    tokens: Range<u64>,
    level: Level,
    outcome: &Result<Committed, LogError>,
) -> Event {
    match outcome {
        Ok(done) => Event::Acked {
            tokens,
            first: done.first.get(),
            epoch: done.epoch.get(),
            level,
        },
        Err(
            LogError::NoSpace { .. }
            | LogError::CommitTooLarge { .. }
            | LogError::EmptyCommit
            | LogError::Refused { .. }
            | LogError::Closed,
        ) => Event::Refused { tokens },
        Err(_) => Event::Failed { tokens },
    }
}

pub(super) const fn durability(level: Level) -> Durability {
    match level {
        Level::Buffered => Durability::Buffered,
        Level::Os => Durability::Os,
        Level::Synced => Durability::Synced,
    }
}

fn retain(ctx: &Context, desk: &Desk, log: &Log, back: u32) -> Result<bool, Failure> {
    let offset = ctx.model(|model| model.end().saturating_sub(u64::from(back)));
    ctx.record(Event::RetainBegan { offset })?;
    let before = ctx.model(|model| model.oldest);
    let retained = |oldest: TxOffset| {
        if oldest.get() > before {
            ctx.mark("retired a segment");
        }
        ctx.record(Event::Retained {
            oldest: oldest.get(),
        })
    };
    let result = desk.lend(ctx, log, || log.retain_from(TxOffset::new(offset)));
    if matches!(result, Err(LogError::Archive { .. })) {
        // What the hook took before it refused is gone.
        retained(log.oldest())?;
    }
    if let Err(LogError::Io { file, .. } | LogError::NoSpace { file, .. }) = &result
        && file.ends_with(".log")
    {
        // One that cannot be removed is no part of the log all the same.
        let message = format!("{file} keeps history from being retired");
        return Err(Failure::new("retention", message));
    }
    settle(ctx, result, retained)
}

/// Cuts the last commits off, perhaps beside other clients: what they were told of the history that
/// is cut is known by its epoch.
fn truncate(ctx: &Context, log: &Log, commits: u32) -> Result<bool, Failure> {
    if ctx.model(|model| model.is_cutting) {
        // One at a time: of two that race, the model would not know which came first.
        return Ok(true);
    }
    let is_alone = ctx.clients().len() == 1;
    let offset = ctx.model(|model| model.boundary_back(commits));
    let epoch = log.epoch().get();
    ctx.record(Event::TruncateBegan { offset, epoch })?;
    let is_at_end = log.visible_through().get() == offset;
    match log.truncate_to(TxOffset::new(offset)) {
        Ok(()) => {
            goes_around(ctx);
            if log.epoch().get() == epoch {
                // There was nothing behind it.
                ctx.record(Event::TruncateRefused)?;
                return Ok(true);
            }
            ctx.mark("truncated history");
            if !is_alone && !is_at_end {
                ctx.mark("truncated beside other clients");
            }
            ctx.record(Event::Truncated { offset })?;
            // That the cut is in its place is seen by what stands before it.
            read(ctx, log, 1)?;
            Ok(true)
        }
        // Others have retired or appended what is there.
        Err(error) if !is_alone && is_told_of_others(&error) => {
            ctx.record(Event::TruncateRefused)?;
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

pub(super) fn close(ctx: &Context, log: &Log) -> Result<(), Failure> {
    match log.close() {
        Ok(()) => {
            goes_around(ctx);
            // A superblock that cannot be written is no reason not to close; and none is written if
            // the log was found closed, and nothing was appended.
            let stats = log.stats();
            let is_marked = stats.bytes_written > 0;
            let on_record = stats.superblock_failures == 0 && is_marked;
            ctx.record(Event::Closed {
                on_record,
                is_marked,
            })
        }
        Err(error) => {
            excuse(ctx, &error)?;
            ctx.record(Event::Abandoned)
        }
    }
}
