//! What is known of the database: an [`Oracle`] of its keys.
//!
//! A value is the token of its put. Each put has a token of its own, so two states are equal only
//! if the same puts made them, and a mixed one equals none.

use std::collections::BTreeMap;
use std::sync::Arc;

use blackstart_sim::Failure;
use blackstart_sim::disk::CrashKind;
use blackstart_sim::oracle::{Level, Oracle, Shown, Token, Write};

use crate::op::Change;

/// What a key holds: which put it was, and how long its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The number of the put.
    pub token: u64,
    /// Bytes of the value.
    pub bytes: u32,
}

/// The contents of the database.
pub type State = BTreeMap<u16, Value>;
/// What a transaction writes.
pub type Writes = Vec<Write<u16, Value>>;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A commit begins.
    Begun {
        /// What it writes.
        writes: Arc<Writes>,
        /// The first token that was not used up to here.
        token_next: u64,
    },
    /// The commit has returned.
    Committed {
        /// Whether it promised durability.
        is_durable: bool,
    },
    /// The database was closed in order: that makes everything durable.
    Closed,
    /// The database was opened and showed this.
    Opened(Arc<State>),
}

/// What is known.
#[derive(Clone, Debug)]
pub struct Model {
    oracle: Oracle<u16, Value>,
    /// The commit that has not returned.
    begun: Option<Token>,
    /// The next token of a put.
    pub token_next: u64,
    /// Whether the last opening showed a commit that had not returned.
    pub has_survived: bool,
    /// Whether what an opening shows is durable. If not, it may be what a kill left in the page
    /// cache, and a loss of power may take it back.
    opening_settles: bool,
}

impl Model {
    /// An empty database.
    pub fn new(opening_settles: bool) -> Self {
        Self {
            oracle: Oracle::default(),
            begun: None,
            token_next: 1,
            has_survived: false,
            opening_settles,
        }
    }

    /// The state that a transaction would see now.
    pub fn latest(&self) -> State {
        self.oracle.latest()
    }

    /// What the changes write, and the next token.
    pub fn writes(&self, changes: &[Change]) -> (Writes, u64) {
        let mut token = self.token_next;
        let writes = changes.iter().map(|change| match *change {
            Change::Put(key, bytes) => {
                let bytes = bytes.max(8);
                token += 1;
                let value = Value {
                    token: token - 1,
                    bytes,
                };
                Write::Put(key, value)
            }
            Change::Remove(key) => Write::Delete(key),
        });
        let writes = writes.collect();
        (writes, token)
    }

    /// Folds an event.
    pub fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Begun { writes, token_next } => {
                // Its level is said when it has returned: nothing else reads meanwhile.
                let writes = Writes::clone(writes);
                self.begun = Some(self.oracle.begin(writes, Level::Buffered));
                self.token_next = *token_next;
            }
            Event::Committed { is_durable } => {
                let level = match is_durable {
                    true => Level::Synced,
                    false => Level::Buffered,
                };
                if let Some(token) = self.begun.take() {
                    self.oracle.acknowledge(token, level)?;
                }
            }
            Event::Closed => self.oracle.reached(self.oracle.end(), Level::Synced),
            Event::Opened(found) => {
                // What is durable survives a kill and a loss of power alike; the rest may.
                self.oracle.crash(CrashKind::Power);
                let settled = self.oracle.opened(&Shown {
                    is_durable: self.opening_settles,
                    ..Shown::whole(State::clone(found))
                })?;
                self.has_survived = settled.survived > 0;
                self.begun = None;
            }
        }
        Ok(())
    }
}
