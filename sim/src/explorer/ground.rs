//! The finished eras of a case, and how the work on them is cut into lots.

use super::past::Past;
use crate::case::{CaseOf, End, Era};
use crate::failure::Failure;
use crate::run::{EraRun, Runner, Start, end_state, plan_of};
use crate::scenario::Scenario;

/// A finished era, to be crashed at each of its cuts.
pub(super) struct Ground<S: Scenario> {
    pub start: Start<S>,
    pub run: EraRun<S>,
    /// What led to the model after each event of the run.
    pub pasts: Vec<Past>,
    /// The era as a case says it, closed in order.
    pub era: Era<S::Op>,
    /// The eras that led to it.
    pub before: Vec<Era<S::Op>>,
}

/// The cuts of one ground, ascending, that one thread goes through.
pub(super) struct Part {
    pub ground: usize,
    pub cuts: Vec<usize>,
}

/// Runs each era of a case to its end; then it goes on as the case says.
///
/// # Errors
/// The failure of an era that needs no further crash, and the eras up to it.
#[expect(
    clippy::type_complexity,
    reason = "a failure and the eras that lead to it"
)]
pub(super) fn grounds<S: Scenario>(
    runner: &Runner<S>,
    case: &CaseOf<S>,
) -> Result<Vec<Ground<S>>, (Failure, Vec<Era<S::Op>>)> {
    let mut grounds: Vec<Ground<S>> = Vec::new();
    let mut start = runner.start();
    let mut before: Vec<Era<S::Op>> = Vec::new();
    for of_case in &case.eras {
        let era = Era {
            end: End::Close,
            ..of_case.clone()
        };
        let run = runner.era(&start, plan_of(&era));
        if let Some(failure) = &run.failure {
            before.push(era);
            return Err((failure.clone(), before));
        }
        let next = match of_case.end {
            End::Close => end_state(runner, &start, &era, &run, &mut Vec::new()),
            _ => {
                let stopped = runner.era(&start, plan_of(of_case));
                end_state(runner, &start, of_case, &stopped, &mut Vec::new())
            }
        };
        let past = Past::of_ground(grounds.len(), start.depth, start.promise);
        grounds.push(Ground {
            pasts: past.through::<S>(&run.history),
            start,
            run,
            era,
            before: before.clone(),
        });
        start = next;
        before.push(of_case.clone());
    }
    Ok(grounds)
}

/// Cuts the work on a ground into parts: runs of cuts where a recovery knows the same of what was.
pub(super) fn parts<S: Scenario>(
    runner: &Runner<S>,
    ground: &Ground<S>,
    number: usize,
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut model = ground.start.model.clone();
    let mut folded = 0;
    let mut last = None;
    for at in cuts(ground.run.trace.len(), |at| ground.run.trace.boundary(at)) {
        while let Some(stamped) = ground
            .run
            .history
            .get(folded)
            .filter(|event| event.at <= at)
        {
            let _ = runner.scenario.apply(&mut model, &stamped.event);
            folded += 1;
        }
        let known = runner.scenario.known_to_a_run(&runner.config, &model);
        let known = (known, known.map_or(folded, |_| 0));
        match parts.last_mut() {
            Some(part) if last == Some(known) => part.cuts.push(at),
            _ => parts.push(Part {
                ground: number,
                cuts: vec![at],
            }),
        }
        last = Some(known);
    }
    parts
}

/// All cuts between calls, ascending.
pub(super) fn cuts(len: usize, boundary: impl Fn(usize) -> usize) -> Vec<usize> {
    (0..=len).filter(|&at| boundary(at) == at).collect()
}
