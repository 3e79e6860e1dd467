//! Which error is excused by which fault.
//!
//! | error | excused by |
//! |---|---|
//! | of the system, no space | that error number, given to a call on that file since the operation began; where work goes on in the background or failed before, since the store was opened |
//! | poisoned, memtables full | the same for its cause, at any time since the store was opened |
//! | damage in a file | damage that was read in that file, in the same time; names that others altered, a sync that took its bytes back, or a disk that lied |
//! | damage between files | damage that was read anywhere, names that were lost or altered, or a disk that lied |
//! | all others | nothing |
//!
//! Invariants:
//! - \[I1\] Faults that were stopped excuse nothing: a sighting is needed, and none is made then.

use blackstart::commitlog::{ErrorClass, LogError};
use blackstart::store::StoreError;
use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Errno, Shown, Sighting, Told};
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Ctx, Failure, Promise};

use super::Store;
use super::model::{Event, Model};

/// When the fault may have struck that excuses an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Since the operation began.
    Now,
    /// Since the store was opened: work in the background met it, or an operation before.
    Opening,
}

/// An error has to be excused by a fault.
pub(super) fn excuse(ctx: &Ctx<Store>, error: &StoreError, since: Since) -> Result<(), Failure> {
    ctx.mark("typed error");
    if was_taken_back(ctx) {
        ctx.record(Event::CacheLost)?;
    }
    if is_excused(ctx, error, since) {
        ctx.verified();
        return Ok(());
    }
    let message = format!("no fault explains: {}", with_causes(error));
    Err(Failure::new("spurious error", message))
}

/// A failed write or sync of a table, a manifest or a segment is never passed over. A write that
/// only lacks space may be tried again: the bytes of a segment stay in the buffer, and a table or a
/// manifest that lacks some is made anew under another name, maybe when nobody asks any more.
pub(super) fn must_report(sighting: &Sighting) -> bool {
    let kinds = [CallKind::Write, CallKind::SyncData, CallKind::SyncAll];
    let is_of = |part: &str| sighting.files.iter().any(|file| file.contains(part));
    let full = [Errno::Enospc, Errno::Edquot].map(Shown::Failed);
    let waits = sighting.call.kind == CallKind::Write && full.contains(&sighting.shown);
    // What a task meets in the background is told when somebody asks.
    let is_asked = sighting.call.op != 0;
    is_asked
        && !waits
        && kinds.contains(&sighting.call.kind)
        && (is_of(".log") || is_of(".tbl") || is_of("MANIFEST"))
}

fn is_excused(ctx: &Ctx<Store>, error: &StoreError, since: Since) -> bool {
    match error {
        StoreError::Log(error) => is_excused_of_log(ctx, error, since),
        StoreError::TooFewHandles { source } => is_excused_of_log(ctx, source, since),
        StoreError::MemtablesFull { source } => is_excused(ctx, source, Since::Opening),
        StoreError::Corrupt { corrupt } => is_damaged(ctx, &corrupt.file, since),
        error if error.class() == ErrorClass::Damage => may_lack_names(ctx),
        _ => false,
    }
}

fn is_excused_of_log(ctx: &Ctx<Store>, error: &LogError, since: Since) -> bool {
    match error {
        LogError::Io { file, source, .. } | LogError::NoSpace { file, source, .. } => {
            let told = Told::Errno(source.raw_os_error().unwrap_or(0));
            is_told(ctx, path(file), &told, since) || is_altered(ctx)
        }
        LogError::Poisoned { cause } => is_excused_of_log(ctx, cause, Since::Opening),
        LogError::Corrupt { corrupt, .. } => is_damaged(ctx, &corrupt.file, since),
        error if error.class() == ErrorClass::Damage => may_lack_names(ctx),
        LogError::NotFound { .. } => may_lack_names(ctx),
        LogError::Replaced { .. } => is_altered(ctx),
        _ => false,
    }
}

fn is_told(ctx: &Ctx<Store>, file: &str, told: &Told, since: Since) -> bool {
    let met = match since {
        Since::Now => ctx.reported(file, told),
        Since::Opening => ctx.recalled(file, told),
    };
    !met.is_empty()
}

/// A checksum stands behind what it covers: damage anywhere in the file will do.
fn is_damaged(ctx: &Ctx<Store>, file: &str, since: Since) -> bool {
    ctx.mark("damage reported");
    let told = Told::Bytes(0..u64::MAX);
    is_told(ctx, file, &told, since)
        || was_taken_back(ctx)
        || is_altered(ctx)
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
    // A name that was taken just before a crash is noticed by nobody before this.
    found || is_altered(ctx) || ctx.promise() != Promise::Full || was_taken_back(ctx)
}

/// Whether others have altered names or files at some time. Damage is told of the file that misses
/// another: any of them will do, and all of them are reported at once.
pub(super) fn is_altered(ctx: &Ctx<Store>) -> bool {
    for name in met_altered(ctx) {
        ctx.recalled(&name, &Told::File);
    }
    may_be_altered(ctx)
}

/// As [`is_altered`], and nothing counts as reported by it.
pub(super) fn may_be_altered(ctx: &Ctx<Store>) -> bool {
    let now = !ctx.fs().altered_names().is_empty() || ctx.has_struck("root made anew");
    now || !met_altered(ctx).is_empty() || ctx.model(Model::is_altered)
}

/// The files that were met, and that others had altered.
fn met_altered(ctx: &Ctx<Store>) -> Vec<String> {
    let sightings = ctx.fs().sightings().into_iter();
    let altered = sightings.filter(|sighting| sighting.shown == Shown::Altered);
    let names = altered.filter_map(|sighting| sighting.files.first().cloned());
    names.collect()
}

/// An opening that showed the truth has reported, or gone around, what others altered.
pub(super) fn goes_around(ctx: &Ctx<Store>) {
    for name in met_altered(ctx) {
        ctx.recalled(&name, &Told::File);
    }
}

/// Whether a failed sync has shown old bytes again.
pub(super) fn was_taken_back(ctx: &Ctx<Store>) -> bool {
    ctx.has_struck("fsync: revert to old")
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
