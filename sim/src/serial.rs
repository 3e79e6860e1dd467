//! Is a history of keyed transactions strictly serializable?
//!
//! A history says of each transaction when it was begun and when its client heard of the end, what
//! it read and what it wrote. It is strictly serializable if there is an order of the transactions
//! in which each reads what the ones before it wrote, and in which one that ended before another
//! began stands before it (Papadimitriou, JACM 1979; Herlihy and Wing, TOPLAS 1990).
//!
//! The search is that of Wing and Gong with Lowe's memory of configurations (2017): it takes as the
//! next one any transaction that began before all others that are left have ended, and remembers
//! the pairs of set and state from which it has failed.
//!
//! Invariants:
//! - \[I1\] A transaction whose outcome is unknown may take effect once, at any time after it was
//!   begun, or never.
//! - \[I2\] An answer is exact, or it says that the search was given up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// How a transaction ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, and the client heard of that at this time.
    Committed(u64),
    /// The client never heard: it may have taken effect, or may do so later, or never.
    Unknown,
}

/// One transaction of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<K, V> {
    /// Its name in messages.
    pub id: u64,
    /// When it was begun: any number that grows with real time.
    pub begun: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it found under each key before its own writes; none: nothing.
    pub reads: Vec<(K, Option<V>)>,
    /// What it left under each key; none: nothing.
    pub writes: Vec<(K, Option<V>)>,
}

/// Why a history has no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSerializable {
    /// No order explains it.
    #[error(
        "no order explains the history: after {placed:?} none of {stuck:?} can come next; \
         {mismatch}"
    )]
    Violation {
        /// The transactions of the longest order that was found, first to last.
        placed: Vec<u64>,
        /// Those that began before all others that are left had ended.
        stuck: Vec<u64>,
        /// What the first of them read, and what it would have to.
        mismatch: String,
    },
    /// There were more configurations than it was told to look at.
    #[error("given up after {configurations} configurations: the history is too concurrent")]
    GivenUp {
        /// How many.
        configurations: usize,
    },
}

/// Finds an order of the history that starts from `initial`; returns the transactions' names.
///
/// # Errors
/// [`NotSerializable`]; `configurations_max` bounds time and memory.
pub fn check<K, V>(
    history: &[Transaction<K, V>],
    initial: &BTreeMap<K, V>,
    configurations_max: usize,
) -> Result<Vec<u64>, NotSerializable>
where
    K: Clone + Ord + Debug,
    V: Clone + Ord + Debug,
{
    let mut search = Search {
        history,
        state: initial.clone(),
        left: (0..history.len()).collect(),
        placed: Vec::new(),
        longest: (Vec::new(), None),
        failed: BTreeSet::new(),
        configurations_max,
    };
    search.run()
}

/// What is left to be placed and the state they meet: from here it goes on equally.
type Configuration<K, V> = (BTreeSet<usize>, BTreeMap<K, V>);
/// A transaction that was placed, and what its writes replaced.
type Placed<K, V> = (usize, Vec<(K, Option<V>)>);
/// The longest order found, and what stood in the way there.
type Longest = (Vec<u64>, Option<(Vec<u64>, String)>);

struct Search<'a, K, V> {
    history: &'a [Transaction<K, V>],
    state: BTreeMap<K, V>,
    left: BTreeSet<usize>,
    placed: Vec<Placed<K, V>>,
    longest: Longest,
    failed: BTreeSet<Configuration<K, V>>,
    configurations_max: usize,
}

