//! The explorer: every cut of a small workload, images in a fixed order, and a verdict on each.
//!
//! A campaign samples large cases ([`crate::explore`]); this goes through small ones in full. At
//! each cut of each era: a kill, then the choices of [`enumerate`](crate::disk::enumerate) until
//! they are exhausted or the budget is spent. An image is judged once for each history that may
//! have led to it: through the read tree (`readtree.rs`) where an earlier run saw the same,
//! else by running the verification era, whose own trace is then crashed in the same way, to the
//! depth that is wanted. What the orderly end of that era leaves has to stand the same era again.
//!
//! The work is cut into *lots*: the cuts of one era between which the program learned nothing
//! that a recovery would ask for. A lot has its own trees, and is worked on by one thread at a
//! time.
//!
//! Invariants:
//! - \[I1\] Counts and findings do not depend on the number of threads, unless time ended it.
//! - \[I2\] A finding is a case whose replay fails in the same way; one that is none is a defect
//!   of the simulator, and ends the exploration as one.
//! - \[I3\] A sampled part of what the trees say is run and compared
//!   ([`ExploreOptions::check_one_in`]).
//!
//! Not here: the order of choices ([`crate::disk`]), the smallest case ([`crate::shrink`]).

mod found;
mod ground;
mod levels;
mod lot;
mod order;
mod past;
mod report;
mod rounds;
mod second;
mod seen;
mod verdict;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use levels::LevelTally;
pub use report::{Exploration, FindingReport};

use crate::case::CaseOf;
use crate::disk::Profile;
use crate::scenario::Scenario;
use crate::stopwatch::Stopwatch;

/// How far an exploration goes.
#[derive(Clone, Debug)]
pub struct ExploreOptions {
    /// The file system's rules; none: those of the case.
    pub profile: Option<Profile>,
    /// Bytes of a tear unit; none: those of the case.
    pub tear_bytes: Option<u64>,
    /// Whether units are torn inside; false: as the case says.
    pub torn_units: bool,
    /// How deep crashes nest: 1 is a single crash.
    pub depth_max: u32,
    /// Choices tried at a cut of the workload.
    pub choices_max: u64,
    /// Choices tried at a cut of a recovery.
    pub nested_choices_max: u64,
    /// With a time limit the number of choices has none.
    pub time_max: Option<Duration>,
    /// Threads.
    pub jobs: usize,
    /// One in so many verdicts of a read tree is compared with a run.
    pub check_one_in: u64,
}

impl Default for ExploreOptions {
    fn default() -> Self {
        Self {
            profile: None,
            tear_bytes: None,
            torn_units: false,
            depth_max: 2,
            choices_max: 16_384,
            nested_choices_max: 16,
            time_max: None,
            jobs: 1,
            check_one_in: 64,
        }
    }
}

/// Explores the crashes of cases of one scenario.
pub fn explore<S: Scenario>(
    scenario: &Arc<S>,
    cases: &[CaseOf<S>],
    options: &ExploreOptions,
    interrupted: &AtomicBool,
) -> Exploration {
    let started = Stopwatch::start();
    let limits = rounds::Limits {
        started,
        time_max: options.time_max,
        interrupted,
        is_deaf: false,
    };
    let cases: Vec<CaseOf<S>> = cases.iter().map(|case| prepared(case, options)).collect();
    let mut report = Exploration::new(scenario.name());
    let mut outcome = rounds::Outcome::default();
    for case in &cases {
        outcome.take(rounds::explore(scenario, case, options, &limits, None));
    }
    report.cases = cases.len() as u64;
    report.levels = outcome.levels;
    report.distinct = levels::count_distinct(&mut outcome.contents);
    report.is_complete = outcome.is_complete;
    report.defect = outcome.defect;
    // What follows explains findings, and is not part of the rates.
    report.elapsed = started.elapsed();
    for found in outcome.findings {
        report
            .findings
            .push(order::explain(scenario, found, options, &limits));
    }
    report
}

fn prepared<C: Clone, O: Clone>(
    case: &crate::case::Case<C, O>,
    options: &ExploreOptions,
) -> crate::case::Case<C, O> {
    let mut case = case.clone();
    case.disk.profile = options.profile.unwrap_or(case.disk.profile);
    case.disk.tear_bytes = options.tear_bytes.unwrap_or(case.disk.tear_bytes);
    case.disk.torn_units |= options.torn_units;
    case
}
