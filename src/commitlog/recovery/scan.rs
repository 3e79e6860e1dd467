//! Reading the newest segment from its header to the end of the chain of good frames.

use crate::codec::{ByteOffset, Defect};
use crate::commitlog::TxOffset;
use crate::commitlog::chain::{Chain, Check, each_frame};
use crate::commitlog::commit::{Commit, Recovered, Visitor};
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, RawHeader};
use crate::commitlog::header::{SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::commitlog::link::Link;
use crate::commitlog::source::ReadAt;

use super::evidence::{Claim, TailFacts, look_ahead};

/// Maximum candidate durable ends kept in memory.
const LINKS_MAX: usize = 1024;

/// What a scan found.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// The end of the chain; of a closed segment, where its close mark stands.
    pub end: Link,
    /// A place before which everything is known to be durable, at or near the last such one.
    pub durable: Link,
    /// The strongest claim of any frame.
    pub best: Option<Claim>,
    /// Whether the chain ends with a close mark.
    pub closed: bool,
    /// Why it ends, if not at the end of the file.
    pub defect: Option<Defect>,
    /// What stands behind it.
    pub tail: TailFacts,
    pub bytes: u64,
    pub transactions: u64,
}

/// The commits to be handed to the visitor: those that end behind an offset.
pub(crate) struct Visit<'a, 'v> {
    pub from: TxOffset,
    pub visitor: &'a mut Visitor<'v>,
}

impl Visit<'_, '_> {
    /// Hands a commit on, unless it lies before what is asked for.
    pub fn commit(
        &mut self,
        header: &SegmentHeader,
        frame: &FrameHeader,
        chain: &Chain,
        durable_through: TxOffset,
    ) -> Result<(), LogError> {
        let end = chain.link().next;
        if frame.kind != FrameKind::Commit || end <= self.from {
            return Ok(());
        }
        let commit = Commit {
            first: frame.first,
            end,
            epoch: header.epoch,
            incarnation: header.incarnation,
            payload: chain.payload(),
            ends: chain.ends(),
        };
        let recovered = Recovered {
            commit,
            durable_through,
        };
        (self.visitor)(recovered).map_err(|source| LogError::Visitor {
            source: source.into(),
        })
    }
}

/// Reads a segment to the end of its chain and looks at what follows.
pub(crate) fn scan<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    header: &SegmentHeader,
    mut visit: Option<&mut Visit<'_, '_>>,
) -> Result<Scan, LogError> {
    let start = header.start();
    // The segment has its name, so header and first content are durable.
    let mut links = Links::new(start, ByteOffset::new(header.durable_bytes.into()));
    let mut scan = Scan::at(start);
    let mut chain = Chain::new(header.key(), start);
    let check = match visit {
        Some(_) => Check::Records,
        None => Check::Payload,
    };
    let mut close_mark = None;
    scan.defect = each_frame(&mut chain, file, len, check, |before, frame, chain| {
        scan.best = Claim::stronger(scan.best, Some(Claim::of(before.at, frame)));
        scan.transactions += u64::from(frame.tx_count);
        scan.bytes = chain.link().at.get();
        close_mark = frame.closes_at(before.at).then_some(before);
        if close_mark.is_some() {
            return Ok(());
        }
        links.push(chain.link(), ByteOffset::new(frame.durable_bytes.into()));
        match &mut visit {
            Some(visit) => visit.commit(header, frame, chain, links.durable().next),
            None => Ok(()),
        }
    })?;
    scan.end = chain.link();
    if let Some(end) = close_mark {
        // Nothing is ever written behind it, and all before was synced before it was written.
        return Ok(Scan {
            end,
            durable: end,
            closed: true,
            defect: None,
            ..scan
        });
    }
    if scan.defect.is_some() {
        scan.tail = look_ahead(file, header.key(), scan.end.at, len)?;
        scan.best = Claim::stronger(scan.best, scan.tail.best);
        links.vouch(scan.durable_bytes());
    }
    scan.durable = links.durable();
    Ok(scan)
}

/// What a close mark at the very end of a segment says, so that nothing else need be read.
pub(crate) fn closed<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    header: &SegmentHeader,
) -> Result<Option<Scan>, LogError> {
    let Some(at) = len.get().checked_sub(FRAME_HEADER_BYTES as u64) else {
        return Ok(None);
    };
    if at < SEGMENT_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; FRAME_HEADER_BYTES];
    if file.read_full_at(&mut bytes, at)? < FRAME_HEADER_BYTES {
        return Ok(None);
    }
    let (raw, at) = (RawHeader::new(bytes), ByteOffset::new(at));
    let [_, _, _, _, covered @ ..] = &bytes;
    let Ok((frame, _)) = raw.check(covered, &header.key(), at) else {
        return Ok(None);
    };
    if !frame.closes_at(at) {
        return Ok(None);
    }
    let end = Link {
        at,
        prev: frame.prev,
        next: frame.first,
    };
    let closed = true;
    Ok(Some(Scan {
        durable: end,
        closed,
        ..Scan::at(end)
    }))
}

impl Scan {
    fn at(link: Link) -> Self {
        Self {
            end: link,
            durable: link,
            best: None,
            closed: false,
            defect: None,
            tail: TailFacts::default(),
            bytes: 0,
            transactions: 0,
        }
    }

    /// Everything in the segment before this was durable, some frame says.
    pub fn durable_bytes(&self) -> ByteOffset {
        self.best.map(|best| best.durable_bytes).unwrap_or_default()
    }
}

/// Places at or after the last one known durable, in bounded memory. There is always one.
struct Links {
    links: Vec<Link>,
    durable_bytes: ByteOffset,
}

impl Links {
    fn new(start: Link, durable_bytes: ByteOffset) -> Self {
        Self {
            links: vec![start],
            durable_bytes,
        }
    }

    fn push(&mut self, link: Link, durable_bytes: ByteOffset) {
        self.links.push(link);
        if durable_bytes > self.durable_bytes || link.at <= self.durable_bytes {
            self.vouch(durable_bytes);
        }
        if self.links.len() > LINKS_MAX {
            // Every second one will do: an earlier place than the last durable one is as safe.
            let mut position = 0_usize;
            self.links.retain(|_| {
                position += 1;
                position % 2 == 1
            });
        }
    }

    /// Everything before `durable_bytes` is durable: drops all places before the last such one.
    fn vouch(&mut self, durable_bytes: ByteOffset) {
        self.durable_bytes = self.durable_bytes.max(durable_bytes);
        let after = self
            .links
            .partition_point(|link| link.at <= self.durable_bytes);
        self.links.drain(..after.saturating_sub(1));
    }

    /// The last remembered place before which everything is durable.
    fn durable(&self) -> Link {
        self.links[0]
    }
}

#[cfg(test)]
mod tests;
