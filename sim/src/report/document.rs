//! A report as a file: versioned JSON, described in `docs/REPORT.md`.
//!
//! Invariants:
//! - \[I1\] What is written is read back as the same report.
//! - \[I2\] What is not known is refused, with the line: another version, an unknown field, numbers
//!   that contradict each other.
//!
//! Files are read and written by the command line; here is text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{FailureReport, FaultCount, Guidance, Part, Report};
use crate::explore::Tally;
use crate::marks::Marks;

/// The version of the text that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// No campaign counts further. What claims more is damaged; and sums of what is less fit.
const COUNT_MAX: u64 = 1 << 48;

/// Why a report is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not JSON, an unknown field, a value of the wrong type.
    #[error("{file}:{line}:{column}: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A version that this program does not read.
    #[error(
        "{file}:{line}: report version {found} is not known; this program reads version {VERSION}"
    )]
    Version {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// The version in the file.
        found: u32,
    },
    /// Two numbers of one report that cannot both be right.
    #[error("{file}:{line}: the report of {scenario} contradicts itself: {reason}")]
    Contradiction {
        /// The file.
        file: String,
        /// From 1; where the report of the scenario begins.
        line: usize,
        /// The scenario.
        scenario: String,
        /// What does not fit.
        reason: String,
    },
}

/// What every version begins with.
#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    program: String,
    campaigns: Vec<Campaign>,
}

/// A mark of the catalogue, or one that was hit without being in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    hits: u64,
    required: bool,
    catalogued: bool,
}

/// One scenario's report. The names of the fields are those of the text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Campaign {
    scenario: String,
    parts: Vec<Part>,
    cases: u64,
    eras: u64,
    seam_calls: u64,
    images: u64,
    images_distinct: u64,
    recoveries: u64,
    recovery_calls: u64,
    compared: u64,
    elapsed_s: f64,
    profiles: BTreeMap<String, u64>,
    faults: BTreeMap<String, FaultCount>,
    marks: BTreeMap<String, Mark>,
    failures: Vec<FailureReport>,
    nondeterminism: Option<String>,
    /// None of campaigns that were not guided, so that older programs read those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guidance: Option<Guidance>,
}

impl From<&Report> for Campaign {
    fn from(report: &Report) -> Self {
        let hit = report.marks.iter().map(|(name, _)| name);
        let names = report.catalogue.keys().map(String::as_str).chain(hit);
        let mark = |name: &str| Mark {
            hits: report.marks.count(name),
            required: report.catalogue.get(name).copied().unwrap_or(false),
            catalogued: report.catalogue.contains_key(name),
        };
        let marks = names.map(|name| (name.to_owned(), mark(name))).collect();
        Self {
            scenario: report.scenario.clone(),
            parts: report.parts.clone(),
            cases: report.cases,
            eras: report.eras,
            seam_calls: report.calls,
            images: report.tally.images,
            images_distinct: report.tally.distinct,
            recoveries: report.tally.recoveries,
            recovery_calls: report.tally.calls,
            compared: report.compared,
            elapsed_s: report.elapsed.as_secs_f64(),
            profiles: report.profiles.clone(),
            faults: report.faults.clone(),
            marks,
            failures: report.failures.clone(),
            nondeterminism: report.nondeterminism.clone(),
            guidance: report.guidance,
        }
    }
}

impl Campaign {
    /// The report, or what in it does not fit.
    fn check(self) -> Result<Report, String> {
        self.check_counts()?;
        let elapsed = Duration::try_from_secs_f64(self.elapsed_s)
            .ok()
            .filter(|elapsed| elapsed.as_secs() < COUNT_MAX)
            .ok_or_else(|| format!("elapsed_s is {}", self.elapsed_s))?;
        let in_parts = sum(self.parts.iter().map(|part| part.cases));
        if in_parts != Some(self.cases) {
            let cases = self.cases;
            return Err(format!("{cases} cases are not the sum of its parts"));
        }
        let in_profiles = sum(self.profiles.values().copied());
        if in_profiles != Some(self.cases) {
            let cases = self.cases;
            return Err(format!("{cases} cases are not the sum of its profiles"));
        }
        for part in &self.parts {
            check_part(part)?;
        }
        if let Some(Guidance {
            fresh, children, ..
        }) = self.guidance
            && fresh
                .checked_add(children)
                .is_none_or(|all| all > self.cases)
        {
            return Err("more cases are fresh or children than there are".to_owned());
        }
        if self.images_distinct > self.images {
            return Err("more images are distinct than there are".to_owned());
        }
        let mut marks = Marks::default();
        let mut catalogue = BTreeMap::new();
        for (name, mark) in self.marks {
            if mark.hits > 0 {
                marks.add(&name, mark.hits);
            }
            if mark.catalogued {
                catalogue.insert(name, mark.required);
            }
        }
        let tally = Tally {
            images: self.images,
            distinct: self.images_distinct,
            recoveries: self.recoveries,
            calls: self.recovery_calls,
        };
        Ok(Report {
            scenario: self.scenario,
            cases: self.cases,
            eras: self.eras,
            calls: self.seam_calls,
            tally,
            marks,
            faults: self.faults,
            compared: self.compared,
            failures: self.failures,
            nondeterminism: self.nondeterminism,
            guidance: self.guidance,
            elapsed,
            profiles: self.profiles,
            parts: self.parts,
            catalogue,
        })
    }
}

