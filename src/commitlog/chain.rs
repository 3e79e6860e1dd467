//! Walking the frames of one segment in sequence.
//!
//! Invariants:
//! - \[I1\] A frame is passed on only if it continues the chain: position, epoch, the checksum of
//!   the frame before, the next tx offset.
//! - \[I2\] Nothing at or beyond the limit is read, and the buffer never grows beyond what stands
//!   before it, whatever a length says.
//! - \[I3\] The end of the chain is an answer, a failing read is an error.
//!
//! Not here: what the end of a chain means (see `recovery::plan`).

use super::error::LogError;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, Mark, Seed};
use super::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::records::Ends;
use super::source::ReadAt;
use super::{Epoch, TxOffset};
use crate::codec::{ByteOffset, Defect, Value};

/// How many bytes are read at once, unless a frame is larger.
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// What all frames of a segment must agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub seed: Seed,
    pub epoch: Epoch,
}

impl Identity {
    pub fn of(header: &SegmentHeader) -> Self {
        Self {
            seed: Seed::new(header.log_id, header.first),
            epoch: header.epoch,
        }
    }
}

/// A place between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    /// Where the next frame stands.
    pub at: ByteOffset,
    /// The checksum of the frame before.
    pub prev: u32,
    /// The next transaction.
    pub next: TxOffset,
}

impl Link {
    /// The place of a segment's first frame.
    pub fn start(header: &SegmentHeader) -> Self {
        Self {
            at: ByteOffset::new(SEGMENT_HEADER_BYTES as u64),
            prev: header.first_link(),
            next: header.first,
        }
    }
}

/// How closely a frame is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Its header: enough to find a place.
    Header,
    /// Its payload too.
    Payload,
    /// A commit's records as well: they can be shown then.
    Records,
}

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A frame; its payload is in [`Chain::payload`].
    Frame(FrameHeader),
    /// Nothing: the limit.
    End,
    /// Something that does not continue the chain.
    Break(Defect),
}

