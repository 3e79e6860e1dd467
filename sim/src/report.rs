//! What a campaign found, in numbers and in cases.
//!
//! A report of a campaign has one part; the report of several shards has one for each. The form in
//! files stands in `document`, the summing up in `merge`, the form for other tools in `junit` and
//! `github`.

pub mod document;
pub mod github;
pub mod junit;
pub mod merge;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::disk::LedgerEntry;
use crate::explore::Tally;
use crate::failure::Failure;
pub use crate::guide::Guidance;
use crate::marks::{self, Marks};
use crate::run::EraRun;
use crate::scenario::Scenario;
use crate::shard::Shard;

/// A campaign of fewer cases can't be expected to meet everything.
pub const CASES_TO_MEET_ALL: u64 = 1_000;

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

    /// Every count with its name.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 6] {
        // Taken apart, so that a new one can't be left out.
        let Self {
            injected,
            observed,
            detected,
            repaired,
            masked,
            silent,
        } = *self;
        [
            ("injected", injected),
            ("observed", observed),
            ("detected", detected),
            ("repaired", repaired),
            ("masked", masked),
            ("silent", silent),
        ]
    }
}

/// One failing seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The flags besides the seed that it takes to run it again, as `--profile xfs`.
    pub flags: String,
    /// Other seeds that fail in the same way, where reports were merged.
    #[serde(default)]
    pub seeds_too: Vec<u64>,
    /// Whether it is a child of a guided campaign: its seed alone does not lead to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_child: bool,
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

    /// The command that runs the seed again; of a child, the case that is kept under
    /// [`name`](Self::name).
    pub fn reproduce(&self) -> String {
        if self.is_child {
            return format!("blackstart sim replay {} --trace", self.name());
        }
        let (seed, scenario, flags) = (self.seed, &self.scenario, &self.flags);
        format!("blackstart sim replay {seed} --scenario {scenario} {flags}--trace")
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// What one seed gave.
#[derive(Clone, Debug)]
pub(crate) struct SeedReport {
    pub seed: u64,
    /// The profile of its disk.
    pub profile: &'static str,
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
            profile: "",
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

/// Why a campaign began no more seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// There were none left.
    Complete,
    /// Its time was over.
    Time,
    /// It had failed often enough.
    Failures,
    /// A person or a batch system stopped it.
    Interrupted,
}

/// One shard's share of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which seeds of the range it had.
    pub shard: Shard,
    /// The range that it was given.
    pub seeds: Range<u64>,
    /// All its seeds below this one were run.
    pub done: u64,
    /// Cases run.
    pub cases: u64,
    /// The only profile it used, if it was told to.
    pub profile: Option<String>,
    /// Why it ended.
    pub ended: Ended,
}

impl Part {
    /// The range of which all its seeds were run.
    pub fn seeds_done(&self) -> Range<u64> {
        self.seeds.start..self.done.max(self.seeds.start)
    }
}

/// What a campaign gave.
#[derive(Clone, Debug, PartialEq)]
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
    /// What guidance did, if the campaign was guided.
    pub guidance: Option<Guidance>,
    /// Real time; of merged reports, the sum.
    pub elapsed: Duration,
    /// How many cases there were of each profile.
    pub profiles: BTreeMap<String, u64>,
    /// Which seeds it is about.
    pub parts: Vec<Part>,
    /// The marks of the scenario, and whether each is required.
    pub catalogue: BTreeMap<String, bool>,
}

impl Report {
    pub(crate) fn new(scenario: &str, catalogue: &'static [&'static str]) -> Self {
        let catalogue = catalogue.iter().chain(marks::LIBRARY);
        let catalogue = catalogue.map(|entry| marks::parse(entry));
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
            guidance: None,
            elapsed: Duration::ZERO,
            profiles: BTreeMap::new(),
            parts: Vec::new(),
            catalogue: catalogue
                .map(|(name, is_required)| (name.to_owned(), is_required))
                .collect(),
        }
    }

    pub(crate) fn add(&mut self, seed: SeedReport) {
        self.cases += 1;
        *self.profiles.entry(seed.profile.to_owned()).or_default() += 1;
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
    pub fn never_hit(&self) -> Vec<(&str, bool)> {
        let marks = self.catalogue.iter();
        marks
            .map(|(name, &is_required)| (name.as_str(), is_required))
            .filter(|(name, _)| self.marks.count(name) == 0)
            .collect()
    }

    /// Required marks that were never hit, if the campaign was long enough to be judged by them:
    /// at least [`CASES_TO_MEET_ALL`] cases of all profiles, and not stopped by hand.
    pub fn missed(&self) -> Vec<&str> {
        let is_free = self.parts.iter().all(|part| part.profile.is_none());
        if self.cases < CASES_TO_MEET_ALL || !is_free || self.was_interrupted() {
            return Vec::new();
        }
        let never = self.never_hit().into_iter();
        never
            .filter_map(|(name, is_required)| is_required.then_some(name))
            .collect()
    }

    /// Marks that were hit and are not in the catalogue: their never being hit would go unseen.
    pub fn uncatalogued(&self) -> Vec<&str> {
        let hit = self.marks.iter().map(|(name, _)| name);
        hit.filter(|name| !self.catalogue.contains_key(*name))
            .collect()
    }

    /// Whether some part was stopped by hand.
    pub fn was_interrupted(&self) -> bool {
        let mut parts = self.parts.iter();
        parts.any(|part| part.ended == Ended::Interrupted)
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
                "{}\n\n{}\n{}",
                failure.failure,
                failure.best_case(),
                failure.reproduce()
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
        self.summarize_parts(&mut text);
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
        self.summarize_guidance(&mut text);
        self.summarize_faults(&mut text);
        self.summarize_marks(&mut text);
        let _ = writeln!(text, "  failures {}", self.failures.len());
        if self.was_interrupted() {
            let _ = writeln!(text, "  interrupted: this is what was found until then");
        }
        text
    }

    /// Which seeds it is about, where that is not all of them.
    fn summarize_parts(&self, text: &mut String) {
        match self.parts.as_slice() {
            [part] if part.shard != Shard::WHOLE => {
                let (shard, start, done) = (part.shard, part.seeds.start, part.done);
                let _ = writeln!(text, "  shard {shard} of the seeds {start}..{done}");
            }
            [] | [_] => {}
            parts => {
                let _ = writeln!(text, "  of {} parts; times are sums", parts.len());
            }
        }
    }

    fn summarize_guidance(&self, text: &mut String) {
        let Some(guidance) = &self.guidance else {
            return;
        };
        let Guidance {
            fresh,
            children,
            shapes,
            kept_of_fresh,
            kept_of_children,
        } = guidance;
        let _ = writeln!(
            text,
            "  guided: {fresh} fresh cases and {children} children, {shapes} shapes met; into the \
             pool came {kept_of_fresh} cases of fresh ones and {kept_of_children} of children"
        );
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
