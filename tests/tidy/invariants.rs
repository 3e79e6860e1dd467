//! Every numbered invariant of a module is held by something: an assertion's message or a test's
//! comment cites it as `[I1]`, with the module's name where it is cited elsewhere: `chain [I1]` or
//! `chain's [I1]`.

use std::collections::BTreeMap;

use super::Violation;
use super::source::Source;

/// How an invariant begins in a module's documentation.
const DEFINED: &str = "//! - \\[I";

/// The numbers of the invariants that a file defines, with their lines.
fn defined(source: &Source) -> Vec<(usize, u32)> {
    let lines = source.text.lines().enumerate();
    let numbers = lines.filter_map(|(line, text)| {
        let (number, _) = text.strip_prefix(DEFINED)?.split_once('\\')?;
        Some((line + 1, number.parse().ok()?))
    });
    numbers.collect()
}

/// The name of a file's module: `chain` of `src/commitlog/chain.rs`.
fn module(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.strip_suffix(".rs").unwrap_or(file)
}

/// Whether a file belongs to the module of another: it is the file, or below it.
fn is_within(path: &str, of: &str) -> bool {
    let below = of.strip_suffix(".rs").unwrap_or(of);
    path == of
        || path
            .strip_prefix(below)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// The invariants of the engine and the seam that nothing cites.
pub fn uncited(sources: &[Source]) -> Vec<Violation> {
    let is_checked =
        |source: &&Source| source.path.starts_with("src/") || source.path.starts_with("vfs/src/");
    let mut violations = Vec::new();
    for source in sources.iter().filter(is_checked) {
        let name = module(&source.path);
        let cited: BTreeMap<u32, bool> = defined(source)
            .into_iter()
            .map(|(_, number)| {
                let (own, elsewhere) = (format!("[I{number}]"), format!("{name} [I{number}]"));
                let cites = |other: &Source| {
                    let wanted = if is_within(&other.path, &source.path) {
                        &own
                    } else {
                        &elsewhere
                    };
                    other.text.contains(wanted.as_str())
                };
                (number, sources.iter().any(cites))
            })
            .collect();
        for (line, number) in defined(source) {
            if cited.get(&number) != Some(&true) {
                let what = format!("[I{number}] is cited by no assertion and no test");
                violations.push(source.violation(line, what));
            }
        }
    }
    violations
}

#[cfg(test)]
fn check(files: &[(&str, &str)], count: usize) {
    let sources: Vec<_> = files
        .iter()
        .map(|(path, text)| Source::new(*path, *text))
        .collect();
    assert_eq!(uncited(&sources).len(), count, "{files:?}");
}

#[test]
fn invariants_that_nothing_holds_are_found() {
    let chain = (
        "src/commitlog/chain.rs",
        "//! - \\[I1\\] One.\n//! - \\[I2\\] Two.\n",
    );
    check(&[chain], 2);
    check(
        &[
            chain,
            ("src/commitlog/chain/tests.rs", "/// [I1]\nfn f() {}"),
        ],
        1,
    );
    check(
        &[
            chain,
            (
                "src/commitlog/reader/tests.rs",
                "/// [I1], chain [I2]\nfn f() {}",
            ),
        ],
        1,
    );
    check(&[("sim/src/disk.rs", "//! - \\[I1\\] One.\n")], 0);
}
