//! Kind D: copies of a log, restored and gone on with.

use std::collections::BTreeMap;

use blackstart::commitlog::{Durability, Epoch, Incarnation, LogOptions, TxOffset};

use super::directory::{Dir, fill, options, tx};

/// A place in a history, and what was read there.
type Places = BTreeMap<(Incarnation, Epoch, TxOffset), Vec<u8>>;

/// Notes all commits of a log; a place has the same bytes in all copies.
fn note(dir: &Dir, places: &mut Places) {
    let (log, _) =
        blackstart::commitlog::ReadOnlyLog::open(dir.env(), "", options()).expect("a log");
    let mut reader = log.reader(log.oldest()).expect("a reader");
    while let Some(commit) = reader.next_commit().expect("it can be read") {
        let bytes: Vec<_> = commit
            .transactions()
            .flat_map(|(_, record)| record.to_vec())
            .collect();
        let place = (commit.incarnation(), commit.epoch(), commit.first());
        let before = places.entry(place).or_insert_with(|| bytes.clone());
        assert!(*before == bytes, "{place:?} is given to other bytes");
    }
}

/// F10: a backup and its original go on, each for itself, closed or killed, and are restored from
/// each other: (incarnation, epoch, offset) is never that of other bytes.
#[test]
fn a_place_is_never_given_twice_over_all_copies() {
    let mut places = Places::new();
    let mut pairs = BTreeMap::new();
    let mut is_pair_shared = false;
    for ends in 0..16_u32 {
        let ends_closed = |copy: u32| ends >> copy & 1 == 0;
        let original = Dir::new();
        let (log, _) = original.open(options().create(true)).expect("a new log");
        fill(&log, 10);
        if ends_closed(0) {
            log.close().expect("it closes");
        }
        drop(log);
        let backup = original.files();
        for copy in 1..4 {
            let dir = Dir::new().with(&backup);
            for round in 0..2 {
                let (log, _) = dir.open(options()).expect("it opens");
                let record = format!("{ends} {copy} {round}");
                let committed = log
                    .commit(&[&record], Durability::Synced)
                    .expect("a commit");
                let pair = (ends, committed.epoch, committed.first);
                is_pair_shared |= pairs.insert(pair, record).is_some();
                let place = (committed.incarnation, committed.epoch, committed.first);
                assert!(!places.contains_key(&place), "{place:?} is given again");
                log.truncate_to(tx(10)).expect("it is cut");
                log.commit(
                    &[format!("{ends} {copy} {round} again")],
                    Durability::Synced,
                )
                .expect("a commit");
                if ends_closed(copy) {
                    log.close().expect("it closes");
                }
                drop(log);
                note(&dir, &mut places);
            }
        }
    }
    assert!(
        is_pair_shared,
        "epoch and offset alone do not tell the copies apart"
    );
}

/// A backup without its superblock, as `segments` lists it, is a log of the same id.
#[test]
fn a_live_log_is_backed_up_by_its_list_of_segments() {
    let dir = Dir::new();
    let (log, _) = dir.open(options().create(true)).expect("a new log");
    for round in 0..10 {
        fill(&log, 17);
        let _pin = log.pin(log.oldest()).expect("a pin");
        let backup = Dir::new();
        for info in log.segments() {
            let name = info.path.to_str().expect("text");
            backup.write(name, &dir.read(name)[..info.bytes as usize]);
        }
        let (copy, report) = backup.open(LogOptions::new()).expect("the backup opens");
        assert_eq!(
            (report.next, report.log_id),
            (tx(17 * (round + 1)), log.log_id())
        );
        assert_ne!(copy.incarnation(), log.incarnation());
    }
}
