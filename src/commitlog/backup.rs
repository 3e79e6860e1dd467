//! Backup: a copy of a log that may be in use meanwhile.
//!
//! Segments are copied byte for byte, the newest one to the end of its last whole frame. The copy
//! gets a superblock of its own, which says that all of it was durable.
//!
//! Invariants:
//! - \[I1\] Nothing in the log's directory is written, and no lock is taken.
//! - \[I2\] The copy is a state that the log had: every commit that the operating system had been
//!   given when the backup began, and whole later ones in order.
//! - \[I3\] Every frame and record of the copy is read back and checked before the copy gets its
//!   name. Damage is an error; it is not copied.
//!
//! A restored copy has the log's id, and gives offsets of the log again, in the same epochs. Each
//! writable opening of it draws an incarnation of its own.

use std::collections::BTreeMap;
use std::path::Path;

use blackstart_vfs::{Env, OpenOptions};

use super::chain::{Chain, Check, each_frame};
use super::directory::{Directory, OpenFile};
use super::error::{Evidence, LogError};
use super::frame::FRAME_HEADER_BYTES;
use super::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::keeper::SuperblockKeeper;
use super::link::Link;
use super::names;
use super::new_directory::fill_new;
use super::options::LogOptions;
use super::recovery::{Beforehand, Plan, Planned, plan};
use super::report::FileNote;
use super::source::{LogSource, ReadAt};
use super::superblock::Superblock;
use super::view::read_steadily;
use super::{Epoch, Incarnation, LogId, TxOffset};
use crate::codec::{ByteOffset, Defect};

/// A segment is copied in pieces of this length.
const PIECE_BYTES: usize = 1 << 20;

/// What a backup copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The log's identity, which the copy keeps.
    pub log_id: LogId,
    /// The epoch of the newest segment.
    pub epoch: Epoch,
    /// The opening that wrote the newest segment.
    pub incarnation: Incarnation,
    /// The oldest transaction in the copy.
    pub oldest: TxOffset,
    /// The transaction after the last one in the copy.
    pub next: TxOffset,
    /// How many segments the copy has.
    pub segments: u64,
    /// The bytes of these segments.
    pub bytes: u64,
    /// Files that are no part of the log, and so not of the copy.
    pub files: Vec<FileNote>,
}

/// Copies the log in `from`, which may be in use, to a new directory `to` of `target`, which must
/// not exist. Of the options those matter that say what is known of the log. The copy is durable
/// when this returns; a crash before leaves a directory whose name ends in `.unfinished`.
///
/// The copy holds every commit that was acknowledged at level
/// [`Os`](super::Durability::Os) or [`Synced`](super::Durability::Synced) before the call, and
/// perhaps later ones. Of commits at level [`Buffered`](super::Durability::Buffered) it holds what
/// was written out. It may hold commits that are not durable in `from` yet: if `from` then loses
/// them in a crash, it gives their offsets again, in a later epoch.
///
/// # Errors
/// [`LogError::AlreadyExists`]: `to`, or an unfinished directory, is there.
/// [`LogError::NotFound`]: there is no log. Damage: the log needs a [`salvage`](super::salvage).
/// [`LogError::ChangedWhileReading`], [`LogError::NoSpace`], [`LogError::Io`].
pub fn backup(
    env: &Env,
    from: impl AsRef<Path>,
    target: &Env,
    to: impl AsRef<Path>,
    options: &LogOptions,
) -> Result<BackupReport, LogError> {
    let source = Directory::open(env, from.as_ref())?;
    let beforehand = Beforehand::of(options);
    // Before anything is made: there may be no log.
    read_steadily(&source, || find(&source, beforehand))?;
    fill_new(target, to.as_ref(), |copy| {
        let mut copied = BTreeMap::new();
        let attempt = || match copy_log(&source, beforehand, copy, &mut copied) {
            Ok(report) => Ok(Ok(report)),
            Err(Failed::Reading(error)) => Err(error),
            Err(Failed::Writing(error)) => Ok(Err(error)),
        };
        read_steadily(&source, attempt)?
    })
}

/// Where a copy failed: only what a writer beside it may explain is tried again.
enum Failed {
    Reading(LogError),
    Writing(LogError),
}

/// A segment as it was copied.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    header: SegmentHeader,
    /// Where its part of the log ends.
    end: Link,
    /// The bytes of its file that belong to the log.
    len: ByteOffset,
}

fn find(source: &Directory, beforehand: Beforehand) -> Result<Box<Plan>, LogError> {
    match plan(source, beforehand)? {
        Planned::Log(plan) => Ok(plan),
        Planned::Nothing { .. } => Err(LogError::NotFound {
            dir: source.shown_dir(),
        }),
    }
}

