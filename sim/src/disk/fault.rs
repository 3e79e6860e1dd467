//! Live faults: what strikes, when, and what became of it.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::alteration::Alteration;
use crate::call::{CallId, CallKind};

/// Error numbers of Linux that the simulated disk answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(i32)]
pub enum Errno {
    /// Operation not permitted.
    Eperm = 1,
    /// No such file or directory.
    Enoent = 2,
    /// Input/output error.
    Eio = 5,
    /// Bad file descriptor: not opened for this.
    Ebadf = 9,
    /// Resource temporarily unavailable: a lock is held.
    Eagain = 11,
    /// Permission denied.
    Eacces = 13,
    /// File exists.
    Eexist = 17,
    /// Not a directory.
    Enotdir = 20,
    /// Is a directory.
    Eisdir = 21,
    /// Invalid argument.
    Einval = 22,
    /// Too many open files in the system.
    Enfile = 23,
    /// Too many open files.
    Emfile = 24,
    /// File too large.
    Efbig = 27,
    /// No space left on device.
    Enospc = 28,
    /// Read-only file system.
    Erofs = 30,
    /// Device or resource busy.
    Ebusy = 16,
    /// File name too long.
    Enametoolong = 36,
    /// Too many levels of symbolic links.
    Eloop = 40,
    /// Directory not empty.
    Enotempty = 39,
    /// Disk quota exceeded.
    Edquot = 122,
}

impl Errno {
    /// The error as the seam reports it.
    pub fn error(self) -> io::Error {
        io::Error::from_raw_os_error(self as i32)
    }
}

/// How a sync fails. Sources: Rebello et al., ATC 2020; the PostgreSQL fsync findings of 2018.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SyncFailure {
    /// EIO once; the pages are marked clean: the cache shows the new bytes, the disk keeps the
    /// old ones, and no later sync writes them. Metadata is still written. (ext4, XFS)
    CleanKeepNew,
    /// This sync succeeds although nothing was written; the next one reports EIO.
    DelayedReport,
    /// EIO, and reads show the old bytes again. (btrfs)
    RevertOld,
    /// EIO, and nothing changed: a later sync may succeed.
    StayDirty,
    /// Another handle took the error: this sync succeeds although nothing was written.
    ConsumedByOtherHandle,
    /// Part of the data is written, then EIO; the rest as [`CleanKeepNew`](Self::CleanKeepNew).
    PartialThenEio,
    /// It succeeds, and nothing is durable: a volatile cache that ignores flushes.
    LyingSync,
    /// EIO, and from now on everything fails: the file system has shut down.
    ShutDown,
}

/// What strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The call fails and has no effect.
    Fail(Errno),
    /// A read or write handles at most this many bytes, at least one.
    Short(u64),
    /// A sync fails in one of the ways in which syncs fail.
    Sync(SyncFailure),
    /// The write is shown from the cache and never reaches the disk.
    LostWrite,
    /// The write is shown from the cache, and on the disk it hits another place of the same file.
    MisdirectedWrite {
        /// Which place, in thousandths of the file's length.
        per_mille: u32,
    },
    /// The read gives the bytes of another place of the same file.
    MisdirectedRead {
        /// Which place, in thousandths of the file's length.
        per_mille: u32,
    },
    /// The read gives what the file held when the era began.
    StaleRead,
    /// A bit of a file is flipped at rest, at so many thousandths of its length. It stays flipped
    /// until the byte is written again.
    BitFlip {
        /// Where, in thousandths of the file's length.
        per_mille: u32,
        /// Which bit of the byte.
        bit: u8,
    },
    /// As [`BitFlip`](Self::BitFlip), at this byte of the file, if it is that long.
    FlipAt {
        /// Which byte.
        offset: u64,
        /// Which bit of the byte.
        bit: u8,
    },
    /// A sector of a file turns to garbage at rest.
    GarbageSector {
        /// Where, in thousandths of the file's length.
        per_mille: u32,
    },
    /// A sector of a file cannot be read: EIO until it is written again.
    UnreadableSector {
        /// Where, in thousandths of the file's length.
        per_mille: u32,
    },
    /// A file's name, length or kind was altered at rest. With [`Trigger::Boot`] only.
    Alter(Alteration),
    /// Before the call, each file on which a lock is held loses its names. The locks stay, on what
    /// no name leads to.
    LoseLock,
    /// Before the call, a file loses a name. Handles stay.
    LoseName {
        /// A pattern for the file's name, with `*` for any characters.
        files: String,
        /// Which of those that match, from 1 and in the order of names; beyond the last it counts
        /// around.
        nth: u32,
    },
    /// Before the call, the root is renamed, and an empty directory has its name: paths lead
    /// there, and handles to the old one. It strikes while a lock is held. When the last lock is
    /// released, and in the next era, paths lead to the renamed directory.
    RenewRoot,
    /// Only so many bytes more fit on the disk than it holds at that moment.
    SpareBytes(u64),
    /// The call takes so many nanoseconds longer.
    Stall(u64),
    /// The wall clock jumps by so many nanoseconds.
    WallJump(i64),
}

