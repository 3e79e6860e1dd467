//! Which error is excused by which fault.
//!
//! | error | excused by |
//! |---|---|
//! | of the system, no space | that error number, given to a call on that file |
//! | poisoned, memtables full | the same for its cause, at any time since the store was opened |
//! | damage in a file | damage that was read in that file, a sync that took its bytes back, or a disk that lied |
//! | damage between files | damage that was read anywhere, names that were lost, or a disk that lied |
//! | all others | nothing |

use blackstart::commitlog::{ErrorClass, LogError};
use blackstart::store::StoreError;
use blackstart_sim::disk::{Shown, Told};
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Ctx, Failure, Promise};

use super::Store;
use super::model::Event;

/// An error has to be excused by a fault.
pub(super) fn excuse(ctx: &Ctx<Store>, error: &StoreError) -> Result<(), Failure> {
    ctx.mark("typed error");
    if ctx.has_struck("fsync: revert to old") {
        ctx.record(Event::CacheLost)?;
    }
    if is_excused(ctx, error) {
        ctx.verified();
        return Ok(());
    }
    let message = format!("no fault explains: {}", with_causes(error));
    Err(Failure::new("spurious error", message))
}

fn is_excused(ctx: &Ctx<Store>, error: &StoreError) -> bool {
    match error {
        StoreError::Log(error) => is_excused_of_log(ctx, error),
        StoreError::TooFewHandles { source } => is_excused_of_log(ctx, source),
        StoreError::MemtablesFull { source } => {
            is_excused(ctx, source)
                || ctx.faults_struck() > 0 && source.class() != ErrorClass::Caller
        }
        StoreError::Corrupt { corrupt } => {
            ctx.mark("damage reported");
            is_damaged(ctx, &corrupt.file)
        }
        StoreError::TableMissing { .. }
        | StoreError::ManifestBehind { .. }
        | StoreError::Foreign { .. } => may_lack_names(ctx),
        _ => false,
    }
}

fn is_excused_of_log(ctx: &Ctx<Store>, error: &LogError) -> bool {
    match error {
        LogError::Io { file, source, .. } | LogError::NoSpace { file, source, .. } => {
            let told = Told::Errno(source.raw_os_error().unwrap_or(0));
            !ctx.recalled(path(file), &told).is_empty()
        }
        LogError::Poisoned { cause } => is_excused_of_log(ctx, cause),
        LogError::Corrupt { corrupt, .. } => {
            ctx.mark("damage reported");
            is_damaged(ctx, &corrupt.file)
        }
        error if error.class() == ErrorClass::Damage => may_lack_names(ctx),
        LogError::NotFound { .. } => may_lack_names(ctx),
        _ => false,
    }
}

/// A checksum stands behind what it covers: damage anywhere in the file will do.
fn is_damaged(ctx: &Ctx<Store>, file: &str) -> bool {
    let told = Told::Bytes(0..u64::MAX);
    !ctx.recalled(file, &told).is_empty()
        || ctx.has_struck("fsync: revert to old")
        || ctx.promise() == Promise::PrefixOnly
}

/// Damage between files: what was read anywhere will do, and counts as reported.
fn may_lack_names(ctx: &Ctx<Store>) -> bool {
    ctx.mark("damage reported");
    let mut found = false;
    for sighting in ctx.fs().sightings() {
        if let (Some(file), Shown::Damaged(bytes)) = (sighting.files.first(), &sighting.shown) {
            found |= !ctx.recalled(file, &Told::Bytes(bytes.clone())).is_empty();
        }
    }
    found || ctx.promise() != Promise::Full || ctx.has_struck("fsync: revert to old")
}

/// The path that errors call `.` for a store's own directory.
fn path(file: &str) -> &str {
    match file {
        "." => "",
        file => file,
    }
}

/// Whether the store takes more writes after this error.
pub(super) fn is_usable(ctx: &Ctx<Store>, error: &StoreError) -> bool {
    match error.class() {
        ErrorClass::NoSpace => {
            ctx.mark("no space, went on");
            true
        }
        _ => {
            ctx.mark("poisoned");
            false
        }
    }
}
