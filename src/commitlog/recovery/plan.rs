//! The decision: from the files of a log to what they are and what is to be done.

use std::time::Duration;

use crate::codec::{ByteOffset, Corrupt, Defect, Value};
use crate::commitlog::chain::{Chain, Check, Identity, Link, Step};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKind, MARK_BYTES};
use crate::commitlog::header::{
    FORMAT_VERSION, HeaderProblem, SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader,
};
use crate::commitlog::names;
use crate::commitlog::report::{LogEnd, RecoveryReport, Tail};
use crate::commitlog::source::{LogSource, ReadAt};
use crate::commitlog::{Epoch, LogId, TxOffset};

use super::cut::{self, Cut};
use super::evidence::Vouched;
use super::heads::{self, Head, HeadFile, Listing, read_heads, superseded};
use super::scan::{Scan, scan};

/// A segment that others follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its header.
    pub header: SegmentHeader,
    /// Where its frames end: behind the seal, or where an unfinished cut is to be made.
    pub len: ByteOffset,
}

/// A new segment that takes over from some place of the newest one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renewal {
    /// Its header, but for what is known only once its content is written.
    pub header: SegmentHeader,
    /// The frames from here to the end of the chain become its first content.
    pub from: Link,
}

/// What a log is and what is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All segments but the newest, in order.
    pub sealed: Vec<Sealed>,
    /// The header of the newest segment.
    pub newest: SegmentHeader,
    /// What follows the last good commit.
    pub end: LogEnd,
    /// The oldest transaction that is kept.
    pub oldest: TxOffset,
    /// The offset of the next transaction.
    pub next: TxOffset,
    /// All transactions before this are provably durable.
    pub known_durable_through: TxOffset,
    /// Bytes that were scanned.
    pub bytes_scanned: u64,
    /// Transactions in the commits that were scanned.
    pub transactions_scanned: u64,
    /// Where the chain of the newest segment ends.
    pub(crate) last: Link,
    /// What is to be done first; none if the log goes on as it is.
    pub(crate) renewal: Option<Renewal>,
    /// Cuts to be made once the renewal is durable.
    pub(crate) cuts: Vec<Cut>,
    /// Files to be removed once the renewal is durable.
    pub(crate) removals: Vec<String>,
    /// Retired segments that are kept for reuse.
    pub(crate) spares: Vec<TxOffset>,
}

/// What there is in a directory.
#[derive(Clone, Debug)]
pub enum Planned {
    /// No log; the leftovers of unfinished creations are listed.
    Nothing {
        /// Files to be removed.
        removals: Vec<String>,
        /// A file that only an existing log leaves.
        trace: Option<String>,
    },
    /// A log.
    Log(Box<Plan>),
}

/// Looks at a log and decides. `durable_through` is what the caller knows to be durable.
///
/// # Errors
/// Every way in which a log can be unusable: see [`LogError`].
pub fn plan(
    source: &dyn LogSource,
    durable_through: Option<TxOffset>,
) -> Result<Planned, LogError> {
    let Gathered {
        listing,
        mut heads,
        file,
        removals,
        trace,
    } = gather(source)?;
    let (Some(head), Some(file)) = (heads.pop(), file) else {
        return Ok(Planned::Nothing { removals, trace });
    };
    let mut removals = removals;
    let newest = usable_header(&head, None, Evidence::Name)?;
    let scan = match closed(&head, &newest) {
        Some(scan) => scan,
        None => scan(&file, head.len, &newest)?,
    };
    judge(&head, &newest, &scan, durable_through)?;
    drop_retired(&mut heads, head.first, scan.oldest, &mut removals);
    let mut plan = Plan {
        sealed: Vec::with_capacity(heads.len()),
        newest,
        end: log_end(&head, &scan),
        oldest: scan.oldest,
        next: scan.end.next,
        known_durable_through: known_durable(&newest, &scan),
        bytes_scanned: if scan.frames == 0 {
            0
        } else {
            scan.end.at.get()
        },
        transactions_scanned: scan.transactions,
        last: scan.end,
        renewal: None,
        cuts: Vec::new(),
        removals,
        spares: listing.spares.clone(),
    };
    link_segments(source, &heads, &head, &mut plan)?;
    plan.removals
        .extend(orphan_indexes(&listing, &heads, &head));
    if !(scan.closed && scan.end.at == head.len) {
        plan.renew(&scan, highest_epoch(&heads, &newest))?;
    }
    Ok(Planned::Log(Box::new(plan)))
}

