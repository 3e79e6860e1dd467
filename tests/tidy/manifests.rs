//! Which crate may depend on which, and where versions are named.

use toml::{Table, Value};

use super::Violation;

/// The crates of the workspace: directory, name, and which of its siblings each may use.
const CRATES: [(&str, &str, &[&str]); 5] = [
    ("vfs", "blackstart-vfs", &[]),
    ("", "blackstart", &["blackstart-vfs"]),
    ("sim", "blackstart-sim", &["blackstart-vfs"]),
    (
        "scenarios",
        "blackstart-scenarios",
        &["blackstart", "blackstart-sim", "blackstart-vfs"],
    ),
    (
        "cli",
        "blackstart-cli",
        &[
            "blackstart-scenarios",
            "blackstart",
            "blackstart-sim",
            "blackstart-vfs",
        ],
    ),
];

/// What the engine's own tests may use besides.
const TEST_ONLY: [&str; 2] = ["blackstart-sim", "blackstart-scenarios"];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn violation(path: &str, line: usize, what: impl Into<String>) -> Violation {
    Violation {
        path: path.to_owned(),
        line,
        what: what.into(),
    }
}

pub fn check_all(manifests: &[(String, String)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in manifests {
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                violations.push(violation(path, 1, error.to_string()));
                continue;
            }
        };
        violations.extend(check_directions(path, &manifest));
        if path == "Cargo.toml" {
            violations.extend(check_members(path, &manifest));
            violations.extend(check_reasons(path, text));
        }
    }
    for (directory, name, _) in CRATES {
        let path = manifest_path(directory);
        if !manifests.iter().any(|(found, _)| *found == path) {
            violations.push(violation(
                &path,
                1,
                format!("the crate `{name}` is missing"),
            ));
        }
    }
    violations
}

fn manifest_path(directory: &str) -> String {
    match directory {
        "" => "Cargo.toml".to_owned(),
        _ => format!("{directory}/Cargo.toml"),
    }
}

/// The dependencies of one kind, those for some targets only included.
fn dependencies<'a>(manifest: &'a Table, kind: &str) -> Vec<(&'a String, &'a Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(targets);
    tables
        .filter_map(|table| table.get(kind)?.as_table())
        .flatten()
        .collect()
}

fn check_directions(path: &str, manifest: &Table) -> Vec<Violation> {
    let Some((_, name, allowed)) = CRATES
        .iter()
        .find(|(directory, ..)| manifest_path(directory) == path)
    else {
        // `fuzz` and `bench` stand above everything and nothing depends on them.
        return Vec::new();
    };
    let mut violations = Vec::new();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (dependency, value) in dependencies(manifest, kind) {
            let for_tests = kind == "dev-dependencies"
                && *name == "blackstart"
                && TEST_ONLY.contains(&dependency.as_str());
            let ours = dependency.starts_with("blackstart");
            if ours && !allowed.contains(&dependency.as_str()) && !for_tests {
                let what = format!("`{name}` may not depend on `{dependency}`");
                violations.push(violation(path, 1, what));
            }
            let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
            if !inherited {
                let what = format!("`{dependency}` is not taken from [workspace.dependencies]");
                violations.push(violation(path, 1, what));
            }
        }
    }
    violations
}

/// `cargo test` in the root runs the tests of every member.
fn check_members(path: &str, manifest: &Table) -> Vec<Violation> {
    let list = |name: &str| -> Vec<&str> {
        let list = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get(name)?.as_array());
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let default = list("default-members");
    let missing = list("members")
        .into_iter()
        .chain(["."])
        .filter(|member| !default.contains(member));
    missing
        .map(|member| violation(path, 1, format!("`{member}` is not in default-members")))
        .collect()
}

/// Every outside dependency of the workspace has a comment above it that says why it is there.
fn check_reasons(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut inside = false;
    let mut before = "";
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && line.contains('=') && !line.starts_with(['#', ' ', '"']) {
            let outside = !line.starts_with("blackstart");
            if outside && !before.starts_with('#') {
                violations.push(violation(
                    path,
                    at + 1,
                    "a dependency without a reason above it",
                ));
            }
        }
        before = line;
    }
    violations
}

/// Every package of a lock file comes from the public registry.
pub fn lock_sources(path: &str, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(source) = line.strip_prefix("source = ")
            && source.trim_matches('"') != REGISTRY
        {
            violations.push(violation(path, at + 1, format!("a package from {source}")));
        }
    }
    violations
}

#[cfg(test)]
fn check(directory: &str, text: &str, expected: &[&str]) {
    let manifest: Table = text.parse().expect("a manifest");
    let found = check_directions(&manifest_path(directory), &manifest);
    let found: Vec<_> = found.into_iter().map(|violation| violation.what).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn upward_dependencies_are_found() {
    check(
        "cli",
        "[dependencies]\nblackstart-sim.workspace = true",
        &[],
    );
    let sim = ["`blackstart-sim` may not depend on `blackstart`"];
    check("sim", "[dependencies]\nblackstart.workspace = true", &sim);
    check(
        "sim",
        "[dev-dependencies]\nblackstart = { workspace = true }",
        &sim,
    );
    check(
        "sim",
        "[target.'cfg(unix)'.dependencies]\nblackstart.workspace = true",
        &sim,
    );
    check(
        "",
        "[dev-dependencies]\nblackstart-sim.workspace = true",
        &[],
    );
    let engine = ["`blackstart` may not depend on `blackstart-sim`"];
    check(
        "",
        "[dependencies]\nblackstart-sim.workspace = true",
        &engine,
    );
    let loose = ["`rand` is not taken from [workspace.dependencies]"];
    check("vfs", "[dependencies]\nrand = \"0.10\"", &loose);
}

#[test]
fn forgotten_members_and_reasons_are_found() {
    let text = "[workspace]\nmembers = [\"a\", \"b\"]\ndefault-members = [\".\", \"b\"]\n\
        [workspace.dependencies]\nblackstart = { path = \".\" }\n# For b.\nb = \"1\"\nc = \"1\"\n";
    let manifest: Table = text.parse().expect("a manifest");
    assert_eq!(check_members("Cargo.toml", &manifest).len(), 1);
    let lines: Vec<_> = check_reasons("Cargo.toml", text)
        .into_iter()
        .map(|v| v.line)
        .collect();
    assert_eq!(lines, [8]);
}

#[test]
fn missing_crates_are_found() {
    assert_eq!(check_all(&[]).len(), CRATES.len());
}

#[test]
fn other_registries_are_found() {
    let lock = |source: &str| {
        lock_sources(
            "Cargo.lock",
            &format!("name = \"a\"\nsource = \"{source}\""),
        )
    };
    assert!(lock(REGISTRY).is_empty());
    assert_eq!(lock("registry+https://mirror.example/index").len(), 1);
    assert_eq!(lock("git+https://github.com/a/b").len(), 1);
}
