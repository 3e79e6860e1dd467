//! Which places a scan remembers, and what it takes a close mark for.

use super::*;
use crate::commitlog::frame::{FrameKey, seal};
use crate::commitlog::header::SegmentFlags;
use crate::commitlog::options::Features;
use crate::commitlog::source::copy_from;
use crate::commitlog::{Epoch, Incarnation, LogId};

fn link(at: u64) -> Link {
    Link {
        at: ByteOffset::new(at),
        prev: 0,
        next: TxOffset::new(at),
    }
}

/// Pushes places 1, 2, 3 …; `durable` says how much is durable when each is pushed.
fn pushed(count: u64, durable: impl Fn(u64) -> u64) -> Links {
    let mut links = Links::new(link(0), ByteOffset::new(0));
    for at in 1..=count {
        links.push(link(at), ByteOffset::new(durable(at)));
        assert!(links.links.len() <= LINKS_MAX, "memory is bounded");
    }
    links
}

#[test]
fn the_last_durable_place_is_remembered_exactly_while_few_might_be_it() {
    for lag in [0, 1, 7, 500] {
        let links = pushed(10_000, |at| at.saturating_sub(lag));
        assert_eq!(links.durable(), link(10_000 - lag), "{lag}");
    }
}

#[test]
fn a_place_before_is_remembered_even_if_nothing_is_durable() {
    let mut links = pushed(1_000_000, |_| 0);
    assert_eq!(links.durable(), link(0));
    // Only the end of the file shows that almost all was.
    links.vouch(ByteOffset::new(999_999));
    let found = links.durable().at.get();
    assert!((999_999 - 4096..=999_999).contains(&found), "{found}");
    links.vouch(ByteOffset::new(10));
    assert_eq!(links.durable().at.get(), found, "it never goes back");
}

#[test]
fn what_is_durable_from_the_start_is_passed_at_once() {
    let mut links = Links::new(link(100), ByteOffset::new(130));
    for at in [110, 120, 130, 140] {
        links.push(link(at), ByteOffset::new(100));
    }
    assert_eq!(links.durable(), link(130));
}

/// What no place was remembered for is not called durable.
#[test]
fn a_durable_place_is_never_behind_what_is_durable() {
    for lag in [0, 3, 1000, 5000] {
        let mut links = Links::new(link(0), ByteOffset::new(0));
        for at in 1..=20_000_u64 {
            // Every so often a sync.
            let synced = (at / 777 * 777).saturating_sub(lag);
            links.push(link(at), ByteOffset::new(synced));
            assert!(links.durable().at.get() <= synced, "{lag}, {at}");
        }
    }
}

struct Bytes(Vec<u8>);

impl ReadAt for Bytes {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        Ok(copy_from(&self.0, at, buffer))
    }
}

fn header() -> SegmentHeader {
    SegmentHeader {
        features: Features::NONE,
        flags: SegmentFlags::NONE,
        log_id: LogId::new([1; 16]),
        first: TxOffset::ZERO,
        oldest: TxOffset::ZERO,
        incarnation: Incarnation::new(1),
        durable_through: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        tag: 7,
        durable_bytes: SEGMENT_HEADER_BYTES as u32,
        predecessor: None,
        cut_epoch: None,
    }
}

/// A segment without commits, and a mark of this kind that says how much was durable.
fn marked(kind: FrameKind, durable_bytes: u32, key: &FrameKey) -> Vec<u8> {
    let (header, start) = (header(), header().start());
    let mut bytes = header.encode().to_vec();
    bytes.resize(SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES, 0);
    let payload_len = match kind {
        FrameKind::Commit => 4,
        FrameKind::Close => 0,
    };
    bytes.resize(bytes.len() + payload_len, 0);
    let frame = FrameHeader {
        kind,
        tag: header.tag,
        prev: start.prev,
        payload_len: payload_len as u32,
        tx_count: u32::from(payload_len > 0),
        first: start.next,
        durable_bytes,
    };
    seal(&mut bytes, SEGMENT_HEADER_BYTES, &frame, key, start.at);
    bytes
}

#[test]
fn only_a_close_mark_at_the_very_end_spares_the_scan() {
    let (own, at) = (header().key(), SEGMENT_HEADER_BYTES as u32);
    let is_closed = |bytes: &[u8]| {
        let len = ByteOffset::new(bytes.len() as u64);
        let found = closed(&Bytes(bytes.to_vec()), len, &header()).unwrap();
        found.map(|scan| (scan.closed, scan.end, scan.durable))
    };
    let good = marked(FrameKind::Close, at, &own);
    let start = header().start();
    assert_eq!(is_closed(&good), Some((true, start, start)));
    for len in 0..good.len() {
        assert_eq!(is_closed(&good[..len]), None, "{len}");
    }
    for bit in SEGMENT_HEADER_BYTES * 8..good.len() * 8 {
        let mut damaged = good.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(is_closed(&damaged), None, "bit {bit}");
    }
    assert_eq!(
        is_closed(&[&good[..], &[0]].concat()),
        None,
        "not at the end"
    );
    // It does not say that all before it was durable.
    for other in [0, at - 1, at + 1] {
        assert_eq!(is_closed(&marked(FrameKind::Close, other, &own)), None);
    }
    assert_eq!(is_closed(&marked(FrameKind::Commit, at, &own)), None);
    let of_another = FrameKey::new(LogId::new([2; 16]), TxOffset::ZERO, Some(7));
    assert_eq!(is_closed(&marked(FrameKind::Close, at, &of_another)), None);
    // Where a header is, no frame stands.
    assert_eq!(is_closed(&good[SEGMENT_HEADER_BYTES..]), None);
}
