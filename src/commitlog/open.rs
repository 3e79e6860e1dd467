//! Opening a log for writing.
//!
//! Lock the directory, plan, apply, and only then show anything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blackstart_vfs::{Env, Lock, Mutex};

use super::commit::Visitor;
use super::core::Core;
use super::creation::Creation;
use super::directory::Directory;
use super::error::{Failure, LogError};
use super::header::{SegmentFlags, SegmentHeader};
use super::index::SparseIndex;
use super::keeper::SuperblockKeeper;
use super::options::LogOptions;
use super::queue::Queue;
use super::records;
use super::recovery::apply::{apply_cut, remove_files, reopen, take_over};
use super::recovery::continuity::Cut;
use super::recovery::plan::{Takeover, plan_and_visit};
use super::recovery::scan::Visit;
use super::recovery::{Beforehand, Plan, Planned};
use super::report::{FileNote, FileReason, LogEnd, RecoveryReport};
use super::retain::{archive, remove, retirable};
use super::segment::{NewSegment, Sealed, Segment};
use super::source::LogSource;
use super::state::{Active, Phase, Shared, State, TailBuffer};
use super::superblock::Superblock;
use super::writer::Writer;
use super::{Epoch, Incarnation, LogId, TxOffset};

/// A queue smaller than this is never drained early.
const QUEUE_BYTES_MIN: u64 = 64 << 10;

/// An open log before it gets its handle.
struct Opened {
    state: State,
    file_len: u64,
    keeper: SuperblockKeeper,
    report: RecoveryReport,
}

