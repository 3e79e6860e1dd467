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

mod steps;
mod weight;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weight::weight;

use crate::case::{Case, CaseOf, End, Era};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort};
use crate::failure::Failure;
use crate::run::{Runner, plan_of, run_case};
use crate::scenario::Scenario;

/// Shrinking stops after this many runs, recoveries included.
const RUNS_MAX: u64 = 60_000;

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
    };
    if !search.fails(case) {
        return Shrunken {
            case: case.clone(),
            runs: search.runs,
        };
    }
    while search.round() && !search.is_over() {}
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

    /// Takes the candidate if it fails as it stands, or with its last crash chosen anew.
    fn take_anew(&mut self, candidate: CaseOf<S>) -> bool {
        if self.take(candidate.clone()) {
            return true;
        }
        match self.crash_anew(&candidate) {
            Some(found) if weight(&found) < weight(&self.best) => self.take(found),
            _ => false,
        }
    }

    /// Takes the candidate, which is plainer in something that `weight` does not measure, if it
    /// fails as it stands, or with its last crash chosen anew, and is no larger.
    fn take_as_good(&mut self, candidate: CaseOf<S>) -> bool {
        if self.take(candidate.clone()) {
            return true;
        }
        match self.crash_anew(&candidate) {
            Some(found) if weight(&found) <= weight(&self.best) => self.take(found),
            _ => false,
        }
    }

    /// Runs the candidate up to its last crash, and tries every cut there.
    fn crash_anew(&mut self, candidate: &CaseOf<S>) -> Option<CaseOf<S>> {
        if self.is_over() {
            return None;
        }
        let last = candidate
            .eras
            .iter()
            .rposition(|era| !matches!(era.end, End::Close))?;
        let runner = Runner::of_case(&self.scenario, candidate);
        let mut start = runner.start();
        let (before, rest) = candidate.eras.split_at(last);
        for era in before {
            let run = runner.era(&start, plan_of(era));
            self.runs += 1;
            if run.failure.is_some() {
                return None;
            }
            start = crate::run::end_state(&runner, &start, era, &run, &mut Vec::new());
        }
        let era = Era {
            end: End::Close,
            ..rest.first()?.clone()
        };
        let run = runner.era(&start, plan_of(&era));
        if run.failure.is_some() {
            return None;
        }
        let effort = Effort {
            images_max: 3_000,
            ..Effort::THOROUGH
        };
        let mut attack = Attack::new(&runner, effort);
        attack.wanted = Some(self.wanted.clone());
        if let Some(after) = rest.get(1) {
            attack.later_faults.clone_from(&after.faults);
        }
        let base = Base {
            start: &start,
            run: &run,
            era: &era,
        };
        let found = attack.crash(before, &base, &mut Draw::seeded(1), 1);
        self.runs += 1 + attack.tally.recoveries;
        found.map(|found| Case {
            eras: found.eras,
            ..candidate.clone()
        })
    }

    fn steps(&self, era: usize) -> usize {
        self.best.eras.get(era).map_or(0, |era| era.steps.len())
    }
}