/// The segments that make up the log, and what else there is.
pub(crate) struct Gathered {
    pub listing: Listing,
    /// In order.
    pub heads: Vec<Head>,
    /// The newest one's.
    pub file: Option<HeadFile>,
    /// Files to be removed.
    pub removals: Vec<String>,
    /// A file that only an existing log leaves.
    pub trace: Option<String>,
}

/// Lists the directory, reads both ends of each segment, and leaves out what is unfinished or
/// superseded.
pub(crate) fn gather(source: &dyn LogSource) -> Result<Gathered, LogError> {
    let listing = Listing::read(source)?.unwrap_or_default();
    let mut trace = listing.trace();
    let mut removals: Vec<_> = listing
        .temps
        .iter()
        .map(|first| names::temp(*first))
        .collect();
    let (mut heads, mut file) = read_heads(source, &listing.segments)?;
    while let Some(head) = heads.last()
        && is_unfinished(head, file.as_ref())?
    {
        removals.push(head.name());
        // Only the first segment of a log can be an unfinished creation of the log itself.
        trace = trace.or((head.first > TxOffset::ZERO).then(|| head.name()));
        heads.pop();
        file = match heads.last() {
            Some(head) => Some(heads::open(source, &head.name())?.0),
            None => None,
        };
    }
    drop_superseded(source, &mut heads, &mut file, &mut removals)?;
    Ok(Gathered {
        listing,
        heads,
        file,
        removals,
        trace,
    })
}

/// Whether the newest file is a creation that never got its header.
fn is_unfinished(head: &Head, file: Option<&HeadFile>) -> Result<bool, LogError> {
    if head.header.is_ok() {
        return Ok(false);
    }
    if head.len < ByteOffset::new(SEGMENT_HEADER_BYTES as u64) {
        return Ok(true);
    }
    let Some(file) = file else { return Ok(false) };
    let mut chunk = vec![0; head.len.get().min(64 << 10) as usize];
    let mut at = 0;
    while at < head.len.get() {
        let read = file.read_full_at(&mut chunk, at)?;
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        at += read as u64;
    }
    Ok(true)
}

/// Leaves out what a recorded fork made superfluous.
fn drop_superseded(
    source: &dyn LogSource,
    heads: &mut Vec<Head>,
    file: &mut Option<HeadFile>,
    removals: &mut Vec<String>,
) -> Result<(), LogError> {
    let gone = superseded(heads);
    let newest_gone = gone.last().copied().unwrap_or(false);
    let mut gone = gone.into_iter();
    heads.retain(|head| {
        let is_gone = gone.next().unwrap_or(false);
        if is_gone {
            removals.push(head.name());
        }
        !is_gone
    });
    if newest_gone && let Some(head) = heads.last() {
        *file = Some(heads::open(source, &head.name())?.0);
    }
    Ok(())
}

/// Leaves out segments below the oldest transaction that is kept.
pub(crate) fn drop_retired(
    heads: &mut Vec<Head>,
    newest: TxOffset,
    oldest: TxOffset,
    removals: &mut Vec<String>,
) {
    let following = heads.iter().skip(1).map(|head| head.first).chain([newest]);
    let retired = following
        .take_while(|first| *first <= oldest)
        .count()
        .min(heads.len());
    removals.extend(heads.drain(..retired).map(|head| head.name()));
}

fn orphan_indexes(listing: &Listing, heads: &[Head], newest: &Head) -> Vec<String> {
    let lives = |first: &TxOffset| {
        *first == newest.first || heads.binary_search_by_key(first, |head| head.first).is_ok()
    };
    let orphans = listing.indexes.iter().filter(|first| !lives(first));
    orphans.map(|first| names::index(*first)).collect()
}

