//! Open files and held locks of the simulated disk.

use std::fmt::Write as _;
use std::io;

use blackstart_vfs::{File, FileId, Lock, OpenOptions};

use super::fault::Errno;
use super::hash;
use super::live::Disk;
use super::simfs::SimFs;
use super::tree::Ino;
use crate::call::{CallId, CallKind};

/// An open file or directory.
pub(super) struct Handle {
    pub fs: SimFs,
    pub ino: Ino,
    /// As faults and reports name it.
    pub path: Box<str>,
    pub options: OpenOptions,
    /// The disk's when it was opened: after a crash the handle is dead.
    pub generation: u64,
}

impl Handle {
    fn call<T>(
        &self,
        kind: CallKind,
        at: u64,
        len: u64,
        body: impl FnOnce(&mut Disk, CallId) -> io::Result<T>,
    ) -> io::Result<T> {
        let words = |_: &Disk| [u64::from(self.ino.0), at, len];
        let describe = |line: &mut String| {
            let _ = write!(line, "{} {at}+{len}", self.path);
        };
        self.fs.call(kind, words, describe, |disk, call| {
            self.check_alive(disk)?;
            body(disk, call)
        })
    }

    /// After a crash every call is EIO.
    pub fn check_alive(&self, disk: &Disk) -> io::Result<()> {
        match disk.generation == self.generation {
            true => Ok(()),
            false => Err(Errno::Eio.error()),
        }
    }

    /// A misaligned direct call is EINVAL.
    fn check_direct(&self, disk: &Disk, offset: u64, len: usize) -> io::Result<()> {
        let block = disk.config.logical_block_bytes.max(1);
        let is_aligned = offset.is_multiple_of(block) && (len as u64).is_multiple_of(block);
        if self.options.is_direct() && !is_aligned {
            return Err(Errno::Einval.error());
        }
        Ok(())
    }

    fn check_write(&self) -> io::Result<()> {
        if self.options.is_write() {
            Ok(())
        } else {
            Err(Errno::Ebadf.error())
        }
    }
}

/// Linux: positions and lengths are signed, and a negative one is EINVAL before all else.
fn check_position(position: u64) -> io::Result<()> {
    match i64::try_from(position) {
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::Einval.error()),
    }
}

/// Linux: a read or write may not reach beyond the last position.
fn check_span(offset: u64, len: u64) -> io::Result<()> {
    check_position(offset.saturating_add(len))
}

/// Linux: a range to allocate or to punch is not empty.
fn check_range(offset: u64, len: u64) -> io::Result<()> {
    check_position(offset)?;
    check_position(len)?;
    if len == 0 {
        Err(Errno::Einval.error())
    } else {
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = self.fs.disk.lock();
        if disk.generation == self.generation {
            disk.release(self.ino);
        }
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buffer.len();
        self.call(CallKind::Read, offset, len as u64, |disk, call| {
            check_position(offset)?;
            if !self.options.is_read() {
                return Err(Errno::Ebadf.error());
            }
            check_span(offset, len as u64)?;
            self.check_direct(disk, offset, len)?;
            disk.read(call, &self.path, self.ino, buffer, offset)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let word = hash::bytes(bytes.len() as u64, bytes);
        self.fs.call(
            CallKind::Write,
            |_| [u64::from(self.ino.0), offset, word],
            |line| {
                let _ = write!(line, "{} {offset}+{}", self.path, bytes.len());
            },
            |disk, call| {
                self.check_alive(disk)?;
                check_position(offset)?;
                self.check_write()?;
                check_span(offset, bytes.len() as u64)?;
                self.check_direct(disk, offset, bytes.len())?;
                disk.write(call, &self.path, self.ino, bytes, offset)
            },
        )
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(CallKind::SetLen, len, 0, |disk, call| {
            // Linux: EINVAL, not EBADF, for a descriptor that was not opened for writing.
            check_position(len)?;
            self.check_write().map_err(|_| Errno::Einval.error())?;
            disk.set_len(call, &self.path, self.ino, len)
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(CallKind::Allocate, offset, len, |disk, call| {
            check_range(offset, len)?;
            self.check_write()?;
            disk.allocate(call, &self.path, self.ino, offset, len)
        })
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(CallKind::Punch, offset, len, |disk, call| {
            check_range(offset, len)?;
            self.check_write()?;
            disk.punch(call, &self.path, self.ino, offset, len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(CallKind::SyncData, 0, 0, |disk, call| {
            disk.sync(call, &self.path, self.ino, false)
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.call(CallKind::SyncAll, 0, 0, |disk, call| {
            disk.sync(call, &self.path, self.ino, true)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Len, 0, 0, |disk, call| {
            disk.fault(call, &self.path)?;
            disk.ask_len(self.ino);
            disk.tree
                .get(self.ino)
                .map(|inode| inode.len)
                .ok_or_else(|| Errno::Eio.error())
        })
    }

    fn id(&self) -> io::Result<FileId> {
        self.call(CallKind::FileId, 0, 0, |disk, call| {
            disk.fault(call, &self.path)?;
            Ok(self.ino.id())
        })
    }

    fn link_count(&self) -> io::Result<u64> {
        self.call(CallKind::LinkCount, 0, 0, |disk, call| {
            disk.fault(call, &self.path)?;
            disk.tree
                .get(self.ino)
                .map(|inode| u64::from(inode.link_count))
                .ok_or_else(|| Errno::Eio.error())
        })
    }
}

/// A held lock. Its release is not a call: destructors make none.
pub(super) struct Held(pub Handle);

/// No simulated process forks: only a crash ends what it holds.
impl Lock for Held {
    fn check(&self) -> io::Result<()> {
        self.0.check_alive(&self.0.fs.disk.lock())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut disk = self.0.fs.disk.lock();
        if disk.generation == self.0.generation {
            disk.unlock(self.0.ino);
        }
    }
}
