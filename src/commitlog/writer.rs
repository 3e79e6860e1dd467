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
//! - \[I4\] Behind a close mark nothing is written before an open mark is durable. Without it a
//!   crash could lose all that followed the close, the log would seem closed, and the same epoch
//!   would give the same offsets to other transactions.
//! - \[I5\] A panic or a simulated crash in the middle of a write leaves `busy` set, and nothing is
//!   written after that.

use std::mem;
use std::sync::Arc;

use super::chain::Link;
use super::creation::{Newborn, durable_bytes};
use super::error::LogError;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, MARK_BYTES, Mark, Place};
use super::group::{Committed, LogStats};
use super::header::SEGMENT_HEADER_BYTES;
use super::index::SparseIndex;
use super::options::LogOptions;
use super::recovery::Cut;
use super::shared::{Active, Point, Segment, Shared, State, TailBuffer};
use super::source::OpenFile;
use super::{Epoch, TxOffset};
use crate::codec::ByteOffset;

/// What happens to the log when a step fails.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has changed; the log goes on.
    Harmless(LogError),
    /// What is on the disk is unknown; the log is poisoned.
    Fatal(LogError),
}

impl Failure {
    /// A failed write: for lack of space it can be undone.
    pub fn of_write(error: LogError) -> Self {
        match error {
            LogError::NoSpace { .. } => Self::Harmless(error),
            _ => Self::Fatal(error),
        }
    }

    pub fn into_error(self) -> LogError {
        let (Self::Harmless(error) | Self::Fatal(error)) = self;
        error
    }
}

/// What a commit consists of, before it is encoded.
pub(crate) trait Payload {
    fn tx_count(&self) -> u32;
    fn payload_bytes(&self) -> u64;
    /// Appends the payload and returns its checksum.
    fn append_to(&self, buffer: &mut Vec<u8>) -> u32;
}

/// How the segment ends as long as nothing was appended by this opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// With a close mark.
    Closed,
    /// Otherwise; or an open mark follows the close.
    Open,
}

/// A moment to which the buffer can be rolled back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    link: Link,
    buffered: usize,
}

/// Appends to the newest segment.
#[derive(Debug)]
pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub options: LogOptions,
    pub segment: Arc<Segment>,
    pub file: Arc<OpenFile>,
    /// Where the next frame goes; the buffer ends here.
    pub link: Link,
    /// What the operating system has; the buffer starts here.
    pub written: Point,
    /// What is known to be durable.
    pub durable: Point,
    /// The file's length.
    pub file_len: u64,
    /// Retired segments to be reused.
    pub spares: Vec<TxOffset>,
    /// How many commits the last synced batch had: as many may come again.
    pub batch_commits: usize,
    begun: Begun,
    busy: bool,
}

