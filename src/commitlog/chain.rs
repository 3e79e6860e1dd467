//! Walking the frames of one segment in sequence.
//!
//! Invariants:
//! - \[I1\] A frame is passed on only if it continues the chain: position, creation tag, the
//!   checksum of the frame before, the next tx offset.
//! - \[I2\] Nothing at or beyond the limit is read, and the buffer never grows beyond what stands
//!   before it, whatever a length says.
//! - \[I3\] The end of the chain is an answer, a failing read is an error.
//!
//! Not here: what the end of a chain means (see `recovery::plan`).

use super::TxOffset;
use super::error::LogError;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKey, FrameKind, RawHeader};
use super::link::Link;
use super::records::Ends;
use super::source::ReadAt;
use crate::codec::{ByteOffset, Defect, Value};

/// How many bytes are read at once, unless a frame is larger.
const CHUNK_BYTES_MAX: u64 = 256 << 10;

/// How closely a frame is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Its header: enough to find a place. A large payload is not read.
    Header,
    /// Its payload too.
    Payload,
    /// A commit's records as well: they can be shown then.
    Records,
}

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame; its payload is in [`Chain::payload`], unless only its header was checked.
    Frame(FrameHeader),
    /// Nothing: the limit.
    End,
    /// Something that does not continue the chain.
    Break(Defect),
}

/// A walk over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Chain {
    key: FrameKey,
    link: Link,
    /// The frame passed on last, for [`payload`](Self::payload).
    payload_from: usize,
    payload_len: usize,
    /// Its records, if they were checked.
    ends: Ends,
    buffer: Vec<u8>,
    /// The bytes `head..tail` of the buffer stand at the link's position.
    head: usize,
    tail: usize,
}

impl Chain {
    /// A walk that starts at `link`.
    pub fn new(key: FrameKey, link: Link) -> Self {
        Self {
            key,
            link,
            payload_from: 0,
            payload_len: 0,
            ends: Ends::default(),
            buffer: Vec::new(),
            head: 0,
            tail: 0,
        }
    }

