//! Readers, followers and read-only views that a client keeps over several operations.
//!
//! What is kept outlives cuts, rotations, retirements, and the log that it was made from. Each time
//! it goes on it is judged (`sight`): it shows what was visible at its last look or is visible now,
//! goes on where it stopped, is told of a cut below its position, and never calls a healthy log
//! damaged.
//!
//! Not here: readers that live within one operation (`readers`).

use std::collections::BTreeMap;
use std::time::Duration;

use blackstart::commitlog::{
    Entry, Follower, Log, LogError, Pin, ReadOnlyLog, ReadScope, Reader, TxOffset,
};
use blackstart_sim::disk::Told;
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Failure, Promise};

use super::Model;
use super::beside;
use super::drive::Context;
use super::excuse::{excuse_reader, may_be_altered};
use super::history::{Event, Found};
use super::op::Kept;
use super::opening::{dir, options};
use super::readers::{add, is_told_of_others, still_cached};
use super::sight::{Moment, Sight, goes_on, is_gone, may_be_inside};

/// How long a follower waits, in virtual time, for more.
const WAIT: Duration = Duration::from_secs(3);
/// How often a follower of a read-only view looks, in virtual time.
const INTERVAL: Duration = Duration::from_secs(1);

/// What reads.
enum What {
    Reader(Reader),
    Follower(Follower),
}

/// Something that is kept.
pub(super) struct Held {
    kind: Kept,
    what: What,
    /// The log that is open read-only.
    view: Option<ReadOnlyLog>,
    /// The end of the history that was asked for.
    end: Option<u64>,
    /// What was to be seen at its last look.
    then: Sight,
    /// When it began what it does now.
    began: Moment,
    /// The last transaction that it showed.
    before: Option<Found>,
    /// The log that it was made from is no longer open.
    is_stale: bool,
    /// A cut raced with what it did last: it may have looked at any time since.
    is_look_unknown: bool,
}

/// What a client keeps, by slot.
#[derive(Default)]
pub(super) struct Slots {
    held: BTreeMap<u32, Held>,
    pins: BTreeMap<u32, Pin>,
}

impl Slots {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Lets what is in a slot go.
    pub fn drop(&mut self, ctx: &Context, slot: u32) -> Result<(), Failure> {
        self.held.remove(&slot);
        match self.pins.remove(&slot) {
            Some(pin) => beside::unpin(ctx, pin),
            None => Ok(()),
        }
    }

    /// Pins history, and keeps the pin.
    pub fn pin(&mut self, ctx: &Context, log: &Log, slot: u32, back: u32) -> Result<(), Failure> {
        self.drop(ctx, slot)?;
        if let Some(pin) = beside::pin(ctx, log, back)? {
            self.pins.insert(slot, pin);
        }
        Ok(())
    }

    /// Begins to read, and keeps what reads.
    pub fn hold(
        &mut self,
        ctx: &Context,
        log: &Log,
        (slot, kind, back): (u32, Kept, u32),
    ) -> Result<(), Failure> {
        self.held.remove(&slot);
        let effects = ctx.fs().trace_len();
        let began = ctx.model(Moment::of);
        let begin = Begin::of(ctx, kind, back);
        let opened = begin.open(ctx, log);
        changes_nothing(ctx, effects, begin.is_view())?;
        match opened {
            Ok((what, view)) => {
                let then = ctx.model(|model| Sight::of(model, begin.through));
                let then = then.of_look(began);
                let held = Held {
                    kind,
                    what,
                    view,
                    end: begin.end,
                    then,
                    began,
                    before: None,
                    is_stale: false,
                    is_look_unknown: is_raced(ctx, began),
                };
                self.held.insert(slot, held);
                ctx.verified();
                Ok(())
            }
            Err(error) if is_told_of_others(&error) && is_raced(ctx, began) => {
                ctx.verified();
                Ok(())
            }
            Err(error) => excuse_reader(ctx, &error),
        }
    }

    /// Goes on with what is in a slot.
    pub fn go_on(
        &mut self,
        ctx: &Context,
        slot: u32,
        commits: u32,
        looks: bool,
    ) -> Result<(), Failure> {
        let Some(mut held) = self.held.remove(&slot) else {
            return Ok(());
        };
        let effects = ctx.fs().trace_len();
        let is_kept = held.go_on(ctx, commits, looks)?;
        changes_nothing(ctx, effects, true)?;
        if is_kept {
            ctx.mark("a kept reader went on");
            self.held.insert(slot, held);
        }
        Ok(())
    }

    /// The writer's log is about to be dropped.
    pub fn leave(&mut self, ctx: &Context) -> Result<(), Failure> {
        // A pin holds the log, and with it the lock.
        while let Some((_, pin)) = self.pins.pop_first() {
            beside::unpin(ctx, pin)?;
        }
        for held in self.held.values_mut() {
            if held.view.is_none() && !held.is_stale {
                held.is_stale = true;
                let last = ctx.model(|model| Sight::of(model, held.kind.reach(model)));
                held.then = last.not_told_since(&held.then);
            }
        }
        Ok(())
    }
}

