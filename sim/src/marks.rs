//! Coverage marks: which kinds of situation a campaign has met.
//!
//! A scenario lists its marks ([`crate::Scenario::marks`]); a campaign ends with those it never
//! hit, and fails when a required one is not hit. A rare situation that no run reaches is a hole
//! in the test, however many runs there were.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts by mark.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks(BTreeMap<String, u64>);

impl Marks {
    /// Counts one hit.
    pub fn hit(&mut self, name: &str) {
        self.add(name, 1);
    }

    /// Counts several.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.0.get_mut(name) {
            Some(hits) => *hits += count,
            None => {
                self.0.insert(name.to_owned(), count);
            }
        }
    }

    /// Takes over the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (name, &count) in &other.0 {
            self.add(name, count);
        }
    }

    /// How often it was hit.
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All marks that were hit, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, &count)| (name.as_str(), count))
    }
}

/// A mark of a catalogue: `!name` is required.
pub fn parse(entry: &'static str) -> (&'static str, bool) {
    match entry.strip_prefix('!') {
        Some(name) => (name, true),
        None => (entry, false),
    }
}
