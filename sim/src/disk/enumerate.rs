//! Images of one cut in order: the few that break most programs first, then all of them where
//! that is feasible, then a sample.
//!
//! The order: nothing, everything, all but one, only one, every prefix, every prefix but one of it
//! (the pairs of ALICE, OSDI 2014), one write without its size; then every subset of the writes,
//! if few are pending; then every subset of their tear units; then hashed choices.

use std::ops::Range;

use super::crash::CrashModel;
use super::draw::{all_but_one, only, prefix};
use super::pending::What;
use super::resolve::{Kept, Resolution, legal, resolve, units};
use super::survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors};
use super::tree::Ino;

/// How far enumeration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Images in all.
    pub images_max: usize,
    /// Subsets are exhausted if there are at most so many elements.
    pub exhaust_max: u32,
}

impl Budget {
    /// This many images; subsets of at most 12 elements are exhausted.
    pub const fn up_to(images_max: usize) -> Self {
        Self {
            images_max,
            exhaust_max: 12,
        }
    }
}

/// One wish of the enumeration, small enough to be made by the million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    None,
    All,
    /// All but the effect at this place among the pending ones.
    AllBut(usize),
    Only(usize),
    /// The first so many.
    Prefix(usize),
    /// The first `end`, but not the one at `drop`.
    PrefixBut {
        end: usize,
        drop: usize,
    },
    /// The effects of these calls, by the bits of a mask.
    Calls(u64),
    /// These tear units and other effects, by the bits of a mask.
    Units(u64),
    Hashed(u64),
}

/// What stands behind the masks of one cut's choices.
pub(crate) struct Elements {
    /// Places of pending effects, by the call that had them.
    calls: Vec<Range<usize>>,
    /// Places of pending effects with their tear units.
    units: Vec<(usize, Option<u64>)>,
    /// Whether two writes touch one tear unit.
    pub(super) has_overwrites: bool,
    /// Files with pending contents that have no durable name in any directory.
    pub(super) unnamed: Vec<Ino>,
    /// Whether a name belongs to several pending effects: to the parts of a write out of which a
    /// later change took a piece. They can only be kept or lost together.
    has_parts: bool,
}

impl Elements {
    pub fn of(model: &CrashModel) -> Self {
        let mut names: Vec<EffectId> = model.pending.iter().map(|pending| pending.id).collect();
        names.sort_unstable();
        Self {
            calls: calls(model),
            units: all_units(model),
            has_overwrites: model.has_overwrites(),
            unnamed: unnamed(model),
            has_parts: names.windows(2).any(|pair| pair[0] == pair[1]),
        }
    }
}

/// The choices in the order of this module, without end where anything is pending.
pub(crate) fn choices(
    model: &CrashModel,
    elements: &Elements,
    exhaust_max: u32,
) -> impl Iterator<Item = Choice> + use<> {
    let count = model.pending.len();
    let without_one = (0..count).rev().map(Choice::AllBut);
    let only_one = (0..count).map(Choice::Only);
    let prefixes = (1..count).map(Choice::Prefix);
    let pairs =
        (2..count).flat_map(|end| (0..end - 1).map(move |drop| Choice::PrefixBut { end, drop }));
    let masks = move |elements: usize| match elements as u32 <= exhaust_max {
        true => 0..1u64 << elements,
        false => 0..0,
    };
    let subsets = masks(elements.calls.len()).map(Choice::Calls);
    let unit_subsets = masks(elements.units.len()).map(Choice::Units);
    let most = if count == 0 { 1 } else { usize::MAX };
    [Choice::None, Choice::All]
        .into_iter()
        .chain(without_one)
        .chain(only_one)
        .chain(without_sizes(model))
        .chain(prefixes)
        .chain(pairs)
        .chain(subsets)
        .chain(unit_subsets)
        .chain((0..).map(Choice::Hashed))
        .take(most)
}

impl Choice {
    /// Whether it is one of an endless row of samples.
    pub fn is_sampled(self) -> bool {
        matches!(self, Self::Hashed(_))
    }

