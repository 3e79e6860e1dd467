//! Names and directories of the operating system.
//!
//! Invariants:
//! - \[I1\] A path of the caller reaches the kernel only through [`OsFs::resolve`], which refuses
//!   absolute paths and `..`. Symbolic links are followed as the kernel does: the root belongs to
//!   the program, and who can plant a link there can do worse.
//! - \[I2\] Descriptors are closed on `exec`, so a lock is not inherited by a program that the
//!   process starts.
//! - \[I3\] Every call on a file system that holds its root's inode is relative to that descriptor.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fsync, linkat, mkdirat, openat, renameat,
    statat, unlinkat,
};
use rustix::io::{Errno, retry_on_intr};

use super::file::{OsFile, id_of, link_count_of};
use super::lock::OsLock;
use crate::{DirEntry, File, FileKind, Fs, Lock, LockKind, Metadata, OpenOptions};

/// Permissions of new files before the process's umask.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// Permissions of new directories before the process's umask.
const DIR_MODE: Mode = Mode::from_raw_mode(0o777);

/// The file system of the operating system, below one directory.
#[derive(Clone, Debug)]
pub struct OsFs {
    root: Root,
    /// The root as the user gave it.
    shown: PathBuf,
}

#[derive(Clone, Debug)]
enum Root {
    /// An absolute path, looked up anew by each call.
    Named(PathBuf),
    /// An open directory.
    Held(Arc<OwnedFd>),
}

impl OsFs {
    /// The file system below `root`, which need not exist. A relative `root` is taken from the
    /// working directory of now, not of later calls; an empty one is that directory.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let shown = root.as_ref().to_path_buf();
        // The empty path is none to the system.
        let named = match shown.as_os_str().is_empty() {
            true => Path::new("."),
            false => &shown,
        };
        // Without a working directory the path stays relative and each call reports it.
        let root = Root::Named(std::path::absolute(named).unwrap_or_else(|_| named.to_path_buf()));
        Self { root, shown }
    }

    /// What the kernel resolves the path of [`OsFs::resolve`] from.
    fn at(&self) -> BorrowedFd<'_> {
        match &self.root {
            // The path is absolute, and the descriptor ignored.
            Root::Named(_) => CWD,
            Root::Held(directory) => directory.as_fd(),
        }
    }

    /// The kernel's path for a path of the caller.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut resolved = match &self.root {
            Root::Named(root) => root.clone(),
            Root::Held(_) => PathBuf::new(),
        };
        let mut is_root = true;
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    resolved.push(name);
                    is_root = false;
                }
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(Errno::INVAL.into());
                }
            }
        }
        if is_root {
            // The final dot makes the kernel refuse to create, remove or rename the root itself.
            resolved.push(".");
        }
        Ok(resolved)
    }

    fn open_dir(&self, path: &Path) -> io::Result<OwnedFd> {
        open_dir(self.at(), &self.resolve(path)?)
    }
}

pub(super) fn open_dir(at: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(at, path, flags, Mode::empty()))?)
}

/// The kernel's flags; EINVAL for combinations that make no sense.
fn open_flags(options: OpenOptions) -> io::Result<OFlags> {
    let mut flags = OFlags::CLOEXEC
        | match (options.is_read(), options.is_write()) {
            (true, true) => OFlags::RDWR,
            (true, false) => OFlags::RDONLY,
            (false, true) => OFlags::WRONLY,
            (false, false) => return Err(Errno::INVAL.into()),
        };
    let changes = options.is_create() || options.is_create_new() || options.is_truncate();
    if changes && !options.is_write() {
        return Err(Errno::INVAL.into());
    }
    flags.set(
        OFlags::CREATE,
        options.is_create() || options.is_create_new(),
    );
    flags.set(OFlags::EXCL, options.is_create_new());
    flags.set(OFlags::TRUNC, options.is_truncate());
    flags.set(OFlags::DIRECT, options.is_direct());
    flags.set(OFlags::NOFOLLOW, options.is_no_follow());
    Ok(flags)
}

fn file_kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Dir,
        _ => FileKind::Other,
    }
}

impl Fs for OsFs {
    fn create_root(&self) -> io::Result<()> {
        if let Root::Named(root) = &self.root {
            match retry_on_intr(|| mkdirat(CWD, root, DIR_MODE)) {
                Ok(()) => {}
                Err(Errno::EXIST) if root.is_dir() => {}
                Err(error) => return Err(error.into()),
            }
        }
        // The parent is where `..` of the root leads, whatever the path's text says: a text may
        // end in `..` or pass through a symbolic link, and a held root may have been moved.
        let root = self.open_dir(Path::new(""))?;
        let parent = open_dir(root.as_fd(), Path::new(".."))?;
        Ok(retry_on_intr(|| fsync(&parent))?)
    }

    fn subdir(&self, path: &Path) -> io::Result<Arc<dyn Fs>> {
        let root = Root::Held(Arc::new(self.open_dir(path)?));
        let shown = self.display_path(path);
        Ok(Arc::new(Self { root, shown }))
    }

    fn display_path(&self, path: &Path) -> PathBuf {
        let below = path.components().filter(|part| *part != Component::CurDir);
        // Joining an empty path would add a slash.
        let mut shown = self.shown.clone();
        shown.extend(below);
        if shown.as_os_str().is_empty() {
            shown.push(".");
        }
        shown
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>> {
        let flags = open_flags(options)?;
        let path = self.resolve(path)?;
        let descriptor = retry_on_intr(|| openat(self.at(), &path, flags, FILE_MODE))?;
        Ok(Arc::new(OsFile::new(descriptor)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| mkdirat(self.at(), &path, DIR_MODE))?)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let directory = self.open_dir(path)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let file_type = match entry.file_type() {
                // Some file systems do not tell the type with the name.
                FileType::Unknown => match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    // Removed since it was listed.
                    Err(Errno::NOENT) => continue,
                    Err(error) => return Err(error.into()),
                },
                known => known,
            };
            let name = OsString::from_vec(name.to_bytes().to_vec());
            entries.push(DirEntry {
                name,
                kind: file_kind(file_type),
            });
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.resolve(from)?, self.resolve(to)?);
        Ok(retry_on_intr(|| {
            renameat(self.at(), &from, self.at(), &to)
        })?)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let (existing, new) = (self.resolve(existing)?, self.resolve(new)?);
        Ok(retry_on_intr(|| {
            linkat(self.at(), &existing, self.at(), &new, AtFlags::empty())
        })?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| {
            unlinkat(self.at(), &path, AtFlags::empty())
        })?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| {
            unlinkat(self.at(), &path, AtFlags::REMOVEDIR)
        })?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let path = self.resolve(path)?;
        let stat: Stat = retry_on_intr(|| statat(self.at(), &path, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(Metadata {
            kind: file_kind(FileType::from_raw_mode(stat.st_mode)),
            len: u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?,
            link_count: link_count_of(&stat),
            id: id_of(&stat),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let directory = self.open_dir(path)?;
        Ok(retry_on_intr(|| fsync(&directory))?)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>> {
        let path = self.resolve(path)?;
        Ok(Box::new(OsLock::take(self.at(), &path, kind)?))
    }
}

#[cfg(test)]
mod tests;
