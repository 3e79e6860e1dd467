//! Which error is excused by which fault.
//!
//! | error | excused by |
//! |---|---|
//! | of the system, with a file | that error number, given to a call on that file since the operation began |
//! | poisoned | the same for its cause, at any time since the log was opened; never a failed read, nor anything about the superblock; a file that could not be made longer or shorter only where the log has to cut it: behind a write that lacked space, at a cut, or when it is closed |
//! | archive | the hook's own refusal, or a fault that the hook met |
//! | damage in a file | damage that was read in that file, names that others altered, a sync that took its bytes back, or a disk that lied |
//! | damage between files | the same in any segment, or in the superblock |
//! | an offset beyond the end | a sync that took bytes back, as what was seen before is; a disk that lied |
//! | an offset that is no boundary, or gone; a log that is not there | a disk that lied |
//! | all others | nothing |
//!
//! Invariants:
//! - \[I1\] Faults that were stopped excuse nothing: a sighting is needed, and none is made then.

use blackstart::commitlog::LogError;
use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Errno, Shown, Sighting, Told};
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Failure, Promise};

use super::archive::HookFailed;
use super::drive::Context;
use super::history::Event;

/// Damage is looked for so many bytes before the place that an error names: the place is that of
/// a field, and the damage may be in the frame's head before it.
const HEAD_BYTES: u64 = 128;

/// An error has to be excused by a fault that the operation met.
pub(super) fn excuse(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    ctx.mark("typed error");
    if ctx.has_struck("fsync: revert to old") {
        ctx.record(Event::CacheLost)?;
    }
    if is_excused(ctx, error) {
        // Whatever else it read, it gave no answer.
        ctx.verified();
        return Ok(());
    }
    Err(Failure::new(
        "spurious error",
        format!("no fault explains: {}", with_causes(error)),
    ))
}

/// As [`excuse`]; and other clients, or a retirement that failed, may have retired what a reader
/// asked for.
pub(super) fn excuse_reader(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    match error {
        LogError::HistoryGone { asked, .. }
            if ctx.clients().len() > 1
                || ctx.model(|model| model.retain.is_some_and(|retain| asked.get() < retain)) =>
        {
            Ok(())
        }
        error => excuse(ctx, error),
    }
}

/// A failed write or sync of a segment is never passed over. A write that only lacks space may be
/// tried again: its bytes stay in the buffer.
pub(super) fn must_report(sighting: &Sighting) -> bool {
    let kinds = [CallKind::Write, CallKind::SyncData, CallKind::SyncAll];
    let is_log = sighting.files.iter().any(|file| file.ends_with(".log"));
    let full = [Errno::Enospc, Errno::Edquot].map(Shown::Failed);
    let waits = sighting.call.kind == CallKind::Write && full.contains(&sighting.shown);
    is_log && kinds.contains(&sighting.call.kind) && !waits
}

fn is_excused(ctx: &Context, error: &LogError) -> bool {
    match error {
        LogError::Io { file, source, .. } | LogError::NoSpace { file, source, .. } => {
            let told = Told::Errno(source.raw_os_error().unwrap_or(0));
            !ctx.reported(path(file), &told).is_empty() || is_altered(ctx)
        }
        LogError::Replaced { .. } => is_altered(ctx),
        LogError::Poisoned { cause } => poisons(ctx, cause),
        LogError::Archive { source, .. } => match source.downcast_ref() {
            Some(HookFailed::Refused) => true,
            Some(HookFailed::Io { file, number }) => {
                !ctx.reported(file, &Told::Errno(*number)).is_empty() || is_altered(ctx)
            }
            None => false,
        },
        LogError::Corrupt { corrupt, .. } => {
            ctx.mark("damage reported");
            let from = corrupt.defect.at.get().saturating_sub(HEAD_BYTES);
            let told = Told::Bytes(from..u64::MAX);
            !ctx.reported(&corrupt.file, &told).is_empty()
                || was_taken_back(ctx, Some(&corrupt.file))
                || is_altered(ctx)
                || has_lied(ctx)
        }
        LogError::Gap { .. }
        | LogError::Overlap { .. }
        | LogError::WrongPredecessor { .. }
        | LogError::SegmentMissing { .. }
        | LogError::Foreign { .. }
        | LogError::UnsupportedVersion { .. }
        | LogError::UnsupportedFeature { .. }
        | LogError::ReadOnlyFeature { .. }
        | LogError::SegmentsMissing { .. } => {
            ctx.mark("damage reported");
            let is_damaged = is_damaged(ctx) || is_altered(ctx);
            // A name that was taken just before a crash is noticed by nobody before this.
            let is_told = ctx.promise() == Promise::DamageReported;
            is_damaged || is_told || was_taken_back(ctx, None) || has_lied(ctx)
        }
        // A reader was shown more than the operating system still has.
        LogError::BeyondEnd { .. } => was_taken_back(ctx, None) || has_lied(ctx) || is_altered(ctx),
        // What a disk that lied has lost, the model does not know.
        LogError::NotACommitBoundary { .. }
        | LogError::HistoryGone { .. }
        | LogError::NotFound { .. } => has_lied(ctx) || is_altered(ctx),
        _ => false,
    }
}

