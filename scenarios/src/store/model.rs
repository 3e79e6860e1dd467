//! What is known of a store: an ordered map with history.
//!
//! A batch that was acknowledged stands at its sequence. One whose fate is open may stand at any
//! sequence that no other has, behind all that was acknowledged before it was handed in. The log is
//! a prefix: a store that shows the batches below a sequence shows all of them and no other.
//!
//! | oracle | what it says |
//! |---|---|
//! | durable prefix | what a crash must leave is there |
//! | atomic batch, newest wins | what is shown is the state behind some batch, no part of one |
//! | snapshot | what a scan shows is one state, from between its beginning and its end |
//! | no resurrection | a batch that an opening did not show never comes back |
//! | numbers | no sequence is given twice |

use std::collections::BTreeMap;
use std::ops::Range;

use blackstart_sim::disk::CrashKind;
use blackstart_sim::{Failure, Promise};

use super::op::Level;

/// Keys that a batch writes: with its token, or none where it deletes.
pub type Writes = BTreeMap<u32, Option<u64>>;
/// Rows: keys and the tokens of their values.
pub type Rows = BTreeMap<u32, u64>;

/// What an opening has shown.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The sequence of the next batch.
    pub next: u64,
    /// All rows.
    pub rows: Rows,
    /// Whether it reports that it dropped bytes at the log's end.
    pub has_dropped: bool,
    /// What the disk has left to promise.
    pub promise: Promise,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A batch is handed in.
    Submitted {
        /// Its token.
        token: u64,
        /// What it writes.
        writes: Writes,
    },
    /// It is acknowledged.
    Acked {
        /// Its token.
        token: u64,
        /// Its sequence.
        sequence: u64,
        /// Its level.
        level: Level,
    },
    /// It is refused, and is not there.
    Refused {
        /// Its token.
        token: u64,
    },
    /// Everything below a sequence has reached a level.
    Through {
        /// The sequence.
        end: u64,
        /// The level.
        level: Level,
    },
    /// A sync that failed has taken back what only the page cache had.
    CacheLost,
    /// The store was left without closing it.
    Abandoned,
    /// The store is being opened.
    OpenBegan,
    /// The store was opened.
    Opened(Opened),
    /// Rows of a range were read. The state is none from before `floor`.
    Read {
        /// The keys.
        keys: Range<u32>,
        /// What was shown.
        rows: Rows,
        /// All batches below this had been acknowledged when the read began.
        floor: u64,
        /// None that was handed in since its beginning can be in it: the number of batches that had
        /// a sequence or were handed in when a kept cursor began; none if the read began just now.
        ceiling: Option<u64>,
    },
}

#[derive(Clone, Debug)]
struct Open {
    token: u64,
    writes: Writes,
    after: u64,
}

/// An open batch, and the sequence that it may have.
type Placed = (u64, Open);

/// What is known.
#[derive(Clone, Debug)]
pub struct Model {
    batches: BTreeMap<u64, (u64, Writes)>,
    open: Vec<Open>,
    pub(super) token_next: u64,
    os_through: u64,
    synced_through: u64,
    required: u64,
    pub(super) survived_unacknowledged: bool,
    pub(super) lost_acknowledged: bool,
    /// A disk that lied may have lost anything: then values are checked, and nothing else.
    is_unsure: bool,
    /// From this sequence on every batch is known, or its fate is open.
    first: u64,
    /// An opening has begun.
    is_opening: bool,
    /// One was cut short: what it would have reported went with it.
    was_opening: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            batches: BTreeMap::new(),
            open: Vec::new(),
            token_next: 1,
            os_through: 0,
            synced_through: 0,
            required: 0,
            survived_unacknowledged: false,
            lost_acknowledged: false,
            is_unsure: false,
            first: 1,
            is_opening: false,
            was_opening: false,
        }
    }
}

