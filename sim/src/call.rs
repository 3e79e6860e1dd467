//! Names of seam calls that stay the same when a case is edited.
//!
//! Everything a case says about a run (where a fault strikes, where tasks switch, where the power
//! fails, what survives) is said of a call, and a call is named by the operation that made it, the
//! task, the kind, and how many calls of that kind the task made within that operation before.
//! Dropping an operation from a case leaves the names of all others as they were.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of call on the seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum CallKind {
    /// `Fs::create_root`.
    CreateRoot,
    /// `Fs::open`.
    Open,
    /// `Fs::create_dir`.
    CreateDir,
    /// `Fs::read_dir`.
    ReadDir,
    /// `Fs::rename`.
    Rename,
    /// `Fs::hard_link`.
    HardLink,
    /// `Fs::remove_file`.
    RemoveFile,
    /// `Fs::remove_dir`.
    RemoveDir,
    /// `Fs::metadata`.
    Metadata,
    /// `Fs::sync_dir`.
    SyncDir,
    /// `Fs::lock`.
    Lock,
    /// `File::read_at`.
    Read,
    /// `File::write_at`.
    Write,
    /// `File::set_len`.
    SetLen,
    /// `File::allocate`.
    Allocate,
    /// `File::punch`.
    Punch,
    /// `File::sync_data`.
    SyncData,
    /// `File::sync_all`.
    SyncAll,
    /// `File::len`.
    Len,
    /// `Tasks::spawn`.
    Spawn,
    /// `JoinHandle::join`.
    Join,
    /// `Tasks::yield_now`.
    Yield,
    /// `Tasks::checkpoint`, which a `Mutex` makes before it locks.
    Checkpoint,
    /// `Event::wait` and `Event::wait_until`.
    Wait,
    /// `Event::notify_one` and `Event::notify_all`.
    Notify,
    /// `Clock::monotonic` and `Clock::wall`.
    Now,
    /// `Clock::sleep`.
    Sleep,
    /// `Entropy::fill`.
    Entropy,
    /// `Fs::subdir`.
    Subdir,
    /// `File::id`.
    FileId,
    /// `File::link_count`.
    LinkCount,
}

impl CallKind {
    /// How many kinds there are.
    pub const COUNT: usize = CallKind::LinkCount as usize + 1;

    /// Position in a table by kind.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// The stable name of one call in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallId {
    /// The operation in whose course the call was made; 0 outside of any.
    pub op: u32,
    /// The task that made it: 0 is the main task, the others are numbered as they are spawned.
    pub task: u32,
    /// What was called.
    pub kind: CallKind,
    /// How many calls of this kind the task made before within the operation.
    pub nth: u32,
}

impl CallId {
    /// The first call of a kind outside of any operation, by the main task.
    pub const fn outside(kind: CallKind, nth: u32) -> Self {
        Self {
            op: 0,
            task: 0,
            kind,
            nth,
        }
    }

    /// A hash of the name under a seed: equal names give equal hashes on every machine.
    pub fn mix(self, seed: u64) -> u64 {
        let name = (u64::from(self.op) << 32) | u64::from(self.task);
        let call = ((self.kind as u64) << 32) | u64::from(self.nth);
        mix64(mix64(seed ^ name).wrapping_add(call))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "op {} task {} {:?} #{}",
            self.op, self.task, self.kind, self.nth
        )
    }
}

/// The finalizer of SplitMix64 (Steele et al., OOPSLA 2014): a fixed mixing of 64 bits.
pub fn mix64(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
