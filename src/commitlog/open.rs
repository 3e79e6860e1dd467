//! Opening a log for writing.
//!
//! Lock the directory, plan, apply, and only then show anything. With salvage, what is damaged is
//! rewritten first, so that the plan succeeds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blackstart_vfs::{Env, Lock, LockKind, Mutex};

use super::creation::{Creation, Newborn};
use super::error::LogError;
use super::group::Queue;
use super::header::{FORMAT_VERSION, SegmentFlags, SegmentHeader};
use super::log::Core;
use super::names;
use super::options::LogOptions;
use super::recovery::apply::{Applied, apply, remove_spares};
use super::recovery::{Plan, Planned, Sealed, plan};
use super::report::{LogEnd, RecoveryReport};
use super::salvage::{self, Salvaged};
use super::shared::{Active, Point, Segment, Shared, State, TailBuffer};
use super::source::Directory;
use super::truncate::truncate;
use super::writer::{Failure, Writer};
use super::{Epoch, LogId, TxOffset};

/// A queue smaller than this is never worked off early.
const QUEUE_BYTES_LEAST: u64 = 64 << 10;

/// An open log before it gets its handle.
struct Opened {
    newest: Newborn,
    sealed: Vec<Sealed>,
    spares: Vec<TxOffset>,
    report: RecoveryReport,
}

/// Opens the log in `dir`.
pub(crate) fn open(
    env: &Env,
    dir: &Path,
    options: LogOptions,
) -> Result<(Core, RecoveryReport), LogError> {
    options.check()?;
    let began = env.clock().monotonic();
    let directory = Directory::new(env, dir);
    let lock = lock(&directory, &options)?;
    let salvaged = match options.salvage {
        true => salvage::repair(&directory, options.durable_through)?,
        false => Salvaged::default(),
    };
    let opened = match plan(&directory, options.durable_through)? {
        Planned::Log(plan) => existing(&directory, &options, *plan)?,
        Planned::Nothing { removals, trace } => create(&directory, &options, removals, trace)?,
    };
    let (core, mut report) = assemble(directory, options, lock, opened);
    report.lost = salvaged.lost;
    report.damaged = salvaged.damaged;
    cut_history(&core, &mut report)?;
    report.elapsed = env.clock().monotonic().saturating_since(began);
    Ok((core, report))
}

/// Takes the directory, making it first if a log is to be created.
fn lock(directory: &Directory, options: &LogOptions) -> Result<Box<dyn Lock>, LogError> {
    let fs = directory.env.fs();
    let path = directory.file(names::LOCK);
    let lock = match fs.lock(&path, LockKind::Exclusive) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !options.create && !options.create_new {
                return Err(LogError::NotFound {
                    dir: directory.path.to_path_buf(),
                });
            }
            make_directory(directory)?;
            fs.lock(&path, LockKind::Exclusive)
        }
        other => other,
    };
    lock.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => LogError::Locked {
            dir: directory.path.to_path_buf(),
        },
        _ => LogError::io(names::LOCK, "lock it", error),
    })
}

/// Makes the directory and all above it up to the root, durably.
fn make_directory(directory: &Directory) -> Result<(), LogError> {
    let fs = directory.env.fs();
    let failed = |error| LogError::io(directory.name(), "create the directory", error);
    fs.create_root().map_err(failed)?;
    let mut path = PathBuf::new();
    for part in directory.path.components() {
        let parent = path.clone();
        path.push(part);
        match fs.create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error));
            }
            // Also one that exists may have a name that is not durable yet.
            _ => fs.sync_dir(&parent).map_err(failed)?,
        }
    }
    Ok(())
}

/// Opens a log that exists.
fn existing(directory: &Directory, options: &LogOptions, plan: Plan) -> Result<Opened, LogError> {
    if options.create_new {
        return Err(LogError::AlreadyExists {
            dir: directory.path.to_path_buf(),
        });
    }
    if let Some(error) = plan.read_only_feature() {
        return Err(error);
    }
    let Applied {
        newest,
        removed,
        cut,
    } = apply(directory, &plan, options.index_interval_bytes)?;
    let spares = remove_spares(directory, &plan.spares, options.spare_segments_max)?;
    let report = RecoveryReport {
        removed,
        cut,
        epoch: newest.header.epoch,
        ..plan.report()
    };
    let sealed = plan.sealed_when_applied();
    Ok(Opened {
        newest,
        sealed,
        spares,
        report,
    })
}

