//! The one place that appends to the newest segment.
//!
//! The writer stands behind a `vfs::Mutex`, which may span I/O. It encodes frames into the tail
//! buffer, writes the buffer out, syncs, and keeps account of how far each has come.
//!
//! Invariants:
//! - \[I1\] Frames are written in sequence by one handle, and what a frame says was durable was
//!   made so through that handle before the frame was encoded.
//! - \[I2\] After a failure the file ends, durably, with the last good frame, or the log is
//!   poisoned. No space: the file is cut back to what was written before, and the cut is synced
//!   before anyone hears of it, so what failed can never come back. Anything else, and any failing
//!   sync: poison.
//! - \[I3\] Acknowledged commits that were not written out stay in the buffer when a write fails
//!   for lack of space, and are tried again.
//! - \[I4\] It appends only to segments that this opening made, each durable with its name before
//!   the first append.
//! - \[I5\] A panic or a simulated crash in the middle of a write leaves `busy` set, and nothing is
//!   written after that.
//! - \[I6\] What a synced commit is acknowledged on is the file that has the segment's name, in a
//!   process that holds the lock.

use std::mem;
use std::sync::Arc;

use blackstart_vfs::{FileId, Lock};

use super::creation::Creation;
use super::directory::OpenFile;
use super::error::{Failure, LogError};
use super::frame::{self, FRAME_HEADER_BYTES, FrameHeader, FrameKind, frame_bytes};
use super::header::{Predecessor, SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader, position};
use super::keeper::SuperblockKeeper;
use super::link::Link;
use super::options::{Features, LogOptions};
use super::recovery::apply::take_over;
use super::recovery::plan::Takeover;
use super::segment::{NewSegment, Sealed, Segment};
use super::source::LogSource;
use super::state::{Active, LogStats, Phase, Shared, State, TailBuffer};
use super::{Epoch, Incarnation, TxOffset};

/// An acknowledged commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset of its first transaction.
    pub first: TxOffset,
    /// The number of its transactions.
    pub count: u32,
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// The opening that wrote it.
    pub incarnation: Incarnation,
}

impl Committed {
    /// Its transactions' offsets.
    pub fn range(&self) -> std::ops::Range<TxOffset> {
        let end = self.first.checked_add(self.count.into());
        self.first..end.expect("the writer has checked that the offsets suffice")
    }
}

/// What a commit consists of, before it is encoded.
pub(crate) trait Payload {
    fn tx_count(&self) -> u32;
    fn payload_bytes(&self) -> u64;
    fn append_to(&self, buffer: &mut Vec<u8>);
}

/// The superblock's keeper. Whoever decides what it says of the history holds it until that is
/// done: a retention and a truncation exclude each other by it.
pub(crate) type Keeper = Arc<blackstart_vfs::Mutex<SuperblockKeeper>>;

/// Appends to the newest segment.
pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub options: LogOptions,
    pub incarnation: Incarnation,
    pub keeper: Keeper,
    pub segment: Arc<Segment>,
    pub file: Arc<OpenFile>,
    file_id: FileId,
    /// The directory's lock, until the log is closed.
    pub lock: Option<Box<dyn Lock>>,
    /// Where the next frame goes; the buffer ends here.
    pub end: Link,
    /// What the operating system has; the buffer starts here.
    pub written: Link,
    /// What is known to be durable.
    pub durable: Link,
    /// The file's length.
    file_len: u64,
    /// Whether preallocating has not failed in this segment.
    preallocates: bool,
    /// Size of the last synced batch; used to predict the next.
    pub batch_commits: usize,
    busy: bool,
}

impl Writer {
    /// A writer that goes on at `end` of the newest segment. If that was made by this opening,
    /// `file_len` is its length.
    pub fn new(
        shared: Arc<Shared>,
        options: LogOptions,
        incarnation: Incarnation,
        keeper: Keeper,
        lock: Box<dyn Lock>,
        file: Arc<OpenFile>,
        file_len: u64,
    ) -> Result<Self, LogError> {
        let (segment, end) = {
            let state = shared.state.lock();
            (state.active.segment.clone(), state.visible)
        };
        Ok(Self {
            file_id: file.id()?,
            shared,
            options,
            incarnation,
            keeper,
            segment,
            file,
            lock: Some(lock),
            end,
            written: end,
            durable: end,
            file_len,
            preallocates: true,
            batch_commits: 1,
            busy: false,
        })
    }

