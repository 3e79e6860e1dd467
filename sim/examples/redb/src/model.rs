//! What is known of the database: the states that were committed, and which of them is durable.
//!
//! A state is a map from key to the token of its value. Each put has a token of its own, so two
//! states are equal only if the same puts made them, and a mixed one equals none.

use std::collections::BTreeMap;
use std::sync::Arc;

use blackstart_sim::Failure;

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

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A commit that makes this state begins.
    Begun {
        /// The state.
        state: Arc<State>,
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
    /// States since the last one that is known to be durable, which is the first.
    committed: Vec<Arc<State>>,
    /// The state of a commit that has not returned.
    begun: Option<Arc<State>>,
    /// The next token.
    pub token_next: u64,
    /// Whether what an opening shows is durable. If not, it may be what a kill left in the page
    /// cache, and a loss of power may take it back.
    opening_settles: bool,
}

impl Model {
    /// An empty database.
    pub fn new(opening_settles: bool) -> Self {
        Self {
            opening_settles,
            committed: vec![Arc::default()],
            begun: None,
            token_next: 1,
        }
    }

    /// The state that a transaction would see now.
    pub fn latest(&self) -> &Arc<State> {
        // There is always one.
        &self.committed[self.committed.len() - 1]
    }

    /// Whether this is what a commit that had not returned would make, and nothing else.
    pub fn is_in_flight(&self, found: &State) -> bool {
        let is_it = |state: &Arc<State>| **state == *found;
        self.begun.as_ref().is_some_and(is_it) && !self.committed.iter().any(is_it)
    }

    /// What the changes make of the latest state, and the next token.
    pub fn changed(&self, changes: &[Change]) -> (State, u64) {
        let mut state = State::clone(self.latest());
        let mut token = self.token_next;
        for change in changes {
            match *change {
                Change::Put(key, bytes) => {
                    let bytes = bytes.max(8);
                    state.insert(key, Value { token, bytes });
                    token += 1;
                }
                Change::Remove(key) => {
                    state.remove(&key);
                }
            }
        }
        (state, token)
    }

    /// Folds an event.
    pub fn apply(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Begun { state, token_next } => {
                self.begun = Some(Arc::clone(state));
                self.token_next = *token_next;
            }
            Event::Committed { is_durable } => {
                self.committed.extend(self.begun.take());
                if *is_durable {
                    self.settle();
                }
            }
            Event::Closed => self.settle(),
            Event::Opened(found) => self.opened(found)?,
        }
        Ok(())
    }

    fn settle(&mut self) {
        let latest = Arc::clone(self.latest());
        self.committed.clear();
        self.committed.push(latest);
    }

    /// What an opening shows is exactly one committed state, the last durable one or a later one,
    /// or that of the commit in flight.
    fn opened(&mut self, found: &Arc<State>) -> Result<(), Failure> {
        let returned = self.committed.len();
        self.committed.extend(self.begun.take());
        let Some(at) = self.committed.iter().rposition(|state| state == found) else {
            let states: Vec<String> = self.committed.iter().map(|state| tell(state)).collect();
            return Err(Failure::new(
                "a committed state",
                format!(
                    "found {}; expected one of these: {} (the first is durable, {returned} have \
                     returned)",
                    tell(found),
                    states.join(", "),
                ),
            ));
        };
        self.committed.truncate(at + 1);
        if self.opening_settles {
            self.settle();
        }
        Ok(())
    }
}

/// A state in few words: key:token.
fn tell(state: &State) -> String {
    let items: Vec<String> = state
        .iter()
        .map(|(key, value)| format!("{key}:{}", value.token))
        .collect();
    format!("{{{}}}", items.join(" "))
}