/// Copies the log as it is now. What an earlier attempt copied is kept if it is still part of it.
fn copy_log(
    source: &Directory,
    beforehand: Beforehand,
    copy: &Directory,
    copied: &mut BTreeMap<TxOffset, Part>,
) -> Result<BackupReport, Failed> {
    let plan = find(source, beforehand).map_err(Failed::Reading)?;
    let parts = parts(&plan);
    let wanted = |first: &TxOffset, part: &Part| parts.get(first) == Some(part);
    let outdated: Vec<_> = copied
        .extract_if(.., |first, part| !wanted(first, part))
        .collect();
    for (first, _) in outdated {
        copy.remove(&names::segment(first))
            .map_err(Failed::Writing)?;
    }
    for (first, part) in &parts {
        if !copied.contains_key(first) {
            copy_segment(source, copy, part)?;
            copied.insert(*first, *part);
        }
    }
    seal(copy, &plan, beforehand).map_err(Failed::Writing)?;
    Ok(BackupReport {
        log_id: plan.log_id(),
        epoch: plan.newest.epoch,
        incarnation: plan.newest.incarnation,
        oldest: plan.oldest,
        next: plan.next(),
        segments: parts.len() as u64,
        bytes: parts.values().map(|part| part.len.get()).sum(),
        files: plan.files,
    })
}

/// What is to be copied.
fn parts(plan: &Plan) -> BTreeMap<TxOffset, Part> {
    let sealed = plan.sealed.iter().map(|sealed| Part {
        header: sealed.segment.header,
        end: sealed.end,
        len: sealed.end.at,
    });
    let end = plan.scan.end;
    let close_mark = match plan.is_closed() {
        true => FRAME_HEADER_BYTES as u64,
        false => 0,
    };
    let newest = Part {
        header: plan.newest,
        end,
        len: end.at.plus(close_mark),
    };
    let parts = sealed.chain([newest]);
    parts.map(|part| (part.header.first, part)).collect()
}

/// Copies one segment, syncs the copy, and checks it.
fn copy_segment(source: &Directory, copy: &Directory, part: &Part) -> Result<(), Failed> {
    let name = names::segment(part.header.first);
    let from = source.open(&name).map_err(Failed::Reading)?;
    copy.remove(&name).map_err(Failed::Writing)?;
    let options = OpenOptions::new().read().write().create_new();
    let to = copy.open_file(&name, options).map_err(Failed::Writing)?;
    let mut piece = vec![0; PIECE_BYTES.min(part.len.get() as usize)];
    let mut at = 0;
    while at < part.len.get() {
        let room = usize::try_from(part.len.get() - at).unwrap_or(usize::MAX);
        let room = room.min(piece.len());
        let piece = &mut piece[..room];
        let read = from.read_full_at(piece, at).map_err(Failed::Reading)?;
        to.write(&piece[..read], at).map_err(Failed::Writing)?;
        at += read as u64;
        if read < room {
            break;
        }
    }
    to.sync_all().map_err(Failed::Writing)?;
    check(source, part, &name, &to)
}

/// Reads a copied segment back.
fn check(source: &Directory, part: &Part, name: &str, to: &OpenFile) -> Result<(), Failed> {
    let corrupt = |defect: Defect| LogError::Corrupt {
        corrupt: defect.in_file(source.shown(name)),
        evidence: Evidence::ReadBefore,
    };
    let mut head = [0; SEGMENT_HEADER_BYTES];
    to.read_full_at(&mut head, 0).map_err(Failed::Writing)?;
    if head != part.header.encode() {
        let (expected, found) = ("the header that was there", "another one");
        let defect = Defect::new(ByteOffset::new(0), "segment header", expected, found);
        return Err(Failed::Reading(corrupt(defect)));
    }
    let mut chain = Chain::new(part.header.key(), part.header.start());
    let walked = each_frame(
        &mut chain,
        to,
        part.end.at,
        Check::Records,
        |_, _, _| Ok(()),
    );
    let defect = walked.map_err(Failed::Writing)?.or_else(|| {
        let (at, found) = (chain.link().at, chain.link().next.get());
        let expected = part.end.next.get();
        (chain.link() != part.end).then(|| Defect::new(at, "end of the segment", expected, found))
    });
    match defect {
        None => Ok(()),
        Some(defect) => Err(Failed::Reading(corrupt(defect))),
    }
}

/// Writes the copy's superblock, and opens the copy as a reader does.
fn seal(copy: &Directory, plan: &Plan, beforehand: Beforehand) -> Result<(), LogError> {
    copy.sync()?;
    let superblock = Superblock {
        log_id: plan.log_id(),
        epoch: plan.newest.epoch,
        counter: 0,
        oldest: plan.oldest,
        newest: plan.newest.first,
        durable_through: plan.next(),
    };
    SuperblockKeeper::new(copy.clone(), superblock, None).update(|_| {})?;
    // A copy that ends before is an error.
    let durable_through = Some((plan.newest.epoch, plan.next()));
    let beforehand = Beforehand {
        durable_through,
        ..beforehand
    };
    find(copy, beforehand).map(drop)
}

#[cfg(test)]
mod tests;
