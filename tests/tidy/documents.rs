//! Rules of text: words that no file may hold, and links that must lead somewhere.

use super::Violation;

/// Words of unfinished work, and paths of one machine. In halves, so that this file is clean.
const WORDS: [(&str, &str); 7] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("/wo", "rk/"),
    ("/tm", "p/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
];

fn violation(path: &str, line: usize, what: String) -> Violation {
    Violation {
        path: path.to_owned(),
        line,
        what,
    }
}

pub fn words(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for (head, tail) in WORDS {
            let word = format!("{head}{tail}");
            if line.contains(&word) {
                violations.push(violation(path, at + 1, format!("holds `{word}`")));
            }
        }
    }
    violations
}

/// Links of Markdown files to files of the tree that are not there.
pub fn links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut violations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for target in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next())
        {
            let file = target.split('#').next().unwrap_or_default();
            let outside = file.contains("://") || file.starts_with("mailto:") || file.is_empty();
            if !outside && !exists(&join(directory, file)) {
                violations.push(violation(
                    path,
                    at + 1,
                    format!("links to `{file}`: not there"),
                ));
            }
        }
    }
    violations
}

/// A path from the root, without `.` and `..`.
fn join(directory: &str, file: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(file.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn words_are_found() {
    assert!(words("a.md", "nothing to do here, under tmp").is_empty());
    for (head, tail) in WORDS {
        let found = words("a.md", &format!("first\nsecond {head}{tail} word"));
        assert_eq!(
            found
                .iter()
                .map(|violation| violation.line)
                .collect::<Vec<_>>(),
            [2]
        );
    }
}

#[test]
fn dead_links_are_found() {
    let check = |text: &str| {
        links("docs/a.md", text, |path| {
            path == "docs/b.md" || path == "c.md"
        })
        .len()
    };
    assert_eq!(
        check("[b](b.md), [c](../c.md#part), [web](https://example.org/x), [here](#x)"),
        0
    );
    assert_eq!(check("[b](b.md), [lost](c.md)"), 1);
    assert_eq!(check("![picture](images/lost.svg \"title\")"), 1);
}
