//! The smallest case with the same failure.
//!
//! Shrinking is joint: eras, operations, faults, schedule, crash image, profile and sizes are all
//! tried, in rounds, until a round changes nothing. A candidate is taken if the *same* failure
//! remains (same oracle, same place). Dropping an operation moves what follows, so a candidate
//! that does not fail as it stands is crashed anew (`Attack`): at every cut, with many images.
//!
//! Invariants:
//! - \[I1\] What is returned fails in the same way as what was given, or is what was given.
//! - \[I2\] It ends: each taken candidate is smaller by `weight`, and runs are bounded.

use std::sync::Arc;

use crate::case::{Case, CaseOf, Cut, End, Era};
use crate::disk::{Profile, Survivors};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort};
use crate::failure::Failure;
use crate::run::{Runner, plan_of, run_case};
use crate::scenario::Scenario;
use crate::sched::Schedule;

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
    let mut search = Search {
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
    while search.round() && search.runs < RUNS_MAX {}
    Shrunken {
        case: search.best,
        runs: search.runs,
    }
}

/// How large a case is, the most important part first.
fn weight<C, O>(case: &Case<C, O>) -> (usize, usize, usize, usize, usize, usize) {
    let faults = case.eras.iter().map(|era| era.faults.len()).sum();
    let switches = case
        .eras
        .iter()
        .map(|era| schedule_weight(&era.schedule))
        .sum();
    let survivors = case.eras.iter().map(|era| end_weight(&era.end)).sum();
    let profile = Profile::ALL.len() - case.disk.profile.strength();
    (
        case.eras.len(),
        step_count(case),
        faults,
        switches,
        survivors,
        profile,
    )
}

fn schedule_weight(schedule: &Schedule) -> usize {
    match schedule {
        Schedule::RunUntilBlocked => 0,
        Schedule::Deviations(list) => 1 + list.len(),
        Schedule::Hashed { .. } => 1_000,
    }
}

fn end_weight(end: &End) -> usize {
    match end {
        End::Close => 0,
        End::Kill { .. } => 1,
        End::Power { survivors, .. } => 2 + survivors.weight(),
    }
}

struct Search<S: Scenario> {
    scenario: Arc<S>,
    wanted: Failure,
    best: CaseOf<S>,
    runs: u64,
}

impl<S: Scenario> Search<S> {
    /// Tries everything once; true if anything became smaller.
    fn round(&mut self) -> bool {
        let before = weight(&self.best);
        self.drop_eras();
        self.drop_steps();
        self.drop_faults();
        self.flatten_schedules();
        self.simplify_images();
        self.strengthen_profile();
        let smaller_ops = self.simplify_ops();
        weight(&self.best) < before || smaller_ops
    }

    fn fails(&mut self, case: &CaseOf<S>) -> bool {
        self.runs += case.eras.len() as u64;
        let run = run_case(&self.scenario, case, false);
        run.failure
            .is_some_and(|(_, failure)| self.wanted.same(&failure))
    }