/// The header of a segment that must have one.
pub(crate) fn usable_header(
    head: &Head,
    log_id: Option<LogId>,
    evidence: Evidence,
) -> Result<SegmentHeader, LogError> {
    let corrupt = |defect: Defect| {
        let corrupt = defect.in_file(head.name());
        LogError::Corrupt { corrupt, evidence }
    };
    let header = match head.header {
        Ok(header) => header,
        Err(HeaderProblem::Defect(defect)) => return Err(corrupt(defect)),
        Err(HeaderProblem::UnknownVersion(found)) => {
            let (file, supported) = (head.name(), FORMAT_VERSION);
            return Err(LogError::UnsupportedVersion {
                file,
                found,
                supported,
            });
        }
    };
    if header.incompat != 0 {
        return Err(LogError::UnsupportedFeature {
            file: head.name(),
            bits: header.incompat,
        });
    }
    if let Some(expected) = log_id.filter(|log_id| *log_id != header.log_id) {
        return Err(LogError::Foreign {
            file: head.name(),
            expected,
            found: header.log_id,
        });
    }
    if header.first != head.first {
        let [expected, found] = [head.first, header.first].map(|tx| Value::Number(tx.get()));
        let at = ByteOffset::new(48);
        return Err(corrupt(Defect {
            at,
            field: "first tx offset",
            expected,
            found,
        }));
    }
    Ok(header)
}

/// What a close mark at the very end says, so that nothing need be scanned.
fn closed(head: &Head, header: &SegmentHeader) -> Option<Scan> {
    let last = head.last?;
    // The first frame of all must continue the header; what others continue is not read.
    let start = Link::start(header);
    let follows_start = last.header.first == start.next && last.header.prev == start.prev;
    let is_close = last.header.kind == FrameKind::Close
        && (last.at > start.at || follows_start)
        && TxOffset::new(last.number) <= header.first
        && u64::from(last.header.durable_bytes) == last.at.get();
    is_close.then(|| {
        let end = Link {
            at: head.len,
            prev: last.checksum,
            next: last.header.first,
        };
        Scan::closed(end, header.oldest.max(TxOffset::new(last.number)))
    })
}

/// Refuses the log if something that was durable is missing.
pub(crate) fn judge(
    head: &Head,
    header: &SegmentHeader,
    scan: &Scan,
    bound: Option<TxOffset>,
) -> Result<(), LogError> {
    let Link { at, next, .. } = scan.end;
    let Some(evidence) = evidence(header, scan, bound) else {
        return Ok(());
    };
    let defect = scan.defect.unwrap_or(Defect {
        at,
        field: "next tx offset",
        expected: Value::Text("more transactions"),
        found: Value::Number(next.get()),
    });
    Err(LogError::Corrupt {
        corrupt: defect.in_file(head.name()),
        evidence,
    })
}

/// Why the log must not end where its chain ends.
fn evidence(header: &SegmentHeader, scan: &Scan, bound: Option<TxOffset>) -> Option<Evidence> {
    let Link { at, next, .. } = scan.end;
    let claims_more = |best: &Vouched| {
        let claimed = best.durable_through.max(scan.tail.durable_through);
        best.durable_bytes > at || claimed > next
    };
    if let Some(frame) = scan.best.filter(claims_more) {
        let (at, durable_bytes) = (frame.at, frame.durable_bytes);
        return Some(Evidence::LaterFrame { at, durable_bytes });
    }
    let durable_bytes = ByteOffset::new(header.durable_bytes.into());
    if durable_bytes > at || header.durable_through > next {
        return Some(Evidence::Header { durable_bytes });
    }
    let tx_offset = bound.filter(|bound| *bound > next)?;
    Some(Evidence::Caller { tx_offset })
}

fn known_durable(header: &SegmentHeader, scan: &Scan) -> TxOffset {
    let by_frames = scan
        .best
        .map(|best| best.durable_through)
        .unwrap_or_default();
    by_frames.max(scan.vouched.next).max(header.durable_through)
}

