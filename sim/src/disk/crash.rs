//! What is durable and what is pending, at any cut of a trace.
//!
//! Invariants:
//! - \[I1\] [`CrashModel::advance`] is the only place that makes an effect durable.
//! - \[I2\] `durable` plus all pending effects in order is what a program sees, except for data
//!   that a failed sync marked clean: that is seen, and neither durable nor pending.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alter::alter;
use super::built::Built;
use super::config::DiskConfig;
use super::damage::{Damage, Harm, OF_EARLIER};
use super::enumerate::Elements;
use super::fault::FaultRule;
use super::fingerprint::Print;
use super::image::{Freed, Image, Unsynced};
use super::inject::damage_at_rest;
use super::layout::Layout;
use super::page::Written;
use super::past::Past;
use super::pending::{BLOCK, Pending, What, own_names};
use super::survivors::{EffectId, Explicit, Survivors};
use super::trace::{Effect, Event, Synced, Trace};
use super::tree::{Ino, Inode, Tree};
use super::{build, resolve};
use crate::call::{CallId, mix64};

/// What kind of crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrashKind {
    /// The power fails: only what the disk kept is left.
    Power,
    /// The process is killed, or left: the page cache stays.
    Kill,
}

/// The disk at a cut of a trace.
pub struct CrashModel {
    pub(super) config: DiskConfig,
    pub(super) durable: Tree,
    pub(super) visible: Tree,
    pub(super) pending: Vec<Pending>,
    /// What is damaged on the disk.
    pub(super) damage: Damage,
    /// What a program sees damaged: not what it has written again.
    damage_seen: Damage,
    pub(super) freed: Vec<Freed>,
    past: Past,
    position: usize,
    last_call: Option<CallId>,
    index: u32,
}

impl CrashModel {
    /// The disk as a run on `image` with these faults begins.
    pub fn new(image: &Image, config: &DiskConfig, rules: &[FaultRule]) -> Self {
        let altered = alter(image, rules);
        let image = altered.as_ref().map_or(image, |(image, _)| image);
        let mut damage = image.damage.clone();
        damage_at_rest(rules, &image.visible, &mut damage);
        let damage_seen = damage.clone();
        let (durable, pending) = match &image.unsynced {
            Some(unsynced) => {
                damage = unsynced.damage.clone();
                damage_at_rest(rules, &image.visible, &mut damage);
                (unsynced.durable.clone(), unsynced.pending.clone())
            }
            None => (image.visible.clone(), Vec::new()),
        };
        Self {
            config: config.clone(),
            durable,
            visible: image.visible.clone(),
            pending,
            damage,
            damage_seen,
            freed: image.freed.clone(),
            past: image.past.clone(),
            position: 0,
            last_call: None,
            index: 0,
        }
    }

    /// Goes on to the cut before effect `to`. Cuts are visited in ascending order.
    pub fn advance(&mut self, trace: &Trace, to: usize) {
        while self.position < to {
            let Some(event) = trace.events.get(self.position) else {
                return;
            };
            self.position += 1;
            self.step(event, &trace.bytes);
        }
    }

    /// The image that a loss of power leaves.
    pub fn image(&self, survivors: &Survivors) -> Image {
        self.image_of(&resolve::resolve(self, survivors))
    }

    /// The image that a legal choice leaves.
    pub(crate) fn image_of(&self, resolution: &resolve::Resolution) -> Image {
        let mut visible = build::names(self, resolution);
        for changed in Layout::of(self).files {
            if let Some(slot) = visible.slot_mut(changed.ino)
                && changed.is_kept_in(resolution)
            {
                let ops = &changed.ops;
                let inode = build::file(self, resolution, changed.ino, ops, slot);
                *slot = Arc::new(inode);
            }
        }
        self.left(resolution, visible)
    }

    /// As [`CrashModel::image_of`], with what was built before for other choices; what is built
    /// is kept if it `recurs`.
    pub(crate) fn image_with(
        &self,
        (resolution, print): (&resolve::Resolution, &Print),
        elements: &Elements,
        (built, recurs): (&mut Built, bool),
    ) -> Image {
        let visible = built.tree(self, (resolution, print), elements, recurs);
        self.left(resolution, visible)
    }

