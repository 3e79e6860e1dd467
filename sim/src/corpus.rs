//! The corpus: cases that failed once, kept as files, replayed by every test run.
//!
//! `DIR/<scenario>/<name>.case`. Each begins with a comment: what broke, and why it matters. A
//! case stays when its mistake is mended, and must pass from then on. It must also go on doing what
//! it was kept for: a call, an operation, a fault or an effect that it names and that its run does
//! not meet is an error, and whoever changed the code edits the case, or finds another one. A case
//! of a planted bug may name calls that only the bug makes: whether it still shows the bug is seen
//! by planting it, as `blackstart sim mutants --kept` does.
//!
//! ```no_run
//! use blackstart_sim::cli::Registry;
//! use blackstart_sim::corpus;
//! use std::path::Path;
//!
//! let registry = Registry::new(vec![/* Registered::boxed(MyScenario) */]);
//! for entry in corpus::replay_all(&registry, Path::new("corpus/cases"), 300).unwrap() {
//!     entry.verdict.unwrap_or_else(|error| panic!("{error}"));
//! }
//! ```
//!
//! Invariants:
//! - \[I1\] Every file that is there is replayed; one that is damaged is that file's error and
//!   keeps none of the others from being replayed.

use std::io;
use std::path::{Path, PathBuf};

use crate::any::AnyScenario;
use crate::case::{self, CaseError};
use crate::cli::Registry;
use crate::failure::Failure;

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The file or directory can't be used.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is no case.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// It has no comment at its head.
    #[error("{file}:1: a case of the corpus begins with a comment: what broke, why it matters")]
    Bare {
        /// The file.
        file: String,
    },
    /// It is filed under another scenario.
    #[error("{file}:1: the case is of scenario {found:?}, and filed under {expected:?}")]
    Misfiled {
        /// The file.
        file: String,
        /// The directory's name.
        expected: String,
        /// The scenario in the text.
        found: String,
    },
    /// It fails.
    #[error("{file}: era {era}: {failure}\nblackstart sim replay {file} --trace")]
    Fails {
        /// The file.
        file: String,
        /// The era, from 0.
        era: usize,
        /// How.
        failure: Failure,
    },
    /// It passes, and does no longer what it was kept for.
    #[error(
        "{file}: stale: never met: {}\n\
         blackstart sim explain {file} shows what it does now; edit it, or find the mistake anew \
         and keep that case",
        names.join("; ")
    )]
    Stale {
        /// The file.
        file: String,
        /// The names that its run does not meet.
        names: Vec<String>,
    },
    /// It passes, and the same operations fail with another crash.
    #[error("{file}: its operations fail with another crash: {failure}\n{case}")]
    FailsNearby {
        /// The file.
        file: String,
        /// How.
        failure: Failure,
        /// The case that fails.
        case: String,
    },
}

fn io_error(path: &Path, source: io::Error) -> CorpusError {
    CorpusError::Io {
        path: path.display().to_string(),
        source,
    }
}

/// The entries of a directory, sorted.
#[expect(
    clippy::disallowed_methods,
    reason = "the corpus is on the real file system"
)]
fn listing(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let entries = std::fs::read_dir(dir).map_err(|error| io_error(dir, error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| io_error(dir, error))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// All case files below a corpus directory; a file is itself.
///
/// # Errors
/// A directory that can't be listed.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    if dir.is_file() {
        return Ok(vec![dir.to_path_buf()]);
    }
    let mut files = Vec::new();
    for path in listing(dir)? {
        if path.is_dir() {
            files.extend(listing(&path)?);
        } else {
            files.push(path);
        }
    }
    files.retain(|path| path.extension().is_some_and(|ending| ending == "case"));
    Ok(files)
}

/// A case and its verdict.
#[derive(Debug)]
pub struct Replayed {
    /// Its file.
    pub path: PathBuf,
    /// What is wrong with it, if anything is.
    pub verdict: Result<(), CorpusError>,
}

/// Replays all cases below a directory; with each its verdict.
///
/// # Errors
/// A directory that can't be listed.
pub fn replay_all(
    registry: &Registry,
    dir: &Path,
    images_max: u64,
) -> Result<Vec<Replayed>, CorpusError> {
    let files = files(dir)?.into_iter();
    let replayed = files.map(|path| {
        let verdict = replay(registry, &path, images_max);
        Replayed { path, verdict }
    });
    Ok(replayed.collect())
}

/// Replays one case: exactly as it is written, and then other crashes of its operations, with at
/// most `images_max` images an era.
///
/// # Errors
/// What is wrong with it.
#[expect(
    clippy::disallowed_methods,
    reason = "the corpus is on the real file system"
)]
pub fn replay(registry: &Registry, path: &Path, images_max: u64) -> Result<(), CorpusError> {
    let text = std::fs::read_to_string(path).map_err(|error| io_error(path, error))?;
    let file = path.display().to_string();
    if !text.starts_with("//") {
        return Err(CorpusError::Bare { file });
    }
    let scenario = scenario_of(registry, &file, &text)?;
    let expected = path.parent().and_then(Path::file_name);
    let expected = expected.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if expected != scenario.name() {
        let found = scenario.name().to_owned();
        return Err(CorpusError::Misfiled {
            file,
            expected,
            found,
        });
    }
    let run = scenario.replay(&file, &text, false)?;
    if let Some((era, failure)) = run.failure {
        return Err(CorpusError::Fails { file, era, failure });
    }
    if !run.stale.is_empty() && planted_bug(&text).is_none() {
        let names = run.stale;
        return Err(CorpusError::Stale { file, names });
    }
    match scenario.explore_near(&file, &text, images_max)? {
        None => Ok(()),
        Some((case, failure)) => Err(CorpusError::FailsNearby {
            file,
            failure,
            case,
        }),
    }
}

/// What the head of a case says before the name of its planted bug, and after it.
pub const PLANTED: (&str, &str) = ("With this mistake planted (", ")");

/// The planted bug that the comment at the head of a case names.
pub fn planted_bug(text: &str) -> Option<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    let comment = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let (_, rest) = comment.split_once(PLANTED.0)?;
    let (name, _) = rest.split_once(PLANTED.1)?;
    Some(name.to_owned())
}

/// The scenario that a case is for.
pub(crate) fn scenario_of<'r>(
    registry: &'r Registry,
    file: &str,
    text: &str,
) -> Result<&'r dyn AnyScenario, CaseError> {
    let name = case::scenario_of(file, text)?;
    let found = registry.all().find(|scenario| scenario.name() == name);
    found.ok_or_else(|| case::unknown_scenario(file, text, &name, &registry.names()))
}
