//! From a legal choice of survivors to the state of the disk.
//!
//! A tear unit has versions: what the page cache held after each operation that touched it. Which
//! one the disk has is the last operation on the unit that is kept; earlier ones are in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::Profile;
use super::crash::{CrashModel, resize};
use super::damage::{Damage, garbage};
use super::pending::What;
use super::resolve::{Kept, Resolution, units};
use super::survivors::{Fill, Tear};
use super::tree::{Ino, Inode, Tree};

/// So many files that are gone are remembered for what their blocks hold.
const FREED_MAX: usize = 3;

/// The state that a loss of power leaves.
pub(super) fn power(model: &CrashModel, resolution: &Resolution) -> Tree {
    if model.config.profile == Profile::Tmpfs {
        // Nothing but the mount point.
        let mut tree = Tree::new();
        tree.has_root = model.durable.has_root;
        return tree;
    }
    let mut tree = model.durable.clone();
    let mut files: BTreeMap<Ino, Vec<usize>> = BTreeMap::new();
    for (at, pending) in model.pending.iter().enumerate() {
        match pending.what.content_of() {
            Some(ino) => files.entry(ino).or_default().push(at),
            None if resolution.kept.get(at) == Some(&Kept::All) => {
                apply_name(&mut tree, &pending.what);
            }
            None => {}
        }
    }
    for (ino, ops) in files {
        let is_any = |at: &usize| {
            resolution
                .kept
                .get(*at)
                .is_some_and(|kept| *kept != Kept::No)
        };
        if ops.iter().any(is_any) {
            File {
                model,
                resolution,
                ino,
                ops: &ops,
            }
            .build(&mut tree);
        }
    }
    tree.collect();
    tree
}

/// Contents of files that exist no more in `tree`: any of their bytes may have reached the disk
/// before the crash, and a new file may get their blocks.
pub(super) fn freed(model: &CrashModel, tree: &Tree) -> Vec<Arc<Inode>> {
    let is_gone = |&(number, _): &(usize, &Option<Arc<Inode>>)| {
        tree.inodes.get(number).is_none_or(Option::is_none)
    };
    let seen = model
        .visible
        .inodes
        .iter()
        .enumerate()
        .rev()
        .filter(is_gone);
    let gone = seen.filter_map(|(_, inode)| inode.clone());
    let gone = gone.filter(|inode| inode.content.allocated() > 0);
    gone.chain(model.freed.iter().cloned())
        .take(FREED_MAX)
        .collect()
}

/// Damage at rest is gone where the disk was written.
pub(super) fn damage(model: &CrashModel, resolution: &Resolution) -> Damage {
    let mut damage = model.damage.clone();
    if !damage.is_empty() {
        for (pending, kept) in model.pending.iter().zip(&resolution.kept) {
            if let (What::Data { ino, offset, bytes }, Kept::All) = (&pending.what, kept) {
                damage.heal(*ino, *offset, bytes.len() as u64);
            }
        }
    }
    damage
}

/// Carries a change of names out.
pub(super) fn apply_name(tree: &mut Tree, what: &What) {
    let mut unlink = |dir: Ino, name: &Arc<str>, ino: Ino| {
        if let Some(entries) = tree.entries_mut(dir)
            && entries.get(name) == Some(&ino)
        {
            entries.remove(name);
        }
    };
    match what {
        What::Unlink { dir, name, ino } => unlink(*dir, name, *ino),
        What::Rename {
            from_dir,
            from,
            to_dir,
            to,
            ino,
            ..
        } => {
            unlink(*from_dir, from, *ino);
            if let Some(entries) = tree.entries_mut(*to_dir) {
                entries.insert(Arc::clone(to), *ino);
            }
        }
        What::Link { dir, name, ino } => {
            if let Some(entries) = tree.entries_mut(*dir) {
                entries.insert(Arc::clone(name), *ino);
            }
        }
        What::Data { .. } | What::Size { .. } | What::Zero { .. } | What::Floor { .. } => {}
    }
}

/// Sets a length if it is longer than what there is.
pub(super) fn raise(tree: &mut Tree, ino: Ino, len: u64) {
    if tree.get(ino).is_some_and(|inode| inode.len < len) {
        resize(tree, ino, len);
    }
}

/// One file's pending operations.
struct File<'a> {
    model: &'a CrashModel,
    resolution: &'a Resolution,
    ino: Ino,
    /// Positions among the pending effects, in order.
    ops: &'a [usize],
}

