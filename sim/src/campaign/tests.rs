//! Tests of campaigns: shards, interruption, and what a failing test tells.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::in_test::Request;
use super::*;
use crate::counter::Counter;
use crate::report::merge::merge;

mod whim;

const CAREFUL: Counter = Counter { is_careful: true };
const CARELESS: Counter = Counter { is_careful: false };

/// Variables by a list.
fn variables(list: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let list: Vec<(String, String)> = list
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    move |wanted| {
        let found = list.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    }
}

/// What a test that runs the campaign panics with; empty if it does not.
fn panic_of(campaign: &Campaign<Counter>, list: &[(&str, &str)]) -> String {
    panic_in(|| campaign.run_as(&variables(list)))
}

/// What it panics with; empty if it does not.
fn panic_in(run: impl FnOnce() -> Report) -> String {
    match blackstart_vfs::catch(AssertUnwindSafe(run)) {
        Ok(_) => String::new(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(_) => "no text".to_owned(),
        },
    }
}

#[test]
fn shards_together_are_the_whole_campaign() {
    let whole = Campaign::new(CAREFUL).seeds(5..45).report();
    assert_eq!(whole.cases, 40);
    for count in [2, 3, 7] {
        let shards = (1..=count).map(|index| {
            let shard = Shard::new(index, count).expect("a shard");
            let campaign = Campaign::new(CAREFUL).seeds(5..45).shard(shard);
            // The number of threads is different on purpose.
            (shard.to_string(), campaign.jobs(index as usize).report())
        });
        let mut merged = merge(&shards.collect::<Vec<_>>());
        assert_eq!(merged.gaps, [""; 0]);
        let mut together = merged.reports.remove(0);
        together.elapsed = whole.elapsed;
        together.parts = whole.parts.clone();
        assert_eq!(together, whole, "{count} shards");
    }
}

#[test]
fn an_interrupted_campaign_knows_what_it_did() {
    struct StopAfter<'a>(u64, AtomicU64, &'a AtomicBool);
    impl Progress for StopAfter<'_> {
        fn seed_done(&self, _report: &Report) {
            if self.1.fetch_add(1, Ordering::Relaxed) + 1 == self.0 {
                self.2.store(true, Ordering::Relaxed);
            }
        }
    }
    for jobs in [1, 3] {
        let interrupted = AtomicBool::new(false);
        let progress = StopAfter(4, AtomicU64::new(0), &interrupted);
        let campaign = Campaign::new(CAREFUL).seeds(0..1_000).jobs(jobs);
        let report = campaign.run_with(&progress, &interrupted);
        let part = &report.parts[0];
        assert_eq!(part.ended, Ended::Interrupted);
        assert!(report.cases >= 4 && report.cases < 4 + jobs as u64);
        assert_eq!(part.done, report.cases, "the seeds have no gap");
        assert!(report.missed().is_empty(), "it is too short to be judged");
    }
}

#[test]
fn a_failure_outlives_an_interruption_and_is_not_shrunk() {
    struct StopAtFailure<'a>(&'a AtomicBool, Mutex<Vec<u64>>);
    impl Progress for StopAtFailure<'_> {
        fn seed_done(&self, _report: &Report) {}
        fn failed(&self, failure: &FailureReport) {
            self.1.lock().push(failure.seed);
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let interrupted = AtomicBool::new(false);
    let progress = StopAtFailure(&interrupted, Mutex::default());
    let campaign = Campaign::new(CARELESS).seeds(0..1_000);
    let report = campaign.run_with(&progress, &interrupted);
    assert!(report.was_interrupted());
    let seeds: Vec<u64> = report.failures.iter().map(|failure| failure.seed).collect();
    assert_eq!(seeds, *progress.1.lock(), "it was told when it was found");
    let failure = report.failures.first().expect("it fails");
    assert_eq!((failure.shrunken.as_str(), failure.shrink_runs), ("", 0));
    assert!(failure.best_case().contains("scenario: \"counter\""));
    // A search for a smaller case that is interrupted at once gives the case itself.
    let case = crate::case::decode("a.case", &failure.case).expect("a case");
    let scenario = Arc::new(CARELESS);
    let shrunken = shrink::shrink_until(&scenario, &case, &failure.failure, &interrupted);
    assert_eq!(shrunken.case, case);
    let shrunken = shrink::shrink(&scenario, &case, &failure.failure);
    assert!(shrink::step_count(&shrunken.case) <= shrink::step_count(&case));
}

