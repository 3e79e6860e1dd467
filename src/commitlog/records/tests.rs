//! Tests of records in a payload.

use super::*;

fn payload(records: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    encode(&mut payload, records);
    assert_eq!(payload.len() as u64, payload_bytes(records));
    payload
}

#[test]
fn records_come_back_with_their_offsets() {
    let records: [&[u8]; 3] = [b"a", b"", b"ccc"];
    let payload = payload(&records);
    assert_eq!(check(&payload, 3, ByteOffset::new(0)), Ok(()));
    let read: Vec<_> = Transactions::new(&payload, TxOffset::new(5)).collect();
    let expected = [5, 6, 7].map(TxOffset::new).into_iter().zip(records);
    assert_eq!(read, expected.collect::<Vec<_>>());
}

#[test]
fn a_wrong_count_is_found_where_it_shows() {
    let payload = payload(&[b"a", b"bb"]);
    let at = ByteOffset::new(100);
    let missing = check(&payload, 3, at).unwrap_err();
    assert_eq!((missing.field, missing.at), ("record length", at.plus(11)));
    let left_over = check(&payload, 1, at).unwrap_err();
    assert_eq!(
        (left_over.field, left_over.found),
        ("payload", Value::Number(6))
    );
}

#[test]
fn a_length_beyond_the_payload_is_found() {
    for len in [2, 3, u32::MAX] {
        let mut payload = payload(&[b"a"]);
        payload[..4].copy_from_slice(&len.to_le_bytes());
        assert!(check(&payload, 1, ByteOffset::new(0)).is_err(), "{len}");
    }
}
