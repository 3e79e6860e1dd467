//! What only the operating system has: links, permissions of descriptors, a real root. The
//! contract that it shares with the simulated disk is tested in the workspace's `env_contract`.

use std::os::fd::AsFd;
use std::os::unix::fs::symlink;

use rustix::io::{FdFlags, fcntl_getfd};

use super::*;

fn errno<T>(result: io::Result<T>) -> Option<Errno> {
    result
        .err()
        .map(|error| Errno::from_io_error(&error).expect("os [I1]: every error has a number"))
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
    let root = OsFs::new("below").root;
    assert!(matches!(root, Root::Named(path) if path.is_absolute()));
    let empty = OsFs::new("");
    empty.create_root().unwrap();
    assert_eq!(empty.display_path(Path::new("file")), Path::new("file"));
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

/// [I2] A program that this one starts must not inherit what is open here.
#[test]
fn descriptors_are_closed_on_exec() {
    let scratch = tempfile::tempdir().unwrap();
    let flags = open_flags(OpenOptions::new().read().write().create()).unwrap();
    assert!(flags.contains(OFlags::CLOEXEC));
    let directory = open_dir(CWD, scratch.path()).unwrap();
    let flags = fcntl_getfd(directory.as_fd()).unwrap();
    assert!(flags.contains(FdFlags::CLOEXEC));
}

#[test]
fn messages_name_the_path_as_it_was_given() {
    let shown = |root: &str, path: &str| OsFs::new(root).display_path(Path::new(path));
    for (root, path, expected) in [
        ("", "", "."),
        ("", "a", "a"),
        (".", "", "."),
        ("./data", "", "./data"),
        ("data", ".", "data"),
        ("../data", "a/b", "../data/a/b"),
        ("/data/", "a", "/data/a"),
    ] {
        // As text: paths are equal whatever their slashes.
        assert_eq!(shown(root, path).as_os_str(), expected, "{root:?} {path:?}");
    }
    let scratch = tempfile::tempdir().unwrap();
    let fs = OsFs::new(&scratch);
    fs.create_dir(Path::new("a")).unwrap();
    let held = fs.subdir(Path::new("a")).unwrap();
    let nested = held.subdir(Path::new("")).unwrap();
    assert_eq!(
        nested.display_path(Path::new("b")),
        scratch.path().join("a/b")
    );
}

#[test]
fn no_follow_refuses_a_link() {
    let scratch = tempfile::tempdir().unwrap();
    let fs = OsFs::new(&scratch);
    let options = OpenOptions::new().read().write();
    fs.open(Path::new("file"), options.create().no_follow())
        .unwrap();
    symlink("file", scratch.path().join("link")).unwrap();
    symlink("nowhere", scratch.path().join("dangling")).unwrap();
    fs.open(Path::new("link"), options).unwrap();
    let refused =
        |name: &str, options: OpenOptions| errno(fs.open(Path::new(name), options.no_follow()));
    assert_eq!(refused("link", options), Some(Errno::LOOP));
    assert_eq!(refused("dangling", options.create()), Some(Errno::LOOP));
    assert!(!scratch.path().join("nowhere").exists());
}
