//! Fewer eras, and so fewer crashes.

use super::Search;
use super::weight::{crash_count, weight};
use crate::case::{Case, CaseOf, Cut, End, Era};
use crate::disk::Survivors;
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

    /// Makes one era of two. Where a case has several crashes a restart in between may do for one,
    /// or nothing at all.
    pub(super) fn join_eras(&mut self) {
        let mut index = 0;
        while index + 1 < self.best.eras.len() {
            let mut candidates = Vec::new();
            for between in self.betweens() {
                for steps in self.beginnings(index) {
                    let joined = self.joined(index, steps, between.clone());
                    candidates.extend(
                        joined
                            .into_iter()
                            .flat_map(|case| aimed_higher(case, index)),
                    );
                }
            }
            if !candidates
                .into_iter()
                .any(|candidate| self.take_rescheduled(candidate))
            {
                index += 1;
            }
        }
    }

    /// What may stand between two eras that are joined: nothing, or a restart.
    fn betweens(&self) -> Vec<Vec<S::Op>> {
        let mut betweens = vec![Vec::new()];
        if crash_count(&self.best) > 1 {
            betweens.extend(self.scenario.restarts());
        }
        betweens
    }

    /// The steps of an era, with its last one as it is, in simpler forms, left out, and done twice:
    /// the crash that ended the era may have left it half done, and what made up for the rest may
    /// be had by one more.
    fn beginnings(&self, index: usize) -> Vec<Vec<Step<S::Op>>> {
        let Some(era) = self.best.eras.get(index) else {
            return Vec::new();
        };
        let mut beginnings = vec![era.steps.clone()];
        if let Some((last, before)) = era.steps.split_last() {
            let with = |more: Vec<Step<S::Op>>| [before, &more].concat();
            let simpler = self.scenario.simpler(&last.op).into_iter();
            beginnings.extend(simpler.map(|op| with(vec![Step { op, ..last.clone() }])));
            beginnings.push(before.to_vec());
            beginnings.push(with(vec![last.clone(), last.clone()]));
        }
        beginnings
    }

    /// The case with an era, which begins with these steps, and the next one joined.
    fn joined(
        &self,
        index: usize,
        mut steps: Vec<Step<S::Op>>,
        between: Vec<S::Op>,
    ) -> Option<CaseOf<S>> {
        let mut case = self.best.clone();
        let mut two = case.eras.get(index + 1)?.clone();
        let one = case.eras.get_mut(index)?;
        let has_restart = !between.is_empty();
        let between = between.into_iter();
        steps.extend(between.map(|op| Step {
            id: 0,
            client: 0,
            op,
        }));
        // The crash that stays names operations of the second era: theirs are the names to keep.
        let mut id = two.steps.iter().map(|step| step.id).max().unwrap_or(0);
        for step in &mut steps {
            id += 1;
            step.id = id;
        }
        if has_restart {
            // The second era's opening is what the restart does.
            rename_opening(&mut two.end, id);
        }
        steps.extend(two.steps);
        let mut schedule = two.schedule;
        if has_restart {
            // Nobody else may be at work then.
            steps.iter_mut().for_each(|step| step.client = 0);
            schedule = Schedule::RunUntilBlocked;
        }
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

/// Has the end of an era name its opening's calls and effects as those of an operation.
fn rename_opening(end: &mut End, op: u32) {
    let (at, survivors) = match end {
        End::Close => return,
        End::Kill { at } => (at, None),
        End::Power { at, survivors } => (at, Some(survivors)),
    };
    if let Cut::Before(call) = at
        && call.op == 0
    {
        call.op = op;
    }
    if let Some(Survivors::Explicit(explicit)) = survivors {
        let effects = explicit.except.iter_mut().map(|except| &mut except.effect);
        let effects = effects.chain(explicit.torn.iter_mut().map(|torn| &mut torn.effect));
        for effect in effects {
            if effect.eras_ago == 0 && effect.call.op == 0 {
                effect.call.op = op;
            }
        }
    }
}

/// The case as it is, and with the faults of an era aimed at later calls: those of the era that
/// was joined to it come first now.
fn aimed_higher<C: Clone, O: Clone>(case: Case<C, O>, era: usize) -> Vec<Case<C, O>> {
    let counts = |case: &Case<C, O>| {
        let faults = case.eras.get(era).map(|era| era.faults.iter());
        let mut faults = faults.into_iter().flatten();
        faults.any(|rule| rule.when.counted().is_some())
    };
    let most = if counts(&case) { LATER_CALLS_MAX } else { 0 };
    let later = (0..=most).map(|by| {
        let mut case = case.clone();
        let faults = case.eras.get_mut(era).map(|era| era.faults.iter_mut());
        for rule in faults.into_iter().flatten() {
            if let Some((nth, _)) = rule.when.counted_mut() {
                *nth += by;
            }
        }
        case
    });
    later.collect()
}
