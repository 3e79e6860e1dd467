//! Walking frames in sequence, however the file is read and whatever it holds.

use std::cell::Cell;

use super::*;
use crate::commitlog::LogId;
use crate::commitlog::frame::Place;

fn identity() -> Identity {
    let seed = Seed::new(LogId::new([3; 16]), TxOffset::ZERO);
    Identity {
        seed,
        epoch: Epoch::FIRST,
    }
}

fn start() -> Link {
    Link {
        at: ByteOffset::new(96),
        prev: 5,
        next: TxOffset::ZERO,
    }
}

fn commit(first: TxOffset, payload_len: u32, payload_checksum: u32, prev: u32) -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Commit,
        first,
        durable_through: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        tx_count: 1,
        payload_len,
        payload_checksum,
        prev,
        durable_bytes: 96,
    }
}

/// A segment of commits with payloads of these lengths, behind 96 bytes of header.
fn segment(lens: &[usize]) -> Vec<u8> {
    let mut bytes = vec![0; 96];
    let (mut prev, mut next) = (start().prev, start().next);
    for (index, len) in lens.iter().enumerate() {
        let payload = vec![index as u8; *len];
        let header = commit(next, *len as u32, crc32fast::hash(&payload), prev);
        let (head, checksum) = header.encode(identity().seed, ByteOffset::new(bytes.len() as u64));
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(&payload);
        (prev, next) = (checksum, TxOffset::new(next.get() + 1));
    }
    bytes
}

/// A file that gives at most so many bytes at a time, and counts the calls.
struct Slow<'a> {
    bytes: &'a [u8],
    most: usize,
    calls: Cell<u32>,
}

impl<'a> Slow<'a> {
    fn new(bytes: &'a [u8], most: usize) -> Self {
        let calls = Cell::new(0);
        Self { bytes, most, calls }
    }
}

impl ReadAt for Slow<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        self.calls.set(self.calls.get() + 1);
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(self.most);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Walks to the end: the payloads, and how the walk ended.
fn walk(bytes: &[u8], most: usize, limit: usize) -> (Vec<Vec<u8>>, Step) {
    let file = Slow::new(bytes, most);
    let mut chain = Chain::new(identity(), start());
    let mut payloads = Vec::new();
    loop {
        let step = chain.step(&file, ByteOffset::new(limit as u64), Check::Payload);
        match step.unwrap() {
            Step::Frame(_) => payloads.push(chain.payload().to_vec()),
            end => return (payloads, end),
        }
    }
}

#[test]
fn frames_come_whole_however_the_file_is_read() {
    let lens = [4, 5000, 8, 3 << 20, 60, 4];
    let bytes = segment(&lens);
    for most in [1 << 30, 100_000, 4096] {
        let (payloads, end) = walk(&bytes, most, bytes.len());
        assert_eq!(end, Step::End);
        assert!(payloads.iter().map(Vec::len).eq(lens));
        for (index, payload) in payloads.iter().enumerate() {
            assert!(payload.iter().all(|byte| *byte == index as u8));
        }
    }
}

#[test]
fn many_small_frames_take_one_read() {
    let bytes = segment(&[10; 1000]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(identity(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    while chain.step(&file, limit, Check::Payload).unwrap() != Step::End {}
    assert_eq!(file.calls.get(), 1);
}

#[test]
fn nothing_beyond_the_limit_is_seen() {
    let bytes = segment(&[20, 20, 20]);
    let frame = FRAME_HEADER_BYTES + 20;
    for limit in 96..=bytes.len() {
        let (payloads, end) = walk(&bytes, 7, limit);
        assert_eq!(payloads.len(), (limit - 96) / frame);
        assert_eq!(end == Step::End, (limit - 96) % frame == 0, "{limit}");
    }
}

#[test]
fn a_file_shorter_than_the_limit_breaks_the_chain() {
    let bytes = segment(&[20, 20]);
    let (payloads, end) = walk(&bytes[..bytes.len() - 1], 1000, bytes.len());
    assert_eq!(payloads.len(), 1);
    assert!(
        matches!(end, Step::Break(defect) if defect.field == "payload"),
        "{end:?}"
    );
}

#[test]
fn a_length_beyond_the_limit_allocates_nothing() {
    let mut bytes = segment(&[20]);
    let prev = u32::from_le_bytes(bytes[96..100].try_into().unwrap());
    let header = commit(TxOffset::new(1), u32::MAX, 0, prev);
    let (head, _) = header.encode(identity().seed, ByteOffset::new(bytes.len() as u64));
    bytes.extend_from_slice(&head);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(identity(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    let mut step = || chain.step(&file, limit, Check::Payload).unwrap();
    assert!(matches!(step(), Step::Frame(_)));
    assert!(matches!(step(), Step::Break(_)));
    assert!(chain.buffer.len() <= bytes.len());
}

#[test]
fn a_frame_out_of_its_place_breaks_the_chain() {
    let bytes = segment(&[20, 20, 20]);
    let frame = FRAME_HEADER_BYTES + 20;
    let mut swapped = bytes.clone();
    swapped[96..96 + frame].copy_from_slice(&bytes[96 + frame..96 + 2 * frame]);
    assert!(matches!(
        walk(&swapped, 1000, bytes.len()).1,
        Step::Break(_)
    ));

    let other = |change: fn(&mut Identity, &mut Link)| {
        let (mut identity, mut link) = (identity(), start());
        change(&mut identity, &mut link);
        let file = Slow::new(&bytes, usize::MAX);
        let limit = ByteOffset::new(bytes.len() as u64);
        let step = Chain::new(identity, link).step(&file, limit, Check::Payload);
        match step.unwrap() {
            Step::Break(defect) => defect.field,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(other(|_, link| link.prev ^= 1), "prev");
    assert_eq!(
        other(|_, link| link.next = TxOffset::new(1)),
        "first tx offset"
    );
    assert_eq!(other(|identity, _| identity.epoch = Epoch::new(2)), "epoch");
}

#[test]
fn a_walk_can_go_back() {
    let bytes = segment(&[20, 3 << 20, 20]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(identity(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    let mut links = vec![chain.link()];
    while let Step::Frame(_) = chain.step(&file, limit, Check::Header).unwrap() {
        links.push(chain.link());
    }
    for link in links.iter().rev().skip(1) {
        chain.back_to(*link);
        let step = chain.step(&file, limit, Check::Payload).unwrap();
        assert!(matches!(step, Step::Frame(_)));
    }
}

#[test]
fn a_mark_is_believed_only_with_its_number() {
    let place = Place {
        epoch: Epoch::FIRST,
        next: TxOffset::ZERO,
        prev: start().prev,
        durable_through: TxOffset::ZERO,
        durable_bytes: 96,
    };
    let field = |kind, number| {
        let (mark, _) = Mark { kind, number }.encode(&place, identity().seed, start().at);
        let bytes = [vec![0; 96], mark.to_vec()].concat();
        match walk(&bytes, 1000, bytes.len()).1 {
            Step::Break(defect) => defect.field,
            step => panic!("{step:?}"),
        }
    };
    assert_eq!(field(FrameKind::Lost, 0), "end of the lost range");
    assert_eq!(field(FrameKind::Retain, 1), "oldest tx offset");
    assert_eq!(field(FrameKind::Close, 1), "oldest tx offset");
}
