//! The directory as recovery sees it: names, and both ends of each segment.

use crate::codec::ByteOffset;
use crate::commitlog::TxOffset;
use crate::commitlog::chain::Identity;
use crate::commitlog::error::LogError;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, FrameHeader, MARK_BYTES, Mark};
use crate::commitlog::header::{HeaderProblem, SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader};
use crate::commitlog::names::{self, FileName};
use crate::commitlog::source::{LogSource, ReadAt, SourceFile};

/// Files up to this length are read at once: one call instead of three.
const SMALL_BYTES_MAX: u64 = 16 << 10;

/// The names of a log's directory, by what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    pub segments: Vec<TxOffset>,
    pub indexes: Vec<TxOffset>,
    pub temps: Vec<TxOffset>,
    pub spares: Vec<TxOffset>,
    pub damaged: Vec<String>,
}

impl Listing {
    /// The directory's names, sorted; none if there is no directory.
    pub fn read(source: &dyn LogSource) -> Result<Option<Self>, LogError> {
        let Some(names) = source.names()? else {
            return Ok(None);
        };
        let mut listing = Self::default();
        for name in names {
            match FileName::parse(&name) {
                FileName::Segment(first) => listing.segments.push(first),
                FileName::Index(first) => listing.indexes.push(first),
                FileName::Temp(first) => listing.temps.push(first),
                FileName::Spare(first) => listing.spares.push(first),
                FileName::Damaged(_) => listing.damaged.push(name),
                FileName::Other => {}
            }
        }
        listing.segments.sort_unstable();
        Ok(Some(listing))
    }

    /// A file that shows that there once was a log, when there is no segment.
    pub fn trace(&self) -> Option<String> {
        let spare = self.spares.first().map(|first| names::spare(*first));
        let index = self.indexes.first().map(|first| names::index(*first));
        self.damaged.first().cloned().or(spare).or(index)
    }
}

/// A mark that stands at the very end of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LastMark {
    pub at: ByteOffset,
    pub header: FrameHeader,
    pub checksum: u32,
    pub number: u64,
}

/// A segment by its two ends.
pub(crate) struct Head {
    pub first: TxOffset,
    pub len: ByteOffset,
    pub header: Result<SegmentHeader, HeaderProblem>,
    pub last: Option<LastMark>,
}

impl Head {
    /// Its file name.
    pub fn name(&self) -> String {
        names::segment(self.first)
    }

    fn epoch(&self) -> Option<u32> {
        self.header.as_ref().ok().map(|header| header.epoch.get())
    }

    fn is_fork(&self) -> bool {
        let fork = |header: &SegmentHeader| header.flags.contains(SegmentFlags::FORK);
        self.header.as_ref().is_ok_and(fork)
    }
}

/// A file, with its bytes if it is small enough to be read once.
pub(crate) struct HeadFile {
    file: Box<dyn SourceFile>,
    bytes: Option<Vec<u8>>,
}

impl ReadAt for HeadFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let Some(bytes) = &self.bytes else {
            return self.file.read_at(buffer, at);
        };
        let rest = bytes
            .get(usize::try_from(at).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// Opens a segment; its length as it was then.
pub(crate) fn open(source: &dyn LogSource, name: &str) -> Result<(HeadFile, ByteOffset), LogError> {
    let file = source.open(name)?;
    let len = file.len()?;
    if len > SMALL_BYTES_MAX {
        return Ok((HeadFile { file, bytes: None }, ByteOffset::new(len)));
    }
    let mut bytes = vec![0; len as usize];
    let read = file.read_full_at(&mut bytes, 0)?;
    bytes.truncate(read);
    let bytes = Some(bytes);
    Ok((HeadFile { file, bytes }, ByteOffset::new(read as u64)))
}

/// Reads both ends of all segments in order, and keeps the last one's file. Only one file is open
/// at a time.
pub(crate) fn read_heads(
    source: &dyn LogSource,
    segments: &[TxOffset],
) -> Result<(Vec<Head>, Option<HeadFile>), LogError> {
    let mut heads = Vec::with_capacity(segments.len());
    let mut newest = None;
    for first in segments {
        drop(newest.take());
        let (file, len) = open(source, &names::segment(*first))?;
        let header = header(&file)?;
        let last = match &header {
            Ok(header) => last_mark(&file, header, len)?,
            Err(_) => None,
        };
        heads.push(Head {
            first: *first,
            len,
            header,
            last,
        });
        newest = Some(file);
    }
    Ok((heads, newest))
}

/// The header of a segment.
pub(crate) fn header<F: ReadAt + ?Sized>(
    file: &F,
) -> Result<Result<SegmentHeader, HeaderProblem>, LogError> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let read = file.read_full_at(&mut bytes, 0)?;
    Ok(SegmentHeader::decode(bytes.get(..read).unwrap_or_default()))
}

/// The mark that ends exactly at `len`, if one does.
pub(crate) fn last_mark<F: ReadAt + ?Sized>(
    file: &F,
    header: &SegmentHeader,
    len: ByteOffset,
) -> Result<Option<LastMark>, LogError> {
    let Some(at) = len.get().checked_sub(MARK_BYTES as u64) else {
        return Ok(None);
    };
    if at < SEGMENT_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; MARK_BYTES];
    if file.read_full_at(&mut bytes, at)? < MARK_BYTES {
        return Ok(None);
    }
    Ok(decode_mark(
        &bytes,
        Identity::of(header),
        ByteOffset::new(at),
    ))
}

fn decode_mark(bytes: &[u8; MARK_BYTES], identity: Identity, at: ByteOffset) -> Option<LastMark> {
    let (head, payload) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>()?;
    let (header, checksum) = FrameHeader::decode(head, identity.seed, at).ok()?;
    let is_whole = header.tx_count == 0
        && header.epoch == identity.epoch
        && header.payload_checksum == crc32fast::hash(payload);
    let number = Mark::number(payload, at).ok()?;
    is_whole.then_some(LastMark {
        at,
        header,
        checksum,
        number,
    })
}

/// For each segment, whether a recorded fork made it superfluous: one that starts at or before
/// it, in a later epoch.
pub(crate) fn superseded(heads: &[Head]) -> Vec<bool> {
    let mut fork_epoch = 0;
    let mut of = |head: &Head| {
        let gone = head.epoch().is_some_and(|epoch| epoch < fork_epoch);
        if head.is_fork() && !gone {
            fork_epoch = fork_epoch.max(head.epoch().unwrap_or(0));
        }
        gone
    };
    heads.iter().map(&mut of).collect()
}
