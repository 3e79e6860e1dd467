//! What can be wrong with a run, in a form that tells two failures apart.

use std::fmt;
use std::panic::Location;

use serde::{Deserialize, Serialize};

/// A run contradicts what was promised. Two failures are the same if oracle and place are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The check that judged, as `durable prefix`.
    pub oracle: String,
    /// Where in the checking code, as `file:line`.
    pub place: String,
    /// What was expected and what was found.
    pub message: String,
}

impl Failure {
    /// A failure found by `oracle` at the caller's place.
    #[track_caller]
    pub fn new(oracle: &str, message: impl Into<String>) -> Self {
        let place = Location::caller();
        Self {
            oracle: oracle.to_owned(),
            place: format!("{}:{}", place.file(), place.line()),
            message: message.into(),
        }
    }

    /// Whether it is the same failure, found again.
    pub fn same(&self, other: &Self) -> bool {
        self.oracle == other.oracle && self.place == other.place
    }
}

/// An error in words, with its causes behind it.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.oracle, self.message, self.place)
    }
}
