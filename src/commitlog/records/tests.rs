//! Tests of records in a payload.

use super::*;
use crate::codec::Value;

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
    let mut ends = Ends::default();
    let found = ends.find(&payload, 3, ByteOffset::new(0));
    assert_eq!(found, (crc32fast::hash(&payload), Ok(())));
    let read: Vec<_> = Transactions::new(&payload, &ends, TxOffset::new(5)).collect();
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

/// [I1] A payload is refused as a whole, whichever record is wrong.
#[test]
fn a_length_beyond_the_payload_is_found() {
    for len in [2, 3, u32::MAX] {
        let mut payload = payload(&[b"a"]);
        payload[..4].copy_from_slice(&len.to_le_bytes());
        assert!(check(&payload, 1, ByteOffset::new(0)).is_err(), "{len}");
    }
}

#[test]
fn walking_in_blocks_finds_what_walking_at_once_finds() {
    // Lengths that have prefixes straddle the blocks, and records that are longer than a block.
    for step in [
        1,
        7,
        1021,
        BLOCK_BYTES - 3,
        BLOCK_BYTES,
        2 * BLOCK_BYTES + 1,
    ] {
        let bytes = vec![7; step];
        let records = vec![bytes.as_slice(); 3 * BLOCK_BYTES / step + 2];
        let count = records.len() as u32;
        let mut payload = payload(&records);
        let (at, mut ends) = (ByteOffset::new(9), Ends::default());
        for count in [count, count - 1, count + 1] {
            let (checksum, found) = ends.find(&payload, count, at);
            assert_eq!(found, check(&payload, count, at), "{step}");
            assert_eq!(checksum, crc32fast::hash(&payload));
        }
        let last = payload.len() - step - RECORD_PREFIX_BYTES;
        payload[last] ^= 1;
        let (_, found) = ends.find(&payload, count, at);
        assert_eq!(found, check(&payload, count, at), "{step}");
        assert!(found.is_err(), "{step}");
    }
}

#[test]
fn runs_of_one_length_begin_and_end_anywhere() {
    for (before, run) in [(0, 8), (1, 9), (3, 40), (8, 7), (9, 17)] {
        let lens = (0..before)
            .chain(std::iter::repeat_n(5, run))
            .chain([0, 5, 2]);
        let records: Vec<Vec<u8>> = lens.map(|len: usize| vec![len as u8; len]).collect();
        let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let payload = payload(&records);
        let mut ends = Ends::default();
        let (_, found) = ends.find(&payload, records.len() as u32, ByteOffset::new(0));
        assert_eq!(found, Ok(()));
        let read = Transactions::new(&payload, &ends, TxOffset::new(0));
        assert_eq!(read.map(|(_, record)| record).collect::<Vec<_>>(), records);
        // The last of a run is longer than the payload.
        let cut = payload.len() - 13;
        let found = ends.find(&payload[..cut], records.len() as u32, ByteOffset::new(0));
        assert_eq!(found.1.unwrap_err().field, "record length");
    }
}
