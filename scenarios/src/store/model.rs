//! What is known of a store: an [`Oracle`], and what stands between damage and a silent loss.
//!
//! A damaged tail of the log excuses that batches are missing, but not those that something else
//! vouches for: tables that a manifest names, and a later frame that says how far the log was
//! durable when it was written.

use std::collections::{BTreeMap, BTreeSet};

use blackstart_sim::disk::CrashKind;
use blackstart_sim::oracle::{Least, Level, Oracle, Settled, Shown, View, Write};
use blackstart_sim::{Failure, Promise};

use super::key::{Key, Value};

/// Rows, as they are shown.
pub type Rows = BTreeMap<Key, Value>;
/// What a batch writes, in order.
pub type Writes = Vec<Write<Key, Value>>;

/// What an opening has shown.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The sequence of the next batch.
    pub next: u64,
    /// All rows.
    pub rows: Rows,
    /// It reports bytes that it dropped at the log's end, and these cover the damage.
    pub reports_damage: bool,
    /// The log had been closed.
    pub was_closed: bool,
    /// Everything below this is in tables.
    pub flushed_through: u64,
    /// What the disk has left to promise.
    pub promise: Promise,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A batch is handed in.
    Submitted {
        /// What it writes.
        writes: Writes,
        /// How durable it is to be.
        level: Level,
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
    /// The store was closed in order.
    Closed,
    /// Everything below a sequence is in tables.
    Flushed {
        /// The sequence.
        end: u64,
    },
    /// A sync that failed has taken back what only the page cache had.
    CacheLost,
    /// The store was left without closing it.
    Abandoned,
    /// The store is being opened.
    OpenBegan {
        /// Bytes at rest that were damaged: how often in this era.
        damages: u64,
        /// A whole sector of them.
        is_wide: bool,
        /// Names that others have altered or taken.
        altered: Vec<String>,
        /// Others have put another directory in the place of the store's.
        is_renewed: bool,
        /// The history is to be cut behind this many.
        fork: Option<u64>,
    },
    /// The store was opened.
    Opened(Opened),
    /// Rows were read.
    Read {
        /// What was shown, and when.
        view: View<Key, Value>,
    },
}

/// What is known.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) oracle: Oracle<Key, Value>,
    /// What the last opening has settled.
    pub(super) settled: Settled,
    /// How far the log was durable when each batch was handed in that is not acknowledged.
    synced_before: BTreeMap<u64, u64>,
    /// A frame that is durable says that everything below this was.
    vouched: u64,
    /// What `vouched` was before a close mark vouched for everything. The mark is written over
    /// when the log goes on, and a crash may tear it then.
    vouched_unclosed: Option<u64>,
    /// A manifest that is durable says that everything below this is in tables.
    flushed: u64,
    damages: u64,
    is_wide: bool,
    pub(super) is_renewed: bool,
    /// Names that others have altered or taken at some time.
    pub(super) altered: BTreeSet<String>,
    /// Where a cut of the history was to be that has begun.
    fork: Option<u64>,
    /// An opening has begun.
    is_opening: bool,
    /// One was cut short: what it would have reported went with it.
    was_opening: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            // 0 is the store's own.
            oracle: Oracle::from_position(1),
            settled: Settled::default(),
            synced_before: BTreeMap::new(),
            vouched: 1,
            vouched_unclosed: None,
            flushed: 1,
            damages: 0,
            is_wide: false,
            is_renewed: false,
            altered: BTreeSet::new(),
            fork: None,
            is_opening: false,
            was_opening: false,
        }
    }
}

impl Model {
    pub(super) fn is_altered(&self) -> bool {
        !self.altered.is_empty() || self.is_renewed
    }

