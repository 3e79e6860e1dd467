//! Tests of the header of a segment.

use super::*;

fn header() -> SegmentHeader {
    SegmentHeader {
        version: FORMAT_VERSION,
        compat: 1,
        ro_compat: 2,
        incompat: 4,
        flags: SegmentFlags::FORK,
        log_id: LogId::new([7; 16]),
        first: TxOffset::new(11),
        oldest: TxOffset::new(10),
        durable_through: TxOffset::new(13),
        epoch: Epoch::new(14),
        chain: 15,
        creation: 7,
        durable_bytes: 16,
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    assert_eq!(SegmentHeader::decode(&header().encode()), Ok(header()));
    let longer = [&header().encode()[..], &[1, 2, 3]].concat();
    assert_eq!(SegmentHeader::decode(&longer), Ok(header()));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = header().encode();
    for bit in 0..SEGMENT_HEADER_BYTES * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let problem = SegmentHeader::decode(&damaged).unwrap_err();
        assert!(
            matches!(problem, HeaderProblem::Defect(_)),
            "bit {bit}: {problem:?}"
        );
    }
}

#[test]
fn every_shorter_prefix_is_refused() {
    let bytes = header().encode();
    for len in 0..SEGMENT_HEADER_BYTES {
        assert!(SegmentHeader::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_version_is_told_only_by_a_whole_header() {
    let newer = SegmentHeader {
        version: 2,
        ..header()
    };
    assert_eq!(
        SegmentHeader::decode(&newer.encode()),
        Err(HeaderProblem::UnknownVersion(2))
    );
}

#[test]
fn what_is_kept_begins_at_or_before_the_segment() {
    let bytes = SegmentHeader {
        oldest: TxOffset::new(12),
        ..header()
    }
    .encode();
    let problem = SegmentHeader::decode(&bytes).unwrap_err();
    assert_eq!(
        problem_field(problem),
        Some("oldest tx offset"),
        "{problem:?}"
    );
}

#[test]
fn two_creations_begin_different_chains() {
    use crate::commitlog::chain::Link;
    let other = SegmentHeader {
        creation: 8,
        ..header()
    };
    assert_ne!(Link::start(&header()).prev, Link::start(&other).prev);
}

fn problem_field(problem: HeaderProblem) -> Option<&'static str> {
    match problem {
        HeaderProblem::Defect(defect) => Some(defect.field),
        HeaderProblem::UnknownVersion(_) => None,
    }
}