impl Model {
    /// The sequence behind the last batch that is known.
    pub(super) fn end(&self) -> u64 {
        // 0 is the store's own.
        self.batches.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Below this sequence every batch is known, unless one whose fate is open stands there.
    pub(super) fn ceiling(&self) -> u64 {
        self.end() + self.open.len() as u64
    }

    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Submitted { token, writes } => {
                self.token_next = self.token_next.max(token + 1);
                self.open.push(Open {
                    token: *token,
                    writes: writes.clone(),
                    after: self.end(),
                });
            }
            Event::Acked {
                token,
                sequence,
                level,
            } => return self.acked(*token, *sequence, *level),
            Event::Refused { token } => self.open.retain(|open| open.token != *token),
            Event::Through { end, level } => self.through(*end, *level),
            Event::CacheLost => self.os_through = self.synced_through,
            Event::Abandoned => self.crash(CrashKind::Kill),
            // One that failed has reported nothing either.
            Event::OpenBegan => self.was_opening |= std::mem::replace(&mut self.is_opening, true),
            Event::Opened(opened) => return self.opened(opened),
            Event::Read {
                keys,
                rows,
                floor,
                ceiling,
            } => {
                let high = ceiling.unwrap_or_else(|| self.ceiling());
                return self.read(keys, rows, *floor..high.max(*floor) + 1);
            }
        }
        Ok(())
    }

    fn acked(&mut self, token: u64, sequence: u64, level: Level) -> Result<(), Failure> {
        let Some(at) = self.open.iter().position(|open| open.token == token) else {
            let message = format!("token {token} was acknowledged, and is not open");
            return Err(Failure::new("numbers", message));
        };
        let open = self.open.remove(at);
        if sequence < open.after || self.batches.contains_key(&sequence) {
            let message = format!(
                "token {token} was given sequence {sequence}, which is taken or below {}",
                open.after
            );
            return Err(Failure::new("numbers", message));
        }
        self.batches.insert(sequence, (token, open.writes));
        self.through(sequence + 1, level);
        Ok(())
    }

    fn through(&mut self, end: u64, level: Level) {
        if level >= Level::Os {
            self.os_through = self.os_through.max(end);
        }
        if level == Level::Synced {
            self.synced_through = self.synced_through.max(end);
        }
    }

    pub(super) fn crash(&mut self, kind: CrashKind) {
        self.was_opening |= std::mem::take(&mut self.is_opening);
        self.required = match kind {
            CrashKind::Power => self.synced_through,
            CrashKind::Kill => self.os_through,
        };
        self.os_through = self.required;
    }

    fn opened(&mut self, opened: &Opened) -> Result<(), Failure> {
        (self.survived_unacknowledged, self.lost_acknowledged) = (false, false);
        self.is_unsure |= opened.promise == Promise::PrefixOnly;
        let is_reported = opened.has_dropped || self.was_opening;
        let may_lack = opened.promise == Promise::DamageReported && is_reported;
        (self.is_opening, self.was_opening) = (false, false);
        if self.is_unsure {
            // What was lost is not known: what is there now counts from here on.
            self.restart(opened);
            return Ok(());
        }
        if opened.next < self.required && !may_lack {
            let (next, required) = (opened.next, self.required);
            let message =
                format!("it ends at {next}, and everything below {required} must be there");
            return Err(Failure::new("durable prefix", message));
        }
        let Some(state) = self.explain(&(0..u32::MAX), &opened.rows, opened.next) else {
            let message = format!(
                "no state behind batch {} explains {:?}; {}",
                opened.next,
                opened.rows,
                self.expected(opened.next)
            );
            return Err(Failure::new("one state", message));
        };
        self.survived_unacknowledged = !state.is_empty();
        for (sequence, open) in state {
            self.batches.insert(sequence, (open.token, open.writes));
        }
        self.lost_acknowledged = !self.batches.split_off(&opened.next).is_empty();
        self.open.clear();
        self.required = opened.next;
        (self.os_through, self.synced_through) = (opened.next, opened.next);
        Ok(())
    }

    /// Takes what is there for all there is.
    fn restart(&mut self, opened: &Opened) {
        self.batches.clear();
        self.open.clear();
        let writes = opened.rows.iter().map(|(key, token)| (*key, Some(*token)));
        if let Some(last) = opened.next.checked_sub(1).filter(|last| *last > 0) {
            self.batches.insert(last, (0, writes.collect()));
        }
        self.first = opened.next.max(1);
        self.required = opened.next;
        (self.os_through, self.synced_through) = (opened.next, opened.next);
    }

    /// The state behind the batches below a sequence, if that and these are all there are.
    fn state(&self, end: u64, placed: &[(u64, Open)]) -> Rows {
        let placed = placed.iter();
        let placed = placed.map(|(sequence, open)| (*sequence, &open.writes));
        let known = self.batches.range(..end);
        let known = known.map(|(sequence, (_, writes))| (*sequence, writes));
        let mut all: Vec<_> = placed.chain(known).collect();
        all.sort_unstable_by_key(|(sequence, _)| *sequence);
        let mut rows = Rows::new();
        for (key, token) in all.into_iter().flat_map(|(_, writes)| writes) {
            match token {
                Some(token) => drop(rows.insert(*key, *token)),
                None => drop(rows.remove(key)),
            }
        }
        rows
    }

    fn expected(&self, end: u64) -> String {
        let known = self.batches.iter();
        let known = known.map(|(sequence, (token, _))| format!("{sequence}: {token}"));
        let open = self.open.iter();
        let open =
            open.map(|open| format!("{} from {} on: {:?}", open.token, open.after, open.writes));
        format!(
            "without those whose fate is open ({}) it is {:?}; batches: {}",
            open.collect::<Vec<_>>().join(", "),
            self.state(end, &[]),
            known.collect::<Vec<_>>().join(", ")
        )
    }

    /// Which batches stand where, of those whose fate is open, if the store shows these rows of a
    /// range and holds all batches below `end`.
    fn explain(&self, keys: &Range<u32>, rows: &Rows, end: u64) -> Option<Vec<(u64, Open)>> {
        let holes: Vec<u64> = (self.first..end)
            .filter(|sequence| !self.batches.contains_key(sequence))
            .collect();
        if holes.len() > self.open.len() {
            return None;
        }
        let is_explained = |placed: &[(u64, Open)]| {
            let state = self.state(end, placed);
            state.range(keys.clone()).eq(rows.iter())
        };
        place(&holes, &self.open, &mut Vec::new(), &is_explained)
    }

    fn read(&self, keys: &Range<u32>, rows: &Rows, ends: Range<u64>) -> Result<(), Failure> {
        let range = ends.clone();
        if ends
            .into_iter()
            .any(|end| self.explain(keys, rows, end).is_some())
        {
            return Ok(());
        }
        Err(Failure::new(
            "one state",
            format!(
                "no state behind a batch of {range:?} explains {rows:?} of keys {keys:?}; {}",
                self.expected(self.end())
            ),
        ))
    }
}

