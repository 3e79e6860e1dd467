//! How a segment comes into being.
//!
//! Invariants:
//! - \[I1\] A segment gets its name when header and first content are complete and synced: first
//!   `{…}.tmp`, content, header, `sync_all`, then rename, then `sync_dir`. A crash before the
//!   rename leaves a temporary file, which the next opening removes; a crash before the `sync_dir`
//!   leaves one or the other name.
//! - \[I2\] Nothing is appended to it, and nothing that it makes superfluous is touched, before the
//!   `sync_dir` has returned.

use std::sync::Arc;

use super::TxOffset;
use super::directory::{Directory, OpenFile, TEMPS_MAX};
use super::error::{Failure, LogError};
use super::frame::{self, FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use super::header::{SEGMENT_HEADER_BYTES, SegmentHeader, position};
use super::index::SparseIndex;
use super::link::Link;
use super::names;
use super::segment::NewSegment;
use super::source::{LogSource, SourceFile};

/// First content is written in pieces of about this length.
const PIECE_BYTES: usize = 1 << 20;

/// A segment under its temporary name, being filled.
pub(crate) struct Creation {
    directory: Directory,
    /// The file's name.
    temp: String,
    file: OpenFile,
    header: SegmentHeader,
    end: Link,
    /// What is not written yet, and where it goes.
    piece: Vec<u8>,
    piece_at: u64,
    index: SparseIndex,
}

/// A complete and synced segment under its temporary name.
pub(crate) struct StagedSegment {
    directory: Directory,
    temp: String,
    segment: NewSegment,
}

impl Creation {
    /// Starts a segment in a new file. `header` need not say what is known at the end only: the
    /// creation tag, and how much of the segment is durable.
    pub fn begin(
        directory: &Directory,
        header: SegmentHeader,
        segment_bytes_max: u64,
    ) -> Result<Self, LogError> {
        let tag = header.epoch.tag(directory.draw()?);
        let header = SegmentHeader { tag, ..header };
        let (temp, file) = directory.new_file(|attempt| names::temp(header.first, attempt))?;
        Ok(Self {
            directory: directory.clone(),
            temp,
            file,
            header,
            end: header.start(),
            piece: vec![0; SEGMENT_HEADER_BYTES],
            piece_at: 0,
            index: SparseIndex::new(segment_bytes_max),
        })
    }

    /// Appends a commit of `tx_count` transactions whose records are encoded in `payload`.
    pub fn push(&mut self, payload: &[u8], tx_count: u32) -> Result<(), LogError> {
        let frame = FrameHeader {
            kind: FrameKind::Commit,
            tag: self.header.tag,
            prev: self.end.prev,
            payload_len: payload.len() as u32,
            tx_count,
            first: self.end.next,
            durable_bytes: SEGMENT_HEADER_BYTES as u32,
        };
        let Some(next) = frame.first.checked_add(tx_count.into()) else {
            let number = "tx offset";
            return Err(LogError::Exhausted { number });
        };
        let from = self.piece.len();
        self.piece.resize(from + FRAME_HEADER_BYTES, 0);
        self.piece.extend_from_slice(payload);
        let at = self.end.at;
        let prev = frame::seal(&mut self.piece, from, &frame, &self.header.key(), at);
        self.index.add(self.end);
        self.end = Link {
            at: at.plus((self.piece.len() - from) as u64),
            prev,
            next,
        };
        match self.piece.len() < PIECE_BYTES {
            true => Ok(()),
            false => self.write_piece(),
        }
    }

    /// The segment's first transaction.
    pub fn first(&self) -> TxOffset {
        self.header.first
    }

    /// Where the content ends.
    pub fn end(&self) -> Link {
        self.end
    }

    fn write_piece(&mut self) -> Result<(), LogError> {
        self.file.write(&self.piece, self.piece_at)?;
        self.piece_at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// Completes header and content and syncs them. A failing sync is fatal, as any.
    pub fn finish(mut self) -> Result<StagedSegment, Failure> {
        let header = SegmentHeader {
            durable_bytes: position(self.end.at),
            durable_through: self.end.next,
            ..self.header
        };
        assert_eq!(header.start(), self.header.start(), "the frames stay valid");
        let encoded = header.encode();
        match self.piece.first_chunk_mut().filter(|_| self.piece_at == 0) {
            // Nothing is written yet: one write does.
            Some(place) => *place = encoded,
            None => self.file.write(&encoded, 0).map_err(Failure::of_write)?,
        }
        self.write_piece().map_err(Failure::of_write)?;
        self.file.sync_all().map_err(Failure::Fatal)?;
        let len = self.file.len().map_err(Failure::Fatal)?;
        let segment = NewSegment {
            header,
            file: Arc::new(self.file),
            len,
            end: self.end,
            index: self.index,
        };
        Ok(StagedSegment {
            directory: self.directory,
            temp: self.temp,
            segment,
        })
    }

    /// Removes the temporary file of a creation that failed. If that fails too, the next opening
    /// will do it.
    pub fn abandon(directory: &Directory, first: TxOffset) {
        for attempt in 0..=TEMPS_MAX {
            drop(directory.remove(&names::temp(first, attempt)));
        }
    }
}

impl StagedSegment {
    /// Gives the segment its name, durably.
    pub fn publish(self) -> Result<NewSegment, LogError> {
        let name = names::segment(self.segment.header.first);
        self.directory.rename(&self.temp, &name)?;
        self.directory.sync()?;
        let file = OpenFile {
            file: self.segment.file.file.clone(),
            name: self.directory.shown(&name),
        };
        Ok(NewSegment {
            file: Arc::new(file),
            ..self.segment
        })
    }
}

#[cfg(test)]
mod tests;