fn log_end(head: &Head, scan: &Scan) -> LogEnd {
    let dropped = scan.tail.content_end.since(scan.end.at);
    match scan.defect {
        Some(defect) if dropped > 0 && !scan.closed => LogEnd::Tail(Tail {
            file: head.name(),
            at: scan.end.at,
            bytes: dropped,
            later_frames: scan.tail.later_frames,
            defect,
        }),
        _ => LogEnd::Clean,
    }
}

pub(crate) fn highest_epoch(heads: &[Head], newest: &SegmentHeader) -> Epoch {
    let epochs = heads
        .iter()
        .filter_map(|head| head.header.ok())
        .map(|header| header.epoch);
    epochs
        .max()
        .map_or(newest.epoch, |epoch| epoch.max(newest.epoch))
}

impl Plan {
    /// The log's identity.
    pub fn log_id(&self) -> LogId {
        self.newest.log_id
    }

    /// Features that allow reading only, and the first file that has them.
    pub(crate) fn read_only_feature(&self) -> Option<LogError> {
        let headers = self
            .sealed
            .iter()
            .map(|sealed| &sealed.header)
            .chain([&self.newest]);
        let mut odd = headers.filter(|header| header.ro_compat != 0);
        odd.next().map(|header| LogError::ReadOnlyFeature {
            file: names::segment(header.first),
            bits: header.ro_compat,
        })
    }

