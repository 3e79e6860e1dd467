//! The calls of a run without faults, and where among them faults are aimed.
//!
//! A fault at the twentieth read is no fault in an era of ten reads, and if positions end at
//! twenty, what happens at the hundredth is never tried. So each era is run once without faults,
//! and a fault is aimed at a call that it made.
//!
//! Invariants:
//! - \[I1\] What is drawn is a rule that a case can say; running the case draws nothing.
//! - \[I2\] A rehearsal is itself determined by the case: equal draw, equal case.

use std::sync::Arc;

use crate::call::CallKind;
use crate::case::{CaseOf, Era};
use crate::disk::{CallRecord, CrashKind, CrashModel, Fault, FaultRule, Trigger, matches};
use crate::draw::Draw;
use crate::marks;
use crate::run::{EraRun, Plan, Runner, Start, after_crash};
use crate::scenario::{Scenario, Step};
use crate::sched::{Schedule, Stop};

/// A rehearsal of more calls is given up: those that it made are what faults are aimed at.
const CALLS_MAX: u64 = 200_000;
/// Where the kill strikes from which the next era is rehearsed, in thousandths of the effects: what
/// recovers needs something to recover.
const KILL_PER_MILLE: u64 = 750;
/// One kind in this many is chosen though the rehearsal made no such call: a recovery after another
/// crash may make one.
const UNSEEN_ONE_IN: u64 = 16;

struct Call {
    kind: CallKind,
    path: String,
    /// Whether it was made before the first operation.
    is_recovery: bool,
}

/// The calls of one era on the disk, in order.
#[derive(Default)]
pub(crate) struct Calls(Vec<Call>);

impl Calls {
    fn of(log: &[CallRecord]) -> Self {
        let begins = log.iter().position(|record| record.call.op != 0);
        let begins = begins.unwrap_or(log.len());
        let calls = log.iter().zip(0..).map(|(record, at)| Call {
            kind: record.call.kind,
            path: path_of(record).to_owned(),
            is_recovery: at < begins,
        });
        Self(calls.collect())
    }

    fn like(&self, kind: CallKind, files: &str) -> impl Iterator<Item = &Call> {
        let calls = self.0.iter();
        calls.filter(move |call| call.kind == kind && matches(files, &call.path))
    }

    /// Draws a position among the calls of a kind on files like these, from 1; an early one if the
    /// rehearsal made no such call.
    pub fn nth(&self, draw: &mut Draw<'_>, kind: CallKind, files: &str) -> u32 {
        let nth = self.position(draw, kind, files);
        nth.unwrap_or_else(|| *draw.pick(&[1, 2, 3, 4, 6, 9, 14, 20]))
    }

    /// As [`nth`](Self::nth); none if there are no
    /// such calls. Half are uniform; the others are late, in the recovery, or the first few.
    fn position(&self, draw: &mut Draw<'_>, kind: CallKind, files: &str) -> Option<u32> {
        let count = self.like(kind, files).count() as u64;
        let recovery = self.like(kind, files).filter(|call| call.is_recovery);
        let recovery = recovery.count() as u64;
        if count == 0 {
            return None;
        }
        let nth = match draw.weighted(&[5, 2, 2, 1]) {
            1 => draw.range(count - count / 8..=count),
            2 if recovery > 0 => draw.range(1..=recovery),
            3 => draw.range(1..=count.min(4)),
            _ => draw.range(1..=count),
        };
        Some(nth as u32)
    }
}

/// The path that a rule's pattern is held against.
fn path_of(record: &CallRecord) -> &str {
    let words = record.words.as_str();
    match record.call.kind {
        CallKind::Read
        | CallKind::Write
        | CallKind::SetLen
        | CallKind::Allocate
        | CallKind::Punch
        | CallKind::SyncData
        | CallKind::SyncAll
        | CallKind::Len => words.rsplit_once(' ').map_or(words, |(path, _)| path),
        _ => words,
    }
}

