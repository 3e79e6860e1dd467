//! Which files of a damaged log are its history. It only reads.

use std::collections::BTreeMap;

use crate::codec::ByteOffset;
use crate::commitlog::directory::Directory;
use crate::commitlog::error::LogError;
use crate::commitlog::header::{SegmentFlags, SegmentHeader};
use crate::commitlog::link::Link;
use crate::commitlog::names;
use crate::commitlog::options::{Features, LogOptions};
use crate::commitlog::recovery::listing::{Head, Known, Listing};
use crate::commitlog::report::{FileNote, FileReason};
use crate::commitlog::source::LogSource;
use crate::commitlog::{Epoch, Incarnation, LogId, TxOffset};

use super::SalvageReport;

/// A segment of the history, and what is known of it beforehand.
#[derive(Clone, Debug)]
pub(super) struct Damaged {
    pub log_id: LogId,
    pub first: TxOffset,
    /// Its header, if that is not damaged.
    pub header: Option<SegmentHeader>,
    /// Why its header cannot be used.
    pub problem: Option<LogError>,
    /// Where it ends, if its successor's header says so.
    pub end: Option<Link>,
    /// The successor's first transaction; none for the newest segment.
    pub next: Option<TxOffset>,
    /// All transactions before this were durable.
    pub bound: TxOffset,
    /// Its epoch is this or a later one, as the superblock says.
    pub epoch_min: Epoch,
}

/// What is known of a damaged log before its segments are walked.
pub(super) struct Survey {
    pub log_id: LogId,
    pub epoch: Epoch,
    pub oldest: TxOffset,
    /// All transactions before this were durable.
    pub bound: TxOffset,
    pub features: Features,
    /// In order.
    pub segments: Vec<Damaged>,
    files: Vec<FileNote>,
    problems: Vec<LogError>,
}

/// Finds the history.
pub(super) fn survey(source: &Directory, options: &LogOptions) -> Result<Survey, LogError> {
    let listing = Listing::read(source)?;
    let known = Known::read(source, &listing)?;
    let mut heads = Vec::new();
    for first in &listing.segments {
        heads.push(Head::read(source, *first)?.0);
    }
    let log_id = log_id(source, &heads, &known)?;
    let headers = headers(source, &heads, log_id, options.known_features)?;
    let sound = || headers.values().filter_map(|header| header.as_ref().ok());
    let epoch = sound().map(|header| header.epoch).max();
    let known_epoch = known.superblock().map(|superblock| superblock.epoch);
    let number = "epoch";
    let epoch = epoch.max(known_epoch).unwrap_or(Epoch::FIRST).next();
    let epoch = epoch.ok_or(LogError::Exhausted { number })?;
    let oldest = sound().map(|header| header.oldest).max();
    let known_oldest = known.superblock().map(|superblock| superblock.oldest);
    let oldest = oldest.max(known_oldest).unwrap_or_default();
    let bound = bound(sound(), &known, options);
    let features = sound().next_back().map(|header| header.features);
    let history = history(&headers, oldest);
    let mut files = listing.notes();
    let left_out = headers.keys().filter(|first| !history.contains(first));
    files.extend(left_out.map(|first| FileNote {
        file: names::segment(*first),
        reason: match *first < oldest {
            true => FileReason::Retired,
            false => FileReason::Superseded,
        },
        removed: false,
    }));
    let segments = history.iter().enumerate().map(|(at, first)| {
        let next = history.get(at + 1).copied();
        let follower = next.and_then(|next| headers.get(&next)?.as_ref().ok());
        let end = follower.and_then(|header| header.predecessor.as_ref());
        let usable = headers.get(first);
        Damaged {
            log_id,
            first: *first,
            header: usable.and_then(|header| header.as_ref().ok().copied()),
            problem: usable.and_then(|header| header.as_ref().err().cloned()),
            end: end.map(|before| before.end()),
            next,
            bound,
            epoch_min: match known.superblock() {
                Some(superblock) if *first >= superblock.newest => superblock.epoch,
                _ => Epoch::FIRST,
            },
        }
    });
    let segments = segments.collect();
    let missing = missing(source, &headers, &known, oldest);
    Ok(Survey {
        log_id,
        epoch,
        oldest,
        bound,
        features: features.unwrap_or_default(),
        segments,
        files,
        problems: missing.into_iter().collect(),
    })
}

/// The segments' headers, or what damage they have.
///
/// # Errors
/// Those of a segment that is whole, and cannot be used.
fn headers(
    source: &Directory,
    heads: &[Head],
    log_id: LogId,
    known: Features,
) -> Result<BTreeMap<TxOffset, Result<SegmentHeader, LogError>>, LogError> {
    let usable = heads.iter().map(|head| {
        let usable = match head.usable(source, Some(log_id), known) {
            Err(error) if !matches!(error, LogError::Corrupt { .. }) => return Err(error),
            usable => usable,
        };
        Ok((head.first, usable))
    });
    usable.collect()
}

