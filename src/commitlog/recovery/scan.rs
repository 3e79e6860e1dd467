//! Reading the newest segment from its header to the end of the chain of good frames.

use crate::codec::{ByteOffset, Defect, Value};
use crate::commitlog::TxOffset;
use crate::commitlog::chain::{Chain, Check, Identity, Link, Step};
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, Mark};
use crate::commitlog::header::SegmentHeader;
use crate::commitlog::source::ReadAt;

use super::evidence::{TailFacts, Vouched, look_ahead};

/// How many places are remembered while they might turn out to be the last durable one.
const LINKS_MAX: usize = 1024;

/// What a scan found.
#[derive(Clone, Debug)]
pub(crate) struct Scan {
    /// The end of the chain.
    pub end: Link,
    /// The last place before which frames say that everything was durable.
    pub vouched: Link,
    /// What says most about durable bytes.
    pub best: Option<Vouched>,
    /// The oldest transaction kept, by the header and the marks.
    pub oldest: TxOffset,
    /// Whether the chain ends with a close mark.
    pub closed: bool,
    /// Why it ends, if not at the end of the file.
    pub defect: Option<Defect>,
    /// What stands behind it.
    pub tail: TailFacts,
    pub frames: u64,
    pub transactions: u64,
}

/// Reads a segment to the end of its chain and looks at what follows.
pub(crate) fn scan<F: ReadAt + ?Sized>(
    file: &F,
    len: ByteOffset,
    header: &SegmentHeader,
) -> Result<Scan, LogError> {
    let identity = Identity::of(header);
    let start = Link::start(header);
    let mut scan = Scan {
        end: start,
        vouched: start,
        best: None,
        oldest: header.oldest,
        closed: false,
        defect: None,
        tail: TailFacts::default(),
        frames: 0,
        transactions: 0,
    };
    let mut links = Links::new(start);
    let mut chain = Chain::new(identity, start);
    loop {
        let before = chain.link();
        match chain.step(file, len, Check::Payload)? {
            Step::Frame(frame) => {
                if let Some(defect) = beyond_start(before.at, &frame, chain.payload(), header) {
                    chain.back_to(before);
                    scan.defect = Some(defect);
                    break;
                }
                scan.add(before.at, &frame, chain.payload());
                links.push(chain.link(), scan.durable_bytes());
            }
            Step::End => break,
            Step::Break(defect) => {
                scan.defect = Some(defect);
                break;
            }
        }
    }
    scan.end = chain.link();
    if scan.defect.is_some() {
        scan.tail = look_ahead(file, identity, scan.end.at, len)?;
        scan.best = later_of(scan.best, scan.tail.best);
    }
    // The header is durable: the segment has its name.
    let durable = scan.durable_bytes().min(scan.end.at).max(start.at);
    scan.vouched = vouched(file, identity, &links, durable)?;
    Ok(scan)
}

impl Scan {
    /// What is known of a segment that ends with a close mark, without reading it: everything
    /// before the mark was synced before the mark was written.
    pub fn closed(end: Link, oldest: TxOffset) -> Self {
        Self {
            end,
            vouched: end,
            best: None,
            oldest,
            closed: true,
            defect: None,
            tail: TailFacts::default(),
            frames: 0,
            transactions: 0,
        }
    }

    /// Everything in the segment before this was durable, some frame says.
    pub fn durable_bytes(&self) -> ByteOffset {
        self.best.map(|best| best.durable_bytes).unwrap_or_default()
    }

    fn add(&mut self, at: ByteOffset, frame: &FrameHeader, payload: &[u8]) {
        self.frames += 1;
        self.transactions += u64::from(frame.tx_count);
        // A close mark is written after everything before it was synced.
        self.closed = frame.kind == FrameKind::Close && u64::from(frame.durable_bytes) == at.get();
        if matches!(frame.kind, FrameKind::Close | FrameKind::Retain) {
            // A mark's header was checked to have room for its number.
            let number = Mark::number(payload, at).unwrap_or_default();
            self.oldest = self.oldest.max(TxOffset::new(number));
        }
        let durable_bytes = ByteOffset::new(frame.durable_bytes.into());
        let durable_through = frame.durable_through;
        self.best = later_of(
            self.best,
            Some(Vouched {
                at,
                durable_bytes,
                durable_through,
            }),
        );
    }
}

/// A mark that names an oldest transaction which retention cannot have left: it removes whole
/// segments before the one that is written.
fn beyond_start(
    at: ByteOffset,
    frame: &FrameHeader,
    payload: &[u8],
    header: &SegmentHeader,
) -> Option<Defect> {
    if !matches!(frame.kind, FrameKind::Close | FrameKind::Retain) {
        return None;
    }
    let oldest = Mark::number(payload, at).unwrap_or_default();
    (oldest > header.first.get()).then_some(Defect {
        at: at.plus(FRAME_HEADER_BYTES as u64),
        field: "oldest tx offset",
        expected: Value::Number(header.first.get()),
        found: Value::Number(oldest),
    })
}

fn later_of(one: Option<Vouched>, other: Option<Vouched>) -> Option<Vouched> {
    match (one, other) {
        (Some(one), Some(other)) if one.durable_bytes >= other.durable_bytes => Some(one),
        (one, other) => other.or(one),
    }
}

/// Places at or after the last one known durable, in bounded memory.
struct Links {
    links: Vec<Link>,
    /// Only every so many-th place is kept.
    stride: u64,
    pushed: u64,
}

impl Links {
    fn new(start: Link) -> Self {
        Self {
            links: vec![start],
            stride: 1,
            pushed: 0,
        }
    }

    /// Remembers `link`, and forgets all before the last at or before `durable`.
    fn push(&mut self, link: Link, durable: ByteOffset) {
        self.pushed += 1;
        if self.pushed.is_multiple_of(self.stride) {
            self.links.push(link);
        }
        let before = self.links.partition_point(|link| link.at <= durable);
        if before > 1 && (before == self.links.len() || self.links.len() >= LINKS_MAX) {
            self.links.drain(..before - 1);
            self.stride = 1;
        }
        if self.links.len() >= LINKS_MAX {
            let mut position = 0_usize;
            self.links.retain(|_| {
                position += 1;
                position % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// The last remembered place at or before `durable`.
    fn before(&self, durable: ByteOffset) -> Option<Link> {
        let count = self.links.partition_point(|link| link.at <= durable);
        self.links.get(count.checked_sub(1)?).copied()
    }
}

/// The place before which everything up to `durable` stands.
fn vouched<F: ReadAt + ?Sized>(
    file: &F,
    identity: Identity,
    links: &Links,
    durable: ByteOffset,
) -> Result<Link, LogError> {
    let Some(mut link) = links.before(durable) else {
        unreachable!("the first place, behind the header, is forgotten only for a later one");
    };
    let mut chain = Chain::new(identity, link);
    while link.at < durable {
        // Frames beyond `durable` are not part of it, also if it is no place between two frames.
        let Step::Frame(_) = chain.step(file, durable, Check::Header)? else {
            break;
        };
        link = chain.link();
    }
    Ok(link)
}

#[cfg(test)]
mod tests;
