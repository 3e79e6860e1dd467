//! Rules of the seam: who may touch the world, and what brings in chance or danger.

use super::Violation;
use super::source::Source;

/// What only the operating system's side of the seam may name.
const WORLD: [&[&str]; 11] = [
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "time", "self"],
    &["std", "os", "fd"],
    &["rustix"],
    &["libc"],
    &["tokio"],
];

/// What of the above reads nothing but the state of the calling task itself.
const HARMLESS: [&str; 3] = ["std", "thread", "panicking"];

/// Containers whose order differs from run to run.
const RANDOM_ORDER: [&[&str]; 4] = [
    &["std", "collections", "HashMap"],
    &["std", "collections", "HashSet"],
    &["std", "collections", "hash_map"],
    &["std", "hash", "RandomState"],
];

/// The one door.
const SEAM: [&str; 2] = ["vfs/src/os.rs", "vfs/src/os/"];

fn named(source: &Source, banned: &[&[&str]], why: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for path in source.named_paths() {
        if banned.iter().any(|banned| path.starts_with(banned)) && !path.starts_with(&HARMLESS) {
            let what = format!("names `{}`: {why}", path.parts.join("::"));
            violations.push(source.violation(path.line, what));
        }
    }
    violations
}

pub fn world(source: &Source) -> Vec<Violation> {
    if SEAM.iter().any(|seam| source.path.starts_with(seam)) {
        return Vec::new();
    }
    named(
        source,
        &WORLD,
        "only vfs/src/os touches files, time and threads; go through Env",
    )
}

pub fn random_order(source: &Source) -> Vec<Violation> {
    named(
        source,
        &RANDOM_ORDER,
        "its order is hidden nondeterminism; use a BTreeMap or BTreeSet",
    )
}

pub fn unsafe_code(source: &Source) -> Vec<Violation> {
    let lines = source.lines_of(&["unsafe"]);
    lines
        .into_iter()
        .map(|line| source.violation(line, "holds `unsafe`"))
        .collect()
}

fn is_crate_root(source: &Source) -> bool {
    ["src/lib.rs", "src/main.rs"]
        .iter()
        .any(|root| source.path.ends_with(root))
}

fn has_level(source: &Source, level: &str) -> bool {
    !source
        .lines_of(&["#", "!", "[", level, "(", "unsafe_code", ")", "]"])
        .is_empty()
}

/// Every library and program begins with `#![forbid(unsafe_code)]`.
pub fn forbids_unsafe(source: &Source) -> Vec<Violation> {
    match is_crate_root(source) && !has_level(source, "forbid") {
        true => vec![source.violation(1, "is without `#![forbid(unsafe_code)]`")],
        false => Vec::new(),
    }
}

/// Those that cannot forbid it deny it, so that each use says why.
pub fn denies_unsafe(source: &Source) -> Vec<Violation> {
    let has_any = has_level(source, "forbid") || has_level(source, "deny");
    match is_crate_root(source) && !has_any {
        true => vec![source.violation(1, "is without `#![deny(unsafe_code)]`")],
        false => Vec::new(),
    }
}

#[cfg(test)]
fn check(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str, count: usize) {
    assert_eq!(
        rule(&Source::new(path, text)).len(),
        count,
        "{path}: {text}"
    );
}

#[test]
fn ways_around_the_seam_are_found() {
    check(world, "src/a.rs", "use std::time::Duration; // std::fs", 0);
    check(world, "src/a.rs", "use std::fs;", 1);
    check(
        world,
        "src/a.rs",
        "use std::{io, time::{self, Duration, Instant}};",
        2,
    );
    check(
        world,
        "src/a.rs",
        "fn f() { ::std::thread::yield_now() }",
        1,
    );
    check(world, "src/a.rs", "m!(rustix::io::read(x));", 1);
    check(
        world,
        "src/a.rs",
        "fn f() -> bool { std::thread::panicking() }",
        0,
    );
    check(world, "vfs/src/os/fs.rs", "use std::fs::File;", 0);
    check(world, "vfs/src/other.rs", "use std::fs::File;", 1);
}

#[test]
fn chance_is_found() {
    check(
        random_order,
        "src/a.rs",
        "use std::collections::{BTreeMap, VecDeque};",
        0,
    );
    check(
        random_order,
        "src/a.rs",
        "use std::collections::{BTreeMap, HashMap};",
        1,
    );
    check(
        random_order,
        "src/a.rs",
        "struct S(std::collections::hash_map::Entry<u8, u8>);",
        1,
    );
}

#[test]
fn danger_is_found() {
    check(
        unsafe_code,
        "src/a.rs",
        "#![forbid(unsafe_code)] // unsafe",
        0,
    );
    check(unsafe_code, "src/a.rs", "fn f() { unsafe { g() } }", 1);
    check(
        forbids_unsafe,
        "cli/src/main.rs",
        "//! x\n#![forbid(unsafe_code)]",
        0,
    );
    check(
        forbids_unsafe,
        "cli/src/main.rs",
        "//! #![forbid(unsafe_code)]",
        1,
    );
    check(forbids_unsafe, "cli/src/other.rs", "", 0);
    check(
        denies_unsafe,
        "sim/src/lib.rs",
        "//! x\n#![deny(unsafe_code)]",
        0,
    );
    check(denies_unsafe, "sim/src/lib.rs", "//! x", 1);
}
