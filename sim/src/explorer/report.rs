//! What an exploration found, in numbers and in cases.

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::LevelTally;
use crate::failure::Failure;

/// One failure, wherever it showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FindingReport {
    /// The scenario.
    pub scenario: String,
    /// What is wrong.
    pub failure: Failure,
    /// The profile that was explored.
    pub profile: String,
    /// How many images showed it.
    pub images: u64,
    /// How deep crashes nest in the case; 0: it needs none.
    pub depth: u32,
    /// The case.
    pub case: String,
    /// The most ordered profiles under which it shows, each with a case.
    pub most_ordered: Vec<(String, String)>,
}

impl FindingReport {
    /// File names and texts of its cases, the one of the explored profile first.
    pub fn files(&self, number: usize) -> Vec<(String, &str)> {
        let letters =
            self.failure
                .oracle
                .chars()
                .map(|letter| match letter.is_ascii_alphanumeric() {
                    true => letter,
                    false => '-',
                });
        let oracle: String = letters.collect();
        let stem = format!("{}-explored-{oracle}-{number}", self.scenario);
        let mut files = vec![(format!("{stem}.case"), self.case.as_str())];
        for (profile, case) in &self.most_ordered {
            if *profile != self.profile {
                files.push((format!("{stem}-{profile}.case"), case));
            }
        }
        files
    }

    /// The names of the most ordered profiles.
    pub fn profiles(&self) -> Vec<&str> {
        self.most_ordered
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// What an exploration gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exploration {
    /// The scenario.
    pub scenario: String,
    /// Workloads.
    pub cases: u64,
    /// Counts by depth.
    pub levels: Vec<LevelTally>,
    /// Images that differ in content, over all depths.
    pub distinct: u64,
    /// The failures, each once.
    pub findings: Vec<FindingReport>,
    /// What the explorer found wrong with itself.
    pub defect: Option<String>,
    /// Whether the budget was spent; false if time or a signal ended it.
    pub is_complete: bool,
    /// Real time.
    pub elapsed: Duration,
}

impl Exploration {
    pub(super) fn new(scenario: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            cases: 0,
            levels: Vec::new(),
            distinct: 0,
            findings: Vec::new(),
            defect: None,
            is_complete: true,
            elapsed: Duration::ZERO,
        }
    }

    /// The counts of all depths together.
    pub fn total(&self) -> LevelTally {
        let mut total = LevelTally::default();
        self.levels.iter().for_each(|level| total.add(level));
        total
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.defect.is_none()
    }

    /// The summary for people.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let total = self.total();
        let seconds = self.elapsed.as_secs_f64().max(1e-9);
        let rate = |count: u64| count as f64 / seconds;
        let _ = writeln!(
            text,
            "{}: {} cases explored in {seconds:.1} s{}",
            self.scenario,
            self.cases,
            if self.is_complete {
                ""
            } else {
                ", ended by time or by hand"
            }
        );
        for (level, depth) in self.levels.iter().zip(1..) {
            let _ = writeln!(
                text,
                "  depth {depth}: {} cuts, {} kills, images {} of {} legal, judged {} (by the read \
                 tree {}, of these compared {}), recoveries run {} (on what others left {})",
                level.cuts,
                level.kills,
                level.tried,
                level.legal(),
                level.judged,
                level.by_tree,
                level.checked,
                level.recoveries,
                level.second
            );
        }
        let _ = writeln!(
            text,
            "  images {} ({:.0}/s), distinct by content {} ({:.0}/s), judged {} ({:.0}/s), \
             recoveries run {} ({:.0}/s)",
            total.tried + total.kills,
            rate(total.tried + total.kills),
            self.distinct,
            rate(self.distinct),
            total.judged,
            rate(total.judged),
            total.recoveries,
            rate(total.recoveries)
        );
        let _ = writeln!(
            text,
            "  rates are of real time, on all threads; seam calls {}, findings {}",
            total.calls,
            self.findings.len()
        );
        text
    }
}
