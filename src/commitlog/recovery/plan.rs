//! The decision: from the files of a log to what they are and what is to be done.

use std::time::Duration;

use crate::codec::{ByteOffset, Defect, Value};
use crate::commitlog::chain::{Chain, Check, each_frame};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::header::{Predecessor, SegmentFlags, SegmentHeader};
use crate::commitlog::link::Link;
use crate::commitlog::names;
use crate::commitlog::options::{Features, LogOptions};
use crate::commitlog::report::{FileNote, FileReason, LogEnd, RecoveryReport, Tail};
use crate::commitlog::segment::Sealed;
use crate::commitlog::source::LogSource;
use crate::commitlog::superblock::Superblock;
use crate::commitlog::{Epoch, Incarnation, LogId, TxOffset};

use super::continuity::{Cut, Pair, cuts_to_confirm};
use super::listing::{Head, HeadFile, Known, Listing, superseded};
use super::scan::{Scan, Visit, closed, scan};

/// A newest segment whose content is at most this long is taken over as a whole by the next one,
/// so that many openings do not leave many small segments.
pub(crate) const TAKEOVER_BYTES_MAX: u64 = 64 << 10;

/// What the reader of a log knows of it beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beforehand {
    /// In this epoch, all transactions before this were durable.
    pub durable_through: Option<(Epoch, TxOffset)>,
    /// Feature bits that it knows.
    pub known_features: Features,
}

impl Beforehand {
    /// What the options say.
    pub fn of(options: &LogOptions) -> Self {
        Self {
            durable_through: options.durable_through,
            known_features: options.known_features,
        }
    }
}

/// What a log is and what is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All segments but the newest, in order.
    pub(crate) sealed: Vec<Sealed>,
    /// The header of the newest segment.
    pub(crate) newest: SegmentHeader,
    /// What its scan found.
    pub(crate) scan: Scan,
    /// The oldest transaction that is kept.
    pub(crate) oldest: TxOffset,
    /// What follows the last good commit.
    pub(crate) end: LogEnd,
    /// Files that are no part of the log.
    pub(crate) files: Vec<FileNote>,
    /// Cuts that need not be durable yet.
    pub(crate) cuts: Vec<Cut>,
    /// The newest superblock.
    pub(crate) known: Known,
}

/// What there is in a directory.
#[derive(Clone, Debug)]
pub enum Planned {
    /// No log, and nothing that shows that there was one.
    Nothing {
        /// What else there is.
        files: Vec<FileNote>,
    },
    /// A log.
    Log(Box<Plan>),
}

/// The segments that make up the log.
struct Gathered {
    files: Vec<FileNote>,
    known: Known,
    /// In order; the last one is the newest.
    heads: Vec<Head>,
    /// The newest one's file.
    file: HeadFile,
}

/// Reads a log and decides.
///
/// # Errors
/// Every way in which a log can be unusable: see [`LogError`].
pub fn plan(source: &dyn LogSource, beforehand: Beforehand) -> Result<Planned, LogError> {
    plan_and_visit(source, beforehand, None)
}

/// As [`plan`], and hands the log's commits to a visitor in the one pass that checks them.
pub(crate) fn plan_and_visit(
    source: &dyn LogSource,
    beforehand: Beforehand,
    mut visit: Option<Visit<'_, '_>>,
) -> Result<Planned, LogError> {
    let Gathered {
        mut files,
        known,
        mut heads,
        file,
    } = match gather(source, &beforehand)? {
        Ok(gathered) => gathered,
        Err(files) => return Ok(Planned::Nothing { files }),
    };
    let Some(newest_head) = heads.pop() else {
        unreachable!("a log that was gathered has a segment");
    };
    let features = beforehand.known_features;
    let newest = newest_head.usable(source, None, features)?;
    let oldest = match known.superblock() {
        Some(superblock) => superblock.oldest.max(newest.oldest),
        None => newest.oldest,
    };
    drop_retired(&mut heads, &newest, oldest, &mut files);
    let sealed = link_segments(source, &heads, &newest_head, &newest, oldest, features)?;
    expect_superblock(source, &known, &heads, &newest, oldest)?;
    if let Some(visit) = &mut visit {
        visit_sealed(source, &sealed, oldest, &newest, visit)?;
    }
    let scan = scan_newest(&file, &newest_head, &newest, visit.as_mut())?;
    drop(file);
    let epochs = Epochs::of(&heads, &newest);
    judge(source, &newest, &scan, &known, &beforehand, &epochs)?;
    let end = log_end(source, &newest_head, &scan);
    let cuts = match scan.closed {
        true => Vec::new(),
        false => cuts_to_confirm(&newest, scan.end, &sealed),
    };
    Ok(Planned::Log(Box::new(Plan {
        sealed,
        newest,
        scan,
        oldest,
        end,
        files,
        cuts,
        known,
    })))
}

