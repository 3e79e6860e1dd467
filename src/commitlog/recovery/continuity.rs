//! Whether each segment is complete and continued by the next.

use crate::codec::{ByteOffset, Corrupt, Defect, Value};
use crate::commitlog::LogId;
use crate::commitlog::chain::{Chain, Check, Identity, Link, Step};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKind, MARK_BYTES};
use crate::commitlog::header::{FORMAT_VERSION, HeaderProblem, SegmentFlags, SegmentHeader};
use crate::commitlog::names;
use crate::commitlog::source::LogSource;

use super::cut::{self, Cut};
use super::heads::{self, Head};
use super::plan::{Plan, Sealed};

/// Checks that each segment is complete and continued by the next.
pub(crate) fn link_segments(
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

/// Cuts that can be seen and need not be durable: an opening that made them may have ended before
/// they were synced. They are made once more. Whoever writes behind the first content of a segment
/// has synced the cuts before it, so that only the forks at the end that nobody wrote to count.
pub(crate) fn confirm_cuts(heads: &[Head], written_to: ByteOffset, plan: &mut Plan) {
    let (mut next, mut end) = (plan.newest, written_to);
    for head in heads.iter().rev() {
        let is_written_to = end.get() > u64::from(next.durable_bytes);
        if is_written_to || !next.flags.contains(SegmentFlags::FORK) {
            break;
        }
        let Ok(header) = head.header else { break };
        end = match plan.cuts.iter().find(|cut| cut.first == header.first) {
            Some(cut) => cut.at,
            None => {
                let Some(seal) = head.last else { break };
                let at = ByteOffset::new(head.len.get().saturating_sub(MARK_BYTES as u64));
                let link = Link {
                    at,
                    prev: seal.header.prev,
                    next: next.first,
                };
                let cut = cut::seal_at(&header, link);
                // A salvage has its own seals, and syncs them before they have a name.
                if cut.checksum == next.chain {
                    plan.cuts.push(cut);
                }
                at
            }
        };
        next = header;
    }
    plan.cuts.sort_by_key(|cut| cut.first);
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

#[cfg(test)]
mod tests;
