//! What a campaign found, in numbers and in cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::LedgerEntry;
use crate::explore::Tally;
use crate::failure::Failure;
use crate::marks::{self, Marks};
use crate::run::EraRun;
use crate::scenario::Scenario;

/// The fate of the faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// Struck.
    pub injected: u64,
    /// Seen by the system: a call failed, a read returned damaged bytes.
    pub observed: u64,
    /// Reported by the system, with the name of the file.
    pub detected: u64,
    /// Damage that was written over.
    pub repaired: u64,
    /// Not reported, and what the system answered was right all the same.
    pub masked: u64,
    /// Not reported although it should have been: each one is a failure.
    pub silent: u64,
}

impl FaultCount {
    pub(crate) fn add(&mut self, other: Self) {
        self.injected += other.injected;
        self.observed += other.observed;
        self.detected += other.detected;
        self.repaired += other.repaired;
        self.masked += other.masked;
        self.silent += other.silent;
    }
}

/// One failing seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FailureReport {
    /// The seed.
    pub seed: u64,
    /// The scenario.
    pub scenario: String,
    /// What is wrong.
    pub failure: Failure,
    /// The case as it was found.
    pub case: String,
    /// The smallest case with the same failure; empty if it was not shrunk.
    pub shrunken: String,
    /// How many runs shrinking took.
    pub shrink_runs: u64,
}

impl FailureReport {
    /// A file name for the case.
    pub fn name(&self) -> String {
        let oracle: String = self
            .failure
            .oracle
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter
                } else {
                    '-'
                }
            })
            .collect();
        format!("{}-{}-{}.case", self.scenario, oracle, self.seed)
    }

    /// The smallest case there is.
    pub fn best_case(&self) -> &str {
        if self.shrunken.is_empty() {
            &self.case
        } else {
            &self.shrunken
        }
    }
}

/// What one seed gave.
#[derive(Clone, Debug)]
pub(crate) struct SeedReport {
    pub seed: u64,
    pub eras: u64,
    pub calls: u64,
    pub tally: Tally,
    pub marks: Marks,
    pub faults: BTreeMap<String, FaultCount>,
    pub compared: u64,
    pub failure: Option<FailureReport>,
    pub nondeterminism: Option<String>,
}

impl SeedReport {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            eras: 0,
            calls: 0,
            tally: Tally::default(),
            marks: Marks::default(),
            faults: BTreeMap::new(),
            compared: 0,
            failure: None,
            nondeterminism: None,
        }
    }

    /// Takes over what a main era's run has seen.
    pub fn observe<S: Scenario>(&mut self, run: &EraRun<S>) {
        self.eras += 1;
        self.calls += run.calls;
        self.marks.merge(&run.marks);
        self.add_faults(&count_faults(&run.ledger));
    }

    pub fn add_faults(&mut self, faults: &BTreeMap<String, FaultCount>) {
        for (kind, count) in faults {
            self.faults.entry(kind.clone()).or_default().add(*count);
        }
    }
}

/// Counts a run's ledger by kind.
pub(crate) fn count_faults(ledger: &[LedgerEntry]) -> BTreeMap<String, FaultCount> {
    let mut counts: BTreeMap<String, FaultCount> = BTreeMap::new();
    for entry in ledger {
        let count = counts.entry(entry.kind.to_string()).or_default();
        count.add(FaultCount {
            injected: entry.injected,
            observed: entry.observed,
            detected: entry.detected,
            repaired: entry.repaired,
            masked: entry.masked,
            silent: entry.silent,
        });
    }
    counts
}

/// What a campaign gave.
#[derive(Clone, Debug)]
pub struct Report {
    /// The scenario.
    pub scenario: String,
    /// Seeds run.
    pub cases: u64,
    /// Main eras run.
    pub eras: u64,
    /// Calls on the seam, recoveries included.
    pub calls: u64,
    /// Crash images.
    pub tally: Tally,
    /// Marks hit.
    pub marks: Marks,
    /// The fate of faults by kind.
    pub faults: BTreeMap<String, FaultCount>,
    /// Runs that were repeated and compared.
    pub compared: u64,
    /// The failures, by seed.
    pub failures: Vec<FailureReport>,
    /// The first divergence of two runs of one case.
    pub nondeterminism: Option<String>,
    /// Real time.
    pub elapsed: Duration,
    /// Whether it was stopped by hand.
    pub interrupted: bool,
    catalogue: &'static [&'static str],
}

