//! Walking frames in sequence, however the file is read and whatever it holds.

use std::cell::Cell;

use super::*;
use crate::commitlog::LogId;
use crate::commitlog::frame::{SMALL_PAYLOAD_BYTES_MAX, frame_bytes, seal};
use crate::commitlog::header::SEGMENT_HEADER_BYTES;

const START: usize = SEGMENT_HEADER_BYTES;

fn key() -> FrameKey {
    FrameKey::new(LogId::new([3; 16]), TxOffset::ZERO, Some(7))
}

fn start() -> Link {
    Link {
        at: ByteOffset::new(START as u64),
        prev: 5,
        next: TxOffset::ZERO,
    }
}

fn header(kind: FrameKind, link: Link, payload_len: usize) -> FrameHeader {
    FrameHeader {
        kind,
        tag: 7,
        prev: link.prev,
        payload_len: payload_len as u32,
        tx_count: u32::from(kind == FrameKind::Commit),
        first: link.next,
        durable_bytes: START as u32,
    }
}

/// Appends a frame; returns the place behind it.
fn push(bytes: &mut Vec<u8>, link: Link, kind: FrameKind, payload: &[u8]) -> Link {
    let from = bytes.len();
    bytes.resize(from + FRAME_HEADER_BYTES, 0);
    bytes.extend_from_slice(payload);
    let header = header(kind, link, payload.len());
    let prev = seal(bytes, from, &header, &key(), ByteOffset::new(from as u64));
    Link {
        at: ByteOffset::new(bytes.len() as u64),
        prev,
        next: header.end(link.at).expect("few transactions"),
    }
}

/// One record that takes `len` bytes with its length.
fn record(len: usize, fill: u8) -> Vec<u8> {
    let mut payload = vec![fill; len];
    payload[..4].copy_from_slice(&(len as u32 - 4).to_le_bytes());
    payload
}

/// A segment of commits with payloads of these lengths.
fn segment(lens: &[usize]) -> Vec<u8> {
    let (mut bytes, mut link) = (vec![0; START], start());
    for (index, len) in lens.iter().enumerate() {
        let payload = record(*len, index as u8);
        link = push(&mut bytes, link, FrameKind::Commit, &payload);
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

/// A file that goes on with zeros for ever.
struct Endless<'a>(&'a [u8]);

impl ReadAt for Endless<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let rest = self.0.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer.fill(0);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(buffer.len())
    }
}

/// A file with an unreadable byte.
struct Unreadable<'a>(&'a [u8], u64);

impl ReadAt for Unreadable<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let read = self.0.len().saturating_sub(at as usize).min(buffer.len());
        if (at..at + read as u64).contains(&self.1) {
            return Err(LogError::io(
                "file",
                "read it",
                std::io::Error::other("bad"),
            ));
        }
        Slow::new(self.0, usize::MAX).read_at(buffer, at)
    }
}

/// Walks to the end: the payloads, and how the walk ended.
fn walk(bytes: &[u8], most: usize, limit: usize, check: Check) -> (Vec<Vec<u8>>, Step) {
    let file = Slow::new(bytes, most);
    let mut chain = Chain::new(key(), start());
    let mut payloads = Vec::new();
    loop {
        let step = chain.step(&file, ByteOffset::new(limit as u64), check);
        match step.unwrap() {
            Step::Frame(_) => payloads.push(chain.payload().to_vec()),
            end => return (payloads, end),
        }
    }
}

fn broken(step: Step) -> &'static str {
    match step {
        Step::Break(defect) => defect.field,
        step => panic!("{step:?}"),
    }
}

#[test]
fn frames_come_whole_however_the_file_is_read() {
    let lens = [4, 1023, 1024, 1025, 5000, 8, 3 << 20, 60, 4];
    let bytes = segment(&lens);
    for most in [1 << 30, 100_000, 4096] {
        for check in [Check::Payload, Check::Records] {
            let (payloads, end) = walk(&bytes, most, bytes.len(), check);
            assert_eq!(end, Step::End);
            assert!(payloads.iter().map(Vec::len).eq(lens));
            for (index, payload) in payloads.iter().enumerate() {
                assert_eq!(*payload, record(lens[index], index as u8));
            }
        }
    }
}

