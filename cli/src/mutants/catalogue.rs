//! The planted bugs as they are kept in the source tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use blackstart_sim::call::mix64;
use serde::Deserialize;

use super::MutantsError;

/// One planted bug.
#[derive(Clone, Debug)]
pub(super) struct Mutant {
    pub scenario: String,
    pub name: String,
    pub patch: Patch,
}

/// The text of a patch file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    /// What the mistake is, and who made it.
    pub about: String,
    /// It changes nothing that matters, and must not be found.
    #[serde(default)]
    pub harmless: bool,
    /// Within how many cases it must be found, if not within [`CASES_MAX`].
    #[serde(default = "cases_max")]
    pub cases_max: u64,
    /// How many crashes the bug takes by its nature, if one is too few, and why.
    #[serde(default = "crashes_min")]
    pub crashes_min: usize,
    /// The reason for that.
    #[serde(default)]
    pub because: String,
    /// The changes. In the replacement, `planted()` is the switch.
    pub edits: Vec<Edit>,
}

/// Within how many cases a bug must be found: some seconds' worth. A catalogue whose bounds hug
/// what was once measured would fail with every change of what is drawn.
const CASES_MAX: u64 = 2_000;

fn cases_max() -> u64 {
    CASES_MAX
}

const fn crashes_min() -> usize {
    1
}

/// One change of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub file: String,
    pub find: String,
    pub replace: String,
}

/// All planted bugs, sorted by scenario and name.
pub(super) struct Catalogue {
    pub path: PathBuf,
    pub mutants: Vec<Mutant>,
}

impl Catalogue {
    /// Reads the catalogue of a source tree.
    pub fn load(source: &Path, scenario: Option<&str>) -> Result<Self, MutantsError> {
        let path = source.join("scenarios/mutants");
        let mut mutants = Vec::new();
        for directory in entries(&path)? {
            let name = file_stem(&directory);
            if directory.is_dir() && scenario.is_none_or(|wanted| wanted == name) {
                for file in entries(&directory)? {
                    mutants.push(load_one(&name, &file)?);
                }
            }
        }
        if mutants.is_empty() {
            return Err(MutantsError::Catalogue {
                path: path.display().to_string(),
                reason: "no planted bugs for this scenario".to_owned(),
            });
        }
        Ok(Self { path, mutants })
    }

    /// The scenarios that have planted bugs.
    pub fn scenarios(&self) -> BTreeSet<&str> {
        let mutants = self.mutants.iter();
        mutants.map(|mutant| mutant.scenario.as_str()).collect()
    }

    /// The bugs whose names contain `part`; of these a tenth, at least one, if there is a `key` to
    /// choose by. Every bug is in the tenth of some keys.
    pub fn wanted(&self, part: Option<&str>, key: Option<&str>) -> Vec<&Mutant> {
        let is_named = |mutant: &&Mutant| part.is_none_or(|part| mutant.name.contains(part));
        let mut wanted: Vec<&Mutant> = self.mutants.iter().filter(is_named).collect();
        let Some(key) = key else {
            return wanted;
        };
        wanted.sort_by_key(|mutant| hash(key, mutant));
        wanted.truncate(wanted.len().div_ceil(10));
        wanted.sort_by_key(|mutant| (&mutant.scenario, &mutant.name));
        wanted
    }
}

/// What orders the bugs under a key: the same on every machine.
fn hash(key: &str, mutant: &Mutant) -> u64 {
    let parts = [key, &mutant.scenario, &mutant.name];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0, |hash, byte| mix64(hash ^ u64::from(byte)))
}

fn load_one(scenario: &str, file: &Path) -> Result<Mutant, MutantsError> {
    let text = read(file)?;
    let patch: Patch = ron::from_str(&text).map_err(|error| MutantsError::Catalogue {
        path: format!("{}:{}", file.display(), error.span.start.line),
        reason: error.code.to_string(),
    })?;
    if (patch.crashes_min > 1) == patch.because.is_empty() {
        return Err(MutantsError::Catalogue {
            path: file.display().to_string(),
            reason: "more crashes than one need a reason, and a reason more than one".to_owned(),
        });
    }
    Ok(Mutant {
        scenario: scenario.to_owned(),
        name: file_stem(file),
        patch,
    })
}

fn file_stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a source-tree command works on real files"
)]
pub(super) fn read(path: &Path) -> Result<String, MutantsError> {
    std::fs::read_to_string(path).map_err(|error| MutantsError::io(path, error))
}

/// The entries of a directory, sorted.
#[expect(
    clippy::disallowed_methods,
    reason = "a source-tree command works on real files"
)]
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>, MutantsError> {
    let listing = std::fs::read_dir(path).map_err(|error| MutantsError::io(path, error))?;
    let mut entries = Vec::new();
    for entry in listing {
        entries.push(entry.map_err(|error| MutantsError::io(path, error))?.path());
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests;
