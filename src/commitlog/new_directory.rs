//! A new directory for a log, or for a store around one, that a tool writes: its name comes last.
//!
//! Invariants:
//! - \[I1\] The directory gets its name when all in it is durable. Until then its name ends in
//!   `.unfinished`; a crash leaves it so, and nobody takes it for the log.
//! - \[I2\] Nothing that exists is written over.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use blackstart_vfs::Env;

use super::directory::Directory;
use super::error::LogError;
use super::source::LogSource;

/// How the name of a directory ends that is not complete.
const UNFINISHED: &str = ".unfinished";

/// Makes the directory `to` and has `fill` write files into it, and into directories of it. If that
/// fails, what was written is removed again.
///
/// # Errors
/// [`LogError::AlreadyExists`]: `to`, or an unfinished directory, is there. What `fill` says.
pub(crate) fn fill_new<R, E: From<LogError>>(
    env: &Env,
    to: &Path,
    fill: impl FnOnce(&Directory) -> Result<R, E>,
) -> Result<R, E> {
    let unfinished = unfinished(to);
    for path in [to, &unfinished] {
        if env.fs().metadata(path).is_ok() {
            let dir = env.fs().display_path(path);
            return Err(LogError::AlreadyExists { dir }.into());
        }
    }
    let directory = Directory::create(env, &unfinished)?;
    let filled = fill(&directory).and_then(|filled| {
        publish(env, &unfinished, to)?;
        Ok(filled)
    });
    if filled.is_err() {
        discard(env, &directory, &unfinished, 1);
    }
    filled
}

fn unfinished(to: &Path) -> PathBuf {
    let mut name: OsString = to.file_name().unwrap_or_default().to_owned();
    name.push(UNFINISHED);
    to.with_file_name(name)
}

/// Gives the directory its name, durably.
fn publish(env: &Env, unfinished: &Path, to: &Path) -> Result<(), LogError> {
    let shown = || env.fs().display_path(to).display().to_string();
    let renamed = env.fs().rename(unfinished, to);
    renamed.map_err(|error| LogError::io(shown(), "give it its name", error))?;
    let parent = to.parent().unwrap_or(Path::new(""));
    let synced = env.fs().sync_dir(parent);
    let shown = env.fs().display_path(parent).display().to_string();
    synced.map_err(|error| LogError::io(shown, "sync the directory", error))
}

/// Removes what was written, so many levels of directories deep. What cannot be removed stays,
/// under the name that says so.
pub(crate) fn discard(env: &Env, directory: &Directory, path: &Path, levels: u32) {
    for entry in directory.names().unwrap_or_default() {
        let below = path.join(&entry.name);
        match Directory::open(env, &below) {
            Ok(within) if !entry.is_file && levels > 0 => {
                discard(env, &within, &below, levels - 1);
            }
            _ => drop(directory.remove(&entry.name)),
        }
    }
    drop(env.fs().remove_dir(path));
}

#[cfg(test)]
mod tests;