/// What is promised by storage software whose disk had such a fault; see docs/FAULTS.md.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Promise {
    /// Everything: the disk was honest, or said so when it failed.
    #[default]
    Full,
    /// Bytes or names at rest were damaged: a typed error or the truth, and nothing acknowledged
    /// dropped in silence where any later byte vouches for it.
    DamageReported,
    /// The disk lied about durability: some prefix or a typed error, never a wrong value.
    PrefixOnly,
}

impl Fault {
    /// The name in reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Fail(Errno::Eio) => "eio",
            Self::Fail(Errno::Enospc | Errno::Edquot) => "enospc",
            Self::Fail(Errno::Erofs) => "erofs",
            Self::Fail(Errno::Emfile | Errno::Enfile) => "emfile",
            Self::Fail(_) => "other errno",
            Self::Short(_) => "short call",
            Self::Sync(SyncFailure::CleanKeepNew) => "fsync: clean, keep new",
            Self::Sync(SyncFailure::DelayedReport) => "fsync: delayed report",
            Self::Sync(SyncFailure::RevertOld) => "fsync: revert to old",
            Self::Sync(SyncFailure::StayDirty) => "fsync: stay dirty",
            Self::Sync(SyncFailure::ConsumedByOtherHandle) => "fsync: consumed by another",
            Self::Sync(SyncFailure::PartialThenEio) => "fsync: partial, then EIO",
            Self::Sync(SyncFailure::LyingSync) => "fsync: lies",
            Self::Sync(SyncFailure::ShutDown) => "fsync: shut down",
            Self::LostWrite => "lost write",
            Self::MisdirectedWrite { .. } => "misdirected write",
            Self::MisdirectedRead { .. } => "misdirected read",
            Self::StaleRead => "stale read",
            Self::BitFlip { .. } | Self::FlipAt { .. } => "bit flip",
            Self::GarbageSector { .. } => "garbage sector",
            Self::UnreadableSector { .. } => "unreadable sector",
            Self::Alter(alteration) => alteration.kind(),
            Self::LoseLock => "lock file removed",
            Self::LoseName { .. } => "file removed while it runs",
            Self::RenewRoot => "root made anew",
            Self::SpareBytes(_) => "full disk",
            Self::Stall(_) => "stall",
            Self::WallJump(_) => "wall clock jump",
        }
    }

    /// What is still promised after it struck.
    pub const fn promise(&self) -> Promise {
        match self {
            Self::BitFlip { .. }
            | Self::FlipAt { .. }
            | Self::GarbageSector { .. }
            | Self::UnreadableSector { .. }
            | Self::Alter(_)
            | Self::LoseName { .. } => Promise::DamageReported,
            Self::LostWrite
            | Self::MisdirectedWrite { .. }
            | Self::MisdirectedRead { .. }
            | Self::StaleRead
            | Self::Sync(
                SyncFailure::LyingSync
                | SyncFailure::DelayedReport
                | SyncFailure::ConsumedByOtherHandle,
            ) => Promise::PrefixOnly,
            _ => Promise::Full,
        }
    }

    /// Whether it strikes a file at rest rather than a call.
    pub(crate) const fn is_at_rest(&self) -> bool {
        matches!(
            self,
            Self::BitFlip { .. }
                | Self::FlipAt { .. }
                | Self::GarbageSector { .. }
                | Self::UnreadableSector { .. }
                | Self::Alter(_)
        )
    }

    /// Whether it is something that others do to names while the program runs.
    pub(super) const fn is_meddling(&self) -> bool {
        matches!(
            self,
            Self::LoseLock | Self::LoseName { .. } | Self::RenewRoot
        )
    }
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// At this call.
    Call(CallId),
    /// At the `nth` call (from 1) of a kind on files that match, and the `times - 1` after it.
    Nth {
        /// The kind of call.
        kind: CallKind,
        /// A pattern for the path, with `*` for any characters.
        files: String,
        /// From 1.
        nth: u32,
        /// How often it strikes in a row.
        times: u32,
    },
    /// As [`Nth`](Self::Nth), at calls that make a file longer: writes that end behind its end,
    /// `set_len` and `allocate` to a greater length. Overwriting is no such call.
    Growth {
        /// A pattern for the path, with `*` for any characters.
        files: String,
        /// From 1.
        nth: u32,
        /// How often it strikes in a row.
        times: u32,
    },
    /// When the era begins, on the `nth` file (from 1, in the order of names) that matches.
    Boot {
        /// A pattern for the file's name, with `*` for any characters.
        files: String,
        /// From 1; beyond the last it counts around.
        nth: u32,
    },
}

