//! The contract of names: directories, renames, links, removal, locks, paths.

use blackstart_vfs::{LockKind, OpenOptions};

use super::check;
use super::transcript::{CREATE, EDIT, READ, Session};

const NEW: OpenOptions = EDIT.create_new();

fn file_with(s: &mut Session<'_>, path: &str, bytes: &[u8]) {
    let file = s.opened(path, CREATE);
    s.write(&file, bytes, 0);
}

#[test]
fn directories() {
    check(|s| {
        file_with(s, "file", b"x");
        for path in [
            "dir",
            "dir",
            "dir/below",
            "file",
            "file/below",
            "missing/dir",
            "",
            ".",
        ] {
            s.create_dir(path);
        }
        for path in ["", "dir", "dir/below", "file", "missing", "file/below"] {
            s.read_dir(path);
            s.metadata(path);
            s.sync_dir(path);
        }
        for path in [
            "dir",
            "file",
            "missing",
            "file/below",
            "",
            ".",
            "dir/below",
            "dir",
        ] {
            s.remove_dir(path);
        }
        for path in [
            "dir",
            "",
            "missing",
            "missing/file",
            "file/below",
            "file",
            "file",
        ] {
            s.remove_file(path);
        }
        s.create_dir("dir");
        for path in ["dir", "", "."] {
            s.remove_file(path);
        }
        s.tree();
    });
}

#[test]
fn read_dir_is_sorted_by_bytes() {
    check(|s| {
        s.create_dir("d");
        for name in ["b", "a", "B", "aa", "10", "9", "ä", "z.tmp"] {
            s.open(format!("d/{name}"), NEW);
        }
        s.create_dir("d/ab");
        s.read_dir("d");
        s.remove_file("d/aa");
        s.rename("d/9", "d/09");
        s.read_dir("d");
    });
}

#[test]
fn metadata_tells_kind_length_and_links() {
    check(|s| {
        s.create_dir("dir");
        file_with(s, "dir/file", b"12345");
        s.metadata("dir/file");
        s.hard_link("dir/file", "second");
        s.metadata("dir/file");
        let file = s.opened("second", EDIT);
        s.set_len(&file, 1_000);
        s.metadata("dir/file");
        s.remove_file("dir/file");
        s.metadata("second");
        s.metadata("dir");
    });
}

/// All pairs of the kinds a name can have, each way.
#[test]
fn renames() {
    let paths = [
        "file", "second", "link", "dir", "dir/full", "empty", "missing", "no/dir", "file/x",
    ];
    let mut targets = paths.to_vec();
    targets.extend(["", ".", "dir/below", "empty/new", "dir/full/deep"]);
    for from in paths
        .into_iter()
        .chain(["", "dir/full/deep", "dir/full/in"])
    {
        for &to in &targets {
            check(|s| {
                file_with(s, "file", b"one");
                file_with(s, "second", b"two");
                s.hard_link("file", "link");
                s.create_dir("dir");
                s.create_dir("dir/full");
                file_with(s, "dir/full/in", b"three");
                s.create_dir("dir/full/deep");
                s.create_dir("empty");
                s.rename(from, to);
                s.tree();
            });
        }
    }
}

#[test]
fn a_rename_replaces_under_open_handles() {
    check(|s| {
        let old = s.opened("target", NEW);
        s.write(&old, b"old", 0);
        let new = s.opened("temporary", NEW);
        s.write(&new, b"new", 0);
        s.rename("temporary", "target");
        s.contents(&old);
        s.write(&old, b"OLD", 0);
        s.write(&new, b"NEW", 0);
        let opened = s.opened("target", READ);
        s.contents(&opened);
        s.tree();
    });
}

#[test]
fn a_renamed_directory_takes_its_contents_along() {
    check(|s| {
        s.create_dir("a");
        s.create_dir("a/b");
        let file = s.opened("a/b/file", NEW);
        s.rename("a/b", "c");
        s.write(&file, b"moved", 0);
        s.sync_dir("c");
        s.sync_dir("a");
        s.tree();
        s.rename("c", "a/b");
        s.tree();
        s.remove_file("a/b/file");
        s.remove_dir("a/b");
        s.tree();
    });
}

