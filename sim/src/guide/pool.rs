//! The cases that showed something new, and what is known.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Scout, Snapshot};
use crate::case::CaseOf;
use crate::scenario::Scenario;

/// Cases of the pool; the oldest give way.
const PARENTS_MAX: usize = 1_024;
/// Of so many that came last, half of the parents are.
const RECENT: u64 = 64;
/// Situations that are told apart. Two that fall together are taken for one.
const SLOTS: u64 = 1 << 16;

/// A set of slots.
#[derive(Clone)]
pub(super) struct Known {
    bits: Vec<u64>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            bits: vec![0; (SLOTS / 64) as usize],
        }
    }
}

/// The slot of a situation.
pub(super) fn slot(situation: u64) -> u16 {
    (situation % SLOTS) as u16
}

impl Known {
    pub fn has(&self, slot: u16) -> bool {
        let word = self.bits.get(usize::from(slot / 64)).copied();
        word.unwrap_or(0) >> (slot % 64) & 1 == 1
    }

    /// Adds a slot; whether it is new.
    pub fn add(&mut self, slot: u16) -> bool {
        let is_new = !self.has(slot);
        if let Some(word) = self.bits.get_mut(usize::from(slot / 64)) {
            *word |= 1 << (slot % 64);
        }
        is_new
    }

    pub fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}

pub(super) struct Pool<S: Scenario> {
    parents: VecDeque<Arc<CaseOf<S>>>,
    known: Arc<Known>,
}

impl<S: Scenario> Default for Pool<S> {
    fn default() -> Self {
        Self {
            parents: VecDeque::new(),
            known: Arc::new(Known::default()),
        }
    }
}

impl<S: Scenario> Pool<S> {
    pub fn snapshot(&self) -> Snapshot<S> {
        Snapshot {
            known: Arc::clone(&self.known),
            parents: self.parents.iter().map(Arc::clone).collect(),
        }
    }

    pub fn shapes(&self) -> u64 {
        self.known.count()
    }

    /// Keeps each find that still shows something new; how many these are.
    pub fn take(&mut self, scout: Scout<S>) -> u64 {
        let mut kept = 0;
        for find in scout.finds {
            let known = Arc::make_mut(&mut self.known);
            let new = find.slots.iter().filter(|&&slot| known.add(slot)).count();
            if new > 0 {
                self.parents.push_back(Arc::new(find.case));
                kept += 1;
            }
        }
        while self.parents.len() > PARENTS_MAX {
            self.parents.pop_front();
        }
        kept
    }
}

/// A parent by number: half of the time one of those that came last.
pub(super) fn choose<P>(parents: &[Arc<P>], number: u64) -> Option<Arc<P>> {
    let all = parents.len() as u64;
    let among = match number.is_multiple_of(2) {
        true => all.min(RECENT),
        false => all,
    };
    let back = (number / 2).checked_rem(among)?;
    parents.get((all - 1 - back) as usize).map(Arc::clone)
}
