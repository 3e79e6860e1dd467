//! What only the operating system has: descriptors, rights, forks. The contract that it shares with
//! the simulated disk is tested in the workspace's `env_contract`.

use std::os::fd::AsFd;

use rustix::fs::CWD;
use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

/// A program that this one starts must not inherit a lock and keep it.
#[test]
fn descriptors_are_closed_on_exec() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("lock");
    for (path, kind) in [
        (path.as_path(), LockKind::Exclusive),
        (path.as_path(), LockKind::Shared),
        (scratch.path(), LockKind::Exclusive),
        (scratch.path(), LockKind::Shared),
    ] {
        let descriptor = open_for_lock(CWD, path, kind).unwrap();
        let flags = fcntl_getfd(descriptor.as_fd()).unwrap();
        assert!(flags.contains(FdFlags::CLOEXEC), "{path:?} {kind:?}");
    }
}

/// Who may only read a store can still keep writers out.
#[test]
fn a_shared_lock_needs_no_right_to_write() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("lock");
    drop(open_for_lock(CWD, &path, LockKind::Exclusive).unwrap());
    let descriptor = open_for_lock(CWD, &path, LockKind::Shared).unwrap();
    assert_eq!(rustix::io::pwrite(&descriptor, b"x", 0), Err(Errno::BADF));
}

/// [I2] A lock whose process is another stands for the copy that a child of a fork has.
#[test]
fn a_forked_child_holds_nothing_and_releases_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let take = || OsLock::take(CWD, scratch.path(), LockKind::Exclusive);
    let lock = take().unwrap();
    lock.check().unwrap();
    let child = OsLock {
        descriptor: lock.descriptor.try_clone().unwrap(),
        pid: lock.pid.wrapping_add(1),
    };
    let error = child.check().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::NOLCK.raw_os_error()));
    drop(child);
    assert!(take().is_err(), "[I2] the child's copy released the lock");
    drop(lock);
    take().unwrap();
}

/// A child between fork and exec has a copy of the descriptor: closing alone would not release.
#[test]
fn a_copy_of_the_descriptor_does_not_keep_a_released_lock() {
    let scratch = tempfile::tempdir().unwrap();
    let take = || OsLock::take(CWD, scratch.path(), LockKind::Exclusive);
    let lock = take().unwrap();
    let copy = lock.descriptor.try_clone().unwrap();
    drop(lock);
    take().unwrap();
    drop(copy);
}
