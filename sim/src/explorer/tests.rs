//! Toy programs, explored.

mod toy;

use super::*;
use crate::any::Registered;
use crate::disk::{Fault, FaultRule, Trigger};
use crate::generate;
use toy::{Toy, Way};

fn options(profile: Profile) -> ExploreOptions {
    ExploreOptions {
        profile: Some(profile),
        ..ExploreOptions::default()
    }
}

fn explored(way: Way, options: &ExploreOptions) -> Exploration {
    let toy = Arc::new(Toy { way, lies: false });
    let cases = generate::small_cases(&*toy);
    let report = explore(&toy, &cases, options, &AtomicBool::new(false));
    assert_eq!(report.defect, None);
    assert!(report.is_complete);
    report
}

/// The findings: oracle, most ordered profiles, depth. Their cases are replayed.
fn findings(way: Way, options: &ExploreOptions) -> Vec<String> {
    let report = explored(way, options);
    let scenario = Registered::boxed(Toy { way, lies: false });
    let tell = |finding: &FindingReport| {
        for (file, text) in finding.files(1) {
            let run = scenario.replay(&file, text, false).expect("a case");
            let (_, failure) = run.failure.expect("it fails again");
            assert!(failure.same(&finding.failure), "{failure}");
            // Operations behind the crash are those of the workload.
            let mut stale = run.stale.into_iter();
            assert_eq!(stale.find(|name| !name.contains("operation")), None);
        }
        let profiles = finding.profiles().join(", ");
        format!(
            "{}: {profiles}, depth {}",
            finding.failure.oracle, finding.depth
        )
    };
    let mut told: Vec<String> = report.findings.iter().map(tell).collect();
    told.sort();
    told
}

#[test]
fn a_program_without_mistakes_is_clean() {
    for profile in Profile::ALL {
        if profile == Profile::Tmpfs {
            continue;
        }
        let report = explored(Way::Right, &options(profile));
        assert!(report.is_clean(), "{profile:?}: {:?}", report.findings);
        let [first, second] = report.levels.as_slice() else {
            panic!("two depths: {:?}", report.levels);
        };
        let ran = |level: &LevelTally| level.recoveries - level.checked - level.second;
        assert_eq!(first.judged, ran(first) + first.by_tree);
        assert_eq!(second.judged, ran(second) + second.by_tree);
        assert!(second.by_tree > ran(second), "{second:?}");
    }
}

#[test]
fn a_forgotten_sync_of_a_directory_shows_where_a_sync_brings_no_name() {
    let found = findings(Way::UnsyncedName, &options(Profile::PosixStrict));
    assert_eq!(found, ["the number: posix-strict, depth 1"]);
    assert!(explored(Way::UnsyncedName, &options(Profile::Ext4Ordered)).is_clean());
}

#[test]
fn a_replacement_without_data_shows_on_every_profile() {
    let found = findings(Way::UnsyncedReplacement, &options(Profile::PosixStrict));
    // An empty file, and, where a kill left the new file behind, one that shows its old number.
    let most_ordered = [
        "the number: xfs, apfs, depth 2",
        "whole: xfs, apfs, depth 1",
    ];
    assert_eq!(found, most_ordered);
    // ext4 begins to write the data of a replacement; its length may still come first.
    assert!(!explored(Way::UnsyncedReplacement, &options(Profile::Ext4Ordered)).is_clean());
}

#[test]
fn a_fragile_opening_needs_two_crashes() {
    let once = ExploreOptions {
        depth_max: 1,
        ..options(Profile::PosixStrict)
    };
    assert_eq!(findings(Way::FragileOpening, &once), [""; 0]);
    let found = findings(Way::FragileOpening, &options(Profile::PosixStrict));
    assert_eq!(found, ["the number: xfs, apfs, depth 2"]);
}

#[test]
fn what_a_recovery_leaves_is_looked_at_without_another_crash() {
    let once = ExploreOptions {
        depth_max: 1,
        ..options(Profile::PosixStrict)
    };
    let found = findings(Way::BelievesLeftover, &once);
    assert_eq!(found, ["the number: xfs, apfs, depth 1"]);
    let report = explored(Way::Right, &once);
    let total = report.total();
    assert!(total.second > 0, "{total:?}");
    assert!(total.second * 2 < total.recoveries, "{total:?}");
}

