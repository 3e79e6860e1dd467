//! What is known of the log: which tokens at which offsets, and how sure that is.
//!
//! The model is a map from offset to token, a list of commits whose fate is open, and three
//! numbers: what must survive a kill, what must survive a loss of power, and what the next opening
//! must therefore show. Judging an opening is done in [`super::oracle`].

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use blackstart_sim::disk::CrashKind;
use blackstart_sim::{Failure, Promise};

use super::history::{Archived, Event, Told};
use super::op::{Archive, Config, Level};
use super::owned::Owners;
use super::payload::RECORD_BYTES_MIN;
use super::{check, oracle, salvaged};

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Any frame is at least so long, whatever the format: a checksum and some numbers.
pub(super) const FRAME_BYTES_MIN: u64 = 16;

/// A transaction that was acknowledged or shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub token: u64,
    /// The first token of its commit and the number of its records.
    pub commit: (u64, u64),
    /// At least so many bytes of the log end with its commit, counted from where the model began.
    pub bytes_end: u64,
}

/// A commit that was handed in, and neither acknowledged nor refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    pub tokens: Range<u64>,
    /// Every transaction below this was acknowledged before it was handed in.
    pub after: u64,
    /// Everything below this was durable before it was handed in.
    pub synced_before: u64,
    /// So many histories had ended before it was handed in.
    pub ended_before: usize,
}

/// What is known of the log.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub(super) entries: BTreeMap<u64, Entry>,
    /// The oldest offset that is kept.
    pub(super) oldest: u64,
    pub(super) os_through: u64,
    pub(super) synced_through: u64,
    /// Everything below this was durable before a frame was written that is durable too, so that
    /// its loss can be told from a torn write.
    pub(super) vouched_through: u64,
    /// As `vouched_through`, by frames that are not within a sector of it.
    pub(super) vouched_afar_through: u64,
    /// What both were before a close mark vouched for everything. The mark is rewritten when the
    /// log goes on, and a crash may tear it then.
    pub(super) unclosed_vouch: Option<(u64, u64)>,
    /// A whole sector was damaged at some time.
    pub(super) is_wide: bool,
    /// Everything below this is on record beside the segments.
    pub(super) on_record_through: u64,
    /// Others have put another directory in the place of the log's at some time.
    pub(super) is_renewed: bool,
    /// Names that others have altered or taken at some time.
    pub(super) altered: BTreeSet<String>,
    /// At least so many bytes were written to the log.
    pub(super) bytes_end: u64,
    /// What the next opening must show.
    pub(super) required: u64,
    pub(super) unsettled: Vec<Unsettled>,
    /// An opening has begun and not ended.
    pub(super) is_opening: bool,
    /// A crash cut an opening short, and with it perhaps the report of what it dropped; or that
    /// report was given and the opening not completed.
    pub(super) was_opening: bool,
    /// A retirement that has begun may take the oldest offset up to here.
    pub(super) retain: Option<u64>,
    /// A cut that has begun and not returned.
    pub(super) truncate: Option<u64>,
    /// A client is about to cut, and has not come to say how it went.
    pub(super) is_cutting: bool,
    /// The last cut that has begun: the epoch of the history that it cuts, and where.
    pub(super) cut: Option<(u32, u64)>,
    /// Histories that cuts have ended since the opening: their epochs, and where.
    pub(super) ended: Vec<(u32, u64)>,
    /// Where cuts have begun, in order, and where those that returned were made.
    pub(super) cuts_begun: Vec<u64>,
    pub(super) cuts: Vec<u64>,
    /// Every pair of epoch and offset that was durable or shown, with its token: for ever.
    pub(super) shown: BTreeMap<(u32, u64), u64>,
    /// Segments in the archive by their first offset; of a history that was cut the older ones
    /// stay until others take their names.
    pub(super) archived: BTreeMap<u64, Archived>,
    /// How many openings have shown what there is.
    pub(super) openings: u64,
    /// Offsets from which on history is pinned.
    pub(super) pins: Vec<u64>,
    /// What owners of commits were told.
    pub(super) owners: Owners,
    /// Whether the log was marked as closed in order, and not opened since.
    pub(super) is_closed: bool,
    /// What openings called themselves.
    pub(super) incarnations: BTreeSet<u64>,
    /// The highest epoch that was told.
    pub(super) epoch: u32,
    /// Segments that the archive hook has refused.
    pub(super) refused: BTreeSet<u64>,
    /// What the last opening said is still promised.
    pub(super) promise: Promise,
    /// The next token; every record of a run's whole life gets its own.
    pub(super) token_next: u64,
    /// What the last opening did, for the marks of coverage.
    pub(super) survived_unacknowledged: bool,
    pub(super) lost_acknowledged: bool,
}

