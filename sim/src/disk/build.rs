//! From a legal choice of survivors to the state of the disk.
//!
//! A tear unit has versions: what the page cache held after each operation that touched it. Which
//! one the disk has is the last operation on the unit that is kept; earlier ones are in it.

use std::sync::Arc;

use super::config::Profile;
use super::crash::{CrashModel, resize};
use super::damage::{Damage, garbage};
use super::image::Freed;
use super::page::{PAGE, Written};
use super::pending::What;
use super::resolve::{Kept, Resolution, units};
use super::runs::Runs;
use super::survivors::{Fill, Tear};
use super::tree::{Ino, Inode, Tree};

/// So many files that are gone are remembered for what their blocks hold.
pub(super) const FREED_MAX: usize = 3;

/// The durable state with the changes of names that are kept, and without what no name leads to.
pub(super) fn names(model: &CrashModel, resolution: &Resolution) -> Tree {
    if model.config.profile == Profile::Tmpfs {
        // Nothing but the mount point.
        let mut tree = Tree::new();
        tree.has_root = model.durable.has_root;
        return tree;
    }
    let mut tree = model.durable.clone();
    for (pending, kept) in model.pending.iter().zip(&resolution.kept) {
        if pending.what.content_of().is_none() && *kept == Kept::All {
            apply_name(&mut tree, &pending.what);
        }
    }
    tree.collect();
    tree
}

/// A file whose pending operations are at `ops`: what is kept of them, done to what is durable.
pub(super) fn file(
    model: &CrashModel,
    resolution: &Resolution,
    ino: Ino,
    ops: &[usize],
    durable: &Inode,
) -> Inode {
    let mut inode = durable.clone();
    File {
        model,
        resolution,
        ino,
        ops,
    }
    .build(&mut inode);
    inode
}

/// Where a file whose pending operations are at `ops` shows bytes that were never written to it:
/// from, to, and the file that is gone whose bytes they are; none: nothing is known of the block.
pub(super) fn stale(
    model: &CrashModel,
    resolution: &Resolution,
    ino: Ino,
    ops: &[usize],
) -> Vec<(u64, u64, Option<Ino>)> {
    let file = File {
        model,
        resolution,
        ino,
        ops,
    };
    let mut stale: Vec<(u64, u64, Option<Ino>)> = Vec::new();
    let Some(durable) = model.durable.get(ino).filter(|_| file.shows_stale()) else {
        return stale;
    };
    if file.is_plain() {
        return stale;
    }
    let len = file.len(durable.len);
    file.exposed(&file.last_kept(), durable.len, len, &mut |start, end| {
        let source = file.stale(start, (end - start) as usize);
        let source = source.map(|(source, _)| source);
        match stale.last_mut() {
            Some(last) if last.1 == start && last.2 == source => last.1 = end,
            _ => stale.push((start, end, source)),
        }
    });
    stale
}

