//! The decision: from the files of a log to what they are and what is to be done.

use std::time::Duration;

use crate::codec::{ByteOffset, Defect, Value};
use crate::commitlog::chain::Link;
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKind, MARK_BYTES};
use crate::commitlog::header::{SegmentFlags, SegmentHeader};
use crate::commitlog::names;
use crate::commitlog::report::{LogEnd, RecoveryReport, Tail};
use crate::commitlog::source::LogSource;
use crate::commitlog::{Epoch, LogId, TxOffset};

use super::continuity::{confirm_cuts, link_segments, usable_header};
use super::cut::{self, Cut};
use super::evidence::Vouched;
use super::gather::{Gathered, drop_retired, gather, orphan_indexes};
use super::heads::Head;
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
    drop(file);
    let judged = judge(&head, &newest, &scan, durable_through);
    drop_retired(&mut heads, head.first, scan.oldest, &mut removals);
    if judged.is_err() {
        // If a header before it is damaged, it may have been superseded: that tells more.
        for head in &heads {
            usable_header(head, Some(newest.log_id), Evidence::Name)?;
        }
    }
    judged?;
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
        confirm_cuts(&heads, scan.end.at, &mut plan);
        plan.renew(&scan, highest_epoch(&heads, &newest))?;
    }
    Ok(Planned::Log(Box::new(plan)))
}

/// What a close mark at the very end says, so that nothing need be scanned.
pub(crate) fn closed(head: &Head, header: &SegmentHeader) -> Option<Scan> {
    let last = head.last?;
    let is_close = last.header.kind == FrameKind::Close
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
        Some(defect) if dropped > 0 => LogEnd::Tail(Tail {
            file: head.name(),
            at: scan.end.at,
            bytes: dropped,
            later_frames: scan.tail.later_frames,
            defect,
        }),
        _ => LogEnd::Clean,
    }
}

fn highest_epoch(heads: &[Head], newest: &SegmentHeader) -> Epoch {
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
