//! Cases as a proptest strategy: for test suites that already live in proptest.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use blackstart_sim::Scenario;
//! use blackstart_sim::prop;
//! use proptest::prelude::*;
//!
//! # fn test<MyScenario: Scenario>(my_scenario: MyScenario) {
//! let scenario = Arc::new(my_scenario);
//! proptest!(|(case in prop::cases(Arc::clone(&scenario)))| {
//!     prop::survives(&scenario, &case, 300)?;
//! });
//! # }
//! ```
//!
//! proptest draws a seed, and the seed the case; a failing case loses eras, operations, faults and
//! switches of the schedule, and its operations become simpler. proptest's own files of regressions
//! keep the seed. What it prints holds the failing case as text, crash included: that belongs into
//! the corpus, since seeds lose their meaning when what is drawn changes.
//!
//! Invariants:
//! - \[I1\] Every candidate of shrinking is smaller than what it came from, so shrinking ends.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::any;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::campaign::write_case;
use crate::case::{CaseOf, Era};
use crate::draw::Draw;
use crate::generate;
use crate::near::explore_near;
use crate::run::run_case;
use crate::scenario::Scenario;
use crate::sched::Schedule;

/// All cases of a scenario, as a campaign draws them.
pub fn cases<S: Scenario>(scenario: Arc<S>) -> Cases<S> {
    Cases { scenario }
}

/// Whether a case passes as it is, and crashed at its likeliest places, with at most `images_max`
/// images an era.
///
/// # Errors
/// How it fails, and the failing case as text.
pub fn survives<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    images_max: u64,
) -> Result<(), TestCaseError> {
    let failing = match run_case(scenario, case, false).failure {
        Some((_, failure)) => Some((case.clone(), failure)),
        None => explore_near(scenario, case, images_max),
    };
    match failing {
        None => Ok(()),
        Some((case, failure)) => {
            let text = write_case(&case, &failure);
            Err(TestCaseError::fail(format!("{failure}\n{text}")))
        }
    }
}

/// The strategy of [`cases`].
pub struct Cases<S> {
    scenario: Arc<S>,
}

impl<S: Scenario> fmt::Debug for Cases<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cases of {}", self.scenario.name())
    }
}

impl<S: Scenario> Strategy for Cases<S> {
    type Tree = CaseTree<S>;
    type Value = CaseOf<S>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let seed = any::<u64>().new_tree(runner)?.current();
        let case = generate::case(&self.scenario, &mut Draw::seeded(seed), None);
        Ok(CaseTree {
            scenario: Arc::clone(&self.scenario),
            candidates: last_first(&*self.scenario, &case),
            best: case,
            trying: None,
        })
    }
}

/// A case that proptest makes smaller.
pub struct CaseTree<S: Scenario> {
    scenario: Arc<S>,
    /// The smallest that failed.
    best: CaseOf<S>,
    /// Smaller ones, the next one last.
    candidates: Vec<CaseOf<S>>,
    trying: Option<CaseOf<S>>,
}

impl<S: Scenario> fmt::Debug for CaseTree<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaseTree")
            .field("best", &self.best)
            .field("candidates", &self.candidates.len())
            .finish_non_exhaustive()
    }
}

impl<S: Scenario> ValueTree for CaseTree<S> {
    type Value = CaseOf<S>;

    fn current(&self) -> CaseOf<S> {
        self.trying.as_ref().unwrap_or(&self.best).clone()
    }

    /// The current one failed.
    fn simplify(&mut self) -> bool {
        if let Some(smaller_one) = self.trying.take() {
            self.best = smaller_one;
            self.candidates = last_first(&*self.scenario, &self.best);
        }
        self.complicate()
    }

    /// The current one passed.
    fn complicate(&mut self) -> bool {
        self.trying = self.candidates.pop();
        self.trying.is_some()
    }
}

/// As [`smaller`], to be taken from the end.
fn last_first<S: Scenario>(scenario: &S, case: &CaseOf<S>) -> Vec<CaseOf<S>> {
    let mut candidates = smaller(scenario, case);
    candidates.reverse();
    candidates
}

/// What a case can be shrunken to in one step, the largest steps first.
fn smaller<S: Scenario>(scenario: &S, case: &CaseOf<S>) -> Vec<CaseOf<S>> {
    let mut all = Vec::new();
    if case.eras.len() > 1 {
        for index in 0..case.eras.len() {
            let mut candidate = case.clone();
            candidate.eras.remove(index);
            all.push(candidate);
        }
    }
    for (index, era) in case.eras.iter().enumerate() {
        for smaller in smaller_eras(scenario, era) {
            let mut candidate = case.clone();
            if let Some(era) = candidate.eras.get_mut(index) {
                *era = smaller;
            }
            all.push(candidate);
        }
    }
    all
}

fn smaller_eras<S: Scenario>(scenario: &S, era: &Era<S::Op>) -> Vec<Era<S::Op>> {
    let mut all = Vec::new();
    let mut with = |change: &dyn Fn(&mut Era<S::Op>)| {
        let mut candidate = era.clone();
        change(&mut candidate);
        all.push(candidate);
    };
    let count = era.steps.len();
    let mut chunk = count.div_ceil(2);
    while chunk > 0 {
        for from in (0..count).step_by(chunk) {
            with(&|era| drop(era.steps.drain(from..(from + chunk).min(count))));
        }
        chunk /= 2;
    }
    for fault in 0..era.faults.len() {
        with(&|era| drop(era.faults.remove(fault)));
    }
    if !era.schedule.is_default() {
        with(&|era| era.schedule = Schedule::RunUntilBlocked);
    }
    for (at, step) in era.steps.iter().enumerate() {
        for op in scenario.simpler(&step.op) {
            with(&|era| {
                if let Some(step) = era.steps.get_mut(at) {
                    step.op = op.clone();
                }
            });
        }
    }
    all
}
