//! From a wish to what the profile allows.
//!
//! A resolution says of each pending effect whether it is kept; of a write, which of its tear
//! units. The rules, in this order: of a cut that is lost, zeros in its own block may stay; names
//! and explicit sizes persist as a prefix (where there is a journal); a size comes after its data,
//! unit by unit (where data goes first). See docs/FAULTS.md.

use super::crash::CrashModel;
use super::hash;
use super::pending::{Pending, What};
use super::survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors, Tear, TornUnit};
use super::unitset::UnitSet;
use crate::call::mix64;

/// What of one pending effect is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    No,
    All,
    /// Some tear units, in order. Of a write: its data. Of a write's length: the length reaches to
    /// the end of the last of them. Of a cut that is not kept: what of a block that it zeroes in
    /// part is zero nevertheless.
    Units(UnitSet),
}

impl Kept {
    pub fn of(what: &What, units: UnitSet) -> Self {
        // All zeros of a cut are not the cut: its length is still to come.
        if units.is_all() && !is_cut(what) {
            Self::All
        } else if units.is_empty() {
            Self::No
        } else {
            Self::Units(units)
        }
    }

    /// The length that a growth by a write leaves, if any of it is kept.
    pub fn length(&self, (old, new): (u64, u64), tear_bytes: u64) -> Option<u64> {
        match self {
            Self::No => None,
            Self::All => Some(new),
            Self::Units(units) => {
                let last = units.last()? as u64;
                Some(((old / tear_bytes + last + 1) * tear_bytes).min(new))
            }
        }
    }

    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        match self {
            Self::No => hash::word(hash, 0),
            Self::All => hash::word(hash, 1),
            Self::Units(units) => {
                let start = hash::word(hash::word(hash, 2), units.len() as u64);
                units.words().fold(start, hash::word)
            }
        }
    }

    /// The length of a file after an effect on it of which this is kept.
    pub fn length_after(&self, len: u64, what: &What, tear_bytes: u64) -> u64 {
        match (what, self) {
            (What::Size { new, .. }, Self::All) => *new,
            (What::Floor { len: floor, .. }, Self::All) => len.max(*floor),
            (what, kept) => {
                let growth = what.growth();
                let reached = growth.and_then(|grown| kept.length(grown, tear_bytes));
                reached.unwrap_or(len)
            }
        }
    }

    /// The rows of units of which each is kept, of a write with these tear units ([`units`]).
    pub fn runs(&self, (first, count): (u64, usize)) -> Vec<(u64, u64)> {
        let end = first + count as u64;
        match self {
            Self::No => Vec::new(),
            Self::All => vec![(first, end)],
            Self::Units(units) => {
                let rows = units.rows().into_iter();
                let of_file = rows.map(|(from, past)| (first + from as u64, first + past as u64));
                of_file.collect()
            }
        }
    }

    /// How many of the first `seen` units are kept.
    pub fn count_within(&self, seen: usize) -> usize {
        match self {
            Self::No => 0,
            Self::All => seen,
            Self::Units(units) => units.count_within(seen),
        }
    }

    /// Whether the write's `index`-th unit is kept.
    pub fn unit(&self, index: usize) -> bool {
        match self {
            Self::No => false,
            Self::All => true,
            Self::Units(units) => units.has(index),
        }
    }
}

/// A unit that is torn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torn {
    /// The write, by position among the pending effects.
    pub at: usize,
    /// The unit of the file.
    pub unit: u64,
    pub tear: Tear,
    /// How many of the versions just before were not on the disk either.
    pub over: u32,
}

/// A legal choice of survivors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// By position among the pending effects.
    pub(super) kept: Vec<Kept>,
    pub(super) torn: Vec<Torn>,
    pub(super) fill: Fill,
}

impl Resolution {
    pub(super) fn new(kept: Vec<Kept>, fill: Fill) -> Self {
        let torn = Vec::new();
        Self { kept, torn, fill }
    }
}

/// The tear units of a file that an effect concerns: the first, and how many.
pub(super) fn units(what: &What, tear_bytes: u64) -> (u64, usize) {
    match what.range().or(what.growth()) {
        Some((start, end)) if end > start => {
            let first = start / tear_bytes;
            (first, ((end - 1) / tear_bytes - first + 1) as usize)
        }
        _ => (0, 0),
    }
}

