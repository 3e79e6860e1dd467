//! Tests of the checked cursor.

use super::*;

#[test]
fn fields_come_in_order_and_the_offset_moves_with_them() {
    let bytes = [1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 9];
    let mut cursor = Cursor::new(&bytes, ByteOffset::new(100));
    assert_eq!(cursor.u8("a"), Ok(1));
    assert_eq!(cursor.u16("b"), Ok(2));
    assert_eq!(cursor.u32("c"), Ok(3));
    assert_eq!(cursor.u64("d"), Ok(4));
    assert_eq!(cursor.at(), ByteOffset::new(115));
    assert_eq!(cursor.bytes(2, "e"), Ok(&[9, 9][..]));
    assert_eq!(cursor.rest(), &[] as &[u8]);
}

/// codec [I3]: offset, field, expected, found, and the file's name.
#[test]
fn a_short_field_is_named_and_takes_nothing() {
    for len in 0..8 {
        let bytes = vec![7; len];
        let mut cursor = Cursor::new(&bytes, ByteOffset::new(10));
        let defect = cursor.u64("length").unwrap_err();
        assert_eq!((defect.at, defect.field), (ByteOffset::new(10), "length"));
        assert_eq!(cursor.rest().len(), len);
        let text = "length at byte 10: expected 8, found the end of the bytes";
        assert_eq!(defect.to_string(), text, "codec [I3]");
        let corrupt = defect.in_file("a.log");
        assert_eq!(corrupt.to_string(), format!("a.log: {text}"), "codec [I3]");
    }
}

/// codec [I1].
#[test]
fn a_huge_length_is_refused_without_overflow() {
    let mut cursor = Cursor::new(&[0; 4], ByteOffset::new(u64::MAX - 1));
    assert!(cursor.bytes(usize::MAX, "payload").is_err());
    assert!(cursor.bytes(4, "payload").is_ok());
    assert_eq!(cursor.at(), ByteOffset::new(u64::MAX));
}
