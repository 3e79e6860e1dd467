//! Is a tree that was seen after a crash one that the profile allows?
//!
//! The search goes over the choices of names (prefixes of the journal, or subsets), and for each
//! over every file by itself: which length is the last that was kept, and for each tear unit which
//! version it has. Units are independent of each other once the length is chosen, so that the
//! search is short.
//!
//! Invariants:
//! - \[I1\] What is returned has been built: `model.image(witness)` shows exactly what was seen. So
//!   nothing is ever accepted that the simulated disk would not do itself.
//! - \[I2\] Where the subsets of names or of explicit lengths are too many to try, the answer is
//!   [`Verdict::TooMany`], never a refusal.
//!
//! Not here: stale bytes. A tree that shows them is refused, so that the check is of use for
//! profiles that expose none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build;
use super::config::Profile;
use super::crash::CrashModel;
use super::gate::NoGate;
use super::observed::Observed;
use super::pending::What;
use super::resolve::{data_of, units};
use super::simfs::SimFs;
use super::survivors::{Base, Exception, Explicit, Survivors};
use super::tree::{Ino, Tree};

#[cfg(test)]
mod tests;

/// Subsets are tried of at most so many elements.
const SUBSET_MAX: usize = 12;

/// Whether a tree is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what these survivors leave.
    Allowed(Survivors),
    /// No choice of survivors leaves it.
    Forbidden,
    /// There are too many choices to try all.
    TooMany,
}

impl CrashModel {
    /// Whether a loss of power at this cut may leave what was seen.
    pub fn judge(&self, observed: &Observed) -> Verdict {
        let ordered: Vec<usize> = (0..self.pending.len())
            .filter(|&at| self.is_ordered(at))
            .collect();
        let choices = if self.config.profile.has_journal() {
            (0..=ordered.len())
                .map(|end| ordered[..end].iter().copied().collect())
                .collect()
        } else if ordered.len() <= SUBSET_MAX {
            subsets(&ordered)
        } else {
            return Verdict::TooMany;
        };
        let mut is_cut_short = false;
        for kept in choices {
            let search = Search {
                model: self,
                observed,
                kept,
            };
            match search.witness() {
                Verdict::Forbidden => {}
                Verdict::TooMany => is_cut_short = true,
                allowed @ Verdict::Allowed(_) => return allowed,
            }
        }
        if is_cut_short {
            Verdict::TooMany
        } else {
            Verdict::Forbidden
        }
    }

    /// Whether an effect is decided together with names: all of the journal, else the names.
    fn is_ordered(&self, at: usize) -> bool {
        let what = &self.pending[at].what;
        what.content_of().is_none() || (self.config.profile.has_journal() && what.is_journalled())
    }
}

fn subsets(of: &[usize]) -> Vec<BTreeSet<usize>> {
    let subset = |mask: u32| {
        let members = of.iter().enumerate();
        let members = members.filter(|(bit, _)| mask >> bit & 1 == 1);
        members.map(|(_, &at)| at).collect()
    };
    (0..1u32 << of.len()).map(subset).collect()
}

/// The search under one choice of names.
struct Search<'a> {
    model: &'a CrashModel,
    observed: &'a Observed,
    /// What is kept of the effects that are decided together with names.
    kept: BTreeSet<usize>,
}

