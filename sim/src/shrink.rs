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
use weight::weight;

use crate::case::{Case, CaseOf};
use crate::failure::Failure;
use crate::run::run_case;
use crate::scenario::Scenario;

/// Shrinking stops after this many runs, recoveries included.
const RUNS_MAX: u64 = 80_000;

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
        is_thorough: false,
    };
    if !search.fails(case) {
        return Shrunken {
            case: case.clone(),
            runs: search.runs,
        };
    }
    loop {
        while search.round() && !search.is_over() {}
        // The costly attempts come when the others are at their end.
        search.is_thorough = true;
        if search.is_over() || !search.round() {
            break;
        }
        search.is_thorough = false;
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
    /// Whether other schedules are tried as well.
    is_thorough: bool,
}

impl<S: Scenario> Search<'_, S> {
    /// Whether no more candidates are tried.
    fn is_over(&self) -> bool {
        self.runs >= RUNS_MAX || self.interrupted.load(Ordering::Relaxed)
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
