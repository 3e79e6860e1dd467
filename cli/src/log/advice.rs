//! What a person can do about an error of a log.

use blackstart::commitlog::{ErrorClass, LogError};

/// Whether a log, or what is to be read of it, is damaged.
pub(crate) fn is_damage(error: &LogError) -> bool {
    error.class() == ErrorClass::Damage
}

/// What to do, as the end of a sentence; nothing where the error says it itself.
pub(crate) fn on(error: &LogError) -> &'static str {
    match error {
        LogError::NotFound { .. } => "; give the directory that holds the log's files",
        LogError::AlreadyExists { dir } if dir.extension() == Some("unfinished".as_ref()) => {
            "; a command was interrupted there: remove it"
        }
        LogError::AlreadyExists { .. } => "; give a directory that does not exist",
        LogError::Locked { .. } => "; end the program that has it open",
        LogError::NoSpace { .. } => {
            "; free some space, or remove old transactions: blackstart log retain DIR --from OFFSET"
        }
        LogError::ChangedWhileReading { .. } => "; try again when less is written",
        LogError::UnsupportedVersion { .. } => "; use the release of blackstart that wrote it",
        LogError::UnsupportedFeature { .. } => "; use the program that wrote it",
        LogError::ReadOnlyFeature { .. } => "; use the program that wrote it to change it",
        LogError::Foreign { .. } => "; move the files of one of the two logs elsewhere",
        error if is_damage(error) => {
            "; write what can be read into a new directory: blackstart log salvage DIR TO"
        }
        _ => "",
    }
}
