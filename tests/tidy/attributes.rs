//! Rules of attributes: conditional compilation and tests.

use super::Violation;
use super::source::Source;

/// Directories whose code is shipped.
const PRODUCT: [&str; 5] = ["vfs/src/", "src/", "sim/src/", "scenarios/src/", "cli/src/"];

/// What may be conditional on `test`: a module, of the crate's own at most.
const MODULES: [&[&str]; 2] = [
    &["#", "[", "cfg", "(", "test", ")", "]", "mod"],
    &[
        "#", "[", "cfg", "(", "test", ")", "]", "pub", "(", "crate", ")", "mod",
    ],
];
/// What no product code may be conditional on: the simulated program is the shipped program.
const CONDITIONS: [&str; 6] = [
    "test",
    "sim",
    "simulation",
    "fuzzing",
    "debug_assertions",
    "loom",
];

/// `cfg(test)` may stand before a `mod` only; the other conditions nowhere.
pub fn conditions(source: &Source) -> Vec<Violation> {
    if !PRODUCT
        .iter()
        .any(|directory| source.path.starts_with(directory))
    {
        return Vec::new();
    }
    let is_cfg = |at: usize| {
        ["cfg", "cfg_attr"]
            .iter()
            .any(|word| source.reads(at, &[word]))
    };
    let mut violations = Vec::new();
    for at in (0..source.tokens.len()).filter(|&at| is_cfg(at)) {
        // After the word: `(`, or `!(` of the macro.
        let open = at + 1 + usize::from(source.reads(at + 1, &["!"]));
        let whole = at >= 2 && MODULES.iter().any(|module| source.reads(at - 2, module));
        if !source.reads(open, &["("]) || whole {
            continue;
        }
        let condition = source.tokens[open..]
            .iter()
            .take_while(|token| token.text != "]");
        let bad = condition
            .take(40)
            .find(|token| CONDITIONS.contains(&token.text.as_str()));
        if let Some(bad) = bad {
            let what = format!("conditional on `{}`; only `mod tests` may be", bad.text);
            violations.push(source.violation(bad.line, what));
        }
    }
    violations
}

pub fn ignored_tests(source: &Source) -> Vec<Violation> {
    let lines = source.lines_of(&["#", "[", "ignore"]);
    lines
        .into_iter()
        .map(|line| source.violation(line, "a test that does not run"))
        .collect()
}

/// Tests of `foo.rs` are in `foo/tests.rs`.
pub fn inline_tests(source: &Source) -> Vec<Violation> {
    let lines = source.lines_of(&["mod", "tests", "{"]);
    let what = "tests within the code's file: move them to a file beside it";
    lines
        .into_iter()
        .map(|line| source.violation(line, what))
        .collect()
}

#[cfg(test)]
fn check(rule: fn(&Source) -> Vec<Violation>, text: &str, count: usize) {
    assert_eq!(rule(&Source::new("src/a.rs", text)).len(), count, "{text}");
}

#[test]
fn conditions_are_found() {
    check(conditions, "#[cfg(test)]\nmod tests;", 0);
    check(
        conditions,
        "#[cfg(target_pointer_width = \"64\")] fn f() {}",
        0,
    );
    check(conditions, "#[cfg(test)] fn f() {}", 1);
    check(conditions, "#[cfg(not(test))] mod real;", 1);
    check(conditions, "#[cfg(any(unix, sim))] mod real;", 1);
    check(conditions, "#[cfg_attr(test, derive(Debug))] struct S;", 1);
    check(conditions, "fn f() -> bool { cfg!(sim) }", 1);
    check(conditions, "fn f() { if cfg!(test) { g() } }", 1);
    let test_file = Source::new("tests/a.rs", "#[cfg(test)] fn f() {}");
    assert!(conditions(&test_file).is_empty());
}

#[test]
fn misplaced_tests_are_found() {
    check(ignored_tests, "#[test] fn f() {}", 0);
    check(ignored_tests, "#[test] #[ignore] fn f() {}", 1);
    check(
        ignored_tests,
        "proptest! { #[test] #[ignore = \"slow\"] fn f() {} }",
        1,
    );
    check(inline_tests, "#[cfg(test)] mod tests;", 0);
    check(inline_tests, "#[cfg(test)] mod tests { fn f() {} }", 1);
}
