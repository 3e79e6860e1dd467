//! A case: one simulation, fully explicit, as text that a person can read and edit.
//!
//! Invariants:
//! - \[I1\] Running a case draws nothing: equal case, equal run.
//! - \[I2\] Every name in a case is stable ([`crate::call::CallId`]): dropping one operation leaves
//!   the meaning of the rest. A name that is not met has no effect.
//! - \[I3\] A case of an unknown version, scenario or field is refused, naming the line.
//!
//! The text is RON. `version` comes first; this code reads version 1.

use std::fmt::Write as _;

use ron::extensions::Extensions;
use ron::ser::PrettyConfig;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::CallId;
use crate::disk::{DiskConfig, FaultRule, Survivors};
use crate::scenario::{Scenario, Step};
use crate::sched::{Latency, Schedule};

/// The version of the text that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// One simulation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound = "C: Serialize + DeserializeOwned, O: Serialize + DeserializeOwned"
)]
pub struct Case<C, O> {
    /// The version of this text: [`VERSION`].
    pub version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The system's options.
    pub config: C,
    /// The file system's rules and sizes.
    pub disk: DiskConfig,
    /// How long calls take.
    #[serde(default)]
    pub latency: Latency,
    /// What the program's random bytes are derived from.
    #[serde(default)]
    pub entropy: u64,
    /// The times between crashes.
    pub eras: Vec<Era<O>>,
}

/// The case type of a scenario.
pub type CaseOf<S> = Case<<S as Scenario>::Config, <S as Scenario>::Op>;

/// What happens between two crashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "O: Serialize + DeserializeOwned")]
pub struct Era<O> {
    /// The operations.
    pub steps: Vec<Step<O>>,
    /// The faults that may strike.
    #[serde(default)]
    pub faults: Vec<FaultRule>,
    /// The order of tasks.
    #[serde(default)]
    pub schedule: Schedule,
    /// How it ends.
    pub end: End,
}

/// How an era ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum End {
    /// In order.
    Close,
    /// The power fails.
    Power {
        /// When.
        at: Cut,
        /// What the disk keeps.
        survivors: Survivors,
    },
    /// The process is killed: the page cache stays.
    Kill {
        /// When.
        at: Cut,
    },
}

/// When a crash strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cut {
    /// When this call would take effect. A crash in the middle of a call is a cut before the next
    /// one together with a choice of survivors.
    Before(CallId),
    /// After the last call of the era.
    Last,
}

/// Why a case file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// Not RON, an unknown field, a value of the wrong type.
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
        "{file}:{line}: case version {found} is not known; this program reads version {VERSION}"
    )]
    Version {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// The version in the file.
        found: u32,
    },
    /// A scenario that this program does not have.
    #[error("{file}:{line}: scenario {found:?} is not known; there are: {known}")]
    Scenario {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// The scenario in the file.
        found: String,
        /// All names.
        known: String,
    },
    /// A value that nothing can be simulated with.
    #[error("{file}:{line}: {reason}")]
    Value {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It can't be written as text.
    #[error("the case can't be written as text: {0}")]
    Encode(#[from] ron::Error),
}

/// What every version of a case begins with.
#[derive(Debug, Deserialize)]
#[serde(rename = "Case")]
struct Head {
    version: u32,
    scenario: String,
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

fn syntax(file: &str, error: &ron::error::SpannedError) -> CaseError {
    CaseError::Syntax {
        file: file.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        reason: error.code.to_string(),
    }
}

/// The line of a field, from 1; the first line if it is not there.
fn line_of(text: &str, field: &str) -> usize {
    let is_field = |line: &&str| line.trim_start().starts_with(field);
    text.lines()
        .position(|line| is_field(&line))
        .map_or(1, |index| index + 1)
}

/// The scenario that a case is for.
///
/// # Errors
/// Of syntax or version.
pub fn scenario_of(file: &str, text: &str) -> Result<String, CaseError> {
    let head: Head = options()
        .from_str(text)
        .map_err(|error| syntax(file, &error))?;
    if head.version != VERSION {
        let line = line_of(text, "version");
        return Err(CaseError::Version {
            file: file.to_owned(),
            line,
            found: head.version,
        });
    }
    Ok(head.scenario)
}

/// The error for a scenario that is not among `known`.
pub fn unknown_scenario(file: &str, text: &str, found: &str, known: &[&str]) -> CaseError {
    CaseError::Scenario {
        file: file.to_owned(),
        line: line_of(text, "scenario"),
        found: found.to_owned(),
        known: known.join(", "),
    }
}

/// Reads a case.
///
/// # Errors
/// Of syntax or version, or of the disk's description; the scenario's name is not checked here.
pub fn decode<C: DeserializeOwned + Serialize, O: DeserializeOwned + Serialize>(
    file: &str,
    text: &str,
) -> Result<Case<C, O>, CaseError> {
    scenario_of(file, text)?;
    let case: Case<C, O> = options()
        .from_str(text)
        .map_err(|error| syntax(file, &error))?;
    match case.disk.check() {
        Ok(()) => Ok(case),
        Err((field, reason)) => Err(CaseError::Value {
            file: file.to_owned(),
            line: line_of(text, field),
            reason: format!("{field}: {reason}"),
        }),
    }
}

/// Reads a case of a scenario, and has it look at the operations.
///
/// # Errors
/// As [`decode`]; and of operations that the scenario refuses.
pub fn decode_of<S: Scenario>(
    scenario: &S,
    file: &str,
    text: &str,
) -> Result<CaseOf<S>, CaseError> {
    let case: CaseOf<S> = decode(file, text)?;
    let steps = case.eras.iter().flat_map(|era| &era.steps);
    for (nth, step) in steps.enumerate() {
        if let Err(reason) = scenario.check(&step.op) {
            return Err(CaseError::Value {
                file: file.to_owned(),
                line: line_of_step(text, nth),
                reason: format!("operation {}: {reason}", step.id),
            });
        }
    }
    Ok(case)
}

/// The line of a step, counted through all eras; the first line if steps are not written one to
/// a line.
fn line_of_step(text: &str, nth: usize) -> usize {
    let lines = text.lines().enumerate();
    let mut steps = lines.filter(|(_, line)| line.trim_start().starts_with("Step("));
    steps.nth(nth).map_or(1, |(index, _)| index + 1)
}

/// Writes a case, with `comment` at its head.
///
/// # Errors
/// If a part of it has no RON form.
pub fn encode<C: Serialize + DeserializeOwned, O: Serialize + DeserializeOwned>(
    case: &Case<C, O>,
    comment: &str,
) -> Result<String, CaseError> {
    let mut text = String::new();
    for line in comment.lines() {
        let _ = writeln!(text, "// {line}");
    }
    let pretty = PrettyConfig::new()
        .struct_names(true)
        .extensions(Extensions::IMPLICIT_SOME)
        .depth_limit(4)
        .indentor("  ");
    text.push_str(&options().to_string_pretty(case, pretty)?);
    text.push('\n');
    Ok(text)
}
