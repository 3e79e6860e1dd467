//! A disk between two runs.

use std::sync::Arc;

use super::config::DiskConfig;
use super::damage::Damage;
use super::hash;
use super::past::Past;
use super::pending::{Pending, What};
use super::tree::{Ino, Inode, Tree};

/// What a disk holds when nothing runs on it. Cloning copies pointers.
#[derive(Clone)]
pub struct Image {
    /// What the next run will see.
    pub(super) visible: Tree,
    /// After a kill: what is durable, and what is still pending. After a loss of power the
    /// visible state is all there is.
    pub(super) unsynced: Option<Arc<Unsynced>>,
    /// Bytes that are damaged at rest.
    pub(super) damage: Damage,
    /// Files that are gone: what their blocks still hold, the latest first.
    pub(super) freed: Vec<Freed>,
    /// What files durably held before.
    pub(super) past: Past,
}

/// A file that is gone.
#[derive(Clone)]
pub(super) struct Freed {
    pub ino: Ino,
    pub inode: Arc<Inode>,
}

#[derive(Clone)]
pub(super) struct Unsynced {
    pub durable: Tree,
    pub pending: Vec<Pending>,
    /// What is damaged on the disk, whatever the page cache shows.
    pub damage: Damage,
}

impl Unsynced {
    fn hash(&self) -> u64 {
        let start = hash::word(self.durable.hash(), self.damage.hash());
        self.pending.iter().fold(start, |hash, pending| {
            let hash = hash::word(hash, pending.id.mix(0, 0));
            match &pending.what {
                // Of a file that is gone nothing is seen; a lost unlink brings it back.
                What::Data { bytes, .. } => hash::bytes(hash, bytes),
                _ => hash,
            }
        })
    }
}

impl Image {
    /// A disk without even a root directory.
    pub fn empty(_config: &DiskConfig) -> Self {
        Self {
            visible: Tree::new(),
            unsynced: None,
            damage: Damage::default(),
            freed: Vec::new(),
            past: Past::default(),
        }
    }

    /// What a program sees on a disk, as if all of it were durable.
    pub(super) fn of_seen(visible: Tree, damage: Damage) -> Self {
        Self {
            visible,
            unsynced: None,
            damage,
            freed: Vec::new(),
            past: Past::default(),
        }
    }

    /// Whether a kill left it: there is a page cache.
    pub(crate) fn is_of_kill(&self) -> bool {
        self.unsynced.is_some()
    }

    /// A hash of what is seen and not durable; 0: everything is durable. Crashes of equal
    /// recoveries differ where this differs.
    pub(crate) fn unsynced_hash(&self) -> u64 {
        match &self.unsynced {
            Some(unsynced) if !unsynced.pending.is_empty() => unsynced.hash(),
            Some(unsynced) if unsynced.durable.hash() != self.visible.hash() => unsynced.hash(),
            _ => 0,
        }
    }

    /// A hash of names and contents. Images with equal hashes look alike to a program, except
    /// for what is still unsynced in them, which is counted in.
    pub fn content_hash(&self) -> u64 {
        hash::word(
            hash::word(self.visible.hash(), self.unsynced_hash()),
            self.damage.hash(),
        )
    }

    /// A hash of what no program sees, but a later crash may show: what freed blocks hold, and
    /// which zeros take space, for what takes none gets its blocks with the next write.
    pub(crate) fn hidden_hash(&self) -> u64 {
        let mut hash = self.freed_hash();
        self.visible.walk(&mut |_, _, ino| {
            let content = self.visible.get(ino).map(|inode| &inode.content);
            let zeros = content.into_iter().flat_map(|content| content.zero_pages());
            hash = zeros.fold(hash::word(hash, 1), |hash, page| hash::word(hash, page + 2));
        });
        hash
    }

    /// A hash of what the blocks of files that are gone still hold; 0 if there are none. No
    /// program sees it, but after a later crash a new file may show it.
    pub(crate) fn freed_hash(&self) -> u64 {
        let contents = self.freed.iter().map(|freed| &freed.inode.content);
        contents.fold(0, |hash, content| hash::word(hash, content.hash()))
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names = Vec::new();
        self.visible.walk(&mut |_, name, ino| {
            let len = self.visible.get(ino).map_or(0, |inode| inode.len);
            names.push(format!("{name} ({len} bytes)"));
        });
        f.debug_struct("Image").field("names", &names).finish()
    }
}
