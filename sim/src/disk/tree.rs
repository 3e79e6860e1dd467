//! Inodes and names: one state of a file system.
//!
//! The same type serves for what a program sees and for what is durable. Cloning it copies
//! pointers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use blackstart_vfs::FileId;

use super::fault::Errno;
use super::hash;
use super::page::Content;

/// An inode's number. Numbers are given in order of creation and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ino(pub u32);

impl Ino {
    pub const ROOT: Self = Self(0);
    /// Where a path begins that no handle of a directory leads to: see [`Tree::start`].
    pub const PATHS: Self = Self(u32::MAX);

    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// As the seam tells it. Images that differ in the numbers of their inodes alone count as one
    /// image: a program can do no more with an identity than compare it.
    pub fn id(self) -> FileId {
        FileId::new(0, u64::from(self.0))
    }
}

pub(super) type Entries = BTreeMap<Arc<str>, Ino>;

/// A file, a directory or a symbolic link.
#[derive(Clone)]
pub(super) struct Inode {
    pub len: u64,
    pub content: Content,
    /// The names in it, if it is a directory.
    pub entries: Option<Entries>,
    /// Where it leads, from the directory that it stands in, if it is a symbolic link.
    pub link: Option<Arc<str>>,
    pub link_count: u32,
}

impl Inode {
    pub fn file() -> Self {
        Self {
            len: 0,
            content: Content::default(),
            entries: None,
            link: None,
            link_count: 0,
        }
    }

    /// A symbolic link.
    pub fn link_to(target: &Arc<str>) -> Self {
        Self {
            link: Some(Arc::clone(target)),
            ..Self::file()
        }
    }

    pub fn dir() -> Self {
        Self {
            entries: Some(Entries::new()),
            ..Self::file()
        }
    }

    pub fn is_dir(&self) -> bool {
        self.entries.is_some()
    }

    /// Sets the length; what is cut off is gone.
    pub fn resize(&mut self, len: u64) {
        if len < self.len {
            self.content.cut(len);
        }
        self.len = len;
    }
}

/// One state of a file system.
#[derive(Clone)]
pub(super) struct Tree {
    pub inodes: Vec<Option<Arc<Inode>>>,
    /// Whether the root directory exists: `Fs::create_root` makes it.
    pub has_root: bool,
    /// Where paths begin: [`Ino::ROOT`], but while something else has taken its name.
    pub start: Ino,
}

/// Where a path leads: its directory, its last name, and what that stands for.
pub(super) struct Place {
    pub dir: Ino,
    pub name: Arc<str>,
    pub ino: Option<Ino>,
}

impl Tree {
    pub fn new() -> Self {
        Self {
            inodes: vec![Some(Arc::new(Inode::dir()))],
            has_root: false,
            start: Ino::ROOT,
        }
    }

    pub fn get(&self, ino: Ino) -> Option<&Inode> {
        self.inodes.get(ino.index())?.as_deref()
    }

    /// The inode for changing.
    pub fn make_mut(&mut self, ino: Ino) -> Option<&mut Inode> {
        self.inodes
            .get_mut(ino.index())?
            .as_mut()
            .map(Arc::make_mut)
    }

    /// The place of an inode that exists.
    pub fn slot_mut(&mut self, ino: Ino) -> Option<&mut Arc<Inode>> {
        self.inodes.get_mut(ino.index())?.as_mut()
    }

    /// Puts an inode in at its number.
    pub fn insert(&mut self, ino: Ino, inode: Inode) {
        if ino.index() >= self.inodes.len() {
            self.inodes.resize(ino.index() + 1, None);
        }
        self.inodes[ino.index()] = Some(Arc::new(inode));
    }

    pub fn next_ino(&self) -> Ino {
        Ino(self.inodes.len() as u32)
    }

    pub fn entries(&self, dir: Ino) -> Option<&Entries> {
        self.get(dir)?.entries.as_ref()
    }

    pub fn entries_mut(&mut self, dir: Ino) -> Option<&mut Entries> {
        self.make_mut(dir)?.entries.as_mut()
    }

