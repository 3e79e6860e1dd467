//! Tests of the superblock.

use super::*;

fn superblock(counter: u64) -> Superblock {
    Superblock {
        log_id: LogId::new([7; 16]),
        epoch: Epoch::new(3),
        counter,
        oldest: TxOffset::new(10),
        newest: TxOffset::new(20),
        durable_through: TxOffset::new(30),
    }
}

fn file(slots: &[Superblock]) -> Vec<u8> {
    let mut bytes = vec![0; SUPERBLOCK_BYTES];
    for slot in slots {
        let at = slot.position() as usize;
        bytes[at..at + SLOT_BYTES].copy_from_slice(&slot.encode());
    }
    bytes
}

#[test]
fn the_latest_of_the_valid_slots_counts() {
    assert_eq!(
        Superblock::decode(&file(&[superblock(4)])),
        Ok(superblock(4))
    );
    for (one, other) in [(4, 5), (5, 4), (6, 5), (15, 16), (7, 8)] {
        let bytes = file(&[superblock(one), superblock(other)]);
        assert_eq!(Superblock::decode(&bytes), Ok(superblock(one.max(other))));
    }
}

#[test]
fn a_torn_slot_leaves_the_other() {
    let whole = file(&[superblock(4), superblock(5)]);
    let at = superblock(5).position() as usize;
    for bit in 0..(COVERED_BYTES + 4) * 8 {
        let mut torn = whole.clone();
        torn[at + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Superblock::decode(&torn), Ok(superblock(4)), "bit {bit}");
    }
}

#[test]
fn without_a_valid_slot_it_is_refused() {
    for len in 0..COVERED_BYTES + 4 {
        assert!(Superblock::decode(&file(&[superblock(4)])[..len]).is_err());
    }
    assert!(Superblock::decode(&vec![0; SUPERBLOCK_BYTES]).is_err());
    let mut newer = file(&[superblock(4)]);
    newer[8] = 3;
    let checksum = crc32fast::hash(&newer[..COVERED_BYTES]);
    newer[COVERED_BYTES..COVERED_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    let defect = Superblock::decode(&newer).unwrap_err();
    assert_eq!(defect.field, "superblock version");
}