/// The newest segment that the superblock names, if it is gone and no later fork explains that.
fn missing(
    source: &Directory,
    headers: &BTreeMap<TxOffset, Result<SegmentHeader, LogError>>,
    known: &Known,
    oldest: TxOffset,
) -> Option<LogError> {
    let superblock = known.superblock()?;
    let named = superblock.newest;
    let mut before = headers
        .range(..named)
        .filter_map(|(_, header)| header.as_ref().ok());
    let is_explained = named < oldest
        || headers.contains_key(&named)
        || before.any(|header| header.epoch > superblock.epoch);
    (!is_explained).then(|| LogError::SegmentMissing {
        file: source.shown(&names::segment(named)),
        named_by: source.shown(names::LOCK),
    })
}

/// Which log it was.
fn log_id(source: &Directory, heads: &[Head], known: &Known) -> Result<LogId, LogError> {
    let newest = heads
        .iter()
        .rev()
        .find_map(|head| head.header.as_ref().ok());
    let log_id = newest.map(|header| header.log_id);
    let log_id = log_id.or(known.superblock().map(|superblock| superblock.log_id));
    match (log_id, heads.last()) {
        (Some(log_id), _) => Ok(log_id),
        (None, Some(head)) => {
            let unusable = head.usable(source, None, Features::NONE);
            Err(unusable.err().unwrap_or(LogError::SegmentsMissing {
                dir: source.shown_dir(),
                found: head.name(),
            }))
        }
        (None, None) => Err(LogError::NotFound {
            dir: source.shown_dir(),
        }),
    }
}

/// All transactions before this were durable, as far as the superblock and the caller know. A later
/// epoch bounds what was known in an earlier one.
fn bound<'h>(
    headers: impl Iterator<Item = &'h SegmentHeader> + Clone,
    known: &Known,
    options: &LogOptions,
) -> TxOffset {
    let within = |epoch: Epoch, through: TxOffset| {
        let later = headers.clone().filter(|header| header.epoch > epoch);
        let cut = later.map(|header| header.durable_through).min();
        cut.map_or(through, |cut| cut.min(through))
    };
    let superblock = known.superblock();
    let by_superblock =
        superblock.map(|superblock| within(superblock.epoch, superblock.durable_through));
    let by_caller = options
        .durable_through
        .map(|(epoch, through)| within(epoch, through));
    by_superblock.max(by_caller).unwrap_or_default()
}

/// The segments of the history: from the newest back, each the predecessor that the one after it
/// names; where a header is lost, the one before it by name.
fn history(
    headers: &BTreeMap<TxOffset, Result<SegmentHeader, LogError>>,
    oldest: TxOffset,
) -> Vec<TxOffset> {
    let mut highest = None;
    let mut newest = None;
    for (first, header) in headers {
        let epoch = header.as_ref().ok().map(|header| header.epoch);
        // One whose header is lost may be superseded as well; then nobody will name it.
        if epoch.is_none() || epoch >= highest {
            newest = Some(*first);
        }
        highest = highest.max(epoch);
    }
    let mut history = Vec::new();
    let mut at = newest;
    while let Some(first) = at {
        history.push(first);
        if first <= oldest {
            break;
        }
        let header = headers.get(&first).and_then(|header| header.as_ref().ok());
        let named = header.and_then(|header| header.predecessor.as_ref());
        let before = headers.range(..first).next_back().map(|(first, _)| *first);
        at = match named {
            Some(named) => headers
                .range(..=named.first)
                .next_back()
                .map(|(first, _)| *first),
            None if header.is_some() => None,
            None => before,
        };
    }
    history.reverse();
    history
}

impl Survey {
    /// What all headers of the new log have in common.
    pub fn template(&self, incarnation: Incarnation) -> SegmentHeader {
        SegmentHeader {
            features: self.features,
            flags: SegmentFlags::NONE,
            log_id: self.log_id,
            first: self.oldest,
            oldest: self.oldest,
            incarnation,
            durable_through: self.oldest,
            epoch: self.epoch,
            tag: 0,
            durable_bytes: 0,
            predecessor: None,
            cut_epoch: None,
        }
    }

    /// The report, nothing saved yet.
    pub fn report(&self) -> SalvageReport {
        SalvageReport {
            log_id: self.log_id,
            epoch: self.epoch,
            oldest: self.oldest,
            next: self.oldest,
            commits: 0,
            transactions: 0,
            lost: Vec::new(),
            problems: self.problems.clone(),
            files: self.files.clone(),
        }
    }
}

impl Damaged {
    /// Its file's name.
    pub fn name(&self) -> String {
        names::segment(self.first)
    }

    /// How far its file is part of the log, if its successor says so.
    pub fn limit(&self, len: ByteOffset) -> ByteOffset {
        self.end.map_or(len, |end| end.at.min(len))
    }
}