impl Report {
    pub(crate) fn new(scenario: &str, catalogue: &'static [&'static str]) -> Self {
        Self {
            scenario: scenario.to_owned(),
            cases: 0,
            eras: 0,
            calls: 0,
            tally: Tally::default(),
            marks: Marks::default(),
            faults: BTreeMap::new(),
            compared: 0,
            failures: Vec::new(),
            nondeterminism: None,
            elapsed: Duration::ZERO,
            interrupted: false,
            catalogue,
        }
    }

    pub(crate) fn add(&mut self, seed: SeedReport) {
        self.cases += 1;
        self.eras += seed.eras;
        self.calls += seed.calls + seed.tally.calls;
        self.tally.add(&seed.tally);
        self.marks.merge(&seed.marks);
        for (kind, count) in seed.faults {
            self.faults.entry(kind).or_default().add(count);
        }
        self.compared += seed.compared;
        self.failures.extend(seed.failure);
        self.nondeterminism = self.nondeterminism.take().or(seed.nondeterminism);
    }

    /// Marks of the catalogue that were never hit: name, and whether it is required.
    pub fn never_hit(&self) -> Vec<(&'static str, bool)> {
        let marks = self.catalogue.iter().map(|entry| marks::parse(entry));
        marks
            .filter(|(name, _)| self.marks.count(name) == 0)
            .collect()
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.nondeterminism.is_none()
    }

    /// Fails a test with the first failure and the command that reproduces it.
    ///
    /// # Panics
    /// If the report is not clean, or nothing was run.
    pub fn assert_clean(&self) {
        assert!(self.cases > 0, "no case was run");
        if let Some(nondeterminism) = &self.nondeterminism {
            panic!("{nondeterminism}");
        }
        if let Some(failure) = self.failures.first() {
            panic!(
                "{}\n\n{}\nblackstart sim replay {} --scenario {} --trace",
                failure.failure,
                failure.best_case(),
                failure.seed,
                failure.scenario
            );
        }
    }

    /// The summary for people.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let rate = |count: u64| count as f64 / seconds;
        let tally = &self.tally;
        let _ = writeln!(
            text,
            "{}: {} cases ({} eras) in {seconds:.1} s, {:.0} cases/s",
            self.scenario,
            self.cases,
            self.eras,
            rate(self.cases)
        );
        let _ = writeln!(
            text,
            "  crash images {} ({:.0}/s), distinct {}, recoveries run {} ({:.0}/s)",
            tally.images,
            rate(tally.images),
            tally.distinct,
            tally.recoveries,
            rate(tally.recoveries)
        );
        let _ = writeln!(
            text,
            "  seam calls {} ({:.2} M/s), runs compared for determinism {}",
            self.calls,
            rate(self.calls) / 1e6,
            self.compared
        );
        self.summarize_faults(&mut text);
        self.summarize_marks(&mut text);
        let _ = writeln!(text, "  failures {}", self.failures.len());
        text
    }

    fn summarize_faults(&self, text: &mut String) {
        if self.faults.is_empty() {
            return;
        }
        let width = self.faults.keys().map(String::len).max().unwrap_or(0);
        let _ = writeln!(
            text,
            "  {:width$}  injected  observed  detected  repaired    masked    silent",
            "fault"
        );
        for (kind, count) in &self.faults {
            let FaultCount {
                injected,
                observed,
                detected,
                repaired,
                masked,
                silent,
            } = count;
            let _ = writeln!(
                text,
                "  {kind:width$}  {injected:8}  {observed:8}  {detected:8}  {repaired:8}  \
                 {masked:8}  {silent:8}"
            );
        }
    }

    fn summarize_marks(&self, text: &mut String) {
        let hits: Vec<String> = self
            .marks
            .iter()
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        if !hits.is_empty() {
            let _ = writeln!(text, "  marks: {}", hits.join(", "));
        }
        let never: Vec<String> = self
            .never_hit()
            .iter()
            .map(|(name, required)| format!("{name}{}", if *required { " (required)" } else { "" }))
            .collect();
        if !never.is_empty() {
            let _ = writeln!(text, "  never hit: {}", never.join(", "));
        }
    }
}
