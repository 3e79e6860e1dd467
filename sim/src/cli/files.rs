//! Cases and reports on the real file system.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::UsageError;

/// Reads a text file.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads real files"
)]
pub(super) fn read(path: &Path) -> Result<String, UsageError> {
    std::fs::read_to_string(path)
        .map_err(|error| UsageError(format!("{} can't be read: {error}", path.display())))
}

/// Reads a file of any bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line reads real files"
)]
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, UsageError> {
    std::fs::read(path)
        .map_err(|error| UsageError(format!("{} can't be read: {error}", path.display())))
}

/// Writes a text file, creating its directory. Whoever reads it meets all of the text or none.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line writes real files"
)]
pub(super) fn write(path: &Path, text: &str) -> Result<(), UsageError> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", std::process::id()));
    let unfinished = PathBuf::from(unfinished);
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let done = made
        .and_then(|()| std::fs::write(&unfinished, text))
        .and_then(|()| std::fs::rename(&unfinished, path));
    done.map_err(|error| {
        // It may not be there, or its directory may not.
        let _ = std::fs::remove_file(&unfinished);
        UsageError(format!("{} can't be written: {error}", path.display()))
    })
}

/// Appends to a text file, which others append to as well.
#[expect(
    clippy::disallowed_types,
    reason = "the command line writes real files"
)]
pub(super) fn append(path: &Path, text: &str) -> Result<(), UsageError> {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| UsageError(format!("{} can't be written: {error}", path.display())))
}