    /// Where the walk is.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The payload of the frame passed on last.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload_from..self.payload_from + self.payload_len]
    }

    /// Where its records end, if it is a commit that was checked for that.
    #[inline]
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Goes back to a place it came from.
    pub fn back_to(&mut self, link: Link) {
        let back = self.link.at.since(link.at) as usize;
        match self.head.checked_sub(back) {
            // What was read is still in front of the head.
            Some(head) if self.tail > 0 => self.head = head,
            _ => (self.head, self.tail) = (0, 0),
        }
        self.link = link;
    }

    /// The next frame, if it stands before `limit` and continues the chain.
    #[inline]
    pub fn step<F>(&mut self, file: &F, limit: ByteOffset, check: Check) -> Result<Step, LogError>
    where
        F: ReadAt + ?Sized,
    {
        let at = self.link.at;
        if at >= limit {
            return Ok(Step::End);
        }
        if !self.fill(file, FRAME_HEADER_BYTES as u64, limit)? {
            return Ok(self.short("frame header", FRAME_HEADER_BYTES as u64));
        }
        let mut head = [0; FRAME_HEADER_BYTES];
        head.copy_from_slice(&self.buffer[self.head..self.head + FRAME_HEADER_BYTES]);
        let raw = RawHeader::new(head);
        let covered = FRAME_HEADER_BYTES + raw.covered_payload_len() as usize;
        if !self.fill(file, covered as u64, limit)? {
            return Ok(self.short("payload", covered as u64));
        }
        let bytes = &self.buffer[self.head + 4..self.head + covered];
        let (header, checksum) = match raw.check(bytes, &self.key, at) {
            Ok(checked) => checked,
            Err(defect) => return Ok(Step::Break(defect)),
        };
        if header.prev != self.link.prev || header.first != self.link.next {
            return Ok(Step::Break(self.wrong_place(&header)));
        }
        let next = match header.end(at) {
            Ok(next) => next,
            Err(defect) => return Ok(Step::Break(defect)),
        };
        if let Some(step) = self.take_payload(file, &header, limit, check)? {
            return Ok(step);
        }
        self.link = Link {
            at: at.plus(header.frame_bytes()),
            prev: checksum,
            next,
        };
        Ok(Step::Frame(header))
    }

    /// Moves behind the frame at the head, whose payload is checked first. Returns why it is not
    /// passed on, if it is not.
    #[inline]
    fn take_payload<F>(
        &mut self,
        file: &F,
        header: &FrameHeader,
        limit: ByteOffset,
        check: Check,
    ) -> Result<Option<Step>, LogError>
    where
        F: ReadAt + ?Sized,
    {
        let frame_bytes = header.frame_bytes();
        if header.is_large() && check == Check::Header {
            return Ok(self.skip(frame_bytes, limit));
        }
        if !self.fill(file, frame_bytes, limit)? {
            return Ok(Some(self.short("payload", frame_bytes)));
        }
        self.payload_from = self.head + FRAME_HEADER_BYTES;
        self.payload_len = header.payload_len as usize;
        let checked = match header.is_large() {
            true => self.check_large(header, check),
            false if check == Check::Records && header.kind == FrameKind::Commit => {
                let payload = self.payload_from..self.payload_from + self.payload_len;
                let at = self.link.at.plus(FRAME_HEADER_BYTES as u64);
                self.ends.walk(&self.buffer[payload], header.tx_count, at)
            }
            false => Ok(()),
        };
        if let Err(defect) = checked {
            return Ok(Some(Step::Break(defect)));
        }
        self.head += frame_bytes as usize;
        Ok(None)
    }

    /// Moves behind a large frame without its payload.
    fn skip(&mut self, frame_bytes: u64, limit: ByteOffset) -> Option<Step> {
        if frame_bytes > limit.since(self.link.at) {
            return Some(self.short("payload", frame_bytes));
        }
        (self.payload_from, self.payload_len) = (0, 0);
        match self.head.checked_add(frame_bytes as usize) {
            Some(head) if head <= self.tail => self.head = head,
            _ => (self.head, self.tail) = (0, 0),
        }
        None
    }

    /// Checks a payload that has a checksum of its own.
    fn check_large(&mut self, header: &FrameHeader, check: Check) -> Result<(), Defect> {
        let end = self.payload_from + self.payload_len;
        let payload = &self.buffer[self.payload_from..end];
        let at = self.link.at.plus(FRAME_HEADER_BYTES as u64);
        let (computed, records) = match check {
            Check::Records if header.kind == FrameKind::Commit => {
                self.ends.find(payload, header.tx_count, at)
            }
            _ => (crc32fast::hash(payload), Ok(())),
        };
        let mut stored = [0; 4];
        stored.copy_from_slice(&self.buffer[end..end + 4]);
        let stored = u32::from_le_bytes(stored);
        if computed == stored {
            return records;
        }
        // Where the payload begins: the damage is in it, or in the checksum behind it.
        let (expected, found) = (Value::Hex(computed.into()), Value::Hex(stored.into()));
        Err(Defect::new(at, "payload checksum", expected, found))
    }

    /// Why a valid frame does not continue the chain.
    #[cold]
    fn wrong_place(&self, header: &FrameHeader) -> Defect {
        let Link { at, prev, next } = self.link;
        if header.prev != prev {
            let (expected, found) = (Value::Hex(prev.into()), Value::Hex(header.prev.into()));
            return Defect::new(at.plus(12), "prev", expected, found);
        }
        let [expected, found] = [next, header.first].map(TxOffset::get);
        Defect::new(at.plus(24), "relative tx offset", expected, found)
    }

    #[cold]
    fn short(&self, field: &'static str, bytes: u64) -> Step {
        let found = "the end of the segment";
        Step::Break(Defect::new(self.link.at, field, bytes, found))
    }

    /// Has the buffer hold `bytes` bytes from the link's position on; false if they are not there.
    #[inline]
    fn fill<F>(&mut self, file: &F, bytes: u64, limit: ByteOffset) -> Result<bool, LogError>
    where
        F: ReadAt + ?Sized,
    {
        if (self.tail - self.head) as u64 >= bytes {
            return Ok(bytes <= limit.since(self.link.at));
        }
        self.refill(file, bytes, limit)
    }

    fn refill<F>(&mut self, file: &F, bytes: u64, limit: ByteOffset) -> Result<bool, LogError>
    where
        F: ReadAt + ?Sized,
    {
        let before_limit = limit.since(self.link.at);
        if bytes > before_limit {
            return Ok(false);
        }
        // Both fit in memory: `bytes` is at most a header and a 32-bit length.
        let bytes = bytes as usize;
        self.buffer.copy_within(self.head..self.tail, 0);
        (self.head, self.tail) = (0, self.tail - self.head);
        let wanted = before_limit.min(CHUNK_BYTES_MAX) as usize;
        let wanted = wanted.max(bytes);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let room = usize::try_from(before_limit).unwrap_or(usize::MAX);
        let room = room.min(self.buffer.len());
        while self.tail < bytes {
            let at = self.link.at.plus(self.tail as u64);
            match file.read_at(&mut self.buffer[self.tail..room], at.get())? {
                0 => return Ok(false),
                count => {
                    assert!(count <= room - self.tail, "a read fills what it was given");
                    self.tail += count;
                }
            }
        }
        Ok(true)
    }
}

/// Calls `visit` for each frame from the chain's place to `limit`; returns why the chain ends
/// before, if it does.
pub(crate) fn each_frame<F>(
    chain: &mut Chain,
    file: &F,
    limit: ByteOffset,
    check: Check,
    mut visit: impl FnMut(Link, &FrameHeader, &Chain) -> Result<(), LogError>,
) -> Result<Option<Defect>, LogError>
where
    F: ReadAt + ?Sized,
{
    loop {
        let before = chain.link();
        match chain.step(file, limit, check)? {
            Step::Frame(frame) => visit(before, &frame, chain)?,
            Step::End => return Ok(None),
            Step::Break(defect) => return Ok(Some(defect)),
        }
    }
}

#[cfg(test)]
mod tests;
