//! Where recovery reads from: a directory, or files in memory.
//!
//! Invariants:
//! - \[I1\] A source can only be read. All that decides (`recovery::plan`, `verify`) sees the log
//!   through it, so deciding cannot write.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

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

/// A name in a log's directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceName {
    /// The name.
    pub name: String,
    /// Whether it stands for a regular file.
    pub is_file: bool,
}

/// The files of a log, for reading only.
pub trait LogSource {
    /// The names of the directory, in any order.
    ///
    /// # Errors
    /// [`LogError::Io`].
    fn names(&self) -> Result<Vec<SourceName>, LogError>;

    /// Opens a file.
    ///
    /// # Errors
    /// [`LogError::Io`], also if the file does not exist.
    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError>;

    /// A file's path for people.
    fn shown(&self, name: &str) -> String {
        name.to_owned()
    }
}

/// Copies bytes of `content` from position `at` on into `buffer`; returns how many.
pub(crate) fn copy_from(content: &[u8], at: u64, buffer: &mut [u8]) -> usize {
    let from = usize::try_from(at).map_or(content.len(), |at| at.min(content.len()));
    let count = buffer.len().min(content.len() - from);
    buffer[..count].copy_from_slice(&content[from..from + count]);
    count
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
    fn names(&self) -> Result<Vec<SourceName>, LogError> {
        let named = |name: &String| SourceName {
            name: name.clone(),
            is_file: true,
        };
        Ok(self.files.keys().map(named).collect())
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
        Ok(copy_from(&self.0, at, buffer))
    }
}

impl SourceFile for MemoryFile {
    fn len(&self) -> Result<u64, LogError> {
        Ok(self.0.len() as u64)
    }
}