    /// Takes the candidate if it fails as it stands.
    fn take(&mut self, candidate: CaseOf<S>) -> bool {
        if self.runs >= RUNS_MAX || !self.fails(&candidate) {
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

    /// Runs the candidate up to its last crash, and tries every cut there.
    fn crash_anew(&mut self, candidate: &CaseOf<S>) -> Option<CaseOf<S>> {
        if self.runs >= RUNS_MAX {
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

    fn drop_eras(&mut self) {
        let mut index = 0;
        while index < self.best.eras.len() && self.best.eras.len() > 1 {
            let mut candidate = self.best.clone();
            candidate.eras.remove(index);
            if !self.take_anew(candidate) {
                index += 1;
            }
        }
    }

    fn drop_steps(&mut self) {
        for era in 0..self.best.eras.len() {
            let mut chunk = self.steps(era).div_ceil(2);
            while chunk > 0 {
                let mut at = 0;
                while at < self.steps(era) {
                    let mut candidate = self.best.clone();
                    let Some(target) = candidate.eras.get_mut(era) else {
                        break;
                    };
                    let end = (at + chunk).min(target.steps.len());
                    target.steps.drain(at..end);
                    if !self.take_anew(candidate) {
                        at += chunk;
                    }
                }
                chunk /= 2;
            }
        }
    }

    fn steps(&self, era: usize) -> usize {
        self.best.eras.get(era).map_or(0, |era| era.steps.len())
    }

    fn drop_faults(&mut self) {
        for era in 0..self.best.eras.len() {
            let mut at = 0;
            while self
                .best
                .eras
                .get(era)
                .is_some_and(|era| at < era.faults.len())
            {
                let mut candidate = self.best.clone();
                if let Some(target) = candidate.eras.get_mut(era) {
                    target.faults.remove(at);
                }
                if !self.take_anew(candidate) {
                    at += 1;
                }
            }
        }
    }

    fn flatten_schedules(&mut self) {
        for era in 0..self.best.eras.len() {
            let Some(present) = self.best.eras.get(era).map(|era| era.schedule.clone()) else {
                return;
            };
            if present == Schedule::RunUntilBlocked {
                continue;
            }
            let with = |case: &CaseOf<S>, schedule: Schedule| {
                let mut candidate = case.clone();
                if let Some(target) = candidate.eras.get_mut(era) {
                    target.schedule = schedule;
                }
                candidate
            };
            if self.take_anew(with(&self.best, Schedule::RunUntilBlocked)) {
                continue;
            }
            let Schedule::Deviations(mut list) = present else {
                continue;
            };
            let mut chunk = list.len().div_ceil(2);
            while chunk > 0 {
                let mut at = 0;
                while at < list.len() {
                    let mut fewer = list.clone();
                    fewer.drain(at..(at + chunk).min(fewer.len()));
                    if self.take(with(&self.best, Schedule::Deviations(fewer.clone()))) {
                        list = fewer;
                    } else {
                        at += chunk;
                    }
                }
                chunk /= 2;
            }
        }
    }

    fn simplify_images(&mut self) {
        for era in 0..self.best.eras.len() {
            while let Some(End::Power { at, survivors }) =
                self.best.eras.get(era).map(|era| era.end.clone())
            {
                let weight = survivors.weight();
                let mut is_simpler = false;
                for simpler in survivors.simpler() {
                    if simpler.weight() < weight && self.take_image(era, at, simpler) {
                        is_simpler = true;
                        break;
                    }
                }
                if !is_simpler {
                    break;
                }
            }
        }
    }

    fn take_image(&mut self, era: usize, at: Cut, survivors: Survivors) -> bool {
        let mut candidate = self.best.clone();
        if let Some(target) = candidate.eras.get_mut(era) {
            target.end = End::Power { at, survivors };
        }
        self.take(candidate)
    }

    /// The most ordered profile that still shows it.
    fn strengthen_profile(&mut self) {
        for profile in Profile::by_strength() {
            if profile.strength() <= self.best.disk.profile.strength() {
                return;
            }
            let mut candidate = self.best.clone();
            candidate.disk.profile = profile;
            if self.take_anew(candidate) {
                return;
            }
        }
    }

    fn simplify_ops(&mut self) -> bool {
        let mut any = false;
        for era in 0..self.best.eras.len() {
            for at in 0..self.steps(era) {
                while let Some(simpler) = self.simpler_op(era, at) {
                    self.best = simpler;
                    any = true;
                }
            }
        }
        any
    }

    fn simpler_op(&mut self, era: usize, at: usize) -> Option<CaseOf<S>> {
        let op = self.best.eras.get(era)?.steps.get(at)?.op.clone();
        for simpler in self.scenario.simpler(&op) {
            let mut candidate = self.best.clone();
            candidate.eras.get_mut(era)?.steps.get_mut(at)?.op = simpler;
            if self.runs >= RUNS_MAX {
                return None;
            }
            if self.fails(&candidate) {
                return Some(candidate);
            }
            if let Some(found) = self.crash_anew(&candidate)
                && weight(&found) <= weight(&self.best)
                && self.fails(&found)
            {
                return Some(found);
            }
        }
        None
    }
}
