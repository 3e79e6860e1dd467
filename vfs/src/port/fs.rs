//! `std::fs` over the seam: the same names, with the file system as the first argument.
//!
//! ```
//! use std::io::Write;
//!
//! use blackstart_vfs::Env;
//! use blackstart_vfs::port::fs;
//!
//! # let directory = tempfile::tempdir()?;
//! let env = Env::os(directory.path());
//! let mut file = fs::File::create(env.fs(), "new")?;
//! file.write_all(b"contents")?;
//! file.sync_data()?;
//! fs::rename(env.fs(), "new", "current")?;
//! fs::sync_dir(env.fs(), "")?; // without this a loss of power may undo the rename
//! assert_eq!(fs::read(env.fs(), "current")?, b"contents");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Paths are relative to the root of the seam and have no `..`. What `std` spells as opening a
//! directory and syncing it is [`sync_dir`]. The names of a directory come in order.

mod file;
mod options;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::vec;

pub use file::File;
pub use options::OpenOptions;

use crate::{FileKind, Fs};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    kind: FileKind,
    len: u64,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "the original has no such method"
)]
impl Metadata {
    pub(super) const fn new(kind: FileKind, len: u64) -> Self {
        Self { kind, len }
    }

    /// The length in bytes; unspecified for directories.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it is a file, a directory, or something else.
    pub const fn file_type(&self) -> FileKind {
        self.kind
    }

    /// Whether it is a regular file.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, FileKind::File)
    }

    /// Whether it is a directory.
    pub const fn is_dir(&self) -> bool {
        matches!(self.kind, FileKind::Dir)
    }
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    directory: PathBuf,
    name: OsString,
    kind: FileKind,
}

impl DirEntry {
    /// The path: the directory that was read, and the name.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// The name alone.
    pub fn file_name(&self) -> &OsStr {
        &self.name
    }

    /// What it stands for, as the listing said.
    ///
    /// # Errors
    /// None; the shape is that of `std::fs`.
    pub fn file_type(&self) -> io::Result<FileKind> {
        Ok(self.kind)
    }

    /// Describes it: a call of its own.
    ///
    /// # Errors
    /// Of [`Fs::metadata`].
    pub fn metadata(&self, fs: &dyn Fs) -> io::Result<Metadata> {
        metadata(fs, self.path())
    }
}

/// The names of a directory, sorted.
#[derive(Debug)]
pub struct ReadDir {
    directory: PathBuf,
    entries: vec::IntoIter<crate::DirEntry>,
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let crate::DirEntry { name, kind } = self.entries.next()?;
        let directory = self.directory.clone();
        Some(Ok(DirEntry {
            directory,
            name,
            kind,
        }))
    }
}

/// The names of a directory; read at once, so that it is a listing of one moment.
///
/// # Errors
/// Of [`Fs::read_dir`].
pub fn read_dir(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let directory = path.as_ref().to_path_buf();
    let entries = fs.read_dir(&directory)?.into_iter();
    Ok(ReadDir { directory, entries })
}

/// The whole contents of a file.
///
/// # Errors
/// Of [`Fs::open`] and [`crate::File::read_at`].
pub fn read(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(fs, path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole contents of a file that is text.
///
/// # Errors
/// As [`read`]; [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub fn read_to_string(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::new();
    File::open(fs, path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file anew. Neither contents nor name are durable.
///
/// # Errors
/// Of [`Fs::open`] and [`crate::File::write_at`].
pub fn write(fs: &dyn Fs, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    File::create(fs, path)?.write_all(contents.as_ref())
}

/// Copies contents; returns how many bytes. Neither contents nor name are durable.
///
/// # Errors
/// Of [`read`] and [`write()`].
pub fn copy(fs: &dyn Fs, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
    let mut source = File::open(fs, from)?;
    io::copy(&mut source, &mut File::create(fs, to)?)
}

/// Renames, replacing a file. Durable after [`sync_dir`] of both directories, and not ordered
/// after the file's data.
///
/// # Errors
/// Of [`Fs::rename`].
pub fn rename(fs: &dyn Fs, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    fs.rename(from.as_ref(), to.as_ref())
}

/// Gives a file a second name.
///
/// # Errors
/// Of [`Fs::hard_link`].
pub fn hard_link(
    fs: &dyn Fs,
    original: impl AsRef<Path>,
    link: impl AsRef<Path>,
) -> io::Result<()> {
    fs.hard_link(original.as_ref(), link.as_ref())
}

/// Removes a file's name.
///
/// # Errors
/// Of [`Fs::remove_file`].
pub fn remove_file(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    fs.remove_file(path.as_ref())
}

/// Creates a directory.
///
/// # Errors
/// Of [`Fs::create_dir`].
pub fn create_dir(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    fs.create_dir(path.as_ref())
}

/// Creates a directory and those above it that are missing. No name is durable: [`sync_dir`] of
/// the parent of each makes it so.
///
/// # Errors
/// Of [`Fs::create_dir`]; EEXIST or ENOTDIR if a part of the path is a file.
pub fn create_dir_all(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    match fs.create_dir(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return found_dir(fs, path, error),
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => create_dir_all(fs, parent)?,
        _ => return Err(io::ErrorKind::NotFound.into()),
    }
    fs.create_dir(path)
        .or_else(|error| found_dir(fs, path, error))
}

/// A directory that could not be created may be there already.
fn found_dir(fs: &dyn Fs, path: &Path, error: io::Error) -> io::Result<()> {
    match metadata(fs, path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        _ => Err(error),
    }
}

/// Removes an empty directory.
///
/// # Errors
/// Of [`Fs::remove_dir`].
pub fn remove_dir(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    fs.remove_dir(path.as_ref())
}

/// Removes a directory and all that is in it. A crash may keep any part of it.
///
/// # Errors
/// Of [`Fs::read_dir`], [`Fs::remove_file`] and [`Fs::remove_dir`]; what was removed stays so.
pub fn remove_dir_all(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    for entry in read_dir(fs, path)? {
        let entry = entry?;
        match entry.file_type()? {
            FileKind::Dir => remove_dir_all(fs, entry.path())?,
            FileKind::File | FileKind::Other => remove_file(fs, entry.path())?,
        }
    }
    remove_dir(fs, path)
}

/// Describes a name.
///
/// # Errors
/// Of [`Fs::metadata`].
pub fn metadata(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<Metadata> {
    let found = fs.metadata(path.as_ref())?;
    Ok(Metadata::new(found.kind, found.len))
}

/// Whether a name is there.
///
/// # Errors
/// Of [`Fs::metadata`], if it cannot be told.
pub fn exists(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<bool> {
    match fs.metadata(path.as_ref()) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes the names of a directory durable. The root is the empty path.
///
/// # Errors
/// Of [`Fs::sync_dir`].
pub fn sync_dir(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<()> {
    fs.sync_dir(path.as_ref())
}