impl Model {
    /// The offset after the last acknowledged transaction.
    pub(super) fn end(&self) -> u64 {
        self.entries
            .last_key_value()
            .map_or(self.oldest, |(offset, _)| offset + 1)
    }

    /// Takes tokens for a commit of `count` records.
    pub(super) fn tokens(&self, count: u64) -> Range<u64> {
        self.token_next..self.token_next + count
    }

    /// The offset at which the commit `commits` before the end begins.
    pub(super) fn boundary_back(&self, commits: u32) -> u64 {
        let mut at = self.end();
        for _ in 0..commits {
            let Some((_, last)) = self.entries.range(..at).next_back() else {
                break;
            };
            let (first_token, _) = last.commit;
            let begins = |entry: &Entry| entry.token == first_token;
            let first = self
                .entries
                .range(..at)
                .rev()
                .find(|(_, entry)| begins(entry));
            at = first.map_or(self.oldest, |(&offset, _)| offset);
        }
        at
    }

    /// As [`boundary_back`](Self::boundary_back), but from the last boundary up to `through`.
    pub(super) fn boundary_before(&self, through: u64, commits: u32) -> u64 {
        let entries = self.entries.range(..through).rev();
        let mut ends = entries.filter(|(_, entry)| check::ends_commit(entry));
        let end = ends.nth(commits as usize);
        end.map_or(self.oldest, |(offset, _)| offset + 1)
    }

    /// An offset inside a commit that ends at `end` or before it.
    pub(super) fn inside_before(&self, end: u64) -> Option<u64> {
        let mut entries = self.entries.range(self.oldest..end).rev();
        let inside = entries.find(|(_, entry)| entry.token != entry.commit.0);
        inside.map(|(&offset, _)| offset)
    }

    /// What somebody who remembers every answer knows to be durable.
    pub(super) fn known_durable(&self) -> u64 {
        let cut = self.truncate.unwrap_or(u64::MAX);
        self.synced_through.min(cut)
    }

