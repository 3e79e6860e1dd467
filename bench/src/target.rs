//! What is wanted, and whether it was reached.

use std::fmt;

use serde::Serialize;

/// A target and what was measured. A miss does not fail the run: the machine may be busy, and
/// the reader sees both numbers.
#[derive(Serialize)]
pub struct Verdict {
    target: String,
    wanted: f64,
    at_least: bool,
    measured: Option<f64>,
    reached: bool,
}

impl Verdict {
    /// `measured` is to be at least `wanted`. Not measured is a miss.
    pub fn at_least(target: impl Into<String>, wanted: f64, measured: Option<f64>) -> Self {
        let reached = measured.is_some_and(|value| value >= wanted);
        Self {
            target: target.into(),
            wanted,
            at_least: true,
            measured,
            reached,
        }
    }

    /// `measured` is to be at most `wanted`. Not measured is a miss.
    pub fn at_most(target: impl Into<String>, wanted: f64, measured: Option<f64>) -> Self {
        let reached = measured.is_some_and(|value| value <= wanted);
        Self {
            target: target.into(),
            wanted,
            at_least: false,
            measured,
            reached,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.reached { "PASS" } else { "MISS" };
        let relation = if self.at_least { "≥" } else { "≤" };
        write!(
            f,
            "{verdict}  {}: wanted {relation} {}, ",
            self.target,
            short(self.wanted)
        )?;
        match self.measured {
            Some(measured) => write!(f, "measured {}", short(measured)),
            None => f.write_str("not measured"),
        }
    }
}

fn short(value: f64) -> String {
    if value >= 1e4 {
        crate::table::rate(value)
    } else {
        format!("{value:.2}")
    }
}
