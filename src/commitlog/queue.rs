//! Commits that wait for a leader, and what their owners are told.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::TxOffset;
use super::error::LogError;
use super::options::Durability;
use super::writer::{Committed, Payload};

/// Why an owner refuses its commit.
pub type Refusal = Box<dyn Error + Send + Sync>;

/// The owner of a commit: it learns the commit's place in the log as soon as that is decided.
///
/// All calls come from whoever leads the batch, in log order, while it holds the writer: they must
/// be quick, and must not wait or use the log.
pub trait CommitOwner: Send + Sync {
    /// The commit is about to be encoded, and its first transaction will be `first`.
    ///
    /// # Errors
    /// The commit is refused: it takes no offset, its ticket gets [`LogError::Refused`], and its
    /// batch goes on.
    fn place(&self, first: TxOffset) -> Result<(), Refusal> {
        let _ = first;
        Ok(())
    }

    /// The commit, and all before it, have reached their level. Readers do not see it yet.
    fn apply(&self, committed: &Committed);

    /// The commit was placed, and its batch has failed. Unless the log goes on
    /// ([`LogError::NoSpace`]), only the next opening says whether it is in the log.
    fn fail(&self, first: TxOffset, error: &LogError);
}

/// A commit that waits for its turn.
pub(crate) struct Pending {
    pub payload: Vec<u8>,
    pub tx_count: u32,
    pub durability: Durability,
    pub owner: Option<Arc<dyn CommitOwner>>,
    pub outcome: OnceLock<Result<Committed, LogError>>,
}

impl Pending {
    /// Nobody else settles a ticket that was taken from the queue.
    pub fn settle(&self, outcome: Result<Committed, LogError>) {
        assert!(
            self.outcome.set(outcome).is_ok(),
            "[I3] a ticket is settled once"
        );
    }
}

impl Payload for Pending {
    fn tx_count(&self) -> u32 {
        self.tx_count
    }

    fn payload_bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    fn append_to(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.payload);
    }
}

/// Commits that wait for a leader.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    pending: Vec<Arc<Pending>>,
    bytes: u64,
}

impl Queue {
    /// Adds a commit; returns how many bytes wait now.
    pub fn push(&self, pending: Arc<Pending>, bytes: u64) -> u64 {
        let mut waiting = self.0.lock();
        waiting.pending.push(pending);
        waiting.bytes += bytes;
        waiting.bytes
    }

    /// Takes all that waits, first come first.
    pub fn take(&self) -> Vec<Arc<Pending>> {
        let mut waiting = self.0.lock();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.pending)
    }
}
