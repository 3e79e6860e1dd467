//! The smallest case with the same failure.
//!
//! Shrinking is joint: eras, operations, clients, faults, schedule, crash image, profile and sizes
//! are all tried, in rounds, until a round changes nothing. A candidate is taken if the *same*
//! failure remains (same oracle, same place). Dropping an operation moves what follows, so a
//! candidate that does not fail as it stands is crashed anew (`Attack`): at every cut, with many
//! images.
//!
//! Invariants:
//! - \[I1\] What is returned fails in the same way as what was given, or is what was given.
//! - \[I2\] It ends: each taken candidate is smaller by `weight`, or as small and plainer in
//!   something that can't be made plainer for ever; and runs are bounded.

mod anew;
mod eras;
mod size;
mod steps;
mod weight;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use size::CaseSize;
use weight::{is_as_expected, weight};

use crate::case::{Case, CaseOf};
use crate::failure::Failure;
use crate::run::run_case;
use crate::scenario::Scenario;

/// Shrinking stops after this many runs, recoveries included.
const RUNS_MAX: u64 = 120_000;

/// The search that begins with costly attempts has so many.
const RUNS_COSTLY_MAX: u64 = 80_000;

/// What is done about a candidate that does not fail as it stands, cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pains {
    /// Nothing.
    None,
    /// It is crashed anew, in a few ways at each cut.
    Few,
    /// And in many ways at the first cuts.
    Many,
    /// And under other schedules.
    Schedules,
}

impl Pains {
    fn more(self) -> Option<Self> {
        match self {
            Self::None => Some(Self::Few),
            Self::Few => Some(Self::Many),
            Self::Many => Some(Self::Schedules),
            Self::Schedules => None,
        }
    }
}

/// A shrunken case.
#[derive(Clone, Debug)]
pub struct Shrunken<S: Scenario> {
    /// The smallest case found.
    pub case: CaseOf<S>,
    /// How many runs it took, recoveries included.
    pub runs: u64,
}

/// How many operations a case has.
pub fn step_count<C, O>(case: &Case<C, O>) -> usize {
    case.eras.iter().map(|era| era.steps.len()).sum()
}

/// Finds the smallest case that fails as `failure`.
pub fn shrink<S: Scenario>(scenario: &Arc<S>, case: &CaseOf<S>, failure: &Failure) -> Shrunken<S> {
    shrink_until(scenario, case, failure, &AtomicBool::new(false))
}

/// Finds the smallest case that fails as `failure`, or the smallest one until `interrupted`.
///
/// Cheap attempts come first: a few runs for each of many candidates leave little to those that
/// cost thousands. But operations that are gone can no longer make up for a crash, so that what is
/// still not small is begun anew with costly ones.
pub fn shrink_until<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    failure: &Failure,
    interrupted: &AtomicBool,
) -> Shrunken<S> {
    let mut search = Search {
        interrupted,
        scenario: Arc::clone(scenario),
        wanted: failure.clone(),
        best: case.clone(),
        runs: 0,
        runs_max: RUNS_MAX,
        pains: Pains::None,
    };
    if search.fails(case) {
        search.go(Pains::None);
        if !is_as_expected(&search.best) {
            let best = std::mem::replace(&mut search.best, case.clone());
            search.runs_max = search.runs + RUNS_COSTLY_MAX;
            search.go(Pains::Many);
            if weight(&best) <= weight(&search.best) {
                search.best = best;
            }
        }
    }
    Shrunken {
        case: search.best,
        runs: search.runs,
    }
}

struct Search<'a, S: Scenario> {
    interrupted: &'a AtomicBool,
    scenario: Arc<S>,
    wanted: Failure,
    best: CaseOf<S>,
    runs: u64,
    runs_max: u64,
    pains: Pains,
}

impl<S: Scenario> Search<'_, S> {
    /// Whether no more candidates are tried.
    fn is_over(&self) -> bool {
        self.runs >= self.runs_max || self.interrupted.load(Ordering::Relaxed)
    }

    /// Goes on until nothing makes it smaller, with at least these pains.
    fn go(&mut self, least: Pains) {
        self.pains = least;
        while !self.is_over() {
            self.pains = match (self.round(), self.pains.more()) {
                (true, _) => least,
                (false, Some(more)) => more,
                (false, None) => return,
            };
        }
    }

    /// Tries everything once; true if anything became smaller.
    fn round(&mut self) -> bool {
        let before = weight(&self.best);
        self.drop_eras();
        self.drop_steps();
        self.drop_clients();
        self.drop_faults();
        self.soften_ends();
        self.join_eras();
        self.merge_steps();
        self.flatten_schedules();
        self.simplify_images();
        self.strengthen_profile();
        let is_plainer = self.simplify_faults() | self.simplify_sizes() | self.simplify_ops();
        weight(&self.best) < before || is_plainer
    }

    fn fails(&mut self, case: &CaseOf<S>) -> bool {
        self.runs += case.eras.len() as u64;
        let run = run_case(&self.scenario, case, false);
        run.failure
            .is_some_and(|(_, failure)| self.wanted.same(&failure))
    }

    /// Takes the candidate if it fails as it stands.
    fn take(&mut self, candidate: CaseOf<S>) -> bool {
        if self.is_over() || !self.fails(&candidate) {
            return false;
        }
        self.best = candidate;
        true
    }

    fn steps(&self, era: usize) -> usize {
        self.best.eras.get(era).map_or(0, |era| era.steps.len())
    }
}

#[cfg(test)]
mod tests;
