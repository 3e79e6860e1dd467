//! Readers beside the writer: what they show is judged as any answer is.

use std::ops::Range;
use std::time::Duration;

use blackstart::commitlog::{
    Commit, Entry, Log, LogError, ReadOnlyLog, ReadScope, Reader, TxOffset,
};
use blackstart_sim::{Failure, Promise};

use super::drive::{Context, append};
use super::excuse::{excuse_reader, is_usable};
use super::held::{changes_nothing, is_unsure};
use super::history::{Event, Found};
use super::op::Level;
use super::opening::{dir, options};
use super::payload;
use super::sight::Moment;

/// How long a follower waits, in virtual time, for what is there already.
const FOLLOW_WAIT: Duration = Duration::from_secs(5);

/// A reader sees everything that was acknowledged before it began; one that asks for what is
/// durable sees all that is, and nothing else.
pub(super) fn read(ctx: &Context, log: &Log, back: u32) -> Result<(), Failure> {
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
        let began = ctx.model(Moment::of);
        let mut found = Vec::new();
        let outcome = log
            .reader_of(TxOffset::new(from), scope)
            .and_then(|mut reader| drain(&mut reader, &mut found));
        conclude_read(
            ctx,
            began,
            outcome,
            Event::Read {
                found,
                from,
                acked_through,
                is_synced,
                promise: ctx.promise(),
            },
        )?;
    }
    Ok(())
}

/// Another process looks at the log while it is open: it sees what the operating system has.
pub(super) fn peek(ctx: &Context, log: &Log) -> Result<(), Failure> {
    let (from, acked_through) = ctx.model(|model| (model.oldest, model.os_through));
    let mut found = Vec::new();
    let mut oldest = from;
    let mut known = TxOffset::ZERO;
    let began = ctx.model(Moment::of);
    let effects = ctx.fs().trace_len();
    let outcome = ReadOnlyLog::open(ctx.env(), dir(ctx), options(ctx))
        .and_then(|(log, report)| {
            // Others may have retired history since.
            oldest = log.oldest().get();
            known = report.known_durable_through;
            log.reader(log.oldest())
        })
        .and_then(|mut reader| drain(&mut reader, &mut found));
    changes_nothing(ctx, effects, true)?;
    let durable = log.durable_through();
    if known > durable && !is_unsure(ctx) && !ctx.model(|model| began.is_raced(model)) {
        let message = format!("all below {known} is said to be durable, and is below {durable}");
        return Err(Failure::new("durable prefix", message));
    }
    let from = from.max(oldest);
    let acked_through = still_cached(ctx, acked_through);
    conclude_read(
        ctx,
        began,
        outcome,
        Event::Read {
            found,
            from,
            acked_through,
            is_synced: false,
            promise: ctx.promise(),
        },
    )
}

/// What the operating system still has of what it had when a look began: another client's sync may
/// have failed meanwhile and taken back what was not durable.
pub(super) fn still_cached(ctx: &Context, acked_through: u64) -> u64 {
    if ctx.has_struck("fsync: revert to old") {
        acked_through.min(ctx.model(|model| model.synced_through))
    } else {
        acked_through
    }
}

fn conclude_read(
    ctx: &Context,
    began: Moment,
    outcome: Result<(), LogError>,
    read: Event,
) -> Result<(), Failure> {
    if ctx.model(|model| began.is_raced(model)) && ctx.clients().len() > 1 {
        return conclude_raced(ctx, outcome, read);
    }
    match outcome {
        Ok(()) => {
            ctx.record(read)?;
            ctx.verified();
            Ok(())
        }
        Err(error) => excuse_reader(ctx, &error),
    }
}

/// A cut by another client raced with it: what was read was once there.
fn conclude_raced(
    ctx: &Context,
    outcome: Result<(), LogError>,
    read: Event,
) -> Result<(), Failure> {
    match (outcome, read) {
        (Ok(()), Event::Read { found, .. }) => {
            ctx.record(Event::Glimpsed { found })?;
            ctx.verified();
            Ok(())
        }
        (Err(error), _) if !is_told_of_others(&error) => excuse_reader(ctx, &error),
        _ => {
            ctx.verified();
            Ok(())
        }
    }
}

/// Whether an error says that what was asked for is gone.
pub(super) const fn is_told_of_others(error: &LogError) -> bool {
    matches!(
        error,
        LogError::Truncated { .. }
            | LogError::HistoryGone { .. }
            | LogError::BeyondEnd { .. }
            | LogError::NotACommitBoundary { .. }
    )
}

