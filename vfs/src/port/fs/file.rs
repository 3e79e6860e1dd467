//! A file with a cursor: `Read`, `Write` and `Seek` over a file of the seam.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Metadata, OpenOptions};
use crate::{FileExt as _, FileKind, Fs};

/// An open file with a cursor, as `std::fs::File`.
///
/// Reads and writes move the cursor by what they did, seeking moves it without a call on the seam
/// (from the end: one, for the length). Like the original it can be used by shared reference, and
/// [`try_clone`](Self::try_clone) shares the cursor.
///
/// Flushing does nothing, dropping makes nothing durable: [`sync_data`](Self::sync_data) does.
///
/// ```
/// use std::io::{Read, Seek, Write};
/// use std::path::Path;
///
/// use blackstart_vfs::port::fs::File;
/// use blackstart_vfs::{Env, Fs, OpenOptions};
///
/// # let directory = tempfile::tempdir()?;
/// let env = Env::os(directory.path());
/// let options = OpenOptions::new().read().write().create();
/// let mut file = File::from(env.fs().open(Path::new("a"), options)?);
/// file.write_all(b"some bytes")?;
/// file.rewind()?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "some bytes");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    inner: Arc<dyn crate::File>,
    cursor: Arc<AtomicU64>,
    is_append: bool,
}

impl From<Arc<dyn crate::File>> for File {
    fn from(inner: Arc<dyn crate::File>) -> Self {
        Self::new(inner, false)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File")
    }
}

impl File {
    pub(super) fn new(inner: Arc<dyn crate::File>, is_append: bool) -> Self {
        Self {
            inner,
            cursor: Arc::default(),
            is_append,
        }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// Of [`Fs::open`].
    pub fn open(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<Self> {
        OpenOptions::new().read(true).open(fs, path)
    }

    /// Opens a file for writing, empty; creates it if it is missing. Its name is durable only
    /// after [`super::sync_dir`].
    ///
    /// # Errors
    /// Of [`Fs::open`].
    pub fn create(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        options.open(fs, path)
    }

    /// Creates a file for reading and writing; fails if the name is taken.
    ///
    /// # Errors
    /// Of [`Fs::open`].
    pub fn create_new(fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        options.open(fs, path)
    }

    /// The file of the seam behind it.
    pub fn inner(&self) -> &Arc<dyn crate::File> {
        &self.inner
    }

    /// Another handle of the same file and the same cursor.
    ///
    /// # Errors
    /// None; the shape is that of `std::fs`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            inner: Arc::clone(&self.inner),
            cursor: Arc::clone(&self.cursor),
            is_append: self.is_append,
        })
    }

    /// Makes contents and metadata durable, not the name: see [`crate::File::sync_all`].
    ///
    /// # Errors
    /// Of [`crate::File::sync_all`].
    pub fn sync_all(&self) -> io::Result<()> {
        self.inner.sync_all()
    }

    /// Makes contents durable, not the name: see [`crate::File::sync_data`].
    ///
    /// # Errors
    /// Of [`crate::File::sync_data`].
    pub fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    /// Sets the length; the cursor stays.
    ///
    /// # Errors
    /// Of [`crate::File::set_len`].
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    /// Describes the open file.
    ///
    /// # Errors
    /// Of [`crate::File::len`].
    pub fn metadata(&self) -> io::Result<Metadata> {
        let len = self.inner.len()?;
        Ok(Metadata::new(FileKind::File, len))
    }

    /// Reads at an offset; the cursor stays.
    ///
    /// # Errors
    /// Of [`crate::File::read_at`].
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    /// Reads exactly the buffer at an offset; the cursor stays.
    ///
    /// # Errors
    /// Of [`crate::FileExt::read_exact_at`].
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    /// Writes at an offset; the cursor stays.
    ///
    /// # Errors
    /// Of [`crate::File::write_at`].
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }

    /// Writes all bytes at an offset; the cursor stays.
    ///
    /// # Errors
    /// Of [`crate::FileExt::write_all_at`].
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_all_at(bytes, offset)
    }

    fn read_next(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.cursor.load(Ordering::SeqCst);
        let count = self.inner.read_at(buffer, at)?;
        self.cursor.store(at + count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn write_next(&self, bytes: &[u8]) -> io::Result<usize> {
        let at = if self.is_append {
            self.inner.len()?
        } else {
            self.cursor.load(Ordering::SeqCst)
        };
        let count = self.inner.write_at(bytes, at)?;
        self.cursor.store(at + count as u64, Ordering::SeqCst);
        Ok(count)
    }

    fn seek_to(&self, target: SeekFrom) -> io::Result<u64> {
        let at = match target {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.inner.len()?.checked_add_signed(by),
            SeekFrom::Current(by) => self.cursor.load(Ordering::SeqCst).checked_add_signed(by),
        };
        // Linux has offsets up to the largest i64.
        let at = at.filter(|&at| i64::try_from(at).is_ok());
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        self.cursor.store(at, Ordering::SeqCst);
        Ok(at)
    }
}

impl Read for &File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_next(buffer)
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_next(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.seek_to(target)
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_next(buffer)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_next(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        self.seek_to(target)
    }
}
