//! The files of a damaged log, drawn from bytes.
//!
//! Random bytes never get past a checksum. So a log is drawn as a shape — segments, frames, their
//! fields mostly as they should be — written with right checksums, and damaged at the end.

use arbitrary::Arbitrary;
use blackstart::codec::ByteOffset;
use blackstart::commitlog::{
    Epoch, FORMAT_VERSION, FrameHeader, FrameKind, LogId, Seed, SegmentFlags, SegmentHeader,
    TxOffset,
};

const LOG_ID: LogId = LogId::new(*b"the log's own id");
const SEGMENTS_MAX: usize = 4;
const FRAMES_MAX: usize = 6;
const RECORDS_MAX: u32 = 5;

/// A log and what befell it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Files {
    segments: Vec<Segment>,
    others: Vec<Other>,
    damages: Vec<Damage>,
    /// Opened with the caller's word that transactions before this are durable.
    pub durable_through: Option<u8>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Segment {
    frames: Vec<Frame>,
    is_sealed: bool,
    wrong: Option<Wrong>,
    by: u8,
    is_fork: bool,
    epochs_up: bool,
    durable_lag: u8,
    oldest: u8,
    tail: Tail,
}

/// What is not as it should be in a header.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wrong {
    First,
    Name,
    Chain,
    Epoch,
    LogId,
    Durable,
    Incompat,
    ReadOnlyCompat,
    Version,
}

