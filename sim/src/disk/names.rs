//! What a program sees: calls on names.

use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use blackstart_vfs::{DirEntry, FileKind, LockKind, Metadata, OpenOptions};

use super::fault::Errno;
use super::live::Disk;
use super::trace::Effect;
use super::tree::{Ino, Inode, Place, Tree, check};
use crate::call::CallId;

/// The path as faults and reports name it.
pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap_or("?")
}

/// A path of the program.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// The directory that it begins at: the root of the file system that the program holds, or
    /// [`Ino::PATHS`].
    pub dir: Ino,
    pub path: &'a Path,
    /// How faults and reports name it: from the root of the disk.
    pub name: &'a str,
}

impl At<'_> {
    /// Whether it leads to where it begins.
    fn is_dot(&self) -> bool {
        let mut parts = self.path.components();
        parts.all(|part| part == Component::CurDir)
    }
}

impl Disk {
    /// Makes the root of the disk and syncs its parent; of another directory, syncs the parent.
    pub fn create_root(&mut self, call: CallId, root: At<'_>) -> io::Result<()> {
        if [Ino::PATHS, Ino::ROOT].contains(&root.dir) {
            self.fault(call, root.name)?;
            self.tree.has_root = true;
            self.trace.push(call, Effect::Root);
            return Ok(());
        }
        match self.tree.parent(root.dir) {
            Some(parent) => self.sync_names(call, root.name, parent),
            // It was removed: there is no name to make durable.
            None => self.fault(call, root.name).map(drop),
        }
    }

    /// Opens a directory to hold it and gives its inode. The caller counts the handle.
    pub fn subdir(&mut self, call: CallId, at: At<'_>) -> io::Result<Ino> {
        self.fault(call, at.name)?;
        let dir = self.tree.lookup(at.dir, at.path)?;
        if self.tree.entries(dir).is_none() {
            return Err(Errno::Enotdir.error());
        }
        self.has_handle(call, at.name)?;
        Ok(dir)
    }

    /// Opens and gives the inode. The caller counts the handle.
    pub fn open(&mut self, call: CallId, at: At<'_>, options: OpenOptions) -> io::Result<Ino> {
        self.fault(call, at.name)?;
        if !(options.is_read() || options.is_write()) {
            return Err(Errno::Einval.error());
        }
        let needs_write = options.is_create() || options.is_create_new() || options.is_truncate();
        if needs_write && !options.is_write() {
            return Err(Errno::Einval.error());
        }
        let found = |tree: &Tree| tree.lookup(at.dir, at.path);
        self.meet(call, at);
        let ino = match self.tree.place(at.dir, at.path) {
            Ok(place) => {
                let place = self.follow(place, options)?;
                self.open_place(call, at, &place, options)?
            }
            // The root itself.
            Err(_) if at.path.as_os_str().is_empty() || found(&self.tree).is_ok() => {
                if options.is_create_new() {
                    return Err(Errno::Eexist.error());
                }
                found(&self.tree)?
            }
            Err(error) => return Err(error),
        };
        let is_dir = self.tree.get(ino).is_some_and(Inode::is_dir);
        if is_dir && (options.is_write() || options.is_create()) {
            return Err(Errno::Eisdir.error());
        }
        self.has_handle(call, at.name)?;
        if options.is_truncate()
            && let Some(asked) = &mut self.asked
        {
            // Also of an empty file: nobody is told whether it was.
            asked.own_all(ino);
        }
        if options.is_truncate() && self.tree.get(ino).is_some_and(|inode| inode.len > 0) {
            self.truncate_open(call, ino);
        }
        Ok(ino)
    }

    /// Where the symbolic links of a place lead, if they are to be followed.
    fn follow(&self, place: Place, options: OpenOptions) -> io::Result<Place> {
        let is_link = place.ino.is_some_and(|ino| self.tree.target(ino).is_some());
        match is_link {
            true if options.is_create_new() => Ok(place),
            true if options.is_no_follow() => Err(Errno::Eloop.error()),
            _ => self.tree.follow(place),
        }
    }

