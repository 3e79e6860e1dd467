//! Tests of the names of files.

use super::*;

#[test]
fn names_are_told_apart_and_come_back() {
    let largest = TxOffset::new(u64::MAX);
    assert_eq!(
        FileName::parse(&segment(largest)),
        FileName::Segment(largest)
    );
    assert_eq!(FileName::parse(&index(largest)), FileName::Index(largest));
    assert_eq!(FileName::parse(&temp(largest)), FileName::Temp(largest));
    assert_eq!(FileName::parse(&spare(largest)), FileName::Spare(largest));
    assert_eq!(
        FileName::parse(&damaged(largest, 0)),
        FileName::Damaged(largest)
    );
    assert_eq!(
        FileName::parse(&damaged(largest, 7)),
        FileName::Damaged(largest)
    );
}

#[test]
fn only_the_exact_spelling_counts() {
    for name in [
        "",
        LOCK,
        "0.log",
        "00000000000000000001.LOG",
        "00000000000000000001.logx",
        "+0000000000000000001.log",
        "99999999999999999999.log",
        "0000000000000000000é.log",
        "000000000000000000001.log",
    ] {
        assert_eq!(FileName::parse(name), FileName::Other, "{name}");
    }
}
