//! A log's directory and its open files.
//!
//! Invariants:
//! - \[I1\] All paths go through one handle on the directory: renaming it, or putting another one
//!   under its name, changes nothing for an open log.
//! - \[I2\] Errors show each path as the user gave it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart_vfs::{Env, File, FileExt, FileId, FileKind, Fs, Lock, LockKind, OpenOptions};

use super::error::{ErrorClass, LogError};
use super::source::{LogSource, ReadAt, SourceFile, SourceName};

/// Temporary names that are tried besides the first.
pub(crate) const TEMPS_MAX: u32 = 2;

/// A log's directory in an environment.
#[derive(Clone)]
pub(crate) struct Directory {
    pub env: Env,
    /// Its root is the directory.
    fs: Arc<dyn Fs>,
    /// The directory, relative to the root of the environment.
    path: Arc<PathBuf>,
}

impl Directory {
    /// Opens the directory.
    pub fn open(env: &Env, path: &Path) -> Result<Self, LogError> {
        match env.fs().subdir(path) {
            Ok(fs) => Ok(Self {
                env: env.clone(),
                fs,
                path: Arc::new(path.to_path_buf()),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(LogError::NotFound {
                dir: env.fs().display_path(path),
            }),
            Err(error) => Err(LogError::io(shown(env, path), "open the directory", error)),
        }
    }

    /// Makes the directory and all above it up to the root, durably, and opens it.
    pub fn create(env: &Env, path: &Path) -> Result<Self, LogError> {
        make_durable(env, path)?;
        Self::open(env, path)
    }

    /// Makes the directory's name durable, and those above it: one that exists may be a moment old.
    pub fn confirm(&self) -> Result<(), LogError> {
        make_durable(&self.env, &self.path)
    }

    /// Locks the directory itself for one writer.
    pub fn lock(&self) -> Result<Box<dyn Lock>, LogError> {
        let locked = self.fs.lock(Path::new(""), LockKind::Exclusive);
        locked.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LogError::Locked {
                dir: self.shown_dir(),
            },
            _ => self.failed("lock the directory", error),
        })
    }

    /// The path of one of its files, relative to the root of the environment.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory's path for people.
    pub fn shown_dir(&self) -> PathBuf {
        self.fs.display_path(Path::new(""))
    }

    fn failed(&self, action: &'static str, error: io::Error) -> LogError {
        LogError::io(self.shown_dir().display().to_string(), action, error)
    }

    /// Opens one of its files.
    pub fn open_file(&self, name: &str, options: OpenOptions) -> Result<OpenFile, LogError> {
        let opened = self.fs.open(Path::new(name), options.no_follow());
        match opened {
            Ok(file) => Ok(OpenFile {
                file,
                name: self.shown(name),
            }),
            Err(error) => Err(LogError::io(self.shown(name), "open it", error)),
        }
    }

