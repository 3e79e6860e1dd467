//! The archive hook: each segment gets a second name before retention takes the first one away.
//!
//! | checked | where |
//! |---|---|
//! | the hook sees a file that is there, at least as long as it is told, holding what was committed | in the hook |
//! | nothing is retired that was not archived, whole history from offset 0 on | the model, at each opening |
//! | the archived files still hold what they held | [`check`], at each opening |
//!
//! The hook refuses each segment once if the case says so.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart::commitlog::{ArchiveError, ArchiveSegment, Log, ReadOnlyLog};
use blackstart_sim::disk::Told;
use blackstart_sim::{Failure, Promise};
use blackstart_vfs::{FileExt, Mutex, OpenOptions};

use super::beside;
use super::drive::{Context, append};
use super::history::{Archived, Event};
use super::op::{Archive, Level};
use super::opening::{dir, options};
use super::readers::{drain_to, read};
use super::sight::Moment;

/// Where archived segments go.
const DIR: &str = "archive";

/// The log that a hook may use while retention waits for it.
#[derive(Clone)]
pub(super) struct Desk(Arc<Mutex<Option<Log>>>);

impl Desk {
    /// There is none yet.
    pub fn of(ctx: &Context) -> Self {
        Self(Arc::new(Mutex::new(ctx.env(), None)))
    }

    /// Does `retain` while a hook may use the log.
    pub fn lend<R>(&self, ctx: &Context, log: &Log, retain: impl FnOnce() -> R) -> R {
        if ctx.config().archive != Archive::Using {
            return retain();
        }
        *self.0.lock() = Some(log.clone());
        let retained = retain();
        *self.0.lock() = None;
        retained
    }

    fn log(&self, ctx: &Context) -> Option<Log> {
        let is_used = ctx.config().archive == Archive::Using;
        is_used.then(|| self.0.lock().clone()).flatten()
    }
}

/// A hook commits, reads and pins, as any client may.
fn use_log(ctx: &Context, log: &Log) -> Result<(), Failure> {
    ctx.mark("an archive hook used the log");
    let is_usable = append(ctx, log, 1, 16, Level::Os)?;
    if !is_usable {
        return Ok(());
    }
    match beside::pin(ctx, log, 1)? {
        Some(pin) => beside::unpin(ctx, pin)?,
        None => return Ok(()),
    }
    read(ctx, log, 1)
}

/// Why the hook failed.
#[derive(Debug)]
pub(super) enum HookFailed {
    /// It was to refuse this segment.
    Refused,
    /// The system failed it.
    Io {
        /// On this file.
        file: String,
        /// With this number.
        number: i32,
    },
}

impl fmt::Display for HookFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("not yet"),
            Self::Io { file, number } => write!(f, "{file}: error number {number}"),
        }
    }
}

impl std::error::Error for HookFailed {}

/// Called by retention with a segment that it is about to remove.
pub(super) fn hook(
    ctx: &Context,
    desk: &Desk,
    segment: &ArchiveSegment,
) -> Result<(), ArchiveError> {
    let (first, end) = (segment.range.start.get(), segment.range.end.get());
    if ctx.config().archive == Archive::Refusing && !ctx.model(|model| model.was_refused(first)) {
        judge(ctx, ctx.record(Event::ArchiveRefused { first }));
        ctx.mark("archive refused");
        return Err(Box::new(HookFailed::Refused));
    }
    if is_cut_beside(ctx) {
        // Another client's cut may take the segment while this looks at it: it comes again.
        return Err(Box::new(HookFailed::Refused));
    }
    look_into(ctx, segment);
    if let Some(log) = desk.log(ctx) {
        judge(ctx, use_log(ctx, &log));
    }
    let stored = store(ctx, &segment.path, segment.bytes);
    if is_cut_beside(ctx) {
        return Err(Box::new(HookFailed::Refused));
    }
    let (bytes, hash) = stored?;
    if bytes != segment.bytes {
        let message = format!(
            "the hook was told that {} has at least {} bytes; it has {bytes}",
            segment.path.display(),
            segment.bytes
        );
        ctx.fail(Failure::new("archive", message));
    }
    let archived = Archived { end, bytes, hash };
    judge(ctx, ctx.record(Event::Archived { first, archived }));
    ctx.mark("archived a segment");
    Ok(())
}

