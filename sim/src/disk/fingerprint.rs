//! What tells choices of one cut apart before any image is built.
//!
//! Most choices come to an image that an earlier one has come to: bytes are kept of a file whose
//! name is lost, or behind its end, or under bytes that were written again. To see that here costs
//! a fraction of building the image and hashing it.
//!
//! Invariant \[I1\]: choices of one cut with equal fingerprints leave images of equal content. The
//! reverse need not hold.

use super::crash::CrashModel;
use super::enumerate::Elements;
use super::hash;
use super::layout::{Changed, Laid};
use super::pending::What;
use super::resolve::{Kept, Resolution};
use super::runs::Runs;
use super::survivors::{Fill, Tear};
use super::unitset::{UnitSet, low_bits};
use crate::call::mix64;

/// A fingerprint, in parts.
#[derive(Default)]
pub(crate) struct Print {
    /// Of what is kept of changes of names.
    pub names: u64,
    /// Of each file with pending contents, in the order of the layout.
    pub files: Vec<PrintOfFile>,
}

/// Hashes of what is kept of one file's contents.
#[derive(Clone, Copy, Default)]
pub(crate) struct PrintOfFile {
    /// Of what is seen of it. Files that look alike may still differ in which of their zeros take
    /// space.
    pub seen: u64,
    /// Of all of it.
    pub whole: u64,
}

impl Print {
    /// One hash of all that is seen.
    pub fn seen(&self) -> u64 {
        let seen = self.files.iter().map(|file| file.seen);
        mix64(seen.fold(self.names, hash::word))
    }
}

impl Resolution {
    /// Hashes that are equal only for choices that come to the same, into memory that is there.
    pub fn fingerprint_into(&self, print: &mut Print, model: &CrashModel, elements: &Elements) {
        let layout = &elements.layout;
        let laid = || layout.effects.iter().zip(&self.kept);
        let is_part_cut = |(laid, kept): (&Laid, &Kept)| laid.is_cut && is_some_units(kept);
        // Else what was overwritten may show all the same.
        let hides = self.torn.is_empty() && !laid().any(is_part_cut);
        let of_names = laid().filter(|(laid, _)| laid.file.is_none());
        print.names = mix64(of_names.fold(0, |hash, (_, kept)| kept.mix_into(hash)));
        print.files.clear();
        let named = layout.files.iter().zip(&elements.naming);
        print.files.extend(named.map(|(changed, naming)| {
            let is_named = naming.as_ref().is_none_or(|places| {
                let mut kept = places.iter().filter_map(|&at| self.kept.get(at));
                kept.any(|kept| *kept == Kept::All)
            });
            match is_named {
                true => self.of_file(model, elements, changed, hides),
                // Nothing of it is seen.
                false => PrintOfFile::default(),
            }
        }));
    }

    fn of_file(
        &self,
        model: &CrashModel,
        elements: &Elements,
        changed: &Changed,
        hides: bool,
    ) -> PrintOfFile {
        let tear_bytes = model.config.tear_bytes;
        let ops = changed.ops.iter();
        let ops = ops.filter_map(|&at| {
            let laid = elements.layout.effects.get(at)?;
            Some((laid, &model.pending.get(at)?.what, self.kept.get(at)?))
        });
        let len = ops.clone().fold(changed.len, |len, (_, what, kept)| {
            kept.length_after(len, what, tear_bytes)
        });
        let mut shows_unwritten = false;
        let mut hash = hash::word(0, len);
        let mut whole = 0;
        // The later writes come first, for what they hide.
        let mut covered: Runs<()> = Runs::default();
        for (laid, what, kept) in ops.rev() {
            whole = kept.mix_into(whole);
            let (first, count) = laid.units;
            match what {
                What::Data { .. } => {
                    // A version of a unit has what was written there before, too.
                    let seen = len.div_ceil(tear_bytes).saturating_sub(first) as usize;
                    let seen = seen.min(count);
                    let (old, all) = (laid.stale_from.min(seen), *kept == Kept::All);
                    let new = || kept.count_within(seen) - kept.count_within(old);
                    shows_unwritten |= !all && old < seen && new() < seen - old;
                    hash = match kept {
                        Kept::No => hash::word(hash, 3),
                        _ if hides && changed.has_overwrites => {
                            let is_hidden = |unit| covered.within(unit, unit + 1).next().is_some();
                            let is_last =
                                |unit: usize| kept.unit(unit) && !is_hidden(first + unit as u64);
                            let last = UnitSet::of(count, is_last);
                            for (from, past) in kept.runs(laid.units) {
                                covered.put(from, past, ());
                            }
                            mix_units(hash, &last, seen)
                        }
                        Kept::All if seen == count && count > 0 => hash::word(hash, 4),
                        Kept::All => mix_units(hash, &UnitSet::all_of(count), seen),
                        Kept::Units(units) => mix_units(hash, units, seen),
                    };
                }
                // Of what makes a file longer only the end counts, and that is in already.
                What::Size { .. } | What::Floor { .. } if what.range().is_none() => {}
                _ if len == 0 => {}
                _ => hash = kept.mix_into(hash),
            }
        }
        // A file of which nothing is kept is what it was.
        shows_unwritten &= self.fill == Fill::Stale && changed.is_kept_in(self);
        hash = hash::word(hash, shows_unwritten.into());
        let is_stale = u64::from(self.fill == Fill::Stale);
        PrintOfFile {
            seen: mix64(self.mix_torn(hash, changed)),
            whole: mix64(self.mix_torn(hash::word(whole, is_stale), changed)),
        }
    }

    fn mix_torn(&self, mut hash: u64, of: &Changed) -> u64 {
        for torn in self.torn.iter().filter(|torn| of.ops.contains(&torn.at)) {
            let (kind, how) = match torn.tear {
                Tear::Prefix(bytes) => (0, u64::from(bytes)),
                Tear::Suffix(bytes) => (1, u64::from(bytes)),
                Tear::Mask(mask) => (2, mask),
                Tear::Garbage => (3, 0),
            };
            let at = of.ops.iter().position(|&at| at == torn.at).unwrap_or(0);
            for word in [at as u64, torn.unit, kind, how, torn.over.into()] {
                hash = hash::word(hash, word);
            }
        }
        hash
    }
}

fn is_some_units(kept: &Kept) -> bool {
    matches!(kept, Kept::Units(_))
}

/// Mixes those of the first `seen` units into a hash that are in a set; none of them as 3, all
/// that the set may have as 4.
fn mix_units(hash: u64, units: &UnitSet, seen: usize) -> u64 {
    let (mut ones, mut mixed) = (0, 5);
    for (word, number) in units.words().zip(0..) {
        let word = word & low_bits(seen.saturating_sub(number * u64::BITS as usize));
        ones += word.count_ones() as usize;
        mixed = hash::word(mixed, word);
    }
    match ones {
        0 => hash::word(hash, 3),
        _ if ones == units.len() => hash::word(hash, 4),
        _ => hash::word(hash, mix64(mixed)),
    }
}
