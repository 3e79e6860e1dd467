//! Effects that a crash may keep or lose.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::page::Written;
use super::survivors::EffectId;
use super::tree::Ino;

/// Bytes of a file system's block.
pub(super) const BLOCK: u64 = 4_096;

/// One pending effect and its name.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub id: EffectId,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Data {
        ino: Ino,
        offset: u64,
        bytes: Written,
    },
    Size {
        ino: Ino,
        old: u64,
        new: u64,
        by_write: bool,
    },
    Zero {
        ino: Ino,
        offset: u64,
        len: u64,
    },
    /// The length is at least this: what punching or allocating below an unwritten length leaves.
    Floor {
        ino: Ino,
        len: u64,
    },
    Link {
        dir: Ino,
        name: Arc<str>,
        ino: Ino,
    },
    Unlink {
        dir: Ino,
        name: Arc<str>,
        ino: Ino,
    },
    Rename {
        from_dir: Ino,
        from: Arc<str>,
        to_dir: Ino,
        to: Arc<str>,
        ino: Ino,
        replaced: Option<Ino>,
    },
}

impl What {
    /// The inode whose contents or length it concerns.
    pub fn content_of(&self) -> Option<Ino> {
        match self {
            Self::Data { ino, .. }
            | Self::Size { ino, .. }
            | Self::Zero { ino, .. }
            | Self::Floor { ino, .. } => Some(*ino),
            Self::Link { .. } | Self::Unlink { .. } | Self::Rename { .. } => None,
        }
    }

    /// The inode that it concerns: the one that is written, or whose name changes.
    pub fn file(&self) -> Ino {
        match self {
            Self::Data { ino, .. }
            | Self::Size { ino, .. }
            | Self::Zero { ino, .. }
            | Self::Floor { ino, .. }
            | Self::Link { ino, .. }
            | Self::Unlink { ino, .. }
            | Self::Rename { ino, .. } => *ino,
        }
    }

    /// The names that it changes, by directory.
    fn entries(&self) -> Vec<(Ino, &str)> {
        match self {
            Self::Link { dir, name, .. } | Self::Unlink { dir, name, .. } => vec![(*dir, name)],
            Self::Rename {
                from_dir,
                from,
                to_dir,
                to,
                ..
            } => vec![(*from_dir, from), (*to_dir, to)],
            _ => Vec::new(),
        }
    }

    /// Whether it changes the names of a directory.
    pub fn is_in_dir(&self, wanted: Ino) -> bool {
        match self {
            Self::Link { dir, .. } | Self::Unlink { dir, .. } => *dir == wanted,
            Self::Rename {
                from_dir, to_dir, ..
            } => *from_dir == wanted || *to_dir == wanted,
            Self::Data { .. } | Self::Size { .. } | Self::Zero { .. } | Self::Floor { .. } => false,
        }
    }

    /// Whether it is written to a journal in the order of calls: names and explicit sizes. The
    /// size of an extending write is journalled when its data is written back.
    pub fn is_journalled(&self) -> bool {
        match self {
            Self::Size { by_write, .. } => !by_write,
            Self::Zero { .. } | Self::Link { .. } | Self::Unlink { .. } | Self::Rename { .. } => {
                true
            }
            Self::Data { .. } | Self::Floor { .. } => false,
        }
    }

    /// The bytes of the file whose contents it determines: data, zeros, and what a shrink cuts.
    pub fn range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Data { offset, bytes, .. } => Some((*offset, offset + bytes.len() as u64)),
            Self::Zero { offset, len, .. } => Some((*offset, offset + len)),
            Self::Size { old, new, .. } if new < old => Some((*new, *old)),
            _ => None,
        }
    }

    /// The old and the new length, if a write made the file longer.
    pub fn growth(&self) -> Option<(u64, u64)> {
        match self {
            Self::Size {
                old,
                new,
                by_write: true,
                ..
            } => Some((*old, *new)),
            _ => None,
        }
    }

    /// Whether a tear unit lies in a block of which a shorter length cuts a part. Such a block is
    /// zeroed like data, so that the zeros may reach the disk although the length does not.
    pub fn is_edge(&self, unit: u64, tear_bytes: u64) -> bool {
        match (self, self.range()) {
            (Self::Size { .. }, Some((start, _))) => {
                !start.is_multiple_of(BLOCK) && start / BLOCK == unit * tear_bytes / BLOCK
            }
            _ => false,
        }
    }
}

/// The pending changes of names that a sync of one inode makes durable where it jumps ahead of
/// others: those of the inode (of a directory: those in it), and what these build on, which is
/// every earlier change of the same names and the names of new directories above.
pub(super) fn own_names(pending: &[Pending], ino: Ino, all: bool, is_dir: bool) -> BTreeSet<usize> {
    let is_own = |what: &What| match what {
        _ if is_dir => what.is_in_dir(ino),
        What::Link { ino: linked, .. } => *linked == ino,
        What::Rename { ino: renamed, .. } => all && *renamed == ino,
        _ => false,
    };
    let mut own: BTreeSet<usize> = (0..pending.len())
        .filter(|&at| is_own(&pending[at].what))
        .collect();
    let mut open: Vec<usize> = own.iter().copied().collect();
    while let Some(at) = open.pop() {
        let entries = pending[at].what.entries();
        for (before, earlier) in pending.iter().enumerate().take(at) {
            let is_above = |dir: Ino| matches!(earlier.what, What::Link { ino, .. } if ino == dir);
            let is_same = |entry| earlier.what.entries().contains(entry);
            let is_needed = entries
                .iter()
                .any(|entry| is_same(entry) || is_above(entry.0));
            if is_needed && own.insert(before) {
                open.push(before);
            }
        }
    }
    own
}
