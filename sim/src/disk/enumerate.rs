//! Images of one cut in order: the few that break most programs first, then all of them where
//! that is feasible, then a sample.
//!
//! The order: nothing, everything, all but one, only one, every prefix, every prefix but one of it
//! (the pairs of ALICE, OSDI 2014), one write without its size; then every subset of the writes,
//! if few are pending; then all versions of their tear units, over what blocks held before and
//! over zeros; then hashed choices, unless the versions were all there is.

use std::ops::Range;

use super::crash::CrashModel;
use super::draw::{all_but_one, only, prefix};
use super::layout::Layout;
use super::parts::Parts;
use super::pending::What;
use super::resolve::{Kept, Resolution, legal, resolve, units};
use super::survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors};
use super::tree::Ino;
use super::unitset::UnitSet;

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
    /// What this number of [`Parts`] keeps, over what blocks held before.
    Parts(u64),
    /// The same over zeros.
    PartsOverZeros(u64),
    Hashed(u64),
}

/// What stands behind the masks of one cut's choices.
pub(crate) struct Elements {
    /// Places of pending effects, by the call that had them.
    calls: Vec<Range<usize>>,
    parts: Parts,
    pub(super) layout: Layout,
    /// Of each file of the layout, if it has no durable name in any directory: the places of the
    /// pending changes that give it one.
    pub(super) naming: Vec<Option<Vec<usize>>>,
    /// Whether a name belongs to several pending effects: to the parts of a write out of which a
    /// later change took a piece. They can only be kept or lost together.
    has_parts: bool,
}

impl Elements {
    pub fn of(model: &CrashModel) -> Self {
        let mut names: Vec<EffectId> = model.pending.iter().map(|pending| pending.id).collect();
        names.sort_unstable();
        let mut layout = Layout::of(model);
        layout.find_overwrites();
        Self {
            calls: calls(model),
            parts: Parts::of(&model.pending, &layout, model.config.tear_bytes),
            naming: naming(model, &layout),
            layout,
            has_parts: names.windows(2).any(|pair| pair[0] == pair[1]),
        }
    }
}

/// The choices in the order of this module; without end where much is pending, or units tear.
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
        true => 0..power_of_two(elements as u32),
        false => 0..0,
    };
    let subsets = masks(elements.calls.len()).map(Choice::Calls);
    let numbers = elements.parts.numbers(power_of_two(exhaust_max));
    let parts = 0..numbers.unwrap_or(0);
    let over_zeros = match elements.layout.shows_stale() {
        true => parts.clone(),
        false => 0..0,
    };
    let samples = match parts.is_empty() || model.config.torn_units {
        true => 0..u64::MAX,
        false => 0..0,
    };
    let most = if count == 0 { 1 } else { usize::MAX };
    [Choice::None, Choice::All]
        .into_iter()
        .chain(without_one)
        .chain(only_one)
        .chain(without_sizes(model))
        .chain(prefixes)
        .chain(pairs)
        .chain(subsets)
        .chain(parts.map(Choice::Parts))
        .chain(over_zeros.map(Choice::PartsOverZeros))
        .chain(samples.map(Choice::Hashed))
        .take(most)
}

fn power_of_two(exponent: u32) -> u64 {
    1u64.checked_shl(exponent).unwrap_or(u64::MAX)
}

impl Choice {
    /// Whether it is one of an endless row of samples.
    pub fn is_sampled(self) -> bool {
        matches!(self, Self::Hashed(_))
    }

    /// The choice as a case says it.
    pub fn survivors(self, model: &CrashModel, elements: &Elements) -> Survivors {
        let bit = |mask: u64, at: usize| mask >> at & 1 == 1;
        let of_number = |number, fill| {
            let mut kept = Vec::new();
            let keep = |at, unit| kept.push((at, unit));
            elements.parts.kept(number, keep);
            explicit(model, kept.into_iter(), fill)
        };
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
                explicit(model, places.map(|at| (at, None)), Fill::Stale)
            }
            Self::Parts(number) => of_number(number, Fill::Stale),
            Self::PartsOverZeros(number) => of_number(number, Fill::Zeros),
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
        let mut kept: Vec<Kept> = (0..count).map(|_| Kept::No).collect();
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
            Self::Parts(number) => return of_parts(model, elements, number, Fill::Stale),
            Self::PartsOverZeros(number) => return of_parts(model, elements, number, Fill::Zeros),
        }
        legal(model, Resolution::new(kept, Fill::Stale))
    }
}

fn of_parts(model: &CrashModel, elements: &Elements, number: u64, fill: Fill) -> Resolution {
    let effects = &elements.layout.effects;
    let mut kept: Vec<Kept> = effects.iter().map(|_| Kept::No).collect();
    elements.parts.kept(number, |place, unit| {
        let (Some(slot), Some(laid)) = (kept.get_mut(place), effects.get(place)) else {
            return;
        };
        let (first, count) = laid.units;
        match (unit, slot) {
            (None, slot) => *slot = Kept::All,
            (Some(unit), Kept::Units(units)) => units.put((unit - first) as usize, true),
            (Some(unit), slot) if *slot == Kept::No => {
                let mut units = UnitSet::none_of(count);
                units.put((unit - first) as usize, true);
                *slot = Kept::Units(units);
            }
            (Some(_), _) => {}
        }
    });
    for (slot, pending) in kept.iter_mut().zip(&model.pending) {
        if let Kept::Units(units) = slot {
            let units = std::mem::replace(units, UnitSet::none_of(0));
            *slot = Kept::of(&pending.what, units);
        }
    }
    legal(model, Resolution::new(kept, fill))
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

/// See [`Elements::naming`].
fn naming(model: &CrashModel, layout: &Layout) -> Vec<Option<Vec<usize>>> {
    let gives = |what: &What, wanted: Ino| match what {
        What::Link { ino, .. } | What::Rename { ino, .. } => *ino == wanted,
        _ => false,
    };
    let of_file = |ino: Ino| -> Vec<usize> {
        let pending = model.pending.iter().enumerate();
        let naming = pending.filter(|(_, pending)| gives(&pending.what, ino));
        naming.map(|(at, _)| at).collect()
    };
    // Also a directory that has no durable name itself may get one.
    let dirs = model.durable.inodes.iter().flatten();
    let entries = dirs.filter_map(|inode| inode.entries.as_ref());
    let named: Vec<Ino> = entries
        .flat_map(|entries| entries.values().copied())
        .collect();
    let files = layout.files.iter().map(|changed| changed.ino);
    let naming = files.map(|ino| (!named.contains(&ino)).then(|| of_file(ino)));
    naming.collect()
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

fn explicit(
    model: &CrashModel,
    kept: impl Iterator<Item = (usize, Option<u64>)>,
    fill: Fill,
) -> Survivors {
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
        fill,
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
