//! How large a case is.

use super::step_count;
use crate::case::{Case, End};
use crate::disk::Profile;
use crate::sched::Schedule;

/// How large a case is, the most important part first.
pub(super) fn weight<C, O>(case: &Case<C, O>) -> [usize; 7] {
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
        case.eras.len(),
        step_count(case),
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
