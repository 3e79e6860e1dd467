//! Names, directories and locks of the operating system.
//!
//! Invariants:
//! - \[I1\] A path of the caller reaches the kernel only through [`OsFs::resolve`], which refuses
//!   absolute paths and `..`. Symbolic links are followed as the kernel does: the root belongs to
//!   the program, and who can plant a link there can do worse.
//! - \[I2\] Descriptors are closed on `exec`, so a lock is not inherited by a program that the
//!   process starts.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fsync, link, lstat, mkdir, open,
    openat, rename, rmdir, statat, unlink,
};
use rustix::io::{Errno, retry_on_intr};

use super::file::OsFile;
use crate::{DirEntry, File, FileKind, Fs, Lock, LockKind, Metadata, OpenOptions};

/// Permissions of new files before the process's umask.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// Permissions of new directories before the process's umask.
const DIR_MODE: Mode = Mode::from_raw_mode(0o777);

/// The file system of the operating system, below one directory.
#[derive(Clone, Debug)]
pub struct OsFs {
    root: PathBuf,
}

impl OsFs {
    /// The file system below `root`, which need not exist. A relative `root` is taken from the
    /// working directory of now, not of later calls.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        // Without a working directory the path stays relative and each call reports it.
        Self {
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf()),
        }
    }

    /// The kernel's path for a path of the caller.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut resolved = self.root.clone();
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
}

fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?)
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
        match retry_on_intr(|| mkdir(&self.root, DIR_MODE)) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.root.is_dir() => {}
            Err(error) => return Err(error.into()),
        }
        // The parent is where `..` of the root leads, whatever the path's text says: a text may
        // end in `..` or pass through a symbolic link.
        let root = open_dir(&self.root)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = retry_on_intr(|| openat(&root, "..", flags, Mode::empty()))?;
        Ok(retry_on_intr(|| fsync(&parent))?)
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>> {
        let flags = open_flags(options)?;
        let path = self.resolve(path)?;
        let descriptor = retry_on_intr(|| open(&path, flags, FILE_MODE))?;
        Ok(Arc::new(OsFile::new(descriptor)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| mkdir(&path, DIR_MODE))?)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let directory = open_dir(&self.resolve(path)?)?;
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
        Ok(retry_on_intr(|| rename(&from, &to))?)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        let (existing, new) = (self.resolve(existing)?, self.resolve(new)?);
        Ok(retry_on_intr(|| link(&existing, &new))?)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| unlink(&path))?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let path = self.resolve(path)?;
        Ok(retry_on_intr(|| rmdir(&path))?)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let path = self.resolve(path)?;
        let stat = retry_on_intr(|| lstat(&path))?;
        #[allow(
            clippy::useless_conversion,
            reason = "the width depends on the processor"
        )]
        let link_count = u64::from(stat.st_nlink);
        Ok(Metadata {
            kind: file_kind(FileType::from_raw_mode(stat.st_mode)),
            len: u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?,
            link_count,
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let directory = open_dir(&self.resolve(path)?)?;
        Ok(retry_on_intr(|| fsync(&directory))?)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>> {
        let operation = match kind {
            LockKind::Shared => FlockOperation::NonBlockingLockShared,
            LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let descriptor = open_for_lock(&self.resolve(path)?, kind)?;
        retry_on_intr(|| flock(&descriptor, operation))?;
        Ok(Box::new(OsLock {
            _descriptor: descriptor,
        }))
    }
}

/// Opens the file of a lock.
fn open_for_lock(path: &Path, kind: LockKind) -> io::Result<OwnedFd> {
    let flags = match kind {
        // For reading alone: who may not write a store can still lock it.
        LockKind::Shared => OFlags::RDONLY,
        LockKind::Exclusive => OFlags::RDWR | OFlags::CREATE,
    };
    Ok(retry_on_intr(|| {
        open(path, flags | OFlags::CLOEXEC, FILE_MODE)
    })?)
}

/// A lock lives as long as its open file description; closing it releases it.
struct OsLock {
    _descriptor: OwnedFd,
}

impl Lock for OsLock {}

#[cfg(test)]
mod tests;
