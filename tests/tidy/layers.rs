//! Which module of the engine may use which.

use super::Violation;
use super::source::Source;

/// Each module of `src/` and those it may use. A module that is not here has no place yet.
const LAYERS: [(&str, &[&str]); 5] = [
    ("codec", &[]),
    ("commitlog", &["codec"]),
    ("store", &["commitlog", "codec"]),
    ("database", &["store", "commitlog", "codec"]),
    ("tablewal", &["store", "codec"]),
];

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    LAYERS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|&(_, allowed)| allowed)
}

/// The names of a file's modules from the crate's root: `src/store/merge.rs` is `[store, merge]`.
fn modules(path: &str) -> Option<Vec<&str>> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    Some(inner.split('/').collect())
}

pub fn directions(source: &Source) -> Vec<Violation> {
    let Some(modules) = modules(&source.path) else {
        return Vec::new();
    };
    let module = modules[0];
    if module == "lib" {
        return Vec::new();
    }
    let Some(allowed) = allowed(module) else {
        return vec![source.violation(1, format!("module `{module}` has no place in the layers"))];
    };
    let mut violations = Vec::new();
    for path in source.named_paths() {
        let supers = path
            .parts
            .iter()
            .take_while(|part| *part == "super")
            .count();
        let used = match path.parts.first().map(String::as_str) {
            Some("crate") => path.parts.get(1),
            Some("super") if supers >= modules.len() => path.parts.get(supers),
            _ => None,
        };
        let is_module = |name: &&String| LAYERS.iter().any(|(layer, _)| layer == name);
        if let Some(used) = used.filter(is_module)
            && used != module
            && !allowed.contains(&used.as_str())
        {
            let what = format!("`{module}` may not use `{used}`");
            violations.push(source.violation(path.line, what));
        }
    }
    violations
}

#[cfg(test)]
fn check(path: &str, text: &str, count: usize) {
    assert_eq!(
        directions(&Source::new(path, text)).len(),
        count,
        "{path}: {text}"
    );
}

#[test]
fn upward_uses_are_found() {
    check(
        "src/store/merge.rs",
        "use crate::{codec::A, commitlog::B, store::C};",
        0,
    );
    check(
        "src/commitlog/frame.rs",
        "use crate::{codec::A, store::B};",
        1,
    );
    check("src/commitlog.rs", "fn f() { crate::database::open() }", 1);
    check("src/codec/tests.rs", "use super::super::commitlog::A;", 1);
    check("src/codec/tests.rs", "use super::commitlog::A;", 0);
    check("src/codec/mod.rs", "use super::commitlog::A;", 1);
    check("src/lib.rs", "pub mod database;", 0);
    check("sim/src/disk.rs", "use crate::database::A;", 0);
}

#[test]
fn modules_without_a_place_are_found() {
    check("src/engine.rs", "", 1);
}
