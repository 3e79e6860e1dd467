//! What the writer and the readers of an open log share.
//!
//! Invariants:
//! - \[I1\] The state is behind a leaf lock: no call of the seam is made while it is held.
//! - \[I2\] A reader reads a position of the newest segment from the file only if it is below
//!   `tail.base`, which never passes what was written; everything from there to the visible end
//!   is in the tail's buffer.
//! - \[I3\] The frontiers only move forward, but for a truncation, which raises the generation
//!   first; a reader that sees a new generation checks its position against it.
//!
//! A log that is open for writing goes through these phases:
//!
//! ```text
//!            opening                  opening
//!       (after an unclean end)   (after a clean close)
//!               │                        │
//!               ▼      first append      ▼
//!            Writing ◄───────────────  Found
//!             │   │                    │   │
//!       close │   └──► Poisoned ◄──────┘   │ close
//!             ▼       (any failure that    ▼
//!           Closed     is not harmless)  Closed
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_vfs::{Event, OpenOptions};
use parking_lot::Mutex;

use super::directory::{Directory, OpenFile};
use super::error::LogError;
use super::index::SparseIndex;
use super::link::Link;
use super::options::ReadScope;
use super::recovery::Beforehand;
use super::segment::{Sealed, Segment};
use super::source::{LogSource, ReadAt, copy_from};
use super::{LogId, TxOffset};

/// Where a log is in its life.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The newest segment was closed, and nothing was appended since.
    Found,
    /// The newest segment was made by this opening.
    Writing,
    /// The log was closed.
    Closed,
    /// A failure after which nothing may be written.
    Poisoned(Arc<LogError>),
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
    /// Segments that were followed by another.
    pub rotations: u64,
    /// Writes of the superblock that failed where the log can do without.
    pub superblock_failures: u64,
}

/// The end of the newest segment that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct TailBuffer {
    /// Where the buffer starts; everything before is in the file.
    pub base: u64,
    /// Encoded frames. Only the writer changes them, and shares them with nobody but itself while
    /// it writes them out.
    pub bytes: Arc<Vec<u8>>,
}

/// The newest segment.
#[derive(Debug)]
pub(crate) struct Active {
    pub segment: Arc<Segment>,
    /// None in a log that is open for reading only.
    pub file: Option<Arc<OpenFile>>,
    pub index: SparseIndex,
    pub tail: TailBuffer,
}

/// The state behind the leaf lock.
#[derive(Debug)]
pub(crate) struct State {
    pub sealed: BTreeMap<TxOffset, Sealed>,
    pub active: Active,
    /// Everything before was acknowledged at its own level.
    pub visible: Link,
    /// Everything before is durable.
    pub durable: Link,
    pub oldest: TxOffset,
    /// What `oldest` becomes once the superblock says so, while that is written.
    pub retiring: Option<TxOffset>,
    /// Where the history was cut while the log was open. The generation is their number.
    pub truncations: Vec<TxOffset>,
    /// History from these offsets on must stay.
    pub pins: BTreeMap<u64, TxOffset>,
    pub pin_next: u64,
    pub phase: Phase,
    pub stats: LogStats,
}

/// What a read-only log is to show.
pub(crate) struct View {
    pub beforehand: Beforehand,
    /// History before this, and no more.
    pub history_end: Option<TxOffset>,
    /// Held while the log is read again.
    pub turn: blackstart_vfs::Mutex<()>,
}

/// An open log as its readers see it.
pub(crate) struct Shared {
    pub directory: Directory,
    /// None: the log is open for writing.
    pub view: Option<View>,
    pub log_id: LogId,
    pub state: Mutex<State>,
    /// Held while a segment gets a name under which readers know another one, until they know it.
    pub renaming: blackstart_vfs::Mutex<()>,
    /// `state.visible.next`, read without the lock.
    visible: AtomicU64,
    /// `state.durable.next`, likewise.
    durable: AtomicU64,
    /// The number of `state.truncations`, likewise.
    generation: AtomicU64,
    /// Notified whenever any of the above, or a ticket's outcome, has changed.
    pub changed: Event,
}

impl Shared {
    pub fn new(directory: Directory, log_id: LogId, view: Option<View>, state: State) -> Self {
        Self {
            log_id,
            view,
            visible: AtomicU64::new(state.visible.next.get()),
            durable: AtomicU64::new(state.durable.next.get()),
            generation: AtomicU64::new(state.truncations.len() as u64),
            state: Mutex::new(state),
            renaming: blackstart_vfs::Mutex::new(&directory.env, ()),
            changed: Event::new(&directory.env),
            directory,
        }
    }

