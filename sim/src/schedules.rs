//! Every order of tasks that needs at most so many preemptions.
//!
//! Most mistakes of concurrency need few preemptions (Musuvathi and Qadeer, PLDI 2007). So the
//! schedules of a small case are not drawn but enumerated: a schedule is a list of deviations from
//! run-until-blocked; a run tells at which calls other tasks could have gone first; each of them,
//! behind the last deviation of the list, gives a longer list.
//!
//! Invariants:
//! - \[I1\] Within the bounds each list is tried once, shorter ones first; lists that lead to the
//!   same run are judged once.
//! - \[I2\] A failure is given as a case that fails in the same way.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::case::{Case, CaseOf, End, Era};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort};
use crate::failure::Failure;
use crate::run::{EraRun, Runner, Start, end_state, plan_of};
use crate::scenario::Scenario;
use crate::sched::{Deviation, Schedule};

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleBounds {
    /// Preemptions of one schedule.
    pub preemptions_max: usize,
    /// Schedules of one era.
    pub schedules_max: u64,
    /// Images of crashes of one schedule's run; 0: it is not crashed.
    pub images_max: u64,
}

impl Default for ScheduleBounds {
    fn default() -> Self {
        Self {
            preemptions_max: 2,
            schedules_max: 20_000,
            images_max: 200,
        }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleTally {
    /// Schedules run.
    pub schedules: u64,
    /// Runs that differ.
    pub distinct: u64,
    /// Images of crashes judged, equal ones once.
    pub images: u64,
    /// Whether every schedule within the number of preemptions was run.
    pub is_complete: bool,
}

/// A failure under some schedule.
pub(crate) type Failing<S> = (CaseOf<S>, Failure);

/// Runs each era of a case under every schedule within the bounds; stops at the first failure.
pub(crate) fn explore_schedules<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    bounds: ScheduleBounds,
) -> (ScheduleTally, Option<Failing<S>>) {
    let mut runner = Runner::of_case(scenario, case);
    runner.notes_choices = true;
    let mut tally = ScheduleTally {
        is_complete: true,
        ..ScheduleTally::default()
    };
    let mut start = runner.start();
    for (index, era) in case.eras.iter().enumerate() {
        let (before, rest) = case.eras.split_at(index);
        let search = Search {
            runner: &runner,
            start: &start,
            before,
            era,
            later: rest.get(1),
            bounds,
        };
        if let Some((eras, failure)) = search.run(&mut tally) {
            let case = Case {
                eras,
                ..case.clone()
            };
            return (tally, Some((case, failure)));
        }
        let run = runner.era(&start, plan_of(era));
        if let Some(failure) = run.failure {
            return (tally, Some((case.clone(), failure)));
        }
        start = end_state(&runner, &start, era, &run, &mut Vec::new());
    }
    (tally, None)
}

/// The search through one era's schedules.
struct Search<'a, S: Scenario> {
    runner: &'a Runner<S>,
    start: &'a Start<S>,
    before: &'a [Era<S::Op>],
    era: &'a Era<S::Op>,
    later: Option<&'a Era<S::Op>>,
    bounds: ScheduleBounds,
}

impl<S: Scenario> Search<'_, S> {
    fn run(&self, tally: &mut ScheduleTally) -> Option<(Vec<Era<S::Op>>, Failure)> {
        let mut waiting = VecDeque::from([Vec::new()]);
        let (mut seen, mut count) = (BTreeSet::new(), 0);
        while let Some(deviations) = waiting.pop_front() {
            if count >= self.bounds.schedules_max {
                tally.is_complete = false;
                return None;
            }
            count += 1;
            tally.schedules += 1;
            let era = self.with(&deviations);
            let run = self.runner.era(self.start, plan_of(&era));
            if deviations.len() < self.bounds.preemptions_max {
                waiting.extend(longer(&deviations, &run));
            }
            if !seen.insert(run.hash) {
                continue;
            }
            tally.distinct += 1;
            if let Some(found) = self.judge(&era, &run, tally) {
                return Some(found);
            }
        }
        None
    }

    fn with(&self, deviations: &[Deviation]) -> Era<S::Op> {
        Era {
            schedule: Schedule::Deviations(deviations.to_vec()),
            end: End::Close,
            ..self.era.clone()
        }
    }

    /// The run's own failure, or that of a crash of it.
    fn judge(
        &self,
        era: &Era<S::Op>,
        run: &EraRun<S>,
        tally: &mut ScheduleTally,
    ) -> Option<(Vec<Era<S::Op>>, Failure)> {
        if let Some(failure) = &run.failure {
            let eras = self.before.iter().cloned().chain([era.clone()]);
            return Some((eras.collect(), failure.clone()));
        }
        if self.bounds.images_max == 0 {
            return None;
        }
        let effort = Effort {
            images_max: self.bounds.images_max,
            ..Effort::BROAD
        };
        let mut attack = Attack::new(self.runner, effort);
        if let Some(later) = self.later {
            attack.later_faults.clone_from(&later.faults);
        }
        let base = Base {
            start: self.start,
            run,
            era,
        };
        let found = attack.crash(self.before, &base, &mut Draw::seeded(1), 1);
        tally.images += attack.tally.distinct;
        found.map(|found| (found.eras, found.failure))
    }
}

/// The lists with one more deviation, behind the last one.
fn longer<S: Scenario>(deviations: &[Deviation], run: &EraRun<S>) -> Vec<Vec<Deviation>> {
    let last = deviations.last();
    let from = last.and_then(|last| {
        let at = run.choices.iter().position(|choice| choice.at == last.at);
        at.map(|at| at + 1)
    });
    if last.is_some() && from.is_none() {
        // The run did not come by it, so it is the run of a shorter list.
        return Vec::new();
    }
    let choices = run.choices.iter().skip(from.unwrap_or(0));
    let more = choices.flat_map(|choice| {
        let others = choice.others.iter();
        others.map(|to| Deviation {
            at: choice.at,
            to: *to,
        })
    });
    more.map(|deviation| deviations.iter().copied().chain([deviation]).collect())
        .collect()
}