    /// The inode of a path that begins at a directory, behind all symbolic links; the empty path
    /// is the directory.
    pub fn lookup(&self, from: Ino, path: &Path) -> io::Result<Ino> {
        check(path)?;
        self.lookup_from(self.begin(from)?, path, LINKS_MAX)
    }

    /// As [`Tree::lookup`], but of a symbolic link as the last name the link itself.
    pub fn lookup_name(&self, from: Ino, path: &Path) -> io::Result<Ino> {
        check(path)?;
        match parts(path).next() {
            None => self.begin(from),
            Some(_) => (self.place(from, path)?.ino).ok_or_else(|| Errno::Enoent.error()),
        }
    }

    fn lookup_from(&self, dir: Ino, path: &Path, links_max: u32) -> io::Result<Ino> {
        let mut ino = dir;
        for part in parts(path) {
            ino = self.step(ino, part?, links_max)?;
        }
        Ok(ino)
    }

    /// The place of a path's last name; where the path begins has none (EINVAL). A symbolic link
    /// there is not followed.
    pub fn place(&self, from: Ino, path: &Path) -> io::Result<Place> {
        check(path)?;
        self.place_from(self.begin(from)?, path, LINKS_MAX)
    }

    fn place_from(&self, dir: Ino, path: &Path, links_max: u32) -> io::Result<Place> {
        let mut dir = dir;
        let mut parts = parts(path).peekable();
        while let Some(part) = parts.next() {
            let part = part?;
            if parts.peek().is_none() {
                let known = self.entries_for(dir, part)?.get_key_value(part);
                let name = known.map_or_else(|| Arc::from(part), |(name, _)| Arc::clone(name));
                return Ok(Place {
                    dir,
                    name,
                    ino: known.map(|(_, &ino)| ino),
                });
            }
            dir = self.step(dir, part, links_max)?;
        }
        Err(Errno::Einval.error())
    }

    /// Where the symbolic links of a place lead, which may be a name that is not there.
    pub fn follow(&self, place: Place) -> io::Result<Place> {
        let mut place = place;
        for links_max in (0..LINKS_MAX).rev() {
            let Some(target) = place.ino.and_then(|ino| self.target(ino)) else {
                return Ok(place);
            };
            place = self.place_from(place.dir, Path::new(&**target), links_max)?;
        }
        Err(Errno::Eloop.error())
    }

    /// Where an inode leads, if it is a symbolic link.
    pub fn target(&self, ino: Ino) -> Option<&Arc<str>> {
        self.get(ino)?.link.as_ref()
    }

    fn begin(&self, from: Ino) -> io::Result<Ino> {
        let from = match from {
            Ino::PATHS => self.start,
            dir => dir,
        };
        if self.has_root || from != Ino::ROOT {
            Ok(from)
        } else {
            Err(Errno::Enoent.error())
        }
    }

    /// A directory that was removed, and lives by a handle, takes no new names (ENOENT).
    pub fn check_alive(&self, dir: Ino) -> io::Result<()> {
        let is_named = self.get(dir).is_some_and(|inode| inode.link_count > 0);
        match dir == Ino::ROOT || is_named {
            true => Ok(()),
            false => Err(Errno::Enoent.error()),
        }
    }

    /// The directory that holds the name of a directory.
    pub fn parent(&self, dir: Ino) -> Option<Ino> {
        let mut parent = None;
        self.walk(&mut |holder, _, ino| {
            if ino == dir {
                parent = Some(holder);
            }
        });
        parent
    }

    /// What a name in a directory stands for, behind at most so many symbolic links.
    fn step(&self, dir: Ino, name: &str, links_max: u32) -> io::Result<Ino> {
        let ino = self.entries_for(dir, name)?.get(name).copied();
        let ino = ino.ok_or_else(|| Errno::Enoent.error())?;
        match (self.target(ino), links_max.checked_sub(1)) {
            (None, _) => Ok(ino),
            (Some(target), Some(links_max)) => {
                self.lookup_from(dir, Path::new(&**target), links_max)
            }
            (Some(_), None) => Err(Errno::Eloop.error()),
        }
    }

