//! Group commit: many commits, one write, one sync.
//!
//! Commits are handed in through a queue. Whoever waits for one and finds the writer free leads:
//! it takes all that is queued, encodes it, writes and syncs once for all, and settles the
//! tickets. Before it syncs it lets others run as long as commits still arrive, which halves the
//! syncs when several clients commit in turn.
//!
//! Invariants:
//! - \[I1\] A commit is acknowledged once it, and all before it, have reached its level; all
//!   commits
//!   of a batch are acknowledged together, at the highest level among them.
//! - \[I2\] Commits of one client are written in the order in which it handed them in.
//! - \[I3\] Whoever takes a ticket from the queue settles it before it frees the writer, also when
//!   it unwinds. Whoever frees the writer notifies afterwards. So a waiter whose ticket is not
//!   settled either finds the writer free or is woken.
//! - \[I4\] A batch fails as a whole, and then nothing of it is in the log; but what was completed
//!   before a rotation in its middle stays acknowledged.

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::error::LogError;
use super::frame::FRAME_HEADER_BYTES;
use super::log::Core;
use super::options::Durability;
use super::records;
use super::rotate::rotate;
use super::writer::{Failure, Moment, Payload, Writer};
use super::{Epoch, TxOffset};

/// How often a leader looks whether more commits arrived, before it syncs.
const GATHER_ROUNDS_MAX: u32 = 64;
/// How often in a row it looks in vain.
const IDLE_ROUNDS_MAX: u32 = 2;

/// An acknowledged commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of its first transaction.
    pub first: TxOffset,
    /// The number of its transactions.
    pub count: u32,
    /// The epoch it was written in.
    pub epoch: Epoch,
}

impl Committed {
    /// Its transactions' offsets.
    pub fn range(&self) -> Range<TxOffset> {
        let end = self.first.checked_add(self.count.into());
        // The writer has checked that the offsets suffice.
        self.first..end.unwrap_or(self.first)
    }
}

/// Counters since the opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Commits acknowledged.
    pub commits: u64,
    /// Transactions acknowledged.
    pub transactions: u64,
    /// Batches of commits that were completed together.
    pub batches: u64,
    /// Syncs of the newest segment, those of rotations left out.
    pub syncs: u64,
    /// Bytes of frames handed to the operating system.
    pub bytes_written: u64,
    /// Segments sealed.
    pub rotations: u64,
}

/// A commit that waits for its turn.
#[derive(Debug)]
struct Pending {
    payload: Vec<u8>,
    checksum: u32,
    tx_count: u32,
    durability: Durability,
    outcome: OnceLock<Result<Committed, LogError>>,
}

impl Payload for Pending {
    fn tx_count(&self) -> u32 {
        self.tx_count
    }

    fn payload_bytes(&self) -> u64 {
        self.payload.len() as u64
    }

    fn append_to(&self, buffer: &mut Vec<u8>) -> u32 {
        buffer.extend_from_slice(&self.payload);
        self.checksum
    }
}

/// A commit that its own client encodes, straight into the buffer.
struct Own<'a, R> {
    records: &'a [R],
    tx_count: u32,
    payload_bytes: u64,
}

impl<R: AsRef<[u8]>> Payload for Own<'_, R> {
    fn tx_count(&self) -> u32 {
        self.tx_count
    }

    fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    fn append_to(&self, buffer: &mut Vec<u8>) -> u32 {
        let from = buffer.len();
        buffer.reserve(self.payload_bytes as usize);
        records::encode(buffer, self.records);
        crc32fast::hash(buffer.get(from..).unwrap_or_default())
    }
}

/// Commits that wait for a leader.
#[derive(Debug, Default)]
pub(crate) struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    pending: Vec<Arc<Pending>>,
    bytes: u64,
}

/// A commit handed in and not yet acknowledged. It is carried out when somebody waits for it or
/// for a later one, or flushes, syncs or closes the log; dropping the ticket does not take it
/// back.
#[derive(Debug)]
pub struct Ticket {
    core: Arc<Core>,
    pending: Arc<Pending>,
}

