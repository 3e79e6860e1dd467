//! Fewer operations and clients, and simpler operations.

use super::Search;
use crate::case::Case;
use crate::scenario::{Scenario, Step};

/// Pairs are tried if an era has at most so many operations.
const PAIR_STEPS_MAX: usize = 10;

impl<S: Scenario> Search<'_, S> {
    /// Drops operations, in chunks and then one by one. What counts calls (a fault's `nth`) loses
    /// its aim by that, so it is aimed again.
    pub(super) fn drop_steps(&mut self) {
        for era in 0..self.best.eras.len() {
            let mut chunk = self.steps(era).div_ceil(2);
            while chunk > 0 {
                let mut at = 0;
                while at < self.steps(era) {
                    if !self.drop_chunk(era, at, chunk) {
                        at += chunk;
                    }
                }
                chunk /= 2;
            }
        }
    }

    fn drop_chunk(&mut self, era: usize, at: usize, chunk: usize) -> bool {
        let mut candidate = self.best.clone();
        let Some(target) = candidate.eras.get_mut(era) else {
            return false;
        };
        let end = (at + chunk).min(target.steps.len());
        target.steps.drain(at..end);
        if self.take_rescheduled(candidate.clone()) {
            return true;
        }
        let aims = aimed_lower(&candidate, era);
        chunk == 1 && aims.into_iter().any(|aimed| self.take_anew(aimed))
    }

    /// Makes one of two operations that a client carries out one after the other, and leaves out
    /// pairs: neither may be possible one at a time.
    pub(super) fn merge_steps(&mut self) {
        for era in 0..self.best.eras.len() {
            let mut at = 0;
            while at + 1 < self.steps(era) {
                if !self.merge_at(era, at) {
                    at += 1;
                }
            }
            let count = self.steps(era);
            if (3..=PAIR_STEPS_MAX).contains(&count) {
                self.drop_pair(era, count);
            }
        }
    }

    fn merge_at(&mut self, era: usize, at: usize) -> bool {
        let Some(steps) = self.best.eras.get(era).map(|era| era.steps.clone()) else {
            return false;
        };
        let Some(one) = steps.get(at) else {
            return false;
        };
        let mut later = steps.iter().enumerate().skip(at + 1);
        let Some((next, two)) = later.find(|(_, step)| step.client == one.client) else {
            return false;
        };
        let mut candidates = Vec::new();
        for op in self.scenario.merged(&one.op, &two.op) {
            // Crashes are named by operations, and others may have their turn in between: either
            // name and either place may be the one that matters.
            for (id, place) in [(two.id, next), (one.id, at)] {
                let client = one.client;
                let op = op.clone();
                let mut candidate = self.best.clone();
                if let Some(target) = candidate.eras.get_mut(era) {
                    if let Some(step) = target.steps.get_mut(place) {
                        *step = Step { id, client, op };
                    }
                    target.steps.remove(if place == at { next } else { at });
                }
                candidates.extend(aimed_lower(&candidate, era));
                candidates.push(candidate);
            }
        }
        candidates
            .into_iter()
            .rev()
            .any(|candidate| self.take_anew(candidate))
    }

    fn drop_pair(&mut self, era: usize, count: usize) -> bool {
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |two| (one, two)));
        for (one, two) in pairs.collect::<Vec<_>>() {
            let mut candidate = self.best.clone();
            if let Some(target) = candidate.eras.get_mut(era) {
                target.steps.remove(two);
                target.steps.remove(one);
            }
            if self.take_anew(candidate) {
                return true;
            }
        }
        false
    }

    /// Has client 0 do what others did, all of it or one by one; in its place, or after everything
    /// else.
    pub(super) fn drop_clients(&mut self) {
        for era in 0..self.best.eras.len() {
            let all = self.of_others(era);
            let choices = std::iter::once(all.clone()).chain(all.into_iter().map(|id| vec![id]));
            for choice in choices.collect::<Vec<_>>() {
                for is_last in [false, true] {
                    let mut candidate = self.best.clone();
                    let Some(target) = candidate.eras.get_mut(era) else {
                        return;
                    };
                    let is_chosen =
                        |step: &Step<S::Op>| step.client > 0 && choice.contains(&step.id);
                    if !target.steps.iter().any(is_chosen) {
                        break;
                    }
                    if is_last {
                        target.steps.sort_by_key(is_chosen);
                    }
                    let chosen = target.steps.iter_mut().filter(|step| is_chosen(step));
                    chosen.for_each(|step| step.client = 0);
                    if self.take_anew(candidate) {
                        break;
                    }
                }
            }
        }
    }

    /// The operations of an era that client 0 does not do.
    fn of_others(&self, era: usize) -> Vec<u32> {
        let steps = self.best.eras.get(era).map(|era| era.steps.iter());
        let others = steps.into_iter().flatten().filter(|step| step.client > 0);
        others.map(|step| step.id).collect()
    }

    pub(super) fn simplify_ops(&mut self) -> bool {
        let mut any = false;
        for era in 0..self.best.eras.len() {
            for at in 0..self.steps(era) {
                while self.simplify_op(era, at) {
                    any = true;
                }
            }
        }
        any
    }

    fn simplify_op(&mut self, era: usize, at: usize) -> bool {
        let step = self.best.eras.get(era).and_then(|era| era.steps.get(at));
        let Some(op) = step.map(|step| step.op.clone()) else {
            return false;
        };
        self.scenario.simpler(&op).into_iter().any(|simpler| {
            let mut candidate = self.best.clone();
            let target = candidate.eras.get_mut(era);
            if let Some(step) = target.and_then(|era| era.steps.get_mut(at)) {
                step.op = simpler;
            }
            self.take_as_good(candidate)
        })
    }
}

/// The case with its faults in this era aimed at an earlier call, one or two earlier.
fn aimed_lower<C: Clone, O: Clone>(case: &Case<C, O>, era: usize) -> Vec<Case<C, O>> {
    let faults = case.eras.get(era).map_or(0, |era| era.faults.len());
    let mut aimed = Vec::new();
    for (fault, by) in (0..faults).flat_map(|fault| [(fault, 1), (fault, 2)]) {
        let mut candidate = case.clone();
        let rule = candidate
            .eras
            .get_mut(era)
            .and_then(|era| era.faults.get_mut(fault));
        if let Some((nth, _)) = rule.and_then(|rule| rule.when.counted_mut())
            && *nth > by
        {
            *nth -= by;
            aimed.push(candidate);
        }
    }
    aimed
}
