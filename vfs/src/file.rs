//! An open file: positioned I/O and its durability.

use std::io;

use crate::FileId;

/// An open file. All I/O is positioned: there is no cursor.
///
/// Handles are shared by `Arc`; closing (dropping the last one) makes nothing durable and reports
/// nothing.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is a system call that may fail"
)]
pub trait File: Send + Sync {
    /// Reads at most `buffer.len()` bytes at `offset` and returns how many. 0 means the end of
    /// the file (or an empty buffer); fewer than asked for means nothing by itself.
    /// EINTR is retried inside.
    ///
    /// # Errors
    /// EIO (an unreadable sector: **not** the end of anything), EBADF (not opened for reading).
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at most `bytes.len()` bytes at `offset` and returns how many. May be short; use
    /// [`FileExt::write_all_at`] to continue. EINTR is retried inside.
    ///
    /// Nothing is durable before [`File::sync_data`]. A crash may keep any subset of the
    /// written tear units (see the simulator's disk model), in any order with other writes, with
    /// or without the file's new length.
    ///
    /// # Errors
    /// ENOSPC, EDQUOT, EIO, EFBIG, EBADF. A failed write may have taken partial effect.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Sets the length. Shrinking discards; growing exposes zeros and allocates nothing.
    /// A crash before a sync may lose it or keep it without the writes around it.
    ///
    /// # Errors
    /// EFBIG, EIO, EINVAL, EBADF.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for `len` bytes at `offset`, extending the file if needed. The range reads
    /// as before, new bytes as zeros.
    ///
    /// # Errors
    /// ENOSPC, EOPNOTSUPP.
    fn allocate(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Frees the space of a range, which then reads as zeros. The length stays.
    ///
    /// # Errors
    /// EOPNOTSUPP.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Makes durable all data written to this *inode* (by any handle) before the call, and the
    /// length and allocation needed to read it back. **Not** the file's name.
    ///
    /// # Errors
    /// After an error nothing is known of what became durable, some systems have marked the
    /// pages clean, and a second call that succeeds proves nothing (Rebello et al., "Can
    /// Applications Recover from fsync Failures?", ATC 2020). The only safe answer is to stop
    /// trusting what was not yet synced.
    fn sync_data(&self) -> io::Result<()>;

    /// As [`File::sync_data`], and all other metadata of the inode too. **Not** the file's name.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// EIO.
    fn len(&self) -> io::Result<u64>;

    /// Which inode this is a handle on: equal to the [`Metadata::id`](crate::Metadata::id) of each
    /// name that it has now.
    ///
    /// # Errors
    /// EIO.
    fn id(&self) -> io::Result<FileId>;

    /// How many names the inode has now; 0 after the last one was removed or replaced.
    /// Unspecified for directories.
    ///
    /// # Errors
    /// EIO.
    fn link_count(&self) -> io::Result<u64>;
}

/// Loops over the calls of [`File`] that may be short.
pub trait FileExt: File {
    /// Reads until `buffer` is full or the file ends; returns the number of bytes read.
    ///
    /// # Errors
    /// Of [`File::read_at`]; the buffer's contents are then unspecified.
    fn read_full_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + done as u64)? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }

    /// Reads exactly `buffer.len()` bytes.
    ///
    /// # Errors
    /// Of [`File::read_at`]; [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.read_full_at(buffer, offset)? == buffer.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Writes all of `bytes`, continuing after short writes.
    ///
    /// # Errors
    /// Of [`File::write_at`]; a write that makes no progress is [`io::ErrorKind::WriteZero`]. An
    /// unknown part of the bytes may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_at(rest, offset + done as u64)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => done += count,
            }
        }
        Ok(())
    }
}

impl<F: File + ?Sized> FileExt for F {}

#[cfg(test)]
mod tests;
