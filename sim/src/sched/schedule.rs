//! Which task runs next: a default, and the deviations from it.

use serde::{Deserialize, Serialize};

use crate::call::{CallId, mix64};

/// One deviation from the default order: when the call `at` is entered, task `to` goes first. For
/// a `Notify`, `to` is the waiter that wakes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The call at which the order deviates.
    pub at: CallId,
    /// The task that goes first; ignored where it can't run at that point.
    pub to: u32,
}

/// A point at which another task could go first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The call that was entered.
    pub at: CallId,
    /// The tasks that the default does not choose, sorted.
    pub others: Vec<u32>,
}

/// The order in which tasks take turns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    /// Each task runs until it blocks.
    #[default]
    RunUntilBlocked,
    /// The default, but for these.
    Deviations(Vec<Deviation>),
    /// At one in `one_in` calls another task goes first: which calls and which task is a hash of
    /// the call's name under `seed`.
    Hashed {
        /// What the hash is keyed with.
        seed: u64,
        /// The mean number of calls between switches; 0 never switches.
        one_in: u32,
    },
}

impl Schedule {
    /// Which of `others` goes first at `at`, if any. `others` is sorted and not empty.
    pub(super) fn choose(&self, at: CallId, others: &[u32]) -> Option<u32> {
        match self {
            Self::RunUntilBlocked => None,
            Self::Deviations(list) => {
                // Sorted on construction of the world, so that long lists stay cheap.
                let found = list
                    .binary_search_by(|deviation| deviation.at.cmp(&at))
                    .ok()?;
                list.get(found)
                    .map(|deviation| deviation.to)
                    .filter(|to| others.contains(to))
            }
            Self::Hashed { one_in: 0, .. } => None,
            Self::Hashed { seed, one_in } => {
                let hash = at.mix(*seed);
                if !hash.is_multiple_of(u64::from(*one_in)) {
                    return None;
                }
                let index = mix64(hash) % others.len() as u64;
                others.get(index as usize).copied()
            }
        }
    }

    /// Whether it never deviates.
    pub fn is_default(&self) -> bool {
        match self {
            Self::RunUntilBlocked | Self::Hashed { one_in: 0, .. } => true,
            Self::Deviations(list) => list.is_empty(),
            Self::Hashed { .. } => false,
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        if let Self::Deviations(list) = &mut self {
            list.sort();
        }
        self
    }
}