    /// A new file under a temporary name, by the number of the attempt, and that name. What has
    /// such a name and cannot be removed, such as a directory, does not keep a log from going on:
    /// the next name will do.
    pub fn new_file(&self, temp: impl Fn(u32) -> String) -> Result<(String, OpenFile), LogError> {
        let options = OpenOptions::new().read().write().create_new();
        let mut attempt = 0;
        loop {
            let name = temp(attempt);
            // What an earlier creation has left is no file to write into: it may have other names.
            let opened = self.remove(&name);
            match opened.and_then(|()| self.open_file(&name, options)) {
                Ok(file) => return Ok((name, file)),
                Err(error) if attempt < TEMPS_MAX && error.class() == ErrorClass::System => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes one of its files; that it is gone already is as good.
    pub fn remove(&self, name: &str) -> Result<(), LogError> {
        match self.fs.remove_file(Path::new(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::io(self.shown(name), "remove it", error))
            }
            _ => Ok(()),
        }
    }

    /// Gives a file another name.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), LogError> {
        let renamed = self.fs.rename(Path::new(from), Path::new(to));
        renamed.map_err(|error| LogError::io(self.shown(from), "rename it", error))
    }

    /// Which file a name stands for; none if there is none.
    pub fn id_of(&self, name: &str) -> Result<Option<FileId>, LogError> {
        match self.fs.metadata(Path::new(name)) {
            Ok(metadata) => Ok(Some(metadata.id)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io(self.shown(name), "look it up", error)),
        }
    }

    /// Makes its names durable.
    pub fn sync(&self) -> Result<(), LogError> {
        let synced = self.fs.sync_dir(Path::new(""));
        synced.map_err(|error| self.failed("sync the directory", error))
    }

    /// Random bytes.
    pub fn draw<const N: usize>(&self) -> Result<[u8; N], LogError> {
        let mut bytes = [0; N];
        let drawn = self.env.entropy().fill(&mut bytes);
        drawn.map_err(|error| self.failed("draw a random number", error))?;
        Ok(bytes)
    }
}

fn shown(env: &Env, path: &Path) -> String {
    env.fs().display_path(path).display().to_string()
}

fn make_durable(env: &Env, dir: &Path) -> Result<(), LogError> {
    let fs = env.fs();
    let failed = |path: &Path, action, error| LogError::io(shown(env, path), action, error);
    let create = "create the directory";
    fs.create_root()
        .map_err(|error| failed(Path::new(""), create, error))?;
    let mut path = PathBuf::new();
    for part in dir.components() {
        let parent = path.clone();
        path.push(part);
        match fs.create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(&path, create, error));
            }
            _ => {}
        }
        fs.sync_dir(&parent)
            .map_err(|error| failed(&parent, "sync the directory", error))?;
    }
    Ok(())
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Directory").field(&self.shown_dir()).finish()
    }
}

impl LogSource for Directory {
    fn names(&self) -> Result<Vec<SourceName>, LogError> {
        let entries = self.fs.read_dir(Path::new(""));
        let entries = entries.map_err(|error| self.failed("list the directory", error))?;
        let named = entries.into_iter().map(|entry| SourceName {
            is_file: entry.kind == FileKind::File,
            name: entry.name.to_string_lossy().into_owned(),
        });
        Ok(named.collect())
    }

    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        Ok(Box::new(self.open_file(name, OpenOptions::new().read())?))
    }

    fn shown(&self, name: &str) -> String {
        self.fs.display_path(Path::new(name)).display().to_string()
    }
}

/// An open file and its path for errors.
pub(crate) struct OpenFile {
    pub file: Arc<dyn File>,
    pub name: String,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenFile").field(&self.name).finish()
    }
}

impl ReadAt for OpenFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let read = self.file.read_at(buffer, at);
        read.map_err(|error| self.failed("read it", error))
    }
}

impl SourceFile for OpenFile {
    fn len(&self) -> Result<u64, LogError> {
        let len = self.file.len();
        len.map_err(|error| self.failed("get its length", error))
    }
}

impl OpenFile {
    fn failed(&self, action: &'static str, error: io::Error) -> LogError {
        LogError::io(self.name.as_str(), action, error)
    }

    /// Writes all of `bytes` at `at`.
    pub fn write(&self, bytes: &[u8], at: u64) -> Result<(), LogError> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(|error| self.failed("write to it", error))
    }

    pub fn set_len(&self, len: u64) -> Result<(), LogError> {
        let set = self.file.set_len(len);
        set.map_err(|error| self.failed("set its length", error))
    }

    pub fn sync_data(&self) -> Result<(), LogError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| self.failed("sync it", error))
    }

    pub fn sync_all(&self) -> Result<(), LogError> {
        let synced = self.file.sync_all();
        synced.map_err(|error| self.failed("sync it", error))
    }

    /// Which file it is.
    pub fn id(&self) -> Result<FileId, LogError> {
        let id = self.file.id();
        id.map_err(|error| self.failed("look it up", error))
    }
}

#[cfg(test)]
mod tests;
