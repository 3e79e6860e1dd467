//! Group commit: many commits, one write, one sync.
//!
//! Commits are handed in through a queue. Whoever waits for one and finds the writer free leads:
//! it takes all that is queued, encodes it, writes and syncs once for all, and settles the
//! tickets. Before it syncs it lets others run as long as commits still arrive, which halves the
//! syncs when several clients commit in turn.
//!
//! Invariants:
//! - \[I1\] A commit is acknowledged once it, and all before it, have reached its level; all
//!   commits of a batch are acknowledged together, at the highest level among them.
//! - \[I2\] Commits of one client are written in the order in which it handed them in.
//! - \[I3\] Whoever takes a ticket from the queue settles it before it frees the writer, also when
//!   it unwinds. Whoever frees the writer notifies afterwards. So a waiter whose ticket is not
//!   settled either finds the writer free or is woken.
//! - \[I4\] A batch fails as a whole, and then nothing of it is in the log; but what was completed
//!   before a rotation in its middle stays acknowledged.
//! - \[I5\] Owners are told in log order: of a batch that has reached its level before readers see
//!   it, and before any of its tickets is settled.

use std::sync::{Arc, OnceLock};

use super::TxOffset;
use super::core::Core;
use super::error::{Failure, LogError};
use super::frame::frame_bytes;
use super::link::Link;
use super::options::{Durability, Features};
use super::queue::{CommitOwner, Pending};
use super::records;
use super::writer::{Committed, Payload, Writer};

/// Maximum polls for more commits before syncing.
const GATHER_ROUNDS_MAX: u32 = 64;
/// Maximum consecutive empty polls.
const IDLE_ROUNDS_MAX: u32 = 2;

/// A commit that its own client encodes, straight into the buffer.
struct LeaderCommit<'a, R> {
    records: &'a [R],
    size: Size,
}

impl<R: AsRef<[u8]>> Payload for LeaderCommit<'_, R> {
    fn tx_count(&self) -> u32 {
        self.size.tx_count
    }

    fn payload_bytes(&self) -> u64 {
        self.size.payload_bytes
    }

    fn append_to(&self, buffer: &mut Vec<u8>) {
        records::encode(buffer, self.records);
    }
}

/// What a leader commits besides the queue.
#[derive(Clone, Copy)]
pub(crate) struct Own<'a> {
    payload: &'a dyn Payload,
    durability: Durability,
    owner: Option<&'a dyn CommitOwner>,
}

/// A commit handed in and not yet acknowledged. It is carried out when somebody waits for it or
/// for a later one, or flushes, syncs or closes the log; dropping the ticket does not take it
/// back.
pub struct Ticket {
    core: Arc<Core>,
    pending: Arc<Pending>,
}

impl Ticket {
    /// Waits until the commit has reached its level, leading its batch if nobody else does.
    ///
    /// # Errors
    /// [`LogError::NoSpace`], [`LogError::Refused`]: it is not in the log and will not be.
    /// [`LogError::Poisoned`] and others: the next opening says whether it is in the log.
    pub fn wait(self) -> Result<Committed, LogError> {
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            let ticket = self.core.shared.changed.ticket();
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            if self.core.try_lead(None).is_none() {
                self.core.shared.changed.wait(ticket);
            }
        }
    }

    /// The outcome, if there is one already.
    pub fn outcome(&self) -> Option<Result<Committed, LogError>> {
        self.pending.outcome.get().cloned()
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ticket").field(&self.outcome()).finish()
    }
}

#[derive(Clone, Copy)]
struct Size {
    tx_count: u32,
    payload_bytes: u64,
}

