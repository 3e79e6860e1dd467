//! Tests of salvage.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;

use super::repair;
use crate::commitlog::source::Directory;
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, LogError, MARK_BYTES, SEGMENT_HEADER_BYTES};

const FIRST: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000002.log";
const THIRD: &str = "00000000000000000004.log";

const LETTERS: [&str; 6] = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f"];

/// Two sealed segments of two commits each, and a newest one of two commits. Each is synced, and
/// another synced commit vouches for the last.
fn healthy() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c", "d"]);
    log.rotate().unwrap();
    commit(&log, &["e", "f", "g"]);
    scratch
}

/// What is read after a salvage, and what the next opening without one reads.
fn salvage(scratch: &Scratch) -> (Vec<String>, Vec<String>) {
    let (log, report) = scratch
        .open_with(options().salvage(true))
        .expect("salvage opens it");
    let records = read(log.reader(log.oldest()).unwrap());
    let ranges = report
        .lost
        .iter()
        .map(|range| format!("lost {}..{}", range.start, range.end));
    let told: Vec<_> = ranges.collect();
    let shown: Vec<_> = records
        .iter()
        .filter(|record| record.starts_with("lost"))
        .collect();
    assert_eq!(shown, told.iter().collect::<Vec<_>>());
    let added = log.commit(&["added"], Durability::Synced).unwrap();
    drop(log);
    let (log, _) = scratch.open();
    let again = read(log.reader(log.oldest()).unwrap());
    assert_eq!(
        again,
        [&records[..], &[format!("{}:added", added.first)]].concat()
    );
    (records, report.damaged)
}

#[test]
fn a_healthy_log_stays_as_it_is() {
    let scratch = healthy();
    let before = [FIRST, SECOND].map(|name| scratch.read(name));
    let (records, damaged) = salvage(&scratch);
    assert_eq!(
        (&records[..6], damaged.len()),
        (&LETTERS.map(String::from)[..], 0)
    );
    assert!([FIRST, SECOND].map(|name| scratch.read(name)) == before);
}

#[test]
fn a_damaged_mark_behind_the_last_commit_costs_nothing() {
    let with_a_retain_mark = || {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c", "d"]);
        assert_eq!(log.retain_from(tx(2)).unwrap(), tx(2));
        log.rotate().unwrap();
        commit(&log, &["e", "f", "g"]);
        scratch
    };
    let len = with_a_retain_mark().read(SECOND).len();
    // The last two frames are the mark and the seal.
    for at in len - 2 * MARK_BYTES..len {
        let scratch = with_a_retain_mark();
        scratch.edit(SECOND, |bytes| bytes[at] ^= 0x81);
        let (records, damaged) = salvage(&scratch);
        assert_eq!(
            records[..4],
            LETTERS[2..]
                .iter()
                .map(|&s| s.to_owned())
                .collect::<Vec<_>>()
        );
        assert_eq!(damaged.len(), 1, "byte {at}");
    }
}

#[test]
fn damage_anywhere_costs_only_the_commits_it_hits() {
    for (name, first) in [(FIRST, 0), (SECOND, 2), (THIRD, 4)] {
        let len = healthy().read(name).len();
        for at in 0..len {
            let scratch = healthy();
            scratch.edit(name, |bytes| bytes[at] ^= 0x81);
            let original = scratch.read(name);
            let (records, damaged) = salvage(&scratch);
            // The commit that the byte belongs to, if any.
            let commit = at
                .checked_sub(SEGMENT_HEADER_BYTES)
                .map(|at| first + at as u64 / 53);
            let last = if name == THIRD { 7 } else { first + 2 };
            let hit = commit.filter(|commit| *commit < last);
            let lost = hit.map(|hit| format!("lost {hit}..{}", hit + 1));
            let expected = ["0:a", "1:b", "2:c", "3:d", "4:e", "5:f", "6:g"];
            let mut expected: Vec<_> = expected.into_iter().map(String::from).collect();
            if let (Some(hit), Some(lost)) = (hit, lost) {
                if hit == 6 {
                    // Nothing vouches for the last one: it is a tail.
                    expected.pop();
                } else {
                    expected[hit as usize] = lost;
                }
            }
            assert_eq!(records, expected, "{name} at {at}");
            for kept in &damaged {
                assert!(scratch.read(kept) == original, "the damaged file is kept");
            }
            let is_tail = hit == Some(6);
            assert_eq!(damaged.len(), usize::from(!is_tail), "{name} at {at}");
        }
    }
}