#[test]
fn a_pair_in_one_sector_needs_a_tear_inside_it() {
    for (tear_bytes, is_found) in [(4_096, false), (512, false), (64, true), (1, true)] {
        let options = ExploreOptions {
            tear_bytes: Some(tear_bytes),
            choices_max: 512,
            ..options(Profile::PosixStrict)
        };
        let report = explored(Way::OneSector, &options);
        assert_eq!(!report.is_clean(), is_found, "units of {tear_bytes}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for way in [Way::Right, Way::UnsyncedName, Way::FragileOpening] {
        let told = |jobs| {
            let options = ExploreOptions {
                jobs,
                ..options(Profile::PosixStrict)
            };
            let report = explored(way, &options);
            let (levels, findings) = (report.levels, report.findings);
            format!("{levels:?} {} {findings:?}", report.distinct)
        };
        assert_eq!(told(1), told(2));
        assert_eq!(told(1), told(5));
    }
}

#[test]
fn every_verdict_of_the_tree_holds_when_it_is_run() {
    for way in [Way::Right, Way::OneSector] {
        let options = ExploreOptions {
            check_one_in: 1,
            tear_bytes: Some(512),
            ..options(Profile::PosixStrict)
        };
        let total = explored(way, &options).total();
        assert!(total.by_tree > 60, "{total:?}");
        assert_eq!(total.checked, total.by_tree);
    }
}

#[test]
fn damage_and_limited_space_are_not_judged_by_a_tree() {
    let toy = Arc::new(Toy {
        way: Way::Right,
        lies: false,
    });
    let case = &generate::small_cases(&*toy)[0];
    let options = ExploreOptions {
        check_one_in: 1,
        ..options(Profile::PosixStrict)
    };
    let mut limited = case.clone();
    limited.disk.capacity_bytes = Some(1 << 20);
    let report = explore(&toy, &[limited], &options, &AtomicBool::new(false));
    let total = report.total();
    assert_eq!((total.by_tree, report.defect), (0, None));
    assert!(total.judged > 100, "{total:?}");
    // The second era begins with a damaged byte that nobody looks at. Of two images with equal
    // contents one still has it, and in the other it was written again.
    let toy = Arc::new(Toy {
        way: Way::OneSector,
        lies: false,
    });
    let mut damaged = generate::small_cases(&*toy)[0].clone();
    damaged.disk.tear_bytes = 8;
    damaged.eras.push(damaged.eras[0].clone());
    let when = Trigger::Boot {
        files: "*".to_owned(),
        nth: 1,
    };
    let (per_mille, bit) = (500, 3);
    let flip = FaultRule::new(when, Fault::BitFlip { per_mille, bit });
    damaged.eras[1].faults.push(flip);
    let report = explore(&toy, &[damaged], &options, &AtomicBool::new(false));
    assert!(report.total().by_tree > 0);
    assert_eq!(report.defect, None);
}

#[test]
fn what_a_recovery_does_not_read_matters_to_the_next_one() {
    let options = ExploreOptions {
        tear_bytes: Some(64),
        ..options(Profile::PosixStrict)
    };
    let report = explored(Way::ReadsWhenResumed, &options);
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|found| (found.failure.oracle.as_str(), found.depth))
        .collect();
    assert_eq!(found, [("whole", 2)]);
}

/// The defect that an exploration with a planted one ends with.
fn defect(way: Way, lies: bool, is_deaf: bool) -> Option<String> {
    let toy = Arc::new(Toy { way, lies });
    let options = ExploreOptions {
        check_one_in: 4,
        tear_bytes: Some(64),
        ..options(Profile::PosixStrict)
    };
    let limits = rounds::Limits {
        started: Stopwatch::start(),
        time_max: None,
        interrupted: &AtomicBool::new(false),
        is_deaf,
    };
    let case = &generate::small_cases(&*toy)[0];
    rounds::explore(&toy, case, &options, &limits, None).defect
}

#[test]
fn a_tree_that_does_not_listen_is_caught() {
    assert_eq!(defect(Way::OneSector, false, false), None);
    assert!(defect(Way::OneSector, false, true).is_some());
}

#[test]
fn a_scenario_that_hides_what_its_runs_know_is_caught() {
    assert!(defect(Way::OneSector, true, false).is_some());
}
