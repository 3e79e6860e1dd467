//! Children: cases that differ from a parent in a few places.
//!
//! What is new in a child is taken from the case that its seed would draw: operations, faults, an
//! order of tasks, options. So a child has nothing that a fresh case could not have, but for the
//! crashes of its parent that it goes on from.

use std::ops::Range;
use std::sync::Arc;

use crate::case::{CaseOf, End, Era};
use crate::disk::{Alteration, Fault, FaultRule, Profile, Trigger};
use crate::draw::Draw;
use crate::generate;
use crate::scenario::{Scenario, Step};

/// Eras of a child.
const ERAS_MAX: usize = 5;
/// Operations of an era of a child.
const STEPS_MAX: usize = 48;

/// The child of a parent that a seed gives. If there is to be one profile only, the parent has it.
pub(super) fn of<S: Scenario>(
    scenario: &Arc<S>,
    parent: &CaseOf<S>,
    seed: u64,
    profile: Option<Profile>,
) -> CaseOf<S> {
    let mut draw = Draw::seeded(seed);
    let mut donor = generate::case(scenario, &mut draw, profile);
    let mut child = parent.clone();
    draw.stream("child", 0, |draw| {
        if draw.chance(100) {
            child.config = donor.config.clone();
        }
        for (number, era) in (0..).zip(&mut donor.eras) {
            // Operations are drawn for options: for those that the child has.
            era.steps = draw.stream("child's steps", number, |draw| {
                scenario.steps(draw, &child.config)
            });
        }
        if draw.chance(100) {
            child.disk = donor.disk.clone();
        }
        if draw.chance(50) {
            child.latency = donor.latency;
        }
        // From the parent's crash, by one era: what comes after that is another child's.
        let goes_on = draw.chance(500) && child.eras.len() < ERAS_MAX;
        match goes_on {
            true => child.eras.extend(donor.eras.into_iter().take(1)),
            false => vary::<S>(&mut child, &donor.eras, draw),
        }
    });
    child
}

/// Changes one era. What follows it is crashed anew: the crashes that the parent had there were
/// those of another run.
fn vary<S: Scenario>(child: &mut CaseOf<S>, donors: &[Era<S::Op>], draw: &mut Draw<'_>) {
    let at = draw.below(child.eras.len() as u64) as usize;
    let donor = draw.pick(donors);
    for era in child.eras.iter_mut().skip(at) {
        era.end = End::Close;
    }
    if let Some(era) = child.eras.get_mut(at) {
        for _ in 0..draw.range(1..=3) {
            change(era, donor, draw);
        }
    }
}

/// Makes one change.
fn change<O: Clone>(era: &mut Era<O>, donor: &Era<O>, draw: &mut Draw<'_>) {
    match draw.weighted(&[3, 2, 4, 2, 2, 2, 3, 2]) {
        0 => {
            era.steps.drain(slice(era.steps.len(), draw));
        }
        1 => {
            let again = era.steps[slice(era.steps.len(), draw)].to_vec();
            insert(&mut era.steps, &again, draw);
        }
        2 => {
            let other = &donor.steps[slice(donor.steps.len(), draw)];
            insert(&mut era.steps, other, draw);
        }
        3 => {
            let from = draw.range(0..=era.steps.len() as u64) as usize;
            era.steps.truncate(from);
            let from = draw.range(0..=donor.steps.len() as u64) as usize;
            append(&mut era.steps, &donor.steps[from..]);
            era.steps.truncate(STEPS_MAX);
        }
        4 if !era.steps.is_empty() => {
            let one = draw.below(era.steps.len() as u64) as usize;
            let two = draw.below(era.steps.len() as u64) as usize;
            era.steps.swap(one, two);
        }
        5 => era.faults.clone_from(&donor.faults),
        6 if !era.faults.is_empty() => {
            let at = draw.below(era.faults.len() as u64) as usize;
            move_fault(&mut era.faults[at], draw);
        }
        6 => era.faults.clone_from(&donor.faults),
        _ => era.schedule = donor.schedule.clone(),
    }
}

/// A few neighbours of a row; none of an empty one.
fn slice(len: usize, draw: &mut Draw<'_>) -> Range<usize> {
    let count = *draw.pick(&[1, 1, 2, 4, 8]);
    let start = draw.below(len as u64) as usize;
    start..(start + count).min(len)
}

/// Puts operations between others.
fn insert<O: Clone>(steps: &mut Vec<Step<O>>, new: &[Step<O>], draw: &mut Draw<'_>) {
    // Names are given before, so that the new ones are none of those behind.
    let last = steps.len();
    append(steps, new);
    let new = steps.split_off(last);
    let at = draw.range(0..=last as u64) as usize;
    steps.splice(at..at, new);
    steps.truncate(STEPS_MAX);
}

/// Appends operations. Ids are names, so those that were there before keep theirs.
fn append<O: Clone>(steps: &mut Vec<Step<O>>, new: &[Step<O>]) {
    let last = steps.iter().map(|step| step.id).max().unwrap_or(0);
    let new = (last + 1..).zip(new);
    steps.extend(new.map(|(id, step)| Step { id, ..step.clone() }));
}

/// Lets a fault strike a little earlier or later, or in another place of a file.
fn move_fault(rule: &mut FaultRule, draw: &mut Draw<'_>) {
    let place = match &mut rule.what {
        Fault::BitFlip { per_mille, .. }
        | Fault::GarbageSector { per_mille }
        | Fault::UnreadableSector { per_mille }
        | Fault::MisdirectedWrite { per_mille }
        | Fault::MisdirectedRead { per_mille }
        | Fault::Alter(Alteration::CutShort { per_mille }) => Some(per_mille),
        _ => None,
    };
    if let Some(per_mille) = place {
        let by = *draw.pick(&[1, 3, 10, 30, 100]);
        *per_mille = (*per_mille + by * draw.range(1..=9) as u32) % 1_000;
        return;
    }
    match &mut rule.when {
        Trigger::Nth { nth, .. } | Trigger::Growth { nth, .. } | Trigger::Boot { nth, .. } => {
            let by = draw.range(0..=4) as u32;
            *nth = (*nth + by).saturating_sub(2).max(1);
        }
        Trigger::Call(_) => {}
    }
}
