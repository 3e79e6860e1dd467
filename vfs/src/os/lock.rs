//! Locks of the operating system: `flock` on a file or a directory.
//!
//! Invariants:
//! - \[I1\] A lock lies on an open file description of its own, so two locks of one process
//!   exclude each other.
//! - \[I2\] Only the process that took the lock releases it by hand. A child of a fork shares the
//!   description: to unlock there would take the lock from its parent.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::process;

use rustix::fs::{FlockOperation, OFlags, flock, openat};
use rustix::io::{Errno, retry_on_intr};

use super::fs::{FILE_MODE, open_dir};
use crate::{Lock, LockKind};

/// A held lock.
pub(super) struct OsLock {
    descriptor: OwnedFd,
    /// The process that took it.
    pid: u32,
}

impl OsLock {
    /// Takes a lock on the inode of a name, or fails with EWOULDBLOCK.
    pub fn take(at: BorrowedFd<'_>, path: &Path, kind: LockKind) -> io::Result<Self> {
        let descriptor = open_for_lock(at, path, kind)?;
        let operation = match kind {
            LockKind::Shared => FlockOperation::NonBlockingLockShared,
            LockKind::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        retry_on_intr(|| flock(&descriptor, operation))?;
        let pid = process::id();
        Ok(Self { descriptor, pid })
    }
}

impl Lock for OsLock {
    fn check(&self) -> io::Result<()> {
        match self.pid == process::id() {
            true => Ok(()),
            false => Err(Errno::NOLCK.into()),
        }
    }
}

impl Drop for OsLock {
    fn drop(&mut self) {
        if self.check().is_ok() {
            // Closing is not enough: a child that is between fork and exec has a copy of the
            // descriptor for a moment, and the lock would last as long. If this fails, closing
            // does what it can.
            let _ = flock(&self.descriptor, FlockOperation::Unlock);
        }
    }
}

/// Opens what is to be locked.
fn open_for_lock(at: BorrowedFd<'_>, path: &Path, kind: LockKind) -> io::Result<OwnedFd> {
    let flags = match kind {
        // For reading alone: who may not write a store can still lock it.
        LockKind::Shared => OFlags::RDONLY,
        LockKind::Exclusive => OFlags::RDWR | OFlags::CREATE,
    };
    match retry_on_intr(|| openat(at, path, flags | OFlags::CLOEXEC, FILE_MODE)) {
        // A directory is never open for writing, and `flock` does not ask for that.
        Err(Errno::ISDIR) => open_dir(at, path),
        descriptor => Ok(descriptor?),
    }
}

#[cfg(test)]
mod tests;
