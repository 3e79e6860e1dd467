//! The header of a segment.

use blackstart::commitlog::{HeaderProblem, SEGMENT_HEADER_BYTES, SegmentHeader};

const CHECKSUM_BYTES: usize = 4;

/// Decodes bytes as a header, as they are and with the checksum put right.
pub fn check(bytes: &[u8]) {
    decode(bytes);
    if let Some(start) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() {
        let mut whole = *start;
        whole[..8].copy_from_slice(b"BLKSTLOG");
        put_checksum_right(&mut whole);
        decode(&whole);
        // The version and the length are what a fuzzer is least likely to guess.
        whole[8..16].copy_from_slice(&[2, 0, 0, 0, SEGMENT_HEADER_BYTES as u8, 0, 0, 0]);
        put_checksum_right(&mut whole);
        decode(&whole);
        // So are the flags, and zeros where nothing is before.
        whole[28] %= 8;
        whole[29..32].fill(0);
        if whole[28] & 4 == 0 {
            whole[92..120].fill(0);
        }
        put_checksum_right(&mut whole);
        decode(&whole);
    }
}

fn put_checksum_right(whole: &mut [u8; SEGMENT_HEADER_BYTES]) {
    let (covered, checksum) = whole.split_at_mut(SEGMENT_HEADER_BYTES - CHECKSUM_BYTES);
    checksum.copy_from_slice(&crc32fast::hash(covered).to_le_bytes());
}

fn decode(bytes: &[u8]) {
    match SegmentHeader::decode(bytes) {
        Ok(header) => {
            let start = bytes.first_chunk().expect("a header has so many bytes");
            assert_eq!(
                &header.encode(),
                start,
                "{header:?} is written as it was read"
            );
        }
        Err(HeaderProblem::Defect(defect)) => assert!(!defect.to_string().is_empty()),
        Err(_) => {}
    }
}