impl Ticket {
    /// Waits until the commit has reached its level, leading its batch if nobody else does.
    ///
    /// # Errors
    /// [`LogError::NoSpace`]: it is not in the log and will not be. [`LogError::Poisoned`] and
    /// others: whether it is in the log is settled by the next opening.
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

/// Checks a commit against the limits before anything is done; returns count and payload length.
fn measure<R: AsRef<[u8]>>(core: &Core, records: &[R]) -> Result<(u32, u64), LogError> {
    let Ok(tx_count) = u32::try_from(records.len()) else {
        return Err(LogError::Exhausted {
            number: "transaction of a commit",
        });
    };
    if tx_count == 0 {
        return Err(LogError::EmptyCommit);
    }
    let payload_bytes = records::payload_bytes(records);
    let bytes = FRAME_HEADER_BYTES as u64 + payload_bytes;
    let frame_bytes_max = core.frame_bytes_max;
    if bytes > frame_bytes_max {
        return Err(LogError::CommitTooLarge {
            bytes,
            frame_bytes_max,
        });
    }
    Ok((tx_count, payload_bytes))
}

impl Core {
    /// Commits and waits. If the writer is free this client leads, and its records are copied
    /// once.
    pub fn commit<R: AsRef<[u8]>>(
        self: &Arc<Self>,
        records: &[R],
        durability: Durability,
    ) -> Result<Committed, LogError> {
        let (tx_count, payload_bytes) = measure(self, records)?;
        let own = Own {
            records,
            tx_count,
            payload_bytes,
        };
        match self.try_lead(Some((&own, durability))) {
            None => self.submit(records, durability)?.wait(),
            Some(Err(error)) => Err(error),
            Some(Ok(Some(committed))) => Ok(committed),
            Some(Ok(None)) => unreachable!("a batch that succeeds has placed its leader's commit"),
        }
    }

    /// Hands in a commit. A queue that has grown large is worked off first.
    pub fn submit<R: AsRef<[u8]>>(
        self: &Arc<Self>,
        records: &[R],
        durability: Durability,
    ) -> Result<Ticket, LogError> {
        let (tx_count, payload_bytes) = measure(self, records)?;
        if let Some(refusal) = self.shared.refusal() {
            return Err(refusal);
        }
        let mut payload = Vec::with_capacity(payload_bytes as usize);
        records::encode(&mut payload, records);
        let checksum = crc32fast::hash(&payload);
        let outcome = OnceLock::new();
        let pending = Arc::new(Pending {
            payload,
            checksum,
            tx_count,
            durability,
            outcome,
        });
        let is_full = {
            let mut queue = self.queue.0.lock();
            queue.pending.push(pending.clone());
            queue.bytes += FRAME_HEADER_BYTES as u64 + payload_bytes;
            queue.bytes >= self.queue_bytes_max
        };
        if is_full {
            // How it went is told by the tickets.
            drop(self.with_writer(|_| Ok(())));
        }
        Ok(Ticket {
            core: self.clone(),
            pending,
        })
    }

    /// Leads a batch if the writer is free; none if it is not.
    fn try_lead(
        &self,
        own: Option<(&dyn Payload, Durability)>,
    ) -> Option<Result<Option<Committed>, LogError>> {
        let mut writer = self.writer.try_lock()?;
        let outcome = self.lead(&mut writer, own);
        drop(writer);
        self.shared.changed.notify_all();
        Some(outcome)
    }

    /// Carries out what is queued, then `own`. Whoever calls it notifies afterwards.
    pub fn lead(
        &self,
        writer: &mut Writer,
        own: Option<(&dyn Payload, Durability)>,
    ) -> Result<Option<Committed>, LogError> {
        let mut batch = Batch::new(self, writer);
        let led = writer.guard(|writer| {
            let result = batch
                .gather(writer, own)
                .and_then(|()| batch.complete(writer));
            result.map_err(|failure| writer.undo(failure, batch.start))
        });
        let Err(error) = led else {
            return Ok(batch.own);
        };
        batch.refuse(&error);
        if let Some(refusal) = self.shared.refusal() {
            // Nobody will ever lead with success: all who wait are told now.
            batch.take();
            batch.refuse(&refusal);
        }
        // What was completed before a rotation in the middle stays so.
        if batch.own_done {
            Ok(batch.own)
        } else {
            Err(error)
        }
    }
}

/// Commits that a leader has taken.
struct Batch<'a> {
    core: &'a Core,
    /// Encoded and not yet acknowledged.
    placed: Vec<(Arc<Pending>, Committed)>,
    /// Taken from the queue and not yet encoded, last first.
    taken: Vec<Arc<Pending>>,
    /// The leader's own commit.
    own: Option<Committed>,
    own_done: bool,
    /// Commits and transactions encoded and not yet acknowledged.
    commits: usize,
    transactions: u64,
    /// The highest level among them.
    level: Durability,
    /// Where they start.
    start: Moment,
}