impl Search<'_> {
    fn witness(&self) -> Verdict {
        let mut tree = self.model.durable.clone();
        for &at in &self.kept {
            build::apply_name(&mut tree, &self.model.pending[at].what);
        }
        let Some(files) = self.files(&tree) else {
            return Verdict::Forbidden;
        };
        let mut except: BTreeMap<usize, Vec<u64>> =
            self.kept.iter().map(|&at| (at, Vec::new())).collect();
        let mut is_cut_short = false;
        for (ino, bytes) in files {
            match self.file(ino, bytes) {
                Ok(kept) => except.extend(kept),
                Err(Verdict::TooMany) => is_cut_short = true,
                Err(_) => return Verdict::Forbidden,
            }
        }
        if is_cut_short {
            return Verdict::TooMany;
        }
        let except = except.into_iter().map(|(at, units)| Exception {
            effect: self.model.pending[at].id,
            units,
        });
        let survivors = Survivors::Explicit(Explicit {
            base: Base::Lost,
            except: except.collect(),
            ..Explicit::default()
        });
        match self.shows(&survivors) {
            true => Verdict::Allowed(survivors),
            false => Verdict::Forbidden,
        }
    }

    /// The files by inode, if the names are those that were seen.
    fn files(&self, tree: &Tree) -> Option<BTreeMap<Ino, &[u8]>> {
        if self.model.config.profile == Profile::Tmpfs {
            return self.observed.nodes.is_empty().then(BTreeMap::new);
        }
        let mut paths: BTreeMap<Ino, PathBuf> = BTreeMap::new();
        let (mut files, mut count, mut is_alike) = (BTreeMap::new(), 0, true);
        tree.walk(&mut |dir, name, ino| {
            let parent = paths.get(&dir).map_or(Path::new(""), PathBuf::as_path);
            let path = parent.join(&**name);
            let is_dir = tree.get(ino).is_some_and(|inode| inode.is_dir());
            count += 1;
            match self.observed.nodes.get(&path) {
                Some(None) if is_dir => drop(paths.insert(ino, path)),
                Some(Some(bytes)) if !is_dir => {
                    let before = files.insert(ino, bytes.as_slice());
                    is_alike &= before.is_none_or(|before| before == bytes.as_slice());
                }
                _ => is_alike = false,
            }
        });
        (is_alike && count == self.observed.nodes.len()).then_some(files)
    }

    /// What has to be kept for a file to show these bytes.
    fn file(&self, ino: Ino, bytes: &[u8]) -> Result<BTreeMap<usize, Vec<u64>>, Verdict> {
        let ops: Vec<usize> = (0..self.model.pending.len())
            .filter(|&at| self.model.pending[at].what.content_of() == Some(ino))
            .collect();
        let is_free = |at: &usize| {
            let what = &self.model.pending[*at].what;
            let is_explicit = !matches!(what, What::Data { .. }) && what.growth().is_none();
            is_explicit && !self.model.is_ordered(*at)
        };
        let free: Vec<usize> = ops.iter().copied().filter(is_free).collect();
        if free.len() > SUBSET_MAX {
            return Err(Verdict::TooMany);
        }
        for mut explicit in subsets(&free) {
            explicit.extend(ops.iter().filter(|at| self.kept.contains(at)));
            let file = File {
                search: self,
                ino,
                ops: &ops,
                explicit,
                bytes,
            };
            if let Some(kept) = file.witness() {
                return Ok(kept);
            }
        }
        Err(Verdict::Forbidden)
    }

    fn shows(&self, survivors: &Survivors) -> bool {
        let image = self.model.image(survivors);
        let gate = Arc::new(NoGate::new());
        let fs = SimFs::boot(&image, &self.model.config, &[], gate);
        Observed::read(&fs).is_ok_and(|built| built == *self.observed)
    }
}

/// One file under one choice of names and explicit lengths.
struct File<'a> {
    search: &'a Search<'a>,
    ino: Ino,
    /// Positions of its effects.
    ops: &'a [usize],
    /// Those of its explicit lengths and freed ranges that are kept.
    explicit: BTreeSet<usize>,
    bytes: &'a [u8],
}