/// Reading makes no call that changes anything; that of several clients can't be told apart.
pub(super) fn changes_nothing(
    ctx: &Context,
    effects: usize,
    is_alone: bool,
) -> Result<(), Failure> {
    let after = ctx.fs().trace_len();
    if !is_alone || after == effects || ctx.clients().len() > 1 || may_be_altered(ctx) {
        return Ok(());
    }
    Err(Failure::new(
        "reading never writes",
        format!("{} changes were made by reading", after - effects),
    ))
}

impl Kept {
    /// Everything below this has to be visible to it.
    fn reach(self, model: &Model) -> u64 {
        let through = match self {
            Self::Reader => model.end(),
            Self::SyncedReader | Self::Follower => model.synced_through,
            Self::View | Self::OldView | Self::ViewFollower => model.os_through,
        };
        // A cut that has begun, or has failed, may be seen.
        through.min(model.truncate.unwrap_or(u64::MAX))
    }
}

/// Where something begins to read.
struct Begin {
    kind: Kept,
    from: u64,
    end: Option<u64>,
    through: u64,
}

impl Begin {
    fn of(ctx: &Context, kind: Kept, back: u32) -> Self {
        ctx.model(|model| {
            let through = kind.reach(model);
            let last = match kind {
                Kept::SyncedReader | Kept::Follower => model.end(),
                _ => through,
            };
            let from = last.saturating_sub(u64::from(back)).max(model.oldest);
            let end = model.boundary_before(through, back).max(model.oldest);
            let is_old = kind == Kept::OldView;
            Self {
                kind,
                from: if is_old { model.oldest } else { from },
                end: is_old.then_some(end),
                through,
            }
        })
    }

    const fn is_view(&self) -> bool {
        matches!(self.kind, Kept::View | Kept::OldView | Kept::ViewFollower)
    }

    fn open(&self, ctx: &Context, log: &Log) -> Result<(What, Option<ReadOnlyLog>), LogError> {
        let from = TxOffset::new(self.from);
        let view = || {
            let mut options = options(ctx);
            if let Some(end) = self.end {
                options = options.history_end(TxOffset::new(end));
            }
            ReadOnlyLog::open(ctx.env(), dir(ctx), options).map(|(view, _)| view)
        };
        Ok(match self.kind {
            Kept::Reader => (What::Reader(log.reader(from)?), None),
            Kept::SyncedReader => {
                let reader = log.reader_of(from, ReadScope::Synced)?;
                (What::Reader(reader), None)
            }
            Kept::Follower => {
                let follower = log.follow(from, ReadScope::Synced)?;
                (What::Follower(follower), None)
            }
            Kept::View | Kept::OldView => {
                let view = view()?;
                (What::Reader(view.reader(from)?), Some(view))
            }
            Kept::ViewFollower => {
                let view = view()?;
                (What::Follower(view.follow(from, INTERVAL)?), Some(view))
            }
        })
    }
}

impl What {
    fn position(&self) -> u64 {
        match self {
            Self::Reader(reader) => reader.position().get(),
            Self::Follower(follower) => follower.position().get(),
        }
    }

    /// Reads up to so many commits, or to the end of what is visible. Whether it came to the end.
    fn take(
        &mut self,
        ctx: &Context,
        commits: u32,
        found: &mut Vec<Found>,
    ) -> Result<bool, LogError> {
        let deadline = ctx.env().clock().monotonic() + WAIT;
        for _ in 0..commits {
            let commit = match self {
                Self::Follower(follower) => follower.next_commit_until(deadline)?,
                Self::Reader(reader) => match reader.next_entry()? {
                    Some(Entry::Commit(commit)) => Some(commit),
                    Some(Entry::Lost(range)) => {
                        return Err(LogError::Lost {
                            from: range.start,
                            to: range.end,
                        });
                    }
                    None => None,
                },
            };
            match commit {
                Some(commit) => add(found, &commit),
                None => return Ok(true),
            }
        }
        Ok(false)
    }
}

impl Held {
    /// Goes on; false if it is of no more use.
    fn go_on(&mut self, ctx: &Context, commits: u32, looks: bool) -> Result<bool, Failure> {
        let through = ctx.model(|model| self.kind.reach(model));
        self.began = ctx.model(Moment::of);
        let is_fresh = match &self.view {
            None => !self.is_stale,
            Some(view) if looks => match view.refresh() {
                Ok(_) => true,
                Err(error) => return self.refused(ctx, &error).map(|()| false),
            },
            Some(_) => false,
        };
        let from = self.what.position();
        let mut found = Vec::new();
        let taken = self.what.take(ctx, commits, &mut found);
        match taken {
            Ok(is_all) => {
                self.judge(ctx, from, found, is_all, is_fresh.then_some(through))?;
                ctx.verified();
                Ok(true)
            }
            Err(error) => self.refused(ctx, &error).map(|()| false),
        }
    }