    fn left(&self, resolution: &resolve::Resolution, visible: Tree) -> Image {
        let damage = build::damage(self, resolution);
        let freed = build::freed(self, &visible);
        Image {
            visible,
            unsynced: None,
            damage,
            freed,
            past: self.past.clone(),
        }
    }

    /// The image that a kill leaves: everything is seen, and what was pending still is.
    pub fn kill_image(&self) -> Image {
        let mut visible = self.visible.clone();
        visible.collect();
        let older = |pending: &Pending| {
            let id = EffectId {
                eras_ago: pending.id.eras_ago + 1,
                ..pending.id
            };
            Pending {
                id,
                what: pending.what.clone(),
            }
        };
        let unsynced = Unsynced {
            durable: self.durable.clone(),
            pending: self.pending.iter().map(older).collect(),
            damage: self.damage.clone(),
        };
        let (damage, freed) = (self.damage_seen.clone(), self.freed.clone());
        Image {
            visible,
            unsynced: Some(Arc::new(unsynced)),
            damage,
            freed,
            past: self.past.clone(),
        }
    }

    /// The survivors as an explicit list of what is kept, made legal.
    pub fn materialize(&self, survivors: &Survivors) -> Survivors {
        resolve::explicit(self, &resolve::resolve(self, survivors))
    }

    /// A legal choice as an explicit list of what is kept.
    pub(crate) fn survivors_of(&self, resolution: &resolve::Resolution) -> Survivors {
        resolve::explicit(self, resolution)
    }

    /// Names in the survivors that nothing has: effects that are not pending, tear units that they
    /// do not touch.
    pub fn stale(&self, survivors: &Survivors) -> Vec<String> {
        let Survivors::Explicit(Explicit { except, torn, .. }) = survivors else {
            return Vec::new();
        };
        let effects = except.iter().map(|except| except.effect);
        let effects = effects.chain(torn.iter().map(|torn| torn.effect));
        let is_pending = |id: &EffectId| self.pending.iter().any(|pending| pending.id == *id);
        let unknown = effects.filter(|id| !is_pending(id));
        let unknown = unknown.map(|id| format!("the effect of {}", id.call));
        let of_writes = except.iter().flat_map(|except| {
            let units = except.units.iter();
            units.map(|&unit| (except.effect, unit))
        });
        let of_torn = torn.iter().map(|torn| (torn.effect, torn.unit));
        let units = of_writes.chain(of_torn);
        let untouched = units.filter(|&(id, unit)| is_pending(&id) && !self.touches(id, unit));
        let untouched = untouched.map(|(id, unit)| format!("unit {unit} of {}", id.call));
        let tears = torn.first().filter(|_| !self.config.torn_units);
        let tears =
            tears.map(|torn| format!("the tear in {} (torn_units is off)", torn.effect.call));
        unknown.chain(untouched).chain(tears).collect()
    }

    /// Whether a pending effect of this name touches a tear unit of its file.
    fn touches(&self, id: EffectId, unit: u64) -> bool {
        let named = self.pending.iter().filter(|pending| pending.id == id);
        let mut units = named.map(|pending| resolve::units(&pending.what, self.config.tear_bytes));
        units.any(|(first, count)| (first..first + count as u64).contains(&unit))
    }

