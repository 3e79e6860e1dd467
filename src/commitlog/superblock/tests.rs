//! Tests of the superblock.

use blackstart_sim::disk::{DiskConfig, Image};

use super::*;
use crate::commitlog::names;
use crate::commitlog::testing::{Scratch, commit, crashes, options, tx};
use crate::commitlog::{Durability, LogError};

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

/// [I1] Whatever of one slot was written.
#[test]
fn a_torn_slot_leaves_the_other() {
    let whole = file(&[superblock(4), superblock(5)]);
    let at = superblock(5).position() as usize;
    for bit in 0..(COVERED_BYTES + 4) * 8 {
        let mut torn = whole.clone();
        torn[at + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Superblock::decode(&torn),
            Ok(superblock(4)),
            "[I1] bit {bit}"
        );
    }
}

#[test]
fn without_a_valid_slot_it_is_refused() {
    for counter in 0..8 {
        let whole = file(&[superblock(counter)]);
        let at = superblock(counter).position() as usize;
        let end = at + COVERED_BYTES + 4;
        for len in 0..end {
            assert!(
                Superblock::decode(&whole[..len]).is_err(),
                "{counter}, {len}"
            );
        }
        assert_eq!(Superblock::decode(&whole[..end]), Ok(superblock(counter)));
    }
    assert!(Superblock::decode(&vec![0; SUPERBLOCK_BYTES]).is_err());
    let mut newer = file(&[superblock(0)]);
    newer[8] = 3;
    let checksum = crc32fast::hash(&newer[..COVERED_BYTES]);
    newer[COVERED_BYTES..COVERED_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    let defect = Superblock::decode(&newer).unwrap_err();
    assert_eq!(defect.field, "superblock version");
}

/// Of a slot behind the newest one something is left, or was due to be there.
#[test]
fn a_later_slot_that_was_lost_is_noticed() {
    let newest = |bytes: &[u8]| Superblock::decode(bytes).unwrap();
    for newest_counter in [0, 3, 6, 7, 8, 12, 15, 16] {
        let slots: Vec<_> = (0..=newest_counter).map(superblock).collect();
        let whole = file(&slots);
        assert_eq!(newest(&whole), superblock(newest_counter));
        assert!(!newest(&whole).is_later_lost(&whole), "{newest_counter}");
        let at = superblock(newest_counter).position() as usize;
        if newest_counter == 0 {
            continue;
        }
        for (harm, is_noticed) in [
            (vec![0xFF; SLOT_BYTES], true),
            (vec![0; SLOT_BYTES], newest_counter >= SLOTS as u64),
        ] {
            let mut harmed = whole.clone();
            harmed[at..at + SLOT_BYTES].copy_from_slice(&harm);
            assert_eq!(newest(&harmed), superblock(newest_counter - 1));
            assert_eq!(newest(&harmed).is_later_lost(&harmed), is_noticed);
        }
        let short = &whole[..SUPERBLOCK_BYTES - 1];
        if at + SLOT_BYTES < SUPERBLOCK_BYTES {
            let is_next_last = at + 2 * SLOT_BYTES == SUPERBLOCK_BYTES;
            assert_eq!(newest(short).is_later_lost(short), is_next_last);
        }
    }
}

/// [I1] and [I2], in a life with rotations, a retention and a close, which crashes after each step:
/// a log with a segment that was appended to has a valid superblock, which never says too much.
#[test]
fn a_crash_leaves_a_superblock_that_says_what_is_so() {
    let live = |scratch: &Scratch| {
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c"]);
        log.rotate().unwrap();
        commit(&log, &["d"]);
        log.retain_from(tx(3)).unwrap();
        log.close().unwrap();
    };
    let mut retired = 0;
    for crash in crashes(&Image::empty(&DiskConfig::default()), live) {
        let (cut, disk) = (crash.cut, crash.disk);
        if disk.names().is_empty() {
            continue;
        }
        // [I2] Too high a bound, a segment that is not there or one that went too early would be
        // refused.
        let (log, report) = disk.open_with(options()).unwrap_or_else(|error| {
            panic!("[I2] cut {cut}: {error}, {:?}", disk.names());
        });
        let has_own_commits = report.next > tx(0);
        let lost = report.superblock_lost && has_own_commits;
        assert!(!lost, "[I1] cut {cut}: {report:?}");
        retired += u64::from(log.oldest() > tx(0));
    }
    assert!(retired > 0, "some crashes are behind the retention");
}

/// [I2] A process that was killed may leave a superblock that is in the page cache only. The next
/// opening does nothing on its word before it is durable: it is crashed after each step as well.
#[test]
fn nothing_is_done_on_the_word_of_a_superblock_that_may_be_lost() {
    let retain = |scratch: &Scratch| {
        let (log, _) = scratch.open();
        assert_eq!(log.retain_from(tx(2)).unwrap(), tx(2));
    };
    let open = |scratch: &Scratch| drop(scratch.open());
    // Behind a clean end the opening makes no segment whose header would know as well.
    for is_closed in [false, true] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c"]);
        if is_closed {
            log.close().unwrap();
        }
        drop(log);
        let image = scratch.disk.crash_model().kill_image();
        let mut count = 0;
        let killed = crashes(&image, retain);
        for first in killed.into_iter().filter(|crash| crash.is_kill) {
            let image = first.disk.disk.crash_model().kill_image();
            for second in crashes(&image, open) {
                let opened = second.disk.open_with(options());
                let (first, second) = (first.cut, second.cut);
                let (_, report) = opened.unwrap_or_else(|error| {
                    panic!("[I2] closed {is_closed}, cuts {first}, {second}: {error}");
                });
                assert!(!report.superblock_lost, "[I1] cuts {first}, {second}");
                count += 1;
            }
        }
        assert!(count > 20, "{count}");
    }
}

/// [I3] On a disk that is full.
#[test]
fn writing_it_takes_no_space() {
    let scratch = Scratch::with(DiskConfig {
        capacity_bytes: Some(40 << 10),
        ..DiskConfig::default()
    });
    let (log, _) = scratch.open();
    let record = "x".repeat(1000);
    let full = loop {
        assert_eq!(scratch.read(names::LOCK).len(), SUPERBLOCK_BYTES, "[I3]");
        if let Err(error) = log.commit(&[&record], Durability::Synced) {
            break error;
        }
    };
    assert!(matches!(full, LogError::NoSpace { .. }), "{full}");
    let next = log.durable_through();
    let oldest = log.retain_from(next).expect("[I3] it takes no space");
    assert!(oldest > tx(0));
    commit(&log, &["there is space again"]);
}
