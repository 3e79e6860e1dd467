//! Looking at what stands behind the end of the chain.
//!
//! Unsynced writes persist in any order, so a valid frame behind a bad one proves nothing by
//! itself. What it *says* does: it says how much of the segment was durable when it was written.
//!
//! Invariants:
//! - \[I1\] A frame counts only if it is valid at its position in this creation of this segment.
//! - \[I2\] Memory is one chunk, whatever the length of the tail.

use crate::codec::ByteOffset;
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKey, MAGIC, MAGIC_AT, SMALL_PAYLOAD_BYTES_MAX,
};
use crate::commitlog::source::ReadAt;

/// How many bytes are searched together.
const CHUNK_BYTES_MAX: u64 = 256 << 10;
/// The most bytes that the checksum of a frame covers.
const COVERED_BYTES_MAX: usize = FRAME_HEADER_BYTES + SMALL_PAYLOAD_BYTES_MAX as usize;
/// Runs of zeros are skipped in steps of this many bytes.
const ZEROS: [u8; 64] = [0; 64];

/// What stands behind the end of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TailFacts {
    /// The position after the last byte that is not zero, or 0.
    pub content_end: ByteOffset,
    /// How many valid frames stand behind the end of the chain.
    pub later_frames: u64,
    /// The first of them that claims most.
    pub best: Option<Claim>,
}

/// What a frame says was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Claim {
    /// Where the frame stands.
    pub at: ByteOffset,
    /// All bytes of the segment before this were durable.
    pub durable_bytes: ByteOffset,
}

impl Claim {
    pub fn of(at: ByteOffset, frame: &FrameHeader) -> Self {
        let durable_bytes = ByteOffset::new(frame.durable_bytes.into());
        Self { at, durable_bytes }
    }

    /// The one that claims more; of equals the first.
    pub fn stronger(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.durable_bytes > one.durable_bytes => Some(other),
            (one, other) => one.or(other),
        }
    }
}

/// Looks at the bytes from `from` to `len`.
pub(crate) fn look_ahead<F>(
    file: &F,
    key: FrameKey,
    from: ByteOffset,
    len: ByteOffset,
) -> Result<TailFacts, LogError>
where
    F: ReadAt + ?Sized,
{
    let mut facts = TailFacts::default();
    let mut search = Search::new(file, key, from, len);
    while let Some((at, frame)) = search.next()? {
        // One at the very end of the chain is what broke it.
        facts.later_frames += u64::from(at > from);
        facts.best = Claim::stronger(facts.best, Some(Claim::of(at, &frame)));
    }
    facts.content_end = search.content_end;
    Ok(facts)
}

/// A search for valid frames through part of a file.
pub(crate) struct Search<'a, F: ReadAt + ?Sized> {
    file: &'a F,
    key: FrameKey,
    len: ByteOffset,
    /// The position of the buffer's first byte.
    base: ByteOffset,
    buffer: Vec<u8>,
    filled: usize,
    /// Where the search goes on, within the buffer.
    next: usize,
    /// The position after the last byte seen that is not zero, or 0.
    content_end: ByteOffset,
}

impl<'a, F: ReadAt + ?Sized> Search<'a, F> {
    pub fn new(file: &'a F, key: FrameKey, from: ByteOffset, len: ByteOffset) -> Self {
        Self {
            file,
            key,
            len,
            base: from,
            buffer: vec![0; len.since(from).min(CHUNK_BYTES_MAX) as usize],
            filled: 0,
            next: 0,
            content_end: ByteOffset::default(),
        }
    }

    /// The next valid frame and where it stands. A large frame's payload is not checked.
    pub fn next(&mut self) -> Result<Option<(ByteOffset, FrameHeader)>, LogError> {
        loop {
            while let Some(found) = find_header(&self.buffer[..self.filled], self.next) {
                // A frame needs all its covered bytes in the buffer, or there are no more.
                if found + COVERED_BYTES_MAX > self.filled && self.refill(found)? {
                    break;
                }
                self.next = found + 1;
                let at = self.base.plus(found as u64);
                if let Some(frame) = self.check(found, at) {
                    return Ok(Some((at, frame)));
                }
            }
            let rest = find_header(&self.buffer[..self.filled], self.next);
            if rest.is_none() && !self.refill(self.filled.saturating_sub(FRAME_HEADER_BYTES - 1))? {
                return Ok(None);
            }
        }
    }

    fn check(&self, from: usize, at: ByteOffset) -> Option<FrameHeader> {
        let decoded = FrameHeader::decode(&self.buffer[from..self.filled], &self.key, at);
        decoded.ok().map(|(frame, _)| frame)
    }

    /// Drops the buffer's bytes before `from` and reads more behind the rest; false if there are
    /// none.
    fn refill(&mut self, from: usize) -> Result<bool, LogError> {
        let left = self.len.since(self.base.plus(self.filled as u64));
        if left == 0 {
            return Ok(false);
        }
        let kept = self.filled - from;
        if self.buffer.len() < 2 * COVERED_BYTES_MAX {
            self.buffer.resize(2 * COVERED_BYTES_MAX, 0);
        }
        self.buffer.copy_within(from..self.filled, 0);
        self.base = self.base.plus(from as u64);
        self.next = self.next.saturating_sub(from);
        let room = usize::try_from(left).map_or(self.buffer.len(), |left| kept + left);
        let room = room.min(self.buffer.len());
        let fresh = &mut self.buffer[kept..room];
        let read = self
            .file
            .read_full_at(fresh, self.base.plus(kept as u64).get())?;
        if let Some(last) = last_content(&fresh[..read]) {
            self.content_end = self.base.plus((kept + last + 1) as u64);
        }
        self.filled = kept + read;
        if read < fresh.len() {
            // The file is shorter than it was.
            self.len = self.base.plus(self.filled as u64);
        }
        Ok(read > 0)
    }
}

/// The last byte that is not zero.
fn last_content(bytes: &[u8]) -> Option<usize> {
    let (_, blocks) = bytes.as_rchunks::<{ ZEROS.len() }>();
    let zeros = blocks.iter().rev().take_while(|block| **block == ZEROS);
    let end = bytes.len() - zeros.count() * ZEROS.len();
    let mut content = bytes.iter().take(end);
    content.rposition(|byte| *byte != 0)
}

/// The first place at or after `from` where a header with the right magic might stand.
fn find_header(bytes: &[u8], from: usize) -> Option<usize> {
    let [first, second] = MAGIC;
    let mut at = from + MAGIC_AT;
    loop {
        let rest = bytes.get(at..)?;
        if rest.first_chunk() == Some(&ZEROS) {
            at += ZEROS.len();
            continue;
        }
        let block = rest.get(..ZEROS.len()).unwrap_or(rest);
        match block.iter().position(|byte| *byte == first) {
            None => at += block.len().max(1),
            Some(found) if rest.get(found + 1) == Some(&second) => {
                return Some(at + found - MAGIC_AT);
            }
            Some(found) => at += found + 1,
        }
    }
}

#[cfg(test)]
mod tests;
