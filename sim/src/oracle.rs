//! An ordered, durable map with history: the model that a key-value engine is judged by.
//!
//! Whatever is written together is a *group*. Groups stand one behind the other, at positions
//! without a gap, and the state at an end is what all groups before that end make of an empty map.
//! A group is *open* from when it is handed in until its fate is known. One whose call failed stays
//! open: it may be there or not, until an opening says which.
//!
//! | oracle | what it says |
//! |---|---|
//! | durable prefix | an opening shows the state at some end, and all groups that the crash must leave are before that |
//! | atomic group | that state holds whole groups only |
//! | unknown outcomes | an open group stands where a position is free, behind all that was acknowledged before it was handed in; or nowhere |
//! | no resurrection | what an opening did not show never comes back |
//! | numbers | no position is given twice |
//! | one state | all that one read or snapshot shows is one state, and one from between its begin and its end |
//! | real time | what a read has shown, a read that begins later shows as well; and it survives a crash as if it had been acknowledged |
//!
//! A program tells the oracle what it asked its engine for and what it was told. Each value that is
//! put should be one that nothing else puts: only then can groups be told apart.
//!
//! ```
//! use blackstart_sim::disk::CrashKind;
//! use blackstart_sim::oracle::{Level, Oracle, Shown, Write};
//!
//! let mut oracle = Oracle::default();
//! let first = oracle.begin(vec![Write::Put("a", 1), Write::Put("b", 2)], Level::Synced);
//! oracle.acknowledge(first, Level::Synced)?;
//! let second = oracle.begin(vec![Write::Delete("a"), Write::Put("c", 3)], Level::Buffered);
//! oracle.acknowledge(second, Level::Buffered)?;
//!
//! // The power fails: the first group must be there, the second may be, half of it may not.
//! oracle.crash(CrashKind::Power);
//! let with_half_of_it = Shown::whole([("b", 2)].into());
//! assert!(oracle.clone().opened(&with_half_of_it).is_err());
//! oracle.opened(&Shown::whole([("a", 1), ("b", 2)].into()))?;
//!
//! // What was not there must not come back.
//! oracle.crash(CrashKind::Power);
//! assert!(oracle.opened(&Shown::whole([("b", 2), ("c", 3)].into())).is_err());
//! # Ok::<(), blackstart_sim::Failure>(())
//! ```
//!
//! Invariants:
//! - \[I1\] It knows nothing of any engine: it keeps what was written, and folds it.
//! - \[I2\] It answers "wrong" only where no order of the groups explains what was shown.

mod explain;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::disk::CrashKind;
use crate::failure::Failure;
use explain::Explained;

pub use view::View;

/// How durable a write is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    /// In the process: it may die with it.
    #[default]
    Buffered,
    /// With the operating system: it survives a kill.
    Os,
    /// On the disk: it survives a loss of power.
    Synced,
}

/// One write of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write<K, V> {
    /// Gives a key a value.
    Put(K, V),
    /// Takes a key's value away.
    Delete(K),
    /// Takes the values of all keys of a range away.
    DeleteRange(Range<K>),
}

/// Names a group for as long as it is open.
pub type Token = u64;

/// What an opening showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<K: Ord, V> {
    /// All rows.
    pub rows: BTreeMap<K, V>,
    /// The position behind the last group that is there, if the engine says so.
    pub end: Option<u64>,
    /// What it may lack.
    pub least: Least,
    /// What it shows is durable. If not, it survives a kill, and a loss of power may take back
    /// what was not durable before.
    pub is_durable: bool,
}

/// What an opening may lack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Least {
    /// Nothing that the crash must leave.
    #[default]
    Promised,
    /// It has reported damage: groups from this position on.
    From(u64),
    /// The disk has lied: it may lack anything, and show the end of another history, as it was
    /// before an opening that lost some of it. It is the state at some end all the same.
    Anything,
}

impl<K: Ord, V> Shown<K, V> {
    /// An opening that shows these rows and says nothing else.
    pub const fn whole(rows: BTreeMap<K, V>) -> Self {
        Self {
            rows,
            end: None,
            least: Least::Promised,
            is_durable: true,
        }
    }
}