pub(super) fn is_cut(what: &What) -> bool {
    what.range().is_some() && !matches!(what, What::Data { .. })
}

/// Brings a wish to the nearest legal choice.
pub(super) fn resolve(model: &CrashModel, survivors: &Survivors) -> Resolution {
    legal(model, wish(model, survivors))
}

/// As [`resolve`], for a wish that is a list of places already.
pub(super) fn legal(model: &CrashModel, wish: Resolution) -> Resolution {
    let mut resolution = wish;
    only_edges(model, &mut resolution);
    if model.config.profile.has_journal() {
        keep_prefix(model, &mut resolution);
    }
    if model.config.profile.is_data_first() {
        data_first(model, &mut resolution);
    }
    resolution
}

fn wish(model: &CrashModel, survivors: &Survivors) -> Resolution {
    let pending = &model.pending;
    let all = |kept: Kept| vec![kept; pending.len()];
    let (kept, torn, fill) = match survivors {
        Survivors::None => (all(Kept::No), Vec::new(), Fill::Zeros),
        Survivors::All => (all(Kept::All), Vec::new(), Fill::Zeros),
        Survivors::Hashed {
            seed,
            keep_per_mille,
            tear_per_mille,
        } => {
            return hashed(model, *seed, *keep_per_mille, *tear_per_mille);
        }
        Survivors::Explicit(explicit) => {
            let tear_bytes = model.config.tear_bytes;
            let kept = pending
                .iter()
                .map(|pending| listed(explicit, pending, tear_bytes));
            // Of a write out of which a later change took a piece there are several parts.
            let has_unit = |pending: &Pending, unit: u64| {
                let (first, count) = units(&pending.what, tear_bytes);
                (first..first + count as u64).contains(&unit)
            };
            let at = |id: &EffectId, unit: u64| {
                let mut pending = pending.iter();
                pending.position(|pending| pending.id == *id && has_unit(pending, unit))
            };
            let torn = explicit.torn.iter().filter(|_| model.config.torn_units);
            let torn = torn.filter_map(|torn| {
                Some(Torn {
                    at: at(&torn.effect, torn.unit)?,
                    unit: torn.unit,
                    tear: torn.tear,
                    over: torn.over,
                })
            });
            (kept.collect(), torn.collect(), explicit.fill)
        }
    };
    Resolution { kept, torn, fill }
}

fn listed(explicit: &Explicit, pending: &Pending, tear_bytes: u64) -> Kept {
    let is_kept = explicit.base == Base::Kept;
    let mut exceptions = explicit
        .except
        .iter()
        .filter(|except| except.effect == pending.id)
        .peekable();
    if exceptions.peek().is_none() {
        return if is_kept { Kept::All } else { Kept::No };
    }
    let (first, count) = units(&pending.what, tear_bytes);
    // The units of a cut are those that are zero although it is not kept.
    let is_kept_unit = is_kept && !is_cut(&pending.what);
    let mut kept = match is_kept_unit {
        true => UnitSet::all_of(count),
        false => UnitSet::none_of(count),
    };
    for except in exceptions {
        if except.units.is_empty() || count == 0 {
            return if is_kept { Kept::No } else { Kept::All };
        }
        for unit in &except.units {
            if let Some(at) = unit.checked_sub(first) {
                kept.put(at as usize, !is_kept_unit);
            }
        }
    }
    Kept::of(&pending.what, kept)
}

