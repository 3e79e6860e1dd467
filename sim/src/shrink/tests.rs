//! Tests of the shrinker: what is left, and what counts as smaller.

use std::sync::Arc;

use super::weight::{crash_count, weight};
use super::*;
use crate::campaign::{CampaignOptions, run_seed};
use crate::case::{End, Era, decode};
use crate::counter::Counter;
use crate::disk::Survivors;
use crate::{Step, case::Cut};

const CARELESS: Counter = Counter { is_careful: false };

/// Failing cases as seeds find them.
fn found() -> Vec<(CaseOf<Counter>, Failure)> {
    let options = CampaignOptions::default();
    let scenario = Arc::new(CARELESS);
    let failures = (0..100).filter_map(|seed| run_seed(&scenario, seed, &options).failure);
    let cases = failures.map(|found| {
        let case = decode("a.case", &found.case).expect("a case");
        (case, found.failure)
    });
    cases.collect()
}

#[test]
fn what_one_crash_shows_is_shown_by_one_crash() {
    let scenario = Arc::new(CARELESS);
    let found = found();
    let several = found.iter().filter(|(case, _)| crash_count(case) > 1);
    let mut count = 0;
    for (case, failure) in several.take(4) {
        count += 1;
        let shrunken = shrink(&scenario, case, failure).case;
        let size = CaseSize::of(&shrunken);
        assert!(size.operations <= 1, "{size}");
        assert_eq!((size.crashes, size.faults), (1, 0), "{size}");
        let run = run_case(&scenario, &shrunken, false);
        assert!(run.failure.is_some_and(|(_, other)| other.same(failure)));
    }
    assert!(count > 0, "some seeds need to crash twice");
}

#[test]
fn a_crash_after_the_failure_is_left_out() {
    let scenario = Arc::new(CARELESS);
    let found = found();
    let (case, failure) = found.first().expect("it fails");
    let mut case = case.clone();
    // The last era fails while it opens: how it would have ended is not met.
    let last = case.eras.last_mut().expect("an era");
    last.end = End::Kill { at: Cut::Last };
    let before = crash_count(&case);
    let shrunken = shrink(&scenario, &case, failure).case;
    assert!(crash_count(&shrunken) < before);
}

/// An era with so many operations.
fn era(steps: u32, end: End) -> Era<()> {
    let step = |id| Step {
        id,
        client: 0,
        op: (),
    };
    Era {
        steps: (1..=steps).map(step).collect(),
        faults: Vec::new(),
        schedule: crate::sched::Schedule::RunUntilBlocked,
        end,
    }
}

#[test]
fn one_crash_is_expected_and_more_are_worse_than_operations() {
    let (template, _) = found().swap_remove(0);
    let with = |eras: Vec<Era<()>>| {
        let case = Case {
            eras,
            ..template.clone()
        };
        weight(&case)
    };
    let crash = || End::Power {
        at: Cut::Last,
        survivors: Survivors::None,
    };
    let twice = with(vec![era(0, crash()), era(0, crash()), era(0, End::Close)]);
    let once = |steps| with(vec![era(steps, crash()), era(0, End::Close)]);
    let never = |steps| with(vec![era(steps, End::Close)]);
    assert!(once(9) < twice, "two crashes are worse");
    assert!(never(5) < once(4), "a crash is worth two operations");
    assert!(once(6) < never(7), "but not where there are many");
}