#[test]
fn a_missing_segment_is_a_lost_range() {
    for (name, range) in [(FIRST, 0..2), (SECOND, 2..4)] {
        let scratch = healthy();
        scratch.remove(name);
        let (records, _) = salvage(&scratch);
        let mut expected: Vec<_> = LETTERS.map(String::from).to_vec();
        expected.push("6:g".to_owned());
        let lost = format!("lost {}..{}", range.start, range.end);
        expected.splice(range, [lost]);
        assert_eq!(records, expected);
    }
}

#[test]
fn several_damages_are_all_listed() {
    let scratch = healthy();
    scratch.edit(FIRST, |bytes| bytes[SEGMENT_HEADER_BYTES + 10] ^= 1);
    scratch.edit(SECOND, |bytes| {
        let len = bytes.len();
        bytes[..20].fill(0);
        bytes[len - MARK_BYTES..].fill(9);
    });
    scratch.edit(THIRD, |bytes| bytes[SEGMENT_HEADER_BYTES + 60] ^= 1);
    let (records, damaged) = salvage(&scratch);
    assert_eq!(
        records,
        ["lost 0..1", "1:b", "2:c", "3:d", "4:e", "lost 5..6", "6:g"]
    );
    assert_eq!(damaged.len(), 3);
}

#[test]
fn two_neighbours_without_headers_are_chained_again() {
    let scratch = healthy();
    for name in [FIRST, SECOND] {
        scratch.edit(name, |bytes| bytes[..SEGMENT_HEADER_BYTES].fill(0xEE));
    }
    let (records, damaged) = salvage(&scratch);
    assert_eq!((records.len(), damaged.len()), (7, 2));
}

#[test]
fn the_callers_bound_names_a_loss_at_the_end() {
    let scratch = healthy();
    scratch.edit(THIRD, |bytes| {
        bytes[SEGMENT_HEADER_BYTES + 2 * 53 + 20] ^= 1
    });
    let options = options().salvage(true).durable_through(tx(7));
    let (log, report) = scratch.open_with(options).unwrap();
    assert_eq!(report.lost, [tx(6)..tx(7)]);
    assert_eq!(
        log.visible_through(),
        tx(7),
        "the offset is not given again"
    );
}

#[test]
fn a_foreign_segment_is_no_damage() {
    let (scratch, other) = (healthy(), healthy());
    scratch.write(SECOND, &other.read(SECOND));
    let refused = scratch.open_with(options().salvage(true));
    assert!(
        matches!(refused, Err(LogError::Foreign { .. })),
        "{refused:?}"
    );
}

#[test]
fn salvage_again_keeps_every_damaged_file() {
    let scratch = healthy();
    for attempt in 0..3 {
        scratch.edit(FIRST, |bytes| bytes[SEGMENT_HEADER_BYTES + 30] ^= 1);
        let (log, report) = scratch.open_with(options().salvage(true)).unwrap();
        assert_eq!(report.damaged.len(), 1, "{attempt}");
        drop(log);
    }
    let names = scratch.names();
    assert_eq!(
        names.iter().filter(|name| name.contains("damaged")).count(),
        3
    );
}

#[test]
fn an_epoch_that_is_lost_with_its_header_is_not_given_again() {
    let scratch = healthy();
    let (log, _) = scratch.open();
    commit(&log, &["h"]);
    let epoch = log.epoch();
    drop(log);
    let mut names = scratch.names();
    names.retain(|name| name.ends_with(".log"));
    let newest = names.last().expect("there are segments");
    scratch.edit(newest, |bytes| bytes.fill(0xA5));
    let (log, _) = scratch
        .open_with(options().salvage(true))
        .expect("salvage opens it");
    assert!(log.epoch() > epoch, "{} after {epoch}", log.epoch());
}

/// A fork that superseded everything, whose header is lost, before segments that came back.
#[test]
fn a_header_that_is_lost_before_what_came_back_may_have_had_a_later_epoch() {
    let scratch = healthy();
    let kept = [SECOND, THIRD].map(|name| scratch.read(name));
    let (log, _) = scratch.open();
    log.truncate_to(tx(0)).unwrap();
    let epoch = log.epoch();
    drop(log);
    for (name, bytes) in [SECOND, THIRD].iter().zip(&kept) {
        scratch.write(name, bytes);
    }
    for name in [Some(FIRST), None] {
        let copy = Scratch::new();
        for kept in scratch.names() {
            copy.write(&kept, &scratch.read(&kept));
        }
        match name {
            Some(name) => copy.edit(name, |bytes| bytes[70] ^= 1),
            None => copy.remove(FIRST),
        }
        let (log, _) = copy
            .open_with(options().salvage(true))
            .expect("salvage opens it");
        assert!(log.epoch() > epoch, "{} after {epoch}", log.epoch());
    }
}

