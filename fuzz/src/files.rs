//! The files of a damaged log, drawn from bytes.
//!
//! Random bytes never get past a checksum. So a log is drawn as a shape — segments, frames, their
//! fields mostly as they should be — written with right checksums by the tables of docs/FORMAT.md,
//! and damaged at the end.

use arbitrary::Arbitrary;
use blackstart::codec::ByteOffset;
use blackstart::commitlog::recovery::Beforehand;
use blackstart::commitlog::{
    Epoch, Features, Incarnation, LogId, Predecessor, SMALL_PAYLOAD_BYTES_MAX, SUPERBLOCK_BYTES,
    SegmentFlags, SegmentHeader, Superblock, TxOffset,
};

use super::frame;

const LOG_ID: [u8; 16] = *b"the log's own id";
const SEGMENTS_MAX: usize = 4;
const FRAMES_MAX: usize = 6;
const RECORDS_MAX: u32 = 5;

/// A log and what befell it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Files {
    segments: Vec<Segment>,
    superblock: Option<Known>,
    others: Vec<Other>,
    damages: Vec<Damage>,
    /// Opened with the caller's word that, in this epoch, transactions before this are durable.
    durable_through: Option<(u8, u8)>,
}

#[derive(Arbitrary, Clone, Debug)]
struct Segment {
    frames: Vec<Frame>,
    is_closed: bool,
    start: Start,
    /// Which of the predecessor's frames a fork takes over behind; how much a loss leaves out.
    by: u8,
    epochs_up: bool,
    /// How many of its frames were its first content.
    first_content: u8,
    oldest: u8,
    wrong: Option<Wrong>,
    wrong_by: u8,
    tail: Tail,
}

/// How a segment goes on with the one before.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Start {
    Follows,
    Fork,
    Loss,
    Alone,
}

/// What is not as it should be in a header.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wrong {
    First,
    Name,
    EndAt,
    EndTx,
    EndChecksum,
    PredecessorName,
    PredecessorHeader,
    Epoch,
    LogId,
    DurableThrough,
    DurableBytes,
    Incompat,
    ReadOnlyCompat,
}