#[test]
fn a_short_campaign_is_not_judged_by_its_marks_and_a_long_one_is() {
    let short = Campaign::new(CAREFUL).seeds(3).run();
    let own = |(name, _): &(&str, bool)| !name.starts_with("sim: ");
    let never: Vec<_> = short.never_hit().into_iter().filter(own).collect();
    assert_eq!(never, [("never", true), ("seldom", false)]);
    assert!(short.missed().is_empty());
    let mut long = short.clone();
    long.cases = crate::report::CASES_TO_MEET_ALL;
    assert_eq!(long.missed(), ["never"]);
    long.parts[0].profile = Some("xfs".to_owned());
    assert!(
        long.missed().is_empty(),
        "one profile can't meet everything"
    );
}

#[test]
fn a_campaign_meets_every_mark_of_the_library() {
    let report = Campaign::new(CAREFUL).seeds(100).report();
    let sim = |name: &&str| name.starts_with("sim: ");
    let never = report.never_hit();
    let never: Vec<&str> = never.iter().map(|(name, _)| *name).filter(sim).collect();
    // It has one client.
    assert_eq!(never, ["sim: a task was run out of order"]);
    assert_eq!(report.uncatalogued(), [""; 0]);
    let compared = report.marks.count("sim: two runs were compared");
    assert_eq!(compared, report.compared, "a repetition is not counted");
}

#[test]
fn a_careful_counter_passes_and_a_careless_one_tells_its_story() {
    assert_eq!(panic_of(&Campaign::new(CAREFUL).seeds(16), &[]), "");
    let story = panic_of(
        &Campaign::new(CARELESS).seeds(16),
        &[("CARGO_PKG_NAME", "some-crate")],
    );
    assert!(story.contains("durable count: read"), "{story}");
    assert!(story.contains("scenario: \"counter\""), "{story}");
    let last = story.lines().last().expect("a line");
    let (seed, rest) = last.split_once(' ').expect("two parts");
    let test = "a_careful_counter_passes_and_a_careless_one_tells_its_story";
    assert_eq!(
        rest,
        format!("cargo test -p some-crate -- --exact campaign::tests::{test}")
    );
    // The last line does reproduce it.
    let (name, seed) = seed.split_once('=').expect("a variable");
    let again = panic_of(&Campaign::new(CARELESS).seeds(0), &[(name, seed)]);
    assert!(again.contains("durable count: read"), "{again}");
    assert!(again.contains(&format!("{name}={seed} ")), "{again}");
}

#[test]
fn the_environment_chooses_seeds_and_cases() {
    let campaign = Campaign::new(CAREFUL).seeds(4);
    let cases = |list: &[(&str, &str)]| campaign.run_as(&variables(list)).cases;
    assert_eq!(cases(&[]), 4);
    assert_eq!(cases(&[("BLACKSTART_SEED", "900")]), 1);
    assert_eq!(cases(&[("BLACKSTART_SEEDS", "10..16")]), 6);
    let shard = [("BLACKSTART_SEEDS", "10..16"), ("BLACKSTART_SHARD", "1/4")];
    assert_eq!(cases(&shard), 1);
    for (list, part) in [
        (vec![("BLACKSTART_SEED", "x")], "BLACKSTART_SEED: \"x\""),
        (
            vec![("BLACKSTART_SEEDS", "7..7")],
            "BLACKSTART_SEEDS: 7..7 is empty",
        ),
        (
            vec![("BLACKSTART_SHARD", "0/2")],
            "BLACKSTART_SHARD: there is no shard",
        ),
        (
            vec![("BLACKSTART_SEED", "1"), ("BLACKSTART_SEEDS", "0..2")],
            "both set",
        ),
        (vec![("BLACKSTART_CASE", "no/such.case")], "can't be read"),
    ] {
        let story = panic_of(&campaign, &list);
        assert!(story.contains(part), "{list:?}: {story}");
    }
    assert_eq!(Request::read(&|_| None), Ok(Request::default()));
}

#[test]
fn one_case_is_run_by_its_text() {
    let report = Campaign::new(CARELESS).seeds(16).first_failure().report();
    let failure = report.failures.first().expect("it fails");
    assert!(failure.shrink_runs > 0, "it was shrunk");
    let case = failure.best_case();
    let story = panic_in(|| Campaign::new(CARELESS).run_text("a.case", case));
    assert!(story.contains("durable count"), "{story}");
    assert!(story.ends_with("sim replay a.case --trace"), "{story}");
    assert_eq!(Campaign::new(CAREFUL).run_text("a.case", case).cases, 1);
    // A case of another scenario is none of its business.
    let other = case.replace("\"counter\"", "\"other\"");
    assert_eq!(Campaign::new(CARELESS).run_text("a.case", &other).cases, 0);
    let story = panic_in(|| Campaign::new(CARELESS).run_text("a.case", "Case("));
    assert!(story.contains("BLACKSTART_CASE: a.case:1:"), "{story}");
}
