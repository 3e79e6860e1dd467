//! The work on one case: its lots, worked on by several threads, round after round.
//!
//! The first round tries the first choices of every cut, which break most programs; the later ones
//! go on from there. So a time limit leaves no cut unseen for the sake of another's samples.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::ExploreOptions;
use super::ground::{Ground, Part, grounds, parts};
use super::levels::{self, LevelTally};
use super::lot::{Finding, Lot};
use crate::case::{Case, CaseOf, End, Era};
use crate::failure::Failure;
use crate::run::Runner;
use crate::scenario::Scenario;
use crate::sched::{Schedule, Watchdog};
use crate::stopwatch::Stopwatch;

/// How long a task may keep the processor outside the seam.
const WATCHDOG_PATIENCE: Duration = Duration::from_secs(30);
/// Choices of each cut in the first round.
const FIRST_ROUND: u64 = 64;

/// When an exploration has to end, and what is wrong with it on purpose.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub started: Stopwatch,
    pub time_max: Option<Duration>,
    pub interrupted: &'a AtomicBool,
    /// Whether trees take all answers for the same: a planted defect, which must be found.
    pub is_deaf: bool,
}

impl Limits<'_> {
    pub fn are_over(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
            || self
                .time_max
                .is_some_and(|max| self.started.elapsed() >= max)
    }
}

/// What the work on cases has given.
pub(super) struct Outcome<S: Scenario> {
    pub levels: Vec<LevelTally>,
    /// Hashes of the contents of images.
    pub contents: Vec<u64>,
    pub findings: Vec<Found<S>>,
    pub defect: Option<String>,
    /// Whether neither time nor a signal ended it.
    pub is_complete: bool,
}

/// A finding and what it was found in.
pub(super) struct Found<S: Scenario> {
    pub finding: Finding<S>,
    /// The workload.
    pub of: CaseOf<S>,
}

impl<S: Scenario> Default for Outcome<S> {
    fn default() -> Self {
        Self {
            levels: Vec::new(),
            contents: Vec::new(),
            findings: Vec::new(),
            defect: None,
            is_complete: true,
        }
    }
}

impl<S: Scenario> Outcome<S> {
    /// Takes over what another case gave.
    pub fn take(&mut self, other: Self) {
        levels::add(&mut self.levels, &other.levels);
        self.contents.extend(other.contents);
        other
            .findings
            .into_iter()
            .for_each(|found| self.found(found));
        self.defect = self.defect.take().or(other.defect);
        self.is_complete &= other.is_complete;
    }

    /// A finding that is known by oracle and place is only counted; the case with fewer crashes
    /// stays.
    fn found(&mut self, mut found: Found<S>) {
        let is_same = |known: &&mut Found<S>| known.finding.failure.same(&found.finding.failure);
        match self.findings.iter_mut().find(is_same) {
            Some(known) => {
                if found.finding.depth < known.finding.depth {
                    std::mem::swap(known, &mut found);
                }
                known.finding.count += found.finding.count;
            }
            None => self.findings.push(found),
        }
    }
}

/// Explores one case. With a failure that is `wanted` it passes others over, and ends with the
/// first lot that has it.
pub(super) fn explore<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    options: &ExploreOptions,
    limits: &Limits<'_>,
    wanted: Option<&Failure>,
) -> Outcome<S> {
    let mut runner = Runner::of_case(scenario, case);
    runner.asks = true;
    let mut outcome = Outcome::default();
    let grounds = match grounds(&runner, case) {
        Ok(grounds) => grounds,
        Err((failure, eras)) => {
            let case_found = Case {
                eras,
                ..case.clone()
            };
            if wanted.is_none_or(|wanted| wanted.same(&failure)) {
                outcome.findings.push(Found {
                    finding: Finding {
                        failure,
                        case: case_found,
                        count: 1,
                        depth: 0,
                    },
                    of: case.clone(),
                });
            }
            return outcome;
        }
    };
    let parts: Vec<Part> = (0..)
        .zip(&grounds)
        .flat_map(|(number, ground)| parts(&runner, ground, number))
        .collect();
    let team = Team {
        runner: &runner,
        case,
        options,
        limits,
        wanted,
        grounds: &grounds,
        lots: parts
            .into_iter()
            .map(|part| Mutex::new(Lot::new(part, limits.is_deaf)))
            .collect(),
        first_hit: AtomicUsize::new(usize::MAX),
    };
    team.all_rounds();
    outcome.is_complete = !limits.are_over();
    for lot in team.lots {
        let lot = lot.into_inner();
        levels::add(&mut outcome.levels, &lot.levels);
        outcome.contents.extend(lot.contents);
        outcome.defect = outcome.defect.take().or(lot.defect);
        for finding in lot.findings {
            let of = case.clone();
            outcome.found(Found { finding, of });
        }
    }
    outcome
}

/// What all threads share.
pub(super) struct Team<'a, S: Scenario> {
    pub runner: &'a Runner<S>,
    pub case: &'a CaseOf<S>,
    pub options: &'a ExploreOptions,
    pub limits: &'a Limits<'a>,
    pub wanted: Option<&'a Failure>,
    pub grounds: &'a [Ground<S>],
    lots: Vec<Mutex<Lot<S>>>,
    /// The first lot that has what is wanted, or a defect.
    first_hit: AtomicUsize,
}

impl<S: Scenario> Team<'_, S> {
    fn all_rounds(&self) {
        let mut choices = 0..FIRST_ROUND.min(self.options.choices_max);
        while !choices.is_empty() {
            self.round(&choices);
            let is_done = |lot: &Mutex<Lot<S>>| lot.lock().is_exhausted();
            let has_hit = self.first_hit.load(Ordering::Relaxed) < self.lots.len();
            if has_hit || self.limits.are_over() || self.lots.iter().all(is_done) {
                return;
            }
            let end = match self.options.time_max {
                Some(_) => choices.end.saturating_mul(2),
                None => self.options.choices_max,
            };
            choices = choices.end..end;
        }
    }

    fn round(&self, choices: &Range<u64>) {
        let next = AtomicUsize::new(0);
        let worker = || {
            let _watchdog = Watchdog::new(WATCHDOG_PATIENCE);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(lot) = self.lots.get(number) else {
                    return;
                };
                if self.has_to_end(number) {
                    return;
                }
                let mut lot = lot.lock();
                lot.work(self, number, choices);
                if lot.defect.is_some() || (self.wanted.is_some() && !lot.findings.is_empty()) {
                    self.first_hit.fetch_min(number, Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.jobs.max(1) {
                scope.spawn(worker);
            }
            worker();
        });
    }

    /// The era by which images are judged.
    pub fn verification(&self) -> Era<S::Op> {
        Era {
            steps: self.runner.scenario.verification(&self.runner.config),
            faults: Vec::new(),
            schedule: Schedule::RunUntilBlocked,
            end: End::Close,
        }
    }

    /// Whether a lot need not go on: time is up, or one before it has what ends it all.
    pub fn has_to_end(&self, number: usize) -> bool {
        self.first_hit.load(Ordering::Relaxed) < number || self.limits.are_over()
    }
}