#[derive(Arbitrary, Clone, Debug)]
struct Frame {
    is_close: bool,
    is_large: bool,
    records: u8,
    number: u8,
    /// Up to which of the frames before it says that all was durable.
    durable_lag: u8,
    wrong: Option<WrongFrame>,
    by: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum WrongFrame {
    First,
    Tag,
    Prev,
    Payload,
    Length,
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

/// What the superblock says, by how much it is behind or ahead of the truth.
#[derive(Arbitrary, Clone, Debug)]
struct Known {
    counter: u8,
    epoch_lag: u8,
    oldest: u8,
    newest_lag: u8,
    durable_lag: i8,
    is_foreign: bool,
}

/// Another file: a segment of anything, a temporary one, `lock`, nothing of a log.
#[derive(Arbitrary, Clone, Debug)]
struct Other {
    ending: Ending,
    first: u8,
    bytes: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ending {
    Segment,
    Temporary,
    Lock,
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

/// A place between two frames.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u32,
    next: u64,
    prev: u32,
}

/// A segment that was written, and all places between its frames.
struct Written {
    header: SegmentHeader,
    places: Vec<Place>,
}

impl Files {
    /// The files by name.
    pub fn build(&self) -> Vec<(String, Vec<u8>)> {
        let (mut files, mut written): (_, Vec<Written>) = (Vec::new(), Vec::new());
        for (number, segment) in self.segments.iter().take(SEGMENTS_MAX).enumerate() {
            files.push(segment.build(number as u32, &mut written));
        }
        if let (Some(known), Some(last)) = (&self.superblock, written.last()) {
            files.push(("lock".to_owned(), known.build(last)));
        }
        for other in self.others.iter().take(SEGMENTS_MAX) {
            files.push((other.name(), other.bytes.clone()));
        }
        for damage in &self.damages {
            damage.strike(&mut files);
        }
        files
    }

    /// What whoever opens the log knows of it.
    pub fn beforehand(&self) -> Beforehand {
        Beforehand {
            durable_through: self.durable_through.map(|(epoch, tx_offset)| {
                (Epoch::new(epoch.into()), TxOffset::new(tx_offset.into()))
            }),
            known_features: Features::NONE,
        }
    }
}

impl Segment {
    fn build(&self, number: u32, written: &mut Vec<Written>) -> (String, Vec<u8>) {
        let mut header = self.header(number, written.last());
        let mut name = header.first.get();
        self.spoil(&mut header, &mut name);
        let end_checksum = header.predecessor.map_or(0, |before| before.end_checksum);
        let start = [end_checksum.to_le_bytes(), header.tag.to_le_bytes()].concat();
        let mut places = vec![Place {
            at: header.encode().len() as u32,
            next: header.first.get(),
            prev: crc32fast::hash(&start),
        }];
        let mut bytes = header.encode().to_vec();
        for frame in self.frames.iter().take(FRAMES_MAX) {
            frame.append(&mut bytes, &mut places, &header);
        }
        if self.is_closed {
            Frame::CLOSE.append(&mut bytes, &mut places, &header);
        }
        let content = places.get(usize::from(self.first_content) % places.len());
        if let Some(content) = content.filter(|_| self.wrong.is_none()) {
            header.durable_bytes = content.at;
            header.durable_through = TxOffset::new(content.next);
        }
        let encoded = header.encode();
        bytes[..encoded.len()].copy_from_slice(&encoded);
        match &self.tail {
            Tail::Nothing => {}
            Tail::Zeros(count) => bytes.resize(bytes.len() + usize::from(*count), 0),
            Tail::Bytes(tail) => bytes.extend_from_slice(tail),
        }
        written.push(Written { header, places });
        (format!("{name:020}.log"), bytes)
    }

    fn header(&self, number: u32, before: Option<&Written>) -> SegmentHeader {
        let mut flags = SegmentFlags::NONE;
        let (mut first, mut epoch, mut predecessor) = (0, 1, None);
        if let Some(Written { header, places }) = before {
            let back = match self.start {
                Start::Fork => usize::from(self.by) % places.len(),
                Start::Follows | Start::Loss | Start::Alone => 0,
            };
            let end = places[places.len() - 1 - back];
            (first, epoch) = (end.next, header.epoch.get());
            predecessor = Some(Predecessor {
                first: header.first,
                header_checksum: header.checksum(),
                end_at: ByteOffset::new(end.at.into()),
                end_tx: TxOffset::new(end.next),
                end_checksum: end.prev,
            });
        }
        match self.start {
            Start::Follows => {}
            Start::Fork => flags = SegmentFlags::FORK,
            Start::Loss => {
                flags = SegmentFlags::LOSS;
                first += u64::from(self.by);
            }
            Start::Alone => predecessor = None,
        }
        SegmentHeader {
            features: Features::NONE,
            flags,
            log_id: LogId::new(LOG_ID),
            first: TxOffset::new(first),
            oldest: TxOffset::new(u64::from(self.oldest).min(first)),
            incarnation: Incarnation::new(number.into()),
            durable_through: TxOffset::new(first),
            epoch: Epoch::new(epoch + u32::from(self.epochs_up)),
            tag: number + 1,
            durable_bytes: 0,
            predecessor,
            cut_epoch: None,
        }
    }

    fn spoil(&self, header: &mut SegmentHeader, name: &mut u64) {
        let by = u64::from(self.wrong_by) + 1;
        let mut nobody = Predecessor {
            first: TxOffset::ZERO,
            header_checksum: 0,
            end_at: ByteOffset::new(0),
            end_tx: TxOffset::ZERO,
            end_checksum: 0,
        };
        let before = header.predecessor.as_mut().unwrap_or(&mut nobody);
        match self.wrong {
            Some(Wrong::First) => header.first = TxOffset::new(header.first.get() + by),
            Some(Wrong::Name) => *name += by,
            Some(Wrong::EndAt) => before.end_at = ByteOffset::new(by * 16),
            Some(Wrong::EndTx) => before.end_tx = TxOffset::new(before.end_tx.get() ^ by),
            Some(Wrong::EndChecksum) => before.end_checksum ^= by as u32,
            Some(Wrong::PredecessorName) => before.first = TxOffset::new(by),
            Some(Wrong::PredecessorHeader) => before.header_checksum ^= by as u32,
            Some(Wrong::Epoch) => header.epoch = Epoch::new(self.wrong_by.into()),
            Some(Wrong::LogId) => header.log_id = LogId::new([self.wrong_by; 16]),
            Some(Wrong::DurableThrough) => {
                header.durable_through = TxOffset::new(header.first.get() + by);
            }
            Some(Wrong::DurableBytes) => header.durable_bytes = (by as u32) << (by % 24),
            Some(Wrong::Incompat) => header.features.incompat = self.wrong_by.into(),
            Some(Wrong::ReadOnlyCompat) => header.features.ro_compat = self.wrong_by.into(),
            None => {}
        }
    }
}

impl Frame {
    const CLOSE: Self = Self {
        is_close: true,
        is_large: false,
        records: 0,
        number: 0,
        durable_lag: 0,
        wrong: None,
        by: 0,
    };

    fn payload(&self) -> (u32, Vec<u8>) {
        if self.is_close {
            return (0, Vec::new());
        }
        let count = u32::from(self.records) % RECORDS_MAX + 1;
        let mut payload = Vec::new();
        for record in 0..count {
            let small = (u32::from(self.number) + record) % 9;
            let length = match self.is_large && record == 0 {
                true => SMALL_PAYLOAD_BYTES_MAX + small,
                false => small,
            };
            payload.extend_from_slice(&length.to_le_bytes());
            payload.extend((0..length).map(|byte| byte as u8));
        }
        (count, payload)
    }

    fn append(&self, bytes: &mut Vec<u8>, places: &mut Vec<Place>, header: &SegmentHeader) {
        let (tx_count, mut payload) = self.payload();
        let back = usize::from(self.durable_lag) % places.len();
        let mut durable_bytes = places[places.len() - 1 - back].at;
        let Some(Place { next, prev, .. }) = places.last().copied() else {
            unreachable!("a segment has a place for its first frame");
        };
        let relative = next.saturating_sub(header.first.get()) as u32;
        let (mut tag, mut named, mut first) = (header.tag, prev, relative);
        let mut payload_len = payload.len() as u32;
        let by = u32::from(self.by) + 1;
        match self.wrong {
            Some(WrongFrame::First) => first = relative + by,
            Some(WrongFrame::Tag) => tag ^= by,
            Some(WrongFrame::Prev) => named ^= by,
            Some(WrongFrame::Payload) => payload.iter_mut().take(1).for_each(|b| *b ^= by as u8),
            Some(WrongFrame::Length) => payload_len = by << (by % 24),
            Some(WrongFrame::DurableBytes) => durable_bytes = by << (by % 24),
            Some(WrongFrame::Hole) => bytes.resize(bytes.len() + by as usize, 0),
            None => {}
        }
        let at = bytes.len() as u32;
        let kind = if self.is_close { 2 } else { 1 };
        let mut head = vec![0xF5, 0x4B, kind, 0];
        let numbers = [tag, named, payload_len, tx_count, first, durable_bytes];
        head.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let mut covered = head.clone();
        if payload_len <= SMALL_PAYLOAD_BYTES_MAX {
            covered.extend(payload.iter().copied().take(payload_len as usize));
        }
        let log_id = header.log_id.bytes();
        let checksum = frame::checksum(&log_id, header.first.get(), at, &covered);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&payload);
        if payload_len > SMALL_PAYLOAD_BYTES_MAX {
            bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        }
        places.push(Place {
            at: bytes.len() as u32,
            next: next + u64::from(tx_count),
            prev: checksum,
        });
    }
}

impl Known {
    fn build(&self, last: &Written) -> Vec<u8> {
        let header = &last.header;
        let end = last.places.last().map_or(0, |place| place.next);
        let epoch = header.epoch.get().saturating_sub(self.epoch_lag.into());
        let newest = header.first.get().saturating_sub(self.newest_lag.into());
        let log_id = match self.is_foreign {
            true => LogId::new([self.counter; 16]),
            false => header.log_id,
        };
        let counter = match self.counter {
            u8::MAX => u64::MAX,
            counter => counter.into(),
        };
        let superblock = Superblock {
            log_id,
            epoch: Epoch::new(epoch),
            counter,
            oldest: TxOffset::new(self.oldest.into()),
            newest: TxOffset::new(newest),
            durable_through: TxOffset::new(end.saturating_add_signed(self.durable_lag.into())),
        };
        let slot = superblock.encode();
        let mut bytes = vec![0; SUPERBLOCK_BYTES];
        let at = (counter % 8) as usize * slot.len();
        bytes[at..at + slot.len()].copy_from_slice(&slot);
        bytes
    }
}

impl Other {
    fn name(&self) -> String {
        let ending = match self.ending {
            Ending::Lock => return "lock".to_owned(),
            Ending::Segment => "log",
            Ending::Temporary => "tmp",
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
