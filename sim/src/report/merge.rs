//! Several reports into one: sums, failures told once, and what is missing.
//!
//! Invariants:
//! - \[I1\] The merged report of all shards of a range says what one campaign over the range says,
//!   but for times and for the order of failures.
//! - \[I2\] The order of the reports does not matter.
//! - \[I3\] A part that is given twice is counted once.
//!
//! Which seeds overlap or are missing is said and not repaired: numbers of overlapping parts are
//! sums all the same.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ended, FailureReport, Report};
use crate::campaign::SEEDS_MAX;

/// More missing shards are counted and not named.
const SHARDS_TOLD: usize = 20;

/// What was merged, and what is wrong with the set of reports as a whole.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// One report for each scenario, by name.
    pub reports: Vec<Report>,
    /// Sentences about seeds that are missing or were run twice.
    pub gaps: Vec<String>,
}

/// Merges reports, each with the name of where it came from.
pub fn merge(named: &[(String, Report)]) -> Merged {
    let mut by_scenario: BTreeMap<&str, Vec<&(String, Report)>> = BTreeMap::new();
    for named in named {
        let scenario = named.1.scenario.as_str();
        by_scenario.entry(scenario).or_default().push(named);
    }
    let mut merged = Merged::default();
    for (scenario, named) in by_scenario {
        let mut total = Report::new(scenario, &[]);
        let mut taken: Vec<&(String, Report)> = Vec::new();
        for one in named {
            let is_again = |other: &&&(String, Report)| same_run(&other.1, &one.1);
            match taken.iter().find(is_again) {
                Some(first) => merged.gaps.push(format!(
                    "{scenario}: {} is the same report as {}, and is counted once",
                    one.0, first.0
                )),
                None => {
                    total.absorb(&one.1);
                    taken.push(one);
                }
            }
        }
        total.settle();
        merged.gaps.extend(overlaps(scenario, &taken));
        merged.gaps.extend(missing(&total));
        merged.reports.push(total);
    }
    merged
}

/// Whether two reports are one run's: two runs of the same shard take different times.
fn same_run(one: &Report, two: &Report) -> bool {
    one == two
}

impl Report {
    /// Takes over everything of another report of the same scenario.
    fn absorb(&mut self, other: &Report) {
        self.cases += other.cases;
        self.eras += other.eras;
        self.calls += other.calls;
        self.tally.add(&other.tally);
        self.marks.merge(&other.marks);
        for (kind, count) in &other.faults {
            self.faults.entry(kind.clone()).or_default().add(*count);
        }
        for (profile, cases) in &other.profiles {
            *self.profiles.entry(profile.clone()).or_default() += cases;
        }
        for (mark, &is_required) in &other.catalogue {
            *self.catalogue.entry(mark.clone()).or_default() |= is_required;
        }
        self.compared += other.compared;
        if let Some(guidance) = &other.guidance {
            self.guidance.get_or_insert_default().add(guidance);
        }
        self.elapsed += other.elapsed;
        self.failures.extend(other.failures.iter().cloned());
        // The least of several, so that the order of reports does not matter.
        let texts = [self.nondeterminism.take(), other.nondeterminism.clone()];
        self.nondeterminism = texts.into_iter().flatten().min();
        self.parts.extend(other.parts.iter().cloned());
    }

    /// Sorts the parts, and tells each failure once: the one of the shortest case.
    fn settle(&mut self) {
        self.parts
            .sort_by_key(|part| (part.seeds.start, part.seeds.end, part.shard, part.done));
        let mut failures = std::mem::take(&mut self.failures);
        failures.sort_by_key(|failure| (size(failure), failure.seed));
        for failure in failures {
            let same = |known: &&mut FailureReport| known.failure.same(&failure.failure);
            match self.failures.iter_mut().find(same) {
                Some(known) => {
                    known.seeds_too.push(failure.seed);
                    known.seeds_too.extend(failure.seeds_too);
                }
                None => self.failures.push(failure),
            }
        }
        for failure in &mut self.failures {
            failure.seeds_too.retain(|&seed| seed != failure.seed);
            failure.seeds_too.sort_unstable();
            failure.seeds_too.dedup();
        }
        self.failures.sort_by_key(|failure| failure.seed);
    }
}

/// A shrunken case before any that is not, and then the shorter one.
fn size(failure: &FailureReport) -> (bool, usize) {
    (failure.shrunken.is_empty(), failure.best_case().len())
}

/// Sentences about seeds that two reports both have.
fn overlaps(scenario: &str, named: &[&(String, Report)]) -> Vec<String> {
    let mut sentences = Vec::new();
    for (at, (one_name, one)) in named.iter().enumerate() {
        for (two_name, two) in named.iter().skip(at + 1) {
            for a in &one.parts {
                for b in &two.parts {
                    let (ours, others) = (a.seeds_done(), b.seeds_done());
                    let common = a.shard.common_seed(&ours, b.shard, &others);
                    if let Some(seed) = common.filter(|_| a.profile == b.profile) {
                        sentences.push(format!(
                            "{scenario}: shard {} in {one_name} and shard {} in {two_name} \
                             overlap: both have seed {seed}",
                            a.shard, b.shard
                        ));
                    }
                }
            }
        }
    }
    sentences
}

/// Sentences about shards that are not there, and about seeds that a shard did not come to. A
/// campaign with a time limit has no seeds that it must come to.
fn missing(report: &Report) -> Vec<String> {
    let scenario = &report.scenario;
    let mut sentences = Vec::new();
    let mut found: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for part in &report.parts {
        let (shard, end) = (part.shard, part.seeds.end);
        found
            .entry(shard.count())
            .or_default()
            .insert(shard.index());
        if matches!(part.ended, Ended::Interrupted | Ended::Failures) {
            let why = match part.ended {
                Ended::Interrupted => "was interrupted",
                _ => "stopped at its failures",
            };
            let to = match end {
                SEEDS_MAX => "on".to_owned(),
                end => format!("to {end}"),
            };
            sentences.push(format!(
                "{scenario}: shard {shard} {why}: its seeds from {} {to} are missing",
                part.done
            ));
        }
    }
    for (count, indexes) in found {
        let mut absent: Vec<String> = (1..=count)
            .filter(|index| !indexes.contains(index))
            .take(SHARDS_TOLD)
            .map(|index| format!("{index}/{count}"))
            .collect();
        let more = (count - indexes.len() as u64) as usize - absent.len();
        if more > 0 {
            absent.push(format!("and {more} more"));
        }
        if !absent.is_empty() {
            sentences.push(format!("{scenario}: missing shards: {}", absent.join(", ")));
        }
    }
    sentences
}