/// What faults may be aimed at.
pub(crate) struct Aim<'a> {
    /// Patterns of files, the likeliest first.
    pub files: &'a [&'a str],
    /// The calls that there are.
    pub calls: &'a Calls,
}

impl Aim<'_> {
    /// Draws one of these kinds, mostly one of which there are calls.
    pub fn kind(&self, draw: &mut Draw<'_>, kinds: &[CallKind]) -> CallKind {
        let is_met = |kind: &&CallKind| self.calls.like(**kind, "*").next().is_some();
        let met: Vec<CallKind> = kinds.iter().filter(is_met).copied().collect();
        match met.is_empty() || draw.below(UNSEEN_ONE_IN) == UNSEEN_ONE_IN - 1 {
            true => *draw.pick(kinds),
            false => *draw.pick(&met),
        }
    }

    /// Draws which call of a kind a fault strikes, and how many in a row.
    pub fn rule(&self, draw: &mut Draw<'_>, kind: CallKind, what: Fault) -> FaultRule {
        let has_calls = |files: &&&str| self.calls.like(kind, files).next().is_some();
        let met: Vec<&str> = self.files.iter().filter(has_calls).copied().collect();
        let files = match met.is_empty() {
            // Directories, which no pattern of files names, and calls that were not rehearsed.
            true => "*",
            false => *draw.pick(&met),
        };
        let nth = self.calls.nth(draw, kind, files);
        let when = Trigger::Nth {
            kind,
            files: files.to_owned(),
            nth,
            times: *draw.pick(&[1, 1, 2, 1_000]),
        };
        FaultRule::new(when, what)
    }
}

/// The calls of each era of a case when nothing fails. An era is rehearsed on what a kill in the
/// course of the one before leaves.
pub(super) fn of_case<S: Scenario>(scenario: &Arc<S>, case: &CaseOf<S>) -> Vec<Calls> {
    let runner = Runner::of_case(scenario, case).rehearsing(CALLS_MAX);
    let mut start = runner.start();
    let rehearsals = case.eras.iter().map(|era| {
        let run = run(&runner, &start, &era.steps, &era.schedule);
        let at = run.trace.len() as u64 * KILL_PER_MILLE / 1_000;
        start = killed(&runner, &start, era, &run, at as usize);
        Calls::of(&run.log)
    });
    rehearsals.collect()
}

/// The calls of an era of these steps after a kill, at a drawn place, of one that was run.
pub(crate) fn rehearse<S: Scenario>(
    runner: &Runner<S>,
    (start, era, finished): (&Start<S>, &Era<S::Op>, &EraRun<S>),
    steps: &[Step<S::Op>],
    draw: &mut Draw<'_>,
) -> Calls {
    let at = draw.range(0..=finished.trace.len() as u64) as usize;
    let start = killed(runner, start, era, finished, at);
    let runner = runner.rehearsing(CALLS_MAX);
    Calls::of(&run(&runner, &start, steps, &Schedule::RunUntilBlocked).log)
}

fn run<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    steps: &[Step<S::Op>],
    schedule: &Schedule,
) -> EraRun<S> {
    let plan = Plan {
        steps,
        faults: &[],
        schedule: schedule.clone(),
        stop: Stop::Never,
    };
    marks::unheard(|| runner.era(start, plan))
}

/// What a process finds after a kill behind the first `at` effects of an era.
fn killed<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    era: &Era<S::Op>,
    run: &EraRun<S>,
    at: usize,
) -> Start<S> {
    let mut disk = CrashModel::new(&start.image, &runner.disk, &era.faults);
    disk.advance(&run.trace, at);
    let mut model = start.model.clone();
    let before = run.history.iter().take_while(|stamped| stamped.at <= at);
    for stamped in before {
        let _ = runner.scenario.apply(&mut model, &stamped.event);
    }
    let (scenario, image) = (&*runner.scenario, disk.kill_image());
    after_crash(
        scenario,
        CrashKind::Kill,
        image,
        &model,
        run.promise,
        start.depth,
    )
}

#[cfg(test)]
mod tests;