    fn open_place(
        &mut self,
        call: CallId,
        at: At<'_>,
        place: &Place,
        options: OpenOptions,
    ) -> io::Result<Ino> {
        match place.ino {
            Some(_) if options.is_create_new() => Err(Errno::Eexist.error()),
            Some(ino) => Ok(ino),
            None if options.is_create() || options.is_create_new() => {
                self.tree.check_alive(place.dir)?;
                self.has_handle(call, at.name)?;
                Ok(self.create(call, place, false))
            }
            None => Err(Errno::Enoent.error()),
        }
    }

    /// Whether one more file may be open.
    fn has_handle(&mut self, call: CallId, name: &str) -> io::Result<()> {
        let handles_max = self.config.handles_max;
        if handles_max.is_some_and(|max| self.handle_count >= max) {
            self.injector.handles_ran_out(call, name);
            return Err(Errno::Emfile.error());
        }
        Ok(())
    }

    fn truncate_open(&mut self, call: CallId, ino: Ino) {
        let Some(inode) = self.tree.make_mut(ino) else {
            return;
        };
        let old = inode.len;
        self.used_pages -= inode.content.allocated();
        inode.content.cut(0);
        inode.len = 0;
        self.trace.push(
            call,
            Effect::Size {
                ino,
                old,
                new: 0,
                by_write: false,
            },
        );
    }

    fn create(&mut self, call: CallId, place: &Place, is_dir: bool) -> Ino {
        let ino = self.tree.next_ino();
        let mut inode = if is_dir { Inode::dir() } else { Inode::file() };
        inode.link_count = 1;
        self.tree.insert(ino, inode);
        self.open.resize(ino.index() + 1, 0);
        if let Some(entries) = self.tree.entries_mut(place.dir) {
            entries.insert(Arc::clone(&place.name), ino);
        }
        self.take_name(place.dir, &place.name);
        let (dir, name) = (place.dir, Arc::clone(&place.name));
        self.trace.push(
            call,
            Effect::Create {
                dir,
                name,
                ino,
                is_dir,
            },
        );
        ino
    }

    pub fn create_dir(&mut self, call: CallId, at: At<'_>) -> io::Result<()> {
        self.fault(call, at.name)?;
        let place = self.name_of(at, Errno::Eexist)?;
        if place.ino.is_some() {
            return Err(Errno::Eexist.error());
        }
        self.tree.check_alive(place.dir)?;
        self.create(call, &place, true);
        Ok(())
    }

    /// The place of a path; for the root itself this error.
    fn name_of(&self, at: At<'_>, for_root: Errno) -> io::Result<Place> {
        if at.is_dot() {
            self.tree.lookup(at.dir, at.path)?;
            return Err(for_root.error());
        }
        self.tree.place(at.dir, at.path)
    }

    pub fn read_dir(&mut self, call: CallId, at: At<'_>) -> io::Result<Vec<DirEntry>> {
        self.fault(call, at.name)?;
        let dir = self.tree.lookup(at.dir, at.path)?;
        let entries = self
            .tree
            .entries(dir)
            .ok_or_else(|| Errno::Enotdir.error())?;
        self.altered.listed(&mut self.injector, call, at.name, dir);
        let entry = |(name, &ino): (&Arc<str>, &Ino)| DirEntry {
            name: (&**name).into(),
            kind: self.kind(ino),
        };
        Ok(entries.iter().map(entry).collect())
    }

    fn kind(&self, ino: Ino) -> FileKind {
        match self.tree.get(ino) {
            Some(inode) if inode.is_dir() => FileKind::Dir,
            Some(inode) if inode.link.is_some() => FileKind::Other,
            _ => FileKind::File,
        }
    }

    pub fn metadata(&mut self, call: CallId, at: At<'_>) -> io::Result<Metadata> {
        self.fault(call, at.name)?;
        self.meet(call, at);
        let ino = self.tree.lookup_name(at.dir, at.path)?;
        self.ask_len(ino);
        let inode = self.tree.get(ino).ok_or_else(|| Errno::Eio.error())?;
        Ok(Metadata {
            kind: self.kind(ino),
            len: (inode.link.as_ref()).map_or(inode.len, |target| target.len() as u64),
            link_count: u64::from(inode.link_count),
            id: ino.id(),
        })
    }

