//! What `--message-format json` prints: one JSON object per line, each with a `type`.
//!
//! `begin`, then `progress` at most once in a second and `failure` as soon as one is found, then
//! `report`, for each scenario; at last `end`. Described in `docs/REPORT.md`.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::Exit;
use crate::report::{FailureReport, Report, document};
use crate::shard::Shard;

/// How far apart lines of progress are.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// The lines of one campaign.
pub(super) struct Campaign {
    scenario: String,
    /// When the last line of progress was printed, since the campaign's start.
    told: Duration,
}

impl Campaign {
    pub fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            told: Duration::ZERO,
        }
    }

    pub fn begin(&self, shard: Shard, seeds: &Range<u64>) -> String {
        line(&json!({
            "type": "begin",
            "version": document::VERSION,
            "scenario": self.scenario,
            "shard": shard,
            "seeds": seeds,
        }))
    }

    /// Nothing, if the last line was printed just now.
    pub fn progress(&mut self, report: &Report) -> String {
        if report.elapsed.saturating_sub(self.told) < PROGRESS_INTERVAL {
            return String::new();
        }
        self.told = report.elapsed;
        line(&json!({
            "type": "progress",
            "scenario": self.scenario,
            "elapsed_s": report.elapsed.as_secs_f64(),
            "cases": report.cases,
            "images": report.tally.images,
            "failures": report.failures.len(),
        }))
    }

    pub fn failure(&self, failure: &FailureReport) -> String {
        let value = serde_json::to_value(failure).unwrap_or_default();
        line(&typed("failure", value))
    }

    pub fn report(&self, report: &Report) -> String {
        self::report(report)
    }
}

/// The line of a finished campaign, or of merged reports.
pub(super) fn report(report: &Report) -> String {
    line(&typed("report", document::value(report)))
}

/// A sentence about a set of reports.
pub(super) fn gap(sentence: &str) -> String {
    line(&json!({ "type": "gap", "message": sentence }))
}

/// The last line of a command.
pub(super) fn end(exit: Exit) -> String {
    line(&json!({ "type": "end", "exit": i32::from(exit) }))
}

fn typed(name: &str, mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.insert("type".to_owned(), json!(name));
    }
    value
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
