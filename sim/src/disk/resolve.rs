//! From a wish to what the profile allows.
//!
//! A resolution says of each pending effect whether it is kept; of a write, which of its tear
//! units. The rules, in this order: names and explicit sizes persist as a prefix (where there is
//! a journal); a replacing rename brings the data of its file (ext4-ordered); a size comes after
//! its data (where data goes first). See docs/FAULTS.md.

use std::collections::BTreeMap;

use super::crash::CrashModel;
use super::enumerate::Elements;
use super::hash;
use super::pending::{Pending, What};
use super::survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors, Tear, TornUnit};
use super::tree::Ino;
use crate::call::mix64;

/// What of one pending effect is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    No,
    All,
    /// Of a write: its tear units, in order.
    Units(Vec<bool>),
}

impl Kept {
    pub fn of(units: Vec<bool>) -> Self {
        if units.iter().all(|&kept| kept) {
            Self::All
        } else if units.iter().any(|&kept| kept) {
            Self::Units(units)
        } else {
            Self::No
        }
    }

    /// Whether the write's `index`-th unit is kept.
    pub fn unit(&self, index: usize) -> bool {
        match self {
            Self::No => false,
            Self::All => true,
            Self::Units(units) => units.get(index).copied().unwrap_or(false),
        }
    }
}

/// A legal choice of survivors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// By position among the pending effects.
    pub(super) kept: Vec<Kept>,
    /// Position, unit of the file, tear.
    pub(super) torn: Vec<(usize, u64, Tear)>,
    pub(super) fill: Fill,
}

impl Resolution {
    pub(super) fn new(kept: Vec<Kept>, fill: Fill) -> Self {
        let torn = Vec::new();
        Self { kept, torn, fill }
    }

    /// A hash that is equal for choices that come to the same: of the writes to a unit only the
    /// last one that is kept counts, and what unwritten bytes show only where any may be shown.
    pub fn fingerprint(&self, model: &CrashModel, elements: &Elements) -> u64 {
        let overwritten = Overwritten::of(model, self, elements.has_overwrites);
        let mut sizes = 0;
        let mut hash = 0;
        for (at, (pending, kept)) in model.pending.iter().zip(&self.kept).enumerate() {
            let is_size = matches!(pending.what, What::Size { .. });
            sizes += u64::from(is_size && *kept != Kept::No);
            if !matches!(pending.what, What::Data { .. }) {
                hash = hash::word(hash, u64::from(*kept == Kept::All));
                continue;
            }
            let (first, count) = units(&pending.what, model.config.tear_bytes);
            for index in 0..count {
                let is_last =
                    kept.unit(index) && !overwritten.after(at, pending, first + index as u64);
                hash = hash::word(hash, 2 + u64::from(is_last));
            }
        }
        let shows_unwritten = model.config.profile.exposes_stale() && sizes > 0;
        hash = hash::word(hash, u64::from(shows_unwritten && self.fill == Fill::Stale));
        for &(at, unit, tear) in &self.torn {
            let (kind, how) = match tear {
                Tear::Prefix(bytes) => (0, u64::from(bytes)),
                Tear::Suffix(bytes) => (1, u64::from(bytes)),
                Tear::Mask(mask) => (2, mask),
                Tear::Garbage => (3, 0),
            };
            for word in [at as u64, unit, kind, how] {
                hash = hash::word(hash, word);
            }
        }
        mix64(hash)
    }
}

/// Which units are written again by a later write that is kept.
struct Overwritten {
    /// By file and unit: the last kept write. Empty if no two writes meet.
    last: BTreeMap<(Ino, u64), usize>,
}

impl Overwritten {
    fn of(model: &CrashModel, resolution: &Resolution, has_any: bool) -> Self {
        let mut last = BTreeMap::new();
        if !has_any {
            return Self { last };
        }
        for (at, (pending, kept)) in model.pending.iter().zip(&resolution.kept).enumerate() {
            if let what @ What::Data { ino, .. } = &pending.what {
                let (first, count) = units(what, model.config.tear_bytes);
                let kept = (0..count).filter(|&index| kept.unit(index));
                last.extend(kept.map(|index| ((*ino, first + index as u64), at)));
            }
        }
        Self { last }
    }

    fn after(&self, at: usize, pending: &Pending, unit: u64) -> bool {
        let ino = pending.what.content_of();
        let last = ino.and_then(|ino| self.last.get(&(ino, unit)));
        last.is_some_and(|&last| last > at)
    }
}

/// The tear units of a file that a write touches: the first, and how many.
pub(super) fn units(what: &What, tear_bytes: u64) -> (u64, usize) {
    match what.range() {
        Some((start, end)) if end > start => {
            let first = start / tear_bytes;
            (first, ((end - 1) / tear_bytes - first + 1) as usize)
        }
        _ => (0, 0),
    }
}

/// Brings a wish to the nearest legal choice.
pub(super) fn resolve(model: &CrashModel, survivors: &Survivors) -> Resolution {
    legal(model, wish(model, survivors))
}

