//! The commit log in the simulator: a campaign, the corpus, and determinism.
//!
//! `BLACKSTART_SEEDS=a..b` runs other seeds, `BLACKSTART_CASE=file` one case; the rest of what can
//! be asked for stands in `sim/src/campaign/in_test.rs`.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus and the environment are real"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use blackstart_scenarios::commitlog::{CommitLog, Op};
use blackstart_scenarios::registry;
use blackstart_sim::campaign::Silent;
use blackstart_sim::disk::Profile;
use blackstart_sim::{Campaign, CampaignOptions, corpus, prop};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};
use proptest::test_runner::{TestError, TestRunner};

#[test]
fn the_log_survives_a_campaign() {
    let report = Campaign::new(CommitLog).seeds(400).jobs(2).run();
    assert_eq!(report.uncatalogued(), [""; 0]);
    let never = report.never_hit();
    assert!(
        report.cases < 100 || never.iter().all(|(_, required)| !required),
        "never hit: {never:?}"
    );
}

#[test]
fn the_log_survives_each_profile() {
    for profile in Profile::by_strength() {
        Campaign::new(CommitLog)
            .seeds(10_000..10_012)
            .profile(profile)
            .run();
    }
}

/// What says that commits are lost: in silence, or by an error that no fault explains.
const LOST: [&str; 2] = ["durable prefix", "spurious error"];

/// The log gives a segment its name by a rename over another, and a sync of the directory. NTFS has
/// neither as one durable step, so that the log must not be used there as it is.
#[test]
fn the_log_is_not_for_ntfs() {
    let options = CampaignOptions {
        seeds: 0..20,
        profile: Some(Profile::Ntfs),
        shrink: false,
        ..CampaignOptions::default()
    };
    let registry = registry();
    let scenario = registry.find("commitlog").expect("it is registered");
    let report = scenario.campaign(&options, &Silent, &AtomicBool::new(false));
    // Most losses are told: the superblock knows of a segment whose name is lost.
    let found = report.failures.iter();
    let lost = found.filter(|found| LOST.contains(&&*found.failure.oracle));
    assert!(lost.count() > 3, "{}", report.summary());
}

#[test]
fn every_seed_is_run_twice_with_one_result() {
    let options = CampaignOptions {
        seeds: 20_000..20_024,
        determinism_one_in: 1,
        ..CampaignOptions::default()
    };
    let registry = registry();
    let scenario = registry.find("commitlog").expect("it is registered");
    let report = scenario.campaign(&options, &Silent, &AtomicBool::new(false));
    report.assert_clean();
    assert!(
        report.compared >= 24,
        "{} runs were compared",
        report.compared
    );
}

/// How many images of other crashes each era of a case of the corpus is tried with.
const NEAR_IMAGES: u64 = 300;

/// Every case of the corpus failed once, on a mistake of the log or with a planted bug, and passes
/// now; so do other crashes of its operations.
#[test]
fn the_corpus_passes() {
    let registry = registry();
    let verdicts = match std::env::var("BLACKSTART_CASE") {
        Ok(case) => vec![corpus::replay(&registry, Path::new(&case), NEAR_IMAGES)],
        Err(_) => {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cases");
            let replayed = corpus::replay_all(&registry, &dir, NEAR_IMAGES).expect("it is there");
            replayed.into_iter().map(|entry| entry.verdict).collect()
        }
    };
    assert!(!verdicts.is_empty(), "the corpus is empty");
    let errors: Vec<String> = verdicts
        .into_iter()
        .filter_map(|verdict| verdict.err())
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n\n"));
}

/// As `sim shrink --rust-test` writes it.
#[test]
fn a_case_can_stand_in_a_test() {
    let case = include_str!("../corpus/cases/commitlog/torn-close-mark.case");
    blackstart_sim::assert_case_passes(CommitLog, case);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_log_survives_what_proptest_draws(case in prop::cases(Arc::new(CommitLog))) {
        prop::survives(&Arc::new(CommitLog), &case, 200)?;
    }
}

/// A case that fails on purpose: any with an operation that is no append.
#[test]
fn proptest_makes_cases_smaller() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::cases(Arc::new(CommitLog));
    let failed = runner.run(&strategy, |case| {
        let mut steps = case.eras.iter().flat_map(|era| &era.steps);
        prop_assert!(!steps.any(|step| matches!(step.op, Op::Rotate)));
        Ok(())
    });
    let Err(TestError::Fail(_, case)) = failed else {
        panic!("some case rotates: {failed:?}");
    };
    let steps: Vec<_> = case.eras.iter().flat_map(|era| &era.steps).collect();
    assert_eq!((case.eras.len(), steps.len()), (1, 1), "{case:?}");
}
