//! What stands for a model, where models cannot be compared.
//!
//! Two images of equal content need one verdict if the model stands alike before both. A model is a
//! function of the events that were folded into it and of the crashes between; so a hash of these
//! stands for it: its *past*. Recoveries of different images do the same for most of their time,
//! so most of what their crashes leave has been judged in another recovery already.
//!
//! Invariant \[I1\]: equal pasts, equal models.

use std::fmt::{self, Debug, Write};

use crate::call::mix64;
use crate::disk::{CrashKind, Promise};
use crate::scenario::{Scenario, Stamped};

/// Everything that led to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Past(u64);

impl Past {
    /// Before a ground: its model, and how many eras there were before.
    pub fn of_ground(number: usize, depth: u64, promise: Promise) -> Self {
        Self(number as u64).mixed(depth).after(&promise).mixed(1)
    }

    /// After a crash of this kind, and one more era, with what is then still promised.
    pub fn crashed(self, kind: CrashKind, promise: Promise) -> Self {
        self.after(&promise).mixed(match kind {
            CrashKind::Power => 2,
            CrashKind::Kill => 3,
        })
    }

    /// The pasts after each of an era's events, the first one without any.
    pub fn through<S: Scenario>(self, history: &[Stamped<S::Event>]) -> Vec<Self> {
        let mut pasts = vec![self];
        let mut last = self;
        for stamped in history {
            last = last.after(&stamped.event);
            pasts.push(last);
        }
        pasts
    }

    /// A hash of this past, of contents, and of how deep crashes are nested.
    pub fn with(self, content: u64, depth: u32) -> u64 {
        self.mixed(content).mixed(depth.into()).0
    }

    fn after(self, event: &impl Debug) -> Self {
        let mut hasher = Hasher(self.0);
        // A hasher refuses nothing.
        let _ = write!(hasher, "{event:?}");
        Self(hasher.0).mixed(4)
    }

    fn mixed(self, word: u64) -> Self {
        Self(mix64(self.0 ^ mix64(word)))
    }
}

/// Hashes what is written to it, a letter at a time.
struct Hasher(u64);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
            self.0 ^= self.0 >> 29;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