impl Trigger {
    /// Which of the calls that match it strikes first, and how many in a row; none if it does not
    /// count calls.
    pub(crate) fn counted_mut(&mut self) -> Option<(&mut u32, &mut u32)> {
        match self {
            Self::Nth { nth, times, .. } | Self::Growth { nth, times, .. } => Some((nth, times)),
            Self::Call(_) | Self::Boot { .. } => None,
        }
    }

    /// As [`counted_mut`](Self::counted_mut).
    pub(crate) const fn counted(&self) -> Option<(u32, u32)> {
        match self {
            Self::Nth { nth, times, .. } | Self::Growth { nth, times, .. } => Some((*nth, *times)),
            Self::Call(_) | Self::Boot { .. } => None,
        }
    }
}

/// One fault of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// When.
    pub when: Trigger,
    /// What.
    pub what: Fault,
}

impl FaultRule {
    /// A rule.
    pub const fn new(when: Trigger, what: Fault) -> Self {
        Self { when, what }
    }
}

/// What became of one rule in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The fault's kind.
    pub kind: &'static str,
    /// How often it struck.
    pub injected: u64,
    /// How often it showed itself to the program: a failed or short call, a read of damaged bytes.
    pub observed: u64,
    /// How often of these the program reported it, by name.
    pub detected: u64,
    /// 1 if all bytes that it damaged at rest were written anew, or are gone with their file.
    pub repaired: u64,
    /// How often it went unreported and what the program answered was right all the same.
    pub masked: u64,
    /// How often it went unreported although it should not have.
    pub silent: u64,
}

impl fmt::Display for LedgerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: injected {}, observed {}, detected {}, repaired {}, masked {}, silent {}",
            self.kind,
            self.injected,
            self.observed,
            self.detected,
            self.repaired,
            self.masked,
            self.silent
        )
    }
}

/// Whether a path matches a pattern in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    true
}
