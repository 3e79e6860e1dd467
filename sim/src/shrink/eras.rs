//! Fewer eras, and so fewer crashes.

use super::Search;
use super::weight::{crash_count, weight};
use crate::case::{Case, CaseOf, End, Era};
use crate::disk::Trigger;
use crate::scenario::{Scenario, Step};
use crate::sched::Schedule;

/// By how many calls a fault is aimed later when eras are joined.
const LATER_CALLS_MAX: u32 = 6;

impl<S: Scenario> Search<'_, S> {
    pub(super) fn drop_eras(&mut self) {
        let mut index = 0;
        while index < self.best.eras.len() && self.best.eras.len() > 1 {
            let mut candidate = self.best.clone();
            candidate.eras.remove(index);
            if !self.take_rescheduled(candidate) {
                index += 1;
            }
        }
    }

    /// Ends eras in order instead of by a crash, or by a kill instead of a loss of power.
    pub(super) fn soften_ends(&mut self) {
        for index in 0..self.best.eras.len() {
            let end = self.best.eras.get(index).map(|era| era.end.clone());
            let softer = match end {
                Some(End::Power { at, .. }) => vec![End::Close, End::Kill { at }],
                Some(End::Kill { .. }) => vec![End::Close],
                Some(End::Close) | None => continue,
            };
            for end in softer {
                let mut candidate = self.best.clone();
                if let Some(era) = candidate.eras.get_mut(index) {
                    era.end = end;
                }
                if weight(&candidate) < weight(&self.best) && self.take_anew(candidate) {
                    break;
                }
            }
        }
    }

    /// Makes one era of two where a case has several crashes: a restart in between may do for a
    /// crash, or nothing at all.
    pub(super) fn join_eras(&mut self) {
        let mut index = 0;
        while index + 1 < self.best.eras.len() && crash_count(&self.best) > 1 {
            let restarts = self.scenario.restarts();
            let between = std::iter::once(None).chain(restarts.into_iter().map(Some));
            let joined = between.filter_map(|restart| self.joined(index, restart));
            let joined = joined.flat_map(|case| self.with_simpler_end(index, case));
            let candidates: Vec<CaseOf<S>> =
                joined.flat_map(|case| aimed_higher(case, index)).collect();
            if !candidates
                .into_iter()
                .any(|candidate| self.take_rescheduled(candidate))
            {
                index += 1;
            }
        }
    }

    /// The joined case as it is, and with simpler forms of the operation that the crash met: it
    /// had done but a part of what it says.
    fn with_simpler_end(&self, index: usize, case: CaseOf<S>) -> Vec<CaseOf<S>> {
        let last = self.steps(index).checked_sub(1);
        let step = last.and_then(|last| Some((last, case.eras.get(index)?.steps.get(last)?)));
        let mut cases = Vec::new();
        if let Some((last, step)) = step {
            for op in self.scenario.simpler(&step.op) {
                let mut case = case.clone();
                let era = case.eras.get_mut(index);
                if let Some(step) = era.and_then(|era| era.steps.get_mut(last)) {
                    step.op = op;
                }
                cases.push(case);
            }
        }
        cases.insert(0, case);
        cases
    }

    /// The case with an era and the next one joined.
    fn joined(&self, index: usize, restart: Option<S::Op>) -> Option<CaseOf<S>> {
        let mut case = self.best.clone();
        let two = case.eras.get(index + 1)?.clone();
        let one = case.eras.get_mut(index)?;
        // The crash that stays names operations of the second era: theirs are the names to keep.
        let free = two.steps.iter().map(|step| step.id).max().unwrap_or(0) + 1;
        for (step, id) in one.steps.iter_mut().zip(free..) {
            step.id = id;
        }
        let is_restart = restart.is_some();
        let id = free + one.steps.len() as u32;
        let between = restart.map(|op| Step { id, client: 0, op });
        let mut steps = std::mem::take(&mut one.steps);
        steps.extend(between);
        steps.extend(two.steps);
        if is_restart {
            // Nobody else may be at work then.
            steps.iter_mut().for_each(|step| step.client = 0);
        }
        let schedule = match is_restart {
            true => Schedule::RunUntilBlocked,
            false => two.schedule,
        };
        *one = Era {
            steps,
            faults: [std::mem::take(&mut one.faults), two.faults].concat(),
            schedule,
            end: two.end,
        };
        case.eras.remove(index + 1);
        Some(case)
    }
}

/// The case as it is, and with the faults of an era aimed at later calls: those of the era that
/// was joined to it come first now.
fn aimed_higher<C: Clone, O: Clone>(case: Case<C, O>, era: usize) -> Vec<Case<C, O>> {
    let counts = |case: &Case<C, O>| {
        let faults = case.eras.get(era).map(|era| era.faults.iter());
        let mut faults = faults.into_iter().flatten();
        faults.any(|rule| matches!(rule.when, Trigger::Nth { .. }))
    };
    let most = if counts(&case) { LATER_CALLS_MAX } else { 0 };
    let later = (0..=most).map(|by| {
        let mut case = case.clone();
        let faults = case.eras.get_mut(era).map(|era| era.faults.iter_mut());
        for rule in faults.into_iter().flatten() {
            if let Trigger::Nth { nth, .. } = &mut rule.when {
                *nth += by;
            }
        }
        case
    });
    later.collect()
}
