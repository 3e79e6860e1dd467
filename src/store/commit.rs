//! A batch on its way through the log.

use std::sync::Arc;

use super::batch::{SealedBatch, WriteBatch};
use super::encoded::{Encoded, Intent};
use super::error::StoreError;
use super::tree::Tree;
use crate::commitlog::{self, CommitOwner, Committed, LogError, Refusal, TxOffset};

/// Applies a batch once the log has decided where it stands.
pub(crate) struct Owner {
    tree: Arc<Tree>,
    encoded: Arc<Encoded>,
    batch: Arc<SealedBatch>,
    intent: Intent,
}

impl Owner {
    pub fn new(
        tree: &Arc<Tree>,
        encoded: &Arc<Encoded>,
        batch: WriteBatch,
        intent: Intent,
    ) -> Arc<Self> {
        Arc::new(Self {
            tree: tree.clone(),
            encoded: encoded.clone(),
            batch: Arc::new(batch.seal()),
            intent,
        })
    }

    /// What the log gets.
    pub fn record(&self) -> &[u8] {
        self.batch.record()
    }
}

impl CommitOwner for Owner {
    fn place(&self, first: TxOffset) -> Result<(), Refusal> {
        let placed = self.encoded.place(first.get(), &self.batch, &self.intent);
        placed.map_err(Into::into)
    }

    fn apply(&self, committed: &Committed) {
        let sequence = committed.first.get();
        self.tree.apply(self.batch.writes(), sequence);
        self.encoded.applied(sequence);
    }

    fn fail(&self, first: TxOffset, _error: &LogError) {
        self.encoded.withdraw(first.get(), &self.intent);
    }
}

/// What became of a commit. A refusal is the store's own error.
pub(crate) fn outcome(outcome: Result<Committed, LogError>) -> Result<TxOffset, StoreError> {
    match outcome {
        Ok(committed) => Ok(committed.first),
        Err(LogError::Refused { source }) => match source.downcast_ref::<StoreError>() {
            Some(refusal) => Err(refusal.clone()),
            None => Err(LogError::Refused { source }.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// A batch or a transaction that was handed in and not yet acknowledged. It is carried out when
/// somebody waits for it or for a later write, or syncs or closes the store. Dropping the ticket
/// does not take it back.
#[derive(Debug)]
pub struct Ticket(State);

#[derive(Debug)]
enum State {
    /// It had nothing to write.
    Settled(TxOffset),
    Submitted(commitlog::Ticket),
}

impl Ticket {
    pub(crate) fn settled(sequence: TxOffset) -> Self {
        Self(State::Settled(sequence))
    }

    pub(crate) fn submitted(ticket: commitlog::Ticket) -> Self {
        Self(State::Submitted(ticket))
    }

    /// Waits until the batch has reached its durability; returns its sequence. It blocks: an
    /// asynchronous caller has a thread of its pool wait, or asks [`outcome`](Self::outcome) once
    /// somebody else has waited.
    ///
    /// # Errors
    /// As [`Store::write`](super::Store::write), or as
    /// [`Transaction::commit`](super::Transaction::commit).
    pub fn wait(self) -> Result<TxOffset, StoreError> {
        match self.0 {
            State::Settled(sequence) => Ok(sequence),
            State::Submitted(ticket) => outcome(ticket.wait()),
        }
    }

    /// What [`wait`](Self::wait) would return, if that is known already.
    pub fn outcome(&self) -> Option<Result<TxOffset, StoreError>> {
        match &self.0 {
            State::Settled(sequence) => Some(Ok(*sequence)),
            State::Submitted(ticket) => ticket.outcome().map(outcome),
        }
    }
}