#[test]
fn many_small_frames_take_one_read() {
    let bytes = segment(&[10; 1000]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(key(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    while chain.step(&file, limit, Check::Payload).unwrap() != Step::End {}
    assert_eq!(file.calls.get(), 1);
}

#[test]
fn a_place_is_found_without_reading_large_payloads() {
    let bytes = segment(&[20, 3 << 20, 3 << 20, 20]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(key(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    while let Step::Frame(header) = chain.step(&file, limit, Check::Header).unwrap() {
        assert!(!header.is_large() || chain.payload().is_empty());
    }
    assert_eq!(chain.link().at, limit);
    assert!(chain.buffer.len() as u64 <= CHUNK_BYTES_MAX);
}

/// [I2] The limit may stand anywhere, also within a frame.
#[test]
fn nothing_beyond_the_limit_is_seen() {
    for len in [20, 1025] {
        let bytes = segment(&[len; 3]);
        let frame = frame_bytes(len as u64) as usize;
        for check in [Check::Header, Check::Payload, Check::Records] {
            for limit in START..=bytes.len() {
                let (payloads, end) = walk(&bytes, usize::MAX, limit, check);
                assert_eq!(payloads.len(), (limit - START) / frame, "[I2] {limit}");
                assert_eq!(
                    end == Step::End,
                    (limit - START).is_multiple_of(frame),
                    "[I2] {limit}"
                );
            }
        }
    }
}

#[test]
fn a_file_shorter_than_the_limit_breaks_the_chain() {
    let bytes = segment(&[20, 20]);
    for missing in 1..frame_bytes(20) as usize {
        let there = &bytes[..bytes.len() - missing];
        let (payloads, end) = walk(there, 1000, bytes.len(), Check::Payload);
        assert_eq!(payloads.len(), 1);
        let field = if missing <= 20 {
            "payload"
        } else {
            "frame header"
        };
        assert_eq!(broken(end), field, "{missing}");
    }
}

/// [I3] What cannot be read is no end.
#[test]
fn a_failing_read_is_an_error() {
    for len in [20, 5000] {
        let bytes = segment(&[len, len]);
        for at in [START, START + 40, bytes.len() - 1] {
            let file = Unreadable(&bytes, at as u64);
            let mut chain = Chain::new(key(), start());
            let limit = ByteOffset::new(bytes.len() as u64);
            let mut step = || chain.step(&file, limit, Check::Payload);
            let failed = step().and_then(|_| step());
            assert!(
                matches!(failed, Err(LogError::Io { .. })),
                "[I3] {failed:?}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_a_frame_is_found() {
    for (len, check) in [
        (20, Check::Header),
        (20, Check::Records),
        (1024, Check::Payload),
        (1025, Check::Payload),
        (1025, Check::Records),
    ] {
        let mut bytes = segment(&[len, 20]);
        let frame = frame_bytes(len as u64) as usize;
        assert_eq!(walk(&bytes, usize::MAX, bytes.len(), check).0.len(), 2);
        for bit in START * 8..(START + frame) * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (payloads, end) = walk(&bytes, usize::MAX, bytes.len(), check);
            assert!(payloads.is_empty(), "{len}, bit {bit}");
            assert!(matches!(end, Step::Break(_)), "{len}, bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_large_payload_is_told_by_its_own_checksum() {
    let whole = segment(&[1025]);
    for at in START + FRAME_HEADER_BYTES..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let (_, end) = walk(&bytes, usize::MAX, bytes.len(), Check::Payload);
        assert_eq!(broken(end), "payload checksum", "{at}");
        let (payloads, end) = walk(&bytes, usize::MAX, bytes.len(), Check::Header);
        assert_eq!(
            (payloads.len(), end),
            (1, Step::End),
            "only places are asked for"
        );
    }
}

/// [I2] However large the file is.
#[test]
fn a_damaged_length_allocates_nothing() {
    for len in [1024, 1025, 1 << 20, 1 << 30, u32::MAX] {
        for check in [Check::Header, Check::Payload, Check::Records] {
            let mut bytes = segment(&[20]);
            bytes[START + 16..START + 20].copy_from_slice(&len.to_le_bytes());
            let mut chain = Chain::new(key(), start());
            let step = chain.step(&Endless(&bytes), ByteOffset::new(1 << 40), check);
            assert_eq!(broken(step.unwrap()), "frame checksum", "{len}");
            assert!(chain.buffer.len() as u64 <= CHUNK_BYTES_MAX, "[I2] {len}");
        }
    }
}

/// [I2], and codec [I2]: a length that is believed is still compared with what is there.
#[test]
fn a_length_beyond_the_limit_allocates_nothing() {
    for len in [SMALL_PAYLOAD_BYTES_MAX + 1, 1 << 30, u32::MAX] {
        for check in [Check::Header, Check::Payload, Check::Records] {
            let mut bytes = vec![0; START];
            let payload = vec![0; SMALL_PAYLOAD_BYTES_MAX as usize + 1];
            push(&mut bytes, start(), FrameKind::Commit, &payload);
            // Another length, with the checksum that belongs to it.
            let mut head = vec![0; FRAME_HEADER_BYTES];
            head.copy_from_slice(&bytes[START..START + FRAME_HEADER_BYTES]);
            head[16..20].copy_from_slice(&len.to_le_bytes());
            let head = resealed(&head);
            bytes[START..START + FRAME_HEADER_BYTES].copy_from_slice(&head);
            let limit = bytes.len() - 4;
            let file = Slow::new(&bytes, usize::MAX);
            let mut chain = Chain::new(key(), start());
            let step = chain.step(&file, ByteOffset::new(limit as u64), check);
            assert_eq!(broken(step.unwrap()), "payload", "{len}");
            assert!(chain.buffer.len() <= limit, "[I2] {len}");
        }
    }
}

/// A large frame's header with the right checksum for its place at the start.
fn resealed(head: &[u8]) -> Vec<u8> {
    let salt = {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[3; 16]);
        hasher.update(&0_u64.to_le_bytes());
        hasher.finalize() ^ START as u32
    };
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(&head[4..]);
    [&hasher.finalize().to_le_bytes(), &head[4..]].concat()
}

/// [I1] Position, creation tag, the frame before, and the next tx offset.
#[test]
fn a_frame_out_of_its_place_breaks_the_chain() {
    let bytes = segment(&[20, 20, 20]);
    let frame = frame_bytes(20) as usize;
    let mut swapped = bytes.clone();
    swapped[START..START + frame].copy_from_slice(&bytes[START + frame..START + 2 * frame]);
    let (_, end) = walk(&swapped, 1000, bytes.len(), Check::Payload);
    assert_eq!(broken(end), "frame checksum", "[I1]");

    let other = |change: fn(&mut FrameKey, &mut Link)| {
        let (mut key, mut link) = (key(), start());
        change(&mut key, &mut link);
        let file = Slow::new(&bytes, usize::MAX);
        let limit = ByteOffset::new(bytes.len() as u64);
        let step = Chain::new(key, link).step(&file, limit, Check::Payload);
        broken(step.unwrap())
    };
    assert_eq!(other(|_, link| link.prev ^= 1), "prev", "[I1]");
    let next = other(|_, link| link.next = TxOffset::new(1));
    assert_eq!(next, "relative tx offset", "[I1]");
    assert_eq!(other(|key, _| *key = key.tagged(8)), "creation tag", "[I1]");
    assert_eq!(
        other(|_, link| link.at = link.at.plus(1)),
        "frame magic",
        "[I1]"
    );
}

#[test]
fn zeros_and_noise_break_the_chain() {
    for filler in [0, 0xAA] {
        let mut bytes = segment(&[20]);
        let len = bytes.len();
        bytes.resize(len + 100, filler);
        let (payloads, end) = walk(&bytes, usize::MAX, bytes.len(), Check::Payload);
        assert_eq!((payloads.len(), broken(end)), (1, "frame magic"));
    }
}

#[test]
fn a_close_mark_is_a_frame_without_transactions() {
    let mut bytes = segment(&[20]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(key(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    let step = chain.step(&file, limit, Check::Records).unwrap();
    assert!(matches!(step, Step::Frame(_)));
    let before = chain.link();
    let after = push(&mut bytes, before, FrameKind::Close, b"");
    let file = Slow::new(&bytes, usize::MAX);
    let step = chain.step(&file, after.at, Check::Records).unwrap();
    assert_eq!(step, Step::Frame(header(FrameKind::Close, before, 0)));
    assert_eq!(chain.link(), after);
    assert_eq!((after.next, chain.payload()), (before.next, &b""[..]));
}

#[test]
fn records_are_checked_only_if_they_are_to_be_shown() {
    // A payload with a good checksum that is not so many records.
    for len in [20, 1025] {
        let mut bytes = vec![0; START];
        push(&mut bytes, start(), FrameKind::Commit, &vec![0xAA; len]);
        let walked = |check| walk(&bytes, usize::MAX, bytes.len(), check);
        assert_eq!(walked(Check::Payload).1, Step::End);
        assert_eq!(broken(walked(Check::Records).1), "record length");
    }
}

#[test]
fn a_walk_can_go_back() {
    let bytes = segment(&[20, 3 << 20, 20]);
    let file = Slow::new(&bytes, usize::MAX);
    let mut chain = Chain::new(key(), start());
    let limit = ByteOffset::new(bytes.len() as u64);
    let mut links = vec![chain.link()];
    while let Step::Frame(_) = chain.step(&file, limit, Check::Header).unwrap() {
        links.push(chain.link());
    }
    for (index, link) in links.iter().enumerate().rev().skip(1) {
        chain.back_to(*link);
        let step = chain.step(&file, limit, Check::Payload).unwrap();
        assert!(matches!(step, Step::Frame(_)));
        assert_eq!(chain.payload()[4], index as u8);
    }
}
