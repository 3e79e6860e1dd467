//! The calls of one run in words: for people.
//!
//! It is kept only where it is asked for ([`super::SimFs::set_verbose`]). No run depends on it.

use std::fmt;

use super::fault::LedgerEntry;
use crate::call::CallId;

/// One call on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Its name.
    pub call: CallId,
    /// The path and the numbers it was made with.
    pub words: String,
    /// The error it returned.
    pub error: Option<String>,
    /// A hash of all calls up to this, with what they were given and what they returned.
    pub hash: u64,
    /// How many effects the run had when it returned.
    pub effects_end: usize,
    /// The rules whose fault struck it, by position in the era's list.
    pub struck: Vec<usize>,
    /// The rules whose fault showed in it.
    pub showed: Vec<usize>,
}

impl fmt::Display for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.words)?;
        match &self.error {
            Some(error) => write!(f, " = {error}"),
            None => Ok(()),
        }
    }
}

/// All calls so far, and the ledger at the last of them.
pub(super) struct CallLog {
    pub calls: Vec<CallRecord>,
    ledger: Vec<LedgerEntry>,
}

impl CallLog {
    /// A log that begins with this ledger: what struck at rest belongs to no call.
    pub fn new(ledger: Vec<LedgerEntry>) -> Self {
        Self {
            calls: Vec::new(),
            ledger,
        }
    }

    /// Adds a call; `ledger` is what stands in it now.
    pub fn push(
        &mut self,
        (call, words, error): (CallId, String, Option<String>),
        hash: u64,
        effects_end: usize,
        ledger: Vec<LedgerEntry>,
    ) {
        let grown = |count: fn(&LedgerEntry) -> u64| -> Vec<usize> {
            let before = |rule: usize| self.ledger.get(rule).map_or(0, count);
            let rules = ledger.iter().enumerate();
            rules
                .filter(|(rule, entry)| count(entry) > before(*rule))
                .map(|(rule, _)| rule)
                .collect()
        };
        let struck = grown(|entry| entry.injected);
        let showed = grown(|entry| entry.observed);
        self.calls.push(CallRecord {
            call,
            words,
            error,
            hash,
            effects_end,
            struck,
            showed,
        });
        self.ledger = ledger;
    }
}
