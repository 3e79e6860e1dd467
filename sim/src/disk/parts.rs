//! What of the pending effects can be kept or lost on its own, for going through all choices once.
//!
//! Each part has versions: a unit as each of the writes to it left it, the lengths that a write
//! reaches, a change of names that is kept or not. A number of the mixed radix of these counts says
//! which version of each part there is. What comes to the same image by itself, as lost writes
//! under a kept one do, has one version; what does so by rules between parts is not told apart.
//!
//! Invariant \[I1\]: every legal image of a cut without tears inside of units is that of a number.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::pending::{BLOCK, Pending};
use super::tree::Ino;

/// With more parts than these nobody could go through all numbers: each has two versions at least.
const PARTS_MAX: usize = 63;

/// Parts of one cut.
pub(super) struct Parts {
    /// Each with how many versions it has; none: there are too many.
    parts: Option<Vec<(Part, u64)>>,
}

enum Part {
    /// A tear unit, and the writes to it, in order.
    Unit { unit: u64, writes: Vec<usize> },
    /// A unit of a cut that is lost, of which the zeros may be there.
    Edge { place: usize, unit: u64 },
    /// What a write adds to a length: to the end of each of so many units.
    Length {
        place: usize,
        first: u64,
        units: u64,
    },
    /// An effect that has no parts.
    Whole { place: usize },
}

impl Parts {
    pub fn of(pending: &[Pending], layout: &Layout, tear_bytes: u64) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut known: BTreeMap<(Ino, u64), usize> = BTreeMap::new();
        for (place, (laid, pending)) in layout.effects.iter().zip(pending).enumerate() {
            let (first, count) = laid.units;
            let units = first..first + count as u64;
            let what = &pending.what;
            if parts.len() > PARTS_MAX || (laid.is_data && count > PARTS_MAX) {
                return Self { parts: None };
            }
            if laid.is_data {
                for unit in units {
                    let at = *known.entry((what.file(), unit)).or_insert(parts.len());
                    match parts.get_mut(at) {
                        Some(Part::Unit { writes, .. }) => writes.push(place),
                        _ => parts.push(Part::Unit {
                            unit,
                            writes: vec![place],
                        }),
                    }
                }
            } else if what.growth().is_some() {
                let units = count as u64;
                parts.push(Part::Length {
                    place,
                    first,
                    units,
                });
            } else {
                // They lie in the block in which the cut begins.
                let near = units.take((BLOCK / tear_bytes + 1) as usize);
                let edges = near.filter(|&unit| what.is_edge(unit, tear_bytes));
                parts.extend(edges.map(|unit| Part::Edge { place, unit }));
                parts.push(Part::Whole { place });
            }
        }
        let with_versions = parts.into_iter().map(|part| {
            let versions = part.versions();
            (part, versions)
        });
        Self {
            parts: Some(with_versions.collect()),
        }
    }

    /// How many numbers there are, if they are at most so many.
    pub fn numbers(&self, max: u64) -> Option<u64> {
        let mut versions = self.parts.as_ref()?.iter().map(|&(_, versions)| versions);
        let numbers = versions.try_fold(1u64, |product, versions| product.checked_mul(versions));
        numbers.filter(|&numbers| numbers <= max)
    }

    /// What a number keeps: places among the pending effects, each with a unit if it is not kept
    /// as a whole.
    pub fn kept(&self, number: u64, mut keep: impl FnMut(usize, Option<u64>)) {
        let mut rest = number;
        for (part, versions) in self.parts.iter().flatten() {
            let version = match versions {
                2 => rest & 1,
                _ => rest % versions,
            };
            rest = match versions {
                2 => rest >> 1,
                _ => rest / versions,
            };
            part.keep(version, &mut keep);
        }
    }
}

impl Part {
    /// How many, with the one that is lost.
    fn versions(&self) -> u64 {
        match self {
            Self::Unit { writes, .. } => writes.len() as u64 + 1,
            Self::Length { units, .. } => units + 1,
            Self::Edge { .. } | Self::Whole { .. } => 2,
        }
    }

    fn keep(&self, version: u64, keep: &mut impl FnMut(usize, Option<u64>)) {
        if version == 0 {
            return;
        }
        match self {
            // The length of an earlier write may need its data, which is in the later version.
            Self::Unit { unit, writes } => {
                let kept = writes.iter().take(version as usize);
                kept.for_each(|&place| keep(place, Some(*unit)));
            }
            Self::Edge { place, unit } => keep(*place, Some(*unit)),
            Self::Length { place, units, .. } if version == *units => keep(*place, None),
            Self::Length { place, first, .. } => keep(*place, Some(first + version - 1)),
            Self::Whole { place } => keep(*place, None),
        }
    }
}
