//! The file system: names, directories, locks.
//!
//! Durability in one sentence: **only `sync_*` makes anything durable.** A name is made durable by
//! [`Fs::sync_dir`] of its directory, contents by [`crate::File::sync_data`] or
//! [`crate::File::sync_all`]. Until then a crash may keep or lose each effect independently of the
//! others, whatever the order in which they were issued; some file systems promise more, and
//! portable code must not rely on it.
//!
//! Source of the rules: POSIX.1-2017 `fsync`, `rename`; Pillai et al., "All File Systems Are Not
//! Created Equal", OSDI 2014.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{File, FileId};

/// Whether a name is a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// Anything else: a symbolic link, a socket, a device.
    Other,
}

/// What [`Fs::metadata`] tells of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What the name stands for.
    pub kind: FileKind,
    /// The length in bytes; unspecified for directories.
    pub len: u64,
    /// How many names the inode has; unspecified for directories.
    pub link_count: u64,
    /// Which inode the name stands for.
    pub id: FileId,
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The name, without its directory.
    pub name: OsString,
    /// What it stands for.
    pub kind: FileKind,
}

/// How to open a file. Without `read` and `write` it is an error ([`io::ErrorKind::InvalidInput`],
/// EINVAL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
    direct: bool,
    no_follow: bool,
}

macro_rules! option {
    ($(#[$doc:meta])* $name:ident, $getter:ident) => {
        $(#[$doc])*
        #[must_use]
        pub const fn $name(mut self) -> Self {
            self.$name = true;
            self
        }

        /// Whether this was asked for.
        pub const fn $getter(self) -> bool {
            self.$name
        }
    };
}

impl OpenOptions {
    /// Nothing asked for yet.
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            create: false,
            create_new: false,
            truncate: false,
            direct: false,
            no_follow: false,
        }
    }

    option!(
        /// Allow reading.
        read, is_read
    );
    option!(
        /// Allow writing.
        write, is_write
    );
    option!(
        /// Create the file if it is missing; needs `write`. The name is not durable before
        /// [`Fs::sync_dir`] of its directory.
        create, is_create
    );
    option!(
        /// Create the file, and fail with EEXIST if the name is taken; needs `write`.
        create_new, is_create_new
    );
    option!(
        /// Cut the file to length 0; needs `write`. The cut may persist before or after
        /// anything else.
        truncate, is_truncate
    );
    option!(
        /// Bypass the page cache (O_DIRECT): offset, length and buffer must be aligned to the
        /// device's logical block, else EINVAL. Direct does **not** mean durable.
        direct, is_direct
    );
    option!(
        /// Fail with ELOOP if the path's last name is a symbolic link (O_NOFOLLOW). The directories
        /// before it may be links all the same.
        no_follow, is_no_follow
    );
}

/// Which kind of lock to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Held by any number of holders, none of them exclusive.
    Shared,
    /// Held by one.
    Exclusive,
}

/// A held lock; dropping it releases it. A crash or the end of the process releases it as well.
///
/// A child of a fork gets a copy of the descriptor, and with it nothing that protects: both
/// processes would take themselves for the holder. The lock belongs to the process that took it.
/// Dropping the child's copy releases nothing, [`Lock::check`] fails there, and a child that keeps
/// its copy and outlives its parent keeps others out.
pub trait Lock: Send + Sync {
    /// Whether this process holds the lock. Cheap enough to ask before each batch; it is no system
    /// call that may block, and no schedule point of a simulation.
    ///
    /// # Errors
    /// ENOLCK in a child that was forked while the lock was held.
    fn check(&self) -> io::Result<()>;
}

/// A file system below one root directory.
///
/// Paths are relative to the root, with `/` between the parts, and may not leave it: a path that
/// is absolute or has `..` in it is an error (EINVAL). The empty path is the root itself.
///
/// A file system is rooted at a name or at an inode. At a name: each call looks the root up anew,
/// so that whoever renames or replaces the directory redirects the calls after that. At an inode,
/// which [`Fs::subdir`] gives: no rename redirects it.
///
/// Errors are [`io::Error`]s that carry the operating system's error number
/// ([`io::Error::raw_os_error`]), in the simulator too.
pub trait Fs: Send + Sync {
    /// Creates the root directory if it is missing (one level: its parent must exist), and makes
    /// its name durable by syncing the parent. Without this a whole store may vanish in a crash.
    ///
    /// # Errors
    /// Of mkdir, open and fsync; an existing root is not an error and is synced all the same.
    ///
    /// The root of a [`Fs::subdir`] exists. There this only syncs the parent that the directory has
    /// now, which makes the directory's present name durable.
    fn create_root(&self) -> io::Result<()>;

    /// A file system below the existing directory `path`, held by its inode: renaming the
    /// directory, or putting another in its place, does not redirect calls on it. The empty path
    /// holds the root of this one.
    ///
    /// It lasts as long as any clone of the handle. Of a directory that was removed meanwhile,
    /// listings are empty and every creation is ENOENT.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EMFILE, EACCES.
    fn subdir(&self, path: &Path) -> io::Result<Arc<dyn Fs>>;

    /// The path as a message to the user should name it: the root as the user gave it, and `path`
    /// behind it; `.` if both are empty. Of a [`Fs::subdir`], the name that the directory had when
    /// it was opened. Not for opening: it is text, and no call is made.
    fn display_path(&self, path: &Path) -> PathBuf;

    /// Opens a file.
    ///
    /// A created name is durable only after [`Fs::sync_dir`]; before that, a crash may show the
    /// name, not show it, or show it with length 0.
    ///
    /// # Errors
    /// ENOENT, EEXIST (`create_new`), EISDIR (writing a directory), EMFILE, ENOSPC, EACCES, EROFS.
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>>;

    /// Creates a directory. Its name is durable after [`Fs::sync_dir`] of the parent.
    ///
    /// # Errors
    /// EEXIST, ENOENT (no parent), ENOTDIR, ENOSPC.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names of a directory, sorted by name, without `.` and `..`.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, EIO.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Renames a file or directory; an existing file of the new name is replaced.
    ///
    /// Names change atomically: a crash shows the old name or the new one, never neither (with
    /// `from` and `to` in one directory also never both). The rename is durable after
    /// [`Fs::sync_dir`] of both directories. It is **not** ordered after the file's data: sync
    /// the file first.
    ///
    /// # Errors
    /// ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EXDEV.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives the file `existing` a second name. Durable after [`Fs::sync_dir`] of the directory
    /// of `new`.
    ///
    /// # Errors
    /// EEXIST, ENOENT, EPERM (a directory), EMLINK.
    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()>;

    /// Removes a file's name. Open handles keep working. Before [`Fs::sync_dir`] a crash may
    /// bring the name back, with contents from any time since the last sync.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Describes a name.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;

    /// Makes a directory's names durable: every creation, removal and rename in it that returned
    /// before this call. Not the contents of its children, and not its own name in its parent.
    ///
    /// # Errors
    /// EIO and others. After a failed sync nothing is known of what is durable, and a second
    /// sync that succeeds proves nothing about the first one's effects.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes a lock on the inode of a file or a directory. A missing name becomes a file if the
    /// lock is exclusive; its name need not be durable. It never blocks.
    ///
    /// A lock on a directory, the root (the empty path) among them, creates nothing, and no
    /// removal of a file within can lift it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] (EWOULDBLOCK) if another holder is in the way; two locks of
    /// one process exclude each other too. ENOENT for a shared lock on a missing name. EBADF or
    /// ENOLCK from a network file system that cannot lock a directory exclusively.
    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>>;
}
