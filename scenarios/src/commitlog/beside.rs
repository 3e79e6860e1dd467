//! What is asked of a log besides commits and reads: whether another may open it, whether it is
//! whole, which segments it has, and that history is kept.
//!
//! Not here: readers (`readers`, `held`).

use std::io;

use blackstart::commitlog::{Log, LogError, Pin, SegmentInfo, TxOffset, verify};
use blackstart_sim::disk::Told;
use blackstart_sim::{Failure, Promise};

use super::archive::Desk;
use super::drive::{Context, settle};
use super::excuse::{excuse, excuse_reader, may_be_altered};
use super::held::changes_nothing;
use super::history::Event;
use super::op::Level;
use super::opening::{dir, options, writer_options};
use super::readers::still_cached;
use super::sight::Moment;

/// Another opening of a log that is open is refused, and changes nothing.
pub(super) fn open_again(ctx: &Context) -> Result<(), Failure> {
    if may_be_altered(ctx) {
        // Another directory may be in its place, and is free.
        return Ok(());
    }
    let effects = ctx.fs().trace_len();
    let opened = Log::open(ctx.env(), dir(ctx), writer_options(ctx, &Desk::of(ctx))).map(|_| ());
    if may_be_altered(ctx) {
        return Ok(());
    }
    changes_nothing(ctx, effects, true)?;
    match opened {
        Err(LogError::Locked { .. }) => {
            ctx.mark("a second opening was refused");
            Ok(())
        }
        Err(error) => excuse(ctx, &error),
        Ok(()) => Err(Failure::new(
            "one writer",
            "a log that is open was opened once more",
        )),
    }
}

/// A log that is open verifies, and reaches as far as it must; nothing is changed.
pub(super) fn verified(ctx: &Context) -> Result<(), Failure> {
    let (least, began) = ctx.model(|model| (model.os_through, Moment::of(model)));
    let effects = ctx.fs().trace_len();
    let outcome = verify(ctx.env(), dir(ctx), &options(ctx));
    changes_nothing(ctx, effects, true)?;
    let verification = match outcome {
        Ok(verification) => verification,
        Err(error) => return excuse_reader(ctx, &error),
    };
    if let Some(problem) = verification.problem() {
        return excuse_reader(ctx, problem);
    }
    let (least, next) = match &verification.opening {
        Ok(report) => {
            let least = ctx.model(|model| began.left(model, least));
            (still_cached(ctx, least), report.next.get())
        }
        Err(error) => return excuse_reader(ctx, error),
    };
    let is_raced = ctx.model(|model| began.is_raced(model)) && ctx.clients().len() > 1;
    if next < least && !is_unsure(ctx) && !is_raced {
        let message = format!("it verifies with its end at {next}, and must reach {least}");
        return Err(Failure::new("reads", message));
    }
    ctx.mark("verified beside the writer");
    ctx.verified();
    Ok(())
}

/// Makes durable what is `back` transactions before the end.
pub(super) fn sync_through(ctx: &Context, log: &Log, back: u32) -> Result<bool, Failure> {
    let (end, began) = ctx.model(|model| (model.end(), Moment::of(model)));
    let asked = end.saturating_sub(u64::from(back));
    settle(ctx, log.sync_through(TxOffset::new(asked)), |through| {
        let offset = through.get();
        if offset < ctx.model(|model| began.left(model, asked)) {
            let message = format!("asked for all below {asked}, it is durable below {offset}");
            return Err(Failure::new("durable prefix", message));
        }
        let offset = ctx.model(|model| began.left(model, offset));
        let level = Level::Synced;
        ctx.record(Event::Through { offset, level })
    })
}

/// The segments follow one another, from the oldest transaction to the durable end.
pub(super) fn segments(ctx: &Context, log: &Log) -> Result<(), Failure> {
    let began = ctx.model(Moment::of);
    let (oldest, segments) = (log.oldest(), log.segments());
    let durable = log.durable_through();
    let wrong = |message: String| Err(Failure::new("segments", message));
    let mut at = oldest;
    for (number, segment) in segments.iter().enumerate() {
        if segment.range.start != at || segment.range.end < segment.range.start {
            return wrong(format!("{segment:?} follows what ends at {at}"));
        }
        let is_last = number + 1 == segments.len();
        if segment.is_full == is_last {
            return wrong(format!(
                "{segment:?} is number {number} of {}",
                segments.len()
            ));
        }
        at = segment.range.end;
        is_there(ctx, segment)?;
    }
    if at != durable {
        return wrong(format!(
            "they end at {at}, and all below {durable} is durable"
        ));
    }
    let least = ctx.model(|model| model.synced_through.min(model.end()));
    let is_raced = ctx.model(|model| began.is_raced(model));
    if durable.get() < least && !is_raced && ctx.promise() != Promise::PrefixOnly {
        return wrong(format!(
            "they end at {at}, and all below {least} was synced"
        ));
    }
    Ok(())
}

/// Whoever copies the segment's file finds it; other clients may retire it meanwhile.
fn is_there(ctx: &Context, segment: &SegmentInfo) -> Result<(), Failure> {
    if ctx.clients().len() > 1 || ctx.faults_struck() > 0 || ctx.promise() == Promise::PrefixOnly {
        return Ok(());
    }
    let message = match ctx.env().fs().metadata(&segment.path) {
        Ok(metadata) if metadata.len >= segment.bytes => return Ok(()),
        Ok(metadata) => format!("{segment:?} has {} bytes", metadata.len),
        Err(error) if is_told(ctx, segment, &error) => return Ok(()),
        Err(error) => format!("{segment:?}: {error}"),
    };
    Err(Failure::new("segments", message))
}

/// Whether a fault explains that a segment's file can't be looked at.
fn is_told(ctx: &Context, segment: &SegmentInfo, error: &io::Error) -> bool {
    let told = Told::Errno(error.raw_os_error().unwrap_or(0));
    !ctx.reported(&segment.path.to_string_lossy(), &told)
        .is_empty()
}

/// Keeps history from `back` transactions before the end on.
pub(super) fn pin(ctx: &Context, log: &Log, back: u32) -> Result<Option<Pin>, Failure> {
    let from = ctx.model(|model| {
        let from = model.end().saturating_sub(u64::from(back));
        from.max(model.oldest)
    });
    match log.pin(TxOffset::new(from)) {
        Ok(pin) => {
            // Another pin comes and goes; this one stays.
            drop(log.pin(log.visible_through()));
            ctx.record(Event::Pinned { from })?;
            ctx.mark("pinned");
            Ok(Some(pin))
        }
        Err(error) => excuse_reader(ctx, &error).map(|()| None),
    }
}

/// Lets go of history that was kept.
pub(super) fn unpin(ctx: &Context, pin: Pin) -> Result<(), Failure> {
    let from = pin.from().get();
    drop(pin);
    ctx.record(Event::Unpinned { from })
}

fn is_unsure(ctx: &Context) -> bool {
    let was_taken_back = ctx.has_struck("fsync: revert to old");
    was_taken_back || ctx.promise() == Promise::PrefixOnly || may_be_altered(ctx)
}
