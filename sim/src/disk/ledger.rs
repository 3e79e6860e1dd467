//! The ledger: how each fault showed itself to the program, and what came of that.
//!
//! | fate | what it means |
//! |---|---|
//! | open | it showed itself, and nothing has followed yet |
//! | detected | the program reported an error that names the file, and the place where there is one; or its recovery reported bytes that cover it |
//! | masked | no report, and what the program answered afterwards was judged right |
//! | silent | neither. The run fails, whatever its scenario says |
//!
//! Invariants:
//! - \[I1\] Credit goes to single sightings: an error in one file says nothing of a fault in
//!   another.
//! - \[I2\] A sighting that was detected stays so.
//! - \[I3\] A read that fails shows no bytes, so that only a read that succeeds can be silent by
//!   itself; which failed calls must be reported the scenario says.

use std::ops::Range;

use super::fault::Errno;
use crate::call::CallId;

/// How a fault showed itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The call failed.
    Failed(Errno),
    /// A read or write handled fewer bytes than it was asked to.
    Short,
    /// A read returned damaged bytes; they lie within this range of the file.
    Damaged(Range<u64>),
    /// A read returned whole bytes of another place or of another time, as if they were those of
    /// this range. Nothing damaged is left behind, and the promise is lower from then on.
    Misread(Range<u64>),
    /// The call listed, opened or looked up a name that was altered, or whose file was.
    Altered,
    /// It only took longer.
    Late,
}

/// What came of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet.
    Open,
    /// The program reported it.
    Detected,
    /// The program did not need to: what it answered was right.
    Masked,
    /// The program used it as if nothing had happened.
    Silent,
}

/// One time that a fault showed itself to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The fault's kind.
    pub kind: &'static str,
    /// The rule of this era; none for damage of an earlier one.
    pub(super) rule: Option<usize>,
    /// The call that met it.
    pub call: CallId,
    /// The file's names: the one it was opened or called by, and those it has now.
    pub files: Vec<String>,
    /// How it showed itself.
    pub shown: Shown,
    /// What came of it.
    pub fate: Fate,
}

/// What a program's report says of the fault that it met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The number of the operating system's error.
    Errno(i32),
    /// Where in the file something is wrong.
    Bytes(Range<u64>),
    /// The file as a whole: it is missing, too many, too short, of another kind.
    File,
}

impl Sighting {
    /// Whether a report that names `file` speaks of this.
    fn is_told(&self, file: &str, told: &Told) -> bool {
        let is_named = self.files.iter().any(|name| name == file);
        is_named
            && match (&self.shown, told) {
                (Shown::Failed(errno), Told::Errno(number)) => *errno as i32 == *number,
                (Shown::Damaged(shown) | Shown::Misread(shown), Told::Bytes(range)) => {
                    shown.start < range.end && range.start < shown.end
                }
                // Whatever is said to be wrong with it.
                (Shown::Altered, _) => true,
                _ => false,
            }
    }
}

/// All sightings of a run, in order.
#[derive(Default)]
pub(super) struct Ledger {
    sightings: Vec<Sighting>,
}

impl Ledger {
    pub fn see(&mut self, sighting: Sighting) {
        self.sightings.push(sighting);
    }

    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// Credits what a report speaks of, from the sighting `since` on. Returns what it credited.
    pub fn report(&mut self, since: usize, file: &str, told: &Told) -> Vec<Sighting> {
        let later = self.sightings.iter_mut().skip(since);
        let credited = later.filter(|sighting| sighting.is_told(file, told));
        let credited = credited.map(|sighting| {
            sighting.fate = Fate::Detected;
            sighting.clone()
        });
        credited.collect()
    }

    /// What the task met since the sighting `since` has led to an answer that was judged right.
    pub fn verified(&mut self, task: u32, since: usize) {
        for sighting in self.sightings.iter_mut().skip(since) {
            if sighting.fate == Fate::Open && sighting.call.task == task {
                sighting.fate = Fate::Masked;
            }
        }
    }

    /// At the end of a run: damaged bytes and altered names that led to no answer are silent, and
    /// so are the failed calls of which `must_report` says so.
    pub fn settle(&mut self, must_report: &dyn Fn(&Sighting) -> bool) {
        for sighting in &mut self.sightings {
            let is_damage = matches!(sighting.shown, Shown::Damaged(_) | Shown::Altered);
            if sighting.fate == Fate::Open && is_damage {
                sighting.fate = Fate::Silent;
            }
            let is_unreported = matches!(sighting.fate, Fate::Open | Fate::Masked);
            if matches!(sighting.shown, Shown::Failed(_)) && is_unreported && must_report(sighting)
            {
                sighting.fate = Fate::Silent;
            }
            if sighting.fate == Fate::Open {
                sighting.fate = Fate::Masked;
            }
        }
    }

    /// How many sightings of a rule there were, in all or with one fate.
    pub fn count(&self, rule: usize, fate: Option<Fate>) -> u64 {
        let of_rule = self.sightings.iter().filter(|sighting| {
            let is_fate = fate.is_none_or(|fate| sighting.fate == fate);
            sighting.rule == Some(rule) && is_fate
        });
        of_rule.count() as u64
    }

    /// How many sightings of a limit of the disk had a fate.
    pub fn count_limit(&self, kind: &str, fate: Fate) -> u64 {
        let of_limit = self.sightings.iter().filter(|sighting| {
            sighting.rule.is_none() && sighting.kind == kind && sighting.fate == fate
        });
        of_limit.count() as u64
    }

    /// The first silent one.
    pub fn silent(&self) -> Option<&Sighting> {
        let mut silent = self.sightings.iter();
        silent.find(|sighting| sighting.fate == Fate::Silent)
    }
}

#[cfg(test)]
mod tests;
