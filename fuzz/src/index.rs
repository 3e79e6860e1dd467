//! The offset index of a segment.

use arbitrary::{Arbitrary, Unstructured};
use blackstart::codec::ByteOffset;
use blackstart::commitlog::{Epoch, IndexOf, LogId, TxOffset, decode_index};

/// The segment that an index should be of.
#[derive(Arbitrary, Debug)]
struct Segment {
    log_id: [u8; 16],
    first: u64,
    len: u64,
    epoch: u32,
}

/// Decodes bytes as an index, as they are and with a head that fits.
pub fn check(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(segment) = Segment::arbitrary(&mut input) else {
        return;
    };
    let entries = input.take_rest();
    let of = IndexOf {
        log_id: LogId::new(segment.log_id),
        first: TxOffset::new(segment.first),
        epoch: Epoch::new(segment.epoch),
        len: ByteOffset::new(segment.len),
    };
    decode(entries, of);
    for count in [entries.len() as u32 / 16, u32::MAX] {
        let mut whole = b"BLKSTIDX\x01\x00\x00\x00".to_vec();
        whole.extend_from_slice(&count.to_le_bytes());
        whole.extend_from_slice(&segment.log_id);
        whole.extend_from_slice(&segment.first.to_le_bytes());
        whole.extend_from_slice(&segment.len.to_le_bytes());
        whole.extend_from_slice(&segment.epoch.to_le_bytes());
        whole.extend_from_slice(entries);
        let checksum = crc32fast::hash(&whole);
        whole.extend_from_slice(&checksum.to_le_bytes());
        decode(&whole, of);
    }
}

fn decode(bytes: &[u8], of: IndexOf) {
    match decode_index(bytes, of) {
        Ok(entries) => assert!(
            entries * 16 <= bytes.len(),
            "{entries} entries in {bytes:?}"
        ),
        Err(defect) => assert!(!defect.to_string().is_empty()),
    }
}
