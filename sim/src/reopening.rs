//! The second look at a recovery: the system is started again on what its orderly end has left.
//!
//! Recoveries of many images leave few different disks, because recovery is there to make a mess
//! into a state. So what such a start did is remembered by all that it can depend on: the
//! contents of the disk, what is not yet durable there, how many eras there were before, and what
//! of the model a run reads ([`Scenario::known_to_a_run`]). Where the same comes again, the events
//! of then are put to the model of now.
//!
//! Invariants:
//! - \[I1\] Nothing is remembered of a start that failed, that met a fault, or whose scenario does
//!   not say what it reads: it is run each time.
//! - \[I2\] Events that the model of now rejects judge nothing: the start is run, and fails by
//!   itself.

use std::collections::BTreeMap;

use crate::disk::{Promise, Question};
use crate::run::{EraRun, Runner, Start};
use crate::scenario::Scenario;

/// More starts than this are not remembered: memory has an end.
const REMEMBERED_MAX: usize = 1 << 16;

/// All that a start without faults depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    content: u64,
    known: u64,
    depth: u64,
    /// How deep crashes are nested: what was run deeper may not have been crashed as deep.
    level: u32,
    promise: Promise,
}

impl Key {
    /// The key of a start; none if it has to be run.
    pub fn of<S: Scenario>(runner: &Runner<S>, start: &Start<S>, level: u32) -> Option<Self> {
        if !start.image.is_plain(&runner.disk) {
            return None;
        }
        let known = runner
            .scenario
            .known_to_a_run(&runner.config, &start.model)?;
        Some(Self {
            content: start.image.content_hash(),
            known,
            depth: start.depth,
            level,
            promise: start.promise,
        })
    }
}

/// What a start has done that passed.
pub(crate) struct Reopened<S: Scenario> {
    pub events: Vec<S::Event>,
    /// What it asked, if that was written down and is all.
    pub questions: Option<Vec<Question>>,
}

impl<S: Scenario> Clone for Reopened<S> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            questions: self.questions.clone(),
        }
    }
}

impl<S: Scenario> Reopened<S> {
    pub fn of(run: &EraRun<S>) -> Self {
        let events = run.history.iter().map(|stamped| stamped.event.clone());
        let asks = run.asks.as_ref();
        Self {
            events: events.collect(),
            questions: asks.map(|asks| asks.questions.clone()),
        }
    }
}

/// What starts have done that passed, by all that they depend on.
pub(crate) struct Reopenings<S: Scenario> {
    known: BTreeMap<Key, Reopened<S>>,
}

impl<S: Scenario> Default for Reopenings<S> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
        }
    }
}

impl<S: Scenario> Reopenings<S> {
    /// What such a start has done, if it is remembered, and right for this model, too.
    pub fn recall(
        &self,
        runner: &Runner<S>,
        key: Option<Key>,
        start: &Start<S>,
    ) -> Option<&Reopened<S>> {
        let known = self.known.get(&key?)?;
        let mut model = start.model.clone();
        let mut events = known.events.iter();
        let passes = events.all(|event| runner.scenario.apply(&mut model, event).is_ok());
        passes.then_some(known)
    }

    /// Remembers a start that has passed.
    pub fn remember(&mut self, key: Option<Key>, run: &EraRun<S>) {
        if let Some(key) = key
            && run.failure.is_none()
            && self.known.len() < REMEMBERED_MAX
        {
            self.known.insert(key, Reopened::of(run));
        }
    }
}