    /// The entries of `dir`, for a name that fits into one.
    fn entries_for(&self, dir: Ino, name: &str) -> io::Result<&Entries> {
        let entries = self.entries(dir).ok_or_else(|| Errno::Enotdir.error())?;
        if name.len() > NAME_BYTES_MAX {
            return Err(Errno::Enametoolong.error());
        }
        Ok(entries)
    }

    /// Every reachable name with its inode, depth first in the order of names.
    pub fn walk(&self, visit: &mut impl FnMut(Ino, &Arc<str>, Ino)) {
        if self.has_root {
            self.walk_dir(Ino::ROOT, visit);
        }
    }

    fn walk_dir(&self, dir: Ino, visit: &mut impl FnMut(Ino, &Arc<str>, Ino)) {
        let Some(entries) = self.entries(dir) else {
            return;
        };
        for (name, &ino) in entries {
            visit(dir, name, ino);
            if self.get(ino).is_some_and(Inode::is_dir) {
                self.walk_dir(ino, visit);
            }
        }
    }

    /// Drops what no name leads to, and counts names anew: what a check of the file system does
    /// when it is mounted after a crash.
    pub fn collect(&mut self) {
        let mut counts = vec![0u32; self.inodes.len()];
        counts[Ino::ROOT.index()] = 1;
        self.walk(&mut |_, _, ino| {
            if let Some(count) = counts.get_mut(ino.index()) {
                *count += 1;
            }
        });
        for (slot, count) in self.inodes.iter_mut().zip(counts) {
            match slot {
                Some(_) if count == 0 => *slot = None,
                Some(inode) if inode.link_count != count => {
                    Arc::make_mut(inode).link_count = count;
                }
                _ => {}
            }
        }
    }

    /// Pages that take space.
    pub fn allocated(&self) -> u64 {
        self.inodes
            .iter()
            .flatten()
            .map(|inode| inode.content.allocated())
            .sum()
    }

    /// A hash of names and contents; inode numbers do not count.
    pub fn hash(&self) -> u64 {
        let mut combined = u64::from(self.has_root);
        // Two names of one inode are told from two inodes by the first name's position.
        let mut seen: Vec<u32> = vec![0; self.inodes.len()];
        let mut position = 0;
        self.walk(&mut |dir, name, ino| {
            position += 1;
            let parent = seen.get(dir.index()).copied().unwrap_or(0);
            combined = hash::bytes(hash::word(combined, parent.into()), name.as_bytes());
            let Some(first) = seen.get_mut(ino.index()) else {
                return;
            };
            if *first == 0 {
                *first = position;
            }
            let first = *first;
            combined = hash::word(combined, first.into());
            if first == position
                && let Some(inode) = self.get(ino)
            {
                combined = hash::word(combined, inode.len << 1 | u64::from(inode.is_dir()));
                combined = hash::word(combined, inode.content.hash());
                if let Some(target) = &inode.link {
                    combined = hash::bytes(combined, target.as_bytes());
                }
            }
        });
        combined
    }
}

/// So many symbolic links are followed for one path, as on Linux.
const LINKS_MAX: u32 = 40;

/// The longest name of Linux's file systems.
const NAME_BYTES_MAX: usize = 255;
/// The longest path that Linux takes, without the final zero byte.
const PATH_BYTES_MAX: usize = 4_095;

/// Refuses what Linux, or the seam, refuses before it looks at any directory: a path that leaves
/// the root, a zero byte (both EINVAL), and one that is too long (ENAMETOOLONG).
pub(super) fn check(path: &Path) -> io::Result<()> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.starts_with(b"/") || bytes.windows(2).any(|pair| pair == b"..") {
        parts(path).try_for_each(|part| part.map(drop))?;
    }
    if bytes.contains(&0) {
        return Err(Errno::Einval.error());
    }
    match bytes.len() > PATH_BYTES_MAX {
        true => Err(Errno::Enametoolong.error()),
        false => Ok(()),
    }
}

/// The parts of a relative path. Leaving the root, or a name that is no text, is EINVAL.
fn parts(path: &Path) -> impl Iterator<Item = io::Result<&str>> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_str().ok_or_else(|| Errno::Einval.error())),
        Component::CurDir => None,
        Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
            Some(Err(Errno::Einval.error()))
        }
    })
}