/// Checks a commit against the limits before anything is done.
fn measure<R: AsRef<[u8]>>(records: &[R], frame_bytes_max: u64) -> Result<Size, LogError> {
    let Ok(tx_count) = u32::try_from(records.len()) else {
        let number = "transaction of a commit";
        return Err(LogError::Exhausted { number });
    };
    if tx_count == 0 {
        return Err(LogError::EmptyCommit);
    }
    let payload_bytes = records::payload_bytes(records);
    let bytes = frame_bytes(payload_bytes);
    if bytes > frame_bytes_max {
        return Err(LogError::CommitTooLarge {
            bytes,
            frame_bytes_max,
        });
    }
    Ok(Size {
        tx_count,
        payload_bytes,
    })
}

impl Core {
    /// Commits and waits. If the writer is free this client leads, and its records are copied
    /// once.
    pub fn commit<R: AsRef<[u8]>>(
        self: &Arc<Self>,
        records: &[R],
        durability: Durability,
        owner: Option<Arc<dyn CommitOwner>>,
    ) -> Result<Committed, LogError> {
        let size = measure(records, self.frame_bytes_max)?;
        let payload = LeaderCommit { records, size };
        let own = Own {
            payload: &payload,
            durability,
            owner: owner.as_deref(),
        };
        match self.try_lead(Some(own)) {
            None => self.submit(records, durability, owner)?.wait(),
            Some(Err(error)) => Err(error),
            Some(Ok(Some(committed))) => Ok(committed),
            Some(Ok(None)) => unreachable!("a batch that succeeds has placed its leader's commit"),
        }
    }

    /// Hands in a commit. A queue that has grown large is carried out first.
    pub fn submit<R: AsRef<[u8]>>(
        self: &Arc<Self>,
        records: &[R],
        durability: Durability,
        owner: Option<Arc<dyn CommitOwner>>,
    ) -> Result<Ticket, LogError> {
        let size = measure(records, self.frame_bytes_max)?;
        if let Some(refusal) = self.shared.refusal() {
            return Err(refusal);
        }
        let mut payload = Vec::with_capacity(size.payload_bytes as usize);
        records::encode(&mut payload, records);
        let pending = Arc::new(Pending {
            payload,
            tx_count: size.tx_count,
            durability,
            owner,
            outcome: OnceLock::new(),
        });
        let waiting = self
            .queue
            .push(pending.clone(), frame_bytes(size.payload_bytes));
        if waiting >= self.queue_bytes_max {
            // The tickets say how it went.
            drop(self.with_writer(|_| Ok(())));
        }
        let core = self.clone();
        Ok(Ticket { core, pending })
    }

    /// Leads a batch if the writer is free; none if it is not.
    fn try_lead(&self, own: Option<Own<'_>>) -> Option<Result<Option<Committed>, LogError>> {
        let mut writer = self.writer.try_lock()?;
        let outcome = self.lead(&mut writer, own);
        drop(writer);
        self.shared.changed.notify_all();
        Some(outcome)
    }

    /// Carries out what is queued, then `own`. Whoever calls it notifies afterwards.
    fn lead(
        &self,
        writer: &mut Writer,
        own: Option<Own<'_>>,
    ) -> Result<Option<Committed>, LogError> {
        let mut batch = Batch::new(self, own, writer.end);
        let led = writer.guard(|writer| {
            let result = batch.gather(writer).and_then(|()| batch.complete(writer));
            result.map_err(|failure| {
                let failure = writer.take_back(failure, batch.savepoint);
                writer.poison_if_fatal(failure)
            })
        });
        if let Err(error) = &led {
            batch.fail(error);
            if let Some(refusal) = self.shared.refusal() {
                // Nobody will ever lead with success: all who wait are told now.
                batch.take();
                batch.fail(&refusal);
            }
        }
        match (batch.own_outcome.take(), led) {
            // Also what was completed before a rotation in the middle stays so.
            (Some(outcome), _) => outcome.map(Some),
            (None, led) => led.map(|()| None),
        }
    }

