//! The files of the source tree, and the lists of exceptions.

use std::fs;
use std::path::{Path, PathBuf};

use super::Violation;
use super::source::Source;

/// Directories that hold no source of ours.
const SKIPPED: [&str; 5] = [".git", "target", "artifacts", "coverage", "corpus"];

/// Endings of files that people read and write.
const TEXT: [&str; 9] = [
    "rs", "md", "toml", "lock", "yml", "yaml", "sh", "html", "patch",
];

/// A place where a rule may be broken: a path, a directory with its final slash, or
/// `path#function`.
pub struct Exception {
    pub what: &'static str,
    pub why: &'static str,
}

impl Exception {
    pub const fn new(what: &'static str, why: &'static str) -> Self {
        Self { what, why }
    }

    fn covers(&self, violation: &Violation) -> bool {
        let Violation { path, what, .. } = violation;
        match self.what.split_once('#') {
            Some((file, function)) => file == path && what.contains(&format!("`{function}`")),
            None => self.what == path || self.what.ends_with('/') && path.starts_with(self.what),
        }
    }
}

/// The violations that no exception covers, as sentences.
pub fn unexcused(violations: &[Violation], exceptions: &[Exception]) -> Vec<String> {
    violations
        .iter()
        .filter(|violation| {
            !exceptions
                .iter()
                .any(|exception| exception.covers(violation))
        })
        .map(ToString::to_string)
        .collect()
}

/// The exceptions that cover no violation, as sentences.
pub fn stale(violations: &[Violation], exceptions: &[Exception]) -> Vec<String> {
    exceptions
        .iter()
        .filter(|exception| {
            !violations
                .iter()
                .any(|violation| exception.covers(violation))
        })
        .map(|Exception { what, why }| format!("no longer needed, take it out: {what} ({why})"))
        .collect()
}

/// The directory of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below the root, by its path from the root, in order.
fn files() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut pending = vec![root().to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).expect("a directory of the tree can be listed") {
            let entry = entry.expect("a directory of the tree can be listed");
            let (name, path) = (entry.file_name(), entry.path());
            let kind = entry.file_type().expect("a file of the tree has a kind");
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                pending.push(path);
            } else if kind.is_file() {
                let relative = path
                    .strip_prefix(root())
                    .expect("it was found below the root");
                found.push((relative.to_string_lossy().into_owned(), path));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Every file of text, with its contents.
pub fn texts() -> Vec<(String, String)> {
    let is_text = |path: &str| {
        path == ".ci/run"
            || path
                .rsplit_once('.')
                .is_some_and(|(_, ending)| TEXT.contains(&ending))
    };
    files()
        .into_iter()
        .filter(|(name, _)| is_text(name))
        .map(|(name, path)| (name, read(&path)))
        .collect()
}

/// Every Rust file, read and split in tokens.
pub fn sources() -> Vec<Source> {
    let is_source = |(name, _): &(String, PathBuf)| name.ends_with(".rs");
    files()
        .into_iter()
        .filter(is_source)
        .map(|(name, path)| Source::new(name, read(&path)))
        .collect()
}

/// Every manifest, with its contents.
pub fn manifests() -> Vec<(String, String)> {
    texts()
        .into_iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml"))
        .collect()
}

#[test]
fn exceptions_excuse_and_grow_stale() {
    let violation = |path: &str, what: &str| Violation {
        path: path.to_owned(),
        line: 1,
        what: what.to_owned(),
    };
    let violations = [
        violation("a/b.rs", "`long` has 99 lines"),
        violation("c.rs", "bad"),
    ];
    let exception = |what| Exception::new(what, "reasons");
    let check = |exceptions: &[Exception]| {
        (
            unexcused(&violations, exceptions).len(),
            stale(&violations, exceptions).len(),
        )
    };
    assert_eq!(check(&[]), (2, 0));
    assert_eq!(check(&[exception("a/"), exception("c.rs")]), (0, 0));
    assert_eq!(
        check(&[exception("a/b.rs#long"), exception("a/b.rs#short")]),
        (1, 1)
    );
    assert_eq!(
        check(&[exception("a"), exception("c"), exception("c.rs/")]),
        (2, 3)
    );
}
