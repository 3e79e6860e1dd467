//! A log opened for reading only.

use std::path::Path;

use blackstart_vfs::Env;

use super::{LogError, LogOptions, Reader, RecoveryReport, TxOffset};

/// A log opened for reading only: it takes no lock, writes nothing, and may be looked at while
/// another process writes.
#[derive(Debug)]
pub struct ReadOnlyLog {}

impl ReadOnlyLog {
    /// Opens the log in `dir` as it is now.
    pub fn open(
        _env: &Env,
        _dir: impl AsRef<Path>,
        _options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        todo!()
    }

    /// Looks again: what was written since becomes visible.
    pub fn refresh(&self) -> Result<RecoveryReport, LogError> {
        todo!()
    }

    /// A reader from the commit that holds `from` on.
    pub fn reader(&self, _from: TxOffset) -> Result<Reader, LogError> {
        todo!()
    }

    /// The offset before which all transactions are visible.
    pub fn visible_through(&self) -> TxOffset {
        todo!()
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        todo!()
    }
}
