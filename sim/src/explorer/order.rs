//! Under which rules a finding still shows: the most ordered profiles.
//!
//! Profiles are ordered in part ([`Profile::is_below`]): two of them may each promise what the
//! other does not. So a finding may have several most ordered profiles. That it shows under one is
//! proven by a case; that it does not under another is only as sure as the exploration is wide.

use std::sync::Arc;

use super::ExploreOptions;
use super::lot::Finding;
use super::report::FindingReport;
use super::rounds::{self, Found, Limits};
use crate::campaign::write_case;
use crate::case::CaseOf;
use crate::disk::Profile;
use crate::run::run_case;
use crate::scenario::Scenario;

/// Finds the most ordered profiles of a finding, and says it all in text.
pub(super) fn explain<S: Scenario>(
    scenario: &Arc<S>,
    found: Found<S>,
    options: &ExploreOptions,
    limits: &Limits<'_>,
) -> FindingReport {
    let Found { finding, of } = found;
    let profile = of.disk.profile;
    let mut candidates: Vec<Profile> = Profile::ALL
        .into_iter()
        .filter(|candidate| profile.is_below(*candidate))
        .collect();
    let mut shown: Vec<(Profile, CaseOf<S>)> = Vec::new();
    while let Some(at) = candidates
        .iter()
        .position(|candidate| candidates.iter().all(|other| !candidate.is_below(*other)))
    {
        let candidate = candidates.remove(at);
        if shown.iter().any(|(above, _)| candidate.is_below(*above)) {
            continue;
        }
        if let Some(case) = under(scenario, &finding, &of, candidate, options, limits) {
            shown.push((candidate, case));
        }
    }
    if shown.is_empty() {
        shown.push((profile, finding.case.clone()));
    }
    let texts = shown.iter().map(|(profile, case)| {
        (
            profile.name().to_owned(),
            write_case(case, &finding.failure),
        )
    });
    FindingReport {
        scenario: scenario.name().to_owned(),
        profile: profile.name().to_owned(),
        case: write_case(&finding.case, &finding.failure),
        failure: finding.failure.clone(),
        images: finding.count,
        depth: finding.depth,
        most_ordered: texts.collect(),
    }
}

/// A case that shows the finding under another profile: the same one, or one that is found anew.
fn under<S: Scenario>(
    scenario: &Arc<S>,
    finding: &Finding<S>,
    of: &CaseOf<S>,
    profile: Profile,
    options: &ExploreOptions,
    limits: &Limits<'_>,
) -> Option<CaseOf<S>> {
    let mut same = finding.case.clone();
    same.disk.profile = profile;
    let replayed = run_case(scenario, &same, false).failure;
    if replayed.is_some_and(|(_, failure)| failure.same(&finding.failure)) {
        return Some(same);
    }
    let mut workload = of.clone();
    workload.disk.profile = profile;
    let options = ExploreOptions {
        depth_max: finding.depth.max(1),
        time_max: None,
        ..options.clone()
    };
    let limits = Limits {
        time_max: None,
        ..*limits
    };
    let outcome = rounds::explore(
        scenario,
        &workload,
        &options,
        &limits,
        Some(&finding.failure),
    );
    let first = outcome.findings.into_iter().next();
    first.map(|found| found.finding.case)
}
