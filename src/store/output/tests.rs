//! Tests of what the manifest says of a table.

use super::*;
use crate::commitlog::testing::Scratch;

type TestRow<'a> = (&'a [u8], u64, Option<&'a [u8]>);

/// [I1] is shown by the tests of `flush`. Rows and range tombstones count together.
#[test]
fn ranges_and_stale_rows_are_counted() {
    let scratch = Scratch::new();
    let tables = Directory::open(&scratch.env, std::path::Path::new("")).unwrap();
    let rows = [
        (&b"b"[..], 9, Some(&b"new"[..])),
        (b"b", 4, Some(b"old")),
        (b"c", 7, None),
    ];
    let write = |number, rows: &[TestRow<'_>], ranges: &[(&[u8], &[u8], u64)]| {
        let mut output = Output::create(&tables, number, 64).unwrap();
        for (key, sequence, value) in rows {
            output.push(key, *sequence, *value).unwrap();
        }
        let mut tombstones = Tombstones::default();
        for (from, end, sequence) in ranges {
            tombstones.insert(from, end, *sequence);
        }
        let info = output.finish(tombstones).unwrap();
        let keys = (info.first_key, info.end_key);
        (keys, info.stale, (info.sequence_min, info.sequence_max))
    };
    let key = |key: &[u8]| key.to_vec();
    let plain = write(1, &rows, &[]);
    assert_eq!(plain, ((key(b"b"), key(b"c\0")), 2, (4, 9)), "[I1]");
    let wide = write(2, &rows, &[(b"a", b"bb", 3), (b"x", b"z", 12)]);
    assert_eq!(wide, ((key(b"a"), key(b"z")), 4, (3, 12)));
    let no_rows = write(3, &[], &[(b"m", b"n", 5)]);
    assert_eq!(no_rows, ((key(b"m"), key(b"n")), 1, (5, 5)));
}
