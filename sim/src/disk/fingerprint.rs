//! What tells choices of one cut apart before any image is built.
//!
//! Most choices come to an image that an earlier one has come to: bytes are kept of a file whose
//! name is lost, or behind its end, or under bytes that were written again. To see that here costs
//! a fraction of building the image and hashing it.
//!
//! Invariant \[I1\]: choices of one cut with equal fingerprints leave images of equal content. The
//! reverse need not hold.

use std::collections::BTreeMap;

use super::crash::CrashModel;
use super::enumerate::Elements;
use super::hash;
use super::pending::{Pending, What};
use super::resolve::{Kept, Resolution, is_cut, units};
use super::runs::Runs;
use super::survivors::{Fill, Tear};
use super::tree::Ino;
use crate::call::mix64;

impl Resolution {
    /// A hash that is equal only for choices that come to the same.
    pub fn fingerprint(&self, model: &CrashModel, elements: &Elements) -> u64 {
        let tear_bytes = model.config.tear_bytes;
        let is_part_cut = |(pending, kept): (&Pending, &Kept)| {
            is_cut(&pending.what) && matches!(kept, Kept::Units(_))
        };
        let pairs = || model.pending.iter().zip(&self.kept);
        let is_plain = self.torn.is_empty() && !pairs().any(is_part_cut);
        let overwritten = Overwritten::of(model, self, is_plain && elements.has_overwrites);
        let ends = self.ends(model, elements);
        let end_of = |ino: Ino| {
            let end = ends.iter().find(|(known, _)| *known == ino);
            end.map_or(0, |&(_, len)| len)
        };
        let mut shows_unwritten = false;
        let mut hash = 0;
        for (at, (pending, kept)) in pairs().enumerate() {
            let what = &pending.what;
            let Some(ino) = what.content_of() else {
                hash = kept.mix_into(hash);
                continue;
            };
            match what {
                What::Data { .. } => {
                    let (first, count) = units(what, tear_bytes);
                    let last = first + count as u64;
                    // A version of a unit has what was written there before, too.
                    let is_seen = |unit: u64| end_of(ino) > unit * tear_bytes;
                    let kept_unit = |unit: u64| kept.unit((unit - first) as usize);
                    let is_lost = |unit| is_seen(unit) && !kept_unit(unit);
                    shows_unwritten |= *kept != Kept::All && (first..last).any(is_lost);
                    let is_last = |unit| {
                        is_seen(unit) && kept_unit(unit) && !overwritten.after(at, pending, unit)
                    };
                    let is_whole = overwritten.is_empty() && last > first && is_seen(last - 1);
                    hash = match kept {
                        Kept::No => hash::word(hash, 3),
                        Kept::All if is_whole => hash::word(hash, 4),
                        _ => mix_bits(hash, (first..last).map(is_last)),
                    };
                }
                // Of what makes a file longer only the end counts, and that comes below.
                What::Size { .. } | What::Floor { .. } if what.range().is_none() => {}
                _ if end_of(ino) == 0 => {}
                _ => hash = kept.mix_into(hash),
            }
        }
        for (ino, len) in ends {
            hash = hash::word(hash::word(hash, u64::from(ino.0)), len);
        }
        shows_unwritten &= model.config.profile.exposes_stale();
        hash = hash::word(hash, u64::from(shows_unwritten && self.fill == Fill::Stale));
        mix64(self.mix_torn(hash))
    }

    fn mix_torn(&self, mut hash: u64) -> u64 {
        for torn in &self.torn {
            let (kind, how) = match torn.tear {
                Tear::Prefix(bytes) => (0, u64::from(bytes)),
                Tear::Suffix(bytes) => (1, u64::from(bytes)),
                Tear::Mask(mask) => (2, mask),
                Tear::Garbage => (3, 0),
            };
            for word in [torn.at as u64, torn.unit, kind, how, torn.over.into()] {
                hash = hash::word(hash, word);
            }
        }
        hash
    }

    /// The length of each file that has pending contents; 0 where it may have no name, and nothing
    /// of it is seen.
    fn ends(&self, model: &CrashModel, elements: &Elements) -> Vec<(Ino, u64)> {
        let mut ends: Vec<(Ino, u64)> = Vec::new();
        for (pending, kept) in model.pending.iter().zip(&self.kept) {
            let Some(ino) = pending.what.content_of() else {
                continue;
            };
            let at = match ends.iter().position(|(known, _)| *known == ino) {
                Some(at) => at,
                None => {
                    let durable = model.durable.get(ino);
                    ends.push((ino, durable.map_or(0, |inode| inode.len)));
                    ends.len() - 1
                }
            };
            if let Some((_, len)) = ends.get_mut(at) {
                *len = kept.length_after(*len, &pending.what, model.config.tear_bytes);
            }
        }
        for (ino, len) in &mut ends {
            if elements.unnamed.contains(ino) && !self.names(model, *ino) {
                *len = 0;
            }
        }
        ends
    }

    /// Whether a change of names that is kept gives this file one.
    fn names(&self, model: &CrashModel, wanted: Ino) -> bool {
        let mut pairs = model.pending.iter().zip(&self.kept);
        pairs.any(|(pending, kept)| {
            let (What::Link { ino, .. } | What::Rename { ino, .. }) = pending.what else {
                return false;
            };
            ino == wanted && *kept == Kept::All
        })
    }
}

/// Mixes a row of bits into a hash; a row of zeros as 3, one of ones as 4.
fn mix_bits(hash: u64, bits: impl Iterator<Item = bool>) -> u64 {
    let (mut count, mut ones, mut mixed) = (0, 0, 5);
    for bit in bits {
        count += 1;
        ones += u64::from(bit);
        mixed = hash::word(mixed, u64::from(bit));
    }
    match ones {
        0 => hash::word(hash, 3),
        _ if ones == count => hash::word(hash, 4),
        _ => hash::word(hash, mix64(mixed)),
    }
}

/// Which units are written again by a later write that is kept.
#[derive(Default)]
struct Overwritten {
    /// By file, of its units: the last kept write. Empty if no two writes meet.
    last: BTreeMap<Ino, Runs<usize>>,
}

impl Overwritten {
    fn of(model: &CrashModel, resolution: &Resolution, has_any: bool) -> Self {
        let mut overwritten = Self::default();
        if !has_any {
            return overwritten;
        }
        for (at, (pending, kept)) in model.pending.iter().zip(&resolution.kept).enumerate() {
            if let what @ What::Data { ino, .. } = &pending.what {
                let last = overwritten.last.entry(*ino).or_default();
                for (first, end) in kept.runs(units(what, model.config.tear_bytes)) {
                    last.put(first, end, at);
                }
            }
        }
        overwritten
    }

    fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    fn after(&self, at: usize, pending: &Pending, unit: u64) -> bool {
        let ino = pending.what.content_of();
        let last = ino.and_then(|ino| self.last.get(&ino)?.get(unit));
        last.is_some_and(|last| last > at)
    }
}
