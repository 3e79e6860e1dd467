//! The commit log's small workloads, explored.

use std::sync::atomic::AtomicBool;

use blackstart_scenarios::registry;
use blackstart_sim::any::{AnyScenario, Workload};
use blackstart_sim::disk::Profile;
use blackstart_sim::explorer::{Exploration, ExploreOptions};

fn explored(options: &ExploreOptions) -> Exploration {
    let registry = registry();
    let scenario: &dyn AnyScenario = registry.find("commitlog").expect("it is registered");
    let report = scenario.explore(&Workload::Small, options, &AtomicBool::new(false));
    let report = report.expect("there are small cases");
    assert!(report.is_complete);
    assert_eq!(report.defect, None);
    if let Some(finding) = report.findings.first() {
        panic!("{}\n{}", finding.failure, finding.case);
    }
    report
}

#[test]
fn the_log_survives_every_cut_of_its_small_cases() {
    for profile in Profile::by_strength() {
        let options = ExploreOptions {
            profile: Some(profile),
            jobs: 2,
            ..ExploreOptions::default()
        };
        let report = explored(&options);
        let total = report.total();
        assert!(total.by_tree > total.recoveries, "{total:?}");
        assert!(report.levels.len() == 2 && total.checked > 20, "{total:?}");
    }
}

#[test]
fn tears_of_64_bytes_and_inside_of_units() {
    let options = ExploreOptions {
        tear_bytes: Some(64),
        torn_units: true,
        choices_max: 400,
        depth_max: 1,
        ..ExploreOptions::default()
    };
    let report = explored(&options);
    assert!(report.distinct > 2_000, "{}", report.distinct);
}

#[test]
fn every_verdict_of_the_read_tree_holds_for_the_log() {
    let options = ExploreOptions {
        choices_max: 64,
        nested_choices_max: 8,
        check_one_in: 1,
        ..ExploreOptions::default()
    };
    let total = explored(&options).total();
    assert_eq!(total.checked, total.by_tree);
    assert!(total.checked > 5_000, "{total:?}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let told = |jobs| {
        let options = ExploreOptions {
            jobs,
            ..ExploreOptions::default()
        };
        let report = explored(&options);
        (format!("{:?}", report.levels), report.distinct)
    };
    assert_eq!(told(1), told(2));
}