impl File<'_> {
    fn what(&self, at: usize) -> &What {
        &self.search.model.pending[at].what
    }

    fn witness(&self) -> Option<BTreeMap<usize, Vec<u64>>> {
        let grown = self.ops.iter().copied();
        let grown = grown.filter(|&at| self.what(at).growth().is_some());
        let mut lasts = std::iter::once(None).chain(grown.map(Some));
        lasts.find_map(|last| {
            let has_len = self.len(last) == Some(self.bytes.len() as u64);
            has_len.then(|| self.versions(last)).flatten()
        })
    }

    /// The length, where `last` is the growth by a write that is kept as far as can be seen.
    fn len(&self, last: Option<usize>) -> Option<u64> {
        let seen = self.bytes.len() as u64;
        let durable = self.search.model.durable.get(self.ino);
        let mut len = durable.map_or(0, |inode| inode.len);
        for &at in self.ops {
            match self.what(at) {
                What::Floor { len: floor, .. } if self.explicit.contains(&at) => {
                    len = len.max(*floor);
                }
                What::Size { new, .. } if self.explicit.contains(&at) => len = *new,
                What::Size { old, new, .. } if Some(at) == last => {
                    let is_reached = *old < seen && seen <= *new;
                    let is_unit = seen == *new || seen.is_multiple_of(self.tear_bytes());
                    if !is_reached || !is_unit {
                        return None;
                    }
                    len = seen;
                }
                _ => {}
            }
        }
        Some(len)
    }

    fn tear_bytes(&self) -> u64 {
        self.search.model.config.tear_bytes
    }

    /// A version for every unit, where `last` is the last growth that is kept.
    fn versions(&self, last: Option<usize>) -> Option<BTreeMap<usize, Vec<u64>>> {
        let mut kept: BTreeMap<usize, Vec<u64>> =
            self.explicit.iter().map(|&at| (at, Vec::new())).collect();
        if let Some((last, unit)) = last.and_then(|last| self.reached(last)) {
            kept.insert(last, unit.into_iter().collect());
        }
        let before = last.and_then(|last| self.data_before(last));
        let is_needed = |at: usize, unit: u64| before == Some((at, unit));
        let mut versions: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for &at in self.ops {
            let what = self.what(at);
            let (first, count) = units(what, self.tear_bytes());
            for unit in first..first + count as u64 {
                let is_version = match what {
                    What::Data { .. } => true,
                    _ => !self.explicit.contains(&at) && what.is_edge(unit, self.tear_bytes()),
                };
                if is_version {
                    versions.entry(unit).or_default().push(at);
                }
                if is_version && is_needed(at, unit) {
                    kept.entry(at).or_default().push(unit);
                }
            }
        }
        for unit in 0..(self.bytes.len() as u64).div_ceil(self.tear_bytes()) {
            let known = versions.get(&unit).map_or(&[][..], Vec::as_slice);
            let least = known.iter().rfind(|&&at| is_needed(at, unit)).copied();
            let mut known = std::iter::once(None).chain(known.iter().copied().map(Some));
            let version = known.find(|at| *at >= least && self.is_seen(unit, *at))?;
            if let Some(at) = version {
                kept.entry(at).or_default().push(unit);
            }
        }
        Some(kept)
    }

    /// A growth, and the unit up to which it is kept if not as a whole.
    fn reached(&self, growth: usize) -> Option<(usize, Option<u64>)> {
        let (_, new) = self.what(growth).growth()?;
        let seen = self.bytes.len() as u64;
        Some((growth, (seen < new).then(|| seen / self.tear_bytes() - 1)))
    }

    /// The unit of a write that goes before its length, where the profile says so.
    fn data_before(&self, growth: usize) -> Option<(usize, u64)> {
        let model = self.search.model;
        let data = data_of(model, growth)?;
        let (first, _) = units(self.what(data), self.tear_bytes());
        let last = (self.bytes.len() as u64).checked_sub(1)? / self.tear_bytes();
        (model.config.profile.is_data_first() && last >= first).then_some((data, last))
    }

    /// Whether a unit of what was seen is this version of it.
    fn is_seen(&self, unit: u64, version: Option<usize>) -> bool {
        let start = unit * self.tear_bytes();
        let end = (start + self.tear_bytes()).min(self.bytes.len() as u64);
        let mut bytes = vec![0; (end - start) as usize];
        if let Some(durable) = self.search.model.durable.get(self.ino) {
            durable.content.read(start, &mut bytes);
        }
        for &at in self.ops {
            let Some((from, to)) = self.what(at).range() else {
                continue;
            };
            let (first, beyond) = (from.max(start), to.min(end));
            if first >= beyond {
                continue;
            }
            let part = &mut bytes[(first - start) as usize..(beyond - start) as usize];
            match self.what(at) {
                What::Data { bytes, .. } if Some(at) <= version => {
                    part.copy_from_slice(&bytes[(first - from) as usize..(beyond - from) as usize]);
                }
                What::Data { .. } => {}
                _ if self.explicit.contains(&at) || Some(at) <= version => part.fill(0),
                _ => {}
            }
        }
        self.bytes[start as usize..end as usize] == bytes
    }
}