    pub(super) fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Submitted { writes, level } => {
                let token = self.oracle.begin(writes.clone(), *level);
                let synced = self.oracle.reached_end(Level::Synced);
                self.synced_before.insert(token, synced);
                if let Some(vouched) = self.vouched_unclosed.take() {
                    self.vouched = vouched;
                }
            }
            Event::Acked {
                token,
                sequence,
                level,
            } => {
                let before = self.synced_before.remove(token);
                if let Some(before) = before.filter(|_| *level == Level::Synced) {
                    self.vouched = self.vouched.max(before);
                }
                return self.oracle.acknowledge_at(*token, *sequence, *level);
            }
            Event::Refused { token } => self.oracle.refuse(*token),
            Event::Through { end, level } => self.oracle.reached(*end, *level),
            Event::Closed => self.closed(),
            Event::Flushed { end } => {
                self.flushed = self.flushed.max(*end);
                self.oracle.reached(*end, Level::Synced);
            }
            Event::CacheLost => self.oracle.cache_lost(),
            Event::Abandoned => self.crash(CrashKind::Kill),
            Event::OpenBegan {
                damages,
                is_wide,
                altered,
                is_renewed,
                fork,
            } => {
                // One that failed has reported nothing either.
                self.was_opening |= std::mem::replace(&mut self.is_opening, true);
                self.damages = self.damages.max(*damages);
                self.is_wide |= is_wide;
                self.altered.extend(altered.iter().cloned());
                self.is_renewed |= is_renewed;
                self.fork = fork.or(self.fork);
            }
            Event::Opened(opened) => return self.opened(opened),
            Event::Read { view } => return self.oracle.read(view),
        }
        Ok(())
    }

    fn closed(&mut self) {
        let end = self.oracle.end();
        self.oracle.reached(end, Level::Synced);
        self.vouched_unclosed = Some(self.vouched);
        self.vouched = end;
    }

    pub(super) fn crash(&mut self, kind: CrashKind) {
        self.was_opening |= std::mem::take(&mut self.is_opening);
        self.oracle.crash(kind);
    }

    /// What this opening may lack, and show without being wrong.
    fn least(&self, opened: &Opened) -> Least {
        let is_log = |name: &String| name.contains(".log") || name == "log";
        let is_manifest = |name: &String| name.starts_with("MANIFEST");
        let is_reported = opened.reports_damage || self.was_opening;
        if opened.promise == Promise::PrefixOnly || self.is_renewed {
            return Least::Anything;
        }
        let in_tables = match self.altered.iter().any(is_manifest) {
            true => 1,
            false => self.flushed,
        };
        if self.altered.iter().any(is_log) {
            // A segment that was cut short takes its own evidence with it.
            return Least::From(in_tables);
        }
        if opened.promise == Promise::DamageReported && is_reported {
            // Two damages may hit a frame and the one that vouches for it, and so may a sector.
            return Least::From(match self.damages > 1 || self.is_wide {
                true => in_tables,
                false => in_tables.max(self.vouched),
            });
        }
        Least::Promised
    }

    fn opened(&mut self, opened: &Opened) -> Result<(), Failure> {
        let end = Some(opened.next);
        let least = match (self.least(opened), self.fork.take()) {
            // A cut that has begun has taken effect, or all is there.
            (Least::Promised, Some(fork)) if fork == opened.next => Least::From(fork),
            (Least::From(least), Some(fork)) => Least::From(least.min(fork)),
            (least, _) => least,
        };
        let rows = opened.rows.clone();
        self.settled = self.oracle.opened(&Shown {
            rows,
            end,
            least,
            is_durable: true,
        })?;
        self.synced_before.clear();
        match (opened.was_closed, self.vouched_unclosed.take()) {
            (true, Some(vouched)) => self.vouched = vouched,
            (true, None) => {}
            // The segment that it began says how far the log reached.
            (false, _) => self.vouched = opened.next,
        }
        self.vouched = self.vouched.min(opened.next);
        self.flushed = opened.flushed_through.max(1).min(opened.next);
        (self.is_opening, self.was_opening) = (false, false);
        Ok(())
    }

    /// What is known, in short lines.
    pub(super) fn words(&self) -> Vec<String> {
        let oracle = &self.oracle;
        vec![
            format!("the next sequence is {} or above", oracle.end()),
            format!(
                "durable below {}, with the operating system below {}, in tables below {}",
                oracle.reached_end(Level::Synced),
                oracle.reached_end(Level::Os),
                self.flushed
            ),
            format!("a crash must leave everything below {}", oracle.required()),
            format!("batches whose fate is open: {}", oracle.open_count()),
        ]
    }
}