/// Puts an open batch into each hole, in every way, until that explains what was shown.
fn place(
    holes: &[u64],
    open: &[Open],
    placed: &mut Vec<Placed>,
    is_explained: &dyn Fn(&[Placed]) -> bool,
) -> Option<Vec<Placed>> {
    let Some((hole, rest)) = holes.split_first() else {
        return is_explained(placed).then(|| placed.clone());
    };
    for (at, candidate) in open.iter().enumerate() {
        if candidate.after > *hole {
            continue;
        }
        placed.push((*hole, candidate.clone()));
        let others = [&open[..at], &open[at + 1..]].concat();
        let found = place(rest, &others, placed, is_explained);
        placed.pop();
        if found.is_some() {
            return found;
        }
    }
    None
}

impl Model {
    /// Below this sequence every batch was acknowledged, or its fate is open.
    pub(super) fn acked_end(&self) -> u64 {
        self.end()
    }

    /// What is known, in short lines.
    pub(super) fn words(&self) -> Vec<String> {
        vec![
            format!("the next sequence is {} or above", self.end()),
            format!(
                "durable below {}, with the operating system below {}",
                self.synced_through, self.os_through
            ),
            format!("a crash must leave everything below {}", self.required),
            format!("batches whose fate is open: {}", self.open.len()),
        ]
    }
}