/// What an opening has settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// How many open groups are there.
    pub survived: usize,
    /// How many acknowledged groups are not.
    pub lost: usize,
}

/// A group that has a position.
#[derive(Debug)]
struct Group<K, V> {
    token: Token,
    writes: Arc<Vec<Write<K, V>>>,
}

/// Groups by position.
type History<K, V> = BTreeMap<u64, Arc<Group<K, V>>>;

/// A group whose fate is not known.
#[derive(Clone, Debug)]
struct Open<K, V> {
    token: Token,
    writes: Arc<Vec<Write<K, V>>>,
    level: Level,
    /// It stands here or later.
    after: u64,
    /// When a read showed it.
    seen: Option<u64>,
    /// The next opening has to show it.
    is_owed: bool,
}

/// What is known of a map.
#[derive(Clone, Debug)]
pub struct Oracle<K: Ord, V> {
    history: History<K, V>,
    open: Vec<Open<K, V>>,
    token_next: Token,
    /// The first position.
    first: u64,
    /// The state at an end, from which others are made.
    settled: (u64, Arc<BTreeMap<K, V>>),
    os_through: u64,
    synced_through: u64,
    required: u64,
    /// How many reads there were, and the end that all later ones show.
    reads: u64,
    read_through: u64,
    /// What openings have cut off while the disk lied: whole histories.
    branches: Vec<History<K, V>>,
}

impl<K: Ord + Clone + Debug, V: Clone + PartialEq + Debug> Default for Oracle<K, V> {
    fn default() -> Self {
        Self::from_position(0)
    }
}

impl<K: Ord + Clone + Debug, V: Clone + PartialEq + Debug> Oracle<K, V> {
    /// An empty map whose first group will stand at this position.
    pub fn from_position(first: u64) -> Self {
        Self {
            history: BTreeMap::new(),
            open: Vec::new(),
            token_next: 1,
            first,
            settled: (first, Arc::default()),
            os_through: first,
            synced_through: first,
            required: first,
            reads: 0,
            read_through: first,
            branches: Vec::new(),
        }
    }

    /// The token of the next group.
    pub const fn token_next(&self) -> Token {
        self.token_next
    }

    /// The position behind the last group that is known.
    pub fn end(&self) -> u64 {
        let last = self.history.last_key_value();
        last.map_or(self.first, |(last, _)| last + 1)
    }

    /// What a crash must leave now: all groups before this position.
    pub const fn required(&self) -> u64 {
        self.required
    }

    /// All groups before this position have reached a level.
    pub fn reached_end(&self, level: Level) -> u64 {
        match level {
            Level::Buffered => self.end(),
            Level::Os => self.os_through,
            Level::Synced => self.synced_through,
        }
    }

    /// How many groups are open.
    pub const fn open_count(&self) -> usize {
        self.open.len()
    }

    /// A group is handed in, to be seen once it has reached a level. It is open from now on.
    pub fn begin(&mut self, writes: Vec<Write<K, V>>, level: Level) -> Token {
        let token = self.token_next;
        self.token_next += 1;
        self.open.push(Open {
            token,
            writes: Arc::new(writes),
            level,
            after: self.end(),
            seen: None,
            is_owed: false,
        });
        token
    }

    /// An open group was acknowledged: it stands behind all others. For engines that have one
    /// writer at a time, or that tell no positions.
    ///
    /// # Errors
    /// As [`acknowledge_at`](Self::acknowledge_at).
    pub fn acknowledge(&mut self, token: Token, level: Level) -> Result<(), Failure> {
        self.acknowledge_at(token, self.end(), level)
    }

    /// An open group was acknowledged at this position, and with it all before it.
    ///
    /// # Errors
    /// The position is taken, or lies before one that was acknowledged before the group was handed
    /// in.
    pub fn acknowledge_at(&mut self, token: Token, at: u64, level: Level) -> Result<(), Failure> {
        let Some(index) = self.open.iter().position(|open| open.token == token) else {
            let message = format!("token {token} was acknowledged, and is not open");
            return Err(Failure::new("numbers", message));
        };
        let open = self.open.remove(index);
        if at < open.after || self.history.contains_key(&at) {
            let message = format!(
                "token {token} was given position {at}, which is taken or below {}",
                open.after
            );
            return Err(Failure::new("numbers", message));
        }
        if open.seen.is_some() {
            self.read_through = self.read_through.max(at + 1);
        }
        let writes = open.writes;
        self.history.insert(at, Arc::new(Group { token, writes }));
        self.reached(at + 1, level);
        Ok(())
    }