    /// How many effects are pending.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn visible_inode(&self, ino: Ino) -> Option<&Arc<Inode>> {
        self.visible.inodes.get(ino.index())?.as_ref()
    }

    fn push(&mut self, call: CallId, what: What) {
        self.index = if self.last_call == Some(call) {
            self.index + 1
        } else {
            0
        };
        self.last_call = Some(call);
        let id = EffectId {
            eras_ago: 0,
            call,
            index: self.index,
        };
        self.pending.push(Pending { id, what });
    }

    fn step(&mut self, event: &Event, slab: &[u8]) {
        let call = event.call;
        match &event.effect {
            Effect::Write {
                ino,
                offset,
                start,
                len,
                is_lost,
            } => {
                let bytes = slab.get(*start..start + len).unwrap_or_default();
                self.damage_seen.heal(*ino, *offset, bytes.len() as u64);
                let (ino, offset, end) = (*ino, *offset, *offset + bytes.len() as u64);
                let bytes = Written::new(offset, bytes);
                if let Some(inode) = self.visible.make_mut(ino) {
                    inode.content.write_part(&bytes, offset, end);
                    inode.len = inode.len.max(end);
                }
                if !is_lost {
                    self.push(call, What::Data { ino, offset, bytes });
                }
            }
            Effect::Size {
                ino,
                old,
                new,
                by_write,
            } => {
                let (ino, old, new, by_write) = (*ino, *old, *new, *by_write);
                resize(&mut self.visible, ino, new);
                self.push(
                    call,
                    What::Size {
                        ino,
                        old,
                        new,
                        by_write,
                    },
                );
            }
            Effect::Zero { ino, offset, len } => {
                self.damage_seen.heal(*ino, *offset, *len);
                if let Some(inode) = self.visible.make_mut(*ino) {
                    inode.content.zero(*offset, *len);
                }
                self.raise(call, *ino, *offset + *len);
                self.free(call, *ino, *offset, *offset + *len);
            }
            Effect::Floor { ino, len } => self.raise(call, *ino, *len),
            Effect::Misplaced {
                ino,
                offset,
                start,
                len,
            } => {
                let bytes = slab.get(*start..start + len).unwrap_or_default();
                for (at, &byte) in (*offset..).zip(bytes) {
                    let harm = Harm::Misplaced(byte);
                    self.damage.harm(*ino, at, harm, OF_EARLIER);
                }
            }
            Effect::Sync { ino, all, how } => self.sync(call, *ino, *all, *how),
            Effect::Apart { ino } => self.add(*ino, &Inode::dir()),
            Effect::Root => {
                self.visible.has_root = true;
                self.durable.has_root = true;
            }
            names => self.name(call, names),
        }
    }

    /// A new inode; which name leads to it is an effect of its own.
    fn add(&mut self, ino: Ino, inode: &Inode) {
        self.visible.insert(ino, inode.clone());
        self.durable.insert(ino, inode.clone());
    }

    /// File systems write a length that they have put off before they change the blocks below it.
    fn raise(&mut self, call: CallId, ino: Ino, len: u64) {
        let is_put_off = |pending: &Pending| {
            pending.what.content_of() == Some(ino) && pending.what.growth().is_some()
        };
        if self.pending.iter().any(is_put_off) {
            self.push(call, What::Floor { ino, len });
        }
    }

    /// Whole blocks are freed by the journal; parts of blocks are zeroed like data.
    fn free(&mut self, call: CallId, ino: Ino, start: u64, end: u64) {
        let first = start.next_multiple_of(BLOCK).min(end);
        let last = (end / BLOCK * BLOCK).max(first);
        for (from, to) in [(start, first), (last, end)] {
            if from < to {
                let bytes = Written::new(from, &vec![0; (to - from) as usize]);
                let offset = from;
                self.push(call, What::Data { ino, offset, bytes });
            }
        }
        if first < last {
            let (offset, len) = (first, last - first);
            self.push(call, What::Zero { ino, offset, len });
        }
    }

    fn name(&mut self, call: CallId, effect: &Effect) {
        let what = match effect.clone() {
            Effect::Create {
                dir,
                name,
                ino,
                is_dir,
            } => {
                let inode = if is_dir { Inode::dir() } else { Inode::file() };
                self.add(ino, &inode);
                What::Link { dir, name, ino }
            }
            Effect::Link { dir, name, ino } => What::Link { dir, name, ino },
            Effect::Unlink { dir, name, ino } => What::Unlink { dir, name, ino },
            Effect::Rename {
                from_dir,
                from,
                to_dir,
                to,
                ino,
                replaced,
            } => What::Rename {
                from_dir,
                from,
                to_dir,
                to,
                ino,
                replaced,
            },
            _ => return,
        };
        if let What::Rename {
            to_dir,
            to,
            replaced: Some(ino),
            ..
        } = &what
            && self.config.profile.replaces_in_two_steps()
        {
            let (dir, name, ino) = (*to_dir, Arc::clone(to), *ino);
            self.push(call, What::Unlink { dir, name, ino });
        }
        build::apply_name(&mut self.visible, &what);
        self.push(call, what);
    }

    fn sync(&mut self, call: CallId, ino: Ino, all: bool, how: Synced) {
        let is_dir = self.durable.get(ino).is_some_and(Inode::is_dir);
        match how {
            Synced::Nothing => {}
            Synced::Done => self.fold_sync(ino, all, is_dir),
            // The names of a directory are not data; what a failed sync of them did is unknown,
            // and the harshest is nothing.
            _ if is_dir => {}
            Synced::Cleaned => {
                self.drop_data(ino);
                self.fold_sync(ino, all, false);
            }
            Synced::Partial => {
                self.fold_some_units(ino, call.mix(0));
                self.drop_data(ino);
                self.fold_sync(ino, all, false);
            }
            Synced::Reverted => {
                self.pending
                    .retain(|pending| pending.what.content_of() != Some(ino));
                if let (Some(old), Some(inode)) =
                    (self.durable.get(ino), self.visible.make_mut(ino))
                {
                    inode.content = old.content.clone();
                    inode.len = old.len;
                }
            }
        }
    }

    /// A sync that did what it says.
    fn fold_sync(&mut self, ino: Ino, all: bool, is_dir: bool) {
        let profile = self.config.profile;
        let all = all || profile.has_one_sync();
        let concerns = |what: &What| {
            if is_dir {
                what.is_in_dir(ino)
            } else {
                what.content_of() == Some(ino)
            }
        };
        // What of the inode is in the journal and not committed: its creation, its length; for a
        // sync of all metadata its renaming and further names as well.
        let needs_journal = |at: usize, what: &What| match what {
            _ if is_dir => what.is_in_dir(ino),
            What::Link { ino: linked, .. } => *linked == ino && (all || self.is_creation(at, ino)),
            What::Rename { ino: renamed, .. } => all && *renamed == ino,
            What::Size { ino: sized, .. } | What::Zero { ino: sized, .. } => *sized == ino,
            What::Unlink { .. } | What::Data { .. } | What::Floor { .. } => false,
        };
        if is_dir && !profile.syncs_dirs() {
            return;
        }
        let own_names = match profile.syncs_own_names() {
            true => own_names(&self.pending, ino, all, is_dir),
            false => BTreeSet::new(),
        };
        // One journal: to commit any of it is to commit all that came before. What came after may
        // stay out: that of the inode may have been committed already, unseen.
        let is_one_journal = profile.has_journal() && !profile.syncs_own_names();
        let mut pending = self.pending.iter().enumerate();
        let committed = pending
            .rfind(|(at, pending)| is_one_journal && needs_journal(*at, &pending.what))
            .map_or(0, |(last, _)| last + 1);
        self.remember(ino, is_dir);
        let pending = std::mem::take(&mut self.pending);
        for (at, pending) in pending.into_iter().enumerate() {
            let is_folded = concerns(&pending.what)
                || own_names.contains(&at)
                || (at < committed && pending.what.is_journalled());
            if is_folded {
                self.fold(&pending.what);
            } else {
                self.pending.push(pending);
            }
        }
    }

    /// Keeps what a file durably holds, if a sync is about to change that.
    fn remember(&mut self, ino: Ino, is_dir: bool) {
        let changes = |pending: &Pending| pending.what.content_of() == Some(ino);
        if is_dir || !self.pending.iter().any(changes) {
            return;
        }
        if let Some(Some(before)) = self.durable.inodes.get(ino.index()) {
            self.past.push(ino, before);
        }
    }

    /// Whether the pending link at this place is the first name of the inode: then the inode is new
    /// itself. One more name changes only its count of names, which fdatasync passes over on ext4.
    fn is_creation(&self, at: usize, ino: Ino) -> bool {
        let mut is_named = false;
        self.durable
            .walk(&mut |_, _, named| is_named |= named == ino);
        let mut earlier = self.pending.iter().take(at);
        !is_named
            && !earlier.any(|pending| {
                let names = matches!(pending.what, What::Link { .. } | What::Rename { .. });
                names && pending.what.file() == ino
            })
    }

    /// Makes one effect durable. What is still pending for the same file came before it, and must
    /// not undo it when it is kept later.
    fn fold(&mut self, what: &What) {
        match what {
            What::Data { ino, offset, bytes } => {
                let len = bytes.len() as u64;
                if let Some(inode) = self.durable.make_mut(*ino) {
                    inode.content.write_part(bytes, *offset, offset + len);
                }
                self.damage.heal(*ino, *offset, len);
            }
            What::Size { ino, new, .. } => {
                resize(&mut self.durable, *ino, *new);
                self.clip(*ino, *new, u64::MAX);
                self.pending.retain(|pending| {
                    !matches!(&pending.what, What::Size { ino: sized, .. } if sized == ino)
                });
            }
            What::Zero { ino, offset, len } => {
                if let Some(inode) = self.durable.make_mut(*ino) {
                    inode.content.zero(*offset, *len);
                }
                self.damage.heal(*ino, *offset, *len);
                self.clip(*ino, *offset, offset + len);
            }
            What::Floor { ino, len } => {
                build::raise(&mut self.durable, *ino, *len);
                self.grow_from(*ino, *len);
            }
            name => build::apply_name(&mut self.durable, name),
        }
    }

    /// A file has durably grown to `len`: what is pending of its growth begins there.
    fn grow_from(&mut self, grown: Ino, len: u64) {
        self.pending.retain_mut(|pending| match &mut pending.what {
            What::Size {
                ino,
                old,
                new,
                by_write: true,
            } if *ino == grown => {
                *old = (*old).max(len);
                *new > len
            }
            _ => true,
        });
    }

    /// Takes a range out of the data that is pending for a file.
    fn clip(&mut self, clipped: Ino, from: u64, to: u64) {
        let mut kept = Vec::with_capacity(self.pending.len());
        for pending in self.pending.drain(..) {
            match &pending.what {
                What::Data { ino, offset, bytes }
                    if *ino == clipped && *offset < to && offset + bytes.len() as u64 > from =>
                {
                    let end = offset + bytes.len() as u64;
                    let part = |start: u64, end: u64| {
                        let bytes =
                            bytes.get((start - offset) as usize..(end - offset) as usize)?;
                        let what = What::Data {
                            ino: *ino,
                            offset: start,
                            bytes: Written::new(start, bytes),
                        };
                        (!bytes.is_empty()).then_some(Pending {
                            id: pending.id,
                            what,
                        })
                    };
                    kept.extend(part(*offset, from.clamp(*offset, end)));
                    kept.extend(part(to.clamp(*offset, end), end));
                }
                _ => kept.push(pending),
            }
        }
        self.pending = kept;
    }

    fn drop_data(&mut self, dropped: Ino) {
        self.pending
            .retain(|pending| !matches!(&pending.what, What::Data { ino, .. } if *ino == dropped));
    }

    /// Some tear units of a file's data reach the disk: half of them, by a hash.
    fn fold_some_units(&mut self, wanted: Ino, seed: u64) {
        let unit = self.config.tear_bytes.max(1);
        for pending in &self.pending {
            let What::Data { ino, offset, bytes } = &pending.what else {
                continue;
            };
            if *ino != wanted {
                continue;
            }
            let end = offset + bytes.len() as u64;
            let mut at = *offset;
            while at < end {
                let next = ((at / unit + 1) * unit).min(end);
                let part = bytes.get((at - offset) as usize..(next - offset) as usize);
                if mix64(seed ^ (at / unit)).is_multiple_of(2)
                    && let (Some(part), Some(inode)) = (part, self.durable.make_mut(*ino))
                {
                    inode.content.write(at, part);
                }
                at = next;
            }
        }
    }
}

/// Sets a length; what is cut off is gone.
pub(super) fn resize(tree: &mut Tree, ino: Ino, new: u64) {
    if let Some(inode) = tree.make_mut(ino) {
        inode.resize(new);
    }
}
