//! Effects that a crash may keep or lose.

use std::sync::Arc;

use super::survivors::EffectId;
use super::tree::Ino;

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
        bytes: Arc<[u8]>,
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
            Self::Data { ino, .. } | Self::Size { ino, .. } | Self::Zero { ino, .. } => Some(*ino),
            Self::Link { .. } | Self::Unlink { .. } | Self::Rename { .. } => None,
        }
    }

    /// The inode that it concerns: the one that is written, or whose name changes.
    pub fn file(&self) -> Ino {
        match self {
            Self::Data { ino, .. }
            | Self::Size { ino, .. }
            | Self::Zero { ino, .. }
            | Self::Link { ino, .. }
            | Self::Unlink { ino, .. }
            | Self::Rename { ino, .. } => *ino,
        }
    }

    /// Whether it changes the names of a directory.
    pub fn is_in_dir(&self, wanted: Ino) -> bool {
        match self {
            Self::Link { dir, .. } | Self::Unlink { dir, .. } => *dir == wanted,
            Self::Rename {
                from_dir, to_dir, ..
            } => *from_dir == wanted || *to_dir == wanted,
            Self::Data { .. } | Self::Size { .. } | Self::Zero { .. } => false,
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
            Self::Data { .. } => false,
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
}
