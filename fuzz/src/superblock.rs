//! The superblock.

use blackstart::commitlog::{SUPERBLOCK_BYTES, Superblock};

const SLOT_BYTES: usize = 512;
const COVERED_BYTES: usize = 64;

/// Decodes bytes as the content of `lock`, as they are and with all slots put right.
pub fn check(bytes: &[u8]) {
    decode(bytes);
    // What the slots hold may stand side by side.
    let mut held = bytes.chunks(COVERED_BYTES);
    let mut whole = [0; SUPERBLOCK_BYTES];
    for slot in whole.chunks_exact_mut(SLOT_BYTES) {
        let held = held.next().unwrap_or_default();
        slot[..held.len()].copy_from_slice(held);
        slot[..12].copy_from_slice(b"BLKSTSUP\x02\0\0\0");
        let checksum = crc32fast::hash(&slot[..COVERED_BYTES]);
        slot[COVERED_BYTES..COVERED_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    }
    // The newest slot counts; when it is torn, the newest of the others does.
    for _ in 0..SUPERBLOCK_BYTES / SLOT_BYTES {
        decode(&whole);
        let newest = Superblock::decode(&whole).expect("a slot is valid");
        let counter = |slot: &[u8]| Superblock::decode(slot).map(|slot| slot.counter).ok();
        let counters: Vec<_> = whole.chunks_exact(SLOT_BYTES).map(counter).collect();
        assert_eq!(counters.iter().max(), Some(&Some(newest.counter)));
        let torn = counters
            .iter()
            .position(|counter| *counter == Some(newest.counter));
        whole[torn.expect("it is the highest") * SLOT_BYTES + COVERED_BYTES] ^= 1;
    }
    assert!(Superblock::decode(&whole).is_err(), "all slots are torn");
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
