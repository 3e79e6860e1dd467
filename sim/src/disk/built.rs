//! Parts of images that were built already, for images that have them too.
//!
//! Choices vary files one by one, and neighbouring cuts differ in one file at most: so nearly all
//! of an image's files have been built for another one.
//!
//! Invariant \[I1\]: what is kept of a file's effects, together with these effects and its durable
//! state, is all that its contents depend on ([`Print`]); what is kept of the changes of
//! names, within one cut, all that the names depend on.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::build;
use super::crash::CrashModel;
use super::enumerate::Elements;
use super::fingerprint::Print;
use super::layout::Changed;
use super::resolve::Resolution;
use super::survivors::EffectId;
use super::tree::{Ino, Inode, Tree};

/// So many versions are kept at most of one file, and of the names.
const VERSIONS_MAX: usize = 512;

/// What was built for images of one scene.
#[derive(Default)]
pub(crate) struct Built {
    /// Of the present cut: trees without pending contents, by what is kept of names.
    names: BTreeMap<u64, Tree>,
    files: BTreeMap<Ino, Versions>,
}

/// One file.
struct Versions {
    of: Origin,
    /// By what is kept of the pending effects, and how many names it has then.
    known: BTreeMap<(u64, u32), Arc<Inode>>,
}

/// What all versions of a file come from.
#[derive(PartialEq, Eq)]
struct Origin {
    /// The durable state, by its address: while it is held here, nothing else has it.
    durable: Option<Held>,
    /// Names of the pending effects, with the bytes that they concern: a later change may have
    /// left a part of them.
    effects: Vec<(EffectId, Option<(u64, u64)>)>,
    /// What freed blocks hold, by the addresses of their contents.
    freed: Vec<Held>,
}

/// An inode that is told by its address.
struct Held(Arc<Inode>);

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Held {}

impl Built {
    /// Goes on to another cut: drops what does not hold there.
    pub fn at(&mut self, model: &CrashModel, elements: &Elements) {
        self.names.clear();
        for changed in &elements.layout.files {
            let of = Origin::of(model, changed);
            match self.files.get_mut(&changed.ino) {
                Some(versions) if versions.of == of => {}
                _ => {
                    let known = BTreeMap::new();
                    self.files.insert(changed.ino, Versions { of, known });
                }
            }
        }
    }

    /// The state that a loss of power leaves, of which `print` is the fingerprint. What is built
    /// for it is kept if it `recurs`: parts of samples do not.
    pub(super) fn tree(
        &mut self,
        model: &CrashModel,
        (resolution, print): (&Resolution, &Print),
        elements: &Elements,
        recurs: bool,
    ) -> Tree {
        if self.names.len() >= VERSIONS_MAX {
            self.names.clear();
        }
        let names = self.names.entry(print.names);
        let mut tree = names
            .or_insert_with(|| build::names(model, resolution))
            .clone();
        for (changed, &file) in elements.layout.files.iter().zip(&print.files) {
            let ino = changed.ino;
            let Some(slot) = tree.slot_mut(ino) else {
                continue;
            };
            let Some(versions) = self.files.get_mut(&ino) else {
                continue;
            };
            if !changed.is_kept_in(resolution) {
                continue;
            }
            let version = (file.whole, slot.link_count);
            let known = versions.known.get(&version);
            let built = || Arc::new(build::file(model, resolution, ino, &changed.ops, slot));
            let inode = known.map_or_else(built, Arc::clone);
            if recurs && known.is_none() {
                versions.put(version, &inode);
            }
            *slot = inode;
        }
        tree
    }
}

impl Versions {
    fn put(&mut self, version: (u64, u32), inode: &Arc<Inode>) {
        if self.known.len() >= VERSIONS_MAX {
            self.known.clear();
        }
        self.known.insert(version, Arc::clone(inode));
    }
}

impl Origin {
    fn of(model: &CrashModel, changed: &Changed) -> Self {
        let durable = model.durable.inodes.get(changed.ino.index());
        let pending = changed.ops.iter().filter_map(|&at| model.pending.get(at));
        Self {
            durable: durable.and_then(Option::clone).map(Held),
            effects: pending
                .map(|pending| (pending.id, pending.what.range()))
                .collect(),
            freed: (model.freed.iter())
                .map(|freed| Held(Arc::clone(&freed.inode)))
                .collect(),
        }
    }
}