    /// The offset before which everything is in `scope`.
    #[inline]
    pub fn frontier(&self, scope: ReadScope) -> TxOffset {
        let frontier = match scope {
            ReadScope::Visible => &self.visible,
            ReadScope::Synced => &self.durable,
        };
        TxOffset::new(frontier.load(Ordering::Acquire))
    }

    /// How often the history was cut while the log was open.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Has the frontiers follow the state.
    pub fn publish(&self, state: &State) {
        let generation = state.truncations.len() as u64;
        self.generation.store(generation, Ordering::Release);
        let (durable, visible) = (state.durable.next.get(), state.visible.next.get());
        self.durable.store(durable, Ordering::Release);
        self.visible.store(visible, Ordering::Release);
    }

    /// The error that everything which writes must answer with, if there is one.
    pub fn refusal(&self) -> Option<LogError> {
        match &self.state.lock().phase {
            Phase::Found | Phase::Writing => None,
            Phase::Closed => Some(LogError::Closed),
            Phase::Poisoned(cause) => Some(LogError::Poisoned {
                cause: cause.clone(),
            }),
        }
    }

    /// Remembers the first failure after which nothing may be written.
    pub fn poison(&self, error: &LogError) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Found | Phase::Writing) {
            state.phase = Phase::Poisoned(Arc::new(error.clone()));
        }
    }

    /// Opens a segment's file for reading, or shares the writer's.
    pub fn open_segment(&self, segment: &Arc<Segment>) -> Result<Arc<OpenFile>, LogError> {
        let shared = {
            let state = self.state.lock();
            let is_active = state.active.segment.is(segment);
            state.active.file.clone().filter(|_| is_active)
        };
        if let Some(file) = shared {
            return Ok(file);
        }
        match self
            .directory
            .open_file(&segment.name, OpenOptions::new().read())
        {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) if error.is_not_found() && self.holds(segment) => {
                Err(LogError::SegmentMissing {
                    file: self.directory.shown(&segment.name),
                    named_by: "the log that is open".to_owned(),
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a segment is still part of the log.
    fn holds(&self, segment: &Arc<Segment>) -> bool {
        let state = self.state.lock();
        state.limit(ReadScope::Visible, segment).is_some()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (directory, state) = (&self.directory, self.state.lock());
        f.debug_struct("Shared")
            .field("directory", directory)
            .field("visible", &state.visible)
            .field("durable", &state.durable)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The state of a log of which everything up to `end` is visible and durable.
    pub fn new(
        sealed: impl IntoIterator<Item = Sealed>,
        active: Active,
        end: Link,
        oldest: TxOffset,
        phase: Phase,
    ) -> Self {
        let sealed = sealed.into_iter();
        Self {
            sealed: sealed
                .map(|sealed| (sealed.segment.header.first, sealed))
                .collect(),
            active,
            visible: end,
            durable: end,
            oldest,
            retiring: None,
            truncations: Vec::new(),
            pins: BTreeMap::new(),
            pin_next: 0,
            phase,
            stats: LogStats::default(),
        }
    }

    /// The segment that holds a transaction, and where its part of the log ends if another one
    /// follows it.
    pub fn locate(&self, tx_offset: TxOffset) -> (Arc<Segment>, Option<Link>) {
        let active = &self.active.segment;
        let sealed = self.sealed.range(..=tx_offset).next_back();
        match sealed.filter(|_| tx_offset < active.header.first) {
            Some((_, sealed)) => (sealed.segment.clone(), Some(sealed.end)),
            None => (active.clone(), None),
        }
    }

    /// How far a segment may be read; none if it is no longer part of the log.
    pub fn limit(&self, scope: ReadScope, segment: &Segment) -> Option<Link> {
        if self.active.segment.is(segment) {
            return Some(match scope {
                ReadScope::Visible => self.visible,
                ReadScope::Synced => self.durable,
            });
        }
        let sealed = self.sealed.get(&segment.header.first)?;
        sealed.segment.is(segment).then_some(sealed.end)
    }
}

/// The file of a segment together with what of it is still in the writer's buffer.
pub(crate) struct LiveFile<'a> {
    pub shared: &'a Shared,
    pub segment: &'a Arc<Segment>,
    pub file: &'a OpenFile,
}

impl ReadAt for LiveFile<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let mut room = buffer.len();
        if self.shared.view.is_none() {
            let state = self.shared.state.lock();
            if state.active.segment.is(self.segment) {
                let TailBuffer { base, bytes } = &state.active.tail;
                if at >= *base {
                    return Ok(copy_from(bytes, at - base, buffer));
                }
                room = room.min(usize::try_from(base - at).unwrap_or(usize::MAX));
            }
        }
        self.file.read_at(&mut buffer[..room], at)
    }
}

#[cfg(test)]
mod tests;