/// Whether a failure is one that a fault explains, at whatever time, and one that poisons.
fn poisons(ctx: &Context, cause: &LogError) -> bool {
    // A lack of space poisons if what was written in part can't be cut back.
    if matches!(cause, LogError::Replaced { .. }) {
        return is_altered(ctx);
    }
    let (LogError::Io { file, source, .. } | LogError::NoSpace { file, source, .. }) = cause else {
        return false;
    };
    let told = Told::Errno(source.raw_os_error().unwrap_or(0));
    let met = ctx.recalled(path(file), &told);
    let is_record = file.starts_with("lock");
    !is_record && met.iter().any(|met| may_poison(ctx, met))
}

/// Whether the log can't do without what failed.
fn may_poison(ctx: &Context, met: &Sighting) -> bool {
    match met.call.kind {
        CallKind::Read => false,
        CallKind::SetLen => has_to_cut(ctx, met),
        _ => true,
    }
}

/// Whether a call that failed to change a file's length was there to cut off what must go. Another
/// makes it longer beforehand.
fn has_to_cut(ctx: &Context, met: &Sighting) -> bool {
    let op = met.call.op;
    let clients = ctx.clients().into_iter();
    let steps: Vec<_> = clients.flat_map(|client| ctx.steps(client)).collect();
    // The log is closed behind the last step, of several clients outside of any.
    let is_last = op == 0 || steps.iter().all(|step| step.id <= op);
    let mut steps = steps.iter().filter(|step| step.id == op);
    let may_cut = is_last || steps.any(|step| step.op.cuts_files());
    let full = [Errno::Enospc, Errno::Edquot].map(Shown::Failed);
    let is_failed_write = |other: &Sighting| {
        other.call.kind == CallKind::Write && full.contains(&other.shown) && other.call.op == op
    };
    may_cut || ctx.fs().sightings().iter().any(is_failed_write)
}

/// Damage between segments is told of the one or the other: any damage that was read will do.
fn is_damaged(ctx: &Context) -> bool {
    let mut found = false;
    for sighting in damage(ctx) {
        if let (Some(file), Shown::Damaged(bytes)) = (sighting.files.first(), &sighting.shown) {
            found |= !ctx.reported(file, &Told::Bytes(bytes.clone())).is_empty();
        }
    }
    found
}

/// Whether others have altered names or files at some time. Damage is told of the file that misses
/// another: any of them will do, and all of them are reported at once.
pub(super) fn is_altered(ctx: &Context) -> bool {
    for name in met_altered(ctx) {
        ctx.reported(&name, &Told::File);
    }
    let now = !ctx.fs().altered_names().is_empty() || ctx.has_struck("root made anew");
    now || ctx.model(super::Model::is_altered)
}

/// As [`is_altered`], and nothing counts as reported by it.
pub(super) fn may_be_altered(ctx: &Context) -> bool {
    let now = !ctx.fs().altered_names().is_empty() || ctx.has_struck("root made anew");
    now || !met_altered(ctx).is_empty() || ctx.model(super::Model::is_altered)
}

/// An operation that answers with nothing of what it read has met altered names: a superblock is
/// written again, a temporary name is passed over, a segment takes another one's name. What the
/// opening made of them was judged then.
pub(super) fn goes_around(ctx: &Context) {
    for name in met_altered(ctx) {
        ctx.reported(&name, &Told::File);
    }
}

/// The files that were met, and that others had altered.
fn met_altered(ctx: &Context) -> Vec<String> {
    let sightings = ctx.fs().sightings().into_iter();
    let altered = sightings.filter(|sighting| sighting.shown == Shown::Altered);
    let names = altered.filter_map(|sighting| sighting.files.first().cloned());
    names.collect()
}

/// What was read of damaged files of the log.
fn damage(ctx: &Context) -> impl Iterator<Item = Sighting> {
    let sightings = ctx.fs().sightings().into_iter();
    sightings.filter(|sighting| {
        let is_log = |file: &String| file.ends_with(".log") || file == "lock";
        sighting.files.iter().any(is_log) && matches!(sighting.shown, Shown::Damaged(_))
    })
}

/// Whether a failed sync has shown the old bytes of a file again.
fn was_taken_back(ctx: &Context, file: Option<&str>) -> bool {
    let sightings = ctx.fs().sightings();
    sightings.iter().any(|sighting| {
        let is_it = file.is_none_or(|file| sighting.files.iter().any(|name| name == file));
        is_it && sighting.kind == "fsync: revert to old"
    })
}

fn has_lied(ctx: &Context) -> bool {
    ctx.promise() == Promise::PrefixOnly
}

/// The path that the log's errors call `.` for its own directory.
fn path(file: &str) -> &str {
    match file {
        "." => "",
        file => file,
    }
}

/// Whether the log takes more writes after this error.
pub(super) fn is_usable(ctx: &Context, error: &LogError) -> bool {
    match error {
        LogError::NoSpace { .. } => {
            ctx.mark("no space, went on");
            true
        }
        LogError::Archive { .. } => true,
        LogError::Poisoned { .. } | LogError::Io { .. } => {
            ctx.mark("poisoned");
            false
        }
        _ => false,
    }
}
