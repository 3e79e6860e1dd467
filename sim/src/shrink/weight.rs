//! How large a case is.

use super::step_count;
use crate::case::{Case, End};
use crate::disk::Profile;
use crate::sched::Schedule;

/// As many operations are easily followed; a case that has more may become one with a crash.
const STEPS_EXPECTED: usize = 5;
/// How many operations a crash is worth.
const CRASH_STEPS: usize = 2;

/// How many eras of a case end in a crash.
pub(super) fn crash_count<C, O>(case: &Case<C, O>) -> usize {
    let ends = case.eras.iter().map(|era| &era.end);
    ends.filter(|end| !matches!(end, End::Close)).count()
}

/// Whether a case is as small as a person expects.
pub(super) fn is_as_expected<C, O>(case: &Case<C, O>) -> bool {
    crash_count(case) <= 1 && step_count(case) <= STEPS_EXPECTED
}

/// How large a case is, the most important part first. One crash is what a person expects; more
/// are worse than any number of operations.
pub(super) fn weight<C, O>(case: &Case<C, O>) -> [usize; 9] {
    let crashes = crash_count(case);
    let faults = case.eras.iter().map(|era| era.faults.len()).sum();
    let switches = case
        .eras
        .iter()
        .map(|era| schedule_weight(&era.schedule))
        .sum();
    let survivors = case.eras.iter().map(|era| end_weight(&era.end)).sum();
    let profile = Profile::ALL.len() - case.disk.profile.rank();
    let steps = case.eras.iter().flat_map(|era| &era.steps);
    [
        crashes.max(1),
        step_count(case).saturating_sub(STEPS_EXPECTED),
        step_count(case) + CRASH_STEPS * crashes,
        case.eras.len(),
        steps.filter(|step| step.client > 0).count(),
        faults,
        switches,
        survivors,
        profile,
    ]
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