/// A log that is open for reading and looks again sees what was synced since.
pub(super) fn watch(ctx: &Context, log: &Log) -> Result<bool, Failure> {
    let from = ctx.model(|model| model.os_through.max(model.oldest));
    let began = ctx.model(Moment::of);
    let opened = ReadOnlyLog::open(ctx.env(), dir(ctx), options(ctx));
    let is_usable_after = append(ctx, log, 1, 16, Level::Synced)?;
    let acked_through = ctx.model(|model| model.synced_through);
    let mut found = Vec::new();
    let outcome = opened
        .and_then(|(log, _)| log.refresh().map(|_| log))
        .and_then(|log| log.reader(TxOffset::new(from)))
        .and_then(|mut reader| drain(&mut reader, &mut found));
    ctx.mark("looked again");
    conclude_read(
        ctx,
        began,
        outcome,
        Event::Read {
            found,
            from,
            acked_through,
            is_synced: false,
            promise: ctx.promise(),
        },
    )?;
    Ok(is_usable_after)
}

/// An earlier end of the history is shown exactly, and one inside a commit is refused.
pub(super) fn history(ctx: &Context, commits: u32) -> Result<(), Failure> {
    if ctx.clients().len() > 1 {
        // Others may retire what is asked for.
        return Ok(());
    }
    let began = ctx.model(Moment::of);
    let (from, end, inside) = ctx.model(|model| {
        let end = model.boundary_before(model.os_through, commits);
        (
            model.oldest,
            end.max(model.oldest),
            model.inside_before(end),
        )
    });
    let old_log = |end: u64| {
        let options = options(ctx).history_end(TxOffset::new(end));
        ReadOnlyLog::open(ctx.env(), dir(ctx), options)
    };
    let mut found = Vec::new();
    let outcome = old_log(end)
        .and_then(|(log, _)| log.reader(TxOffset::new(from)))
        .and_then(|mut reader| drain(&mut reader, &mut found));
    let shown = found.last().map_or(from, |item| item.offset + 1);
    if outcome.is_ok() && shown > end {
        return Err(Failure::new(
            "old history",
            format!("the history was to end at {end}, and was shown up to {shown}"),
        ));
    }
    ctx.mark("read old history");
    conclude_read(
        ctx,
        began,
        outcome,
        Event::Read {
            found,
            from,
            acked_through: end,
            is_synced: false,
            promise: ctx.promise(),
        },
    )?;
    let Some(inside) = inside else { return Ok(()) };
    match old_log(inside) {
        Err(LogError::NotACommitBoundary { asked, .. }) if asked.get() == inside => {
            ctx.mark("history inside a commit refused");
            ctx.verified();
            Ok(())
        }
        Err(error) => excuse_reader(ctx, &error),
        Ok(_) if ctx.promise() == Promise::PrefixOnly => Ok(()),
        Ok(_) => Err(Failure::new(
            "old history",
            format!("the history was shown up to {inside}, inside a commit"),
        )),
    }
}

/// A follower gets what is appended behind its back.
pub(super) fn follow(ctx: &Context, log: &Log) -> Result<bool, Failure> {
    let (from, began) = ctx.model(|model| (model.end(), Moment::of(model)));
    let is_raced = || ctx.clients().len() > 1 && ctx.model(|model| began.is_raced(model));
    let mut follower = match log.follow(TxOffset::new(from), ReadScope::Synced) {
        Ok(follower) => follower,
        Err(error) if is_told_of_others(&error) && is_raced() => return Ok(true),
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
            Ok(None) if is_raced() => break,
            Err(error) if is_told_of_others(&error) && is_raced() => break,
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
        promise: ctx.promise(),
    };
    conclude_read(ctx, began, Ok(()), read)?;
    Ok(is_usable_after)
}

/// Adds a commit's transactions.
pub(super) fn add(found: &mut Vec<Found>, commit: &Commit<'_>) {
    let epoch = commit.epoch().get();
    found.extend(commit.transactions().map(|(offset, record)| Found {
        offset: offset.get(),
        epoch,
        token: payload::token(record),
    }));
}

/// Reads to the visible end.
pub(super) fn drain(reader: &mut Reader, found: &mut Vec<Found>) -> Result<(), LogError> {
    drain_to(reader, TxOffset::new(u64::MAX), found)
}

/// Reads to the visible end, over what a salvage has lost.
pub(super) fn drain_around(
    reader: &mut Reader,
    found: &mut Vec<Found>,
    lost: &mut Vec<Range<u64>>,
) -> Result<(), LogError> {
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Commit(commit) => add(found, &commit),
            Entry::Lost(range) => lost.push(range.start.get()..range.end.get()),
        }
    }
    Ok(())
}

/// Reads to the commit that ends at `end` or behind it, or to the visible end.
pub(super) fn drain_to(
    reader: &mut Reader,
    end: TxOffset,
    found: &mut Vec<Found>,
) -> Result<(), LogError> {
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Commit(commit) => {
                add(found, &commit);
                if commit.range().end >= end {
                    return Ok(());
                }
            }
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
