//! Looking ahead: every frame is found wherever it stands, and only what it says counts.

use super::*;
use crate::commitlog::frame::{FrameKind, Mark, Place, Seed};
use crate::commitlog::{Epoch, LogId};

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        let rest = self.0.get(at as usize..).unwrap_or_default();
        // Never all at once.
        let count = rest.len().min(buffer.len()).min(100_000);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

fn identity() -> Identity {
    let seed = Seed::new(LogId::new([3; 16]), TxOffset::ZERO);
    Identity {
        seed,
        epoch: Epoch::FIRST,
    }
}

/// Puts a mark at a position; it says that so many bytes were durable.
fn put(bytes: &mut [u8], at: usize, durable_bytes: u32, epoch: Epoch) {
    let place = Place {
        epoch,
        next: TxOffset::new(9),
        prev: 0,
        durable_through: TxOffset::new(durable_bytes.into()),
        durable_bytes,
    };
    let mark = Mark {
        kind: FrameKind::Open,
        number: 0,
    };
    let (mark, _) = mark.encode(&place, identity().seed, ByteOffset::new(at as u64));
    bytes[at..at + mark.len()].copy_from_slice(&mark);
}

fn look(bytes: Vec<u8>, from: u64) -> TailFacts {
    let len = ByteOffset::new(bytes.len() as u64);
    look_ahead(&Bytes(bytes), identity(), ByteOffset::new(from), len).unwrap()
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
fn a_frame_is_found_wherever_it_stands() {
    // Around the ends of blocks and chunks.
    let chunk = CHUNK_BYTES_MAX as usize;
    for around in [128, chunk, 2 * chunk] {
        for at in around - 70..around + 70 {
            let mut bytes = vec![0; around + 1000];
            put(&mut bytes, at, 77, Epoch::FIRST);
            let facts = look(bytes, 1);
            assert_eq!(facts.later_frames, 1, "{at}");
            let best = facts.best.unwrap();
            assert_eq!((best.at.get(), best.durable_bytes.get()), (at as u64, 77));
        }
    }
}

#[test]
fn the_most_that_any_frame_says_counts() {
    let mut bytes = vec![0xAA; 4000];
    put(&mut bytes, 500, 90, Epoch::FIRST);
    put(&mut bytes, 1000, 300, Epoch::FIRST);
    put(&mut bytes, 2000, 200, Epoch::FIRST);
    put(&mut bytes, 3000, 999, Epoch::new(2));
    let facts = look(bytes, 400);
    assert_eq!(facts.later_frames, 3, "one is of another epoch");
    assert_eq!(facts.best.unwrap().durable_bytes.get(), 300);
    assert_eq!(facts.durable_through, TxOffset::new(300));
}

#[test]
fn a_frame_at_the_wrong_place_says_nothing() {
    let mut bytes = vec![0; 1000];
    put(&mut bytes, 500, 90, Epoch::FIRST);
    bytes.remove(0);
    assert_eq!(look(bytes, 0).best, None);
}

#[test]
fn the_end_of_the_content_is_behind_the_last_byte_that_is_not_zero() {
    for at in [0_usize, 46, 47, 48, 5000, (1 << 20) - 1] {
        let mut bytes = vec![0; 1 << 20];
        bytes[at] = 1;
        assert_eq!(look(bytes, 0).content_end.get(), at as u64 + 1);
    }
}