#[test]
fn hard_links() {
    check(|s| {
        file_with(s, "file", b"one");
        s.create_dir("dir");
        for (existing, new) in [
            ("file", "second"),
            ("file", "second"),
            ("file", "file"),
            ("file", "dir/third"),
            ("file", "dir"),
            ("file", ""),
            ("file", "missing/file"),
            ("file", "file/below"),
            ("missing", "other"),
            ("missing", "second"),
            ("dir", "other"),
            ("dir", "second"),
            ("", "other"),
            ("dir/third/x", "other"),
        ] {
            s.hard_link(existing, new);
        }
        let handle = s.opened("second", EDIT);
        s.write(&handle, b"two", 1);
        s.remove_file("file");
        s.tree();
        s.remove_file("second");
        s.remove_file("dir/third");
        s.contents(&handle);
        s.tree();
    });
}

#[test]
fn a_removed_directory_is_gone_under_its_handle() {
    check(|s| {
        s.create_dir("dir");
        let handle = s.opened("dir", READ);
        s.remove_dir("dir");
        s.sync_all(&handle);
        s.open("dir/file", NEW);
        s.sync_dir("dir");
        s.create_dir("dir");
        s.read_dir("dir");
    });
}

/// The operating system's fs [I1], and os [I1]: a name with a NUL is an error with a number too.
#[test]
fn paths_stay_below_the_root() {
    check(|s| {
        s.create_dir("dir");
        file_with(s, "dir/file", b"x");
        let long = "n".repeat(256);
        let longest = "n".repeat(255);
        let deep = "dir/".repeat(2_000);
        let good = [
            ".",
            "./dir",
            "dir/.",
            "dir//file",
            "dir/./file",
            "dir/file/",
            "dir/file/.",
        ];
        let bad = [
            "/",
            "/dir",
            "..",
            "../dir",
            "dir/..",
            "dir/../dir",
            "dir/file/..",
            "missing/..",
        ];
        let odd = ["dir/fi\0le", "\0", "..dir", "...", &long, &longest, &deep];
        for path in good.into_iter().chain(bad).chain(odd) {
            s.metadata(path);
            s.read_dir(path);
            s.open(path, READ);
            s.open(path, NEW);
            s.sync_dir(path);
            s.create_dir(path);
            s.hard_link("dir/file", path);
            s.hard_link(path, "other");
            s.rename(path, "missing/other");
            s.rename("missing", path);
            s.remove_file(path);
            s.remove_dir(path);
            drop(s.lock(path, LockKind::Shared));
            drop(s.lock(path, LockKind::Exclusive));
            s.open("dir/file", CREATE);
            s.read_dir("");
        }
    });
}

/// The operating system's lock [I1]: all these locks are of one process.
#[test]
fn locks_exclude_by_inode() {
    use LockKind::{Exclusive, Shared};
    check(|s| {
        assert!(s.lock("lock", Shared).is_none());
        let exclusive = s.lock("lock", Exclusive);
        s.metadata("lock");
        for kind in [Shared, Exclusive] {
            assert!(s.lock("lock", kind).is_none());
        }
        // A lock is no obstacle to anything but locks.
        file_with(s, "lock", b"pid");
        s.hard_link("lock", "link");
        assert!(s.lock("link", Shared).is_none());
        s.rename("lock", "renamed");
        assert!(s.lock("renamed", Exclusive).is_none());
        let other = s.lock("lock", Exclusive);
        drop(exclusive);
        drop(s.lock("link", Exclusive));
        let (first, second) = (s.lock("link", Shared), s.lock("renamed", Shared));
        assert!(s.lock("link", Exclusive).is_none());
        drop(first);
        assert!(s.lock("link", Exclusive).is_none());
        drop(second);
        let held = s.lock("link", Exclusive);
        s.remove_file("link");
        s.remove_file("renamed");
        drop(s.lock("link", Exclusive));
        drop((other, held));
        s.create_dir("dir");
        for path in ["dir", "", "missing/lock", "lock/below"] {
            drop(s.lock(path, Exclusive));
            drop(s.lock(path, Shared));
        }
    });
}
