//! Alterations carried out on an image between two eras.
//!
//! They are durable: whoever did it has synced what they did. After a kill there is a page cache,
//! and what was pending of the names that are altered is settled as it is seen; all else stays
//! pending.
//!
//! Invariants:
//! - \[I1\] What is durable plus what is pending is what a program sees, as without alterations.
//! - \[I2\] A rule whose file is not there, or whose alteration changes nothing, changes nothing.

use std::sync::Arc;

use super::alteration::{Alteration, NewName};
use super::build::FREED_MAX;
use super::fault::{Fault, FaultRule, Trigger, matches};
use super::image::{Freed, Image, Unsynced};
use super::tree::{Ino, Inode, Tree};

/// Names of one directory that a rule has altered, or whose file it has.
#[derive(Clone, Debug)]
pub(super) struct Altered {
    pub rule: usize,
    pub dir: Ino,
    pub names: Vec<Arc<str>>,
}

/// A file by one of its names.
#[derive(Clone)]
struct Target {
    dir: Ino,
    name: Arc<str>,
    ino: Ino,
}

/// The image as a run with these rules finds it, and what was altered; none if nothing was.
pub(super) fn alter(image: &Image, rules: &[FaultRule]) -> Option<(Image, Vec<Altered>)> {
    let is_any = |rule: &FaultRule| matches!(rule.what, Fault::Alter(_));
    if !rules.iter().any(is_any) {
        return None;
    }
    let mut image = image.clone();
    let mut all = Vec::new();
    for (rule, FaultRule { when, what }) in rules.iter().enumerate() {
        let (Trigger::Boot { files, nth }, Fault::Alter(alteration)) = (when, what) else {
            continue;
        };
        let Some(target) = target(&image.visible, files, *nth, alteration) else {
            continue;
        };
        let dir = target.dir;
        if let Some(names) = carry_out(&mut image, &target, alteration) {
            all.push(Altered { rule, dir, names });
        }
    }
    (!all.is_empty()).then_some((image, all))
}

/// The `nth` file, from 1 and counted around, whose name matches and to which it can be done.
fn target(tree: &Tree, files: &str, nth: u32, alteration: &Alteration) -> Option<Target> {
    let mut found = Vec::new();
    tree.walk(&mut |dir, name, ino| {
        let can = |inode: &Inode| {
            let is_file = !inode.is_dir() && inode.link.is_none();
            is_file && (inode.len > 0 || !alteration.needs_bytes())
        };
        if tree.get(ino).is_some_and(can) && matches(files, name) {
            let name = Arc::clone(name);
            found.push(Target { dir, name, ino });
        }
    });
    let count = found.len();
    let nth = (nth.max(1) as usize - 1).checked_rem(count)?;
    found.get(nth).cloned()
}

/// Does it to a file. Gives the names that it concerns; none if there is nothing to do.
fn carry_out(image: &mut Image, target: &Target, alteration: &Alteration) -> Option<Vec<Arc<str>>> {
    let own = Arc::clone(&target.name);
    match alteration {
        Alteration::Empty => cut(image, target, 0)?,
        Alteration::CutAt(len) => cut(image, target, *len)?,
        Alteration::CutShort { per_mille } => {
            let len = image.visible.get(target.ino)?.len;
            cut(
                image,
                target,
                len * u64::from((*per_mille).min(999)) / 1_000,
            )?;
        }
        Alteration::Zero => {
            let inode = Inode {
                len: image.visible.get(target.ino)?.len,
                ..Inode::file()
            };
            replace(image, target, &inode)?;
        }
        Alteration::Older(back) => {
            let older = Arc::clone(image.past.state(target.ino, *back)?);
            replace(image, target, &older)?;
        }
        Alteration::Remove => remove(image, target),
        Alteration::Copy(name) => {
            let new = new_name(image, target, name)?;
            let copy = Inode {
                link_count: 0,
                ..image.visible.get(target.ino)?.clone()
            };
            put(image, target.dir, &new, copy);
            return Some(vec![new]);
        }
        Alteration::Rename(name) => {
            let new = new_name(image, target, name)?;
            rename(image, target, &new);
            return Some(vec![own, new]);
        }
        Alteration::Link(name) => {
            let new = new_name(image, target, name)?;
            rename(image, target, &new);
            put(image, target.dir, &own, Inode::link_to(&new));
            return Some(vec![own, new]);
        }
        Alteration::Dir => {
            remove(image, target);
            put(image, target.dir, &own, Inode::dir());
        }
    }
    Some(vec![own])
}

/// The name that is made of the file's own, unless it is taken by what no file can replace.
fn new_name(image: &Image, target: &Target, name: &NewName) -> Option<Arc<str>> {
    let name: Arc<str> = name.of(&target.name)?.into();
    let taken = image.visible.entries(target.dir)?.get(&name);
    let is_dir = taken
        .and_then(|&ino| image.visible.get(ino))
        .map(Inode::is_dir);
    (is_dir != Some(true)).then_some(name)
}