/// Lists the directory, reads each segment's header, and leaves out what is superseded. The answer
/// is `Err` with what else there is if there is no log.
fn gather(
    source: &dyn LogSource,
    beforehand: &Beforehand,
) -> Result<Result<Gathered, Vec<FileNote>>, LogError> {
    let listing = Listing::read(source)?;
    let mut files = listing.notes();
    let known = Known::read(source, &listing)?;
    let (mut heads, mut newest) = (Vec::with_capacity(listing.segments.len()), None);
    for first in &listing.segments {
        drop(newest.take());
        let (head, file) = Head::read(source, *first)?;
        heads.push(head);
        newest = Some(file);
    }
    let Some(mut file) = newest else {
        return match trace(source, &known, beforehand) {
            Some(found) => Err(LogError::SegmentsMissing {
                dir: source.shown("").into(),
                found,
            }),
            None => Ok(Err(files)),
        };
    };
    let gone = superseded(&heads);
    if gone.last() == Some(&true) {
        let kept = heads.iter().zip(&gone).rev().find(|(_, gone)| !**gone);
        if let Some((head, _)) = kept {
            file = HeadFile::open(source, &head.name())?.0;
        }
    }
    let mut gone = gone.into_iter();
    heads.retain(|head| {
        let is_gone = gone.next().unwrap_or(false);
        if is_gone {
            files.push(FileNote {
                file: head.name(),
                reason: FileReason::Superseded,
                removed: false,
            });
        }
        !is_gone
    });
    Ok(Ok(Gathered {
        files,
        known,
        heads,
        file,
    }))
}

/// What shows that there was a log, when there is no segment.
fn trace(source: &dyn LogSource, known: &Known, beforehand: &Beforehand) -> Option<String> {
    match (known, beforehand.durable_through) {
        (Known::Nothing, Some((_, bound))) if bound > TxOffset::ZERO => {
            Some(format!("the knowledge of {bound} durable transactions"))
        }
        (Known::Nothing, _) => None,
        _ => Some(source.shown(names::LOCK)),
    }
}

/// Leaves out segments below the oldest transaction that is kept.
fn drop_retired(
    heads: &mut Vec<Head>,
    newest: &SegmentHeader,
    oldest: TxOffset,
    files: &mut Vec<FileNote>,
) {
    let following = heads.iter().skip(1).map(|head| head.first);
    let following = following.chain([newest.first]);
    let retired = following.take_while(|first| *first <= oldest).count();
    let retired = retired.min(heads.len());
    files.extend(heads.drain(..retired).map(|head| FileNote {
        file: head.name(),
        reason: FileReason::Retired,
        removed: false,
    }));
}

/// Checks that each segment is complete and followed by the next.
fn link_segments(
    source: &dyn LogSource,
    heads: &[Head],
    newest_head: &Head,
    newest: &SegmentHeader,
    oldest: TxOffset,
    features: Features,
) -> Result<Vec<Sealed>, LogError> {
    let log_id = Some(newest.log_id);
    let usable = |head: &Head| head.usable(source, log_id, features);
    let headers: Vec<_> = heads.iter().map(usable).collect::<Result<_, _>>()?;
    let first = headers.first().unwrap_or(newest);
    let is_lost = first.loss().is_some_and(|lost| lost.start <= oldest);
    if first.first > oldest && !is_lost {
        return Err(LogError::Gap {
            file: source.shown(&heads.first().unwrap_or(newest_head).name()),
            expected: oldest,
            found: first.first,
        });
    }
    let following = headers.iter().skip(1).chain([newest]);
    let pairs = heads.iter().zip(&headers).zip(following);
    let link = |((head, header), next)| Pair { head, header, next }.link(source);
    pairs.map(link).collect()
}

/// Checks that the newest segment that the superblock names is there, and no older one of its name.
fn expect_superblock(
    source: &dyn LogSource,
    known: &Known,
    heads: &[Head],
    newest: &SegmentHeader,
    oldest: TxOffset,
) -> Result<(), LogError> {
    let Some(superblock) = known.superblock() else {
        return Ok(());
    };
    if superblock.log_id != newest.log_id {
        return Err(LogError::Foreign {
            file: source.shown(names::LOCK),
            expected: newest.log_id,
            found: superblock.log_id,
        });
    }
    let missing = |named| LogError::SegmentMissing {
        file: source.shown(&names::segment(named)),
        named_by: source.shown(names::LOCK),
    };
    // Retention keeps the newest segment: one that starts there was durable before it said so.
    if superblock.oldest > newest.first {
        return Err(missing(superblock.oldest));
    }
    let named = superblock.newest;
    let headers = heads.iter().filter_map(|head| head.header.ok());
    let mut headers = headers.chain([*newest]);
    let explains = |header: &SegmentHeader| {
        header.first == named || (header.epoch > superblock.epoch && header.first <= named)
    };
    if named < oldest {
        return Ok(());
    }
    let Some(header) = headers.find(explains) else {
        return Err(missing(named));
    };
    if header.epoch >= superblock.epoch {
        return Ok(());
    }
    let [expected, found] = [superblock.epoch, header.epoch].map(|epoch| u64::from(epoch.get()));
    let defect = Defect::new(ByteOffset::new(80), "epoch", expected, found);
    Err(LogError::Corrupt {
        corrupt: defect.in_file(source.shown(&names::segment(named))),
        evidence: Evidence::Superblock {
            tx_offset: superblock.durable_through,
        },
    })
}