impl File<'_> {
    fn build(&self, tree: &mut Tree) {
        let is_plain = self.ops.iter().all(|&at| self.kept(at) == &Kept::All)
            && self
                .resolution
                .torn
                .iter()
                .all(|torn| !self.ops.contains(&torn.at));
        if is_plain {
            self.apply_all(tree);
            return;
        }
        let durable_len = self
            .model
            .durable
            .get(self.ino)
            .map_or(0, |inode| inode.len);
        let last = self.last_kept();
        let mut data_end = durable_len;
        for &at in self.ops {
            let Some(inode) = tree.make_mut(self.ino) else {
                return;
            };
            self.apply(at, inode, &last, &mut data_end);
        }
        let len = self.len(durable_len);
        if self.resolution.fill == Fill::Stale && self.model.config.profile.exposes_stale() {
            self.expose(tree, &last, durable_len, len);
        }
        if let Some(inode) = tree.make_mut(self.ino) {
            if data_end > len {
                inode.content.cut(len);
            }
            inode.len = len;
        }
    }

    fn what(&self, at: usize) -> &What {
        &self.model.pending[at].what
    }

    fn kept(&self, at: usize) -> &Kept {
        &self.resolution.kept[at]
    }

    /// The length, from what is kept of all that changed it.
    fn len(&self, durable_len: u64) -> u64 {
        let ops = self.ops.iter();
        ops.fold(durable_len, |len, &at| {
            self.kept(at)
                .length_after(len, self.what(at), self.tear_bytes())
        })
    }

    fn apply_all(&self, tree: &mut Tree) {
        for &at in self.ops {
            match self.what(at) {
                What::Data { ino, offset, bytes } => {
                    if let Some(inode) = tree.make_mut(*ino) {
                        inode.content.write(*offset, bytes);
                    }
                }
                What::Zero { ino, offset, len } => {
                    if let Some(inode) = tree.make_mut(*ino) {
                        inode.content.zero(*offset, *len);
                    }
                }
                What::Size { ino, new, .. } => {
                    // Cut before growing again: what was cut off never comes back.
                    if let Some(inode) = tree.make_mut(*ino)
                        && *new < inode.len
                    {
                        inode.content.cut(*new);
                    }
                    resize(tree, *ino, *new);
                }
                What::Floor { ino, len } => raise(tree, *ino, *len),
                What::Link { .. } | What::Unlink { .. } | What::Rename { .. } => {}
            }
        }
        // Data may lie beyond a length that a failed write never set.
        if let Some(inode) = tree.make_mut(self.ino) {
            let len = inode.len;
            inode.content.cut(len);
        }
    }

    /// Of each unit that any write touches: the last operation on it that is kept.
    fn last_kept(&self) -> BTreeMap<u64, usize> {
        let mut last = BTreeMap::new();
        for &at in self.ops {
            if let what @ What::Data { .. } = self.what(at) {
                let (first, count) = units(what, self.tear_bytes());
                for index in 0..count {
                    if self.kept(at).unit(index) {
                        last.insert(first + index as u64, at);
                    }
                }
            } else if self.kept(at) == &Kept::All
                && let Some((start, end)) = self.what(at).range()
            {
                // A cut that is kept is in every unit that lies in it as a whole.
                let first = start.div_ceil(self.tear_bytes());
                let end = end.div_ceil(self.tear_bytes()).max(first);
                let covered: Vec<u64> = last.range(first..end).map(|(&unit, _)| unit).collect();
                for unit in covered {
                    last.insert(unit, at);
                }
            } else if self.what(at).range().is_some() {
                let (first, count) = units(self.what(at), self.tear_bytes());
                let zeroed = (0..count).filter(|&index| self.kept(at).unit(index));
                last.extend(zeroed.map(|index| (first + index as u64, at)));
            }
        }
        last
    }

    fn tear_bytes(&self) -> u64 {
        self.model.config.tear_bytes
    }

    fn apply(&self, at: usize, inode: &mut Inode, last: &BTreeMap<u64, usize>, data_end: &mut u64) {
        match self.what(at) {
            what @ What::Data { offset, bytes, .. } => {
                let (first, count) = units(what, self.tear_bytes());
                for unit in first..first + count as u64 {
                    if last.get(&unit).is_some_and(|&last| at <= last) {
                        let (start, end) = self.within(unit, *offset, bytes.len() as u64);
                        let part = bytes
                            .get((start - offset) as usize..(end - offset) as usize)
                            .unwrap_or_default();
                        match last.get(&unit).and_then(|&last| self.tear(at, last, unit)) {
                            Some(tear) => self.write_torn(inode, unit, start, part, tear),
                            None => inode.content.write(start, part),
                        }
                        *data_end = (*data_end).max(end);
                    }
                }
            }
            What::Zero { .. } | What::Size { .. } => {
                let Some((start, end)) = self.what(at).range() else {
                    return;
                };
                if self.kept(at) == &Kept::All {
                    inode.content.zero(start, end - start);
                    return;
                }
                // Not kept by itself, but part of the later versions of these units.
                for (&unit, _) in last.iter().filter(|&(_, &last)| last >= at) {
                    let (start, end) = self.within(unit, start, end - start);
                    if start < end {
                        inode.content.zero(start, end - start);
                    }
                }
            }
            What::Floor { .. } | What::Link { .. } | What::Unlink { .. } | What::Rename { .. } => {}
        }
    }

    /// The part of a range that lies in a unit.
    fn within(&self, unit: u64, offset: u64, len: u64) -> (u64, u64) {
        let start = (unit * self.tear_bytes()).max(offset);
        let end = ((unit + 1) * self.tear_bytes()).min(offset + len);
        (start, end.max(start))
    }

    /// The tear of the last version of a unit, if it tears the write `at` as well: because it is
    /// that version, or because the disk has not had it before either.
    fn tear(&self, at: usize, last: usize, unit: u64) -> Option<Tear> {
        let mut torn = self.resolution.torn.iter();
        let torn = torn.find(|torn| torn.at == last && torn.unit == unit)?;
        let has_unit = |op: &&usize| {
            let (first, count) = units(self.what(**op), self.tear_bytes());
            let is_data = matches!(self.what(**op), What::Data { .. });
            is_data && (first..first + count as u64).contains(&unit)
        };
        let later = self.ops.iter().filter(|&&op| at < op && op <= last);
        (later.filter(has_unit).count() as u64 <= u64::from(torn.over)).then_some(torn.tear)
    }

    /// Writes what a tear leaves of `part`, which begins at `start` of the file.
    fn write_torn(&self, inode: &mut Inode, unit: u64, start: u64, part: &[u8], tear: Tear) {
        let unit_start = unit * self.tear_bytes();
        for (at, &byte) in (start..).zip(part) {
            let within = at - unit_start;
            let byte = match tear {
                Tear::Prefix(bytes) if within < u64::from(bytes) => byte,
                Tear::Suffix(bytes) if within >= u64::from(bytes) => byte,
                Tear::Mask(mask) if mask >> (within * 64 / self.tear_bytes()) & 1 == 1 => byte,
                Tear::Garbage => garbage(u64::from(self.ino.0), at),
                _ => continue,
            };
            inode.content.write(at, &[byte]);
        }
    }

    /// Shows what blocks held before, where a file's new length covers bytes never written.
    fn expose(&self, tree: &mut Tree, last: &BTreeMap<u64, usize>, durable_len: u64, len: u64) {
        for &at in self.ops {
            let what @ What::Data { offset, bytes, .. } = self.what(at) else {
                continue;
            };
            let (first, count) = units(what, self.tear_bytes());
            for unit in (first..first + count as u64).filter(|unit| !last.contains_key(unit)) {
                let (start, end) = self.within(unit, *offset, bytes.len() as u64);
                // A hole within the length gets its block with the first write, too.
                let durable = self.model.durable.get(self.ino);
                let is_hole =
                    durable.is_none_or(|inode| inode.content.pages_needed(start, end - start) > 0);
                let from = if is_hole {
                    start
                } else {
                    start.max(durable_len)
                };
                let (start, end) = (from, end.min(len));
                if start < end {
                    let stale = self.stale(start, (end - start) as usize);
                    if let Some(inode) = tree.make_mut(self.ino) {
                        inode.content.write(start, &stale);
                    }
                }
            }
        }
    }

    /// What a file that is gone held at that place, or a pattern if none did.
    fn stale(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        for inode in &self.model.freed {
            inode.content.read(offset, &mut bytes);
            if bytes.iter().any(|&byte| byte != 0) {
                return bytes;
            }
        }
        bytes.fill(0xA5);
        bytes
    }
}