/// As [`resolve`], for a wish that is a list of places already.
pub(super) fn legal(model: &CrashModel, wish: Resolution) -> Resolution {
    let mut resolution = wish;
    if model.config.profile.has_journal() {
        keep_prefix(model, &mut resolution);
    }
    if model.config.profile.flushes_on_replace() {
        flush_on_replace(model, &mut resolution);
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
            let at = |id: &EffectId| pending.iter().position(|pending| pending.id == *id);
            let torn = explicit.torn.iter().filter(|_| model.config.torn_units);
            let torn = torn.filter_map(|torn| Some((at(&torn.effect)?, torn.unit, torn.tear)));
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
    let is_data = matches!(pending.what, What::Data { .. });
    let mut kept = vec![is_kept; count.max(1)];
    for except in exceptions {
        if except.units.is_empty() || !is_data {
            return if is_kept { Kept::No } else { Kept::All };
        }
        for unit in &except.units {
            if let Some(slot) = unit
                .checked_sub(first)
                .and_then(|at| kept.get_mut(at as usize))
            {
                *slot = !is_kept;
            }
        }
    }
    Kept::of(kept)
}

fn hashed(model: &CrashModel, seed: u64, keep: u32, tear: u32) -> Resolution {
    let tear_bytes = model.config.tear_bytes;
    let hits = |id: &EffectId, unit: u64, salt: u64, per_mille: u32| {
        id.mix(seed ^ salt, unit) % 1_000 < u64::from(per_mille)
    };
    let mut torn = Vec::new();
    let mut kept = Vec::with_capacity(model.pending.len());
    for (pending, at) in model.pending.iter().zip(0..) {
        if !matches!(pending.what, What::Data { .. }) {
            let is_kept = hits(&pending.id, 0, 1, keep);
            kept.push(if is_kept { Kept::All } else { Kept::No });
            continue;
        }
        let (first, count) = units(&pending.what, tear_bytes);
        let numbers = first..first + count as u64;
        let of_units: Vec<bool> = numbers
            .clone()
            .map(|unit| hits(&pending.id, unit, 2, keep))
            .collect();
        for (unit, &is_kept) in numbers.zip(&of_units) {
            if is_kept && model.config.torn_units && hits(&pending.id, unit, 3, tear) {
                torn.push((
                    at,
                    unit,
                    draw_tear(pending.id.mix(seed ^ 4, unit), tear_bytes),
                ));
            }
        }
        kept.push(Kept::of(of_units));
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
                *kept = if position < length {
                    Kept::All
                } else {
                    Kept::No
                };
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

fn draw_tear(hash: u64, tear_bytes: u64) -> Tear {
    let bytes = (mix64(hash) % tear_bytes.max(1)) as u32;
    match hash % 4 {
        0 => Tear::Prefix(bytes),
        1 => Tear::Suffix(bytes),
        2 => Tear::Mask(mix64(hash ^ 1)),
        _ => Tear::Garbage,
    }
}

/// After the first journalled effect that is lost, none is kept.
fn keep_prefix(model: &CrashModel, resolution: &mut Resolution) {
    let mut is_lost = false;
    for (pending, kept) in model.pending.iter().zip(&mut resolution.kept) {
        if pending.what.is_journalled() {
            is_lost |= *kept == Kept::No;
            *kept = if is_lost { Kept::No } else { Kept::All };
        }
    }
}

/// A replacing rename that is kept brings all data and sizes that its file had by then.
fn flush_on_replace(model: &CrashModel, resolution: &mut Resolution) {
    for (at, pending) in model.pending.iter().enumerate() {
        let What::Rename {
            ino,
            replaced: Some(_),
            ..
        } = &pending.what
        else {
            continue;
        };
        if resolution.kept.get(at) != Some(&Kept::All) {
            continue;
        }
        for (before, kept) in model.pending.iter().zip(&mut resolution.kept).take(at) {
            if before.what.content_of() == Some(*ino) {
                *kept = Kept::All;
            }
        }
        let is_torn = |(torn, ..): &(usize, u64, Tear)| {
            let torn = model.pending.get(*torn);
            torn.is_some_and(|torn| torn.what.content_of() == Some(*ino))
        };
        resolution.torn.retain(|torn| torn.0 > at || !is_torn(torn));
    }
}

/// The size of an extending write is kept only with all of that write's data.
fn data_first(model: &CrashModel, resolution: &mut Resolution) {
    for at in 0..model.pending.len() {
        let Some(Pending {
            id,
            what:
                What::Size {
                    ino,
                    by_write: true,
                    ..
                },
        }) = model.pending.get(at)
        else {
            continue;
        };
        let is_whole = model
            .pending
            .iter()
            .enumerate()
            .take(at)
            .all(|(index, pending)| {
                let is_its_data = pending.id.call == id.call
                    && pending.id.eras_ago == id.eras_ago
                    && matches!(&pending.what, What::Data { ino: written, .. } if written == ino);
                !is_its_data
                    || (resolution.kept.get(index) == Some(&Kept::All)
                        && resolution.torn.iter().all(|(torn, ..)| *torn != index))
            });
        if !is_whole && let Some(kept) = resolution.kept.get_mut(at) {
            *kept = Kept::No;
        }
    }
}

/// Whether it is a part of a write that has others.
fn is_part(model: &CrashModel, of: &Pending) -> bool {
    let same = model.pending.iter().filter(|pending| pending.id == of.id);
    matches!(of.what, What::Data { .. }) && same.count() > 1
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
                    (first..)
                        .zip(kept)
                        .filter_map(|(unit, &kept)| (kept != is_kept).then_some(unit))
                        .collect()
                }
            };
            Some(Exception {
                effect: pending.id,
                units,
            })
        });
    let torn = resolution.torn.iter().filter_map(|&(at, unit, tear)| {
        Some(TornUnit {
            effect: model.pending.get(at)?.id,
            unit,
            tear,
        })
    });
    Survivors::Explicit(Explicit {
        base,
        except: except.collect(),
        torn: torn.collect(),
        fill: resolution.fill,
    })
}
