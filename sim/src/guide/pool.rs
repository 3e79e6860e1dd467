//! The cases that showed something new, and what is known.
//!
//! There are far more orders of calls than marks. So the pool is divided by what was new about a
//! case, and each part is drawn from as often as the others.

use std::collections::VecDeque;
use std::sync::Arc;

use super::scout::Kind;
use super::{Scout, Snapshot};
use crate::call::mix64;
use crate::case::CaseOf;
use crate::scenario::Scenario;

/// Cases of a part of the pool; the oldest give way.
const PARENTS_MAX: usize = 256;
/// Of so many that came last, half of the parents are.
const RECENT: u64 = 32;
/// Parts of the pool, one for each [`Kind`].
pub(super) const PARTS: usize = Kind::Order as usize + 1;
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
    parts: [VecDeque<Arc<CaseOf<S>>>; PARTS],
    known: Arc<Known>,
}

impl<S: Scenario> Default for Pool<S> {
    fn default() -> Self {
        Self {
            parts: Default::default(),
            known: Arc::new(Known::default()),
        }
    }
}

impl<S: Scenario> Pool<S> {
    pub fn snapshot(&self) -> Snapshot<S> {
        Snapshot {
            known: Arc::clone(&self.known),
            parts: self
                .parts
                .each_ref()
                .map(|part| part.iter().map(Arc::clone).collect()),
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
            let new = find.slots.iter().filter(|(_, slot)| known.add(*slot));
            // Of several, what is scarcest. All of them are known from now on.
            let kinds: Vec<Kind> = new.map(|&(kind, _)| kind).collect();
            let part = kinds.into_iter().min();
            if let Some(part) = part.and_then(|kind| self.parts.get_mut(kind as usize)) {
                part.push_back(Arc::new(find.case));
                part.drain(..part.len().saturating_sub(PARENTS_MAX));
                kept += 1;
            }
        }
        kept
    }
}

/// A parent by number: from each part that has some equally often, and half of the time one of
/// those that came last.
pub(super) fn choose<P>(parts: &[Vec<Arc<P>>], number: u64) -> Option<Arc<P>> {
    let full: Vec<&Vec<Arc<P>>> = parts.iter().filter(|part| !part.is_empty()).collect();
    let part = full.get(number.checked_rem(full.len() as u64)? as usize)?;
    let number = mix64(number);
    let all = part.len() as u64;
    let among = match number.is_multiple_of(2) {
        true => all.min(RECENT),
        false => all,
    };
    let back = (number / 2).checked_rem(among)?;
    part.get((all - 1 - back) as usize).map(Arc::clone)
}
