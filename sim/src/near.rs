//! What lies around a case: its operations and faults, crashed in other places too.
//!
//! A case pins one crash and one image. As code changes, the mistake that the case is about may
//! come back one call further on. So the corpus runs the exact case and, within a budget, other
//! crashes of the same operations.
//!
//! Invariants:
//! - \[I1\] Nothing is drawn that the case does not determine: equal case and budget, equal
//!   verdict.

use std::sync::Arc;

use crate::case::{Case, CaseOf, End, Era};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort};
use crate::failure::Failure;
use crate::run::{Runner, end_state, plan_of};
use crate::scenario::Scenario;

/// Crashes each era of the case at its likeliest places, with at most `images_max` images an era.
/// Returns the first failing case.
pub(crate) fn explore_near<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    images_max: u64,
) -> Option<(CaseOf<S>, Failure)> {
    let runner = Runner::of_case(scenario, case);
    let mut start = runner.start();
    let effort = Effort {
        images_max,
        ..Effort::BROAD
    };
    for (index, era) in case.eras.iter().enumerate() {
        let (before, rest) = case.eras.split_at(index);
        let whole = Era {
            end: End::Close,
            ..era.clone()
        };
        let run = runner.era(&start, plan_of(&whole));
        let found = match &run.failure {
            Some(failure) => {
                let eras = before.iter().cloned().chain([whole]).collect();
                Some((eras, failure.clone()))
            }
            None => {
                let mut attack = Attack::new(&runner, effort.clone());
                if let Some(after) = rest.get(1) {
                    attack.later_faults.clone_from(&after.faults);
                }
                let base = Base {
                    start: &start,
                    run: &run,
                    era: &whole,
                };
                let found = attack.crash(before, &base, &mut Draw::seeded(index as u64), 1);
                found.map(|found| (found.eras, found.failure))
            }
        };
        if let Some((eras, failure)) = found {
            let case = Case {
                eras,
                ..case.clone()
            };
            return Some((case, failure));
        }
        let run = runner.era(&start, plan_of(era));
        if run.failure.is_some() {
            // The exact case fails: that is for whoever replays it.
            return None;
        }
        start = end_state(&runner, &start, era, &run, &mut Vec::new());
    }
    None
}