impl Campaign {
    /// Whether every count is one that a campaign can reach.
    fn check_counts(&self) -> Result<(), String> {
        let counts = [
            ("cases", self.cases),
            ("eras", self.eras),
            ("seam_calls", self.seam_calls),
            ("images", self.images),
            ("recoveries", self.recoveries),
            ("recovery_calls", self.recovery_calls),
            ("compared", self.compared),
        ];
        let counts = counts.map(|(name, count)| (name.to_owned(), count));
        let marks = self
            .marks
            .iter()
            .map(|(name, mark)| (name.clone(), mark.hits));
        let faults = self.faults.iter().flat_map(|(kind, count)| {
            let counts = count.counts();
            counts.map(|(name, count)| (format!("{kind} {name}"), count))
        });
        let mut all = counts.into_iter().chain(marks).chain(faults);
        match all.find(|&(_, count)| count >= COUNT_MAX) {
            Some((name, count)) => Err(format!("{name:?} is {count}")),
            None => Ok(()),
        }
    }
}

fn sum(mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
    numbers.try_fold(0u64, u64::checked_add)
}

fn check_part(part: &Part) -> Result<(), String> {
    let (shard, start, end) = (part.shard, part.seeds.start, part.seeds.end);
    if start > end || part.done < start {
        return Err(format!("shard {shard} has the seeds {start}..{end}"));
    }
    let own = shard.seed_count(&part.seeds_done());
    if part.done > end || own != part.cases {
        let (cases, done) = (part.cases, part.done);
        return Err(format!(
            "shard {shard} has {own} seeds in {start}..{done}, and {cases} cases"
        ));
    }
    Ok(())
}

/// The text of a report file.
pub fn encode(reports: &[Report]) -> String {
    let document = Document {
        version: VERSION,
        program: format!("blackstart-sim {}", env!("CARGO_PKG_VERSION")),
        campaigns: reports.iter().map(Campaign::from).collect(),
    };
    let text = serde_json::to_string_pretty(&document);
    // Keys are strings and numbers are finite: there is nothing that has no form.
    text.map_or_else(|error| format!("{error}\n"), |text| text + "\n")
}

/// One report as a JSON object.
pub fn value(report: &Report) -> serde_json::Value {
    serde_json::to_value(Campaign::from(report)).unwrap_or_default()
}

/// Reads a report file; `file` is its name for errors.
///
/// # Errors
/// If it is damaged or of another version.
pub fn decode(file: &str, text: &str) -> Result<Vec<Report>, DocumentError> {
    let syntax = |error: serde_json::Error| DocumentError::Syntax {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        reason: without_place(&error.to_string()),
    };
    let head: Head = serde_json::from_str(text).map_err(syntax)?;
    if head.version != VERSION {
        return Err(DocumentError::Version {
            file: file.to_owned(),
            line: line_of(text, "\"version\"", 0),
            found: head.version,
        });
    }
    let document: Document = serde_json::from_str(text).map_err(syntax)?;
    let mut reports = Vec::new();
    for (index, campaign) in document.campaigns.into_iter().enumerate() {
        let scenario = campaign.scenario.clone();
        let report = campaign
            .check()
            .map_err(|reason| DocumentError::Contradiction {
                file: file.to_owned(),
                line: line_of(text, "    {", index),
                scenario,
                reason,
            })?;
        reports.push(report);
    }
    Ok(reports)
}

/// The error's text without the place, which is said before it.
fn without_place(text: &str) -> String {
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text.get(..end).unwrap_or(text).to_owned()
}

/// The line, from 1, of the `nth` line (from 0) that begins so; 1 if there is none.
fn line_of(text: &str, beginning: &str, nth: usize) -> usize {
    let is_one = |line: &str| match beginning.starts_with(' ') {
        true => line == beginning,
        false => line.trim_start().starts_with(beginning),
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_one(line));
    lines.nth(nth).map_or(1, |(at, _)| at + 1)
}
