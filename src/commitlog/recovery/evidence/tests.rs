//! Looking ahead: every frame is found wherever it stands, and only what it says counts.

use std::cell::Cell;

use super::*;
use crate::commitlog::frame::{FrameKind, frame_bytes, seal};
use crate::commitlog::{LogId, TxOffset};

/// A file that never gives all at once, and notes the largest read.
struct Bytes {
    bytes: Vec<u8>,
    largest: Cell<usize>,
}

impl ReadAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        self.largest.set(self.largest.get().max(buffer.len()));
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(100_000);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

fn key() -> FrameKey {
    FrameKey::new(LogId::new([3; 16]), TxOffset::ZERO, Some(7))
}

/// A frame with a payload of this length as it stands at a position of the segment that `tag` was
/// drawn for; it says that so many bytes were durable.
fn frame(at: usize, payload_len: u32, durable_bytes: u32, tag: u32) -> Vec<u8> {
    let kind = match payload_len {
        0 => FrameKind::Close,
        _ => FrameKind::Commit,
    };
    let header = FrameHeader {
        kind,
        tag,
        prev: 0,
        payload_len,
        tx_count: u32::from(payload_len > 0),
        first: TxOffset::new(9),
        durable_bytes,
    };
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    bytes.resize(FRAME_HEADER_BYTES + payload_len as usize, 1);
    let at = ByteOffset::new(at as u64);
    seal(&mut bytes, 0, &header, &key().tagged(tag), at);
    bytes
}

/// Puts a small frame of the segment at a position.
fn put(bytes: &mut [u8], at: usize, durable_bytes: u32) {
    let frame = frame(at, 40, durable_bytes, 7);
    bytes[at..at + frame.len()].copy_from_slice(&frame);
}

fn look(bytes: Vec<u8>, from: u64) -> TailFacts {
    let len = ByteOffset::new(bytes.len() as u64);
    let largest = Cell::new(0);
    let file = Bytes { bytes, largest };
    let facts = look_ahead(&file, key(), ByteOffset::new(from), len).unwrap();
    let chunk = CHUNK_BYTES_MAX as usize;
    assert!(file.largest.get() <= chunk, "[I2] memory is one chunk");
    facts
}

#[test]
fn zeros_and_noise_hold_nothing() {
    assert_eq!(look(vec![0; 1 << 20], 10), TailFacts::default());
    // The magic alone, everywhere.
    let facts = look(MAGIC.repeat(1 << 19), 10);
    assert_eq!((facts.later_frames, facts.best), (0, None));
    assert_eq!(facts.content_end, ByteOffset::new(1 << 20));
}

#[test]
fn nothing_is_found_in_nothing() {
    assert_eq!(look(Vec::new(), 0), TailFacts::default());
    assert_eq!(look(vec![7; 100], 100), TailFacts::default());
    assert_eq!(look(vec![7; 100], 200), TailFacts::default());
}

#[test]
fn a_frame_is_found_wherever_it_stands() {
    // Around the ends of blocks and chunks.
    let chunk = CHUNK_BYTES_MAX as usize;
    for around in [128, chunk, 2 * chunk] {
        for at in around - 80..around + 80 {
            let mut bytes = vec![0; around + 1000];
            put(&mut bytes, at, 77);
            let facts = look(bytes, 1);
            assert_eq!(facts.later_frames, 1, "{at}");
            let best = facts.best.unwrap();
            assert_eq!((best.at.get(), best.durable_bytes.get()), (at as u64, 77));
        }
    }
}

#[test]
fn frames_of_every_length_are_found_across_a_chunks_end() {
    let chunk = CHUNK_BYTES_MAX as usize;
    for payload_len in [0, 4, 1023, 1024, 1025, 70_000] {
        let len = frame_bytes(payload_len.into()) as usize;
        for at in [
            chunk - len.min(chunk),
            chunk - 33,
            chunk - 32,
            chunk - 5,
            chunk - 1,
        ] {
            let mut bytes = vec![0; at];
            bytes.extend(frame(at, payload_len, 77, 7));
            let facts = look(bytes, 0);
            let found = facts.best.map(|best| best.at.get());
            assert_eq!(found, Some(at as u64), "{payload_len} at {at}");
        }
    }
}

