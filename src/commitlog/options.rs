//! What the opener of a log may choose.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::error::LogError;
use super::{Epoch, TxOffset};

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

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// Every commit that was acknowledged at its own level.
    Visible,
    /// Only what is durable.
    Synced,
}

/// Bits that say what a log's content uses. The log gives them no meaning: they are its owner's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features {
    /// May be ignored.
    pub compat: u32,
    /// Must be known to write.
    pub ro_compat: u32,
    /// Must be known to read.
    pub incompat: u32,
}

impl Features {
    /// No bits.
    pub const NONE: Self = Self {
        compat: 0,
        ro_compat: 0,
        incompat: 0,
    };

    /// The bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            compat: self.compat | other.compat,
            ro_compat: self.ro_compat | other.ro_compat,
            incompat: self.incompat | other.incompat,
        }
    }
}

/// A full segment that retention is about to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSegment {
    /// The file, relative to the root of the environment. Its part of the log is complete, durable
    /// and will not change; a hard link to it is a good archive.
    pub path: PathBuf,
    /// The transactions in it.
    pub range: Range<TxOffset>,
    /// How many bytes from the file's start are part of the log.
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
    pub(crate) preallocate_bytes: u64,
    pub(crate) durable_through: Option<(Epoch, TxOffset)>,
    pub(crate) history_end: Option<TxOffset>,
    pub(crate) retain_from: Option<TxOffset>,
    pub(crate) first_commit: Option<Arc<Vec<Vec<u8>>>>,
    pub(crate) features: Features,
    pub(crate) known_features: Features,
    pub(crate) archive: Option<ArchiveHook>,
}

impl LogOptions {
    /// The smallest `segment_bytes_max`: room for a header and a small commit.
    pub const SEGMENT_BYTES_MIN: u64 = 512;
    /// The largest `segment_bytes_max`: positions in a segment are 32-bit numbers on disk.
    pub const SEGMENT_BYTES_MAX: u64 = 1 << 31;
    /// The largest `frame_bytes_max`. No frame of any log is larger.
    pub const FRAME_BYTES_MAX: u64 = 1 << 30;

    /// Opens an existing log and creates none. Segments of 256 MiB, commits up to 32 MiB, a buffer
    /// of 128 KiB, 1 MiB preallocated.
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
            preallocate_bytes: 1 << 20,
            durable_through: None,
            history_end: None,
            retain_from: None,
            first_commit: None,
            features: Features::NONE,
            known_features: Features::NONE,
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

    /// The log begins a new segment before one grows beyond this, unless a single commit is larger.
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

    /// Commits at level [`Durability::Buffered`] are written out once this many bytes of them have
    /// accumulated.
    #[must_use]
    pub fn buffer_bytes_max(mut self, bytes: u64) -> Self {
        self.buffer_bytes_max = bytes;
        self
    }

    /// The length of the newest segment's file is kept this far ahead of what is written, so that
    /// most syncs change no length. 0: not at all.
    #[must_use]
    pub fn preallocate_bytes(mut self, bytes: u64) -> Self {
        self.preallocate_bytes = bytes;
        self
    }

    /// The caller knows (from a manifest, say) that in this epoch all transactions before this
    /// offset were durable: a log that ends before it is corrupt, not torn. A fork of a later epoch
    /// bounds what the caller can know.
    #[must_use]
    pub fn durable_through(mut self, epoch: Epoch, tx_offset: TxOffset) -> Self {
        self.durable_through = Some((epoch, tx_offset));
        self
    }

    /// A read-only log shows the history before this offset, and no more. A writable one is cut
    /// with [`truncate_to`](super::Log::truncate_to).
    #[must_use]
    pub fn history_end(mut self, tx_offset: TxOffset) -> Self {
        self.history_end = Some(tx_offset);
        self
    }

    /// Removes the segments that hold only transactions below `tx_offset` before the opening
    /// writes anything else: the way out of a full disk. The archive hook sees each segment first.
    /// The newest segment always stays.
    #[must_use]
    pub fn retain_from(mut self, tx_offset: TxOffset) -> Self {
        self.retain_from = Some(tx_offset);
        self
    }

    /// A log that this opening creates begins with this commit: the log exists, after any crash,
    /// with the commit or not at all.
    #[must_use]
    pub fn first_commit<R: AsRef<[u8]>>(mut self, records: &[R]) -> Self {
        let records = records.iter().map(|record| record.as_ref().to_vec());
        self.first_commit = Some(Arc::new(records.collect()));
        self
    }

    /// A log that this opening creates has these feature bits. They count as known.
    #[must_use]
    pub fn features(mut self, features: Features) -> Self {
        self.features = features;
        self.known_features = self.known_features.union(features);
        self
    }

    /// This program knows these feature bits: a log that has others is refused, or opens for
    /// reading only.
    #[must_use]
    pub fn known_features(mut self, features: Features) -> Self {
        self.known_features = self.known_features.union(features);
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
        let segment = Self::SEGMENT_BYTES_MIN..=Self::SEGMENT_BYTES_MAX;
        if !segment.contains(&self.segment_bytes_max) {
            return bad("segment_bytes_max", "it must be from 512 bytes to 2 GiB");
        }
        if !(1..=Self::FRAME_BYTES_MAX).contains(&self.frame_bytes_max) {
            return bad("frame_bytes_max", "it must be from 1 byte to 1 GiB");
        }
        let first = self.first_commit.as_deref();
        if first.is_some_and(|records| records.is_empty()) {
            return Err(LogError::EmptyCommit);
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
            .field("preallocate_bytes", &self.preallocate_bytes)
            .field("durable_through", &self.durable_through)
            .field("history_end", &self.history_end)
            .field("retain_from", &self.retain_from)
            .field("first_commit", &self.first_commit.is_some())
            .field("features", &self.features)
            .field("known_features", &self.known_features)
            .field("archive", &self.archive.is_some())
            .finish()
    }
}