    /// An open group was refused: it is not there.
    pub fn refuse(&mut self, token: Token) {
        self.open.retain(|open| open.token != token);
    }

    /// All groups before a position have reached a level.
    pub fn reached(&mut self, end: u64, level: Level) {
        if level >= Level::Os {
            self.os_through = self.os_through.max(end);
        }
        if level == Level::Synced {
            self.synced_through = self.synced_through.max(end);
        }
    }

    /// What only the operating system had may be gone: a failed sync has taken it back.
    pub fn cache_lost(&mut self) {
        self.os_through = self.synced_through;
        for open in &mut self.open {
            open.seen = open.seen.filter(|_| open.level == Level::Synced);
        }
    }

    /// The process ends without closing the map, or the power fails.
    pub fn crash(&mut self, kind: CrashKind) {
        let spared = match kind {
            CrashKind::Power => Level::Synced,
            CrashKind::Kill => Level::Os,
        };
        self.required = self.reached_end(spared);
        self.os_through = self.required;
        for open in &mut self.open {
            open.is_owed = open.seen.is_some() && open.level >= spared;
            // A kill that follows a loss of power before the next opening brings nothing back.
            open.seen = open.seen.filter(|_| open.is_owed);
        }
    }

    /// The map was opened: after a crash, or else the process before has left it as a kill would.
    /// What it shows is there from now on, and all else is gone.
    ///
    /// # Errors
    /// It lacks what must be there, or is no state.
    pub fn opened(&mut self, shown: &Shown<K, V>) -> Result<Settled, Failure> {
        self.crash(CrashKind::Kill);
        let least = match shown.least {
            Least::Promised => self.required,
            Least::From(least) => least.min(self.required),
            Least::Anything => self.first,
        };
        if let Some(end) = shown.end.filter(|end| *end < least) {
            let message = format!("it ends at {end}, and everything below {least} must be there");
            return Err(Failure::new("durable prefix", message));
        }
        let explained = self.explain_opening(shown, least);
        let explained = match (explained, shown.least) {
            (None, Least::Anything) => self.explain_by_branches(shown),
            (explained, _) => explained,
        };
        let Some(Explained { end, placed }) = explained else {
            return Err(self.unexplained(shown, least));
        };
        let settled = self.settle(end, placed, shown.least == Least::Anything);
        self.settled = (end, Arc::new(shown.rows.clone()));
        if shown.is_durable {
            self.synced_through = end;
        }
        Ok(settled)
    }

    /// Takes what is before `end`, with these groups at these positions, for all there is.
    fn settle(&mut self, end: u64, placed: Vec<(u64, usize)>, keeps_branch: bool) -> Settled {
        let survived = placed.len();
        for (at, index) in placed {
            let open = &self.open[index];
            let (token, writes) = (open.token, Arc::clone(&open.writes));
            self.history.insert(at, Arc::new(Group { token, writes }));
        }
        let whole = keeps_branch.then(|| self.history.clone());
        let lost = self.history.split_off(&end).len();
        self.branches.extend(whole.filter(|_| lost > 0));
        self.open.clear();
        self.required = end;
        self.os_through = end;
        self.synced_through = self.synced_through.min(end);
        (self.reads, self.read_through) = (0, end);
        Settled { survived, lost }
    }

    /// The rows behind all groups that are known.
    pub fn latest(&self) -> BTreeMap<K, V> {
        self.state(self.end(), &[])
    }

    /// The rows at an end; none if a group before it is not known.
    pub fn at(&self, end: u64) -> Option<BTreeMap<K, V>> {
        let known = self.history.range(..end).count() as u64;
        (known == end.saturating_sub(self.first)).then(|| self.state(end, &[]))
    }
}
