//! Guided campaigns: cases that led to something new are varied.
//!
//! About half of the seeds of a guided campaign are *fresh*: they do what they do in any campaign.
//! Each of the others is a *child*: its seed draws a parent from a pool, and what is changed about
//! it. A case comes into the pool when a run of it showed a situation that none had shown before;
//! what a situation is stands in `scout`.
//!
//! What is kept is not only the operations that led to a situation but the crash as well, with what
//! the disk kept. So a child may go on from there, which is deeper than any fresh case comes, or
//! change what led there.
//!
//! Invariants:
//! - \[I1\] Which cases are run depends on the options alone, not on the number of threads or their
//!   speed. Seeds are taken in generations; a child of one knows what all seeds up to the
//!   generation before the last have shown, folded in the order of seeds, and nothing else.
//! - \[I2\] A fresh seed is run as without guidance: `sim replay SEED` does the same.
//! - \[I3\] Memory does not grow with the campaign: the pool and the set of known situations have
//!   bounds.
//!
//! A generation is waited for when the next but one begins. So threads hardly ever wait: only if
//! one seed takes as long as a whole generation.

mod child;
mod pool;
mod scout;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

use crate::call::mix64;
use crate::case::CaseOf;
use crate::disk::Profile;
use crate::scenario::Scenario;

use pool::{Known, Pool};
pub(crate) use scout::Scout;

/// Seeds of a generation.
const GENERATION: u64 = 16;
/// What a seed is mixed with to tell whether it is a child.
const CHILD: u64 = 0x6368_696c_6472_656e;

/// What guidance did in a campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guidance {
    /// Seeds that drew a case of their own.
    pub fresh: u64,
    /// Seeds that varied a case of the pool.
    pub children: u64,
    /// Situations that were met, as told apart by their shapes.
    pub shapes: u64,
    /// Cases that fresh seeds gave to the pool.
    pub kept_of_fresh: u64,
    /// Cases that children gave to the pool.
    pub kept_of_children: u64,
}

impl Guidance {
    /// Adds the counts of another shard. Shapes that both have met count twice.
    pub(crate) fn add(&mut self, other: &Self) {
        self.fresh += other.fresh;
        self.children += other.children;
        self.shapes += other.shapes;
        self.kept_of_fresh += other.kept_of_fresh;
        self.kept_of_children += other.kept_of_children;
    }
}

/// The guidance of one campaign, shared by its threads.
pub(crate) struct Guide<S: Scenario> {
    state: Mutex<State<S>>,
    returned: Condvar,
}

struct State<S: Scenario> {
    pool: Pool<S>,
    /// What the seeds of the generations that are not folded yet have shown, by position.
    shown: BTreeMap<u64, Shown<S>>,
    /// The generation whose beginning the pool has seen last.
    generation: u64,
    /// The last two of them, for threads that are late.
    snapshots: BTreeMap<u64, Arc<Snapshot<S>>>,
    guidance: Guidance,
}

/// What a generation knows.
pub(crate) struct Snapshot<S: Scenario> {
    known: Arc<Known>,
    parts: [Vec<Arc<CaseOf<S>>>; pool::PARTS],
}

/// What one seed has shown.
struct Shown<S: Scenario> {
    is_child: bool,
    scout: Option<Scout<S>>,
}

/// A seed's place in a guided campaign. Dropped without a result, it counts as one that has shown
/// nothing, so that nobody waits for it.
pub(crate) struct Turn<'a, S: Scenario> {
    guide: &'a Guide<S>,
    position: u64,
    /// The case that the seed is to vary; none: it is fresh.
    pub parent: Option<Arc<CaseOf<S>>>,
    pub scout: Option<Scout<S>>,
}

impl<S: Scenario> Guide<S> {
    pub fn new() -> Self {
        let pool = Pool::default();
        let first = Arc::new(pool.snapshot());
        Self {
            state: Mutex::new(State {
                pool,
                shown: BTreeMap::new(),
                generation: 0,
                snapshots: [(0, first)].into(),
                guidance: Guidance::default(),
            }),
            returned: Condvar::new(),
        }
    }

    /// The turn of the seed at a position of the shard. Waits until all seeds that it may know of
    /// are done.
    pub fn turn(&self, position: u64, seed: u64) -> Turn<'_, S> {
        let generation = position / GENERATION;
        let mut state = self.state.lock();
        while !state.begins(generation) {
            self.returned.wait(&mut state);
        }
        let Some(snapshot) = state.snapshots.get(&generation).map(Arc::clone) else {
            unreachable!("a generation is kept until all its seeds are done");
        };
        drop(state);
        let number = mix64(seed ^ CHILD);
        let is_child = number.is_multiple_of(2);
        let parent = is_child.then(|| pool::choose(&snapshot.parts, mix64(number)));
        Turn {
            guide: self,
            position,
            parent: parent.flatten(),
            scout: Some(Scout::new(Arc::clone(&snapshot.known))),
        }
    }

    /// What came of it; all seeds have to be done.
    pub fn finish(self) -> Guidance {
        let mut state = self.state.into_inner();
        state.fold(u64::MAX);
        state.guidance.shapes = state.pool.shapes();
        state.guidance
    }
}

impl<S: Scenario> State<S> {
    /// Begins a generation, if all seeds are done that it may know of; true if it has begun.
    fn begins(&mut self, generation: u64) -> bool {
        while self.generation < generation {
            let next = self.generation + 1;
            let end = (next - 1) * GENERATION;
            let folded = next.saturating_sub(2) * GENERATION;
            let done = self.shown.range(folded..end).count() as u64;
            if done < end - folded {
                return false;
            }
            self.fold(end);
            self.generation = next;
            self.snapshots.retain(|&old, _| old + 2 > next);
            self.snapshots.insert(next, Arc::new(self.pool.snapshot()));
        }
        true
    }

    /// Takes what the seeds below a position have shown into the pool, in their order.
    fn fold(&mut self, end: u64) {
        let later = self.shown.split_off(&end);
        let shown = std::mem::replace(&mut self.shown, later);
        for shown in shown.into_values() {
            let kept = shown.scout.map_or(0, |scout| self.pool.take(scout));
            match shown.is_child {
                true => {
                    self.guidance.children += 1;
                    self.guidance.kept_of_children += kept;
                }
                false => {
                    self.guidance.fresh += 1;
                    self.guidance.kept_of_fresh += kept;
                }
            }
        }
    }
}

impl<S: Scenario> Turn<'_, S> {
    /// The case of this seed, if it is a child.
    pub fn child(
        &self,
        scenario: &Arc<S>,
        seed: u64,
        profile: Option<Profile>,
    ) -> Option<CaseOf<S>> {
        let parent = self.parent.as_ref()?;
        Some(child::of(scenario, parent, seed, profile))
    }
}

impl<S: Scenario> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        let shown = Shown {
            is_child: self.parent.is_some(),
            scout: self.scout.take(),
        };
        self.guide.state.lock().shown.insert(self.position, shown);
        self.guide.returned.notify_all();
    }
}