impl<'a> Batch<'a> {
    fn new(core: &'a Core, writer: &Writer) -> Self {
        Self {
            core,
            placed: Vec::new(),
            taken: Vec::new(),
            own: None,
            own_done: false,
            commits: 0,
            transactions: 0,
            level: Durability::Buffered,
            start: writer.moment(),
        }
    }

    /// Takes what is queued, behind all that was taken and placed before; false if that is
    /// nothing.
    fn take(&mut self) -> bool {
        let mut queue = self.core.queue.0.lock();
        std::mem::swap(&mut self.taken, &mut queue.pending);
        queue.bytes = 0;
        drop(queue);
        self.taken.reverse();
        !self.taken.is_empty()
    }

    /// Encodes what is queued, then `own`, then what arrives before a sync.
    fn gather(
        &mut self,
        writer: &mut Writer,
        own: Option<(&dyn Payload, Durability)>,
    ) -> Result<(), Failure> {
        self.take();
        self.place_taken(writer)?;
        if let Some((payload, durability)) = own {
            self.own = Some(self.place(writer, payload, durability)?);
        }
        let (mut rounds, mut idle) = (0, 0);
        // As many as last time may come again; and while some come, more may.
        while self.level == Durability::Synced
            && rounds < GATHER_ROUNDS_MAX
            && idle < IDLE_ROUNDS_MAX
            && (self.commits < writer.batch_commits || (rounds > 0 && idle == 0))
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
            let committed = self.place(writer, &*pending, pending.durability)?;
            self.placed.push((pending, committed));
            self.taken.pop();
        }
        Ok(())
    }

    /// Encodes one commit. If the segment is full, what was placed before is completed first.
    fn place(
        &mut self,
        writer: &mut Writer,
        payload: &dyn Payload,
        durability: Durability,
    ) -> Result<Committed, Failure> {
        if self.commits == 0 {
            // The mark that this may write is no part of the batch: it is never taken back.
            writer.begin()?;
            self.start = writer.moment();
        }
        if !writer.fits(FRAME_HEADER_BYTES as u64 + payload.payload_bytes()) {
            self.complete(writer)?;
            rotate(writer)?;
            self.start = writer.moment();
        }
        let committed = writer.append_commit(payload)?;
        self.level = self.level.max(durability);
        self.commits += 1;
        self.transactions += u64::from(committed.count);
        Ok(committed)
    }

    /// Brings what was placed to its level, and acknowledges it.
    fn complete(&mut self, writer: &mut Writer) -> Result<(), Failure> {
        if self.commits == 0 {
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
                writer.batch_commits = self.commits;
            }
        }
        writer.publish(|stats| {
            stats.commits += self.commits as u64;
            stats.transactions += self.transactions;
            stats.batches += 1;
        });
        for (pending, committed) in self.placed.drain(..) {
            // Nobody else settles a ticket that was taken from the queue.
            drop(pending.outcome.set(Ok(committed)));
        }
        self.own_done = self.own.is_some();
        (self.commits, self.transactions) = (0, 0);
        self.level = Durability::Buffered;
        self.start = writer.moment();
        Ok(())
    }

    /// Tells everyone whose commit was taken and not completed.
    fn refuse(&mut self, error: &LogError) {
        let placed = self.placed.drain(..).map(|(pending, _)| pending);
        let taken = self.taken.drain(..);
        let refused: Vec<_> = placed.chain(taken).collect();
        for pending in refused {
            drop(pending.outcome.set(Err(error.clone())));
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Only an unwind leaves anything here.
        self.refuse(&LogError::Interrupted);
    }
}
