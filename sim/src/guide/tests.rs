//! Tests of guidance: what it depends on, what it keeps, and that what it finds can be shown again.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::pool::choose;
use super::*;
use crate::campaign::Campaign;
use crate::case::{self, End};
use crate::counter::Counter;
use crate::draw::Draw;
use crate::generate;
use crate::marks::Marks;
use crate::report::Report;
use crate::run::run_case;
use crate::shard::Shard;

const CAREFUL: Counter = Counter { is_careful: true };
const CARELESS: Counter = Counter { is_careful: false };

/// The report of a guided campaign, without its time.
fn report(scenario: Counter, seeds: u64, jobs: usize, shard: Shard) -> Report {
    let campaign = Campaign::new(scenario).seeds(seeds).guided();
    let mut report = campaign.jobs(jobs).shard(shard).report();
    report.elapsed = Duration::ZERO;
    report
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let alone = report(CAREFUL, 300, 1, Shard::WHOLE);
    let guidance = alone.guidance.expect("it is guided");
    assert!(guidance.children > 50, "{guidance:?}");
    assert!(guidance.kept_of_children > 0, "{guidance:?}");
    assert_eq!(guidance.fresh + guidance.children, 300);
    for jobs in [2, 5] {
        assert_eq!(report(CAREFUL, 300, jobs, Shard::WHOLE), alone, "{jobs}");
    }
}

#[test]
fn a_shard_is_guided_by_itself() {
    let one = Shard::new(2, 3).expect("a shard");
    let report = report(CAREFUL, 600, 2, one);
    let guidance = report.guidance.expect("it is guided");
    assert_eq!(guidance.fresh + guidance.children, 200);
    assert!(guidance.children > 20, "{guidance:?}");
}

#[test]
fn without_guidance_nothing_is_said_of_it() {
    let plain = Campaign::new(CAREFUL).seeds(100).report();
    assert_eq!(plain.guidance, None);
    assert!(!plain.summary().contains("guided"));
    let guided = report(CAREFUL, 100, 1, Shard::WHOLE);
    assert!(guided.summary().contains("children"));
}

#[test]
fn a_fresh_seed_does_what_it_does_without_guidance() {
    let guide = Guide::<Counter>::new();
    let mut kinds = [0, 0];
    for seed in 0..4 * GENERATION {
        let mut turn = guide.turn(seed, seed);
        let child = turn.child(&Arc::new(CAREFUL), seed, None);
        kinds[usize::from(child.is_some())] += 1;
        let fresh = generate::case(&Arc::new(CAREFUL), &mut Draw::seeded(seed), None);
        let case = child.unwrap_or_else(|| fresh.clone());
        assert!(seed >= 2 * GENERATION || case == fresh, "{seed}");
        let mut marks = Marks::default();
        marks.add("opened", seed + 1);
        turn.scout.as_mut().expect("a scout").seed(&case, &marks);
    }
    assert!(kinds[0] > 2 * GENERATION && kinds[1] > 0, "{kinds:?}");
}

#[test]
fn a_failing_child_is_shown_again_by_its_case() {
    let scenario = Arc::new(CARELESS);
    let mut children = 0;
    let guide = Guide::<Counter>::new();
    for seed in 0..200 {
        let turn = guide.turn(seed, seed);
        let options = crate::CampaignOptions::default();
        let report = crate::campaign::run_turn(&scenario, seed, &options, Some(turn));
        let Some(failure) = report.failure else {
            continue;
        };
        let case = case::decode("a.case", &failure.case).expect("a case");
        let run = run_case(&scenario, &case, false);
        let (_, again) = run.failure.expect("it fails again");
        assert!(
            again.same(&failure.failure),
            "{again} is not {}",
            failure.failure
        );
        children += u64::from(failure.is_child);
        let command = failure.reproduce();
        assert_eq!(
            command.contains(&failure.name()),
            failure.is_child,
            "{command}"
        );
    }
    assert!(children > 0);
}

#[test]
fn children_of_children_stay_within_their_bounds() {
    let mut case = generate::case(&Arc::new(CAREFUL), &mut Draw::seeded(0), None);
    let mut lengths = BTreeSet::new();
    for seed in 1..2_000 {
        case = child::of(&Arc::new(CAREFUL), &case, seed, None);
        assert!(!case.eras.is_empty() && case.eras.len() <= 5);
        for era in &case.eras {
            lengths.insert(era.steps.len());
            assert!(era.steps.len() <= 48);
            let ids: BTreeSet<u32> = era.steps.iter().map(|step| step.id).collect();
            assert_eq!(ids.len(), era.steps.len(), "ids are names");
            assert!(!ids.contains(&0));
        }
        // A parent often ends with a crash.
        if let Some(era) = case.eras.last_mut()
            && seed.is_multiple_of(3)
        {
            era.end = End::Kill {
                at: case::Cut::Last,
            };
        }
        assert_eq!(
            child::of(&Arc::new(CAREFUL), &case, seed, None),
            child::of(&Arc::new(CAREFUL), &case, seed, None)
        );
    }
    assert!(lengths.contains(&0) && lengths.len() > 20, "{lengths:?}");
}

#[test]
fn the_pool_keeps_what_is_new_once_and_no_more_than_fits() {
    let case = generate::case(&Arc::new(CAREFUL), &mut Draw::seeded(0), None);
    let mut pool = Pool::<Counter>::default();
    let offer = |pool: &mut Pool<Counter>, count: u64| {
        let mut scout = Scout::new(pool.snapshot().known);
        let mut marks = Marks::default();
        marks.add("opened", count);
        scout.seed(&case, &marks);
        pool.take(scout)
    };
    assert_eq!(offer(&mut pool, 5), 1);
    assert_eq!(offer(&mut pool, 5), 0, "it is known");
    assert_eq!(offer(&mut pool, 7), 0, "about as often");
    assert_eq!(offer(&mut pool, 9), 1);
    assert_eq!(pool.shapes(), 2);
    let two = [
        Scout::new(pool.snapshot().known),
        Scout::new(pool.snapshot().known),
    ];
    let kept = two.map(|mut scout| {
        let mut marks = Marks::default();
        marks.add("seldom", 1);
        scout.seed(&case, &marks);
        pool.take(scout)
    });
    assert_eq!(kept, [1, 0], "two seeds of one generation show the same");
}

#[test]
fn recent_parents_are_chosen_more_often() {
    let none: [Vec<Arc<u64>>; 2] = [Vec::new(), Vec::new()];
    assert_eq!(choose(&none, 7), None);
    let many: Vec<Arc<u64>> = (0..250).map(Arc::new).collect();
    let parts = [many, Vec::new(), vec![Arc::new(1_000)]];
    let chosen = (0..10_000).filter_map(|number| choose(&parts, mix64(number)));
    let chosen: Vec<u64> = chosen.map(|parent| *parent).collect();
    assert_eq!(chosen.len(), 10_000, "there is always one");
    let count = |wanted: Range<u64>| chosen.iter().filter(|one| wanted.contains(one)).count();
    let (few, recent) = (count(1_000..1_001), count(218..250));
    assert!((4_800..5_200).contains(&few), "each part: {few}");
    assert!(
        (2_600..3_100).contains(&recent),
        "half and an eighth: {recent}"
    );
    let met: BTreeSet<u64> = chosen.into_iter().collect();
    assert!(met.len() > 240, "all have their turn: {}", met.len());
}