/// Hands the commits of sealed segments to a visitor. All of them are durable.
fn visit_sealed(
    source: &dyn LogSource,
    sealed: &[Sealed],
    oldest: TxOffset,
    newest: &SegmentHeader,
    visit: &mut Visit<'_, '_>,
) -> Result<(), LogError> {
    let asked = visit.from;
    if asked < oldest {
        return Err(LogError::HistoryGone { asked, oldest });
    }
    for Sealed { segment, end } in sealed {
        if end.next <= asked {
            continue;
        }
        let (file, _) = HeadFile::open(source, &segment.name)?;
        let header = &segment.header;
        let mut chain = Chain::new(header.key(), header.start());
        let broken = each_frame(
            &mut chain,
            &file,
            end.at,
            Check::Records,
            |_, frame, chain| visit.commit(header, frame, chain, newest.first),
        )?;
        let defect = broken.or_else(|| (chain.link() != *end).then(|| wrong_end(&chain, *end)));
        if let Some(defect) = defect {
            return Err(LogError::Corrupt {
                corrupt: defect.in_file(source.shown(&segment.name)),
                evidence: Evidence::Successor {
                    file: names::segment(newest.first),
                },
            });
        }
    }
    Ok(())
}

/// The chain ends well, and not where its successor says.
fn wrong_end(chain: &Chain, end: Link) -> Defect {
    let Link { at, prev, next } = chain.link();
    if next == end.next {
        let (expected, found) = (Value::Hex(end.prev.into()), Value::Hex(prev.into()));
        return Defect::new(at, "checksum of the last frame", expected, found);
    }
    Defect::new(at, "end of the segment", end.next.get(), next.get())
}

fn scan_newest(
    file: &HeadFile,
    head: &Head,
    header: &SegmentHeader,
    visit: Option<&mut Visit<'_, '_>>,
) -> Result<Scan, LogError> {
    let closed = closed(file, head.len, header)?;
    match (closed, visit) {
        (Some(closed), None) => Ok(closed),
        (Some(closed), Some(visit)) if closed.end.next <= visit.from => Ok(closed),
        (_, visit) => scan(file, head.len, header, visit),
    }
}

/// Where the history may have been cut: each segment's epoch, and how far it goes on with what was
/// there before it.
struct Epochs(Vec<(Epoch, TxOffset)>);

impl Epochs {
    fn of(heads: &[Head], newest: &SegmentHeader) -> Self {
        let headers = heads.iter().filter_map(|head| head.header.ok());
        let kept = headers.chain([*newest]);
        Self(
            kept.map(|header| (header.epoch, header.durable_through))
                .collect(),
        )
    }

    /// The offset before which all transactions that were durable before `through`, in `epoch`,
    /// must be there now.
    fn bound(&self, epoch: Epoch, through: TxOffset) -> TxOffset {
        let later = self.0.iter().filter(|(later, _)| *later > epoch);
        let cut = later.map(|(_, through)| *through).min();
        cut.map_or(through, |cut| cut.min(through))
    }
}

/// Refuses the log if something that was durable is missing.
fn judge(
    source: &dyn LogSource,
    newest: &SegmentHeader,
    scan: &Scan,
    known: &Known,
    beforehand: &Beforehand,
    epochs: &Epochs,
) -> Result<(), LogError> {
    let Link { at, next, .. } = scan.end;
    let Some(evidence) = evidence(newest, scan, known, beforehand, epochs) else {
        return Ok(());
    };
    let missing = || Defect::new(at, "next tx offset", "more transactions", next.get());
    let defect = scan.defect.unwrap_or_else(missing);
    Err(LogError::Corrupt {
        corrupt: defect.in_file(source.shown(&names::segment(newest.first))),
        evidence,
    })
}

