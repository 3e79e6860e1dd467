//! Where recovery reads from: a directory, or files in memory.
//!
//! Invariants:
//! - \[I1\] A source can only be read. All that decides (`recovery::plan`, `verify`) sees the log
//!   through it, so deciding cannot write.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart_vfs::{Env, File, FileExt, FileKind, OpenOptions};

use super::error::LogError;

/// A file that can be read at positions.
pub trait ReadAt {
    /// Reads at most `buffer.len()` bytes at `at`; 0 is the end.
    ///
    /// # Errors
    /// [`LogError::Io`]: an unreadable sector is not an end.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError>;

    /// Reads until the buffer is full or the file ends.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    fn read_full_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, at + done as u64)? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }
}

/// A file of a [`LogSource`].
#[expect(
    clippy::len_without_is_empty,
    reason = "an empty file is no special case here"
)]
pub trait SourceFile: ReadAt {
    /// The length in bytes.
    ///
    /// # Errors
    /// [`LogError::Io`].
    fn len(&self) -> Result<u64, LogError>;
}

/// The files of a log, for reading only.
pub trait LogSource {
    /// The names of the directory; none if there is no directory.
    ///
    /// # Errors
    /// [`LogError::Io`].
    fn names(&self) -> Result<Option<Vec<String>>, LogError>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`LogError::Io`], also if the file does not exist.
    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError>;
}

/// A log's directory in an environment.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub env: Env,
    pub path: Arc<PathBuf>,
}

impl Directory {
    pub fn new(env: &Env, path: &Path) -> Self {
        Self {
            env: env.clone(),
            path: Arc::new(path.to_path_buf()),
        }
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens one of its files.
    pub fn open_file(&self, name: &str, options: OpenOptions) -> Result<Arc<dyn File>, LogError> {
        let opened = self.env.fs().open(&self.file(name), options);
        opened.map_err(|error| LogError::io(name, "open it", error))
    }

    fn open_source(
        &self,
        name: &str,
        options: OpenOptions,
    ) -> Result<Box<dyn SourceFile>, LogError> {
        let file = self.open_file(name, options)?;
        let name = name.to_owned();
        Ok(Box::new(OpenFile { file, name }))
    }

    /// Removes one of its files; that it is gone already is as good.
    pub fn remove(&self, name: &str) -> Result<(), LogError> {
        match self.env.fs().remove_file(&self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::io(name, "remove it", error))
            }
            _ => Ok(()),
        }
    }

    /// Makes its names durable.
    pub fn sync(&self) -> Result<(), LogError> {
        let synced = self.env.fs().sync_dir(&self.path);
        synced.map_err(|error| LogError::io(self.name(), "sync the directory", error))
    }

    /// Its name for errors.
    pub fn name(&self) -> String {
        match self.path.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => self.path.display().to_string(),
        }
    }
}

impl LogSource for Directory {
    fn names(&self) -> Result<Option<Vec<String>>, LogError> {
        let entries = match self.env.fs().read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io(self.name(), "list it", error)),
        };
        let files = entries
            .into_iter()
            .filter(|entry| entry.kind == FileKind::File);
        // A name that is not text is none of ours.
        Ok(Some(
            files
                .filter_map(|entry| entry.name.into_string().ok())
                .collect(),
        ))
    }

    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        self.open_source(name, OpenOptions::new().read())
    }
}

/// An open file and its name for errors.
pub(crate) struct OpenFile {
    pub file: Arc<dyn File>,
    pub name: String,
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFile")
            .field("name", &self.name)
            .finish()
    }
}

impl ReadAt for OpenFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let read = self.file.read_at(buffer, at);
        read.map_err(|error| LogError::io(self.name.as_str(), "read it", error))
    }
}

impl SourceFile for OpenFile {
    fn len(&self) -> Result<u64, LogError> {
        self.file
            .len()
            .map_err(|error| LogError::io(self.name.as_str(), "get its length", error))
    }
}

impl OpenFile {
    /// Writes all of `bytes` at `at`.
    pub fn write(&self, bytes: &[u8], at: u64) -> Result<(), LogError> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(|error| LogError::io(self.name.as_str(), "write to it", error))
    }

    pub fn set_len(&self, len: u64) -> Result<(), LogError> {
        let set = self.file.set_len(len);
        set.map_err(|error| LogError::io(self.name.as_str(), "set its length", error))
    }

    pub fn sync_data(&self) -> Result<(), LogError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| LogError::io(self.name.as_str(), "sync it", error))
    }

    pub fn sync_all(&self) -> Result<(), LogError> {
        let synced = self.file.sync_all();
        synced.map_err(|error| LogError::io(self.name.as_str(), "sync it", error))
    }
}

/// Files in memory: what a fuzzer or a test makes up.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    files: BTreeMap<String, Arc<Vec<u8>>>,
}

impl MemorySource {
    /// A directory without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.files.insert(name.into(), Arc::new(bytes));
    }
}

impl LogSource for MemorySource {
    fn names(&self) -> Result<Option<Vec<String>>, LogError> {
        Ok(Some(self.files.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        match self.files.get(name) {
            Some(bytes) => Ok(Box::new(MemoryFile(bytes.clone()))),
            None => Err(LogError::io(
                name,
                "open it",
                io::ErrorKind::NotFound.into(),
            )),
        }
    }
}

struct MemoryFile(Arc<Vec<u8>>);

impl ReadAt for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = self.0.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl SourceFile for MemoryFile {
    fn len(&self) -> Result<u64, LogError> {
        Ok(self.0.len() as u64)
    }
}
