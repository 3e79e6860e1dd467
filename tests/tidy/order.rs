//! In which order the files of the commit log build on one another: no file uses a later one.

use super::Violation;
use super::source::Source;

/// The files of `src/commitlog`, each behind those that it uses. A child may use its parent.
const ORDER: [&str; 46] = [
    "ids",
    "link",
    "names",
    "error",
    "options",
    "report",
    "frame",
    "header",
    "records",
    "superblock",
    "source",
    "directory",
    "chain",
    "commit",
    "index",
    "segment",
    "creation",
    "keeper",
    "recovery/evidence",
    "recovery/listing",
    "recovery/scan",
    "recovery/continuity",
    "recovery/plan",
    "recovery/apply",
    "recovery",
    "state",
    "writer",
    "queue",
    "core",
    "seek",
    "view",
    "reader",
    "follow",
    "group",
    "truncate",
    "retain",
    "open",
    "log",
    "readonly",
    "inspect",
    "new_directory",
    "backup",
    "salvage/survey",
    "salvage/walk",
    "salvage",
    "testing",
];

/// What may be named as the log's own, without its file: the numbers of `ids`.
const NUMBERS: [&str; 4] = ["Epoch", "Incarnation", "LogId", "TxOffset"];

/// The place of the longest file name that these parts begin with.
fn place(parts: &[&str]) -> Option<usize> {
    let name = |length: usize| parts.get(..length).map(|parts| parts.join("/"));
    let find = |name: String| ORDER.iter().position(|file| *file == name);
    (1..=parts.len())
        .rev()
        .find_map(|length| find(name(length)?))
}

pub fn no_circles(source: &Source) -> Vec<Violation> {
    let inner = source.path.strip_prefix("src/commitlog/");
    let Some(inner) = inner.and_then(|path| path.strip_suffix(".rs")) else {
        return Vec::new();
    };
    let own: Vec<&str> = inner.split('/').collect();
    if own.contains(&"tests") || own[0] == "testing" {
        return Vec::new();
    }
    let Some(place_of_own) = ORDER.iter().position(|file| *file == inner) else {
        return vec![source.violation(1, format!("`{inner}` has no place in the order"))];
    };
    let mut violations = Vec::new();
    for path in source.named_paths() {
        let parts: Vec<&str> = path.parts.iter().map(String::as_str).collect();
        let supers = parts.iter().take_while(|part| **part == "super").count();
        let used = match parts.as_slice() {
            ["crate", "commitlog", rest @ ..] => rest.to_vec(),
            ["super", ..] if supers <= own.len() => {
                [&own[..own.len() - supers], &parts[supers..]].concat()
            }
            _ => continue,
        };
        let what = match (place(&used), used.first()) {
            (Some(used), _) if used <= place_of_own || inner.starts_with(ORDER[used]) => continue,
            (Some(used), _) => format!("`{inner}` may not use `{}`", ORDER[used]),
            (None, Some(name)) if NUMBERS.contains(name) || *name == "tests" => continue,
            (None, Some(name)) => format!("`{name}` is named without its file"),
            (None, None) => continue,
        };
        violations.push(source.violation(path.line, what));
    }
    violations
}

#[cfg(test)]
fn check(path: &str, text: &str, count: usize) {
    let found = no_circles(&Source::new(path, text));
    assert_eq!(found.len(), count, "{path}: {text}: {found:?}");
}

#[test]
fn later_files_are_found() {
    check("src/commitlog/writer.rs", "use super::chain::Chain;", 0);
    check("src/commitlog/chain.rs", "use super::writer::Writer;", 1);
    check(
        "src/commitlog/chain.rs",
        "use super::{Epoch, writer::Writer};",
        1,
    );
    check("src/commitlog/writer.rs", "use super::Reader;", 1);
    let plan = "src/commitlog/recovery/plan.rs";
    check(
        plan,
        "use super::scan::Scan; use crate::commitlog::chain::Chain;",
        0,
    );
    check(plan, "use crate::commitlog::state::State;", 1);
    check(plan, "use super::apply::apply_cut;", 1);
    check(
        "src/commitlog/salvage/walk.rs",
        "use super::SalvageReport;",
        0,
    );
    check("src/commitlog/other.rs", "", 1);
    check(
        "src/commitlog/chain/tests.rs",
        "use super::super::log::Log;",
        0,
    );
}