    /// Runs `body` on the writer, after everything that is queued was carried out. Commits that
    /// fail there have told their clients.
    pub fn with_writer<R>(
        &self,
        body: impl FnOnce(&mut Writer) -> Result<R, Failure>,
    ) -> Result<R, LogError> {
        let mut writer = self.writer.lock();
        let led = self.lead(&mut writer, None);
        let result = match led {
            // A lack of space for them need not be one for this.
            Ok(_) | Err(LogError::NoSpace { .. }) => run(&mut writer, body),
            Err(error) => Err(error),
        };
        drop(writer);
        self.shared.changed.notify_all();
        result
    }

    /// Makes everything before `tx_offset` durable, and carries out no queue. Returns the offset
    /// before which all is durable.
    pub fn sync_through(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        let durable = |core: &Self| core.shared.state.lock().durable.next;
        if durable(self) >= tx_offset {
            return Ok(durable(self));
        }
        let mut writer = self.writer.lock();
        let result = run(&mut writer, |writer| {
            if writer.durable.next < tx_offset {
                writer.sync_published()?;
            }
            Ok(writer.durable.next)
        });
        drop(writer);
        self.shared.changed.notify_all();
        result
    }

    /// Whether the log may be changed, and by this process.
    pub fn expect_owner(&self) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let result = run(&mut writer, |writer| writer.expect_lock());
        drop(writer);
        self.shared.changed.notify_all();
        result
    }

    /// Begins a new segment, which has these features as well.
    pub fn rotate(&self, features: Features) -> Result<(), LogError> {
        self.with_writer(|writer| writer.rotate(features))
    }
}

fn run<R>(
    writer: &mut Writer,
    body: impl FnOnce(&mut Writer) -> Result<R, Failure>,
) -> Result<R, LogError> {
    writer.guard(|writer| body(writer).map_err(|failure| writer.poison_if_fatal(failure)))
}

/// A commit that a leader has encoded and not acknowledged yet.
struct Placed {
    /// None: the leader's own.
    pending: Option<Arc<Pending>>,
    committed: Committed,
}

/// Commits that a leader has taken.
struct Batch<'a> {
    core: &'a Core,
    own: Option<Own<'a>>,
    own_outcome: Option<Result<Committed, LogError>>,
    /// Encoded and not yet acknowledged, in log order.
    placed: Vec<Placed>,
    /// Taken from the queue and not yet encoded, last first.
    taken: Vec<Arc<Pending>>,
    /// The highest level among what is placed.
    level: Durability,
    /// Where what is placed starts.
    savepoint: Link,
}

impl<'a> Batch<'a> {
    fn new(core: &'a Core, own: Option<Own<'a>>, savepoint: Link) -> Self {
        Self {
            core,
            own,
            own_outcome: None,
            placed: Vec::new(),
            taken: Vec::new(),
            level: Durability::Buffered,
            savepoint,
        }
    }

    /// Takes what is queued, behind all that was taken and placed before; false if that is
    /// nothing.
    fn take(&mut self) -> bool {
        assert!(self.taken.is_empty(), "what was taken is placed first");
        self.taken = self.core.queue.take();
        self.taken.reverse();
        !self.taken.is_empty()
    }

    /// Encodes what is queued, then the leader's own commit, then what arrives before a sync.
    fn gather(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        self.take();
        self.place_taken(writer)?;
        if let Some(own) = self.own {
            self.place(writer, own.payload, own.durability, own.owner, None)?;
        }
        let (mut rounds, mut idle) = (0, 0);
        // As many as last time may come again; and while some come, more may.
        while self.level == Durability::Synced
            && rounds < GATHER_ROUNDS_MAX
            && idle < IDLE_ROUNDS_MAX
            && (self.placed.len() < writer.batch_commits || (rounds > 0 && idle == 0))
        {
            self.core.shared.directory.env.tasks().yield_now();
            rounds += 1;
            idle = if self.take() { 0 } else { idle + 1 };
            self.place_taken(writer)?;
        }
        Ok(())
    }

