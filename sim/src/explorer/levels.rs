//! What an exploration counts.

use serde::{Deserialize, Serialize};

/// Counts at one depth: 1 are crashes of the workload, 2 crashes of its recoveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LevelTally {
    /// Cuts visited.
    pub cuts: u64,
    /// Images of kills.
    pub kills: u64,
    /// Images of losses of power: different choices, perhaps of equal content.
    pub tried: u64,
    /// The base-2 logarithm of how many choices are legal at these cuts, summed.
    pub legal_log2: Option<f64>,
    /// Images that differ from others in content or in the history before them.
    pub judged: u64,
    /// Of these, judged through a read tree.
    pub by_tree: u64,
    /// Of these, run all the same and compared.
    pub checked: u64,
    /// Verification eras run: for images, for comparison, and those on what others left.
    pub recoveries: u64,
    /// Of these, on what the orderly end of another has left; others left what was known.
    pub second: u64,
    /// Calls on the seam.
    pub calls: u64,
}

impl LevelTally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.kills += other.kills;
        self.tried += other.tried;
        self.judged += other.judged;
        self.by_tree += other.by_tree;
        self.checked += other.checked;
        self.recoveries += other.recoveries;
        self.second += other.second;
        self.calls += other.calls;
        if let Some(log2) = other.legal_log2 {
            self.add_legal(log2);
        }
    }

    /// Adds 2 to the power of this many legal choices.
    pub fn add_legal(&mut self, log2: f64) {
        self.legal_log2 = Some(match self.legal_log2 {
            None => log2,
            Some(sum) => {
                let (low, high) = (sum.min(log2), sum.max(log2));
                high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2
            }
        });
    }

    /// The legal choices in words: a number, or a power of two.
    pub fn legal(&self) -> String {
        match self.legal_log2 {
            None => "0".to_owned(),
            Some(log2) if log2 < 32.0 => format!("{:.0}", log2.exp2()),
            Some(log2) => format!("2^{log2:.1}"),
        }
    }
}

/// Adds the counts of each depth.
pub(super) fn add(sum: &mut Vec<LevelTally>, more: &[LevelTally]) {
    if sum.len() < more.len() {
        sum.resize(more.len(), LevelTally::default());
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.add(more);
    }
}

/// How many different contents there are.
pub(super) fn count_distinct(contents: &mut Vec<u64>) -> u64 {
    contents.sort_unstable();
    contents.dedup();
    contents.len() as u64
}
