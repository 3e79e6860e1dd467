//! The superblock.

use blackstart::commitlog::{SUPERBLOCK_BYTES, Superblock};

const SLOT_BYTES: usize = SUPERBLOCK_BYTES / 2;
const COVERED_BYTES: usize = 64;

/// Decodes bytes as the content of `lock`, as they are and with both slots put right.
pub fn check(bytes: &[u8]) {
    decode(bytes);
    let mut whole = [0; SUPERBLOCK_BYTES];
    let len = bytes.len().min(SUPERBLOCK_BYTES);
    whole[..len].copy_from_slice(&bytes[..len]);
    // What the second slot holds may stand right behind what the first one holds.
    let second = bytes.get(COVERED_BYTES..2 * COVERED_BYTES);
    if let Some(second) = second {
        whole[SLOT_BYTES..SLOT_BYTES + COVERED_BYTES].copy_from_slice(second);
    }
    for slot in whole.chunks_exact_mut(SLOT_BYTES) {
        slot[..12].copy_from_slice(b"BLKSTSUP\x02\0\0\0");
        let checksum = crc32fast::hash(&slot[..COVERED_BYTES]);
        slot[COVERED_BYTES..COVERED_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    }
    decode(&whole);
    // One torn slot leaves the other.
    let valid = |slot: &[u8]| Superblock::decode(slot).expect("it was put right");
    let [one, other] = [&whole[..SLOT_BYTES], &whole[SLOT_BYTES..]].map(valid);
    let counter = one.counter.max(other.counter);
    let newest = Superblock::decode(&whole).expect("both slots are valid");
    assert_eq!(newest.counter, counter);
    whole[COVERED_BYTES] ^= 1;
    assert_eq!(Superblock::decode(&whole), Ok(other));
}

fn decode(bytes: &[u8]) {
    match Superblock::decode(bytes) {
        Ok(superblock) => {
            let encoded = superblock.encode();
            let read = |slot: &[u8]| slot.starts_with(&encoded[..COVERED_BYTES + 4]);
            assert!(bytes.chunks(SLOT_BYTES).any(read), "{superblock:?}");
        }
        Err(defect) => assert!(!defect.to_string().is_empty()),
    }
}