fn hashed(model: &CrashModel, seed: u64, keep: u32, tear: u32) -> Resolution {
    let tear_bytes = model.config.tear_bytes;
    let mut torn = Vec::new();
    let mut kept = Vec::with_capacity(model.pending.len());
    for (pending, at) in model.pending.iter().zip(0..) {
        let (first, count) = units(&pending.what, tear_bytes);
        if !matches!(pending.what, What::Data { .. }) {
            kept.push(hashed_other(pending, (first, count), seed, keep));
            continue;
        }
        let hashes = pending.id.hashes(seed ^ 2);
        let of_units = UnitSet::of(count, |unit| is_among(hashes(first + unit as u64), keep));
        for unit in of_units.iter().filter(|_| model.config.torn_units) {
            let unit = first + unit as u64;
            if hits(&pending.id, unit, seed ^ 3, tear) {
                let hash = pending.id.mix(seed ^ 4, unit);
                torn.push(Torn {
                    at,
                    unit,
                    tear: draw_tear(hash, tear_bytes),
                    over: [0, 0, 1, 2][(mix64(hash ^ 2) % 4) as usize],
                });
            }
        }
        kept.push(Kept::of(&pending.what, of_units));
    }
    if model.config.profile.has_journal() {
        // A prefix of any length, not the short one that independent losses would leave.
        let journalled = model
            .pending
            .iter()
            .filter(|pending| pending.what.is_journalled());
        let length = mix64(seed ^ 5) % (journalled.count() as u64 + 1);
        let mut position = 0;
        for (pending, kept) in model.pending.iter().zip(&mut kept) {
            if pending.what.is_journalled() {
                if position < length {
                    *kept = Kept::All;
                } else if *kept == Kept::All {
                    *kept = Kept::No;
                }
                position += 1;
            }
        }
    }
    let fill = if mix64(seed ^ 6).is_multiple_of(2) {
        Fill::Stale
    } else {
        Fill::Zeros
    };
    Resolution { kept, torn, fill }
}

/// Whether a hash of an effect's name, for one question about it, is among so many of a thousand.
fn hits(id: &EffectId, unit: u64, salted: u64, per_mille: u32) -> bool {
    is_among(id.mix(salted, unit), per_mille)
}

fn is_among(hash: u64, per_mille: u32) -> bool {
    hash % 1_000 < u64::from(per_mille)
}

/// What is kept of an effect that is no data.
fn hashed_other(pending: &Pending, units: (u64, usize), seed: u64, keep: u32) -> Kept {
    let (id, what) = (&pending.id, &pending.what);
    let (first, count) = (units.0, units.1 as u64);
    match hits(id, 0, seed ^ 1, keep) {
        // A length that was reached in part.
        true if what.growth().is_some() && hits(id, 0, seed ^ 7, 250) => {
            let last = id.mix(seed ^ 8, 0) % count.max(1);
            let reached = (last as usize + 1).min(units.1);
            Kept::of(what, UnitSet::first_of(reached, units.1))
        }
        true => Kept::All,
        // A cut whose zeros come before it.
        false if what.range().is_some() && hits(id, 0, seed ^ 9, keep / 2) => {
            let zeroed = |unit| hits(id, first + unit as u64, seed ^ 10, 500);
            Kept::of(what, UnitSet::of(units.1, zeroed))
        }
        false => Kept::No,
    }
}

fn draw_tear(hash: u64, tear_bytes: u64) -> Tear {
    let bytes = (mix64(hash) % tear_bytes.max(1)) as u32;
    match hash % 4 {
        0 => Tear::Prefix(bytes),
        1 => Tear::Suffix(bytes),
        2 => Tear::Mask(mix64(hash ^ 1)),
        _ => Tear::Garbage,
    }
}

/// Of a cut that is not kept, only the zeros in blocks that it zeroes in part may be there.
fn only_edges(model: &CrashModel, resolution: &mut Resolution) {
    let tear_bytes = model.config.tear_bytes;
    for (pending, kept) in model.pending.iter().zip(&mut resolution.kept) {
        let Kept::Units(kept_units) = kept else {
            continue;
        };
        if is_cut(&pending.what) {
            let (first, count) = units(&pending.what, tear_bytes);
            let is_edge = |unit: usize| pending.what.is_edge(first + unit as u64, tear_bytes);
            let edges = UnitSet::of(count, |unit| kept_units.has(unit) && is_edge(unit));
            *kept = Kept::of(&pending.what, edges);
        }
    }
}

/// After the first journalled effect that is lost, none is kept.
fn keep_prefix(model: &CrashModel, resolution: &mut Resolution) {
    let mut is_lost = false;
    for (pending, kept) in model.pending.iter().zip(&mut resolution.kept) {
        if pending.what.is_journalled() {
            is_lost |= *kept != Kept::All;
            // Zeros of a lost cut are data, and in no order with the journal.
            if is_lost && *kept == Kept::All {
                *kept = Kept::No;
            }
        }
    }
}

