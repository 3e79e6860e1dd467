//! Coverage marks: which kinds of situation a campaign has met.
//!
//! A scenario lists its marks ([`crate::Scenario::marks`]); a campaign ends with those it never
//! hit, and fails when a required one is not hit. A rare situation that no run reaches is a hole
//! in the test, however many runs there were.
//!
//! A mark is hit by [`Ctx::mark`](crate::Ctx::mark), or anywhere in the code of a scenario or a
//! model by [`reached!`](crate::reached) and [`sometimes!`](crate::sometimes). These two name the
//! catalogue, and do not compile if the mark is not in it:
//!
//! ```
//! use blackstart_sim::{reached, sometimes};
//!
//! const MARKS: &[&str] = &["!opened", "went around"];
//!
//! fn open(slot: u64, slots: u64) {
//!     reached!(MARKS, "opened");
//!     sometimes!(MARKS, slot >= slots, "went around");
//! }
//! # open(1, 2);
//! ```
//!
//! ```compile_fail
//! # use blackstart_sim::reached;
//! const MARKS: &[&str] = &["!opened", "went around"];
//! fn open() {
//!     reached!(MARKS, "closed"); // there is no such mark
//! }
//! ```
//!
//! Invariants:
//! - \[I1\] Hits change nothing that a run does.
//! - \[I2\] A seed's hits are its own: they are gathered by the thread that runs it, and one seed
//!   is run by one thread.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The marks of every scenario: what the library itself did with its cases.
pub const LIBRARY: &[&str] = &[
    "sim: a fault met a recovery",
    "sim: a task was run out of order",
    "sim: faults struck an era",
    "sim: two runs were compared",
    "sim: went on after a kill",
    "sim: went on after a loss of power",
];

thread_local! {
    /// What was hit on this thread and not gathered yet.
    static HITS: RefCell<Marks> = RefCell::default();
}

/// Counts a mark of a catalogue: this place was reached.
#[macro_export]
macro_rules! reached {
    ($catalogue:expr, $name:literal) => {{
        const { assert!($crate::marks::lists($catalogue, $name), $name) };
        $crate::marks::hit($name);
    }};
}

/// Counts a mark of a catalogue if the condition holds: it has to hold sometimes.
#[macro_export]
macro_rules! sometimes {
    ($catalogue:expr, $condition:expr, $name:literal) => {{
        const { assert!($crate::marks::lists($catalogue, $name), $name) };
        if $condition {
            $crate::marks::hit($name);
        }
    }};
}

/// Whether a catalogue has a mark, required or not.
pub const fn lists(catalogue: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < catalogue.len() {
        let entry = catalogue[at].as_bytes();
        let skip = if !entry.is_empty() && entry[0] == b'!' {
            1
        } else {
            0
        };
        if ends_with(entry, skip, name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether what follows the first `skip` bytes is `name`.
const fn ends_with(entry: &[u8], skip: usize, name: &[u8]) -> bool {
    if entry.len() != skip + name.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if entry[skip + at] != name[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Counts one hit on this thread; what [`reached!`](crate::reached) does.
pub fn hit(name: &'static str) {
    HITS.with_borrow_mut(|hits| hits.hit(name));
}

/// Takes what was hit on this thread.
pub(crate) fn take() -> Marks {
    HITS.take()
}

/// Does something whose hits don't count, since it was done before.
pub(crate) fn unheard<R>(body: impl FnOnce() -> R) -> R {
    let before = take();
    let result = body();
    HITS.set(before);
    result
}

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