    /// The choice as a case says it.
    pub fn survivors(self, model: &CrashModel, elements: &Elements) -> Survivors {
        let bit = |mask: u64, at: usize| mask >> at & 1 == 1;
        match self {
            Self::None => Survivors::None,
            Self::All => Survivors::All,
            Self::AllBut(at) => all_but_one(model, at),
            Self::Only(at) => only(model, &[at]),
            Self::Prefix(end) => prefix(model, end),
            Self::PrefixBut { end, drop } => {
                let kept: Vec<usize> = (0..end).filter(|&at| at != drop).collect();
                only(model, &kept)
            }
            Self::Calls(mask) => {
                let calls = elements.calls.iter().enumerate();
                let kept = calls.filter(|(at, _)| bit(mask, *at));
                let places = kept.flat_map(|(_, places)| places.clone());
                explicit(model, places.map(|at| (at, None)))
            }
            Self::Units(mask) => {
                let units = elements.units.iter().enumerate();
                let kept = units.filter(|(at, _)| bit(mask, *at));
                explicit(model, kept.map(|(_, &unit)| unit))
            }
            Self::Hashed(seed) => Survivors::Hashed {
                seed,
                keep_per_mille: [500, 800, 200][seed as usize % 3],
                tear_per_mille: 200,
            },
        }
    }

    /// What the choice comes to under the profile: `resolve` of [`Choice::survivors`], without
    /// writing names down and looking them up again.
    pub fn resolve(self, model: &CrashModel, elements: &Elements) -> Resolution {
        let count = model.pending.len();
        let bit = |mask: u64, at: usize| mask >> at & 1 == 1;
        let mut kept = vec![Kept::No; count];
        let mut keep = |places: Range<usize>| {
            if let Some(kept) = kept.get_mut(places) {
                kept.fill(Kept::All);
            }
        };
        match self {
            _ if elements.has_parts => return resolve(model, &self.survivors(model, elements)),
            Self::None | Self::All | Self::Hashed(_) => {
                return resolve(model, &self.survivors(model, elements));
            }
            Self::AllBut(lost) => {
                keep(0..lost);
                keep(lost + 1..count);
            }
            Self::Only(at) => keep(at..at + 1),
            Self::Prefix(end) => keep(0..end),
            Self::PrefixBut { end, drop } => {
                keep(0..drop);
                keep(drop + 1..end);
            }
            Self::Calls(mask) => {
                let calls = elements.calls.iter().enumerate();
                calls
                    .filter(|(at, _)| bit(mask, *at))
                    .for_each(|(_, places)| keep(places.clone()));
            }
            Self::Units(mask) => return of_units(model, elements, mask),
        }
        legal(model, Resolution::new(kept, Fill::Stale))
    }
}

fn of_units(model: &CrashModel, elements: &Elements, mask: u64) -> Resolution {
    let mut kept = vec![Kept::No; model.pending.len()];
    let chosen = elements.units.iter().enumerate();
    for (_, &(place, unit)) in chosen.filter(|(at, _)| mask >> at & 1 == 1) {
        let (Some(slot), Some(pending)) = (kept.get_mut(place), model.pending.get(place)) else {
            continue;
        };
        let Some(unit) = unit else {
            *slot = Kept::All;
            continue;
        };
        let (first, count) = units(&pending.what, model.config.tear_bytes);
        let mut of_write = match slot {
            Kept::Units(units) => std::mem::take(units),
            _ => vec![false; count],
        };
        if let Some(kept) = of_write.get_mut((unit - first) as usize) {
            *kept = true;
        }
        *slot = Kept::Units(of_write);
    }
    for (slot, pending) in kept.iter_mut().zip(&model.pending) {
        if let Kept::Units(units) = slot {
            *slot = Kept::of(&pending.what, std::mem::take(units));
        }
    }
    legal(model, Resolution::new(kept, Fill::Stale))
}

/// Survivors in the order of this module, at most as many as the budget says. Different survivors
/// may give equal images; compare [`Image::content_hash`](super::Image::content_hash).
pub fn enumerate<'m>(
    model: &'m CrashModel,
    budget: &Budget,
) -> impl Iterator<Item = Survivors> + 'm {
    let elements = Elements::of(model);
    choices(model, &elements, budget.exhaust_max)
        .take(budget.images_max)
        .map(move |choice| choice.survivors(model, &elements))
}

