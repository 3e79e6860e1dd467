//! Names that others have altered, before a run and while it goes on, and what it met of that.
//!
//! A program meets an alteration when it lists the directory, or opens, looks up, renames or
//! removes the name. A name that the program itself has given anew or taken away is its own again.

use std::path::Path;
use std::sync::Arc;

use super::alter::Altered;
use super::fault::{Fault, matches};
use super::inject::Injector;
use super::ledger::Shown;
use super::live::Disk;
use super::names::{At, text};
use super::trace::Effect;
use super::tree::{Ino, Inode, Place};
use crate::call::CallId;

/// What was altered and is not the program's own again.
#[derive(Default)]
pub(super) struct AlteredNames {
    all: Vec<Altered>,
    /// The directory that has the root's name, and whose doing that is.
    renewed: Option<(Ino, usize)>,
}

impl AlteredNames {
    pub fn new(all: Vec<Altered>) -> Self {
        Self { all, renewed: None }
    }

    /// The rules that have altered something.
    pub fn rules(&self) -> Vec<usize> {
        self.all.iter().map(|altered| altered.rule).collect()
    }

    /// The names that were altered and are not the program's own again.
    pub fn names(&self) -> Vec<String> {
        let names = self.all.iter().flat_map(|altered| &altered.names);
        names.map(|name| name.to_string()).collect()
    }

    /// Whether anything is left of what a rule has altered.
    pub fn is_left(&self, rule: usize) -> bool {
        let mut all = self.all.iter();
        all.any(|altered| altered.rule == rule && !altered.names.is_empty())
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty() && self.renewed.is_none()
    }

    /// A directory was listed, at this path.
    pub fn listed(&self, injector: &mut Injector, call: CallId, path: &str, dir: Ino) {
        for altered in self.all.iter().filter(|altered| altered.dir == dir) {
            if !altered.names.is_empty() {
                let names = altered.paths(Path::new(path));
                injector.observed_in(call, names, altered.rule, Shown::Altered);
            }
        }
        if let Some((_, rule)) = self.renewed.filter(|(root, _)| *root == dir) {
            injector.observed(call, path, rule, Shown::Altered);
        }
    }

    /// The program called a name, at this path.
    fn called(&self, injector: &mut Injector, call: CallId, path: &str, place: &Place) {
        let parent = Path::new(path).parent().unwrap_or(Path::new(""));
        for altered in &self.all {
            if altered.dir == place.dir && altered.names.contains(&place.name) {
                let names = altered.paths(parent);
                injector.observed_in(call, names, altered.rule, Shown::Altered);
            }
        }
        if let Some((_, rule)) = self.renewed.filter(|(root, _)| *root == place.dir) {
            injector.observed(call, path, rule, Shown::Altered);
        }
    }

    /// The program has renamed what has the name `from`.
    pub fn moves(&mut self, from: (Ino, &Arc<str>), to: (Ino, &Arc<str>)) {
        self.take(to.0, to.1);
        for altered in self.all.iter_mut().filter(|altered| altered.dir == from.0) {
            let is_here = to.0 == from.0;
            for name in altered.names.iter_mut().filter(|name| *name == from.1) {
                if is_here {
                    *name = Arc::clone(to.1);
                }
            }
        }
        if to.0 != from.0 {
            self.take(from.0, from.1);
        }
    }

    fn take(&mut self, dir: Ino, taken: &Arc<str>) {
        for altered in self.all.iter_mut().filter(|altered| altered.dir == dir) {
            altered.names.retain(|name| name != taken);
        }
    }
}

impl Altered {
    /// Its names as paths, in a directory of this path.
    fn paths(&self, dir: &Path) -> Vec<String> {
        let path = |name: &Arc<str>| text(&dir.join(&**name)).to_owned();
        self.names.iter().map(path).collect()
    }
}

impl Disk {
    /// A call names this path.
    pub fn meet(&mut self, call: CallId, at: At<'_>) {
        if self.altered.is_empty() {
            return;
        }
        if let Ok(place) = self.tree.place(at.dir, at.path) {
            (self.altered).called(&mut self.injector, call, at.name, &place);
        }
    }

    /// The program gives a name, or takes it away.
    pub fn take_name(&mut self, dir: Ino, name: &Arc<str>) {
        self.altered.take(dir, name);
    }

    /// Others do something to names before this call.
    pub fn meddle(&mut self, call: CallId, rule: usize, what: &Fault) {
        let has_struck = match what {
            Fault::LoseLock => {
                let locked: Vec<Ino> = self.locks.iter().map(|&(ino, _)| ino).collect();
                let names = self.names_of(|_, ino| locked.contains(&ino));
                self.lose(call, rule, names)
            }
            Fault::LoseName { files, nth } => {
                let mut names = self.names_of(|name, _| matches(files, name));
                let at = (nth.max(&1) - 1) as usize;
                let at = at.checked_rem(names.len());
                let names = at.map(|at| names.swap_remove(at)).into_iter().collect();
                self.lose(call, rule, names)
            }
            Fault::RenewRoot => self.renew_root(call, rule),
            _ => false,
        };
        if !has_struck {
            self.injector.missed(rule);
        }
    }

    /// The names of the files that are wanted.
    fn names_of(&self, wanted: impl Fn(&str, Ino) -> bool) -> Vec<(Ino, Arc<str>, Ino)> {
        let mut names = Vec::new();
        self.tree.walk(&mut |dir, name, ino| {
            let is_dir = self.tree.get(ino).is_some_and(Inode::is_dir);
            if !is_dir && wanted(name, ino) {
                names.push((dir, Arc::clone(name), ino));
            }
        });
        names
    }

    /// Takes these names away; whether there are any.
    fn lose(&mut self, call: CallId, rule: usize, lost: Vec<(Ino, Arc<str>, Ino)>) -> bool {
        let has_any = !lost.is_empty();
        for (dir, name, ino) in lost {
            let names = vec![Arc::clone(&name)];
            self.altered.all.push(Altered { rule, dir, names });
            let place = Place {
                dir,
                name,
                ino: Some(ino),
            };
            self.unlink(call, place, ino);
        }
        has_any
    }

    /// Puts an empty directory in the root's place, while a lock says that somebody uses it.
    fn renew_root(&mut self, call: CallId, rule: usize) -> bool {
        if self.locks.is_empty() || self.tree.start != Ino::ROOT {
            return false;
        }
        let ino = self.tree.next_ino();
        let root = Inode {
            link_count: 1,
            ..Inode::dir()
        };
        self.tree.insert(ino, root);
        self.open.resize(ino.index() + 1, 0);
        self.tree.start = ino;
        self.altered.renewed = Some((ino, rule));
        self.trace.push(call, Effect::Apart { ino });
        true
    }

    /// Paths lead to the root itself again.
    pub fn put_root_back(&mut self) {
        self.tree.start = Ino::ROOT;
        self.altered.renewed = None;
    }
}

#[cfg(test)]
mod tests;