    /// What of this a run that opens, reads, appends and closes asks for, as a hash: the tokens of
    /// its records, and what the options make it look at.
    pub(super) fn known_to_a_run(&self, config: &Config) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.token_next.hash(&mut hasher);
        (self.is_altered(), self.is_renewed).hash(&mut hasher);
        (config.begins && self.openings == 0).hash(&mut hasher);
        if config.visits {
            self.oldest.hash(&mut hasher);
        }
        self.retain.hash(&mut hasher);
        if config.knows_durable {
            (self.epoch, self.synced_through).hash(&mut hasher);
            self.known_durable().hash(&mut hasher);
        }
        if config.archive != Archive::Off {
            (self.oldest, &self.archived, &self.refused).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether others have done anything to the log's files or their names.
    pub(super) fn is_altered(&self) -> bool {
        !self.altered.is_empty() || self.is_renewed
    }

    /// Whether the archive hook has refused this segment before.
    pub(super) fn was_refused(&self, first: u64) -> bool {
        self.refused.contains(&first)
    }

    /// The archived segments that are no longer in the log, as far as they follow one another.
    pub(super) fn retired(&self) -> Vec<(u64, Archived)> {
        let mut retired = Vec::new();
        let mut at = 0;
        while let Some(&archived) = self.archived.get(&at).filter(|_| at < self.oldest) {
            retired.push((at, archived));
            at = archived.end;
        }
        retired
    }

    /// Folds an event in.
    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Submitted { .. }
            | Event::Acked { .. }
            | Event::Owner { .. }
            | Event::Refused { .. }
            | Event::Failed { .. } => return self.outcome(event),
            Event::TruncateRefused | Event::TruncateBegan { .. } | Event::Truncated { .. } => {
                self.cut_event(event);
            }
            Event::Pinned { from } => self.pins.push(*from),
            Event::Unpinned { from } => {
                let pin = self.pins.iter().position(|pin| pin == from);
                pin.map(|pin| self.pins.swap_remove(pin));
            }
            Event::Through { offset, level } => self.through(*offset, *level),
            Event::RetainBegan { offset } => {
                self.retain = self.retain.max(Some(*offset));
            }
            Event::Retained { oldest } => return self.retained(*oldest),
            Event::Archived { first, archived } => {
                self.archived.insert(*first, *archived);
            }
            Event::ArchiveRefused { first } => {
                self.refused.insert(*first);
            }
            Event::OpenBegan {
                is_wide,
                altered,
                is_renewed,
            } => {
                self.is_opening = true;
                self.pins.clear();
                self.owners = Owners::default();
                self.is_wide |= is_wide;
                self.altered.extend(altered.iter().cloned());
                self.is_renewed |= is_renewed;
            }
            Event::Opened(opened) => return oracle::opened(self, opened),
            Event::Salvaged(salvaged) => return salvaged::judge(self, salvaged),
            Event::Dropped => self.was_opening = true,
            Event::CacheLost => self.os_through = self.synced_through,
            Event::Closed {
                on_record,
                is_marked,
            } => {
                self.is_closed = *is_marked;
                self.closed(*on_record);
            }
            Event::Abandoned => self.crash(CrashKind::Kill),
            Event::Glimpsed { found } => return check::known(self, found),
            Event::Read {
                found,
                from,
                acked_through,
                is_synced,
                promise,
            } => {
                if *promise == Promise::PrefixOnly {
                    return check::known(self, found);
                }
                check::read(self, found, *from, *acked_through)?;
                if let Some(last) = found.last().filter(|_| *is_synced) {
                    // Whoever saw it may rely on it.
                    self.through(last.offset + 1, Level::Synced);
                }
            }
        }
        Ok(())
    }

    /// Folds in what became of a commit.
    fn outcome(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Submitted { tokens } => self.submitted(tokens),
            Event::Acked {
                tokens,
                first,
                epoch,
                level,
            } => {
                return match self.owners.settle(tokens.start, Some(*first))? {
                    true => Ok(()),
                    false => self.acked(tokens, *first, *epoch, *level),
                };
            }
            Event::Owner { tokens, told } => {
                self.owners.tell(tokens.start, *told)?;
                if let Told::Applied {
                    first,
                    epoch,
                    level,
                } = *told
                {
                    // Its owner may rely on it from now on.
                    return self.acked(tokens, first, epoch, level);
                }
            }
            Event::Refused { tokens } => {
                self.owners.settle(tokens.start, None)?;
                self.unsettled
                    .retain(|unsettled| unsettled.tokens != *tokens);
            }
            Event::Failed { tokens } => {
                self.owners.settle(tokens.start, None)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Folds in a truncation.
    fn cut_event(&mut self, event: &Event) {
        match event {
            Event::TruncateRefused => {
                (self.truncate, self.cut, self.is_cutting) = (None, None, false);
            }
            Event::TruncateBegan { offset, epoch } => {
                self.truncate = Some(*offset);
                self.cut = Some((*epoch, *offset));
                self.is_cutting = true;
                self.cuts_begun.push(*offset);
            }
            // A commit of the new history may have told of it before.
            Event::Truncated { offset } => {
                self.is_cutting = false;
                if self.truncate.is_some() {
                    self.truncated(*offset);
                }
            }
            _ => {}
        }
    }

    fn closed(&mut self, on_record: bool) {
        self.through(self.end(), Level::Synced);
        self.unclosed_vouch = Some((self.vouched_through, self.vouched_afar_through));
        self.vouched_through = self.end();
        self.vouch_afar(self.end(), self.bytes_end);
        self.required = self.end();
        if on_record {
            self.on_record_through = self.end();
        }
    }

    /// What a crash leaves to be required.
    pub(super) fn crash(&mut self, kind: CrashKind) {
        if kind == CrashKind::Power {
            // What the system had and the disk did not may be gone, and a kill that follows before
            // the next opening does not bring it back.
            self.os_through = self.synced_through;
        }
        self.required = self.os_through;
        self.was_opening |= std::mem::take(&mut self.is_opening);
    }

    fn submitted(&mut self, tokens: &Range<u64>) {
        self.token_next = self.token_next.max(tokens.end);
        self.unsettled.push(Unsettled {
            tokens: tokens.clone(),
            after: self.end(),
            synced_before: self.synced_through,
            ended_before: self.ended.len(),
        });
    }

    fn acked(
        &mut self,
        tokens: &Range<u64>,
        first: u64,
        epoch: u32,
        level: Level,
    ) -> Result<(), Failure> {
        let Some(index) = self
            .unsettled
            .iter()
            .position(|unsettled| unsettled.tokens == *tokens)
        else {
            return Err(Failure::new(
                "unknown outcomes",
                format!("{tokens:?} was settled before"),
            ));
        };
        // It may tell of a cut that was under way when it was handed in.
        let was_cut = self.was_cut(index, first, epoch);
        let unsettled = self.unsettled.remove(index);
        self.epoch = self.epoch.max(epoch);
        if was_cut {
            // It was acknowledged before the cut, and its client comes to say so after it.
            return Ok(());
        }
        if first < unsettled.after {
            return Err(Failure::new(
                "durable prefix",
                format!(
                    "a commit got offset {first}, although all below {} were acknowledged before \
                     it was handed in",
                    unsettled.after
                ),
            ));
        }
        let commit = (tokens.start, tokens.end - tokens.start);
        let bytes_before = self.bytes_end;
        self.bytes_end += FRAME_BYTES_MIN + commit.1 * RECORD_BYTES_MIN as u64;
        let bytes_end = self.bytes_end;
        for (offset, token) in (first..).zip(tokens.clone()) {
            if let Some(before) = self.entries.insert(
                offset,
                Entry {
                    token,
                    commit,
                    bytes_end,
                },
            ) {
                let message = format!(
                    "offset {offset} was acknowledged for token {} and again for token {token}",
                    before.token
                );
                return Err(Failure::new("identifiers", message));
            }
            if level == Level::Synced {
                check::never_twice(self, epoch, offset, token)?;
            }
        }
        self.through(first + commit.1, level);
        if level == Level::Synced {
            self.vouched_through = self.vouched_through.max(unsettled.synced_before);
            self.vouch_afar(unsettled.synced_before, bytes_before);
        }
        Ok(())
    }

    /// Whether a commit of several clients was acknowledged in the history that a cut has ended
    /// since it was handed in. One of the new history shows that the cut has taken effect.
    fn was_cut(&mut self, index: usize, first: u64, epoch: u32) -> bool {
        if let Some((cut_epoch, offset)) = self.cut
            && epoch > cut_epoch
            && self.truncate.is_some()
        {
            self.truncated(offset);
        }
        let mut ended = self.ended.iter().skip(self.unsettled[index].ended_before);
        ended.any(|(ended, offset)| epoch <= *ended && first >= *offset)
    }

    /// A frame that begins at `bytes` or later, and is durable, says that all below `through`
    /// was durable: what ends a sector before it can't be damaged together with it.
    fn vouch_afar(&mut self, through: u64, bytes: u64) {
        let far = self
            .entries
            .range(..through)
            .rev()
            .find(|(_, entry)| check::ends_commit(entry) && entry.bytes_end + SECTOR <= bytes);
        if let Some((&offset, _)) = far {
            self.vouched_afar_through = self.vouched_afar_through.max(offset + 1);
        }
    }

    fn through(&mut self, offset: u64, level: Level) {
        if level >= Level::Os {
            self.os_through = self.os_through.max(offset);
        }
        if level == Level::Synced {
            self.synced_through = self.synced_through.max(offset);
        }
    }

    fn retained(&mut self, oldest: u64) -> Result<(), Failure> {
        let most = self.retain.unwrap_or(self.oldest).max(self.oldest);
        if !(self.oldest..=most).contains(&oldest) {
            return Err(Failure::new(
                "no resurrection",
                format!(
                    "retirement may keep from {} to {most}; it kept {oldest}",
                    self.oldest
                ),
            ));
        }
        if let Some(pin) = self.pins.iter().find(|pin| **pin < oldest) {
            return Err(Failure::new(
                "pins",
                format!("history from {pin} on is pinned, and it was retired up to {oldest}"),
            ));
        }
        self.oldest = oldest;
        self.entries = self.entries.split_off(&oldest);
        Ok(())
    }

    fn truncated(&mut self, offset: u64) {
        self.truncate = None;
        self.owners.restart();
        self.cuts.push(offset);
        self.ended.extend(self.cut);
        self.entries.split_off(&offset);
        for unsettled in &mut self.unsettled {
            unsettled.after = unsettled.after.min(offset);
            unsettled.synced_before = unsettled.synced_before.min(offset);
        }
        // What is gone is required no more; what is left is as durable as it was.
        self.os_through = self.os_through.min(offset);
        self.synced_through = self.synced_through.min(offset);
        self.vouched_through = self.vouched_through.min(offset);
        self.vouched_afar_through = self.vouched_afar_through.min(offset);
        self.on_record_through = self.on_record_through.min(offset);
    }
}
