//! What a store reads from its disk: records of the log, manifests, blocks of tables.

use blackstart::store::{check_block, check_manifest, check_record};

const CHECKSUM_BYTES: usize = 4;

/// Bytes as a record of the log.
pub fn check_records(bytes: &[u8]) {
    said(check_record(bytes));
    // The kind is what a fuzzer guesses last.
    said(check_record(&[&[2], bytes].concat()));
}

/// Bytes as a manifest, as they are and with the checksum put right.
pub fn check_manifests(bytes: &[u8]) {
    said(check_manifest(bytes));
    let mut whole = bytes.to_vec();
    put_checksum_right(&mut whole, 0);
    said(check_manifest(&whole));
    if let Some(start) = whole.get_mut(..16) {
        start.copy_from_slice(b"BLKSTMAN\x01\0\0\0\0\0\0\0");
        put_checksum_right(&mut whole, 0);
        said(check_manifest(&whole));
    }
}

/// Bytes as a block, as they are and with the checksum put right.
pub fn check_blocks(bytes: &[u8]) {
    let (creation, number) = (0x0123_4567_89ab_cdef_u64, 7_u32);
    said(check_block(bytes, creation, number));
    let mut start = crc32fast::Hasher::new();
    start.update(&creation.to_le_bytes());
    start.update(&number.to_le_bytes());
    let mut whole = bytes.to_vec();
    put_checksum_right(&mut whole, start.finalize());
    said(check_block(&whole, creation, number));
}

fn put_checksum_right(whole: &mut [u8], start: u32) {
    let Some(covered) = whole.len().checked_sub(CHECKSUM_BYTES) else {
        return;
    };
    let (covered, checksum) = whole.split_at_mut(covered);
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(covered);
    checksum.copy_from_slice(&hasher.finalize().to_le_bytes());
}

/// What is refused is described.
fn said<T: std::fmt::Debug>(decoded: Result<T, blackstart::codec::Defect>) {
    match decoded {
        Ok(decoded) => assert!(!format!("{decoded:?}").is_empty()),
        Err(defect) => assert!(!defect.to_string().is_empty()),
    }
}
