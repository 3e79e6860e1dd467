//! Case files on the real file system.

use std::path::Path;

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

/// Writes a text file, creating its directory.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line writes real files"
)]
pub(super) fn write(path: &Path, text: &str) -> Result<(), UsageError> {
    let done = match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent).and_then(|()| std::fs::write(path, text)),
        None => std::fs::write(path, text),
    };
    done.map_err(|error| UsageError(format!("{} can't be written: {error}", path.display())))
}
