//! Sizes of a disk, and the order that a file system adds to the base rules.

use serde::{Deserialize, Serialize};

/// A file system's promises beyond the base rules. See docs/FAULTS.md for the sources.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Profile {
    /// Everything that POSIX allows: no order but by syncs.
    #[default]
    PosixStrict,
    /// ext4 with `data=writeback`: metadata in order, a size may come before its data and expose
    /// stale bytes.
    Ext4Writeback,
    /// XFS: metadata in order, a size only after the data of the block that it ends in.
    Xfs,
    /// ext4 with `data=ordered`, the default: metadata in order. A size may come before its data,
    /// which reads as zeros then, and never as stale bytes.
    Ext4Ordered,
    /// A file system in memory: a loss of power loses everything.
    Tmpfs,
    /// btrfs: a sync makes the file's own names durable, and may bring others in any order. A size
    /// may come before its data, as with ext4.
    Btrfs,
    /// APFS, where a sync is `F_FULLFSYNC`: names in order, but a sync brings the file's own ahead
    /// of the others; a size only after its data.
    Apfs,
    /// NTFS: names in order, a size before its data, which reads as zeros then. A replacing rename
    /// is two steps, and there is no sync of a directory.
    Ntfs,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 8] = [
        Self::PosixStrict,
        Self::Ext4Writeback,
        Self::Xfs,
        Self::Ext4Ordered,
        Self::Tmpfs,
        Self::Btrfs,
        Self::Apfs,
        Self::Ntfs,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PosixStrict => "posix-strict",
            Self::Ext4Writeback => "ext4-writeback",
            Self::Xfs => "xfs",
            Self::Ext4Ordered => "ext4-ordered",
            Self::Tmpfs => "tmpfs",
            Self::Btrfs => "btrfs",
            Self::Apfs => "apfs",
            Self::Ntfs => "ntfs",
        }
    }

    /// How much order it promises: a failure under a stronger profile says more. tmpfs keeps
    /// nothing, and NTFS has no sync of directories: neither keeps what the base rules promise.
    pub const fn strength(self) -> usize {
        match self {
            Self::Tmpfs | Self::Ntfs => 0,
            Self::PosixStrict => 1,
            Self::Btrfs => 2,
            Self::Ext4Writeback => 3,
            Self::Ext4Ordered => 4,
            Self::Apfs => 5,
            Self::Xfs => 6,
        }
    }

    /// The profiles that keep what the base rules promise, the most ordered first.
    pub const fn by_strength() -> [Self; 6] {
        [
            Self::Xfs,
            Self::Apfs,
            Self::Ext4Ordered,
            Self::Ext4Writeback,
            Self::Btrfs,
            Self::PosixStrict,
        ]
    }

    /// Whether names and explicit sizes persist in the order in which they were changed.
    pub(super) const fn has_journal(self) -> bool {
        !matches!(self, Self::PosixStrict | Self::Tmpfs | Self::Btrfs)
    }

    /// Whether the size of an extending write persists only after the data of its last unit.
    pub(super) const fn is_data_first(self) -> bool {
        matches!(self, Self::Xfs | Self::Apfs)
    }

    /// Whether a sync makes durable only the names of what is synced, and not all names that were
    /// changed before.
    pub(super) const fn syncs_own_names(self) -> bool {
        matches!(self, Self::Btrfs | Self::Apfs)
    }

    /// Whether `sync_data` does what `sync_all` does: `F_FULLFSYNC`, `FlushFileBuffers`, the log
    /// of btrfs.
    pub(super) const fn has_one_sync(self) -> bool {
        matches!(self, Self::Apfs | Self::Ntfs | Self::Btrfs)
    }

    /// Whether a sync of a directory does anything.
    pub(super) const fn syncs_dirs(self) -> bool {
        !matches!(self, Self::Ntfs)
    }

    /// Whether a rename that replaces a file removes that file first, in a step of its own.
    pub(super) const fn replaces_in_two_steps(self) -> bool {
        matches!(self, Self::Ntfs)
    }

    /// Whether bytes that were never written may show what the block held before.
    pub(super) const fn exposes_stale(self) -> bool {
        matches!(self, Self::PosixStrict | Self::Ext4Writeback)
    }
}

/// Rules and sizes of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskConfig {
    /// The file system's rules.
    pub profile: Profile,
    /// Bytes that are written whole or not at all: 4096, 512, 64 or 1.
    pub tear_bytes: u64,
    /// Whether a unit that is being written when the power fails may be damaged inside: partly
    /// written, or garbage. It changes only bytes that the write covers.
    pub torn_units: bool,
    /// Bytes of file contents that fit; none: no limit.
    pub capacity_bytes: Option<u64>,
    /// Files that may be open at once; none: no limit.
    pub handles_max: Option<u32>,
    /// What direct I/O must be aligned to.
    pub logical_block_bytes: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            profile: Profile::PosixStrict,
            tear_bytes: 512,
            torn_units: false,
            capacity_bytes: None,
            handles_max: None,
            logical_block_bytes: 512,
        }
    }
}
