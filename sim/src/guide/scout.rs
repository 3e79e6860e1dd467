//! What one seed shows that is new.
//!
//! A situation is one of these:
//!
//! | situation | of |
//! |---|---|
//! | the kinds of calls of a recovery in their order, a row of one kind as one | each image |
//! | how much of what is pending at the cut, on how many files (`disk/shape.rs`) | each image |
//! | a mark, and about how often it was hit | each recovery, and the seed |
//! | a kind of fault, and what came of it | each recovery, and each era |
//!
//! Invariants:
//! - \[I1\] A seed's finds are a function of its case and of what was known: of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pool::{Known, slot};
use crate::call::mix64;
use crate::case::{Case, CaseOf, Era};
use crate::disk::{LedgerEntry, bucket};
use crate::marks::Marks;
use crate::run::{EraRun, Runner};
use crate::scenario::Scenario;

/// Cases that one seed may offer. The first seeds of a campaign find everything new.
const FINDS_MAX: usize = 16;

/// What a situation is about, the fewest situations first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Mark,
    Fault,
    Disk,
    Order,
}

/// One situation.
#[derive(Clone, Copy, Debug)]
struct Situation {
    kind: Kind,
    hash: u64,
}

/// Whose situation it is: a mark of a recovery is another one than that of an era.
#[derive(Clone, Copy)]
enum Whose {
    Recovery,
    Era,
    Seed,
}

/// A case that showed something new.
pub(super) struct Find<S: Scenario> {
    pub slots: Vec<(Kind, u16)>,
    pub case: CaseOf<S>,
}

/// Looks out for what is new in the runs of one seed.
pub(crate) struct Scout<S: Scenario> {
    known: Arc<Known>,
    /// What this seed has shown that was not known.
    shown: BTreeSet<u16>,
    pub(super) finds: Vec<Find<S>>,
}

impl<S: Scenario> Scout<S> {
    pub(super) fn new(known: Arc<Known>) -> Self {
        Self {
            known,
            shown: BTreeSet::new(),
            finds: Vec::new(),
        }
    }

    /// A recovery from a crash that did not fail: what fails need not fail again. `disk` is the
    /// shape of the disk at the cut, `eras` are those that lead to it, the crash included.
    pub fn recovery(
        &mut self,
        runner: &Runner<S>,
        disk: u64,
        run: &EraRun<S>,
        eras: impl FnOnce() -> Vec<Era<S::Op>>,
    ) {
        let of = |kind, hash| Situation { kind, hash };
        let mut situations = vec![of(Kind::Disk, disk), of(Kind::Order, run.order_hash)];
        marks(Whose::Recovery, &run.marks, &mut situations);
        faults(Whose::Recovery, &run.ledger, &mut situations);
        self.look(runner, &situations, eras);
    }

    /// An era that was run to its end; `eras` are those up to it.
    pub fn era(
        &mut self,
        runner: &Runner<S>,
        run: &EraRun<S>,
        eras: impl FnOnce() -> Vec<Era<S::Op>>,
    ) {
        let mut situations = Vec::new();
        marks(Whose::Era, &run.marks, &mut situations);
        faults(Whose::Era, &run.ledger, &mut situations);
        self.look(runner, &situations, eras);
    }

    /// Everything that a seed led to.
    pub fn seed(&mut self, case: &CaseOf<S>, all: &Marks) {
        let mut situations = Vec::new();
        marks(Whose::Seed, all, &mut situations);
        let new = self.new_of(&situations);
        self.keep(new, || case.clone());
    }

    fn look(
        &mut self,
        runner: &Runner<S>,
        situations: &[Situation],
        eras: impl FnOnce() -> Vec<Era<S::Op>>,
    ) {
        let new = self.new_of(situations);
        self.keep(new, || Case {
            version: crate::case::VERSION,
            scenario: runner.scenario.name().to_owned(),
            config: runner.config.clone(),
            disk: runner.disk.clone(),
            latency: runner.latency,
            entropy: runner.entropy,
            eras: eras(),
        });
    }

    /// The slots that nothing has shown before.
    fn new_of(&mut self, situations: &[Situation]) -> Vec<(Kind, u16)> {
        let slots = situations.iter().map(|situation| {
            let kind = situation.kind;
            (kind, slot(mix64(mix64(kind as u64) ^ situation.hash)))
        });
        slots
            .filter(|&(_, slot)| !self.known.has(slot) && self.shown.insert(slot))
            .collect()
    }

    fn keep(&mut self, slots: Vec<(Kind, u16)>, case: impl FnOnce() -> CaseOf<S>) {
        if !slots.is_empty() && self.finds.len() < FINDS_MAX {
            let case = case();
            self.finds.push(Find { slots, case });
        }
    }
}

fn text(text: &str) -> u64 {
    let bytes = text.bytes();
    bytes.fold(0, |hash, byte| mix64(hash ^ u64::from(byte)))
}

fn marks(whose: Whose, marks: &Marks, situations: &mut Vec<Situation>) {
    let hits = marks.iter().map(|(name, count)| Situation {
        kind: Kind::Mark,
        hash: mix64(text(name) ^ whose as u64) ^ bucket(count),
    });
    situations.extend(hits);
}

fn faults(whose: Whose, ledger: &[LedgerEntry], situations: &mut Vec<Situation>) {
    // Of one kind there may be several rules.
    let mut fates: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in ledger {
        let fate = [entry.observed, entry.detected, entry.repaired, entry.masked];
        let fate = fate.into_iter();
        let fate = fate.fold(0, |fate, count| fate << 1 | count.min(1));
        *fates.entry(entry.kind).or_default() |= fate;
    }
    situations.extend(fates.into_iter().map(|(name, fate)| Situation {
        kind: Kind::Fault,
        hash: mix64(text(name) ^ whose as u64) ^ fate,
    }));
}
