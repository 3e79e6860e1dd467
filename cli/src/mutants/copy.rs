//! The patched copy of the source tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::MutantsError;
use super::catalogue::{Catalogue, Edit, Mutant, entries, read};

/// What is copied: everything that the command is built from.
const PARTS: [&str; 7] = ["Cargo.toml", "Cargo.lock", "src", "vfs", "sim", "scenarios", "cli"];

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
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for part in PARTS {
        collect(source, Path::new(part), &mut files)?;
    }
    let vfs = PathBuf::from("vfs/src/lib.rs");
    if let Some(text) = files.get_mut(&vfs) {
        text.push_str(SWITCH);
    }
    for mutant in &catalogue.mutants {
        for edit in &mutant.patch.edits {
            apply(mutant, edit, &mut files)?;
        }
    }
    for (path, text) in &files {
        write(&tree.join(path), text)?;
    }
    Ok(())
}

fn collect(
    source: &Path,
    part: &Path,
    files: &mut BTreeMap<PathBuf, String>,
) -> Result<(), MutantsError> {
    let path = source.join(part);
    if path.is_dir() {
        for entry in entries(&path)? {
            if let Some(name) = entry.file_name() {
                collect(source, &part.join(name), files)?;
            }
        }
        return Ok(());
    }
    let is_source = part.extension().is_some_and(|ending| ending == "rs" || ending == "toml");
    if is_source || part == Path::new("Cargo.lock") {
        files.insert(part.to_owned(), read(&path)?);
    }
    Ok(())
}

fn apply(
    mutant: &Mutant,
    edit: &Edit,
    files: &mut BTreeMap<PathBuf, String>,
) -> Result<(), MutantsError> {
    let patch = format!("{}/{}", mutant.scenario, mutant.name);
    let missing = || MutantsError::DoesNotFit {
        patch: patch.clone(),
        file: edit.file.clone(),
        count: 0,
        find: edit.find.clone(),
    };
    let text = files.get_mut(Path::new(&edit.file)).ok_or_else(missing)?;
    let count = text.matches(&edit.find).count();
    if count != 1 {
        return Err(MutantsError::DoesNotFit {
            patch,
            file: edit.file.clone(),
            count,
            find: edit.find.clone(),
        });
    }
    let switch = format!("blackstart_vfs::planted({:?})", mutant.name);
    *text = text.replacen(&edit.find, &edit.replace.replace("planted()", &switch), 1);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a source-tree command works on real files")]
fn write(path: &Path, text: &str) -> Result<(), MutantsError> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| MutantsError::io(parent, error))?;
    }
    std::fs::write(path, text).map_err(|error| MutantsError::io(path, error))
}