/// Whether other clients have begun to cut in this era: retention may have chosen before.
fn is_cut_beside(ctx: &Context) -> bool {
    ctx.clients().len() > 1 && ctx.model(|model| !model.ended.is_empty() || model.is_cutting)
}

/// A hook can't give a failure to its caller.
fn judge(ctx: &Context, judged: Result<(), Failure>) {
    if let Err(failure) = judged {
        ctx.fail(failure);
    }
}

/// What the segment is said to hold can be read by anyone who opens the log now.
fn look_into(ctx: &Context, segment: &ArchiveSegment) {
    let (from, end) = (segment.range.start, segment.range.end);
    let began = ctx.model(Moment::of);
    let mut found = Vec::new();
    let read = ReadOnlyLog::open(ctx.env(), dir(ctx), options(ctx))
        .and_then(|(log, _)| log.reader(from))
        .and_then(|mut reader| drain_to(&mut reader, end, &mut found));
    if ctx.clients().len() > 1 && ctx.model(|model| began.is_raced(model)) {
        // Another client cuts what it was to see.
        return;
    }
    match read {
        Ok(()) => {
            found.retain(|item| item.offset < end.get());
            let promise = ctx.promise();
            let judged = ctx.record(Event::Read {
                found,
                from: from.get(),
                acked_through: end.get(),
                is_synced: false,
                promise,
            });
            if judged.is_ok() {
                ctx.verified();
            }
            judge(ctx, judged);
        }
        Err(error) => judge(ctx, super::excuse::excuse_reader(ctx, &error)),
    }
}

/// Where a segment goes.
fn place(path: &Path) -> PathBuf {
    Path::new(DIR).join(path)
}

/// Gives a segment its second name, durably. What has that name already is an older segment of a
/// history that was cut. Gives its length and a hash of its bytes.
fn store(ctx: &Context, path: &Path, bytes: u64) -> Result<(u64, u64), HookFailed> {
    let fs = ctx.env().fs();
    let to = place(path);
    match fs.create_dir(Path::new(DIR)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(Path::new(DIR), &error));
        }
        _ => {}
    }
    fs.sync_dir(Path::new(""))
        .map_err(|error| failed(Path::new(""), &error))?;
    match fs.remove_file(&to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&to, &error)),
        _ => {}
    }
    fs.hard_link(path, &to)
        .map_err(|error| failed(&to, &error))?;
    fs.sync_dir(Path::new(DIR))
        .map_err(|error| failed(Path::new(DIR), &error))?;
    digest(ctx, &to, bytes).map_err(|error| failed(&to, &error))
}

fn failed(file: &Path, error: &io::Error) -> HookFailed {
    HookFailed::Io {
        file: file.display().to_string(),
        number: error.raw_os_error().unwrap_or(0),
    }
}

/// How many of a file's first `bytes` bytes there are, and a hash of them.
pub(super) fn digest(ctx: &Context, path: &Path, bytes: u64) -> io::Result<(u64, u64)> {
    let file = ctx.env().fs().open(path, OpenOptions::new().read())?;
    let mut bytes = vec![0; file.len()?.min(bytes) as usize];
    let count = file.read_full_at(&mut bytes, 0)?;
    bytes.truncate(count);
    let hash = bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
    Ok((count as u64, hash))
}

/// All that was retired is in the archive as it was when it got there.
pub(super) fn check(ctx: &Context) -> Result<(), Failure> {
    let is_altered = ctx.model(super::Model::is_altered);
    if ctx.promise() > Promise::Full || is_altered || ctx.config().archive == Archive::Off {
        return Ok(());
    }
    for (first, archived) in ctx.model(super::Model::retired) {
        let name = format!("{first:020}.log");
        let path = place(Path::new(&name));
        let now = match digest(ctx, &path, archived.bytes) {
            Ok(now) => now,
            Err(_) if ctx.faults_struck() > 0 => continue,
            Err(error) => {
                return Err(Failure::new(
                    "archive",
                    format!("{}: {error}", path.display()),
                ));
            }
        };
        let told = Told::Bytes(0..u64::MAX);
        if now != (archived.bytes, archived.hash)
            && ctx.reported(&path.to_string_lossy(), &told).is_empty()
        {
            let message = format!(
                "{} was archived with {} bytes, and holds others: {} bytes",
                path.display(),
                archived.bytes,
                now.0
            );
            return Err(Failure::new("archive", message));
        }
    }
    Ok(())
}
