//! Tests of what changes a read set.

use super::ReadSet;
use crate::store::batch::Write;

/// Keys of one byte: every set of up to two ranges, against every write.
#[test]
fn a_write_changes_what_was_read_exactly_if_it_touches_it() {
    const KEYS: u8 = 5;
    let ranges: Vec<_> = (0..=KEYS)
        .flat_map(|from| (0..=KEYS).map(move |end| from..end))
        .collect();
    for one in &ranges {
        for other in &ranges {
            let mut reads = ReadSet::default();
            for range in [one, other] {
                let growing = reads.begin(&[range.start]);
                if range.start < range.end {
                    reads.grow_to(growing, &[range.end]);
                }
            }
            let reads = reads.seal();
            let is_read = |key: u8| one.contains(&key) || other.contains(&key);
            for key in 0..KEYS {
                let write = Write::Row(&[key], None);
                assert_eq!(
                    reads.is_changed_by(write),
                    is_read(key),
                    "{one:?} {other:?} {key}"
                );
            }
            for range in ranges.iter().filter(|range| range.start < range.end) {
                let write = Write::DeleteRange(&[range.start], &[range.end]);
                let expected = range.clone().any(is_read);
                assert_eq!(
                    reads.is_changed_by(write),
                    expected,
                    "{one:?} {other:?} {range:?}"
                );
            }
        }
    }
}

#[test]
fn a_key_is_a_range_of_its_own() {
    let mut reads = ReadSet::default();
    reads.key(b"b");
    let growing = reads.begin(b"f");
    reads.grow_through(growing, b"g");
    let reads = reads.seal();
    let row = |key| reads.is_changed_by(Write::Row(key, Some(b"")));
    assert!(row(b"b") && !row(b"b\0") && !row(b"a\xff"));
    assert!(row(b"f") && row(b"g") && !row(b"g\0") && !row(b"e"));
}
