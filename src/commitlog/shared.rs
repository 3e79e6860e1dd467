//! What the writer and the readers of an open log share.
//!
//! Invariants:
//! - \[I1\] The state is behind a leaf lock: no call of the seam is made while it is held.
//! - \[I2\] A reader reads a position of the newest segment from the file only if it is below
//!   `tail.base`, which never passes what was written; everything from there to the visible end
//!   is in the tail's buffer.
//! - \[I3\] The frontiers only move forward, but for a truncation, which raises the generation
//!   first; a reader that sees a new generation checks its position against it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_vfs::{Event, OpenOptions};
use parking_lot::Mutex;

use super::chain::{Identity, Link};
use super::error::LogError;
use super::group::LogStats;
use super::header::SegmentHeader;
use super::index::SparseIndex;
use super::names;
use super::reader::ReadScope;
use super::recovery::Sealed;
use super::source::{Directory, OpenFile, ReadAt};
use super::{LogId, TxOffset};
use crate::codec::ByteOffset;

/// A place that everything before has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// In transactions.
    pub tx: TxOffset,
    /// In bytes of the newest segment.
    pub at: ByteOffset,
}

impl Point {
    pub fn of(link: Link) -> Self {
        Self {
            tx: link.next,
            at: link.at,
        }
    }
}

/// A segment of an open log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub header: SegmentHeader,
    pub name: String,
}

impl Segment {
    pub fn new(header: SegmentHeader) -> Arc<Self> {
        Arc::new(Self {
            header,
            name: names::segment(header.first),
        })
    }

    /// Whether both are the same segment: of the same name and life.
    pub fn is(&self, other: &Self) -> bool {
        self.header.first == other.header.first && self.header.epoch == other.header.epoch
    }

    pub fn identity(&self) -> Identity {
        Identity::of(&self.header)
    }
}

/// A segment that is followed by others.
#[derive(Clone, Debug)]
pub(crate) struct SealedSegment {
    pub segment: Arc<Segment>,
    /// Where its frames end.
    pub len: ByteOffset,
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
    pub sealed: BTreeMap<TxOffset, SealedSegment>,
    pub active: Active,
    pub visible: Point,
    pub durable: Point,
    pub oldest: TxOffset,
    /// Where the history was cut while the log was open. The generation is their number.
    pub truncations: Vec<TxOffset>,
    pub poison: Option<Arc<LogError>>,
    pub closed: bool,
    pub stats: LogStats,
}

/// An open log as its readers see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub directory: Directory,
    pub index_interval_bytes: u64,
    /// Whether index files may be written.
    pub writable: bool,
    pub log_id: LogId,
    pub state: Mutex<State>,
    /// `state.visible.tx` for a look without the lock.
    visible: AtomicU64,
    /// `state.durable.tx`, likewise.
    durable: AtomicU64,
    /// The number of `state.truncations`, likewise.
    generation: AtomicU64,
    /// Notified whenever any of the above, or a ticket's outcome, has changed.
    pub changed: Event,
}

impl Shared {
    pub fn new(
        directory: Directory,
        log_id: LogId,
        index_interval_bytes: u64,
        writable: bool,
        state: State,
    ) -> Self {
        Self {
            log_id,
            index_interval_bytes,
            writable,
            visible: AtomicU64::new(state.visible.tx.get()),
            durable: AtomicU64::new(state.durable.tx.get()),
            generation: AtomicU64::new(state.truncations.len() as u64),
            state: Mutex::new(state),
            changed: Event::new(&directory.env),
            directory,
        }
    }

    /// The offset before which everything is in `scope`.
    pub fn frontier(&self, scope: ReadScope) -> TxOffset {
        let frontier = match scope {
            ReadScope::Visible => &self.visible,
            ReadScope::Synced => &self.durable,
        };
        TxOffset::new(frontier.load(Ordering::Acquire))
    }

    /// How often the history was cut while the log was open.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Has the frontiers follow the state.
    pub fn publish(&self, state: &State) {
        self.generation
            .store(state.truncations.len() as u64, Ordering::Release);
        self.durable
            .store(state.durable.tx.get(), Ordering::Release);
        self.visible
            .store(state.visible.tx.get(), Ordering::Release);
    }

    /// The error that everything which writes must answer with, if there is one.
    pub fn refusal(&self) -> Option<LogError> {
        let state = self.state.lock();
        match (&state.poison, state.closed) {
            (Some(cause), _) => Some(LogError::Poisoned {
                cause: cause.clone(),
            }),
            (None, true) => Some(LogError::Closed),
            (None, false) => None,
        }
    }

    /// Remembers the first failure after which nothing may be written.
    pub fn poison(&self, error: &LogError) {
        let mut state = self.state.lock();
        if state.poison.is_none() {
            state.poison = Some(Arc::new(error.clone()));
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
        let file = self
            .directory
            .open_file(&segment.name, OpenOptions::new().read())?;
        Ok(Arc::new(OpenFile {
            file,
            name: segment.name.clone(),
        }))
    }
}

impl State {
    /// The state of a log of which everything up to `end` is visible and durable.
    pub fn new(sealed: &[Sealed], active: Active, end: Point, oldest: TxOffset) -> Self {
        let sealed = sealed.iter().map(|sealed| {
            let segment = Segment::new(sealed.header);
            (
                sealed.header.first,
                SealedSegment {
                    segment,
                    len: sealed.len,
                },
            )
        });
        Self {
            sealed: sealed.collect(),
            active,
            visible: end,
            durable: end,
            oldest,
            truncations: Vec::new(),
            poison: None,
            closed: false,
            stats: LogStats::default(),
        }
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
        {
            let state = self.shared.state.lock();
            let TailBuffer { base, bytes } = &state.active.tail;
            if self.shared.writable && state.active.segment.is(self.segment) {
                if at >= *base {
                    return Ok(copy_from(bytes, at - base, buffer));
                }
                room = room.min(usize::try_from(base - at).unwrap_or(usize::MAX));
            }
        }
        match buffer.get_mut(..room) {
            Some(buffer) => self.file.read_at(buffer, at),
            None => Ok(0),
        }
    }
}

fn copy_from(bytes: &[u8], from: u64, buffer: &mut [u8]) -> usize {
    let rest = bytes
        .get(usize::try_from(from).unwrap_or(usize::MAX)..)
        .unwrap_or_default();
    let count = rest.len().min(buffer.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}
