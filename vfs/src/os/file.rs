//! An open file of the operating system.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, Stat, fallocate, fdatasync, fstat, fsync, ftruncate};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

use crate::{File, FileId};

/// A descriptor and nothing else: there is no cursor and no buffer.
pub(super) struct OsFile(OwnedFd);

impl OsFile {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| pread(&self.0, &mut *buffer, offset))?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| pwrite(&self.0, bytes, offset))?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| ftruncate(&self.0, len))?)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| {
            fallocate(&self.0, FallocateFlags::empty(), offset, len)
        })?)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        // The kernel demands KEEP_SIZE with PUNCH_HOLE.
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(retry_on_intr(|| fallocate(&self.0, flags, offset, len))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| fdatasync(&self.0))?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| fsync(&self.0))?)
    }

    fn len(&self) -> io::Result<u64> {
        // A length is never negative; a kernel that says so is not believed.
        Ok(u64::try_from(fstat(&self.0)?.st_size).map_err(|_| Errno::OVERFLOW)?)
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(id_of(&fstat(&self.0)?))
    }

    fn link_count(&self) -> io::Result<u64> {
        Ok(link_count_of(&fstat(&self.0)?))
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "the widths depend on the processor"
)]
pub(super) fn id_of(stat: &Stat) -> FileId {
    FileId::new(u64::from(stat.st_dev), u64::from(stat.st_ino))
}

#[allow(
    clippy::useless_conversion,
    reason = "the width depends on the processor"
)]
pub(super) fn link_count_of(stat: &Stat) -> u64 {
    u64::from(stat.st_nlink)
}
