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

use blackstart_vfs::OpenOptions;

use super::chain::Identity;
use super::error::LogError;
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, Mark};
use super::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::index::SparseIndex;
use super::names;
use super::source::{Directory, OpenFile, SourceFile};
use super::writer::Failure;
use super::{TxOffset, chain::Link};
use crate::codec::ByteOffset;

/// First content is written in pieces of about this length.
const PIECE_BYTES: usize = 1 << 20;

/// A segment under its temporary name, being filled.
pub(crate) struct Creation {
    directory: Directory,
    file: OpenFile,
    header: SegmentHeader,
    link: Link,
    /// What is not written yet, and where it goes.
    piece: Vec<u8>,
    piece_at: u64,
    index: SparseIndex,
}

/// A complete and synced segment under its temporary name.
pub(crate) struct Unnamed {
    directory: Directory,
    newborn: Newborn,
}

/// A new segment that is open for writing.
pub(crate) struct Newborn {
    pub file: Arc<OpenFile>,
    /// The file's length, which may be beyond the content.
    pub len: u64,
    pub header: SegmentHeader,
    /// Where its first own frame goes.
    pub link: Link,
    /// Places in the first content.
    pub index: SparseIndex,
}

impl Creation {
    /// Starts a segment in a new file.
    pub fn begin(
        directory: &Directory,
        header: SegmentHeader,
        index_interval_bytes: u64,
    ) -> Result<Self, LogError> {
        let options = OpenOptions::new().read().write().create().truncate();
        let file = Self::open(directory, header.first, options)?;
        Self::new(directory, header, file, index_interval_bytes)
    }

    /// Starts a segment in a spare file. What the file still holds behind the header are frames
    /// of another segment, which are valid nowhere else.
    pub fn begin_in_spare(
        directory: &Directory,
        header: SegmentHeader,
        spare: TxOffset,
        index_interval_bytes: u64,
    ) -> Result<Self, LogError> {
        let name = names::spare(spare);
        let (from, to) = (
            directory.file(&name),
            directory.file(&names::temp(header.first)),
        );
        let renamed = directory.env.fs().rename(&from, &to);
        renamed.map_err(|error| LogError::io(name, "reuse it", error))?;
        let file = Self::open(directory, header.first, OpenOptions::new().read().write())?;
        Self::new(directory, header, file, index_interval_bytes)
    }

    fn open(
        directory: &Directory,
        first: TxOffset,
        options: OpenOptions,
    ) -> Result<OpenFile, LogError> {
        let name = names::temp(first);
        let file = directory.open_file(&name, options)?;
        Ok(OpenFile { file, name })
    }

    fn new(
        directory: &Directory,
        header: SegmentHeader,
        file: OpenFile,
        index_interval_bytes: u64,
    ) -> Result<Self, LogError> {
        let mut creation = [0; 8];
        let drawn = directory.env.entropy().fill(&mut creation);
        drawn
            .map_err(|error| LogError::io(file.name.as_str(), "draw an identity for it", error))?;
        let creation = u64::from_le_bytes(creation);
        let header = SegmentHeader { creation, ..header };
        let link = Link::start(&header);
        let piece = vec![0; SEGMENT_HEADER_BYTES];
        let index = SparseIndex::new(index_interval_bytes);
        let directory = directory.clone();
        Ok(Self {
            directory,
            file,
            header,
            link,
            piece,
            piece_at: 0,
            index,
        })
    }

    /// Appends a frame of the first content: `frame` says kind, transactions and payload, its
    /// place is filled in. `end` is the transaction after it.
    pub fn push(
        &mut self,
        frame: FrameHeader,
        payload: &[u8],
        end: TxOffset,
    ) -> Result<(), LogError> {
        let Link { at, prev, next } = self.link;
        assert_eq!(frame.first, next, "first content continues the chain");
        let durable_bytes = SEGMENT_HEADER_BYTES as u32;
        let durable_through = self.header.first;
        let epoch = self.header.epoch;
        let frame = FrameHeader {
            prev,
            epoch,
            durable_bytes,
            durable_through,
            ..frame
        };
        let (head, checksum) = frame.encode(Identity::of(&self.header).seed, at);
        self.index.add(self.link);
        self.piece.extend_from_slice(&head);
        self.piece.extend_from_slice(payload);
        let at = at.plus((FRAME_HEADER_BYTES + payload.len()) as u64);
        self.link = Link {
            at,
            prev: checksum,
            next: end,
        };
        match self.piece.len() < PIECE_BYTES {
            true => Ok(()),
            false => self.write_piece(),
        }
    }

    /// Appends a mark of the first content and returns its checksum.
    pub fn push_mark(&mut self, mark: Mark, end: TxOffset) -> Result<u32, LogError> {
        let payload = mark.number.to_le_bytes();
        let frame = FrameHeader {
            kind: mark.kind,
            first: self.link.next,
            durable_through: self.header.first,
            epoch: self.header.epoch,
            tx_count: 0,
            payload_len: payload.len() as u32,
            payload_checksum: crc32fast::hash(&payload),
            prev: self.link.prev,
            durable_bytes: 0,
        };
        self.push(frame, &payload, end)?;
        Ok(self.link.prev)
    }

    /// Where the next frame goes.
    pub fn link(&self) -> Link {
        self.link
    }

    fn write_piece(&mut self) -> Result<(), LogError> {
        self.file.write(&self.piece, self.piece_at)?;
        self.piece_at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    /// Completes header and content and syncs them. A failing sync is fatal, as any.
    pub fn finish(mut self) -> Result<Unnamed, Failure> {
        let durable_bytes = durable_bytes(self.link.at);
        let durable_through = self.link.next;
        let header = SegmentHeader {
            durable_bytes,
            durable_through,
            ..self.header
        };
        let encoded = header.encode();
        match self.piece.first_chunk_mut().filter(|_| self.piece_at == 0) {
            // Nothing is written yet: one write does.
            Some(place) => *place = encoded,
            None => self.file.write(&encoded, 0).map_err(Failure::of_write)?,
        }
        self.write_piece().map_err(Failure::of_write)?;
        self.file.sync_all().map_err(Failure::Fatal)?;
        let len = self.file.len().map_err(Failure::Fatal)?;
        let (link, index) = (self.link, self.index);
        let newborn = Newborn {
            file: Arc::new(self.file),
            len,
            header,
            link,
            index,
        };
        Ok(Unnamed {
            directory: self.directory,
            newborn,
        })
    }

    /// Removes the temporary file of a creation that failed. If that fails too, the next opening
    /// will do it.
    pub fn abandon(directory: &Directory, first: TxOffset) {
        drop(directory.remove(&names::temp(first)));
    }
}

impl Unnamed {
    /// Gives the segment its name, durably.
    pub fn publish(self) -> Result<Newborn, LogError> {
        let first = self.newborn.header.first;
        let name = names::segment(first);
        let from = self.directory.file(&names::temp(first));
        let renamed = self
            .directory
            .env
            .fs()
            .rename(&from, &self.directory.file(&name));
        renamed.map_err(|error| LogError::io(name.as_str(), "give it its name", error))?;
        self.directory.sync()?;
        let file = Arc::new(OpenFile {
            file: self.newborn.file.file.clone(),
            name,
        });
        Ok(Newborn {
            file,
            ..self.newborn
        })
    }
}

/// A position as the frames' fields hold it.
pub(crate) fn durable_bytes(at: ByteOffset) -> u32 {
    let bytes = at.get() as u32;
    assert_eq!(u64::from(bytes), at.get(), "segments are below 4 GiB");
    bytes
}
