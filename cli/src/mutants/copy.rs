//! The patched copy of the source tree.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::MutantsError;
use super::catalogue::{Catalogue, Edit, Mutant, entries, read};

/// What is copied: everything that the command is built from.
const PARTS: [&str; 8] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "vfs",
    "sim",
    "scenarios",
    "cli",
    "fuzz",
];

/// What is built there and is no source.
const BUILT: [&str; 4] = ["target", "artifacts", "corpus", "coverage"];

/// What sources end with: code, manifests, and the page that is compiled in.
const ENDINGS: [&str; 4] = ["rs", "toml", "html", "css"];

/// The switch, which exists in the copy alone.
const SWITCH: &str = r#"

/// Whether a planted bug is switched on: `BLACKSTART_PLANTED` names it.
#[allow(clippy::all, clippy::disallowed_methods, reason = "only in the patched copy")]
pub fn planted(name: &str) -> bool {
    static ON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ON.get_or_init(|| std::env::var("BLACKSTART_PLANTED").unwrap_or_default()) == name
}
"#;

/// Copies the tree and applies every patch. Files that come out as they were are not touched, so
/// that the next build has nothing to do.
pub(super) fn patched(
    source: &Path,
    tree: &Path,
    catalogue: &Catalogue,
) -> Result<(), MutantsError> {
    let files = patched_files(source, catalogue)?;
    remove_others(tree, Path::new(""), &files)?;
    for (path, text) in &files {
        write(&tree.join(path), text.as_bytes())?;
    }
    Ok(())
}

/// The files of the copy: those of the tree with every patch applied, and with the switch.
fn patched_files(
    source: &Path,
    catalogue: &Catalogue,
) -> Result<BTreeMap<PathBuf, String>, MutantsError> {
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for part in PARTS {
        collect(source, Path::new(part), &mut files)?;
    }
    let mut changes: BTreeMap<PathBuf, Vec<Change>> = BTreeMap::new();
    for mutant in &catalogue.mutants {
        for edit in &mutant.patch.edits {
            let change = find(mutant, edit, &files)?;
            changes
                .entry(PathBuf::from(&edit.file))
                .or_default()
                .push(change);
        }
    }
    for (path, changes) in changes {
        if let Some(text) = files.get_mut(&path) {
            *text = apply(&path, text, changes)?;
        }
    }
    if let Some(text) = files.get_mut(Path::new("vfs/src/lib.rs")) {
        text.push_str(SWITCH);
    }
    Ok(files)
}

fn collect(
    source: &Path,
    part: &Path,
    files: &mut BTreeMap<PathBuf, String>,
) -> Result<(), MutantsError> {
    let path = source.join(part);
    if path.is_dir() {
        if BUILT.iter().any(|built| part.ends_with(built)) {
            return Ok(());
        }
        for entry in entries(&path)? {
            if let Some(name) = entry.file_name() {
                collect(source, &part.join(name), files)?;
            }
        }
        return Ok(());
    }
    let ending = part.extension().and_then(|ending| ending.to_str());
    let is_source = ending.is_some_and(|ending| ENDINGS.contains(&ending));
    if is_source || part.ends_with("Cargo.lock") {
        files.insert(part.to_owned(), read(&path)?);
    }
    Ok(())
}

/// One edit at its place in the unpatched file.
struct Change {
    patch: String,
    range: Range<usize>,
    find: String,
    replace: String,
}

/// Where an edit goes. It is looked for in the unpatched file, so that no patch depends on
/// another.
fn find(
    mutant: &Mutant,
    edit: &Edit,
    files: &BTreeMap<PathBuf, String>,
) -> Result<Change, MutantsError> {
    let patch = format!("{}/{}", mutant.scenario, mutant.name);
    let text = files.get(Path::new(&edit.file)).map_or("", String::as_str);
    let mut places = text.match_indices(&edit.find).map(|(at, _)| at);
    match (places.next(), places.count()) {
        (Some(start), 0) => {
            let switch = switch(&edit.file, &mutant.name);
            Ok(Change {
                patch,
                range: start..start + edit.find.len(),
                find: edit.find.clone(),
                replace: edit.replace.replace("planted()", &switch),
            })
        }
        (first, others) => Err(MutantsError::DoesNotFit {
            patch,
            file: edit.file.clone(),
            count: usize::from(first.is_some()) + others,
            find: edit.find.clone(),
        }),
    }
}

/// The call of the switch: the crate that has it names it in another way than those above it.
fn switch(file: &str, name: &str) -> String {
    let is_inside = Path::new(file).starts_with("vfs");
    let path = if is_inside { "crate" } else { "blackstart_vfs" };
    format!("{path}::planted({name:?})")
}

/// The patched file.
fn apply(path: &Path, text: &str, mut changes: Vec<Change>) -> Result<String, MutantsError> {
    changes.sort_by_key(|change| change.range.start);
    for pair in changes.windows(2) {
        if let [one, two] = pair
            && two.range.start < one.range.end
        {
            return Err(MutantsError::Overlap {
                one: one.patch.clone(),
                two: two.patch.clone(),
                file: path.display().to_string(),
                find: two.find.clone(),
            });
        }
    }
    let mut patched = text.to_owned();
    for change in changes.into_iter().rev() {
        patched.replace_range(change.range, &change.replace);
    }
    Ok(patched)
}

/// Removes files of an earlier copy that the source no longer has.
#[expect(
    clippy::disallowed_methods,
    reason = "a source-tree command works on real files"
)]
fn remove_others(
    tree: &Path,
    part: &Path,
    files: &BTreeMap<PathBuf, String>,
) -> Result<(), MutantsError> {
    let path = tree.join(part);
    if !path.is_dir() {
        return Ok(());
    }
    for entry in entries(&path)? {
        let Some(name) = entry.file_name() else {
            continue;
        };
        let part = part.join(name);
        if entry.is_dir() {
            remove_others(tree, &part, files)?;
        } else if !files.contains_key(&part) {
            std::fs::remove_file(&entry).map_err(|error| MutantsError::io(&entry, error))?;
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a source-tree command works on real files"
)]
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), MutantsError> {
    if std::fs::read(path).is_ok_and(|before| before == contents) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| MutantsError::io(parent, error))?;
    }
    std::fs::write(path, contents).map_err(|error| MutantsError::io(path, error))
}

#[cfg(test)]
mod tests;
