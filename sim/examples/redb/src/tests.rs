//! The explorer on the small workloads: nothing in the newest redb, both bugs in 4.1.0.
//!
//! Here too one source serves both versions; each is a package with a test of its own.

use std::sync::atomic::AtomicBool;

use blackstart_sim::Registered;
use blackstart_sim::any::Workload;
use blackstart_sim::explorer::{Exploration, ExploreOptions, FindingReport};

use crate::op::Mixture;
use crate::scenario::Redb;

/// Whether this is not the program with redb 4.1.0.
fn is_newest() -> bool {
    env!("CARGO_PKG_NAME") == "redb-in-blackstart"
}

/// The first few choices of every cut of a mixture's workloads, and of every cut of a recovery.
fn explored(mixture: Mixture, tear_bytes: u64) -> Exploration {
    let options = ExploreOptions {
        tear_bytes: Some(tear_bytes),
        choices_max: 48,
        ..ExploreOptions::default()
    };
    let scenario = Registered::boxed(Redb(mixture));
    let explored = scenario.explore(&Workload::Small, &options, &AtomicBool::new(false));
    let explored = explored.expect("it has small workloads");
    assert_eq!(explored.defect, None);
    assert!(explored.is_complete);
    explored
}

#[track_caller]
fn check(mixture: Mixture, tear_bytes: u64, is_bug: impl Fn(&FindingReport) -> bool) {
    let explored = explored(mixture, tear_bytes);
    let found = explored.findings.iter().any(is_bug);
    assert_eq!(found, !is_newest(), "{explored:?}");
    if is_newest() {
        assert!(explored.findings.is_empty(), "{explored:?}");
        let total = explored.total();
        assert!(
            total.by_tree * 4 > total.judged * 3,
            "few by the read tree: {total:?}"
        );
    }
}

#[test]
fn a_crash_while_the_file_grows() {
    check(Mixture::Growth, 512, |finding| {
        finding.depth == 1 && finding.failure.message.contains("raw_file_len")
    });
}

#[test]
fn a_torn_slot_that_is_made_valid() {
    check(Mixture::Commits, 64, |finding| {
        finding.depth == 2 && finding.failure.oracle == "one state"
    });
}

#[test]
fn transactions_of_all_kinds() {
    check(Mixture::All, 512, |finding| {
        finding.depth == 1 && finding.failure.message.contains("raw_file_len")
    });
}