/// A walk over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Chain {
    identity: Identity,
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
    pub fn new(identity: Identity, link: Link) -> Self {
        let (payload_from, payload_len, head, tail) = (0, 0, 0, 0);
        Self {
            identity,
            link,
            payload_from,
            payload_len,
            ends: Ends::default(),
            buffer: Vec::new(),
            head,
            tail,
        }
    }

    /// Where the walk is.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The payload of the frame passed on last.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        let end = self.payload_from + self.payload_len;
        self.buffer.get(self.payload_from..end).unwrap_or_default()
    }

    /// Where its records end, if it is a commit that was checked for that.
    #[inline]
    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Goes back to a place it came from.
    pub fn back_to(&mut self, link: Link) {
        let back = usize::try_from(self.link.at.since(link.at)).unwrap_or(usize::MAX);
        match self.head.checked_sub(back) {
            // What was read is still in front of the head.
            Some(head) => self.head = head,
            None => (self.head, self.tail) = (0, 0),
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
            return Ok(Step::Break(short(
                "frame header",
                at,
                FRAME_HEADER_BYTES as u64,
            )));
        }
        let head = self
            .buffer
            .get(self.head..self.tail)
            .and_then(<[u8]>::first_chunk);
        let decoded = match head {
            Some(head) => FrameHeader::decode(head, self.identity.seed, at),
            None => Err(short("frame header", at, FRAME_HEADER_BYTES as u64)),
        };
        let (header, checksum) = match decoded {
            Ok(decoded) => decoded,
            Err(defect) => return Ok(Step::Break(defect)),
        };
        if let Err(defect) = self.expect_place(&header) {
            return Ok(Step::Break(defect));
        }
        if !self.fill(file, header.frame_bytes(), limit)? {
            return Ok(Step::Break(short("payload", at, header.frame_bytes())));
        }
        self.payload_from = self.head + FRAME_HEADER_BYTES;
        self.payload_len = header.payload_len as usize;
        if let Err(defect) = self.expect_payload(&header, check) {
            return Ok(Step::Break(defect));
        }
        match self.after(&header) {
            Ok(next) => {
                self.head += FRAME_HEADER_BYTES + self.payload_len;
                self.link = Link {
                    at: at.plus(header.frame_bytes()),
                    prev: checksum,
                    next,
                };
                Ok(Step::Frame(header))
            }
            Err(defect) => Ok(Step::Break(defect)),
        }
    }

    /// Whether the frame continues the chain.
    #[inline]
    fn expect_place(&self, header: &FrameHeader) -> Result<(), Defect> {
        let Link { at, prev, next } = self.link;
        let (field, offset, expected, found) = if header.prev != prev {
            let (expected, found) = (Value::Hex(prev.into()), Value::Hex(header.prev.into()));
            ("prev", 40, expected, found)
        } else if header.epoch != self.identity.epoch {
            let [expected, found] = [self.identity.epoch, header.epoch].map(Epoch::get);
            (
                "epoch",
                24,
                Value::Number(expected.into()),
                Value::Number(found.into()),
            )
        } else if header.first != next {
            let [expected, found] = [next, header.first].map(TxOffset::get);
            (
                "first tx offset",
                8,
                Value::Number(expected),
                Value::Number(found),
            )
        } else {
            return Ok(());
        };
        Err(Defect {
            at: at.plus(offset),
            field,
            expected,
            found,
        })
    }

    /// The transaction after the frame.
    #[inline]
    fn after(&self, header: &FrameHeader) -> Result<TxOffset, Defect> {
        let at = self.link.at;
        let (field, expected, number) = match header.kind {
            FrameKind::Lost => {
                let to = TxOffset::new(Mark::number(self.payload(), at)?);
                if to > header.first {
                    return Ok(to);
                }
                (
                    "end of the lost range",
                    Value::Text("a later tx offset"),
                    to,
                )
            }
            FrameKind::Close | FrameKind::Retain => {
                let oldest = TxOffset::new(Mark::number(self.payload(), at)?);
                if oldest <= header.first {
                    return Ok(header.first);
                }
                (
                    "oldest tx offset",
                    Value::Text("none beyond the end"),
                    oldest,
                )
            }
            FrameKind::Commit | FrameKind::Open | FrameKind::Seal => return header.end(at),
        };
        Err(Defect {
            at: at.plus(FRAME_HEADER_BYTES as u64),
            field,
            expected,
            found: Value::Number(number.get()),
        })
    }

    /// Whether the payload is as the header says.
    #[inline]
    fn expect_payload(&mut self, header: &FrameHeader, check: Check) -> Result<(), Defect> {
        let end = self.payload_from + self.payload_len;
        let payload = self.buffer.get(self.payload_from..end).unwrap_or_default();
        let at = self.link.at.plus(FRAME_HEADER_BYTES as u64);
        let (computed, records) = match check {
            Check::Header => return Ok(()),
            Check::Records if header.kind == FrameKind::Commit => {
                self.ends.find(payload, header.tx_count, at)
            }
            Check::Payload | Check::Records => (crc32fast::hash(payload), Ok(())),
        };
        if computed == header.payload_checksum {
            return records;
        }
        let [expected, found] = [header.payload_checksum, computed].map(u64::from);
        let (expected, found) = (Value::Hex(expected), Value::Hex(found));
        Err(Defect {
            at,
            field: "payload checksum",
            expected,
            found,
        })
    }

    /// Has the buffer hold `bytes` bytes from the link's position on; false if they are not there.
    #[inline]
    fn fill<F>(&mut self, file: &F, bytes: u64, limit: ByteOffset) -> Result<bool, LogError>
    where
        F: ReadAt + ?Sized,
    {
        let before_limit = limit.since(self.link.at);
        if bytes > before_limit {
            return Ok(false);
        }
        // Both fit in memory: `bytes` is at most 48 bytes and a 32-bit length.
        let bytes = bytes as usize;
        if self.tail - self.head >= bytes {
            return Ok(true);
        }
        self.buffer.copy_within(self.head..self.tail, 0);
        (self.head, self.tail) = (0, self.tail - self.head);
        let wanted = before_limit.min(CHUNK_BYTES_MAX) as usize;
        let wanted = wanted.max(bytes);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let room = self
            .buffer
            .len()
            .min(usize::try_from(before_limit).unwrap_or(usize::MAX));
        while self.tail < bytes {
            let at = self.link.at.plus(self.tail as u64);
            let Some(free) = self.buffer.get_mut(self.tail..room) else {
                break;
            };
            match file.read_at(free, at.get())? {
                0 => return Ok(false),
                count => self.tail += count.min(free.len()),
            }
        }
        Ok(true)
    }
}

fn short(field: &'static str, at: ByteOffset, bytes: u64) -> Defect {
    let (expected, found) = (Value::Number(bytes), Value::Text("the end of the segment"));
    Defect {
        at,
        field,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests;