/// The base-2 logarithm of how many choices of survivors are legal, before equal images are
/// counted as one: the versions of every unit, and of names and sizes a prefix or any subset. Tears
/// inside of units are not in it, and where data goes before its size some of it is not legal.
pub fn legal_images_log2(model: &CrashModel) -> f64 {
    let mut versions: std::collections::BTreeMap<_, u32> = std::collections::BTreeMap::new();
    let (mut journalled, mut sizes) = (0u32, 0.0);
    let mut has_size = false;
    for pending in &model.pending {
        has_size |= matches!(pending.what, What::Size { .. });
        match &pending.what {
            what @ What::Data { ino, .. } => {
                let (first, count) = units(what, model.config.tear_bytes);
                for unit in first..first + count as u64 {
                    *versions.entry((*ino, unit)).or_default() += 1;
                }
            }
            what if what.is_journalled() => journalled += 1,
            what if what.growth().is_some() => {
                sizes += f64::from(units(what, model.config.tear_bytes).1 as u32 + 1).log2();
            }
            _ => sizes += 1.0,
        }
    }
    let of_data: f64 = versions
        .values()
        .map(|&count| f64::from(count + 1).log2())
        .sum();
    let of_names = if model.config.profile.has_journal() {
        f64::from(journalled + 1).log2()
    } else {
        f64::from(journalled)
    };
    // What bytes show that were never written.
    let of_fill = f64::from(u32::from(model.config.profile.exposes_stale() && has_size));
    of_data + of_names + sizes + of_fill
}

fn unnamed(model: &CrashModel) -> Vec<Ino> {
    let contents = model.pending.iter();
    let mut unnamed: Vec<Ino> = contents
        .filter_map(|pending| pending.what.content_of())
        .collect();
    unnamed.sort_unstable();
    unnamed.dedup();
    // Also a directory that has no durable name itself may get one.
    let dirs = model.durable.inodes.iter().flatten();
    let entries = dirs.filter_map(|inode| inode.entries.as_ref());
    for ino in entries.flat_map(|entries| entries.values()) {
        if let Ok(at) = unnamed.binary_search(ino) {
            unnamed.remove(at);
        }
    }
    unnamed
}

/// Pending effects by the call that had them: a write and its size go together.
fn calls(model: &CrashModel) -> Vec<Range<usize>> {
    let mut calls: Vec<Range<usize>> = Vec::new();
    for (at, pending) in model.pending.iter().enumerate() {
        let is_same = |last: &Range<usize>| {
            let first = model.pending.get(last.start);
            first.is_some_and(|first| {
                first.id.call == pending.id.call && first.id.eras_ago == pending.id.eras_ago
            })
        };
        match calls.last_mut() {
            Some(last) if is_same(last) => last.end = at + 1,
            _ => calls.push(at..at + 1),
        }
    }
    calls
}

/// Every tear unit of every write and of what it adds to a length, every unit that a cut zeroes in
/// part, and every other effect.
fn all_units(model: &CrashModel) -> Vec<(usize, Option<u64>)> {
    let mut all = Vec::new();
    for (at, pending) in model.pending.iter().enumerate() {
        let (what, tear_bytes) = (&pending.what, model.config.tear_bytes);
        let (first, count) = units(what, tear_bytes);
        // More could not be exhausted anyway.
        let numbers = first..first + count.min(64) as u64;
        let is_data = matches!(what, What::Data { .. });
        let is_part =
            |unit: &u64| is_data || what.growth().is_some() || what.is_edge(*unit, tear_bytes);
        all.extend(numbers.filter(is_part).map(|unit| (at, Some(unit))));
        if !is_data && what.growth().is_none() {
            all.push((at, None));
        }
    }
    all
}

fn explicit(model: &CrashModel, kept: impl Iterator<Item = (usize, Option<u64>)>) -> Survivors {
    let except = kept.filter_map(|(at, unit)| {
        Some(Exception {
            effect: model.pending.get(at)?.id,
            units: unit.into_iter().collect(),
        })
    });
    Survivors::Explicit(Explicit {
        base: Base::Lost,
        except: except.collect(),
        torn: Vec::new(),
        fill: Fill::Stale,
    })
}

/// Everything but the size of one extending write, and a size without its write.
fn without_sizes(model: &CrashModel) -> impl Iterator<Item = Choice> + use<> {
    let is_size = |at: &usize| {
        matches!(model.pending.get(*at), Some(pending)
            if matches!(pending.what, What::Size { by_write: true, .. }))
    };
    let sizes: Vec<usize> = (0..model.pending.len()).filter(is_size).collect();
    sizes.into_iter().flat_map(|at| {
        let data = at.saturating_sub(1);
        [Choice::Only(data), Choice::AllBut(data)]
    })
}

#[cfg(test)]
mod tests;
