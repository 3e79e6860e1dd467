//! Tests of truncation.

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, LogError, ReadScope};

/// A log of commits a to h, two in a segment.
fn eight() -> (Scratch, crate::commitlog::Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    commit(&log, &["g", "h"]);
    (scratch, log)
}

#[test]
fn a_cut_anywhere_leaves_what_was_before_and_goes_on() {
    let letters = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f", "6:g", "7:h"];
    for cut in 0..=8 {
        let (scratch, log) = eight();
        let before = log.epoch();
        log.truncate_to(tx(cut)).unwrap();
        let expected = &letters[..cut as usize];
        assert_eq!(log.epoch() > before, cut < 8, "a cut raises the epoch");
        assert_eq!(
            (log.visible_through(), log.durable_through()),
            (tx(cut), tx(cut))
        );
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
        assert_eq!(scratch.records(), expected);
        let again = log.commit(&["x"], Durability::Synced).unwrap();
        assert_eq!(again.first, tx(cut));
        let last = format!("{cut}:x");
        let expected = [expected, &[last.as_str()]].concat();
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
        drop(log);
        assert_eq!(scratch.records(), expected);
        let (log, _) = scratch.open();
        assert_eq!(read(log.reader(tx(0)).unwrap()), expected);
    }
}

#[test]
fn cuts_may_follow_each_other() {
    let (scratch, log) = eight();
    log.truncate_to(tx(7)).unwrap();
    commit(&log, &["i", "j"]);
    log.truncate_to(tx(5)).unwrap();
    log.truncate_to(tx(5)).unwrap();
    log.truncate_to(tx(4)).unwrap();
    commit(&log, &["k"]);
    log.rotate().unwrap();
    log.truncate_to(tx(1)).unwrap();
    commit(&log, &["l"]);
    log.close().unwrap();
    assert_eq!(scratch.records(), ["0:a", "1:l"]);
    let (_, report) = scratch.open();
    assert!(report.closed);
    assert_eq!(
        scratch.names(),
        ["00000000000000000000.log", "00000000000000000001.log"]
    );
}

#[test]
fn what_is_buffered_can_be_cut_too() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for name in ["a", "b", "c"] {
        log.commit(&[name], Durability::Buffered).unwrap();
    }
    log.truncate_to(tx(2)).unwrap();
    assert_eq!(log.durable_through(), tx(2));
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:b"]);
}

#[test]
fn a_cut_inside_a_commit_is_refused() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.commit(&["b", "c", "d"], Durability::Synced).unwrap();
    for inside in [2, 3] {
        let refused = log.truncate_to(tx(inside));
        let Err(LogError::NotACommitBoundary { asked, first, end }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!((asked, first, end), (tx(inside), tx(1), tx(4)));
    }
    commit(&log, &["e"]);
    assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e"]);
}

#[test]
fn readers_learn_of_a_cut_below_them_and_only_then() {
    let (_scratch, log) = eight();
    let mut below = log.reader(tx(0)).unwrap();
    let mut above = log.follow(tx(0), ReadScope::Visible).unwrap();
    for _ in 0..3 {
        below.next_commit().unwrap().unwrap();
    }
    for _ in 0..7 {
        above.next_commit().unwrap().unwrap();
    }
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x", "y", "z", "1", "2", "3"]);
    for _ in 0..2 {
        let told = above.next_commit().map(|_| ());
        let Err(LogError::Truncated { position, at }) = told else {
            panic!("{told:?}")
        };
        assert_eq!((position, at), (tx(7), tx(3)));
    }
    assert_eq!(below.next_commit().unwrap().unwrap().range(), tx(3)..tx(4));
    assert_eq!(below.position(), tx(4));
}

#[test]
fn recovery_to_a_point_in_time_is_a_cut() {
    let (scratch, log) = eight();
    log.close().unwrap();
    let (log, report) = scratch.open_with(options().history_end(tx(5))).unwrap();
    assert_eq!((report.next, report.epoch), (tx(5), log.epoch()));
    assert_eq!(log.visible_through(), tx(5));
    drop(log);
    let (log, report) = scratch.open_with(options().history_end(tx(7))).unwrap();
    assert_eq!((report.next, log.visible_through()), (tx(5), tx(5)));
}
