//! Damage at rest: an overlay on pristine contents.
//!
//! The contents stay as they were written; reading goes through the overlay. So each damage can
//! be switched off by itself, and a byte that is written again is whole again.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tree::Ino;
use crate::call::mix64;

/// Stands for the rules of earlier eras.
pub(super) const OF_EARLIER: usize = usize::MAX;

/// What is wrong with a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// These bits are flipped.
    Flipped(u8),
    /// The sector cannot be read.
    Unreadable,
    /// A write that was meant for another place has left this byte here.
    Misplaced(u8),
}

/// A rule and the range of the file in which its damage showed.
pub(super) type Seen = (usize, Range<u64>);

/// All damaged bytes, by inode and offset, with the rule that did it.
#[derive(Clone, Default)]
pub(super) struct Damage {
    bytes: BTreeMap<(Ino, u64), (Harm, usize)>,
}

impl Damage {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The rules of an earlier run are not those of the next.
    pub fn disown(&mut self) {
        for (_, rule) in self.bytes.values_mut() {
            *rule = OF_EARLIER;
        }
    }

    pub fn harm(&mut self, ino: Ino, offset: u64, harm: Harm, rule: usize) {
        self.bytes.insert((ino, offset), (harm, rule));
    }

    /// A range was written: it is whole again.
    pub fn heal(&mut self, ino: Ino, offset: u64, len: u64) {
        if self.bytes.is_empty() {
            return;
        }
        let range = (ino, offset)..(ino, offset.saturating_add(len));
        let healed: Vec<(Ino, u64)> = self.bytes.range(range).map(|(&at, _)| at).collect();
        for at in healed {
            self.bytes.remove(&at);
        }
    }

    /// Whether a file has damaged bytes.
    pub fn is_in(&self, ino: Ino) -> bool {
        let mut bytes = self.bytes.range((ino, 0)..=(ino, u64::MAX));
        bytes.next().is_some()
    }

    /// Whether bytes that a rule has damaged are left in a file that is still there.
    pub fn is_left(&self, rule: usize, is_there: impl Fn(Ino) -> bool) -> bool {
        let mut bytes = self.bytes.iter();
        bytes.any(|(&(ino, _), &(_, by))| by == rule && is_there(ino))
    }

    /// Puts the damage on bytes that were read. Returns the rules that showed and between which
    /// bytes, or the rule whose sector cannot be read.
    pub fn show(&self, ino: Ino, offset: u64, buffer: &mut [u8]) -> Result<Vec<Seen>, usize> {
        let mut shown: Vec<Seen> = Vec::new();
        let range = (ino, offset)..(ino, offset + buffer.len() as u64);
        for (&(_, at), &(harm, rule)) in self.bytes.range(range) {
            match harm {
                Harm::Unreadable => return Err(rule),
                Harm::Flipped(_) | Harm::Misplaced(_) => {
                    if let Some(byte) = buffer.get_mut((at - offset) as usize) {
                        match harm {
                            Harm::Misplaced(foreign) => *byte = foreign,
                            Harm::Flipped(bits) => *byte ^= bits,
                            Harm::Unreadable => {}
                        }
                    }
                    match shown.iter_mut().find(|(seen, _)| *seen == rule) {
                        Some((_, bytes)) => bytes.end = at + 1,
                        None => shown.push((rule, at..at + 1)),
                    }
                }
            }
        }
        Ok(shown)
    }

    /// Every damaged byte with the rule that did it, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Ino, u64, usize)> {
        let bytes = self.bytes.iter();
        bytes.map(|(&(ino, offset), &(_, rule))| (ino, offset, rule))
    }

    pub fn hash(&self) -> u64 {
        self.bytes
            .iter()
            .fold(0, |hash, (&(ino, offset), &(harm, _))| {
                let harm = match harm {
                    Harm::Flipped(bits) => u64::from(bits),
                    Harm::Unreadable => 256,
                    Harm::Misplaced(foreign) => 512 + u64::from(foreign),
                };
                mix64(hash ^ mix64(u64::from(ino.0)) ^ offset) ^ harm
            })
    }
}

/// Garbage for byte `at` of a damaged sector: never 0, so that it always changes the byte.
pub(super) fn garbage(seed: u64, at: u64) -> u8 {
    (mix64(seed ^ at) as u8) | 1
}
