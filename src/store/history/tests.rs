//! Tests of how much history stays.

use super::*;

fn segment(range: std::ops::Range<u64>, bytes: u64) -> SegmentInfo {
    SegmentInfo {
        path: "x".into(),
        range: TxOffset::new(range.start)..TxOffset::new(range.end),
        cut_epoch: None,
        bytes,
        is_full: true,
    }
}

#[test]
fn whole_segments_stay_as_far_as_the_bytes_reach() {
    let segments = [
        segment(0..5, 100),
        segment(5..9, 100),
        segment(9..12, 50),
        segment(12..20, 10),
    ];
    let check = |history: History, flushed: u64, expected: u64| {
        let oldest = history.oldest(&segments, TxOffset::new(flushed));
        assert_eq!(oldest.get(), expected, "{history:?} {flushed}");
    };
    check(History::Flushed, 12, 12);
    check(History::All, 12, 0);
    check(History::Bytes(0), 12, 12);
    check(History::Bytes(49), 12, 12);
    check(History::Bytes(50), 12, 9);
    check(History::Bytes(149), 12, 9);
    check(History::Bytes(150), 12, 5);
    check(History::Bytes(1_000), 12, 0);
    check(History::Bytes(1_000), 13, 0);
    check(History::Bytes(50), 11, 11);
    check(History::Bytes(100), 11, 5);
}
