//! Images of one cut in order: the few that break most programs first, then all of them where
//! that is feasible, then a sample.
//!
//! The order: nothing, everything, all but one, only one, every prefix, every prefix but one of it
//! (the pairs of ALICE, OSDI 2014), one write without its size; then every subset of the writes,
//! if few are pending; then every subset of their tear units; then hashed choices.

use super::crash::CrashModel;
use super::draw::{all_but_one, only, prefix};
use super::pending::What;
use super::resolve::units;
use super::survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors};

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

/// Survivors in the order of this module, at most as many as the budget says. Different survivors
/// may give equal images; compare [`Image::content_hash`](super::Image::content_hash).
pub fn enumerate<'m>(
    model: &'m CrashModel,
    budget: &Budget,
) -> impl Iterator<Item = Survivors> + 'm {
    let count = model.pending.len();
    let without_one = (0..count).rev().map(|at| all_but_one(model, at));
    let only_one = (0..count).map(|at| only(model, &[at]));
    let prefixes = (1..count).map(|end| prefix(model, end));
    let pairs = (2..count).flat_map(move |end| {
        (0..end - 1).map(move |drop| {
            let kept: Vec<usize> = (0..end).filter(|&at| at != drop).collect();
            only(model, &kept)
        })
    });
    let calls = calls(model);
    let whole = (calls.len() as u32 <= budget.exhaust_max).then_some(calls);
    let subsets = whole.into_iter().flat_map(move |calls| {
        (0..1u64 << calls.len()).map(move |mask| of_calls(model, &calls, mask))
    });
    let all_units = all_units(model);
    let fine = (all_units.len() as u32 <= budget.exhaust_max).then_some(all_units);
    let unit_subsets = fine
        .into_iter()
        .flat_map(move |list| (0..1u64 << list.len()).map(move |mask| of_units(&list, mask)));
    let hashed = (0..).map(|seed| Survivors::Hashed {
        seed,
        keep_per_mille: [500, 800, 200][seed as usize % 3],
        tear_per_mille: 200,
    });
    let is_idle = count == 0;
    [Survivors::None, Survivors::All]
        .into_iter()
        .chain(without_one)
        .chain(only_one)
        .chain(without_sizes(model))
        .chain(prefixes)
        .chain(pairs)
        .chain(subsets)
        .chain(unit_subsets)
        .chain(hashed)
        .take(if is_idle { 1 } else { budget.images_max })
}

/// The base-2 logarithm of how many choices of survivors are legal, before equal images are
/// counted as one: the versions of every unit, and of names and sizes a prefix or any subset.
pub fn legal_images_log2(model: &CrashModel) -> f64 {
    let mut versions: std::collections::BTreeMap<_, u32> = std::collections::BTreeMap::new();
    let (mut journalled, mut sizes) = (0u32, 0.0);
    for pending in &model.pending {
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
    of_data + of_names + sizes
}

/// Pending effects by the call that had them: a write and its size go together.
fn calls(model: &CrashModel) -> Vec<Vec<EffectId>> {
    let mut calls: Vec<Vec<EffectId>> = Vec::new();
    for pending in &model.pending {
        match calls.last_mut() {
            Some(last)
                if last.first().is_some_and(|first| {
                    first.call == pending.id.call && first.eras_ago == pending.id.eras_ago
                }) =>
            {
                last.push(pending.id);
            }
            _ => calls.push(vec![pending.id]),
        }
    }
    calls
}

fn of_calls(model: &CrashModel, calls: &[Vec<EffectId>], mask: u64) -> Survivors {
    debug_assert!(calls.len() <= model.pending.len());
    let kept = calls
        .iter()
        .enumerate()
        .filter(|(at, _)| mask >> at & 1 == 1);
    let except = kept.flat_map(|(_, ids)| ids);
    let except = except
        .map(|&effect| Exception {
            effect,
            units: Vec::new(),
        })
        .collect();
    explicit(except)
}

/// Every tear unit of every write and of what it adds to a length, and every other effect.
fn all_units(model: &CrashModel) -> Vec<(EffectId, Option<u64>)> {
    let mut all = Vec::new();
    for pending in &model.pending {
        let (what, tear_bytes) = (&pending.what, model.config.tear_bytes);
        let (first, count) = units(what, tear_bytes);
        // More could not be exhausted anyway.
        let numbers = first..first + count.min(64) as u64;
        let is_data = matches!(what, What::Data { .. });
        let is_part =
            |unit: &u64| is_data || what.growth().is_some() || what.is_edge(*unit, tear_bytes);
        all.extend(numbers.filter(is_part).map(|unit| (pending.id, Some(unit))));
        if !is_data && what.growth().is_none() {
            all.push((pending.id, None));
        }
    }
    all
}

fn of_units(list: &[(EffectId, Option<u64>)], mask: u64) -> Survivors {
    let kept = list
        .iter()
        .enumerate()
        .filter(|(at, _)| mask >> at & 1 == 1);
    let except = kept.map(|(_, &(effect, unit))| Exception {
        effect,
        units: unit.into_iter().collect(),
    });
    explicit(except.collect())
}

fn explicit(except: Vec<Exception>) -> Survivors {
    let (torn, fill) = (Vec::new(), Fill::Stale);
    Survivors::Explicit(Explicit {
        base: Base::Lost,
        except,
        torn,
        fill,
    })
}

/// Everything but the size of one extending write, and a size without its write.
fn without_sizes(model: &CrashModel) -> impl Iterator<Item = Survivors> + '_ {
    let is_size = |at: &usize| {
        matches!(model.pending.get(*at), Some(pending)
            if matches!(pending.what, What::Size { by_write: true, .. }))
    };
    (0..model.pending.len()).filter(is_size).flat_map(|at| {
        let data = at.saturating_sub(1);
        [only(model, &[data]), all_but_one(model, data)]
    })
}
