//! Tests of seeking.

use crate::commitlog::Durability;
use crate::commitlog::testing::{Scratch, options, read, tx};

const INDEX: &str = "00000000000000000000.idx";

/// A log of 200 records in one sealed segment, with an index entry every 100 bytes.
fn indexed() -> Scratch {
    let scratch = Scratch::new();
    let options = options()
        .segment_bytes_max(1 << 20)
        .index_interval_bytes(100);
    let (log, _) = scratch.open_with(options).unwrap();
    for number in 0..100 {
        let pair = [format!("{number}"), format!("{number}")];
        log.commit(&pair, Durability::Os).unwrap();
        if number % 10 == 0 {
            for from in [0, number, 2 * number] {
                let reader = log.reader(tx(from)).unwrap();
                assert_eq!(read(reader).len() as u64, 2 * (number + 1) - from / 2 * 2);
            }
        }
    }
    log.rotate().unwrap();
    log.close().unwrap();
    scratch
}

fn reads_from_everywhere(scratch: &Scratch) {
    let options = options().index_interval_bytes(100);
    let (log, _) = scratch.open_with(options).unwrap();
    for from in 0..200 {
        let records = read(log.reader(tx(from)).unwrap());
        assert_eq!(records.len() as u64, 200 - from / 2 * 2);
        assert!(records[0].starts_with(&format!("{}:", from / 2 * 2)));
    }
}

#[test]
fn seeking_works_with_a_good_a_missing_and_a_wrong_index() {
    let scratch = indexed();
    let index = scratch.read(INDEX);
    reads_from_everywhere(&scratch);
    assert!(scratch.read(INDEX) == index);

    scratch.remove(INDEX);
    reads_from_everywhere(&scratch);
    assert!(scratch.read(INDEX) == index, "it is made again");

    for at in 0..index.len() {
        scratch.edit(INDEX, |bytes| bytes[at] ^= 2);
        let (log, _) = scratch
            .open_with(options().index_interval_bytes(100))
            .unwrap();
        assert_eq!(read(log.reader(tx(150)).unwrap()).len(), 50);
        assert!(scratch.read(INDEX) == index, "byte {at}");
    }
}

#[test]
fn a_lying_index_costs_time_only() {
    // Right checksum, wrong places.
    let scratch = indexed();
    let index = scratch.read(INDEX);
    let entries = 52..index.len() - 4;
    for at in entries.step_by(16) {
        for (field, delta) in [(0, 1_u8), (8, 1), (12, 1)] {
            scratch.write(INDEX, &index);
            scratch.edit(INDEX, |bytes| {
                bytes[at + field] = bytes[at + field].wrapping_add(delta);
                let covered = bytes.len() - 4;
                let checksum = crc32fast::hash(&bytes[..covered]);
                bytes[covered..].copy_from_slice(&checksum.to_le_bytes());
            });
            let (log, _) = scratch
                .open_with(options().index_interval_bytes(100))
                .unwrap();
            for from in [0, 20, 99, 100, 101, 198, 199] {
                let records = read(log.reader(tx(from)).unwrap());
                assert_eq!(
                    records.len() as u64,
                    200 - from / 2 * 2,
                    "entry at {at}+{field}"
                );
            }
        }
    }
}