    pub fn rename(&mut self, call: CallId, from: At<'_>, to: At<'_>) -> io::Result<()> {
        self.injector.renames(from.name, to.name);
        self.fault(call, from.name)?;
        self.meet(call, from);
        self.meet(call, to);
        check(from.path)?;
        check(to.path)?;
        // In the order of Linux: both directories, the root, the old name, the new one.
        self.has_dir(from)?;
        self.has_dir(to)?;
        if from.is_dot() || to.is_dot() {
            return Err(Errno::Ebusy.error());
        }
        let source = self.tree.place(from.dir, from.path)?;
        let ino = source.ino.ok_or_else(|| Errno::Enoent.error())?;
        let target = self.tree.place(to.dir, to.path)?;
        self.tree.check_alive(target.dir)?;
        if target.ino == Some(ino) {
            return Ok(());
        }
        let moves_dir = self.tree.get(ino).is_some_and(Inode::is_dir);
        if moves_dir && self.is_within(target.dir, ino) {
            return Err(Errno::Einval.error());
        }
        if let Some(replaced) = target.ino {
            self.can_replace(moves_dir, replaced, source.dir)?;
        }
        if let Some(entries) = self.tree.entries_mut(source.dir) {
            entries.remove(&source.name);
        }
        if let Some(entries) = self.tree.entries_mut(target.dir) {
            entries.insert(Arc::clone(&target.name), ino);
        }
        self.altered
            .moves((source.dir, &source.name), (target.dir, &target.name));
        self.trace.push(
            call,
            Effect::Rename {
                from_dir: source.dir,
                from: source.name,
                to_dir: target.dir,
                to: target.name,
                ino,
                replaced: target.ino,
            },
        );
        if let Some(replaced) = target.ino {
            self.drop_link(replaced);
        }
        Ok(())
    }

    /// Whether the directory of a name is one.
    fn has_dir(&self, at: At<'_>) -> io::Result<()> {
        let parent = at.path.parent().unwrap_or(at.path);
        let dir = self.tree.lookup(at.dir, parent)?;
        match self.tree.entries(dir) {
            Some(_) => Ok(()),
            None => Err(Errno::Enotdir.error()),
        }
    }

    /// Whether `dir` is `ancestor` or below it.
    fn is_within(&self, dir: Ino, ancestor: Ino) -> bool {
        let mut is_below = dir == ancestor;
        self.tree.walk(&mut |parent, _, ino| {
            // Depth first: a parent is visited before its children only if it is named before.
            is_below |= ino == dir && (parent == ancestor || self.is_within(parent, ancestor));
        });
        is_below
    }

    fn can_replace(&self, moves_dir: bool, replaced: Ino, source_dir: Ino) -> io::Result<()> {
        let entries = self.tree.entries(replaced);
        match (moves_dir, entries) {
            (false, Some(_)) if self.is_within(source_dir, replaced) => {
                Err(Errno::Enotempty.error())
            }
            (false, Some(_)) => Err(Errno::Eisdir.error()),
            (true, None) => Err(Errno::Enotdir.error()),
            (true, Some(entries)) if !entries.is_empty() => Err(Errno::Enotempty.error()),
            _ => Ok(()),
        }
    }

    pub fn hard_link(&mut self, call: CallId, existing: At<'_>, new: At<'_>) -> io::Result<()> {
        self.injector.renames(new.name, existing.name);
        self.fault(call, new.name)?;
        self.meet(call, existing);
        check(existing.path)?;
        check(new.path)?;
        let ino = self.tree.lookup_name(existing.dir, existing.path)?;
        let target = self.name_of(new, Errno::Eexist)?;
        if target.ino.is_some() {
            return Err(Errno::Eexist.error());
        }
        if self.tree.get(ino).is_some_and(Inode::is_dir) {
            return Err(Errno::Eperm.error());
        }
        self.tree.check_alive(target.dir)?;
        if let Some(inode) = self.tree.make_mut(ino) {
            inode.link_count += 1;
        }
        if let Some(entries) = self.tree.entries_mut(target.dir) {
            entries.insert(Arc::clone(&target.name), ino);
        }
        self.take_name(target.dir, &target.name);
        self.trace.push(
            call,
            Effect::Link {
                dir: target.dir,
                name: target.name,
                ino,
            },
        );
        Ok(())
    }