    /// Judges what was shown. `through`: it has looked at the log as it is now, and everything
    /// below has to be visible.
    fn judge(
        &mut self,
        ctx: &Context,
        from: u64,
        found: Vec<Found>,
        is_all: bool,
        through: Option<u64>,
    ) -> Result<(), Failure> {
        goes_on(self.before, &found)?;
        let end = self.what.position();
        let limit = self.end.unwrap_or(u64::MAX);
        if end > limit {
            let message = format!("the history was to end at {limit}, and was shown up to {end}");
            return Err(Failure::new("old history", message));
        }
        let last = found.last().copied().or(self.before);
        let now = through.unwrap_or(self.then.through);
        let now = ctx.model(|model| Sight::of(model, now));
        let reach = match self.is_stale {
            true => self.then.through,
            // It may have looked again on its own account, and found a shorter history.
            false => ctx.model(|model| self.kind.reach(model)),
        };
        let least = through.unwrap_or(self.then.through.min(reach));
        let least = still_cached(ctx, least).min(limit);
        let acked_through = if is_all { least } else { end.min(least) };
        let is_raced = is_raced(ctx, self.began);
        let is_unknown = self.is_look_unknown && through.is_none();
        self.is_look_unknown = is_raced || is_unknown;
        if is_unsure(ctx) || self.is_look_unknown {
            ctx.record(Event::Glimpsed { found })?;
        } else if through.is_some() {
            self.still_there(ctx, from)?;
            ctx.record(Event::Read {
                found,
                from,
                acked_through: acked_through.max(from.min(least)),
                is_synced: matches!(self.kind, Kept::SyncedReader | Kept::Follower),
                promise: ctx.promise(),
            })?;
        } else {
            self.then.judge(&now, self.before, &found)?;
            if is_all && end < least {
                let message = format!("all below {least} was visible, and it ends at {end}");
                return Err(Failure::new("reads", message));
            }
            ctx.record(Event::Glimpsed { found })?;
        }
        if self.is_stale {
            ctx.mark("a kept reader outlived its log");
        }
        self.before = last;
        match through {
            Some(_) => self.then = now.of_look(self.began),
            None => self.then.through = self.then.through.min(reach),
        }
        Ok(())
    }

    /// Who has looked at the log as it is now was told if what it has shown is gone.
    fn still_there(&self, ctx: &Context, from: u64) -> Result<(), Failure> {
        let cut = ctx.model(|model| self.then.cut_since(model, true));
        let is_there = match &self.before {
            Some(shown) => !ctx.model(|model| is_gone(model, shown)),
            // Where it stands it has stood since it began.
            None => cut.is_none_or(|cut| cut >= from),
        };
        if is_there {
            return Ok(());
        }
        let message = format!(
            "the history was cut below {from} ({cut:?}), and a kept reader goes on: it showed {:?}",
            self.before
        );
        Err(Failure::new("reads", message))
    }

    /// It answered with an error, and is of no more use.
    fn refused(&self, ctx: &Context, error: &LogError) -> Result<(), Failure> {
        if (is_unsure(ctx) || is_raced(ctx, self.began)) && is_told_of_others(error) {
            ctx.verified();
            return Ok(());
        }
        let is_right = match error {
            LogError::Truncated { position, .. } => {
                ctx.mark("a kept reader was told of a cut");
                self.was_cut(ctx, position.get())
            }
            LogError::HistoryGone { asked, .. } => {
                ctx.mark("a kept reader was told of a retirement");
                let below = ctx.model(|model| model.oldest.max(model.retain.unwrap_or(0)));
                asked.get() < below
            }
            LogError::NotACommitBoundary { asked, .. } => {
                let is_it = self.end == Some(asked.get());
                is_it && ctx.model(|model| may_be_inside(model, asked.get()))
            }
            LogError::Closed => self.is_stale,
            LogError::Corrupt { corrupt, .. } => {
                // It may have read the bytes in an earlier operation.
                let told = Told::Bytes(corrupt.defect.at.get().saturating_sub(128)..u64::MAX);
                !ctx.recalled(&corrupt.file, &told).is_empty()
            }
            _ => false,
        };
        if is_right {
            ctx.verified();
            return Ok(());
        }
        if matches!(error, LogError::Truncated { .. }) {
            let message = format!(
                "no cut explains: {} ({:?})",
                with_causes(error),
                self.before
            );
            return Err(Failure::new("reads", message));
        }
        excuse_reader(ctx, error)
    }

    /// Whether a cut below the position may have happened.
    fn was_cut(&self, ctx: &Context, position: u64) -> bool {
        ctx.model(|model| {
            let cut = self.then.cut_since(model, false);
            let is_gone = self.before.is_some_and(|shown| is_gone(model, &shown));
            is_gone || cut.is_some_and(|cut| cut < position)
        })
    }
}

/// Whether the disk, or others, have done what the model knows nothing of: a disk that lied, files
/// that were altered, a sync that took back what was seen.
pub(super) fn is_unsure(ctx: &Context) -> bool {
    ctx.promise() == Promise::PrefixOnly
        || may_be_altered(ctx)
        || ctx.has_struck("fsync: revert to old")
}

/// Whether a cut by another client raced with what began then.
fn is_raced(ctx: &Context, began: Moment) -> bool {
    ctx.clients().len() > 1 && ctx.model(|model| began.is_raced(model))
}
