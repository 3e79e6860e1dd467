//! Looking at what stands behind the end of the chain.
//!
//! Unsynced writes persist in any order, so a valid frame behind a bad one proves nothing by
//! itself. What it *says* does: it says how much of the segment, and which transactions, were
//! durable when it was written.
//!
//! Invariants:
//! - \[I1\] A frame counts only if its header is valid at its position in this segment and this
//!   epoch. Frames of a file's former life (a recycled segment) never are, because their seed is
//!   another.
//! - \[I2\] Memory is one chunk, whatever the length of the tail.

use crate::codec::ByteOffset;
use crate::commitlog::TxOffset;
use crate::commitlog::chain::Identity;
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, FrameHeader, MAGIC, MAGIC_AT};
use crate::commitlog::source::ReadAt;

/// How many bytes are looked at together.
const CHUNK_BYTES_MAX: u64 = 256 << 10;
/// Runs of zeros are skipped in steps of this many bytes.
const ZEROS: [u8; 64] = [0; 64];

/// What stands behind the end of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TailFacts {
    /// The position after the last byte that is not zero, or 0.
    pub content_end: ByteOffset,
    /// How many valid frame headers stand behind the end of the chain.
    pub later_frames: u64,
    /// The first of them that is after the end of the chain and says most about durable bytes.
    pub best: Option<Vouched>,
    /// The largest offset before which some frame says that all transactions were durable.
    pub durable_through: TxOffset,
}

/// What a frame says was durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Vouched {
    /// Where the frame stands.
    pub at: ByteOffset,
    /// All bytes of the segment before this were durable.
    pub durable_bytes: ByteOffset,
    /// All transactions before this were durable.
    pub durable_through: TxOffset,
}

/// Looks at the bytes from `from` to `len`.
pub(crate) fn look_ahead<F>(
    file: &F,
    identity: Identity,
    from: ByteOffset,
    len: ByteOffset,
) -> Result<TailFacts, LogError>
where
    F: ReadAt + ?Sized,
{
    let mut facts = TailFacts::default();
    let mut search = Search::new(file, from, len);
    while let Some(found) = search.next(&mut facts.content_end)? {
        let Ok((header, _)) = FrameHeader::decode(&found.bytes, identity.seed, found.at) else {
            continue;
        };
        if header.epoch == identity.epoch {
            // One at the very end of the chain is what broke it.
            facts.later_frames += u64::from(found.at > from);
            facts.add(found.at, &header);
        }
    }
    Ok(facts)
}

impl TailFacts {
    fn add(&mut self, at: ByteOffset, header: &FrameHeader) {
        self.durable_through = self.durable_through.max(header.durable_through);
        let durable_bytes = ByteOffset::new(header.durable_bytes.into());
        if self
            .best
            .is_none_or(|best| best.durable_bytes < durable_bytes)
        {
            let durable_through = header.durable_through;
            self.best = Some(Vouched {
                at,
                durable_bytes,
                durable_through,
            });
        }
    }
}

/// Bytes that might be a frame's header.
pub(crate) struct Candidate {
    pub at: ByteOffset,
    pub bytes: [u8; FRAME_HEADER_BYTES],
}

/// A search for a frame's magic through part of a file.
pub(crate) struct Search<'a, F: ReadAt + ?Sized> {
    file: &'a F,
    len: ByteOffset,
    /// The position of the buffer's first byte.
    base: ByteOffset,
    buffer: Vec<u8>,
    filled: usize,
    /// Where the search goes on, within the buffer.
    next: usize,
}

impl<'a, F: ReadAt + ?Sized> Search<'a, F> {
    pub fn new(file: &'a F, from: ByteOffset, len: ByteOffset) -> Self {
        let buffer = vec![0; len.since(from).min(CHUNK_BYTES_MAX) as usize];
        Self {
            file,
            len,
            base: from,
            buffer,
            filled: 0,
            next: 0,
        }
    }

    /// The next place where a header might stand. `content_end` becomes the position after the
    /// last byte seen that is not zero.
    pub fn next(&mut self, content_end: &mut ByteOffset) -> Result<Option<Candidate>, LogError> {
        loop {
            let filled = self.buffer.get(..self.filled).unwrap_or_default();
            while let Some(found) = find_header(filled, self.next) {
                self.next = found + 1;
                let header = filled.get(found..).and_then(<[u8]>::first_chunk);
                if let Some(bytes) = header {
                    let at = self.base.plus(found as u64);
                    return Ok(Some(Candidate { at, bytes: *bytes }));
                }
            }
            if !self.refill(content_end)? {
                return Ok(None);
            }
        }
    }

    /// Goes on behind the last chunk, keeping what might be the start of a header.
    fn refill(&mut self, content_end: &mut ByteOffset) -> Result<bool, LogError> {
        let kept_from = self.filled.saturating_sub(FRAME_HEADER_BYTES - 1);
        self.buffer.copy_within(kept_from..self.filled, 0);
        self.base = self.base.plus(kept_from as u64);
        let kept = self.filled - kept_from;
        let left = self.len.since(self.base);
        let room = self
            .buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(free) = self
            .buffer
            .get_mut(kept..room)
            .filter(|free| !free.is_empty())
        else {
            return Ok(false);
        };
        let read = self
            .file
            .read_full_at(free, self.base.plus(kept as u64).get())?;
        let fresh = free.get(..read).unwrap_or_default();
        if let Some(last) = last_content(fresh) {
            *content_end = self.base.plus((kept + last + 1) as u64);
        }
        (self.filled, self.next) = (kept + read, 0);
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
        if !block.contains(&first) {
            at += block.len().max(1);
            continue;
        }
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
