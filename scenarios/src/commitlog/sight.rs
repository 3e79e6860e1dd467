//! What could be seen of the log at a moment, and what somebody who keeps on reading may be shown.
//!
//! | what a kept reader answers | right if |
//! |---|---|
//! | commits, after it looked at the log as it is now | what it showed last is still there; the model judges the rest |
//! | commits, without having looked | all of them were visible at its last look, or all of them are now |
//! | that its history was cut | what it showed last is gone, or a cut below its position has begun since |
//! | that its history is gone | its position is below what is kept, or below what a retirement may take |
//!
//! Invariants:
//! - \[I1\] Nothing of the log is used here: offsets and tokens are numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use blackstart_sim::Failure;

use super::check;
use super::history::Found;
use super::model::Model;

/// When an operation of one of several clients began, so that it is known whether a cut by another
/// raced with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    begun: usize,
    done: usize,
    is_cutting: bool,
}

impl Moment {
    /// Now.
    pub fn of(model: &Model) -> Self {
        Self {
            begun: model.cuts_begun.len(),
            done: model.cuts.len(),
            is_cutting: model.is_cutting,
        }
    }

    /// Whether a cut was under way since.
    pub fn is_raced(self, model: &Model) -> bool {
        self.is_cutting || model.cuts_begun.len() > self.begun
    }

    /// What is left of what was said to be there up to `through`, after the cuts since.
    pub fn left(self, model: &Model, through: u64) -> u64 {
        let cuts = model.cuts.get(self.done..).unwrap_or_default();
        cuts.iter().fold(through, |least, cut| least.min(*cut))
    }
}

/// What could be seen at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// Which token stood at each offset.
    entries: BTreeMap<u64, u64>,
    /// Commits whose fate was open.
    open: Vec<Range<u64>>,
    /// The oldest offset that was kept.
    oldest: u64,
    /// Everything below this had to be visible.
    pub through: u64,
    /// How many cuts had begun, and how many had returned.
    cuts: (usize, usize),
}

impl Sight {
    /// What can be seen now; everything below `through` has to be.
    pub fn of(model: &Model, through: u64) -> Self {
        let entries = model.entries.iter();
        let open = model.unsettled.iter();
        Self {
            entries: entries
                .map(|(&offset, entry)| (offset, entry.token))
                .collect(),
            open: open.map(|commit| commit.tokens.clone()).collect(),
            oldest: model.oldest,
            through,
            cuts: (model.cuts_begun.len(), model.cuts.len()),
        }
    }

    /// The same, of a reader that looked at some time since the moment: it may not have been told
    /// of a cut that was under way then, or has begun since.
    pub fn of_look(mut self, began: Moment) -> Self {
        self.cuts.0 = began.begun.saturating_sub(began.is_cutting.into());
        self
    }

    /// The same, of a reader that was last told of cuts when it had the other sight.
    pub fn not_told_since(self, earlier: &Self) -> Self {
        Self {
            cuts: earlier.cuts,
            ..self
        }
    }

    /// Whether a transaction may be shown.
    fn may_show(&self, item: &Found) -> bool {
        let Some(token) = item.token else {
            return false;
        };
        match self.entries.get(&item.offset) {
            Some(known) => *known == token,
            None => {
                let is_open = self.open.iter().any(|commit| commit.contains(&token));
                is_open || item.offset < self.oldest
            }
        }
    }

    /// Judges what was shown without a look at the log as it is now.
    pub fn judge(&self, now: &Self, before: Option<Found>, found: &[Found]) -> Result<(), Failure> {
        let shown = || before.iter().chain(found);
        if found.is_empty()
            || found.iter().all(|item| self.may_show(item))
            || shown().all(|item| now.may_show(item))
        {
            return Ok(());
        }
        let first = shown().find(|item| !self.may_show(item) && !now.may_show(item));
        Err(Failure::new(
            "reads",
            format!(
                "a kept reader shows neither the history of its last look nor that of now: {:?} of \
                 {found:?}",
                first.or(before.as_ref())
            ),
        ))
    }

    /// The lowest cut that has begun since, or that has returned since.
    pub fn cut_since(&self, model: &Model, is_certain: bool) -> Option<u64> {
        let cuts = match is_certain {
            true => model.cuts.get(self.cuts.1..),
            false => model.cuts_begun.get(self.cuts.0..),
        };
        cuts.unwrap_or_default().iter().min().copied()
    }
}

/// Whether a transaction that was shown is gone for good.
pub(super) fn is_gone(model: &Model, shown: &Found) -> bool {
    let Some(token) = shown.token else {
        return false;
    };
    let known = model.entries.get(&shown.offset).map(|entry| entry.token);
    let is_open = || {
        let mut open = model.unsettled.iter();
        open.any(|commit| commit.tokens.contains(&token))
    };
    shown.offset >= model.oldest && known != Some(token) && !is_open()
}

/// Whether an offset is inside a commit, or may be.
pub(super) fn may_be_inside(model: &Model, offset: u64) -> bool {
    let before = offset.checked_sub(1).and_then(|at| model.entries.get(&at));
    let is_boundary = before.is_some_and(check::ends_commit);
    !is_boundary && offset > model.oldest
}

/// What is read on begins behind what was read last.
pub(super) fn goes_on(before: Option<Found>, found: &[Found]) -> Result<(), Failure> {
    let (Some(before), Some(first)) = (before, found.first()) else {
        return Ok(());
    };
    if first.offset == before.offset + 1 {
        return Ok(());
    }
    Err(Failure::new(
        "reads",
        format!(
            "a kept reader showed offset {}, and goes on with {}",
            before.offset, first.offset
        ),
    ))
}
