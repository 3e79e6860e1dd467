//! Rules of size, names and module docs.

use super::Violation;
use super::source::Source;

/// Where a file must be split.
pub const FILE_LINES_MAX: usize = 1_000;
/// Where a function must be split.
pub const FUNCTION_LINES_MAX: usize = 70;
/// The widest line.
pub const COLUMNS_MAX: usize = 100;
/// Names that say nothing of what is in a file.
const NAMELESS: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];

pub fn module_docs(source: &Source) -> Vec<Violation> {
    match source.text.starts_with("//!") {
        true => Vec::new(),
        false => vec![source.violation(1, "begins without `//!`: say what the file is")],
    }
}

pub fn file_length(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    match lines > FILE_LINES_MAX {
        true => vec![source.violation(lines, format!("{lines} lines, at most {FILE_LINES_MAX}"))],
        false => Vec::new(),
    }
}

pub fn line_width(source: &Source) -> Vec<Violation> {
    // The rows of a table in a comment cannot be broken.
    let is_row = |line: &str| line.starts_with("//! |") || line.trim_start().starts_with("/// |");
    let wide = |&(_, line): &(usize, &str)| line.chars().count() > COLUMNS_MAX && !is_row(line);
    let lines = source.text.lines().enumerate().filter(wide);
    lines
        .map(|(at, _)| source.violation(at + 1, format!("over {COLUMNS_MAX} columns")))
        .collect()
}

pub fn function_length(source: &Source) -> Vec<Violation> {
    let mut violations = Vec::new();
    for function in source.functions() {
        let lines = function.last_line - function.first_line + 1;
        if lines > FUNCTION_LINES_MAX {
            let what = format!(
                "`{}` has {lines} lines, at most {FUNCTION_LINES_MAX}",
                function.name
            );
            violations.push(source.violation(function.first_line, what));
        }
    }
    violations
}

pub fn file_name(source: &Source) -> Vec<Violation> {
    let parts = source.path.trim_end_matches(".rs").split('/');
    let nameless = parts.filter(|part| NAMELESS.contains(part));
    nameless
        .map(|part| source.violation(1, format!("`{part}` says nothing")))
        .collect()
}

#[cfg(test)]
fn check(rule: fn(&Source) -> Vec<Violation>, path: &str, text: &str, lines: &[usize]) {
    let found: Vec<usize> = rule(&Source::new(path, text))
        .into_iter()
        .map(|violation| violation.line)
        .collect();
    assert_eq!(found, lines, "{path}: {text}");
}

#[test]
fn missing_module_docs_are_found() {
    check(module_docs, "a.rs", "//! What it is.\n", &[]);
    check(module_docs, "a.rs", "// What it is.\n", &[1]);
    check(module_docs, "a.rs", "\n//! What it is.\n", &[1]);
    check(module_docs, "a.rs", "", &[1]);
}

#[test]
fn lengths_are_found() {
    check(file_length, "a.rs", &"\n".repeat(1_000), &[]);
    check(file_length, "a.rs", &"\n".repeat(1_001), &[1_001]);
    check(line_width, "a.rs", &format!("// {}\n", "ä".repeat(97)), &[]);
    check(
        line_width,
        "a.rs",
        &format!("//! | {} |\n", "ä".repeat(98)),
        &[],
    );
    check(
        line_width,
        "a.rs",
        &format!("\n// {}\n", "ä".repeat(98)),
        &[2],
    );
    let function = |lines: usize| format!("\nfn f() {{{}}}", "\n".repeat(lines - 1));
    check(function_length, "a.rs", &function(70), &[]);
    check(function_length, "a.rs", &function(71), &[2]);
}

#[test]
fn empty_names_are_found() {
    check(file_name, "src/store/merge.rs", "", &[]);
    check(file_name, "src/store/util.rs", "", &[1]);
    check(file_name, "src/helpers/merge.rs", "", &[1]);
}