#[derive(Arbitrary, Clone, Debug)]
struct Frame {
    kind: Kind,
    records: u8,
    number: u8,
    durable_lag: u8,
    wrong: Option<WrongFrame>,
    by: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum Kind {
    Commit,
    Close,
    Seal,
    Open,
    Retain,
    Lost,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum WrongFrame {
    First,
    Epoch,
    Prev,
    Payload,
    Length,
    Durable,
    DurableBytes,
    Hole,
}

/// What stands behind the frames.
#[derive(Arbitrary, Clone, Debug)]
enum Tail {
    Nothing,
    Zeros(u16),
    Bytes(Vec<u8>),
}

/// Another file: a temporary one, a spare, an index, nothing of ours.
#[derive(Arbitrary, Clone, Debug)]
struct Other {
    ending: Ending,
    first: u8,
    bytes: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ending {
    Segment,
    Index,
    Temporary,
    Spare,
    Damaged,
    Unknown,
}

#[derive(Arbitrary, Clone, Debug)]
pub(super) struct Damage {
    file: u8,
    at: u16,
    how: How,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Cut,
    Zero(u8),
    Flip(u8),
    Remove,
}

/// What the next segment and the next frame have to continue.
struct Place {
    next: u64,
    epoch: u32,
    prev: u32,
}

impl Files {
    /// The files by name.
    pub fn build(&self) -> Vec<(String, Vec<u8>)> {
        let mut place = Place {
            next: 0,
            epoch: 1,
            prev: 0,
        };
        let mut files = Vec::new();
        for segment in self.segments.iter().take(SEGMENTS_MAX) {
            files.push(segment.build(&mut place));
        }
        for other in self.others.iter().take(SEGMENTS_MAX) {
            files.push((other.name(), other.bytes.clone()));
        }
        for damage in &self.damages {
            damage.strike(&mut files);
        }
        files
    }
}

impl Segment {
    fn build(&self, place: &mut Place) -> (String, Vec<u8>) {
        place.epoch += u32::from(self.epochs_up);
        if self.is_fork {
            place.next = place.next.saturating_sub(self.by.into());
        }
        let mut header = self.header(place);
        let mut name = place.next;
        let by = u64::from(self.by) + 1;
        match self.wrong {
            Some(Wrong::First) => header.first = TxOffset::new(place.next + by),
            Some(Wrong::Name) => name += by,
            Some(Wrong::Chain) => header.chain ^= u32::from(self.by) + 1,
            Some(Wrong::Epoch) => header.epoch = Epoch::new(self.by.into()),
            Some(Wrong::LogId) => header.log_id = LogId::new([self.by; 16]),
            Some(Wrong::Durable) => header.durable_through = TxOffset::new(place.next + by),
            Some(Wrong::Incompat) => header.incompat = self.by.into(),
            Some(Wrong::ReadOnlyCompat) => header.ro_compat = self.by.into(),
            Some(Wrong::Version) => header.version = self.by.into(),
            None => {}
        }
        let seed = Seed::new(header.log_id, header.first);
        let mut bytes = header.encode().to_vec();
        place.prev = header.first_link();
        for frame in self.frames.iter().take(FRAMES_MAX) {
            frame.append(&mut bytes, place, seed);
        }
        if self.is_sealed {
            Frame::SEAL.append(&mut bytes, place, seed);
        }
        match &self.tail {
            Tail::Nothing => {}
            Tail::Zeros(count) => bytes.resize(bytes.len() + usize::from(*count), 0),
            Tail::Bytes(tail) => bytes.extend_from_slice(tail),
        }
        (format!("{name:020}.log"), bytes)
    }

    fn header(&self, place: &Place) -> SegmentHeader {
        let durable = place.next.saturating_sub(self.durable_lag.into());
        SegmentHeader {
            version: FORMAT_VERSION,
            compat: 0,
            ro_compat: 0,
            incompat: 0,
            flags: if self.is_fork {
                SegmentFlags::FORK
            } else {
                SegmentFlags::NONE
            },
            log_id: LOG_ID,
            first: TxOffset::new(place.next),
            oldest: TxOffset::new(self.oldest.into()),
            durable_through: TxOffset::new(durable),
            epoch: Epoch::new(place.epoch),
            chain: place.prev,
            durable_bytes: blackstart::commitlog::SEGMENT_HEADER_BYTES as u32,
            creation: 0,
        }
    }
}

impl Frame {
    const SEAL: Self = Self {
        kind: Kind::Seal,
        records: 0,
        number: 0,
        durable_lag: 0,
        wrong: None,
        by: 0,
    };

    fn payload(&self) -> (u32, Vec<u8>) {
        if self.kind != Kind::Commit {
            return (0, u64::from(self.number).to_le_bytes().to_vec());
        }
        let count = u32::from(self.records) % RECORDS_MAX + 1;
        let mut payload = Vec::new();
        for record in 0..count {
            let length = (u32::from(self.number) + record) % 9;
            payload.extend_from_slice(&length.to_le_bytes());
            payload.extend((0..length).map(|byte| byte as u8));
        }
        (count, payload)
    }

    fn append(&self, bytes: &mut Vec<u8>, place: &mut Place, seed: Seed) {
        let (tx_count, mut payload) = self.payload();
        let at = bytes.len() as u64;
        let mut header = FrameHeader {
            kind: self.kind.into(),
            first: TxOffset::new(place.next),
            durable_through: TxOffset::new(place.next.saturating_sub(self.durable_lag.into())),
            epoch: Epoch::new(place.epoch),
            tx_count,
            payload_len: payload.len() as u32,
            payload_checksum: crc32fast::hash(&payload),
            prev: place.prev,
            durable_bytes: at as u32,
        };
        let by = u32::from(self.by) + 1;
        match self.wrong {
            Some(WrongFrame::First) => header.first = TxOffset::new(place.next + u64::from(by)),
            Some(WrongFrame::Epoch) => header.epoch = Epoch::new(by),
            Some(WrongFrame::Prev) => header.prev ^= by,
            Some(WrongFrame::Payload) => payload[0] ^= by as u8,
            Some(WrongFrame::Length) => header.payload_len = by << (by % 24),
            Some(WrongFrame::Durable) => header.durable_through = TxOffset::new(u64::MAX),
            Some(WrongFrame::DurableBytes) => header.durable_bytes = by << (by % 24),
            Some(WrongFrame::Hole) => {
                bytes.resize(bytes.len() + by as usize, 0);
            }
            None => {}
        }
        let (encoded, checksum) = header.encode(seed, ByteOffset::new(bytes.len() as u64));
        bytes.extend_from_slice(&encoded);
        bytes.extend_from_slice(&payload);
        place.prev = checksum;
        place.next = match self.kind {
            Kind::Lost => place.next.max(self.number.into()),
            _ => place.next + u64::from(tx_count),
        };
    }
}

impl From<Kind> for FrameKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Commit => Self::Commit,
            Kind::Close => Self::Close,
            Kind::Seal => Self::Seal,
            Kind::Open => Self::Open,
            Kind::Retain => Self::Retain,
            Kind::Lost => Self::Lost,
        }
    }
}

impl Other {
    fn name(&self) -> String {
        let ending = match self.ending {
            Ending::Segment => "log",
            Ending::Index => "idx",
            Ending::Temporary => "tmp",
            Ending::Spare => "spare",
            Ending::Damaged => "damaged-1",
            Ending::Unknown => "txt",
        };
        format!("{:020}.{ending}", self.first)
    }
}

impl Damage {
    pub(super) fn strike(&self, files: &mut Vec<(String, Vec<u8>)>) {
        let count = files.len().max(1);
        let Some((_, bytes)) = files.get_mut(usize::from(self.file) % count) else {
            return;
        };
        let at = usize::from(self.at) % (bytes.len() + 1);
        match self.how {
            How::Cut => bytes.truncate(at),
            How::Zero(length) => bytes
                .iter_mut()
                .skip(at)
                .take(length.into())
                .for_each(|b| *b = 0),
            How::Flip(mask) => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= mask),
            How::Remove => drop(files.remove(usize::from(self.file) % count)),
        }
    }
}