/// Opens the log in `dir`. Commits from an offset on are handed to a visitor.
pub(crate) fn open(
    env: &Env,
    dir: &Path,
    options: LogOptions,
    visit: Option<(TxOffset, &mut Visitor<'_>)>,
) -> Result<(Core, RecoveryReport), LogError> {
    options.check()?;
    let began = env.clock().monotonic();
    let may_create = options.create || options.create_new;
    let directory = match Directory::open(env, dir) {
        Err(LogError::NotFound { .. }) if may_create => Directory::create(env, dir)?,
        opened => opened?,
    };
    let lock = directory.lock()?;
    let incarnation = Incarnation::new(u64::from_le_bytes(directory.draw()?));
    let visit = visit.map(|(from, visitor)| Visit { from, visitor });
    let opened = match plan_and_visit(&directory, Beforehand::of(&options), visit)? {
        Planned::Log(plan) => existing(&directory, &options, incarnation, *plan)?,
        Planned::Nothing { files } => create(&directory, &options, incarnation, files)?,
    };
    let (core, mut report) = assemble(directory, options, incarnation, lock, opened)?;
    report.elapsed = env.clock().monotonic().saturating_since(began);
    Ok((core, report))
}

/// Opens a log that exists.
fn existing(
    directory: &Directory,
    options: &LogOptions,
    incarnation: Incarnation,
    mut plan: Plan,
) -> Result<Opened, LogError> {
    expect_writable(directory, options, &plan)?;
    let known = plan.known.superblock().copied();
    let keeper = SuperblockKeeper::new(directory.clone(), plan.superblock(), known);
    remove_files(directory, &mut plan.files, &[FileReason::Unfinished])?;
    let state = State::new(
        plan.sealed.iter().cloned(),
        active(&plan.newest, plan.scan.end.at.get()),
        plan.scan.end,
        plan.oldest,
        Phase::Found,
    );
    let mut opened = Opened {
        report: plan.report(),
        state,
        file_len: 0,
        keeper,
    };
    opened.report.incarnation = incarnation;
    if let Some(retain_from) = options.retain_from {
        retain_first(directory, options, retain_from, &mut opened)?;
    }
    match plan.is_closed() {
        true => opened.state.active.file = Some(reopen(directory, &plan.newest)?),
        false => {
            let new = renew(directory, options, incarnation, &plan, opened.state.oldest)?;
            opened.report.epoch = new.header.epoch;
            opened.report.cut = cut(directory, &plan, &new.header, &opened.state)?;
            opened.file_len = new.len;
            go_on(&mut opened.state, &plan, new);
        }
    }
    remove_superfluous(directory, &mut plan, &mut opened)?;
    let header = opened.state.active.segment.header;
    // A close whose superblock was not written, or whose mark was not synced, left it behind.
    let is_behind = |known: Superblock| known.durable_through < opened.state.durable.next;
    if !plan.scan.closed || plan.known.is_lost() || known.is_none_or(is_behind) {
        let durable_through = opened.state.durable.next;
        let describe = |superblock: &mut Superblock| superblock.describe(&header, durable_through);
        opened.keeper.update(describe)?;
    }
    Ok(opened)
}

/// Refuses a log that was to be new, or that this program may only read.
fn expect_writable(
    directory: &Directory,
    options: &LogOptions,
    plan: &Plan,
) -> Result<(), LogError> {
    if options.create_new {
        return Err(LogError::AlreadyExists {
            dir: directory.shown_dir(),
        });
    }
    match plan.read_only_feature(directory, options.known_features) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Removes the segments that the log does not need, and reports what is no part of it.
fn remove_superfluous(
    directory: &Directory,
    plan: &mut Plan,
    opened: &mut Opened,
) -> Result<(), LogError> {
    let superfluous = [FileReason::Superseded, FileReason::Retired];
    if plan
        .files
        .iter()
        .any(|note| note.reason == FileReason::Retired)
    {
        // What says that they are retired may be in the page cache only.
        opened.keeper.confirm()?;
    }
    remove_files(directory, &mut plan.files, &superfluous)?;
    opened.report.files = std::mem::take(&mut plan.files);
    opened.report.oldest = opened.state.oldest;
    opened.report.segments = opened.state.sealed.len() as u64 + 1;
    Ok(())
}

fn active(header: &SegmentHeader, segment_bytes: u64) -> Active {
    Active {
        segment: Segment::new(*header),
        file: None,
        index: SparseIndex::new(segment_bytes),
        tail: TailBuffer::default(),
    }
}

/// Retires history before the opening writes a segment: there may be no space for one.
fn retain_first(
    directory: &Directory,
    options: &LogOptions,
    retain_from: TxOffset,
    opened: &mut Opened,
) -> Result<(), LogError> {
    let candidates = retirable(&opened.state, retain_from);
    let (archived, refused) = archive(directory, options.archive.as_ref(), candidates);
    if let Some((_, oldest)) = archived.last() {
        opened
            .keeper
            .update(|superblock| superblock.oldest = *oldest)?;
        opened.state.oldest = *oldest;
        let retired: Vec<_> = archived.into_iter().map(|(sealed, _)| sealed).collect();
        for sealed in &retired {
            opened.state.sealed.remove(&sealed.segment.header.first);
        }
        remove(directory, &retired)?;
    }
    refused.map_or(Ok(()), Err)
}

/// Has a new segment take over behind an unclean end.
fn renew(
    directory: &Directory,
    options: &LogOptions,
    incarnation: Incarnation,
    plan: &Plan,
    oldest: TxOffset,
) -> Result<NewSegment, LogError> {
    let (durable, end) = (plan.scan.durable, plan.scan.end);
    let number = "epoch";
    let epoch = plan.newest.epoch.next();
    let epoch = epoch.ok_or(LogError::Exhausted { number })?;
    let mut takeover = Takeover::new(&plan.newest, durable, end, incarnation, Some(epoch));
    takeover.header.oldest = oldest;
    let segment_bytes_max = options.segment_bytes_max;
    take_over(directory, &plan.newest, end, &takeover, segment_bytes_max)
        .map_err(Failure::into_error)
}

/// Ends the files that are longer than their part of the log; returns their names.
fn cut(
    directory: &Directory,
    plan: &Plan,
    new: &SegmentHeader,
    state: &State,
) -> Result<Vec<String>, LogError> {
    let mut cuts = plan.cuts.clone();
    cuts.extend(Cut::before(new));
    // A predecessor that was retired is no part of the log.
    let newest = state.active.segment.header.first;
    cuts.retain(|cut| cut.first == newest || state.sealed.contains_key(&cut.first));
    cuts.sort_unstable_by_key(|cut| cut.first);
    cuts.dedup();
    let mut names = Vec::new();
    for cut in &cuts {
        apply_cut(directory, cut)?;
        names.push(directory.shown(&super::names::segment(cut.first)));
    }
    Ok(names)
}

/// Has the state go on in the new segment.
fn go_on(state: &mut State, plan: &Plan, new: NewSegment) {
    let old = state.active.segment.clone();
    if let Some(before) = new.header.predecessor
        && new.header.first > old.header.first
    {
        let end = before.end();
        let sealed = Sealed { segment: old, end };
        state.sealed.insert(plan.newest.first, sealed);
    }
    (state.visible, state.durable) = (new.end, new.end);
    state.phase = Phase::Writing;
    state.active = Active {
        segment: Segment::new(new.header),
        file: Some(new.file),
        index: new.index,
        tail: TailBuffer::default(),
    };
}

/// Creates a log.
fn create(
    directory: &Directory,
    options: &LogOptions,
    incarnation: Incarnation,
    mut files: Vec<FileNote>,
) -> Result<Opened, LogError> {
    if !options.create && !options.create_new {
        return Err(LogError::NotFound {
            dir: directory.shown_dir(),
        });
    }
    directory.confirm()?;
    remove_files(directory, &mut files, &[FileReason::Unfinished])?;
    let new = first_segment(directory, options, incarnation)?;
    let header = new.header;
    let superblock = Superblock {
        log_id: header.log_id,
        epoch: header.epoch,
        counter: 0,
        oldest: header.oldest,
        newest: header.first,
        durable_through: new.header.durable_through,
    };
    let mut keeper = SuperblockKeeper::new(directory.clone(), superblock, None);
    keeper.update(|_| {})?;
    let report = RecoveryReport {
        log_id: header.log_id,
        created: true,
        closed: false,
        epoch: header.epoch,
        incarnation,
        oldest: header.oldest,
        next: new.end.next,
        known_durable_through: new.end.next,
        segments: 1,
        bytes_scanned: 0,
        transactions_scanned: 0,
        end: LogEnd::Clean,
        files,
        cut: Vec::new(),
        superblock_lost: false,
        elapsed: Duration::ZERO,
    };
    let active = Active {
        segment: Segment::new(new.header),
        file: Some(new.file),
        index: new.index,
        tail: TailBuffer::default(),
    };
    let state = State::new([], active, new.end, header.oldest, Phase::Writing);
    Ok(Opened {
        state,
        file_len: new.len,
        keeper,
        report,
    })
}

/// Makes the first segment of a log, with its first commit.
fn first_segment(
    directory: &Directory,
    options: &LogOptions,
    incarnation: Incarnation,
) -> Result<NewSegment, LogError> {
    let header = SegmentHeader {
        features: options.features,
        flags: SegmentFlags::NONE,
        log_id: LogId::new(directory.draw()?),
        first: TxOffset::ZERO,
        oldest: TxOffset::ZERO,
        incarnation,
        durable_through: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        tag: 0,
        durable_bytes: 0,
        predecessor: None,
        cut_epoch: None,
    };
    let mut creation = Creation::begin(directory, header, options.segment_bytes_max)?;
    if let Some(records) = options.first_commit.as_deref() {
        let mut payload = Vec::new();
        records::encode(&mut payload, records);
        creation.push(&payload, records.len() as u32)?;
    }
    creation.finish().map_err(Failure::into_error)?.publish()
}

/// Puts the parts of an open log together.
fn assemble(
    directory: Directory,
    options: LogOptions,
    incarnation: Incarnation,
    lock: Box<dyn Lock>,
    opened: Opened,
) -> Result<(Core, RecoveryReport), LogError> {
    let Opened {
        mut state,
        file_len,
        keeper,
        report,
    } = opened;
    let env = directory.env.clone();
    state.active.tail.base = state.visible.at.get();
    let Some(file) = state.active.file.clone() else {
        unreachable!("a log that is open for writing has its newest file open");
    };
    let shared = Arc::new(Shared::new(directory, report.log_id, None, state));
    let keeper = Arc::new(Mutex::new(&env, keeper));
    let (buffer_bytes_max, frame_bytes_max) = (options.buffer_bytes_max, options.frame_bytes_max);
    let archive = options.archive.clone();
    let writer = Writer::new(
        shared.clone(),
        options,
        incarnation,
        keeper.clone(),
        lock,
        file,
        file_len,
    )?;
    let core = Core {
        writer: Mutex::new(&env, writer),
        keeper,
        queue: Queue::default(),
        queue_bytes_max: buffer_bytes_max.max(QUEUE_BYTES_MIN),
        frame_bytes_max,
        incarnation,
        archive,
        retention: Mutex::new(&env, ()),
        shared,
    };
    Ok((core, report))
}

#[cfg(test)]
mod tests;
