//! Shards: one campaign over several machines.
//!
//! Shard `i/n` has the seeds whose remainder by `n` is `i - 1`. People count shards from 1.
//!
//! Invariants:
//! - \[I1\] The shards of one `n` share no seed, and together they are the whole range.
//! - \[I2\] Which seeds a shard has depends on nothing but `i`, `n` and the range: not on threads,
//!   machines, or how far the others are.
//!
//! What a batch system says about a shard is read in `scheduler`.

pub mod scheduler;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// More shards than this are a mistake of the caller.
pub const SHARDS_MAX: u64 = 1_000_000;

/// One part of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Shard {
    /// From 1.
    index: u64,
    count: u64,
}

/// Why something is no shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// Not of the form `i/n`.
    #[error("expected a shard as 1/4, found {found:?}")]
    Form {
        /// What was given.
        found: String,
    },
    /// The first number is not among the shards.
    #[error("there is no shard {index} of {count}: the first number counts from 1")]
    Index {
        /// The first number.
        index: u64,
        /// The second number.
        count: u64,
    },
    /// No shards, or more than [`SHARDS_MAX`].
    #[error("{count} shards: expected 1 to {SHARDS_MAX}")]
    Count {
        /// The second number.
        count: u64,
    },
}

impl Shard {
    /// The only shard there is.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Shard `index` (from 1) of `count`.
    ///
    /// # Errors
    /// If there is no such shard.
    pub fn new(index: u64, count: u64) -> Result<Self, ShardError> {
        if count == 0 || count > SHARDS_MAX {
            return Err(ShardError::Count { count });
        }
        if index == 0 || index > count {
            return Err(ShardError::Index { index, count });
        }
        Ok(Self { index, count })
    }

    /// From 1.
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many shards there are.
    pub const fn count(self) -> u64 {
        self.count
    }

    /// Whether the shard has this seed.
    pub const fn has(self, seed: u64) -> bool {
        seed % self.count == self.index - 1
    }

    /// The seed at `position` (from 0) among those of the shard in a range; none beyond its end.
    pub fn seed(self, range: &Range<u64>, position: u64) -> Option<u64> {
        let remainder = range.start % self.count;
        // How far it is from the start of the range to the first seed of the shard.
        let ahead = (self.count + self.index - 1 - remainder) % self.count;
        let seed = range
            .start
            .checked_add(ahead)?
            .checked_add(position.checked_mul(self.count)?)?;
        (seed < range.end).then_some(seed)
    }

    /// How many seeds of a range the shard has.
    pub fn seed_count(self, range: &Range<u64>) -> u64 {
        match self.seed(range, 0) {
            Some(first) => (range.end - first).div_ceil(self.count),
            None => 0,
        }
    }

    /// The first seed that two shards of two ranges have in common.
    pub fn common_seed(self, range: &Range<u64>, other: Self, others: &Range<u64>) -> Option<u64> {
        if self.count == other.count && self.index != other.index {
            return None;
        }
        let both = range.start.max(others.start)..range.end.min(others.end);
        // What is common repeats after the least common multiple of the counts.
        (0..other.count)
            .map_while(|position| self.seed(&both, position))
            .find(|&seed| other.has(seed))
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let form = || ShardError::Form {
            found: text.to_owned(),
        };
        let (index, count) = text.trim().split_once('/').ok_or_else(form)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| form());
        Self::new(number(index)?, number(count)?)
    }
}

/// A shard as it is written in a report.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    index: u64,
    count: u64,
}

impl TryFrom<Text> for Shard {
    type Error = ShardError;

    fn try_from(text: Text) -> Result<Self, ShardError> {
        Self::new(text.index, text.count)
    }
}

impl From<Shard> for Text {
    fn from(shard: Shard) -> Self {
        Self {
            index: shard.index,
            count: shard.count,
        }
    }
}