/// Contents of files that exist no more in `tree`: any of their bytes may have reached the disk
/// before the crash, and a new file may get their blocks.
pub(super) fn freed(model: &CrashModel, tree: &Tree) -> Vec<Freed> {
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
    let gone = seen.filter_map(|(number, inode)| {
        let inode = inode
            .clone()
            .filter(|inode| inode.content.allocated() > 0)?;
        let ino = Ino(number as u32);
        Some(Freed { ino, inode })
    });
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
    fn build(&self, inode: &mut Inode) {
        if self.is_plain() {
            self.apply_all(inode);
            return;
        }
        let durable_len = inode.len;
        let last = self.last_kept();
        let mut data_end = durable_len;
        for &at in self.ops {
            self.apply(at, inode, &last, &mut data_end);
        }
        let len = self.len(durable_len);
        if self.shows_stale() {
            self.exposed(&last, durable_len, len, &mut |start, end| {
                self.show_stale(inode, start, end);
            });
        }
        if data_end > len {
            inode.content.cut(len);
        }
        inode.len = len;
    }

    /// Whether all of it is kept, and whole.
    fn is_plain(&self) -> bool {
        let mut torn = self.resolution.torn.iter();
        self.ops.iter().all(|&at| self.kept(at) == &Kept::All)
            && torn.all(|torn| !self.ops.contains(&torn.at))
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

    fn apply_all(&self, inode: &mut Inode) {
        for &at in self.ops {
            match self.what(at) {
                What::Data { offset, bytes, .. } => {
                    let end = offset + bytes.len() as u64;
                    inode.content.write_part(bytes, *offset, end);
                }
                What::Zero { offset, len, .. } => inode.content.zero(*offset, *len),
                // Cut before growing again: what was cut off never comes back.
                What::Size { new, .. } => inode.resize(*new),
                What::Floor { len, .. } => inode.len = inode.len.max(*len),
                What::Link { .. } | What::Unlink { .. } | What::Rename { .. } => {}
            }
        }
        // Data may lie beyond a length that a failed write never set.
        let len = inode.len;
        inode.content.cut(len);
    }

    /// Of each unit that any write touches: the last operation on it that is kept.
    fn last_kept(&self) -> Runs<usize> {
        let mut last = Runs::default();
        for &at in self.ops {
            let (what, kept) = (self.what(at), self.kept(at));
            let is_data = matches!(what, What::Data { .. });
            if !is_data
                && kept == &Kept::All
                && let Some((start, end)) = what.range()
            {
                // A cut that is kept is in every unit that lies in it as a whole.
                let first = start.div_ceil(self.tear_bytes());
                let end = end.div_ceil(self.tear_bytes()).max(first);
                last.replace(first, end, at);
            } else if what.range().is_some() {
                for (first, end) in kept.runs(units(what, self.tear_bytes())) {
                    last.put(first, end, at);
                }
            }
        }
        last
    }

    fn tear_bytes(&self) -> u64 {
        self.model.config.tear_bytes
    }

    fn apply(&self, at: usize, inode: &mut Inode, last: &Runs<usize>, data_end: &mut u64) {
        match self.what(at) {
            what @ What::Data { offset, bytes, .. } => {
                let (first, count) = units(what, self.tear_bytes());
                let runs = last.within(first, first + count as u64);
                for (first, end, last) in runs.filter(|&(.., last)| at <= last) {
                    let (start, end) = self.within((first, end), *offset, bytes.len() as u64);
                    self.write(at, inode, last, (start, end), bytes);
                    *data_end = (*data_end).max(end);
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
                let first = start / self.tear_bytes();
                let past = end.div_ceil(self.tear_bytes());
                for (first, past, _) in last.within(first, past).filter(|&(.., last)| last >= at) {
                    let (start, end) = self.within((first, past), start, end - start);
                    if start < end {
                        inode.content.zero(start, end - start);
                    }
                }
            }
            What::Floor { .. } | What::Link { .. } | What::Unlink { .. } | What::Rename { .. } => {}
        }
    }

    /// Writes the bytes of `at` between two places, in units that have the version `last`.
    fn write(
        &self,
        at: usize,
        inode: &mut Inode,
        last: usize,
        (start, end): (u64, u64),
        bytes: &Written,
    ) {
        if self.resolution.torn.is_empty() {
            inode.content.write_part(bytes, start, end);
            return;
        }
        for unit in start / self.tear_bytes()..end.div_ceil(self.tear_bytes()) {
            let (start, end) = self.within((unit, unit + 1), start, end - start);
            match self.tear(at, last, unit) {
                Some(tear) => self.write_torn(inode, unit, start, bytes.part(start, end), tear),
                None => inode.content.write_part(bytes, start, end),
            }
        }
    }

    /// The part of a range that lies in these units.
    fn within(&self, (first, end): (u64, u64), offset: u64, len: u64) -> (u64, u64) {
        let start = (first * self.tear_bytes()).max(offset);
        let end = (end * self.tear_bytes()).min(offset + len);
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

    /// Whether bytes never written show what their block held before.
    fn shows_stale(&self) -> bool {
        self.resolution.fill == Fill::Stale && self.model.config.profile.exposes_stale()
    }

    /// Visits where a file's new length covers bytes never written.
    fn exposed(
        &self,
        last: &Runs<usize>,
        durable_len: u64,
        len: u64,
        visit: &mut impl FnMut(u64, u64),
    ) {
        for &at in self.ops {
            let what @ What::Data { offset, bytes, .. } = self.what(at) else {
                continue;
            };
            let (first, count) = units(what, self.tear_bytes());
            for (first, end) in last.gaps(first, first + count as u64) {
                for piece in self.pieces(first, end) {
                    let (start, end) = self.within(piece, *offset, bytes.len() as u64);
                    // A hole within the length gets its block with the first write, too.
                    let durable = self.model.durable.get(self.ino);
                    let is_hole = durable
                        .is_none_or(|inode| inode.content.pages_needed(start, end - start) > 0);
                    let from = if is_hole {
                        start
                    } else {
                        start.max(durable_len)
                    };
                    if from < end.min(len) {
                        visit(from, end.min(len));
                    }
                }
            }
        }
    }

    /// Cuts a row of units into pieces of which each shows stale bytes of one kind: pages where
    /// that is a pattern, else units.
    fn pieces(&self, first: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let units = match self.model.freed.is_empty() {
            true => (PAGE as u64 / self.tear_bytes()).max(1),
            false => 1,
        };
        let pieces = first / units..end.div_ceil(units);
        pieces.map(move |piece| ((piece * units).max(first), ((piece + 1) * units).min(end)))
    }

    fn show_stale(&self, inode: &mut Inode, start: u64, end: u64) {
        match self.stale(start, (end - start) as usize) {
            Some((_, stale)) => inode.content.write(start, &stale),
            None => inode.content.write_pattern(start, end),
        }
    }

    /// What a file that is gone held at that place, if any did hold something, and which file.
    fn stale(&self, offset: u64, len: usize) -> Option<(Ino, Vec<u8>)> {
        self.model.freed.iter().find_map(|freed| {
            let mut bytes = vec![0; len];
            freed.inode.content.read(offset, &mut bytes);
            let holds = bytes.iter().any(|&byte| byte != 0);
            holds.then_some((freed.ino, bytes))
        })
    }
}
