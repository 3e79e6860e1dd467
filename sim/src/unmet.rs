//! Which names of an era its run never met.
//!
//! A case says everything of calls, operations and files by their names, and a name that is not
//! met has no effect ([`crate::case`]). While a case is shrunk or varied that is what is wanted. In
//! a case that is kept it is not: the case passes because it no longer does what it was kept for.
//!
//! | name | met when |
//! |---|---|
//! | the call of a cut | the run is stopped there |
//! | an operation | a client begins it |
//! | the call of a deviation | the task it names goes first there |
//! | a fault's trigger | the fault strikes at least once |
//! | an effect of survivors | it is pending at the crash: [`crate::disk::CrashModel::stale`] |

use std::collections::BTreeSet;

use crate::case::{Cut, End, Era};
use crate::disk::{Fault, FaultRule, LedgerEntry, Trigger};
use crate::run::EraRun;
use crate::scenario::Scenario;
use crate::sched::{Deviation, Finish, Schedule};

/// The names of an era that its run did not meet, in words, but for its own operations. The disk
/// tells those of survivors.
pub(crate) fn names<S: Scenario>(era: &Era<S::Op>, run: &EraRun<S>) -> Vec<String> {
    let mut unmet: Vec<String> = cut(&era.end, &run.finish).into_iter().collect();
    unmet.extend(deviations(&era.schedule, &run.taken));
    let faults = era.faults.iter().zip(&run.ledger);
    unmet.extend(faults.filter_map(|(rule, entry)| fault(rule, entry)));
    unmet
}

/// The operations of an era that its run did not begin. A case that was found and not shrunk has
/// some wherever a crash ends an era early.
pub(crate) fn operations<S: Scenario>(era: &Era<S::Op>, run: &EraRun<S>) -> Vec<String> {
    let steps = era.steps.iter().map(|step| step.id);
    let steps = steps.filter(|id| !run.begun.contains(id));
    steps.map(|id| format!("operation {id}")).collect()
}

fn cut(end: &End, finish: &Finish) -> Option<String> {
    match end {
        End::Power { at, .. } | End::Kill { at } if *finish == Finish::Complete => match at {
            Cut::Before(call) => Some(format!("the cut before {call}")),
            Cut::Last => None,
        },
        _ => None,
    }
}

fn deviations(schedule: &Schedule, taken: &[Deviation]) -> Vec<String> {
    let Schedule::Deviations(list) = schedule else {
        return Vec::new();
    };
    let taken: BTreeSet<&Deviation> = taken.iter().collect();
    let unmet = list.iter().filter(|deviation| !taken.contains(deviation));
    unmet
        .map(|deviation| format!("the switch to task {} at {}", deviation.to, deviation.at))
        .collect()
}

fn fault(rule: &FaultRule, entry: &LedgerEntry) -> Option<String> {
    if entry.injected > 0 {
        return None;
    }
    let what = rule.what.kind();
    Some(match &rule.when {
        Trigger::Call(call) => format!("the fault \"{what}\" at {call}"),
        Trigger::Nth {
            kind, files, nth, ..
        } => format!("the fault \"{what}\" at {kind:?} number {nth} of {files:?}"),
        Trigger::Growth { files, nth, .. } => {
            format!("the fault \"{what}\" at growing call number {nth} of {files:?}")
        }
        Trigger::Boot { .. } if matches!(rule.what, Fault::SpareBytes(_)) => {
            format!("the fault \"{what}\": the space does not run out")
        }
        Trigger::Boot { files, .. } => format!("the fault \"{what}\" in a file like {files:?}"),
    })
}

#[cfg(test)]
mod tests;