impl Writer {
    /// A writer that goes on at the end of `newest`, which ends with a close mark if `closed`.
    pub fn new(
        shared: Arc<Shared>,
        options: LogOptions,
        newest: Newborn,
        closed: bool,
        spares: Vec<TxOffset>,
    ) -> Self {
        let segment = shared.state.lock().active.segment.clone();
        let written = Point::of(newest.link);
        // The close mark itself may be in the page cache only; what it vouches for is not.
        let mark_bytes = if closed { MARK_BYTES as u64 } else { 0 };
        let at = ByteOffset::new(written.at.get().saturating_sub(mark_bytes));
        Self {
            shared,
            options,
            segment,
            file: newest.file,
            link: newest.link,
            written,
            durable: Point { at, ..written },
            file_len: newest.len,
            spares,
            batch_commits: 1,
            begun: if closed { Begun::Closed } else { Begun::Open },
            busy: false,
        }
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

    /// Poisons the log if the failure asks for it, and gives the error to report.
    pub fn settle(&self, failure: Failure) -> LogError {
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

    /// As [`settle`](Self::settle); if the log goes on, it goes on from `start`.
    pub fn undo(&mut self, failure: Failure, start: Moment) -> LogError {
        let failure = self.take_back(failure, start);
        self.settle(failure)
    }

    /// As [`undo`](Self::undo), for a caller that hands the failure on.
    pub fn take_back(&mut self, failure: Failure, start: Moment) -> Failure {
        if let Failure::Harmless(_) = failure {
            self.roll_back(start);
        }
        failure
    }

    pub fn epoch(&self) -> Epoch {
        self.segment.header.epoch
    }

    /// Whether the segment has any commits.
    pub fn has_commits(&self) -> bool {
        self.link.next > self.segment.header.first
    }

    /// Whether a frame of so many bytes still belongs into this segment.
    pub fn fits(&self, frame_bytes: u64) -> bool {
        // The seal must fit as well.
        let end = self.link.at.plus(frame_bytes).plus(MARK_BYTES as u64);
        !self.has_commits() || end.get() <= self.options.segment_bytes_max
    }

    /// The bytes that are encoded and not written out.
    pub fn buffered_bytes(&self) -> u64 {
        self.link.at.since(self.written.at)
    }

    pub fn moment(&self) -> Moment {
        Moment {
            link: self.link,
            buffered: self.buffered_bytes() as usize,
        }
    }

    /// Takes back what was encoded since `moment`. None of it was written out.
    pub fn roll_back(&mut self, moment: Moment) {
        assert!(
            moment.link.at >= self.written.at,
            "what is written is not taken back"
        );
        let mut state = self.shared.state.lock();
        Arc::make_mut(&mut state.active.tail.bytes).truncate(moment.buffered);
        state.active.index.cut(moment.link.at);
        self.link = moment.link;
    }

    fn place(&self) -> Place {
        Place {
            epoch: self.epoch(),
            next: self.link.next,
            prev: self.link.prev,
            durable_through: self.durable.tx,
            durable_bytes: durable_bytes(self.durable.at),
        }
    }

    /// Encodes a commit into the buffer. [`begin`](Self::begin) comes first.
    pub fn append_commit(&mut self, payload: &dyn Payload) -> Result<Committed, Failure> {
        let count = payload.tx_count();
        let Some(next) = self.link.next.checked_add(count.into()) else {
            return Err(Failure::Harmless(LogError::Exhausted {
                number: "tx offset",
            }));
        };
        let place = self.place();
        let mut state = self.shared.state.lock();
        let buffer = Arc::make_mut(&mut state.active.tail.bytes);
        let (from, at) = (buffer.len(), self.link.at);
        buffer.resize(from + FRAME_HEADER_BYTES, 0);
        let payload_checksum = payload.append_to(buffer);
        let frame_bytes = buffer.len() - from;
        let header = FrameHeader {
            kind: FrameKind::Commit,
            first: place.next,
            durable_through: place.durable_through,
            epoch: place.epoch,
            tx_count: count,
            payload_len: (frame_bytes - FRAME_HEADER_BYTES) as u32,
            payload_checksum,
            prev: place.prev,
            durable_bytes: place.durable_bytes,
        };
        assert_eq!(
            u64::from(header.payload_len),
            payload.payload_bytes(),
            "as announced"
        );
        let (head, checksum) = header.encode(self.segment.identity().seed, at);
        if let Some(place) = buffer.get_mut(from..from + FRAME_HEADER_BYTES) {
            place.copy_from_slice(&head);
        }
        state.active.index.add(self.link);
        self.link = Link {
            at: at.plus(frame_bytes as u64),
            prev: checksum,
            next,
        };
        Ok(Committed {
            first: place.next,
            count,
            epoch: place.epoch,
        })
    }

    /// Encodes a mark into the buffer. [`begin`](Self::begin) comes first.
    pub fn append_mark(&mut self, mark: Mark) {
        let seed = self.segment.identity().seed;
        let (bytes, checksum) = mark.encode(&self.place(), seed, self.link.at);
        let mut state = self.shared.state.lock();
        Arc::make_mut(&mut state.active.tail.bytes).extend_from_slice(&bytes);
        self.link.at = self.link.at.plus(bytes.len() as u64);
        self.link.prev = checksum;
    }

    /// Before the first append behind a close mark: writes an open mark, durably.
    pub fn begin(&mut self) -> Result<(), Failure> {
        if self.begun == Begun::Open {
            return Ok(());
        }
        let moment = self.moment();
        self.restore_close_mark()?;
        self.append_mark(Mark {
            kind: FrameKind::Open,
            number: 0,
        });
        if let Err(failure) = self.sync() {
            return Err(self.take_back(failure, moment));
        }
        self.begun = Begun::Open;
        Ok(())
    }

    /// Writes the close mark once more. It may be in the page cache only: after a kill, or after
    /// a failed sync whose pages were marked clean. What will be written behind it says that it is
    /// durable. Tearing it loses nothing, since everything before it is durable.
    fn restore_close_mark(&mut self) -> Result<(), Failure> {
        let end = self.link.at.get();
        let Some(at) = end.checked_sub(MARK_BYTES as u64) else {
            return Ok(());
        };
        // Whatever a sync has said of it before: a crash may tear what is written again, so the
        // frames behind it must not vouch for it.
        let before = ByteOffset::new(at);
        if self.durable.at > before {
            self.durable = Point {
                at: before,
                ..self.durable
            };
        }
        let mut mark = [0; MARK_BYTES];
        let read = super::source::ReadAt::read_full_at(&*self.file, &mut mark, at);
        read.map_err(Failure::Harmless)?;
        let written = self.file.write(&mark, at);
        written.map_err(|error| self.after_failed_write(error))
    }

    /// Writes the buffer out.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let bytes = self.shared.state.lock().active.tail.bytes.clone();
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write(&bytes, self.written.at.get()) {
            return Err(self.after_failed_write(error));
        }
        let len = bytes.len() as u64;
        // The last reference but one, so that the buffer can be changed again.
        drop(bytes);
        self.written = Point::of(self.link);
        self.file_len = self.file_len.max(self.link.at.get());
        let mut state = self.shared.state.lock();
        state.active.tail.base = self.link.at.get();
        let buffer = Arc::make_mut(&mut state.active.tail.bytes);
        buffer.clear();
        // A single huge commit does not keep its memory.
        buffer.shrink_to(self.options.buffer_bytes_max.saturating_mul(2) as usize);
        state.stats.bytes_written += len;
        Ok(())
    }

    /// Extends the file beyond what will be written and synced, so that most syncs change no
    /// size. What is not synced at once gains nothing by it.
    fn set_len_ahead(&mut self) -> Result<(), Failure> {
        let (end, ahead) = (self.link.at.get(), self.options.size_ahead_bytes);
        let len = end
            .saturating_add(ahead)
            .min(self.options.segment_bytes_max);
        if ahead == 0 || end <= self.file_len || len <= end {
            return Ok(());
        }
        if let Err(error) = self.file.set_len(len) {
            return Err(self.after_failed_write(error));
        }
        self.file_len = len;
        Ok(())
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
        let is_untouched = self.begun == Begun::Closed && self.buffered_bytes() == 0;
        // Nothing was appended since the close mark: it may be written over, so it is not counted
        // as durable.
        if is_untouched {
            return Ok(());
        }
        self.set_len_ahead()?;
        self.flush()?;
        if self.durable == self.written {
            return Ok(());
        }
        self.file.sync_data().map_err(Failure::Fatal)?;
        self.durable = self.written;
        self.shared.state.lock().stats.syncs += 1;
        Ok(())
    }

    /// Ends the segment, which is synced, with `seal`; the file ends behind it, durably.
    pub fn seal(&mut self, seal: &Cut) -> Result<(), Failure> {
        let end = seal.at.plus(MARK_BYTES as u64);
        if let Err(error) = self.file.write(&seal.seal, seal.at.get()) {
            return Err(self.after_failed_write(error));
        }
        if self.file_len > end.get() {
            self.file.set_len(end.get()).map_err(Failure::Fatal)?;
        }
        self.file.sync_all().map_err(Failure::Fatal)
    }

    /// Writes a close mark and has the file end behind it, durably. Everything before is synced
    /// first, since the mark says so.
    pub fn write_close_mark(&mut self, oldest: TxOffset) -> Result<(), Failure> {
        if self.begun == Begun::Closed {
            return self.confirm_close_mark();
        }
        self.sync()?;
        let moment = self.moment();
        self.append_mark(Mark {
            kind: FrameKind::Close,
            number: oldest.get(),
        });
        if let Err(failure) = self.flush() {
            return Err(self.take_back(failure, moment));
        }
        if self.file_len > self.link.at.get() {
            self.file
                .set_len(self.link.at.get())
                .map_err(Failure::Fatal)?;
            self.file_len = self.link.at.get();
        }
        self.file.sync_all().map_err(Failure::Fatal)?;
        self.durable = self.written;
        self.begun = Begun::Closed;
        Ok(())
    }

    /// Makes the close mark durable that this opening has found and written nothing behind.
    fn confirm_close_mark(&mut self) -> Result<(), Failure> {
        if self.durable == self.written {
            return Ok(());
        }
        self.restore_close_mark()?;
        self.file.sync_all().map_err(Failure::Fatal)?;
        self.durable = self.written;
        Ok(())
    }

    /// Goes on in a new segment; `update` changes what readers know of the others, at the same
    /// moment. Returns the index of the old one.
    pub fn enter(
        &mut self,
        newborn: Newborn,
        update: impl FnOnce(&mut State, Arc<Segment>),
    ) -> SparseIndex {
        let Newborn {
            file,
            len,
            header,
            link,
            index,
        } = newborn;
        let (segment, point) = (Segment::new(header), Point::of(link));
        let tail = TailBuffer {
            base: link.at.get(),
            bytes: Arc::default(),
        };
        let next = Active {
            segment: segment.clone(),
            file: Some(file.clone()),
            index,
            tail,
        };
        let mut state = self.shared.state.lock();
        let last = mem::replace(&mut state.active, next);
        update(&mut state, last.segment);
        (state.visible, state.durable) = (point, point);
        self.shared.publish(&state);
        drop(state);
        self.segment = segment;
        self.file = file;
        self.link = link;
        (self.written, self.durable) = (point, point);
        self.file_len = len;
        self.begun = Begun::Open;
        last.index
    }

    /// Lets readers see everything that was encoded, and counts it.
    pub fn publish(&self, count: impl FnOnce(&mut LogStats)) {
        let mut state = self.shared.state.lock();
        count(&mut state.stats);
        state.visible = Point::of(self.link);
        state.durable = self.durable;
        self.shared.publish(&state);
    }
}

/// The least length of a segment: what a writer assumes of the options.
const _: () = assert!(
    LogOptions::SEGMENT_BYTES_LEAST as usize
        >= SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 2 * MARK_BYTES
);

/// Positions fit the frames' fields: one frame may overshoot a segment's limit, once.
const _: () = assert!(
    LogOptions::SEGMENT_BYTES_MOST + LogOptions::FRAME_BYTES_MOST + (1 << 20) < u32::MAX as u64
);

#[cfg(test)]
mod tests;
