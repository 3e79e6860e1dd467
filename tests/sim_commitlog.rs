//! The commit log in the simulator: a campaign, the corpus, and determinism.
//!
//! `BLACKSTART_SEEDS=a..b` runs other seeds, `BLACKSTART_CASE=file` one case.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus and the environment are real"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use blackstart_scenarios::commitlog::CommitLog;
use blackstart_scenarios::registry;
use blackstart_sim::campaign::Silent;
use blackstart_sim::disk::Profile;
use blackstart_sim::{Campaign, CampaignOptions};

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("BLACKSTART_SEEDS") else {
        return 0..160;
    };
    let (start, end) = text
        .split_once("..")
        .expect("BLACKSTART_SEEDS is a range as 0..500");
    start.parse().expect("a number")..end.parse().expect("a number")
}

#[test]
fn the_log_survives_a_campaign() {
    let report = Campaign::new(CommitLog).seeds(seeds()).jobs(2).run();
    report.assert_clean();
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
            .run()
            .assert_clean();
    }
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

fn cases_in(dir: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("the corpus is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "case"))
        .collect();
    cases.sort();
    cases
}

/// Every case of the corpus failed once, on a mistake of the log or with a planted bug, and passes
/// now.
#[test]
fn the_corpus_passes() {
    let registry = registry();
    let one = std::env::var("BLACKSTART_CASE").ok().map(PathBuf::from);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cases/commitlog");
    let cases = one.map_or_else(|| cases_in(&dir), |case| vec![case]);
    assert!(!cases.is_empty(), "the corpus is empty");
    for path in cases {
        let text = std::fs::read_to_string(&path).expect("reads");
        let file = path.display().to_string();
        assert!(
            text.starts_with("//"),
            "{file} begins with what broke and why it matters"
        );
        let name = blackstart_sim::case::scenario_of(&file, &text).expect("a case");
        let scenario = registry.find(&name).expect("its scenario is registered");
        let run = scenario.replay(&file, &text, false).expect("a case");
        if let Some((era, failure)) = run.failure {
            panic!("{file}: era {era}: {failure}\nblackstart sim replay {file} --trace");
        }
    }
}