#[test]
fn a_sound_newest_segment_that_gets_a_later_epoch_is_no_damaged_one() {
    let scratch = healthy();
    scratch.edit(FIRST, |bytes| bytes[70] ^= 1);
    let (_, report) = scratch.open_with(options().salvage(true)).unwrap();
    assert_eq!(report.damaged, ["00000000000000000000.damaged"]);
}

#[test]
fn a_header_that_came_back_behind_a_made_up_segment_is_taken_up_again() {
    let scratch = healthy();
    let sound = scratch.read(SECOND);
    scratch.remove(FIRST);
    scratch.edit(SECOND, |bytes| bytes[..SEGMENT_HEADER_BYTES].fill(0));
    salvage(&scratch);
    // The zeros were in the page cache only, and the salvage was cut short before it put the new
    // one in their place.
    scratch.write(SECOND, &sound);
    assert!(matches!(scratch.error(), LogError::WrongChain { .. }));
    let (log, report) = scratch.open_with(options().salvage(true)).unwrap();
    let records = read(log.reader(log.oldest()).unwrap());
    assert_eq!(records[..3], ["lost 0..2", "2:c", "3:d"]);
    assert_eq!(report.lost, [], "nothing is lost by this one");
}

#[test]
fn an_uncut_segment_that_stays_is_not_written_to() {
    let scratch = healthy();
    let (log, _) = scratch.open();
    commit(&log, &["h", "i"]);
    let newest = scratch
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".log"));
    let newest = newest.max().expect("there are segments");
    let uncut = scratch.read(&newest);
    drop(log);
    drop(scratch.open());
    // The cut of the opening is undone: its fork is there, and the seal is not.
    scratch.write(&newest, &uncut);
    scratch.edit(FIRST, |bytes| bytes[SEGMENT_HEADER_BYTES + 20] ^= 1);
    scratch
        .disk
        .fail(CallKind::Write)
        .on(&newest)
        .errno(Errno::Eio);
    let directory = Directory::new(&scratch.env, std::path::Path::new(""));
    repair(&directory, None).expect("nothing is written to it");
    assert!(scratch.read(&newest) == uncut);
}

#[test]
fn damage_to_a_fork_is_named_before_what_it_superseded() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a"], Durability::Synced).unwrap();
    for record in ["b", "c", "d"] {
        log.commit(&[record], Durability::Os).unwrap();
    }
    drop(log);
    let (log, _) = scratch.open();
    log.truncate_to(tx(2)).unwrap();
    // Its header says that more was durable than there is since the cut.
    let cut = scratch.read("00000000000000000001.log");
    log.truncate_to(tx(0)).unwrap();
    drop(log);
    scratch.write("00000000000000000001.log", &cut);
    scratch.edit(FIRST, |bytes| bytes[60] ^= 1);
    let error = scratch.error();
    let LogError::Corrupt { corrupt, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(corrupt.file, FIRST);
}

#[test]
fn a_made_up_header_is_in_no_lower_epoch_than_a_retired_fork() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["undone"], Durability::Synced).unwrap();
    log.truncate_to(tx(0)).unwrap();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c", "d"]);
    log.rotate().unwrap();
    commit(&log, &["e", "f"]);
    let retired = scratch.read(FIRST);
    assert_eq!(log.retain_from(tx(2)).unwrap(), tx(2));
    drop(log);
    drop(scratch.open());
    // The removal is undone, and nothing is left of the segment behind it.
    scratch.write(FIRST, &retired);
    scratch.edit(SECOND, |bytes| bytes.fill(0xA5));
    let (records, damaged) = salvage(&scratch);
    assert_eq!(records[..2], ["lost 2..4", "4:e"]);
    assert_eq!(damaged, ["00000000000000000002.damaged"]);
}

#[test]
fn a_seal_that_is_durable_by_its_order_is_not_written_again() {
    let scratch = healthy();
    let sealed = scratch.read(SECOND);
    scratch.edit(FIRST, |bytes| bytes[SEGMENT_HEADER_BYTES + 20] ^= 1);
    scratch
        .disk
        .fail(CallKind::Write)
        .on(SECOND)
        .errno(Errno::Eio);
    let directory = Directory::new(&scratch.env, std::path::Path::new(""));
    repair(&directory, None).expect("nothing is written to it");
    assert!(scratch.read(SECOND) == sealed);
}
