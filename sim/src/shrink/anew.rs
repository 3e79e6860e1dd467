//! Candidates that no longer fail as they stand: crashed and scheduled anew.
//!
//! What a case names (a call, an effect, a byte) may be gone, or be another, once an operation
//! before it is dropped. The same mistake is mostly still to be had, at another name.

use super::weight::weight;
use super::{Pains, Search};
use crate::case::{Case, CaseOf, End, Era};
use crate::disk::Fault;
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort};
use crate::run::{EraRun, Runner, Start, end_state, plan_of};
use crate::scenario::Scenario;
use crate::sched::Schedule;

/// A few images at every cut.
const FEW: Effort = Effort {
    images_max: 1_000,
    ..Effort::BROAD
};
/// Many at the first cuts.
const MANY: Effort = Effort {
    images_max: 3_000,
    ..Effort::THOROUGH
};
/// How many of a thousand of them get a new place of damage, if the case has an aimed one.
const AIMED_PER_MILLE: u64 = 500;
/// Schedules that are tried for a candidate with several clients.
const SCHEDULES_MAX: u64 = 6;

/// A case up to an era of it.
struct Reached<S: Scenario> {
    runner: Runner<S>,
    start: Start<S>,
    run: EraRun<S>,
}

impl<S: Scenario> Search<'_, S> {
    /// Takes the candidate if it fails as it stands, or with its last crash chosen anew.
    pub(super) fn take_anew(&mut self, candidate: CaseOf<S>) -> bool {
        self.take(candidate.clone()) || self.take_crashed(&candidate, false)
    }

    /// Takes the candidate, which is plainer in something that `weight` does not measure, if it
    /// fails as it stands, or with its last crash chosen anew, and is no larger.
    pub(super) fn take_as_good(&mut self, candidate: CaseOf<S>) -> bool {
        self.take(candidate.clone()) || self.take_crashed(&candidate, true)
    }

    /// As [`take_anew`](Self::take_anew), and with other schedules where there are several
    /// clients: for changes after which no switch of the old schedule makes sense.
    pub(super) fn take_rescheduled(&mut self, candidate: CaseOf<S>) -> bool {
        if self.take_anew(candidate.clone()) {
            return true;
        }
        let last = last_crashed(&candidate);
        let era = candidate.eras.get(last);
        let is_alone = era.is_none_or(|era| era.steps.iter().all(|step| step.client == 0));
        if is_alone || self.pains < Pains::Schedules {
            return false;
        }
        (0..SCHEDULES_MAX).any(|seed| {
            let mut candidate = candidate.clone();
            if let Some(era) = candidate.eras.get_mut(last) {
                let one_in = 1 + seed as u32 % 3;
                era.schedule = Schedule::Hashed { seed, one_in };
            }
            weight(&candidate) < weight(&self.best) && self.take_anew(candidate)
        })
    }

    fn take_crashed(&mut self, candidate: &CaseOf<S>, or_equal: bool) -> bool {
        let Some(found) = self.crash_anew(candidate) else {
            return false;
        };
        let (new, old) = (weight(&found), weight(&self.best));
        (new < old || (or_equal && new == old)) && self.take(found)
    }

    /// Runs the candidate up to its last crash, or to its end if it has none, and tries every cut
    /// there.
    fn crash_anew(&mut self, candidate: &CaseOf<S>) -> Option<CaseOf<S>> {
        let efforts: &[Effort] = match self.pains {
            _ if self.is_over() => return None,
            Pains::None => return None,
            Pains::Few => &[FEW],
            Pains::Many | Pains::Schedules => &[FEW, MANY],
        };
        let last = last_crashed(candidate);
        let (before, rest) = candidate.eras.split_at(last);
        let era = Era {
            end: End::Close,
            ..rest.first()?.clone()
        };
        let Reached { runner, start, run } = self.reach(candidate, before, &era)?;
        let base = Base {
            start: &start,
            run: &run,
            era: &era,
        };
        let after = rest.get(1).map(|after| after.faults.clone());
        let after = after.unwrap_or_default();
        let (aimed, others): (Vec<_>, Vec<_>) = after
            .iter()
            .cloned()
            .partition(|rule| matches!(rule.what, Fault::FlipAt { .. }));
        let mut tries = vec![(after, 0)];
        if !aimed.is_empty() {
            tries.push((others, AIMED_PER_MILLE));
        }
        for (later_faults, aimed_per_mille) in tries {
            for effort in efforts {
                let mut attack = Attack::new(&runner, effort.clone());
                attack.wanted = Some(self.wanted.clone());
                attack.later_faults.clone_from(&later_faults);
                attack.aimed_per_mille = aimed_per_mille;
                let found = attack.crash(before, &base, &mut Draw::seeded(1), 1);
                self.runs += attack.tally.recoveries;
                if let Some(found) = found {
                    return Some(Case {
                        eras: found.eras,
                        ..candidate.clone()
                    });
                }
            }
        }
        None
    }

    /// The order in which tasks go on in an era, as a list: what a hashed schedule came to.
    pub(super) fn listed(&mut self, index: usize) -> Option<Schedule> {
        let case = self.best.clone();
        let (before, rest) = case.eras.split_at(index);
        let reached = self.run_to(&case, before, rest.first()?)?;
        Some(Schedule::Deviations(reached.run.taken))
    }

    /// Runs the eras before, and then one that must not fail.
    fn reach(
        &mut self,
        case: &CaseOf<S>,
        before: &[Era<S::Op>],
        era: &Era<S::Op>,
    ) -> Option<Reached<S>> {
        let reached = self.run_to(case, before, era)?;
        reached.run.failure.is_none().then_some(reached)
    }

    fn run_to(
        &mut self,
        case: &CaseOf<S>,
        before: &[Era<S::Op>],
        era: &Era<S::Op>,
    ) -> Option<Reached<S>> {
        let runner = Runner::of_case(&self.scenario, case);
        let mut start = runner.start();
        self.runs += 1 + before.len() as u64;
        for era in before {
            let run = runner.era(&start, plan_of(era));
            if run.failure.is_some() {
                return None;
            }
            start = end_state(&runner, &start, era, &run, &mut Vec::new());
        }
        let run = runner.era(&start, plan_of(era));
        Some(Reached { runner, start, run })
    }
}

/// The last era that ends in a crash, or the last one.
fn last_crashed<C, O>(case: &Case<C, O>) -> usize {
    let crashed = case
        .eras
        .iter()
        .rposition(|era| !matches!(era.end, End::Close));
    crashed.unwrap_or(case.eras.len().saturating_sub(1))
}