/// Why the log must not end where its chain ends.
fn evidence(
    newest: &SegmentHeader,
    scan: &Scan,
    known: &Known,
    beforehand: &Beforehand,
    epochs: &Epochs,
) -> Option<Evidence> {
    let Link { at, next, .. } = scan.end;
    if let Some(claim) = scan.best.filter(|claim| claim.durable_bytes > at) {
        let (at, durable_bytes) = (claim.at, claim.durable_bytes);
        return Some(Evidence::LaterFrame { at, durable_bytes });
    }
    let durable_bytes = ByteOffset::new(newest.durable_bytes.into());
    if durable_bytes > at || newest.durable_through > next {
        return Some(Evidence::Header { durable_bytes });
    }
    if let Some(superblock) = known.superblock() {
        let tx_offset = epochs.bound(superblock.epoch, superblock.durable_through);
        if tx_offset > next {
            return Some(Evidence::Superblock { tx_offset });
        }
    }
    let (epoch, through) = beforehand.durable_through?;
    let tx_offset = epochs.bound(epoch, through);
    (tx_offset > next).then_some(Evidence::Caller { tx_offset })
}

fn log_end(source: &dyn LogSource, head: &Head, scan: &Scan) -> LogEnd {
    let dropped = scan.tail.content_end.since(scan.end.at);
    match scan.defect {
        Some(defect) if dropped > 0 => LogEnd::Tail(Tail {
            file: source.shown(&head.name()),
            at: scan.end.at,
            bytes: dropped,
            later_frames: scan.tail.later_frames,
            defect,
        }),
        _ => LogEnd::Clean,
    }
}

impl Plan {
    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.newest.log_id
    }

    /// The offset of the next transaction.
    pub fn next(&self) -> TxOffset {
        self.scan.end.next
    }

    /// Whether the log was closed and may stay as it is.
    pub fn is_closed(&self) -> bool {
        self.scan.closed
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        self.oldest
    }

    /// Features that allow reading only, and a file that has them.
    pub(crate) fn read_only_feature(
        &self,
        source: &dyn LogSource,
        known: Features,
    ) -> Option<LogError> {
        let sealed = self.sealed.iter().map(|sealed| &sealed.segment.header);
        let mut unknown = sealed.chain([&self.newest]).filter_map(|header| {
            let bits = header.features.ro_compat & !known.ro_compat;
            (bits != 0).then_some((header.first, bits))
        });
        unknown
            .next()
            .map(|(first, bits)| LogError::ReadOnlyFeature {
                file: source.shown(&names::segment(first)),
                bits,
            })
    }

    /// What was found, before anything is done.
    pub(crate) fn report(&self) -> RecoveryReport {
        RecoveryReport {
            log_id: self.log_id(),
            created: false,
            closed: self.is_closed(),
            epoch: self.newest.epoch,
            incarnation: self.newest.incarnation,
            oldest: self.oldest,
            next: self.next(),
            known_durable_through: self.scan.durable.next,
            segments: self.sealed.len() as u64 + 1,
            bytes_scanned: self.scan.bytes,
            transactions_scanned: self.scan.transactions,
            end: self.end.clone(),
            files: self.files.clone(),
            cut: Vec::new(),
            superblock_lost: self.known.is_lost(),
            elapsed: Duration::ZERO,
        }
    }

    /// The superblock that the log has once the plan is carried out, but for its counter.
    pub(crate) fn superblock(&self) -> Superblock {
        Superblock {
            log_id: self.log_id(),
            epoch: self.newest.epoch,
            counter: self.known.superblock().map_or(0, |known| known.counter),
            oldest: self.oldest,
            newest: self.newest.first,
            durable_through: self.scan.durable.next,
        }
    }
}

/// How a new segment takes over from the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Takeover {
    /// Its header, but for what is known only once its content is written.
    pub header: SegmentHeader,
    /// The old segment's frames from here to its end become its first content.
    pub from: Link,
}

impl Takeover {
    /// A segment of this opening behind the newest one, which ends at `end` and is durable at least
    /// to `durable`. If the end is unclean, `renewal` is the new epoch.
    pub fn new(
        newest: &SegmentHeader,
        durable: Link,
        end: Link,
        incarnation: Incarnation,
        renewal: Option<Epoch>,
    ) -> Self {
        let start = newest.start();
        let is_small = end.at.since(start.at) <= TAKEOVER_BYTES_MAX;
        let is_whole = is_small || durable.next == newest.first;
        let from = if is_whole { start } else { durable };
        let header = SegmentHeader {
            incarnation,
            epoch: renewal.unwrap_or(newest.epoch),
            ..*newest
        };
        let header = match is_whole {
            // It takes the newest one's name as well, and its place.
            true => header,
            false => SegmentHeader {
                first: from.next,
                predecessor: Some(Predecessor::new(newest, from)),
                cut_epoch: None,
                flags: match renewal {
                    Some(_) => SegmentFlags::FORK,
                    None => SegmentFlags::NONE,
                },
                ..header
            },
        };
        Self { header, from }
    }
}

#[cfg(test)]
mod tests;