/// Creates a log.
fn create(
    directory: &Directory,
    options: &LogOptions,
    removals: Vec<String>,
    trace: Option<String>,
) -> Result<Opened, LogError> {
    let dir = directory.path.to_path_buf();
    if let Some(found) = trace {
        return Err(LogError::SegmentsMissing { dir, found });
    }
    if let Some(bound) = options
        .durable_through
        .filter(|bound| *bound > TxOffset::ZERO)
    {
        let found = format!("knowledge of {bound} durable transactions");
        return Err(LogError::SegmentsMissing { dir, found });
    }
    if !options.create && !options.create_new {
        return Err(LogError::NotFound { dir });
    }
    // The directory may be a moment old, and its name not durable.
    make_directory(directory)?;
    for name in &removals {
        directory.remove(name)?;
    }
    let header = first_header(directory)?;
    let creation = Creation::begin(directory, header, options.index_interval_bytes)?;
    let newest = creation.finish().map_err(Failure::into_error)?.publish()?;
    let report = RecoveryReport {
        log_id: header.log_id,
        created: true,
        closed: false,
        epoch: header.epoch,
        oldest: header.oldest,
        next: header.first,
        known_durable_through: header.first,
        segments: 1,
        bytes_scanned: 0,
        transactions_scanned: 0,
        end: LogEnd::Clean,
        removed: removals,
        cut: Vec::new(),
        lost: Vec::new(),
        damaged: Vec::new(),
        elapsed: Duration::ZERO,
    };
    Ok(Opened {
        newest,
        sealed: Vec::new(),
        spares: Vec::new(),
        report,
    })
}

fn first_header(directory: &Directory) -> Result<SegmentHeader, LogError> {
    let mut log_id = [0; 16];
    let drawn = directory.env.entropy().fill(&mut log_id);
    drawn.map_err(|error| LogError::io(directory.name(), "draw an identity for the log", error))?;
    Ok(SegmentHeader {
        version: FORMAT_VERSION,
        compat: 0,
        ro_compat: 0,
        incompat: 0,
        flags: SegmentFlags::NONE,
        log_id: LogId::new(log_id),
        first: TxOffset::ZERO,
        oldest: TxOffset::ZERO,
        durable_through: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        chain: 0,
        durable_bytes: 0,
        creation: 0,
    })
}

/// Puts the parts of an open log together.
fn assemble(
    directory: Directory,
    options: LogOptions,
    lock: Box<dyn Lock>,
    opened: Opened,
) -> (Core, RecoveryReport) {
    let Opened {
        newest,
        sealed,
        spares,
        report,
    } = opened;
    let env = directory.env.clone();
    let point = Point::of(newest.link);
    let active = Active {
        segment: Segment::new(newest.header),
        file: Some(newest.file.clone()),
        index: newest.index.clone(),
        tail: TailBuffer {
            base: newest.link.at.get(),
            bytes: Arc::default(),
        },
    };
    let state = State::new(&sealed, active, point, report.oldest);
    let interval = options.index_interval_bytes;
    let shared = Arc::new(Shared::new(directory, report.log_id, interval, true, state));
    let core = Core {
        queue: Queue::default(),
        queue_bytes_max: options.buffer_bytes_max.max(QUEUE_BYTES_LEAST),
        frame_bytes_max: options.frame_bytes_max,
        archive: options.archive.clone(),
        retention: Mutex::new(&env, ()),
        lock: parking_lot::Mutex::new(Some(lock)),
        writer: Mutex::new(
            &env,
            Writer::new(shared.clone(), options, newest, report.closed, spares),
        ),
        shared,
    };
    (core, report)
}

/// Recovery to a point in time: what comes after it is cut, and that is recorded.
fn cut_history(core: &Core, report: &mut RecoveryReport) -> Result<(), LogError> {
    core.with_writer(|writer| match writer.options.history_end {
        Some(tx_offset) if tx_offset < writer.link.next => truncate(writer, tx_offset),
        _ => Ok(()),
    })?;
    let state = core.shared.state.lock();
    report.epoch = state.active.segment.header.epoch;
    report.next = state.visible.tx;
    report.segments = state.sealed.len() as u64 + 1;
    Ok(())
}
