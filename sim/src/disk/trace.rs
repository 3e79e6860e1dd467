//! Every effect of a run, in order: what a crash may keep or lose.

use std::sync::Arc;

use super::tree::Ino;
use crate::call::CallId;

/// What became of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Synced {
    /// It did what it says.
    Done,
    /// Nothing was written; the pages count as clean, the metadata was written.
    Cleaned,
    /// As `Cleaned`, but every other unit of the data was written.
    Partial,
    /// Nothing was written, and reads show the old bytes.
    Reverted,
    /// Nothing happened.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// Bytes of a write; they stand in the trace's slab.
    Write {
        ino: Ino,
        offset: u64,
        start: usize,
        len: usize,
        is_lost: bool,
    },
    /// Bytes of the write before went to this place of the disk as well; see
    /// [`Fault::MisdirectedWrite`](super::fault::Fault::MisdirectedWrite).
    Misplaced {
        ino: Ino,
        offset: u64,
        start: usize,
        len: usize,
    },
    /// The length changed.
    Size {
        ino: Ino,
        old: u64,
        new: u64,
        by_write: bool,
    },
    /// A range was freed and reads as zeros.
    Zero {
        ino: Ino,
        offset: u64,
        len: u64,
    },
    /// Space was allocated or freed up to there, below the length.
    Floor {
        ino: Ino,
        len: u64,
    },
    /// A new inode and its name.
    Create {
        dir: Ino,
        name: Arc<str>,
        ino: Ino,
        is_dir: bool,
    },
    /// A new directory that no name below the root leads to.
    Apart {
        ino: Ino,
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
    /// A file or a directory was synced; `all` is false for `sync_data`.
    Sync {
        ino: Ino,
        all: bool,
        how: Synced,
    },
    /// The root directory was created and its name synced.
    Root,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub call: CallId,
    pub effect: Effect,
}

/// The effects of one run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(super) events: Vec<Event>,
    /// The bytes of all writes.
    pub(super) bytes: Vec<u8>,
}

impl Trace {
    /// How many effects there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The call that had effect `at`.
    pub fn call_at(&self, at: usize) -> Option<CallId> {
        self.events.get(at).map(|event| event.call)
    }

    /// Whether a cut before effect `at` falls between two calls.
    fn is_boundary(&self, at: usize) -> bool {
        at == 0 || self.call_at(at - 1) != self.call_at(at)
    }

    /// The nearest cut at or before `at` that falls between two calls.
    pub fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.len());
        while !self.is_boundary(at) {
            at -= 1;
        }
        at
    }

    /// All cuts between calls, the likeliest to break first: beside syncs, then beside names and
    /// sizes, then the rest.
    pub fn cuts_by_interest(&self) -> Vec<usize> {
        let rank = |at: usize| match self.events.get(at).map(|event| &event.effect) {
            Some(Effect::Sync { .. } | Effect::Root) => 0,
            Some(Effect::Write { .. } | Effect::Misplaced { .. }) => 2,
            Some(_) => 1,
            None => 0,
        };
        let beside = |at: usize| match at.checked_sub(1) {
            Some(before) => rank(at).min(rank(before)),
            None => rank(at),
        };
        let mut cuts: Vec<usize> = (0..=self.len())
            .filter(|&at| self.is_boundary(at))
            .collect();
        cuts.sort_by_key(|&at| (beside(at), at));
        cuts
    }

    pub(super) fn push(&mut self, call: CallId, effect: Effect) {
        self.events.push(Event { call, effect });
    }

    /// The first `len` bytes of the last write went to another place of its file.
    pub(super) fn push_misplaced(&mut self, call: CallId, offset: u64, len: usize) {
        if let Some(Effect::Write { ino, start, .. }) = self.events.last().map(|last| &last.effect)
        {
            let (ino, start) = (*ino, *start);
            let effect = Effect::Misplaced {
                ino,
                offset,
                start,
                len,
            };
            self.push(call, effect);
        }
    }

    pub(super) fn push_write(
        &mut self,
        call: CallId,
        ino: Ino,
        offset: u64,
        bytes: &[u8],
        is_lost: bool,
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.push(
            call,
            Effect::Write {
                ino,
                offset,
                start,
                len: bytes.len(),
                is_lost,
            },
        );
    }
}