    /// What was found, before anything is done.
    pub(crate) fn report(&self) -> RecoveryReport {
        RecoveryReport {
            log_id: self.log_id(),
            created: false,
            closed: self.is_closed(),
            epoch: self.newest.epoch,
            oldest: self.oldest,
            next: self.next,
            known_durable_through: self.known_durable_through,
            segments: self.sealed.len() as u64 + 1,
            bytes_scanned: self.bytes_scanned,
            transactions_scanned: self.transactions_scanned,
            end: self.end.clone(),
            removed: self.removals.clone(),
            cut: self
                .cuts
                .iter()
                .map(|cut| names::segment(cut.first))
                .collect(),
            lost: Vec::new(),
            damaged: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Whether the log was closed and may go on as it is.
    pub fn is_closed(&self) -> bool {
        self.renewal.is_none()
    }

    /// The sealed segments once the plan is carried out.
    pub(crate) fn sealed_when_applied(&self) -> Vec<Sealed> {
        let mut sealed = self.sealed.clone();
        for cut in &self.cuts {
            let len = cut.at.plus(MARK_BYTES as u64);
            match sealed
                .iter_mut()
                .find(|sealed| sealed.header.first == cut.first)
            {
                Some(sealed) => sealed.len = len,
                None => sealed.push(Sealed {
                    header: self.newest,
                    len,
                }),
            }
        }
        sealed
    }

    /// Has a new segment take over behind the last place that is known durable.
    fn renew(&mut self, scan: &Scan, highest: Epoch) -> Result<(), LogError> {
        let epoch = highest
            .next()
            .ok_or(LogError::Exhausted { number: "epoch" })?;
        let from = scan.vouched;
        let header = SegmentHeader {
            epoch,
            oldest: self.oldest,
            ..self.newest
        };
        let header = match from.next == self.newest.first {
            // Nothing in the segment need stay: the new one takes its name.
            true => header,
            false => {
                let cut = cut::seal_at(&self.newest, from);
                let (first, chain) = (from.next, cut.checksum);
                self.cuts.push(cut);
                // The first segment of its kind keeps no flag of the one that it follows.
                SegmentHeader {
                    first,
                    chain,
                    flags: SegmentFlags::FORK,
                    ..header
                }
            }
        };
        let name = names::segment(header.first);
        self.removals.retain(|removal| *removal != name);
        self.renewal = Some(Renewal { header, from });
        Ok(())
    }
}

/// Checks that each segment is complete and continued by the next.
fn link_segments(
    source: &dyn LogSource,
    heads: &[Head],
    newest: &Head,
    plan: &mut Plan,
) -> Result<(), LogError> {
    let log_id = Some(plan.log_id());
    let first = heads.first().unwrap_or(newest);
    if first.first > plan.oldest {
        let (expected, found) = (plan.oldest, first.first);
        return Err(LogError::Gap {
            file: first.name(),
            expected,
            found,
        });
    }
    let successors = heads.iter().skip(1).chain([newest]);
    for (head, successor) in heads.iter().zip(successors) {
        let evidence = Evidence::Successor {
            file: successor.name(),
        };
        let header = usable_header(head, log_id, evidence)?;
        let next = usable_header(successor, log_id, Evidence::Name)?;
        if next.epoch < header.epoch {
            let (before, found) = (header.epoch, next.epoch);
            return Err(LogError::EpochOrder {
                file: successor.name(),
                before,
                found,
            });
        }
        let mut len = head.len;
        if let Err(problem) = is_continued(head, &header, &next) {
            let cut = find_cut(source, head, &header, &next)?;
            let Some(cut) = cut else {
                return Err(explain(source, head, &header, problem)?);
            };
            len = cut.at;
            plan.cuts.push(cut);
        }
        plan.sealed.push(Sealed { header, len });
    }
    Ok(())
}

/// Whether the segment ends with the seal that its successor continues.
pub(crate) fn is_continued(
    head: &Head,
    header: &SegmentHeader,
    next: &SegmentHeader,
) -> Result<(), LogError> {
    let file = names::segment(next.first);
    let Some(seal) = head.last.filter(|last| last.header.kind == FrameKind::Seal) else {
        let defect = Defect {
            at: ByteOffset::new(head.len.get().saturating_sub(MARK_BYTES as u64)),
            field: "seal",
            expected: Value::Text("a seal at the end of the segment"),
            found: Value::Text("something else"),
        };
        let corrupt: Corrupt = defect.in_file(head.name());
        return Err(LogError::Corrupt {
            corrupt,
            evidence: Evidence::Successor { file },
        });
    };
    let (expected, found) = (seal.header.first, next.first);
    if expected < found {
        return Err(LogError::Gap {
            file,
            expected,
            found,
        });
    }
    if expected > found {
        return Err(LogError::Overlap {
            file,
            expected,
            found,
        });
    }
    let stands_for =
        u64::from(next.chain) == seal.number && header.flags.contains(SegmentFlags::SALVAGED);
    // A seal that stands for nothing says 0.
    let stands_for = stands_for && next.chain != 0;
    if seal.checksum == next.chain || stands_for {
        return Ok(());
    }
    let (expected, found) = (seal.checksum, next.chain);
    Err(LogError::WrongChain {
        file,
        expected,
        found,
    })
}

/// A recorded fork may have a predecessor that is not cut yet.
pub(crate) fn find_cut(
    source: &dyn LogSource,
    head: &Head,
    header: &SegmentHeader,
    next: &SegmentHeader,
) -> Result<Option<Cut>, LogError> {
    if !next.flags.contains(SegmentFlags::FORK) {
        return Ok(None);
    }
    let (file, len) = heads::open(source, &head.name())?;
    cut::find(&file, len, header, next.first, next.chain)
}

/// The most telling error for a segment that is not continued: where its chain breaks, if it does.
fn explain(
    source: &dyn LogSource,
    head: &Head,
    header: &SegmentHeader,
    problem: LogError,
) -> Result<LogError, LogError> {
    let LogError::Corrupt { corrupt, evidence } = problem else {
        return Ok(problem);
    };
    let (file, len) = heads::open(source, &head.name())?;
    let mut chain = Chain::new(Identity::of(header), Link::start(header));
    loop {
        match chain.step(&file, len, Check::Payload)? {
            Step::Frame(_) => {}
            Step::End => return Ok(LogError::Corrupt { corrupt, evidence }),
            Step::Break(defect) => {
                let corrupt = defect.in_file(head.name());
                return Ok(LogError::Corrupt { corrupt, evidence });
            }
        }
    }
}
