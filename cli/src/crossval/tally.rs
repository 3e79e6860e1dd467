//! What the rounds of a cross-validation have shown.

use blackstart_sim::disk::{CrashModel, Survivors, Verdict};

/// Counts of rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Nothing was pending at the cut: only what is durable was checked.
    pub settled: u64,
    /// Of what was pending nothing was kept.
    pub none: u64,
    /// Everything was kept.
    pub all: u64,
    /// A part was kept.
    pub part: u64,
    /// The profile forbids what was seen, or the answers differed.
    pub forbidden: u64,
    /// Too many choices to try all, and none of those that were tried fits.
    pub unknown: u64,
    /// Effects that were pending at the cuts.
    pub pending: u64,
}

impl Tally {
    pub fn count(&mut self, model: &CrashModel, verdict: &Verdict) {
        self.pending += model.pending_count() as u64;
        match verdict {
            Verdict::Allowed(_) if model.pending_count() == 0 => self.settled += 1,
            Verdict::Allowed(survivors) => match model.materialize(survivors) {
                Survivors::None => self.none += 1,
                Survivors::All => self.all += 1,
                _ => self.part += 1,
            },
            Verdict::TooMany => self.unknown += 1,
            Verdict::Forbidden => {}
        }
    }

    pub fn summary(&self) -> String {
        let Self {
            settled,
            none,
            all,
            part,
            forbidden,
            unknown,
            pending,
        } = self;
        let allowed = settled + none + all + part;
        format!(
            "{} rounds, {pending} effects pending at the cuts; \
             allowed {allowed} (nothing was pending {settled}, nothing of it kept {none}, \
             a part {part}, all {all}), forbidden {forbidden}, undecided {unknown}",
            allowed + forbidden + unknown,
        )
    }
}
