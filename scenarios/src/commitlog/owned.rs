//! Commits that have an owner, several at once: one of them may be refused by its owner.
//!
//! | told to an owner | right if |
//! |---|---|
//! | its place | once, before anything else |
//! | that it is applied | at its place, once, in log order, not if it refused; from then on it is as durable as its level says |
//! | that it failed | at its place, and nothing after; never a commit that was acknowledged |
//!
//! Of a commit that was placed its owner hears again, unless it refused it. What a client hands in
//! first stands first.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blackstart::commitlog::{CommitOwner, Committed, Log, LogError, Refusal, TxOffset};
use blackstart_sim::Failure;

use super::drive::{Context, durability, outcome_event};
use super::excuse::{excuse, goes_around, is_usable};
use super::history::{Event, Told};
use super::op::Level;
use super::payload;

/// What owners were told of commits that are not settled, by their first token.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    told: BTreeMap<u64, Vec<Told>>,
    /// The offset of the last commit that was applied.
    applied: Option<u64>,
}

impl Owners {
    /// An owner is told something.
    pub fn tell(&mut self, token: u64, told: Told) -> Result<(), Failure> {
        self.told.entry(token).or_default().push(told);
        let Told::Applied { first, .. } = told else {
            return Ok(());
        };
        let before = self.applied.replace(first);
        match before.filter(|before| first <= *before) {
            None => Ok(()),
            Some(before) => Err(Failure::new(
                "owners",
                format!("offset {first} was applied after offset {before}"),
            )),
        }
    }

    /// History behind an offset is no more, or the log was opened.
    pub fn restart(&mut self) {
        self.applied = None;
    }

    /// A commit is settled: acknowledged at an offset, or not. Whether its owner has applied it.
    pub fn settle(&mut self, token: u64, acked: Option<u64>) -> Result<bool, Failure> {
        let Some(told) = self.told.remove(&token) else {
            return Ok(false);
        };
        let is_right = match (acked, told.as_slice()) {
            (Some(at), [Told::Placed(placed), Told::Applied { first, .. }]) => {
                at == *placed && at == *first
            }
            (None, [Told::Placed(placed), Told::Failed(failed)]) => placed == failed,
            (None, [] | [Told::Placed(_), Told::Refused]) => true,
            _ => false,
        };
        match is_right {
            true => Ok(acked.is_some()),
            false => Err(Failure::new(
                "owners",
                format!("token {token} was acknowledged at {acked:?}, its owner was told {told:?}"),
            )),
        }
    }
}

/// Writes down what it is told.
struct Owner {
    ctx: Context,
    tokens: Range<u64>,
    level: Level,
    refuses: bool,
}

impl Owner {
    fn tell(&self, told: Told) {
        let tokens = self.tokens.clone();
        if let Err(failure) = self.ctx.record(Event::Owner { tokens, told }) {
            self.ctx.fail(failure);
        }
    }
}

impl CommitOwner for Owner {
    fn place(&self, first: TxOffset) -> Result<(), Refusal> {
        self.tell(Told::Placed(first.get()));
        match self.refuses {
            true => {
                self.tell(Told::Refused);
                Err("not this one".into())
            }
            false => Ok(()),
        }
    }

    fn apply(&self, committed: &Committed) {
        self.tell(Told::Applied {
            first: committed.first.get(),
            epoch: committed.epoch.get(),
            level: self.level,
        });
    }

    fn fail(&self, first: TxOffset, _error: &LogError) {
        self.tell(Told::Failed(first.get()));
    }
}

/// A commit stands behind the one that was handed in before it, or in the history that follows.
fn in_order(last: &mut Option<Committed>, committed: &Committed) -> Result<(), Failure> {
    let place = |committed: &Committed| (committed.epoch, committed.first);
    let before = last.replace(*committed);
    match before.filter(|before| place(before) >= place(committed)) {
        None => Ok(()),
        Some(before) => {
            let message = format!("{committed:?} was handed in behind {before:?}");
            Err(Failure::new("order", message))
        }
    }
}

/// Hands in several commits, then waits for each; the owner of the one with the number `refused`
/// refuses it. False if the log takes no more writes.
pub(super) fn batch(
    ctx: &Context,
    log: &Log,
    (commits, bytes, level, refused): (u32, u32, Level, u32),
) -> Result<bool, Failure> {
    let mut tickets = Vec::new();
    let mut is_usable_after = true;
    let mut last = None;
    for number in 0..commits {
        let tokens = ctx.model(|model| model.tokens(1));
        let record = payload::record(tokens.start, bytes as usize);
        ctx.record(Event::Submitted {
            tokens: tokens.clone(),
        })?;
        let owner = Arc::new(Owner {
            ctx: ctx.clone(),
            tokens: tokens.clone(),
            level,
            refuses: number == refused,
        });
        match log.submit_owned(&[record], durability(level), owner) {
            Ok(ticket) => tickets.push((tokens, number == refused, ticket)),
            Err(error) => {
                ctx.record(outcome_event(tokens, level, &Err(error.clone())))?;
                excuse(ctx, &error)?;
                is_usable_after &= is_usable(ctx, &error);
            }
        }
    }
    for (tokens, is_refused, ticket) in tickets {
        let outcome = ticket.wait();
        ctx.record(outcome_event(tokens.clone(), level, &outcome))?;
        match outcome {
            Ok(_) if is_refused => {
                let message = format!("the owner of {tokens:?} refused it, and it is acknowledged");
                return Err(Failure::new("owners", message));
            }
            Ok(committed) => {
                in_order(&mut last, &committed)?;
                goes_around(ctx);
            }
            Err(LogError::Refused { .. }) if is_refused => {
                ctx.mark("an owner refused its commit");
                goes_around(ctx);
            }
            Err(error) => {
                excuse(ctx, &error)?;
                is_usable_after &= is_usable(ctx, &error);
            }
        }
    }
    Ok(is_usable_after)
}