    fn place_taken(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        while let Some(pending) = self.taken.last().cloned() {
            let (owner, durability) = (pending.owner.as_deref(), pending.durability);
            self.place(writer, &*pending, durability, owner, Some(&pending))?;
            self.taken.pop();
        }
        Ok(())
    }

    /// Encodes one commit, unless its owner refuses it. If the segment is full, what was placed
    /// before is completed first.
    fn place(
        &mut self,
        writer: &mut Writer,
        payload: &dyn Payload,
        durability: Durability,
        owner: Option<&dyn CommitOwner>,
        pending: Option<&Arc<Pending>>,
    ) -> Result<(), Failure> {
        if self.placed.is_empty() {
            // The segment that this may begin is no part of the batch: it is never taken back.
            writer.begin()?;
            self.savepoint = writer.end;
        }
        if !writer.fits(payload.payload_bytes()) {
            self.complete(writer)?;
            writer.rotate(Features::NONE)?;
            self.savepoint = writer.end;
        }
        if let Some(Err(refusal)) = owner.map(|owner| owner.place(writer.end.next)) {
            let source = Arc::from(refusal);
            self.settle(pending, Err(LogError::Refused { source }));
            return Ok(());
        }
        let committed = writer.append_commit(payload)?;
        self.level = self.level.max(durability);
        self.placed.push(Placed {
            pending: pending.cloned(),
            committed,
        });
        Ok(())
    }

    fn settle(&mut self, pending: Option<&Arc<Pending>>, outcome: Result<Committed, LogError>) {
        match pending {
            Some(pending) => pending.settle(outcome),
            None => self.own_outcome = Some(outcome),
        }
    }

    /// Brings what was placed to its level, tells the owners, and acknowledges it.
    fn complete(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        if self.placed.is_empty() {
            return Ok(());
        }
        match self.level {
            Durability::Buffered => {
                if writer.buffered_bytes() >= writer.options.buffer_bytes_max {
                    writer.flush()?;
                }
            }
            Durability::Os => writer.flush()?,
            Durability::Synced => {
                writer.sync()?;
                writer.batch_commits = self.placed.len();
            }
        }
        let placed = std::mem::take(&mut self.placed);
        for placed in &placed {
            self.tell(placed, |owner| owner.apply(&placed.committed));
        }
        writer.publish(|stats| {
            stats.commits += placed.len() as u64;
            stats.transactions += placed
                .iter()
                .map(|placed| u64::from(placed.committed.count))
                .sum::<u64>();
            stats.batches += 1;
        });
        for Placed { pending, committed } in placed {
            self.settle(pending.as_ref(), Ok(committed));
        }
        self.level = Durability::Buffered;
        self.savepoint = writer.end;
        Ok(())
    }

    fn tell(&self, placed: &Placed, call: impl FnOnce(&dyn CommitOwner)) {
        let owner = match &placed.pending {
            Some(pending) => pending.owner.as_deref(),
            None => self.own.and_then(|own| own.owner),
        };
        if let Some(owner) = owner {
            call(owner);
        }
    }

    /// Tells everyone whose commit was taken and not completed.
    fn fail(&mut self, error: &LogError) {
        for placed in std::mem::take(&mut self.placed) {
            let first = placed.committed.first;
            self.tell(&placed, |owner| owner.fail(first, error));
            self.settle(placed.pending.as_ref(), Err(error.clone()));
        }
        for pending in std::mem::take(&mut self.taken).into_iter().rev() {
            pending.settle(Err(error.clone()));
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Only an unwind leaves anything here. Owners are not called: they may unwind as well.
        for placed in self.placed.drain(..) {
            if let Some(pending) = placed.pending {
                drop(pending.outcome.set(Err(LogError::Interrupted)));
            }
        }
        for pending in self.taken.drain(..) {
            drop(pending.outcome.set(Err(LogError::Interrupted)));
        }
    }
}

#[cfg(test)]
mod tests;
