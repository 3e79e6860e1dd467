//! What only the operating system has: links, permissions of descriptors, a real root. The
//! contract that it shares with the simulated disk is tested in the workspace's `env_contract`.

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    result
        .err()
        .map(|error| Errno::from_io_error(&error).expect("every error has a number"))
}

#[test]
fn a_root_is_one_directory_below_an_existing_one() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |path: &str| OsFs::new(scratch.path().join(path));
    assert_eq!(errno(at("missing/root").create_root()), Some(Errno::NOENT));
    OsFs::new(&scratch)
        .open(Path::new("file"), OpenOptions::new().write().create())
        .unwrap();
    assert_eq!(errno(at("file").create_root()), Some(Errno::EXIST));
    assert_eq!(errno(at("root").create_root()), None);
    assert_eq!(errno(at("root").create_root()), None);
    symlink("root", scratch.path().join("link")).unwrap();
    assert_eq!(errno(at("link").create_root()), None);
    symlink("nowhere", scratch.path().join("dangling")).unwrap();
    assert_eq!(errno(at("dangling").create_root()), Some(Errno::EXIST));
}

#[test]
fn the_root_outlives_calls_that_would_remove_it() {
    let scratch = tempfile::tempdir().unwrap();
    let fs = OsFs::new(scratch.path().join("root"));
    fs.create_root().unwrap();
    assert!(fs.remove_dir(Path::new("")).is_err());
    assert!(fs.rename(Path::new(""), Path::new("below")).is_err());
    assert!(fs.remove_file(Path::new(".")).is_err());
    assert_eq!(fs.metadata(Path::new("")).unwrap().kind, FileKind::Dir);
}

#[test]
fn a_relative_root_is_taken_from_the_working_directory_of_now() {
    assert!(OsFs::new("below").root.is_absolute());
}

#[test]
fn links_and_the_like_are_of_another_kind() {
    let scratch = tempfile::tempdir().unwrap();
    let fs = OsFs::new(scratch.path());
    symlink("nowhere", scratch.path().join("link")).unwrap();
    fs.create_dir(Path::new("dir")).unwrap();
    assert_eq!(
        fs.metadata(Path::new("link")).unwrap().kind,
        FileKind::Other
    );
    let kinds: Vec<_> = fs
        .read_dir(Path::new(""))
        .unwrap()
        .iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(kinds, [FileKind::Dir, FileKind::Other]);
}

/// A program that this one starts must not inherit a lock and keep it.
#[test]
fn descriptors_are_closed_on_exec() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path();
    let flags = open_flags(OpenOptions::new().read().write().create()).unwrap();
    assert!(flags.contains(OFlags::CLOEXEC));
    let is_closed = |descriptor: &OwnedFd| {
        fcntl_getfd(descriptor.as_fd())
            .unwrap()
            .contains(FdFlags::CLOEXEC)
    };
    assert!(is_closed(&open_dir(path).unwrap()));
    assert!(is_closed(
        &open_for_lock(&path.join("lock"), LockKind::Exclusive).unwrap()
    ));
    assert!(is_closed(
        &open_for_lock(&path.join("lock"), LockKind::Shared).unwrap()
    ));
}

/// Who may only read a store can still keep writers out.
#[test]
fn a_shared_lock_needs_no_right_to_write() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("lock");
    drop(open_for_lock(&path, LockKind::Exclusive).unwrap());
    let descriptor = open_for_lock(&path, LockKind::Shared).unwrap();
    assert_eq!(rustix::io::pwrite(&descriptor, b"x", 0), Err(Errno::BADF));
}