/// The length of an extending write is kept only up to the end of a unit whose data is: blocks are
/// written in any order, and each brings the length up to its own end.
fn data_first(model: &CrashModel, resolution: &mut Resolution) {
    let tear_bytes = model.config.tear_bytes;
    for at in 0..model.pending.len() {
        let what = &model.pending[at].what;
        let Some((data, wanted)) = data_of(model, at).zip(
            what.growth()
                .and_then(|growth| resolution.kept[at].length(growth, tear_bytes)),
        ) else {
            continue;
        };
        let (first, _) = units(&model.pending[data].what, tear_bytes);
        let is_there = |unit: &u64| {
            let is_torn = |torn: &Torn| torn.at == data && torn.unit == *unit;
            *unit < first
                || (resolution.kept[data].unit((unit - first) as usize)
                    && !resolution.torn.iter().any(is_torn))
        };
        let (grown, count) = units(what, tear_bytes);
        let last = (wanted - 1) / tear_bytes;
        let reached = (grown..=last).rfind(is_there);
        if reached != Some(last) {
            let reached = reached.map_or(0, |unit| (unit - grown + 1) as usize);
            resolution.kept[at] = Kept::of(what, UnitSet::first_of(reached, count));
        }
    }
}

/// Whether it is a part of a write that has others.
fn is_part(model: &CrashModel, of: &Pending) -> bool {
    let same = model.pending.iter().filter(|pending| pending.id == of.id);
    matches!(of.what, What::Data { .. }) && same.count() > 1
}

/// The data of the write that had this length.
pub(super) fn data_of(model: &CrashModel, size: usize) -> Option<usize> {
    let of_size = &model.pending.get(size)?;
    let is_its_data = |pending: &Pending| {
        pending.id.call == of_size.id.call
            && pending.id.eras_ago == of_size.id.eras_ago
            && pending.what.content_of() == of_size.what.content_of()
            && matches!(pending.what, What::Data { .. })
    };
    model.pending[..size].iter().rposition(is_its_data)
}

/// A resolution as a list of exceptions from the shorter base.
pub(super) fn explicit(model: &CrashModel, resolution: &Resolution) -> Survivors {
    let kept_count = resolution
        .kept
        .iter()
        .filter(|kept| **kept != Kept::No)
        .count();
    if resolution.torn.is_empty() && resolution.fill == Fill::Zeros {
        if kept_count == 0 {
            return Survivors::None;
        }
        if resolution.kept.iter().all(|kept| *kept == Kept::All) {
            return Survivors::All;
        }
    }
    let is_kept = kept_count * 2 > resolution.kept.len();
    let base = if is_kept { Base::Kept } else { Base::Lost };
    let except = model
        .pending
        .iter()
        .zip(&resolution.kept)
        .filter_map(|(pending, kept)| {
            let units = match kept {
                Kept::All if is_kept => return None,
                Kept::No if !is_kept => return None,
                // The name of a write may belong to several parts of it, which a later change has
                // left; without units it would mean all of them.
                Kept::All | Kept::No if is_part(model, pending) => {
                    let (first, count) = units(&pending.what, model.config.tear_bytes);
                    (first..first + count as u64).collect()
                }
                Kept::All | Kept::No => Vec::new(),
                Kept::Units(kept) => {
                    let (first, _) = units(&pending.what, model.config.tear_bytes);
                    let is_kept = is_kept && !is_cut(&pending.what);
                    let other = (0..kept.len()).filter(|&unit| kept.has(unit) != is_kept);
                    other.map(|unit| first + unit as u64).collect()
                }
            };
            Some(Exception {
                effect: pending.id,
                units,
            })
        });
    let torn = resolution.torn.iter().filter_map(|torn| {
        Some(TornUnit {
            effect: model.pending.get(torn.at)?.id,
            unit: torn.unit,
            tear: torn.tear,
            over: torn.over,
        })
    });
    Survivors::Explicit(Explicit {
        base,
        except: except.collect(),
        torn: torn.collect(),
        fill: resolution.fill,
    })
}
