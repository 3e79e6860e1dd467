//! Tests of the names of files.

use super::*;

#[test]
fn names_are_told_apart_and_come_back() {
    for first in [0, 1, 11, u64::MAX].map(TxOffset::new) {
        assert_eq!(FileName::parse(&segment(first)), FileName::Segment(first));
        for attempt in [0, 1, 2, u32::MAX] {
            assert_eq!(FileName::parse(&temp(first, attempt)), FileName::Temp);
        }
    }
    assert_eq!(FileName::parse(LOCK), FileName::Lock);
    for attempt in [0, 1, 2, u32::MAX] {
        assert_eq!(FileName::parse(&lock_temp(attempt)), FileName::Temp);
    }
}

#[test]
fn the_order_of_names_is_that_of_offsets() {
    let offsets = [0, 9, 10, 99, 100, 1 << 40, u64::MAX].map(TxOffset::new);
    assert!(offsets.map(segment).is_sorted());
}

#[test]
fn only_the_exact_spelling_counts() {
    for name in [
        "",
        "lock ",
        "LOCK",
        "lock.tmp.",
        "lock.tmp.x",
        "lock.tmpfile",
        "0.log",
        "00000000000000000001",
        "00000000000000000001.LOG",
        "00000000000000000001.logx",
        "00000000000000000001.log.bak",
        "00000000000000000001.tmp2",
        "00000000000000000001.tmp.",
        "00000000000000000001.tmp.bak",
        "00000000000000000001.tmp.1x",
        "00000000000000000001.tmp-1",
        " 0000000000000000001.log",
        "+0000000000000000001.log",
        "-0000000000000000001.log",
        "18446744073709551616.log",
        "99999999999999999999.log",
        "0000000000000000000é.log",
        "000000000000000000001.log",
        // Of format 1.
        "00000000000000000001.idx",
        "00000000000000000001.spare",
        "00000000000000000001.damaged",
    ] {
        assert_eq!(FileName::parse(name), FileName::Other, "{name}");
    }
}
