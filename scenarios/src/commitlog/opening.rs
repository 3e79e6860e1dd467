//! Opening the log, reading all of it, and what must hold of that.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use blackstart::commitlog::{
    Epoch, ErrorClass, Log, LogEnd, LogError, LogOptions, RecoveryReport, TxOffset,
};
use blackstart_sim::disk::{Shown, Told};
use blackstart_sim::{Failure, Promise};

use super::archive::{self, Desk};
use super::drive::Context;
use super::ending::must_work;
use super::excuse::{excuse, is_altered, may_be_altered};
use super::history::{Event, Opened};
use super::op::Archive;
use super::readers::drain;
use super::salvaged::salvage;
use super::visit::{begin, open_and_visit};

/// A byte that became zero may have been the last one that was not.
const SECTOR: u64 = 512;
/// So many bytes of a slot of the superblock, which has a sector of its own, say something.
const SLOT_BYTES_USED: u64 = 68;

/// The options that a case describes.
pub(super) fn options(ctx: &Context) -> LogOptions {
    let config = ctx.config();
    LogOptions::new()
        .create(true)
        .segment_bytes_max(config.segment_bytes_max)
        .buffer_bytes_max(config.buffer_bytes_max)
        .preallocate_bytes(config.preallocate_bytes)
}

/// The same for a writer.
pub(super) fn writer_options(ctx: &Context, desk: &Desk) -> LogOptions {
    let mut options = options(ctx);
    if ctx.config().knows_durable {
        let (epoch, through) = ctx.model(|model| (model.epoch, model.synced_through));
        options = options.durable_through(Epoch::new(epoch), TxOffset::new(through));
    }
    if ctx.config().archive != Archive::Off {
        let (hook_ctx, hook_desk) = (ctx.clone(), desk.clone());
        options = options.archive(move |segment| archive::hook(&hook_ctx, &hook_desk, segment));
    }
    options
}

/// Where the log is.
pub(super) fn dir(ctx: &Context) -> &'static Path {
    Path::new(if ctx.config().is_below {
        "above/below"
    } else {
        ""
    })
}

/// Opens the log, reads everything, and lets the model judge. None if it can't be opened for an
/// excusable reason.
pub(super) fn open(ctx: &Context, desk: &Desk) -> Result<Option<Log>, Failure> {
    open_keeping(ctx, desk, None)
}

/// The same, and retires what is below an offset.
pub(super) fn open_keeping(
    ctx: &Context,
    desk: &Desk,
    retain: Option<u64>,
) -> Result<Option<Log>, Failure> {
    let error = match open_once(ctx, desk, retain)? {
        Ok(log) => return Ok(Some(log)),
        Err(error) => error,
    };
    excuse(ctx, &error)?;
    if tells_alteration(ctx, &error) {
        return Ok(None);
    }
    let is_damage = ctx.promise() == Promise::DamageReported && tells_damage(&error);
    if ctx.config().salvages && is_damage && !ctx.fs().damaged_files().is_empty() {
        return salvage(ctx).map(|()| None);
    }
    // Liveness: once faults stop, it must open.
    ctx.heal();
    match open_once(ctx, desk, None)? {
        Ok(log) => Ok(Some(log)),
        Err(error) if tells_alteration(ctx, &error) => Ok(None),
        Err(error) => must_work(ctx, &error).map(|()| None),
    }
}

/// Whether an error reports what others did to the files. That stays done, also when faults stop.
fn tells_alteration(ctx: &Context, error: &LogError) -> bool {
    let is_missing = matches!(
        error,
        LogError::Gap { .. } | LogError::SegmentMissing { .. } | LogError::SegmentsMissing { .. }
    );
    // A name that was taken just before a crash is noticed by nobody before this.
    let is_told = is_missing && ctx.promise() == Promise::DamageReported;
    error.class() == ErrorClass::Damage && (is_altered(ctx) || is_told)
}

/// Whether an error is one that salvage is there for.
const fn tells_damage(error: &LogError) -> bool {
    matches!(
        error,
        LogError::Corrupt { .. }
            | LogError::Gap { .. }
            | LogError::SegmentMissing { .. }
            | LogError::SegmentsMissing { .. }
    )
}

fn open_once(
    ctx: &Context,
    desk: &Desk,
    retain: Option<u64>,
) -> Result<Result<Log, LogError>, Failure> {
    let known = ctx.config().knows_durable;
    let known = known.then(|| ctx.model(super::Model::known_durable));
    let mut options = writer_options(ctx, desk);
    if let Some(retain) = retain {
        options = options.retain_from(TxOffset::new(retain));
    }
    let opened = open_with(ctx, options, known)?;
    Ok(opened.map(|(log, _)| log))
}

