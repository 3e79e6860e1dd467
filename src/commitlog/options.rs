//! What the opener of a log may choose.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::TxOffset;
use super::error::LogError;

/// How far a commit must have come before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In the buffer of this process: it may die with the process.
    Buffered,
    /// With the operating system: it survives the process, and may die in a loss of power.
    Os,
    /// On the disk: it survives a loss of power.
    Synced,
}

/// A sealed segment that retention is about to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSegment {
    /// The file, relative to the root of the environment. It is complete, durable and will not
    /// change; a hard link to it is a good archive.
    pub path: PathBuf,
    /// The transactions in it.
    pub range: Range<TxOffset>,
    /// Its length.
    pub bytes: u64,
}

/// What an archive hook may fail with.
pub type ArchiveError = Box<dyn Error + Send + Sync>;

/// Called by retention with each segment before it is removed. An error stops retention, and the
/// segment stays.
pub type ArchiveHook = Arc<dyn Fn(&ArchiveSegment) -> Result<(), ArchiveError> + Send + Sync>;

/// How to open a log.
#[derive(Clone)]
pub struct LogOptions {
    pub(crate) create: bool,
    pub(crate) create_new: bool,
    pub(crate) segment_bytes_max: u64,
    pub(crate) frame_bytes_max: u64,
    pub(crate) buffer_bytes_max: u64,
    pub(crate) size_ahead_bytes: u64,
    pub(crate) spare_segments_max: u32,
    pub(crate) index_interval_bytes: u64,
    pub(crate) durable_through: Option<TxOffset>,
    pub(crate) history_end: Option<TxOffset>,
    pub(crate) salvage: bool,
    pub(crate) archive: Option<ArchiveHook>,
}

impl LogOptions {
    /// The smallest `segment_bytes_max`: room for a header, a small commit and the seal.
    pub const SEGMENT_BYTES_LEAST: u64 = 512;
    /// The largest `segment_bytes_max`: positions in a segment are 32-bit numbers on disk.
    pub const SEGMENT_BYTES_MOST: u64 = 1 << 31;
    /// The largest `frame_bytes_max`. No frame of any log is larger.
    pub const FRAME_BYTES_MOST: u64 = 1 << 30;

    /// An existing log is opened; nothing is created or salvaged. Segments of 256 MiB, commits up
    /// to 32 MiB, a buffer of 128 KiB, the size set ahead by 1 MiB, no spare segments, an index
    /// entry every 64 KiB.
    #[expect(
        clippy::new_without_default,
        reason = "durability is chosen, not defaulted"
    )]
    pub fn new() -> Self {
        Self {
            create: false,
            create_new: false,
            segment_bytes_max: 256 << 20,
            frame_bytes_max: 32 << 20,
            buffer_bytes_max: 128 << 10,
            size_ahead_bytes: 1 << 20,
            spare_segments_max: 0,
            index_interval_bytes: 64 << 10,
            durable_through: None,
            history_end: None,
            salvage: false,
            archive: None,
        }
    }

    /// Create the log if there is none.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Create the log, and fail if there is one.
    #[must_use]
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// A segment is sealed before it grows beyond this, unless a single commit is larger.
    #[must_use]
    pub fn segment_bytes_max(mut self, bytes: u64) -> Self {
        self.segment_bytes_max = bytes;
        self
    }

    /// A commit whose frame would be larger is refused ([`LogError::CommitTooLarge`]).
    #[must_use]
    pub fn frame_bytes_max(mut self, bytes: u64) -> Self {
        self.frame_bytes_max = bytes;
        self
    }

    /// Commits at level [`Durability::Buffered`] are handed to the operating system once there
    /// are this many bytes of them.
    #[must_use]
    pub fn buffer_bytes_max(mut self, bytes: u64) -> Self {
        self.buffer_bytes_max = bytes;
        self
    }

    /// The size of the newest segment is set this far ahead of its end, so that a sync need not
    /// write the file system's journal each time. 0: not at all.
    #[must_use]
    pub fn size_ahead_bytes(mut self, bytes: u64) -> Self {
        self.size_ahead_bytes = bytes;
        self
    }

    /// Up to so many segments that retention removes are kept as spares, and become new segments:
    /// writing over space that a file already has is cheaper to sync. A segment is reused only if
    /// it has one name and nobody in this process reads it; a reader in *another* process that is
    /// still inside a retired segment gets [`LogError::Corrupt`] or [`LogError::HistoryGone`].
    #[must_use]
    pub fn spare_segments_max(mut self, segments: u32) -> Self {
        self.spare_segments_max = segments;
        self
    }

    /// The offset index of a segment has one entry in so many bytes.
    #[must_use]
    pub fn index_interval_bytes(mut self, bytes: u64) -> Self {
        self.index_interval_bytes = bytes;
        self
    }

    /// The caller knows (from a manifest, say) that all transactions before this offset were
    /// durable: a log that ends before it is corrupt, not torn.
    #[must_use]
    pub fn durable_through(mut self, tx_offset: TxOffset) -> Self {
        self.durable_through = Some(tx_offset);
        self
    }

    /// Recovery to a point in time: the history ends before this offset. A read-only log shows no
    /// more; a writable one is truncated there, as by [`truncate_to`](super::Log::truncate_to).
    #[must_use]
    pub fn history_end(mut self, tx_offset: TxOffset) -> Self {
        self.history_end = Some(tx_offset);
        self
    }

    /// Open a corrupt log with what is left of it. Damaged segments are kept beside their
    /// rewritten forms, and every lost range is in the report and shown to readers.
    #[must_use]
    pub fn salvage(mut self, salvage: bool) -> Self {
        self.salvage = salvage;
        self
    }

    /// Called with each segment that retention is about to remove. It may use the log, but not ask
    /// for more retention.
    #[must_use]
    pub fn archive(
        mut self,
        hook: impl Fn(&ArchiveSegment) -> Result<(), ArchiveError> + Send + Sync + 'static,
    ) -> Self {
        self.archive = Some(Arc::new(hook));
        self
    }

    /// Whether the values make sense together.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let bad = |option, reason| Err(LogError::InvalidOption { option, reason });
        let segment = Self::SEGMENT_BYTES_LEAST..=Self::SEGMENT_BYTES_MOST;
        if !segment.contains(&self.segment_bytes_max) {
            return bad("segment_bytes_max", "it must be from 512 bytes to 2 GiB");
        }
        if !(1..=Self::FRAME_BYTES_MOST).contains(&self.frame_bytes_max) {
            return bad("frame_bytes_max", "it must be from 1 byte to 1 GiB");
        }
        if self.index_interval_bytes == 0 {
            return bad("index_interval_bytes", "it must be at least 1");
        }
        Ok(())
    }
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogOptions")
            .field("create", &self.create)
            .field("create_new", &self.create_new)
            .field("segment_bytes_max", &self.segment_bytes_max)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .field("buffer_bytes_max", &self.buffer_bytes_max)
            .field("size_ahead_bytes", &self.size_ahead_bytes)
            .field("spare_segments_max", &self.spare_segments_max)
            .field("index_interval_bytes", &self.index_interval_bytes)
            .field("durable_through", &self.durable_through)
            .field("history_end", &self.history_end)
            .field("salvage", &self.salvage)
            .field("archive", &self.archive.is_some())
            .finish()
    }
}