impl<K, V> Search<'_, K, V>
where
    K: Clone + Ord + Debug,
    V: Clone + Ord + Debug,
{
    /// Depth first, with a stack of its own: histories may be long.
    fn run(&mut self) -> Result<Vec<u64>, NotSerializable> {
        let mut frames = vec![self.candidates().into_iter()];
        loop {
            if self.is_done() {
                return Ok(self.order());
            }
            let Some(frame) = frames.last_mut() else {
                return Err(self.violation());
            };
            match frame.next() {
                Some(next) => {
                    if self.failed.len() >= self.configurations_max {
                        let configurations = self.failed.len();
                        return Err(NotSerializable::GivenUp { configurations });
                    }
                    if self.place(next) {
                        frames.push(self.candidates().into_iter());
                    }
                }
                None => {
                    frames.pop();
                    self.failed.insert((self.left.clone(), self.state.clone()));
                    self.take_back();
                }
            }
        }
    }

    /// Only transactions of unknown outcome are left: they never took effect.
    fn is_done(&self) -> bool {
        let mut left = self.left.iter().filter_map(|at| self.history.get(*at));
        left.all(|transaction| transaction.outcome == Outcome::Unknown)
    }

    fn order(&self) -> Vec<u64> {
        let placed = self
            .placed
            .iter()
            .filter_map(|(at, _)| self.history.get(*at));
        placed.map(|transaction| transaction.id).collect()
    }

    /// Those that began before every other that is left had ended.
    fn candidates(&self) -> Vec<usize> {
        let left = || {
            self.left
                .iter()
                .filter_map(|at| Some((*at, self.history.get(*at)?)))
        };
        let ended = left().filter_map(|(_, transaction)| match transaction.outcome {
            Outcome::Committed(ended) => Some(ended),
            Outcome::Unknown => None,
        });
        let first_end = ended.min().unwrap_or(u64::MAX);
        let mut candidates: Vec<usize> = left()
            .filter(|(_, transaction)| transaction.begun <= first_end)
            .map(|(at, _)| at)
            .collect();
        // What is known to have happened first: unknown ones are mostly not needed.
        candidates.sort_by_key(|at| {
            self.history
                .get(*at)
                .map(|transaction| match transaction.outcome {
                    Outcome::Committed(ended) => (false, ended),
                    Outcome::Unknown => (true, transaction.begun),
                })
        });
        candidates
    }

    /// Places a transaction if it read what is there and the rest was not tried before.
    fn place(&mut self, at: usize) -> bool {
        let Some(transaction) = self.history.get(at) else {
            return false;
        };
        if let Some(mismatch) = self.mismatch(transaction) {
            self.remember(mismatch);
            return false;
        }
        let writes = transaction.writes.iter();
        let replaced = writes.map(|(key, value)| (key.clone(), self.write(key, value.clone())));
        let replaced: Vec<_> = replaced.collect();
        self.left.remove(&at);
        self.placed.push((at, replaced));
        if self
            .failed
            .contains(&(self.left.clone(), self.state.clone()))
        {
            self.take_back();
            return false;
        }
        true
    }

    fn write(&mut self, key: &K, value: Option<V>) -> Option<V> {
        match value {
            Some(value) => self.state.insert(key.clone(), value),
            None => self.state.remove(key),
        }
    }

    fn take_back(&mut self) {
        let Some((at, replaced)) = self.placed.pop() else {
            return;
        };
        for (key, value) in replaced.into_iter().rev() {
            self.write(&key, value);
        }
        self.left.insert(at);
    }

    fn mismatch(&self, transaction: &Transaction<K, V>) -> Option<String> {
        let mut reads = transaction.reads.iter();
        let (key, read) = reads.find(|(key, read)| self.state.get(key) != read.as_ref())?;
        let there = self.state.get(key);
        Some(format!(
            "{} read {read:?} under {key:?}, where {there:?} would be",
            transaction.id
        ))
    }

    /// Keeps the longest order, for people.
    fn remember(&mut self, mismatch: String) {
        let is_longer = self.longest.1.is_none() || self.placed.len() > self.longest.0.len();
        if is_longer {
            let stuck = self.candidates().into_iter();
            let stuck = stuck.filter_map(|at| Some(self.history.get(at)?.id));
            self.longest = (self.order(), Some((stuck.collect(), mismatch)));
        }
    }

    fn violation(&mut self) -> NotSerializable {
        let (placed, why) = std::mem::take(&mut self.longest);
        let (stuck, mismatch) = why.unwrap_or_default();
        NotSerializable::Violation {
            placed,
            stuck,
            mismatch,
        }
    }
}

#[cfg(test)]
mod tests;
