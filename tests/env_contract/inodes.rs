//! The contract of inodes: directories held by a handle, locks on directories, identities.

use std::io;
use std::path::Path;

use blackstart_vfs::LockKind::{Exclusive, Shared};
use blackstart_vfs::{Env, OpenOptions};

use super::transcript::{CREATE, EDIT, READ, Session};
use super::{check, real, simulated};

const NEW: OpenOptions = EDIT.create_new();

/// One body on the operating system and on the simulated disk, each with an existing root that two
/// environments share.
fn in_both_worlds(body: impl Fn(&Env, &Env)) {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let env = real(scratch.path());
    env.fs().create_root().expect("the root can be created");
    body(&env, &real(scratch.path()));
    let env = simulated();
    env.fs().create_root().expect("the root can be created");
    body(&env, &env.clone());
}

/// The operating system's fs [I3]: every call below a directory that was renamed, and whose name
/// another has taken.
#[test]
fn a_held_directory_outlives_its_name() {
    check(|s| {
        for path in ["missing", "file", "file/below", "..", "/"] {
            s.open("file", CREATE);
            assert!(s.subdir(path).is_none());
        }
        s.create_dir("log");
        s.open("log/a", NEW);
        let held = s.subdir("log");
        s.rename("log", "moved");
        s.create_dir("log");
        s.open("log/other", NEW);
        s.go(held.as_ref());
        s.read_dir("");
        let file = s.opened("b", NEW);
        s.write(&file, b"b", 0);
        s.sync_dir("");
        s.metadata("b");
        s.rename("b", "c");
        s.hard_link("c", "d");
        s.remove_file("a");
        s.create_dir("e");
        s.create_dir("f");
        s.remove_dir("f");
        drop(s.lock("lock", Exclusive));
        s.create_root();
        for path in ["..", "../log", "/", "e/.."] {
            s.read_dir(path);
            s.open(path, READ);
        }
        // The root of a held directory is as fixed as any.
        s.create_dir("");
        s.remove_dir("");
        s.remove_file("");
        s.rename("", "g");
        s.rename("d", "");
        s.hard_link("", "g");
        s.open("", CREATE);
        let nested = s.subdir("e");
        let same = s.subdir("");
        s.go(nested.as_ref());
        s.open("deep", NEW);
        s.go(same.as_ref());
        s.tree();
        s.go(None);
        s.tree();
    });
}

#[test]
fn a_removed_directory_takes_no_names() {
    check(|s| {
        s.create_dir("log");
        s.open("file", NEW);
        let held = s.subdir("log");
        s.remove_dir("log");
        s.go(held.as_ref());
        s.read_dir("");
        s.metadata("file");
        s.open("file", CREATE);
        s.open("file", READ);
        s.create_dir("dir");
        s.rename("a", "b");
        s.remove_file("a");
        s.sync_dir("");
        drop(s.lock("lock", Exclusive));
        drop(s.lock("", Exclusive));
        s.subdir("");
        s.go(None);
        s.create_dir("log");
        s.go(held.as_ref());
        s.open("file", CREATE);
        s.go(None);
        s.tree();
    });
}

#[test]
fn a_lock_on_a_directory_excludes_by_inode() {
    check(|s| {
        s.create_dir("log");
        for path in ["", ".", "log", "log/."] {
            let held = s.lock(path, Exclusive);
            assert!(held.is_some());
            assert!(s.lock(path, Exclusive).is_none());
            assert!(s.lock(path, Shared).is_none());
            // A lock is no obstacle to anything but locks.
            s.open("log/file", CREATE);
            s.remove_file("log/file");
        }
        s.read_dir("");
        s.read_dir("log");
        let held = s.subdir("log");
        let lock = s.lock("log", Exclusive);
        s.rename("log", "moved");
        s.create_dir("log");
        drop(s.lock("log", Exclusive));
        s.lock("moved", Shared);
        s.go(held.as_ref());
        s.lock("", Shared);
        drop(lock);
        let shared = (s.lock("", Shared), s.lock("", Shared));
        s.lock("", Exclusive);
        drop(shared);
        s.lock("", Exclusive);
    });
}

/// What lets a second writer in beside a lock on a file does not beside one on its directory.
#[test]
fn removing_files_does_not_lift_a_lock_on_their_directory() {
    in_both_worlds(|env, other| {
        let (root, file) = (Path::new(""), Path::new("lock"));
        let lock = env.fs().lock(root, Exclusive).expect("nobody holds it");
        let on_file = env.fs().lock(file, Exclusive).expect("nobody holds it");
        lock.check().expect("this process took it");
        let would_block = |path| match other.fs().lock(path, Exclusive) {
            Ok(_) => false,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        assert!(would_block(root) && would_block(file));
        env.fs().remove_file(file).expect("it is there");
        assert!(!would_block(file));
        assert!(would_block(root));
        let held = other.fs().subdir(root).expect("it exists");
        assert!(held.lock(root, Shared).is_err());
        drop(on_file);
        assert!(would_block(root));
        drop(lock);
        assert!(held.lock(root, Shared).is_ok());
    });
}

#[test]
fn identities_follow_the_inode() {
    check(|s: &mut Session<'_>| {
        let first = s.opened("a", NEW);
        let second = s.opened("b", NEW);
        s.hard_link("a", "link");
        s.create_dir("dir");
        for path in ["a", "b", "link", "dir", "", "missing"] {
            s.id_of(path);
        }
        for handle in [&first, &second] {
            s.id(handle);
            s.link_count(handle);
        }
        let dir = s.opened("dir", READ);
        s.id(&dir);
        s.rename("b", "a");
        // The handle stays with what was replaced, which has a name left.
        s.id(&first);
        s.link_count(&first);
        s.id(&second);
        for path in ["a", "link"] {
            s.id_of(path);
        }
        s.remove_file("link");
        s.link_count(&first);
        s.id(&first);
        let fresh = s.opened("link", NEW);
        s.id(&fresh);
        s.id_of("link");
        let held = s.subdir("dir");
        s.rename("dir", "moved");
        s.id_of("moved");
        s.go(held.as_ref());
        s.id_of("");
    });
}

#[test]
fn messages_name_paths_below_the_root_as_it_was_given() {
    in_both_worlds(|env, _| {
        let shown = env.fs().display_path(Path::new(""));
        assert!(!shown.as_os_str().is_empty());
        let below = |path: &str| match shown.as_os_str() == "." {
            true => Path::new(path).to_path_buf(),
            false => shown.join(path),
        };
        assert_eq!(env.fs().display_path(Path::new("a/b")), below("a/b"));
        env.fs().create_dir(Path::new("log")).expect("it is new");
        let held = env.fs().subdir(Path::new("log")).expect("it exists");
        assert_eq!(held.display_path(Path::new("")).as_os_str(), below("log"));
        assert_eq!(held.display_path(Path::new("a")), below("log/a"));
        let same = held.subdir(Path::new("")).expect("it exists");
        assert_eq!(same.display_path(Path::new("a")), below("log/a"));
    });
}