    /// Runs `body`, unless an earlier one never came back or writing is refused.
    pub fn guard<R>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<R, LogError>,
    ) -> Result<R, LogError> {
        if self.busy {
            self.shared.poison(&LogError::Interrupted);
        }
        if let Some(refusal) = self.shared.refusal() {
            return Err(refusal);
        }
        self.busy = true;
        let result = body(self);
        self.busy = false;
        result
    }

    /// Poisons the log if the failure is fatal, and gives the error to report.
    pub fn poison_if_fatal(&self, failure: Failure) -> LogError {
        match failure {
            Failure::Harmless(error) => error,
            Failure::Fatal(error) => {
                self.shared.poison(&error);
                match error {
                    // "No space" alone would say that nothing happened and the log goes on.
                    LogError::NoSpace { .. } => LogError::Poisoned {
                        cause: Arc::new(error),
                    },
                    error => error,
                }
            }
        }
    }

    /// If the failure is harmless, takes back what was encoded since `savepoint`.
    pub fn take_back(&mut self, failure: Failure, savepoint: Link) -> Failure {
        if let Failure::Harmless(_) = failure {
            self.roll_back(savepoint);
        }
        failure
    }

    pub fn epoch(&self) -> Epoch {
        self.segment.header.epoch
    }

    fn is_found(&self) -> bool {
        matches!(self.shared.state.lock().phase, Phase::Found)
    }

    /// Whether the segment has any commits.
    fn has_commits(&self) -> bool {
        self.end.next > self.segment.header.first
    }

    /// Whether a commit with a payload of so many bytes still belongs into this segment.
    pub fn fits(&self, payload_bytes: u64) -> bool {
        let end = self.end.at.plus(frame_bytes(payload_bytes));
        !self.has_commits() || end.get() <= self.options.segment_bytes_max
    }

    /// The bytes that are encoded and not written out.
    pub fn buffered_bytes(&self) -> u64 {
        self.end.at.since(self.written.at)
    }

    /// Takes back what was encoded since `savepoint`. None of it was written out.
    fn roll_back(&mut self, savepoint: Link) {
        assert!(
            savepoint.at >= self.written.at,
            "[I2] what is written is not taken back"
        );
        let kept = savepoint.at.since(self.written.at) as usize;
        let mut state = self.shared.state.lock();
        buffer(&mut state).truncate(kept);
        state.active.index.cut(savepoint.at);
        self.end = savepoint;
    }

    /// Makes the newest segment one of this opening: before the first append behind a clean close.
    pub fn begin(&mut self) -> Result<(), Failure> {
        if !self.is_found() {
            return Ok(());
        }
        self.expect_lock()?;
        let old = self.segment.header;
        let takeover = Takeover::new(&old, self.end, self.end, self.incarnation, None);
        let directory = self.shared.directory.clone();
        let segment_bytes_max = self.options.segment_bytes_max;
        let shared = self.shared.clone();
        let renaming = shared.renaming.lock();
        let new = take_over(&directory, &old, self.end, &takeover, segment_bytes_max)?;
        self.expect_predecessor(&new)?;
        self.enter(new)?;
        drop(renaming);
        self.note_newest();
        Ok(())
    }

    /// Encodes a commit into the buffer. [`begin`](Self::begin) comes first.
    pub fn append_commit(&mut self, payload: &dyn Payload) -> Result<Committed, Failure> {
        let count = payload.tx_count();
        let Some(next) = self.end.next.checked_add(count.into()) else {
            return Err(Failure::Harmless(LogError::Exhausted {
                number: "tx offset",
            }));
        };
        let first = self.end.next;
        let savepoint = self.end;
        self.append(
            FrameKind::Commit,
            count,
            next,
            payload.payload_bytes(),
            |buffer| {
                payload.append_to(buffer);
            },
        );
        self.shared.state.lock().active.index.add(savepoint);
        Ok(Committed {
            first,
            count,
            epoch: self.epoch(),
            incarnation: self.incarnation,
        })
    }

    fn append(
        &mut self,
        kind: FrameKind,
        tx_count: u32,
        next: TxOffset,
        payload_bytes: u64,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let header = FrameHeader {
            kind,
            tag: self.segment.header.tag,
            prev: self.end.prev,
            payload_len: u32::try_from(payload_bytes).expect("a frame is below 1 GiB"),
            tx_count,
            first: self.end.next,
            durable_bytes: position(self.durable.at),
        };
        let key = self.segment.header.key();
        let mut state = self.shared.state.lock();
        let buffer = buffer(&mut state);
        let from = buffer.len();
        buffer.reserve(frame_bytes(payload_bytes) as usize);
        buffer.resize(from + FRAME_HEADER_BYTES, 0);
        encode(buffer);
        let prev = frame::seal(buffer, from, &header, &key, self.end.at);
        let at = self.end.at.plus((buffer.len() - from) as u64);
        self.end = Link { at, prev, next };
    }

    /// Writes the buffer out.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let bytes = self.shared.state.lock().active.tail.bytes.clone();
        if bytes.is_empty() {
            return Ok(());
        }
        self.expect_lock()?;
        if let Err(error) = self.file.write(&bytes, self.written.at.get()) {
            return Err(self.after_failed_write(error));
        }
        let len = bytes.len() as u64;
        // The last reference but one, so that the buffer can be changed again.
        drop(bytes);
        self.written = self.end;
        self.file_len = self.file_len.max(self.end.at.get());
        let buffer_bytes_max = self.options.buffer_bytes_max;
        let mut state = self.shared.state.lock();
        state.active.tail.base = self.end.at.get();
        state.stats.bytes_written += len;
        let buffer = buffer(&mut state);
        buffer.clear();
        // A single huge commit does not keep its memory.
        buffer.shrink_to(buffer_bytes_max.saturating_mul(2) as usize);
        Ok(())
    }

    /// [I6] In a child of a fork the log belongs to the parent.
    pub fn expect_lock(&self) -> Result<(), Failure> {
        let Some(lock) = &self.lock else {
            return Ok(());
        };
        lock.check().map_err(|error| {
            Failure::Fatal(LogError::Forked {
                dir: self.shared.directory.shown_dir(),
                source: Arc::new(error),
            })
        })
    }

    /// [I6] The file that was synced is the one that an opening will find.
    fn expect_name(&self) -> Result<(), Failure> {
        let directory = &self.shared.directory;
        let named = directory
            .id_of(&self.segment.name)
            .map_err(Failure::Fatal)?;
        if named == Some(self.file_id) {
            return Ok(());
        }
        Err(Failure::Fatal(LogError::Replaced {
            file: directory.shown(&self.segment.name),
        }))
    }

    /// [I6] A segment that has its name goes on where the newest one ends: that is there still.
    /// Asked once the new name is there, so that no moment is left out between one file and the
    /// next.
    pub fn expect_predecessor(&self, new: &NewSegment) -> Result<(), Failure> {
        let before = new.header.predecessor;
        match before.is_some_and(|before| before.first == self.segment.header.first) {
            true => self.expect_name(),
            false => Ok(()),
        }
    }

    /// Extends the file beyond what will be written and synced, so that most syncs change no
    /// length. A failure means that it is not done in this segment any more.
    fn preallocate(&mut self) {
        let (end, ahead) = (self.end.at.get(), self.options.preallocate_bytes);
        let len = end
            .saturating_add(ahead)
            .min(self.options.segment_bytes_max);
        if !self.preallocates || ahead == 0 || end <= self.file_len || len <= end {
            return;
        }
        match self.file.set_len(len) {
            Ok(()) => self.file_len = len,
            Err(_) => self.preallocates = false,
        }
    }

    /// Makes the file end again where it ended before a failed write.
    fn after_failed_write(&mut self, error: LogError) -> Failure {
        if !matches!(error, LogError::NoSpace { .. }) {
            return Failure::Fatal(error);
        }
        let end = self.written.at.get();
        let cut = self.file.set_len(end).and_then(|()| self.file.sync_all());
        if let Err(error) = cut {
            return Failure::Fatal(error);
        }
        self.file_len = end;
        self.durable = self.written;
        let mut state = self.shared.state.lock();
        state.stats.syncs += 1;
        state.durable = self.durable;
        self.shared.publish(&state);
        Failure::Harmless(error)
    }

    /// Writes the buffer out and makes everything durable.
    pub fn sync(&mut self) -> Result<(), Failure> {
        if self.buffered_bytes() > 0 {
            self.preallocate();
        }
        self.flush()?;
        if self.durable == self.written {
            return Ok(());
        }
        self.expect_lock()?;
        self.file.sync_data().map_err(Failure::Fatal)?;
        self.expect_name()?;
        self.durable = self.written;
        self.shared.state.lock().stats.syncs += 1;
        Ok(())
    }

    /// As [`sync`](Self::sync), for who leads no batch: all that was encoded is published, and
    /// readers learn that it is durable.
    pub fn sync_published(&mut self) -> Result<(), Failure> {
        self.sync()?;
        self.publish(|_| {});
        Ok(())
    }

    /// Goes on in a new segment, unless the newest one has no commits and these features. All that
    /// was encoded is published before.
    pub fn rotate(&mut self, features: Features) -> Result<(), Failure> {
        let features = self.segment.header.features.union(features);
        if !self.has_commits() && features == self.segment.header.features {
            return Ok(());
        }
        self.begin()?;
        self.sync_published()?;
        let old = self.segment.header;
        if !self.has_commits() && features == old.features {
            return Ok(());
        }
        self.expect_lock()?;
        let header = SegmentHeader {
            features,
            flags: SegmentFlags::NONE,
            first: self.end.next,
            oldest: self.shared.state.lock().oldest,
            predecessor: Some(Predecessor::new(&old, self.end)),
            cut_epoch: None,
            ..old
        };
        // A segment without commits gives its name to the next one.
        let header = match self.has_commits() {
            true => header,
            false => SegmentHeader { features, ..old },
        };
        let directory = self.shared.directory.clone();
        let staged = Creation::begin(&directory, header, self.options.segment_bytes_max)
            .map_err(Failure::Harmless)
            .and_then(Creation::finish)
            .inspect_err(|_| Creation::abandon(&directory, header.first))?;
        let new = staged.publish().map_err(Failure::Fatal)?;
        self.expect_predecessor(&new)?;
        self.enter(new)?;
        self.shared.state.lock().stats.rotations += 1;
        self.note_newest();
        Ok(())
    }

    /// Syncs everything and ends the segment with a close mark, durably.
    pub fn write_close_mark(&mut self) -> Result<(), Failure> {
        if self.is_found() {
            return Ok(());
        }
        self.sync_published()?;
        let savepoint = self.end;
        self.append(FrameKind::Close, 0, self.end.next, 0, |_| {});
        if let Err(failure) = self.flush() {
            return Err(self.take_back(failure, savepoint));
        }
        let end = self.end.at.get();
        if self.file_len > end {
            self.file.set_len(end).map_err(Failure::Fatal)?;
            self.file_len = end;
        }
        self.file.sync_all().map_err(Failure::Fatal)?;
        self.expect_name()?;
        self.note(self.end.next);
        Ok(())
    }

    /// Goes on in a new segment. The old one is followed by it, unless it has lost its name to it.
    pub fn enter(&mut self, new: NewSegment) -> Result<(), Failure> {
        let is_followed = new.header.first > self.segment.header.first;
        let end = self.end;
        self.enter_and(new, |state, segment| {
            if is_followed {
                let sealed = Sealed { segment, end };
                state.sealed.insert(sealed.segment.header.first, sealed);
            }
        })
    }

    /// Goes on in a new segment; `update` changes what readers know of the others, at the same
    /// moment.
    pub fn enter_and(
        &mut self,
        new: NewSegment,
        update: impl FnOnce(&mut State, Arc<Segment>),
    ) -> Result<(), Failure> {
        let file_id = new.file.id().map_err(Failure::Fatal)?;
        let segment = Segment::new(new.header);
        let end = new.end;
        let next = Active {
            segment: segment.clone(),
            file: Some(new.file.clone()),
            index: new.index,
            tail: TailBuffer {
                base: end.at.get(),
                bytes: Arc::default(),
            },
        };
        let mut state = self.shared.state.lock();
        assert!(state.active.tail.bytes.is_empty(), "everything is written");
        let last = mem::replace(&mut state.active, next);
        if matches!(state.phase, Phase::Writing) {
            // It knows the whole segment, as one that was found does not.
            drop(last.segment.index.set(last.index));
        }
        update(&mut state, last.segment);
        (state.visible, state.durable) = (end, end);
        if matches!(state.phase, Phase::Found) {
            state.phase = Phase::Writing;
        }
        self.shared.publish(&state);
        drop(state);
        self.segment = segment;
        self.file = new.file;
        self.file_id = file_id;
        (self.end, self.written, self.durable) = (end, end, end);
        self.file_len = new.len;
        self.preallocates = true;
        Ok(())
    }

    /// Has the superblock name the newest segment, which is durable. The log can do without: the
    /// superblock says less then, and nothing that is wrong.
    pub fn note_newest(&self) {
        self.note(self.segment.header.durable_through);
    }

    fn note(&self, durable_through: TxOffset) {
        let newest = self.segment.header;
        let mut keeper = self.keeper.lock();
        let updated = keeper.update(|superblock| superblock.describe(&newest, durable_through));
        if updated.is_err() {
            self.shared.state.lock().stats.superblock_failures += 1;
        }
    }

    /// Lets readers see everything that was encoded, and counts it.
    pub fn publish(&self, count: impl FnOnce(&mut LogStats)) {
        let mut state = self.shared.state.lock();
        count(&mut state.stats);
        state.visible = self.end;
        state.durable = self.durable;
        self.shared.publish(&state);
    }
}

/// The tail buffer, to be changed.
fn buffer(state: &mut State) -> &mut Vec<u8> {
    let buffer = Arc::get_mut(&mut state.active.tail.bytes);
    buffer.expect("only a flush shares the buffer, and gives it back")
}

/// The smallest segment has room for a header and a commit: what a writer assumes of the options.
const _: () = assert!(
    LogOptions::SEGMENT_BYTES_MIN as usize >= SEGMENT_HEADER_BYTES + 2 * FRAME_HEADER_BYTES
);

/// Positions fit the frames' fields: one frame may overshoot a segment's limit, once.
const _: () = assert!(
    LogOptions::SEGMENT_BYTES_MAX + LogOptions::FRAME_BYTES_MAX + (1 << 20) < u32::MAX as u64
);

#[cfg(test)]
mod tests;
