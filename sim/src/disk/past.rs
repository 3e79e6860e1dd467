//! What files durably held before their latest syncs: what a backup may bring back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{Ino, Inode};

/// So many earlier states of a file are remembered.
const STATES_MAX: usize = 4;

/// Durable states of files, each of before a sync that changed it. Cloning copies a pointer.
#[derive(Clone, Default)]
pub(super) struct Past {
    files: Arc<BTreeMap<Ino, Vec<Arc<Inode>>>>,
}

impl Past {
    /// A sync is about to change what the file durably holds.
    pub fn push(&mut self, ino: Ino, before: &Arc<Inode>) {
        let states = Arc::make_mut(&mut self.files).entry(ino).or_default();
        if states.len() == STATES_MAX {
            states.remove(0);
        }
        states.push(Arc::clone(before));
    }

    /// What a file held before so many of its latest syncs, or before the earliest remembered one;
    /// none if it was never synced.
    pub fn state(&self, ino: Ino, back: u32) -> Option<&Arc<Inode>> {
        let states = self.files.get(&ino)?;
        let at = states.len().saturating_sub(back.max(1) as usize);
        states.get(at)
    }
}
