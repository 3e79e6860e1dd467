//! Commits that the log has encoded, and what their owners are refused for.
//!
//! The log asks at encoding, in log order: whoever asks is the log's writer.
//!
//! Invariants:
//! - \[I1\] A transaction is refused if a commit that was encoded after its snapshot changes what
//!   it has read, or may do so: those that were forgotten count as well.
//! - \[I2\] A commit that is not applied yet is never forgotten. A transaction that begins now does
//!   not see it.
//! - \[I3\] A commit whose batch has failed is withdrawn before the next one is encoded: its offset
//!   is given again.
//! - \[I4\] Nothing is written to a keyspace behind the commit that drops it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::batch::SealedBatch;
use super::error::StoreError;
use super::keyspace::Keyspace;
use super::read_set::SealedReadSet;
use super::tree::{Registration, Tree};
use crate::commitlog::TxOffset;

/// What a commit is, besides its writes.
#[derive(Debug)]
pub(crate) enum Intent {
    /// Writes that depend on nothing.
    Plain,
    /// Those of a transaction.
    Transaction(SealedReadSet, OpenTransaction),
    /// It creates a keyspace.
    Create(Keyspace),
    /// It drops a keyspace.
    Drop(Keyspace),
}

/// The commits that a transaction may not have seen.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// A leaf lock.
    state: Mutex<State>,
    bytes_max: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Keyspaces that may be written to. The store's own is none of them.
    keyspaces: BTreeSet<u32>,
    /// In log order.
    commits: VecDeque<(u64, Arc<SealedBatch>)>,
    /// Bytes of them.
    bytes: u64,
    /// Commits below this are applied.
    applied: u64,
    /// Commits below this were forgotten.
    forgotten: u64,
    /// How many open transactions see what is below each sequence.
    open: BTreeMap<u64, usize>,
}

/// A transaction that was begun and not yet refused or committed.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    encoded: Arc<Encoded>,
    /// It has seen the commits below.
    snapshot: u64,
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        let mut state = self.encoded.state.lock();
        if let Some(count) = state.open.get_mut(&self.snapshot) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(&self.snapshot);
            }
        }
        state.forget(self.encoded.bytes_max);
    }
}

impl Encoded {
    /// Keeps at most `bytes_max` for open transactions. The keyspaces are those of the names.
    pub fn new(bytes_max: u64, keyspaces: impl Iterator<Item = Keyspace>) -> Arc<Self> {
        let state = State {
            keyspaces: keyspaces.map(Keyspace::number).collect(),
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            bytes_max,
        })
    }

    /// Begins a transaction on what is visible now.
    pub fn begin(self: &Arc<Self>, tree: &Arc<Tree>) -> (Registration, OpenTransaction) {
        let mut state = self.state.lock();
        // [I2] Under the lock: what is not visible yet is not forgotten before this is entered.
        let registration = tree.register();
        let snapshot = registration.visible;
        *state.open.entry(snapshot).or_default() += 1;
        drop(state);
        let encoded = self.clone();
        (registration, OpenTransaction { encoded, snapshot })
    }

    /// The log is about to encode a commit at this offset.
    ///
    /// # Errors
    /// [`StoreError::NoKeyspace`], [`StoreError::Conflict`]: it must not.
    pub fn place(
        &self,
        sequence: u64,
        batch: &Arc<SealedBatch>,
        intent: &Intent,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if let Intent::Create(keyspace) = intent {
            state.keyspaces.insert(keyspace.number());
        }
        let is_own = matches!(intent, Intent::Create(_) | Intent::Drop(_));
        let may_write = |number| state.keyspaces.contains(&number) || (is_own && number == 0);
        if let Some(number) = batch.keyspaces().find(|number| !may_write(*number)) {
            return Err(StoreError::NoKeyspace { number });
        }
        if let Intent::Transaction(reads, open) = intent {
            state.validate(reads, open.snapshot)?;
        }
        if let Intent::Drop(keyspace) = intent {
            state.keyspaces.remove(&keyspace.number());
        }
        let last = state.commits.back();
        assert!(
            last.is_none_or(|(last, _)| *last < sequence),
            "[I3] what failed was withdrawn"
        );
        state.bytes += batch.bytes();
        state.commits.push_back((sequence, batch.clone()));
        Ok(())
    }

    /// The commit at this offset can be seen.
    pub fn applied(&self, sequence: u64) {
        let mut state = self.state.lock();
        state.applied = sequence + 1;
        state.forget(self.bytes_max);
    }

    /// The commit at this offset is not in the log, and neither is one behind it.
    pub fn withdraw(&self, sequence: u64, intent: &Intent) {
        let mut state = self.state.lock();
        while let Some((_, batch)) = state.commits.pop_back_if(|(own, _)| *own >= sequence) {
            state.bytes -= batch.bytes();
        }
        match intent {
            Intent::Create(keyspace) => drop(state.keyspaces.remove(&keyspace.number())),
            Intent::Drop(keyspace) => drop(state.keyspaces.insert(keyspace.number())),
            Intent::Plain | Intent::Transaction(..) => {}
        }
    }
}

impl State {
    /// [I1] Nothing that was encoded behind the snapshot changes what was read.
    fn validate(&self, reads: &SealedReadSet, snapshot: u64) -> Result<(), StoreError> {
        if snapshot < self.forgotten {
            return Err(StoreError::Conflict { with: None });
        }
        let seen = self.commits.partition_point(|(own, _)| *own < snapshot);
        for (sequence, batch) in self.commits.range(seen..) {
            if batch.writes().any(|write| reads.is_changed_by(write)) {
                let with = Some(TxOffset::new(*sequence));
                return Err(StoreError::Conflict { with });
            }
        }
        Ok(())
    }

    /// Forgets what all open transactions have seen; and, if there is too much, the oldest.
    fn forget(&mut self, bytes_max: u64) {
        let seen = self.open.keys().next().copied().unwrap_or(u64::MAX);
        while let Some((sequence, batch)) = self.commits.front() {
            let is_applied = *sequence < self.applied;
            if !is_applied || (*sequence >= seen && self.bytes <= bytes_max) {
                return;
            }
            self.bytes -= batch.bytes();
            self.forgotten = *sequence + 1;
            self.commits.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