fn cut(image: &mut Image, target: &Target, len: u64) -> Option<()> {
    let mut inode = image.visible.get(target.ino)?.clone();
    if len >= inode.len {
        return None;
    }
    inode.resize(len);
    set_content(image, target.ino, &inode, len);
    Some(())
}

/// Puts other contents in a file, unless they are the same.
fn replace(image: &mut Image, target: &Target, with: &Inode) -> Option<()> {
    let present = image.visible.get(target.ino)?;
    if present.len == with.len && present.content.hash() == with.content.hash() {
        return None;
    }
    set_content(image, target.ino, with, 0);
    Some(())
}

/// Gives a file these contents and this length; damaged bytes from `from` on are gone.
fn set_content(image: &mut Image, ino: Ino, with: &Inode, from: u64) {
    image.damage.heal(ino, from, u64::MAX);
    if let Some(unsynced) = unsynced(image) {
        unsynced.damage.heal(ino, from, u64::MAX);
        let is_of = |what: Option<Ino>| what == Some(ino);
        (unsynced.pending).retain(|pending| !is_of(pending.what.content_of()));
    }
    each_tree(image, |tree| {
        if let Some(inode) = tree.make_mut(ino) {
            inode.content = with.content.clone();
            inode.len = with.len;
        }
    });
}

fn remove(image: &mut Image, target: &Target) {
    settle_names(image, target.ino);
    each_tree(image, |tree| {
        if let Some(entries) = tree.entries_mut(target.dir) {
            entries.remove(&target.name);
        }
    });
    free(image, target.ino);
}

fn rename(image: &mut Image, target: &Target, new: &Arc<str>) {
    settle_names(image, target.ino);
    clear(image, target.dir, new);
    each_tree(image, |tree| {
        if let Some(entries) = tree.entries_mut(target.dir) {
            entries.remove(&target.name);
            entries.insert(Arc::clone(new), target.ino);
        }
    });
    image.visible.collect();
}

/// Puts a new inode under a name.
fn put(image: &mut Image, dir: Ino, name: &Arc<str>, inode: Inode) {
    clear(image, dir, name);
    let ino = image.visible.next_ino();
    each_tree(image, |tree| {
        tree.insert(ino, inode.clone());
        if let Some(entries) = tree.entries_mut(dir) {
            entries.insert(Arc::clone(name), ino);
        }
    });
    image.visible.collect();
}

/// Takes a name away from what has it.
fn clear(image: &mut Image, dir: Ino, name: &Arc<str>) {
    let taken = image
        .visible
        .entries(dir)
        .and_then(|entries| entries.get(name));
    if let Some(&ino) = taken {
        let name = Arc::clone(name);
        remove(image, &Target { dir, name, ino });
    }
}

/// A file has lost a name: if it was the last, its blocks are free.
fn free(image: &mut Image, ino: Ino) {
    let inode = image.visible.inodes.get(ino.index()).cloned().flatten();
    image.visible.collect();
    let Some(inode) = inode.filter(|inode| inode.content.allocated() > 0) else {
        return;
    };
    if image.visible.get(ino).is_none() {
        image.freed.insert(0, Freed { ino, inode });
        image.freed.truncate(FREED_MAX);
    }
}

/// Makes the names of an inode durable as they are seen.
fn settle_names(image: &mut Image, ino: Ino) {
    let mut names = Vec::new();
    image.visible.walk(&mut |dir, name, named| {
        if named == ino {
            names.push((dir, Arc::clone(name)));
        }
    });
    let Some(unsynced) = unsynced(image) else {
        return;
    };
    unsynced
        .pending
        .retain(|pending| pending.what.content_of().is_some() || pending.what.file() != ino);
    let dirs = 0..unsynced.durable.inodes.len() as u32;
    for dir in dirs.map(Ino) {
        let entries = unsynced.durable.entries(dir);
        if entries.is_some_and(|entries| entries.values().any(|&named| named == ino))
            && let Some(entries) = unsynced.durable.entries_mut(dir)
        {
            entries.retain(|_, named| *named != ino);
        }
    }
    for (dir, name) in names {
        if let Some(entries) = unsynced.durable.entries_mut(dir) {
            entries.insert(name, ino);
        }
    }
}

/// What is not durable, for changing; none if everything is.
fn unsynced(image: &mut Image) -> Option<&mut Unsynced> {
    image.unsynced.as_mut().map(Arc::make_mut)
}

/// Changes what is seen and what is durable alike.
fn each_tree(image: &mut Image, change: impl Fn(&mut Tree)) {
    change(&mut image.visible);
    if let Some(unsynced) = unsynced(image) {
        change(&mut unsynced.durable);
    }
}
