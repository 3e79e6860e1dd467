//! How large a case is to whoever has to read it.

use std::fmt;

use super::step_count;
use super::weight::crash_count;
use crate::case::Case;

/// What there is to read in a case, counted over all of its eras, that of the verification
/// included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaseSize {
    /// Operations.
    pub operations: usize,
    /// Eras that end in a crash.
    pub crashes: usize,
    /// Faults besides crashes.
    pub faults: usize,
}

impl CaseSize {
    /// The size of a case.
    pub fn of<C, O>(case: &Case<C, O>) -> Self {
        Self {
            operations: step_count(case),
            crashes: crash_count(case),
            faults: case.eras.iter().map(|era| era.faults.len()).sum(),
        }
    }
}

impl fmt::Display for CaseSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operations,
            crashes,
            faults,
        } = self;
        write!(
            f,
            "{operations} operations, {crashes} crashes, {faults} faults"
        )
    }
}