#[test]
fn frames_one_behind_the_other_are_all_found() {
    let mut bytes = vec![0xF5; 10];
    let mut count = 0;
    while bytes.len() < 3 * CHUNK_BYTES_MAX as usize {
        let payload_len = [4, 50, 1024, 1025, 9][count % 5];
        bytes.extend(frame(bytes.len(), payload_len, 100, 7));
        count += 1;
    }
    assert_eq!(look(bytes, 0).later_frames, count as u64);
}

#[test]
fn a_frame_inside_another_ones_payload_counts() {
    // One of a large payload that was never written whole: what is behind its header may be of the
    // commits after it.
    let mut bytes = frame(0, 5000, 50, 7);
    put(&mut bytes, 3000, 90);
    let facts = look(bytes, 0);
    assert_eq!(
        facts.later_frames, 1,
        "the one at the start is no later one"
    );
    assert_eq!(facts.best.unwrap().durable_bytes.get(), 90);
}

#[test]
fn a_frame_that_is_cut_short_says_nothing() {
    for payload_len in [0, 40, 1024] {
        let whole = frame(0, payload_len, 77, 7);
        for len in 0..whole.len() {
            assert_eq!(look(whole[..len].to_vec(), 0).best, None, "{len}");
        }
    }
    // Of a large one the header's checksum is enough.
    let whole = frame(0, 1025, 77, 7);
    for len in 0..whole.len() {
        let said = look(whole[..len].to_vec(), 0).best.is_some();
        assert_eq!(said, len >= FRAME_HEADER_BYTES, "{len}");
    }
}

#[test]
fn the_most_that_any_frame_says_counts() {
    let mut bytes = vec![0xAA; 4000];
    put(&mut bytes, 500, 90);
    put(&mut bytes, 1000, 300);
    put(&mut bytes, 1500, 300);
    put(&mut bytes, 2000, 200);
    let facts = look(bytes, 400);
    assert_eq!(facts.later_frames, 4);
    let best = facts.best.unwrap();
    assert_eq!((best.durable_bytes.get(), best.at.get()), (300, 1000));
}

/// [I1] Not at its position, of another creation, of another segment, of another log.
#[test]
fn a_frame_of_elsewhere_says_nothing() {
    let mut bytes = vec![0; 1000];
    put(&mut bytes, 500, 90);
    assert!(look(bytes.clone(), 0).best.is_some());
    let moved = [&bytes[1..], &[0]].concat();
    assert_eq!(look(moved, 0).best, None, "[I1] moved");
    let other_creation = frame(500, 40, 90, 8);
    bytes[500..500 + other_creation.len()].copy_from_slice(&other_creation);
    assert_eq!(look(bytes.clone(), 0).best, None, "[I1] another creation");
    put(&mut bytes, 500, 90);
    let (log_id, tag) = (LogId::new([3; 16]), Some(7));
    for other in [
        FrameKey::new(log_id, TxOffset::new(1), tag),
        FrameKey::new(LogId::new([4; 16]), TxOffset::ZERO, tag),
    ] {
        let file = Bytes {
            bytes: bytes.clone(),
            largest: Cell::new(0),
        };
        let (from, len) = (ByteOffset::new(0), ByteOffset::new(1000));
        let facts = look_ahead(&file, other, from, len).unwrap();
        assert_eq!(facts.best, None, "[I1] another segment");
    }
}

#[test]
fn the_end_of_the_content_is_behind_the_last_byte_that_is_not_zero() {
    for at in [0_usize, 46, 47, 48, 5000, (1 << 20) - 1] {
        let mut bytes = vec![0; 1 << 20];
        bytes[at] = 1;
        assert_eq!(look(bytes, 0).content_end.get(), at as u64 + 1);
    }
}

#[test]
fn a_file_that_became_shorter_ends_where_it_ends() {
    let mut bytes = vec![0; 5000];
    put(&mut bytes, 500, 90);
    let file = Bytes {
        bytes,
        largest: Cell::new(0),
    };
    let (from, len) = (ByteOffset::new(0), ByteOffset::new(1 << 30));
    let facts = look_ahead(&file, key(), from, len).unwrap();
    assert_eq!((facts.later_frames, facts.content_end.get()), (1, 572));
}
