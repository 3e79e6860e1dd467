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

    /// Whether the other promises all the order that this one does, and more: a failure under the
    /// other says more. This is an order in part: of two profiles perhaps neither is below the
    /// other. tmpfs, which keeps nothing, is below all.
    pub const fn is_below(self, other: Self) -> bool {
        let (this, other) = (self.promises(), other.promises());
        (this & other) == this && this != other
    }

    /// What it promises, as a set of bits.
    const fn promises(self) -> u32 {
        let keeps = !matches!(self, Self::Tmpfs);
        let brings_own_names = keeps && !matches!(self, Self::PosixStrict);
        ((keeps && self.syncs_dirs()) as u32)
            | (self.has_journal() as u32) << 1
            | (self.is_data_first() as u32) << 2
            | (brings_own_names as u32) << 3
            | ((brings_own_names && !self.syncs_own_names()) as u32) << 4
            | ((keeps && !self.exposes_stale()) as u32) << 5
            | (self.has_one_sync() as u32) << 6
            | ((keeps && !self.replaces_in_two_steps()) as u32) << 7
    }

    /// How many profiles are below it: a measure for shrinking.
    pub fn rank(self) -> usize {
        let below = |other: &&Self| other.is_below(self);
        Self::ALL.iter().filter(below).count()
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
    pub(crate) const fn exposes_stale(self) -> bool {
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

/// The largest tear unit, and the largest alignment.
const TEAR_BYTES_MAX: u64 = 4_096;
const BLOCK_BYTES_MAX: u64 = 1 << 16;

impl DiskConfig {
    /// Refuses what no disk is like: the field, and what is wrong with it.
    ///
    /// # Errors
    /// For units that are no power of two, or too large.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let units = [
            ("tear_bytes", self.tear_bytes, TEAR_BYTES_MAX),
            (
                "logical_block_bytes",
                self.logical_block_bytes,
                BLOCK_BYTES_MAX,
            ),
        ];
        let is_unit = |bytes: u64, max: u64| bytes.is_power_of_two() && bytes <= max;
        match units
            .into_iter()
            .find(|&(_, bytes, max)| !is_unit(bytes, max))
        {
            Some((field, bytes, max)) => {
                Err((field, format!("{bytes} is no power of two from 1 to {max}")))
            }
            None => Ok(()),
        }
    }
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