/// Opens the log, reads everything, and lets the model judge.
pub(super) fn open_with(
    ctx: &Context,
    options: LogOptions,
    known: Option<u64>,
) -> Result<Result<(Log, RecoveryReport), LogError>, Failure> {
    ctx.record(Event::OpenBegan {
        is_wide: ctx.has_struck("garbage sector"),
        altered: ctx.fs().altered_names(),
        is_renewed: ctx.has_struck("root made anew"),
    })?;
    let began = begin(ctx)?;
    let there = names(ctx);
    let before = ctx.fs().sightings().len();
    let (opened, visited) = open_and_visit(ctx, began.options(options));
    let (log, report) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            // Its recovery may have been at its end: what it would have reported went with it, as
            // in a crash at that place.
            if ctx.promise() == Promise::DamageReported && !tells_damage(&error) {
                ctx.record(Event::Dropped)?;
            }
            return Ok(Err(error));
        }
    };
    tells_lost_record(ctx, before, &report)?;
    let is_covered = reports_damage(ctx, &report);
    let reports_lost_record =
        report.superblock_lost && !ctx.reported("lock", &Told::Bytes(0..u64::MAX)).is_empty();
    let is_renewed = ctx.model(|model| model.is_renewed);
    let mut found = Vec::new();
    let read = log
        .reader(report.oldest)
        .and_then(|mut reader| drain(&mut reader, &mut found));
    if let Err(error) = read {
        if bytes_dropped(&report) > 0 {
            ctx.record(Event::Dropped)?;
        }
        return Ok(Err(error));
    }
    began.judge(ctx, &report, &found)?;
    visited.judge(ctx, &report, &found)?;
    nothing_left_out(ctx, &there, &log, &report)?;
    for note in &report.files {
        ctx.reported(&note.file, &Told::File);
    }
    mark(ctx, &report);
    ctx.record(Event::Opened(Opened {
        oldest: report.oldest.get(),
        next: report.next.get(),
        epoch: report.epoch.get(),
        incarnation: report.incarnation.get(),
        is_on_record: !report.closed || report.superblock_lost,
        found,
        closed: report.closed,
        reports_damage: is_covered,
        reports_lost_record,
        is_archived: ctx.config().archive != Archive::Off,
        known: known.filter(|_| !is_renewed),
        promise: match is_renewed {
            true => Promise::PrefixOnly,
            false => ctx.promise(),
        },
    }))?;
    ctx.verified();
    mark_outcome(ctx);
    archive::check(ctx)?;
    Ok(Ok((log, report)))
}

/// Marks what became of commits.
fn mark_outcome(ctx: &Context) {
    let (survived, lost) =
        ctx.model(|model| (model.survived_unacknowledged, model.lost_acknowledged));
    if survived {
        ctx.mark("unacknowledged commit survived");
    }
    if lost {
        ctx.mark("acknowledged commit lost below its level");
        if ctx.promise() > Promise::Full {
            ctx.mark("dropped bytes excused by damage");
        }
    }
}

/// The names in the log's directory.
fn names(ctx: &Context) -> Vec<String> {
    let prefix = dir(ctx);
    let names = ctx.fs().file_names().into_iter();
    let own = names.filter_map(|name| {
        let own = Path::new(&name).strip_prefix(prefix).ok()?;
        let is_direct = own.components().count() == 1;
        is_direct.then(|| own.to_string_lossy().into_owned())
    });
    own.collect()
}

/// Each file that was there is a segment of the log, the superblock, or named in the report.
fn nothing_left_out(
    ctx: &Context,
    there: &[String],
    log: &Log,
    report: &RecoveryReport,
) -> Result<(), Failure> {
    // Others may take a name, or the directory, while it is listed.
    if ctx.has_struck("root made anew") || ctx.has_struck("file removed while it runs") {
        return Ok(());
    }
    let segments = log.segments();
    let own = segments
        .iter()
        .filter_map(|segment| segment.path.file_name());
    let mut known: BTreeSet<String> = own
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    known.extend(report.files.iter().map(|note| note.file.clone()));
    // What an opening is told to retire, it removes.
    let is_retired = |name: &str| {
        let first = name
            .strip_suffix(".log")
            .and_then(|first| first.parse().ok());
        first.is_some_and(|first: u64| first < report.oldest.get())
            && ctx.env().fs().metadata(&dir(ctx).join(name)).is_err()
    };
    let mut left = there
        .iter()
        .filter(|name| *name != "lock" && !known.contains(*name));
    match left.find(|name| !is_retired(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            "nothing is left out",
            format!("{name} was there, is no part of the log, and the report does not name it"),
        )),
    }
}

/// A slot of the superblock that is damaged may be the newest one.
fn tells_lost_record(ctx: &Context, before: usize, report: &RecoveryReport) -> Result<(), Failure> {
    let is_slot = |bytes: &Range<u64>| {
        let at = bytes.start % SECTOR;
        at < SLOT_BYTES_USED && at + (bytes.end - bytes.start) <= SLOT_BYTES_USED
    };
    let sightings = ctx.fs().sightings();
    let mut sightings = sightings.iter().skip(before);
    let is_met = sightings.any(|sighting| {
        let is_record = sighting.files.iter().any(|file| file.ends_with("lock"));
        is_record && matches!(&sighting.shown, Shown::Damaged(bytes) if is_slot(bytes))
    });
    if !is_met || report.superblock_lost || report.created || may_be_altered(ctx) {
        return Ok(());
    }
    let message = "a slot of the superblock is damaged, and the report does not tell";
    Err(Failure::new("damage is reported", message))
}

/// Whether bytes were dropped, and the report names those that were damaged.
fn reports_damage(ctx: &Context, report: &RecoveryReport) -> bool {
    let LogEnd::Tail(tail) = &report.end else {
        return false;
    };
    let at = tail.at.get();
    let told = Told::Bytes(at..at.saturating_add(tail.bytes + SECTOR));
    !ctx.reported(&tail.file, &told).is_empty()
}

fn bytes_dropped(report: &RecoveryReport) -> u64 {
    match &report.end {
        LogEnd::Tail(tail) => tail.bytes,
        _ => 0,
    }
}

fn mark(ctx: &Context, report: &RecoveryReport) {
    if report.created {
        ctx.mark("created");
    }
    if report.closed {
        ctx.mark("opened clean");
    }
    if bytes_dropped(report) > 0 {
        ctx.mark("opened with a torn tail");
    }
    if report.segments > 1 {
        ctx.mark("several segments at opening");
    }
    if report.files.iter().any(|note| note.removed) {
        ctx.mark("unfinished file removed at opening");
    }
}
