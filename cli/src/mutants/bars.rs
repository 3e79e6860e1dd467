//! What is asked of the simulator as a whole: how soon it finds a bug, and how little is left to
//! read when it has.
//!
//! They are said and not judged: real time depends on the machine.

use super::catalogue::Mutant;
use super::outcome::Outcome;

/// The median of the times to find a bug, in seconds.
pub(super) const FIND_S_MAX: f64 = 2.0;
/// Operations of a shrunken case, over all of its eras.
pub(super) const OPERATIONS_MAX: usize = 5;
/// The time to shrink a case, in seconds.
pub(super) const SHRINK_S_MAX: f64 = 10.0;

/// One sentence for what is missed, or for what is excused by the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bars {
    missed: Vec<String>,
    excused: Vec<String>,
}

impl Bars {
    /// Holds one bug's outcome against the bars, over all rounds.
    pub fn add(&mut self, mutant: &Mutant, outcome: &Outcome) {
        if mutant.patch.harmless {
            return;
        }
        let name = &mutant.name;
        let find_s = outcome.find_s_median();
        if find_s >= FIND_S_MAX {
            self.missed
                .push(format!("{name}: found after {find_s:.2} s, the median"));
        }
        for (round, small) in outcome.small() {
            let size = small.size;
            let mut miss = |what: String| {
                self.missed.push(format!("{name}, round {round}: {what}"));
            };
            if size.operations > OPERATIONS_MAX {
                miss(format!("{} operations", size.operations));
            }
            if size.crashes > mutant.patch.crashes_min {
                miss(format!("{} crashes", size.crashes));
            }
            if small.elapsed_s >= SHRINK_S_MAX {
                miss(format!("shrunken in {:.2} s", small.elapsed_s));
            }
        }
        let (crashes, because) = (mutant.patch.crashes_min, &mutant.patch.because);
        if crashes > 1 {
            self.excused
                .push(format!("{name}: {crashes} crashes, {because}"));
        }
    }

    /// The verdict, with every exception.
    pub fn text(&self) -> String {
        let bars = format!(
            "the median below {FIND_S_MAX} s; at most {OPERATIONS_MAX} operations and one crash, \
             shrunken in less than {SHRINK_S_MAX} s"
        );
        let mut text = match self.missed.is_empty() {
            true => format!("the bars hold ({bars})\n"),
            false => format!("the bars do not all hold ({bars}):\n"),
        };
        for line in &self.missed {
            text.push_str(&format!("  {line}\n"));
        }
        for line in &self.excused {
            text.push_str(&format!("  by nature: {line}\n"));
        }
        text
    }
}
