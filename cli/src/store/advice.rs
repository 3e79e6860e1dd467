//! What a person can do about an error of a store.

use blackstart::commitlog::{ErrorClass, LogError};
use blackstart::store::StoreError;

/// Whether a store, or what is to be read of it, is damaged.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    error.class() == ErrorClass::Damage
}

/// The error; of what is missing or in use it is the store that a person named.
pub(crate) fn said(error: &StoreError) -> String {
    match error {
        StoreError::Log(LogError::NotFound { dir }) => {
            format!("{}: there is no store", dir.display())
        }
        StoreError::Log(LogError::Locked { dir }) => {
            format!("{}: the store is in use", dir.display())
        }
        error => error.to_string(),
    }
}

/// What to do, as the end of a sentence; nothing where the error says it itself.
pub(crate) fn on(error: &StoreError) -> &'static str {
    match error {
        StoreError::Log(error) => on_log(error),
        StoreError::Corrupt { .. } | StoreError::TableMissing { .. } => {
            "; list all that is wrong: blackstart store verify DIR; \
             save what can be read: blackstart store dump --skip-damaged DIR"
        }
        StoreError::ManifestBehind { .. } | StoreError::BeyondFork { .. } => {
            "; files of two times were mixed: restore all of one backup"
        }
        StoreError::Foreign { .. } => "; give the directory of a store",
        StoreError::SuffixTooLarge { .. } => {
            "; have the log written to tables first: blackstart store compact DIR"
        }
        _ => "",
    }
}

fn on_log(error: &LogError) -> &'static str {
    match error {
        LogError::NotFound { .. } => {
            "; give the directory of a store, which holds log/, tables/ and a manifest"
        }
        LogError::AlreadyExists { dir } if dir.extension() == Some("unfinished".as_ref()) => {
            "; a command was interrupted there: remove it"
        }
        LogError::AlreadyExists { .. } => "; give a directory that does not exist",
        LogError::Locked { .. } => "; end the program that has it open",
        LogError::NoSpace { .. } => "; free some space",
        LogError::ChangedWhileReading { .. } => "; try again when less is written",
        LogError::UnsupportedVersion { .. } => "; use the release of blackstart that wrote it",
        LogError::UnsupportedFeature { .. } => "; use the program that wrote it",
        LogError::ReadOnlyFeature { .. } => "; use the program that wrote it to change it",
        error if error.class() == ErrorClass::Damage => {
            "; list all that is wrong: blackstart store verify DIR; \
             save what can be read: blackstart store dump --skip-damaged DIR"
        }
        _ => "",
    }
}
