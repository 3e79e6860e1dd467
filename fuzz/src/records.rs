//! The records in a commit's payload.

use blackstart::codec::ByteOffset;
use blackstart::commitlog::check_records;

/// Takes the first byte as the count and the rest as the payload.
pub fn check(bytes: &[u8]) {
    let Some((&count, payload)) = bytes.split_first() else {
        return;
    };
    for count in [u32::from(count), u32::MAX] {
        let result = check_records(payload, count, ByteOffset::new(1 << 40));
        assert_eq!(
            result.is_ok(),
            is_exactly(payload, count),
            "{count} records: {result:?}"
        );
    }
}

/// Whether the payload is so many records, by adding up their lengths.
fn is_exactly(payload: &[u8], count: u32) -> bool {
    let (mut at, mut records) = (0, 0);
    while let Some(length) = payload.get(at..at + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        at += 4 + length as usize;
        records += 1;
        if records > count || at > payload.len() {
            return false;
        }
    }
    at == payload.len() && records == count
}