    pub fn remove_file(&mut self, call: CallId, at: At<'_>) -> io::Result<()> {
        self.fault(call, at.name)?;
        self.meet(call, at);
        let place = self.name_of(at, Errno::Eisdir)?;
        let ino = place.ino.ok_or_else(|| Errno::Enoent.error())?;
        if self.tree.get(ino).is_some_and(Inode::is_dir) {
            return Err(Errno::Eisdir.error());
        }
        self.take_name(place.dir, &place.name);
        self.unlink(call, place, ino);
        Ok(())
    }

    pub fn remove_dir(&mut self, call: CallId, at: At<'_>) -> io::Result<()> {
        self.fault(call, at.name)?;
        // Linux: EINVAL for a path that ends in a dot, which is how the root is named.
        let place = self.name_of(at, Errno::Einval)?;
        let ino = place.ino.ok_or_else(|| Errno::Enoent.error())?;
        match self.tree.entries(ino) {
            None => return Err(Errno::Enotdir.error()),
            Some(entries) if !entries.is_empty() => return Err(Errno::Enotempty.error()),
            Some(_) => {}
        }
        self.take_name(place.dir, &place.name);
        self.unlink(call, place, ino);
        Ok(())
    }

    pub fn unlink(&mut self, call: CallId, place: Place, ino: Ino) {
        if let Some(entries) = self.tree.entries_mut(place.dir) {
            entries.remove(&place.name);
        }
        self.trace.push(
            call,
            Effect::Unlink {
                dir: place.dir,
                name: place.name,
                ino,
            },
        );
        self.drop_link(ino);
    }

    fn drop_link(&mut self, ino: Ino) {
        if let Some(inode) = self.tree.make_mut(ino) {
            inode.link_count = inode.link_count.saturating_sub(1);
        }
        self.unlinked.push(ino);
        self.reclaim(ino);
    }

    /// Frees an inode that no name and no handle leads to.
    pub fn reclaim(&mut self, ino: Ino) {
        let is_open = self.open.get(ino.index()).is_some_and(|&count| count > 0);
        let is_named = self.tree.get(ino).is_none_or(|inode| inode.link_count > 0);
        if is_open || is_named || ino == Ino::ROOT {
            return;
        }
        if let Some(inode) = self.tree.inodes.get_mut(ino.index()).and_then(Option::take) {
            // The blocks are free when the removal is durable, and not before.
            match self.unlinked.contains(&ino) {
                true => self.limbo_pages += inode.content.allocated(),
                false => self.used_pages -= inode.content.allocated(),
            }
        }
    }

    pub fn sync_dir(&mut self, call: CallId, at: At<'_>) -> io::Result<()> {
        let dir = self.tree.lookup(at.dir, at.path)?;
        if self.tree.entries(dir).is_none() {
            return Err(Errno::Enotdir.error());
        }
        self.sync_names(call, at.name, dir)
    }

    fn sync_names(&mut self, call: CallId, name: &str, dir: Ino) -> io::Result<()> {
        self.sync(call, name, dir, true)?;
        self.used_pages -= std::mem::take(&mut self.limbo_pages);
        self.unlinked.clear();
        Ok(())
    }

    /// Takes a lock on a file or a directory and gives its inode; the caller counts the handle.
    pub fn lock(&mut self, call: CallId, at: At<'_>, kind: LockKind) -> io::Result<Ino> {
        let found = self.tree.lookup(at.dir, at.path);
        let is_dir = found.is_ok_and(|ino| self.tree.entries(ino).is_some());
        let options = match kind {
            LockKind::Exclusive if !is_dir => OpenOptions::new().read().write().create(),
            _ => OpenOptions::new().read(),
        };
        let ino = self.open(call, at, options)?;
        let held = self.locks.iter_mut().find(|(locked, _)| *locked == ino);
        match (held, kind) {
            (Some((_, count)), LockKind::Shared) if *count > 0 => *count += 1,
            (Some(_), _) => return Err(Errno::Eagain.error()),
            (None, LockKind::Shared) => self.locks.push((ino, 1)),
            (None, LockKind::Exclusive) => self.locks.push((ino, -1)),
        }
        Ok(ino)
    }

    pub fn unlock(&mut self, ino: Ino) {
        for (locked, count) in &mut self.locks {
            if *locked == ino {
                *count -= count.signum();
            }
        }
        self.locks.retain(|(_, count)| *count != 0);
        if self.locks.is_empty() {
            self.put_root_back();
        }
    }
}
