//! Tests of salvage.

use std::path::Path;

use super::*;
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, Log, SEGMENT_HEADER_BYTES};

/// Bytes of a commit of one record of one byte: a header, a length, the record.
const FRAME_BYTES: usize = 32 + 4 + 1;

/// A closed log of commits a to i, three in a segment.
fn nine() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for names in [["a", "b", "c"], ["d", "e", "f"], ["g", "h", "i"]] {
        log.rotate().unwrap();
        commit(&log, &names);
    }
    log.close().unwrap();
    scratch
}

fn salvaged(scratch: &Scratch) -> Result<SalvageReport, LogError> {
    salvage(&scratch.env, "", &scratch.env, "new", &options())
}

/// What a salvaged log shows, and that it goes on.
fn shown(scratch: &Scratch) -> Vec<String> {
    let (log, _) = Log::open(&scratch.env, "new", options()).unwrap();
    let records = read(log.reader(log.oldest()).unwrap());
    let next = log.visible_through();
    let committed = log.commit(&["more"], Durability::Synced).unwrap();
    assert_eq!(committed.first, next);
    log.close().unwrap();
    let (log, report) = Log::open(&scratch.env, "new", options()).unwrap();
    assert_eq!(report.next, tx(next.get() + 1));
    assert_eq!(read(log.reader(next).unwrap()), [format!("{next}:more")]);
    records
}

fn flip(scratch: &Scratch, name: &str, at: usize) {
    scratch.edit(name, |bytes| bytes[at] ^= 1);
}

fn frame(number: usize) -> usize {
    SEGMENT_HEADER_BYTES + number * FRAME_BYTES
}

const SECOND: &str = "00000000000000000003.log";
const NEWEST: &str = "00000000000000000006.log";
const WHOLE: [&str; 9] = [
    "0:a", "1:b", "2:c", "3:d", "4:e", "5:f", "6:g", "7:h", "8:i",
];

/// Each case is a harm to the log and what is shown then.
fn check(harm: impl FnOnce(&Scratch), lost: Option<Range<u64>>, problems: usize) {
    let lost: Vec<Range<u64>> = lost.into_iter().collect();
    let scratch = nine();
    harm(&scratch);
    let before: Vec<_> = scratch
        .names()
        .iter()
        .map(|name| scratch.read(name))
        .collect();
    let names = scratch.names();
    let report = salvaged(&scratch).unwrap();
    // [I1] The damaged directory is as it was.
    let after: Vec<_> = names.iter().map(|name| scratch.read(name)).collect();
    assert!(
        before == after,
        "[I1] nothing in the damaged directory is changed"
    );
    let ranges: Vec<_> = lost
        .iter()
        .map(|range| tx(range.start)..tx(range.end))
        .collect();
    assert_eq!(report.lost, ranges);
    assert_eq!(report.problems.len(), problems, "{:?}", report.problems);
    let records = shown(&scratch);
    let kept = WHOLE
        .iter()
        .enumerate()
        .map(|(at, record)| (at as u64, (*record).to_owned()));
    let kept = kept.filter(|(at, _)| !lost.iter().any(|range| range.contains(at)));
    let told = lost
        .iter()
        .map(|range| (range.start, format!("lost {}..{}", range.start, range.end)));
    let mut expected: Vec<_> = kept.chain(told).collect();
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, record)| record).collect();
    assert_eq!(records, expected);
}

/// [I1], [I2] Nothing that can be read is dropped, and readers are told of the rest.
#[test]
fn what_can_be_read_is_saved_with_its_offset() {
    check(|_| {}, None, 0);
    check(
        |scratch| flip(scratch, SECOND, frame(0) + 36),
        Some(3..4),
        1,
    );
    check(
        |scratch| flip(scratch, SECOND, frame(1) + 36),
        Some(4..5),
        1,
    );
    check(|scratch| flip(scratch, SECOND, frame(2) + 2), Some(5..6), 1);
    check(
        |scratch| scratch.edit(SECOND, |bytes| bytes[frame(0)..frame(2)].fill(0)),
        Some(3..5),
        1,
    );
    check(
        |scratch| scratch.edit(SECOND, |bytes| bytes.truncate(frame(1))),
        Some(4..6),
        1,
    );
    check(|scratch| scratch.edit(SECOND, Vec::clear), Some(3..6), 1);
    check(|scratch| scratch.remove(SECOND), Some(3..6), 1);
    check(
        |scratch| scratch.remove("00000000000000000000.log"),
        Some(0..3),
        0,
    );
}

/// [I2] Frames say themselves where they belong: a lost header costs nothing.
#[test]
fn frames_behind_a_lost_header_are_saved() {
    for at in [0, 8, 20, 84, SEGMENT_HEADER_BYTES - 1] {
        check(|scratch| flip(scratch, SECOND, at), None, 1);
        check(|scratch| flip(scratch, NEWEST, at), None, 1);
    }
}

/// [I3] In the newest segment only evidence makes a break a loss: the superblock knows that the log
/// was closed; without it what is behind the break is a tail.
#[test]
fn the_newest_segment_follows_evidence() {
    check(
        |scratch| flip(scratch, NEWEST, frame(1) + 36),
        Some(7..8),
        1,
    );
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.commit(&["b"], Durability::Os).unwrap();
    log.commit(&["c"], Durability::Os).unwrap();
    drop(log);
    flip(&scratch, "00000000000000000000.log", frame(1) + 36);
    let report = salvaged(&scratch).unwrap();
    assert_eq!((report.next, report.lost), (tx(1), vec![]));
    assert_eq!(shown(&scratch), ["0:a"]);
}

/// [I4] A directory has its name when the log in it is whole; names that are taken are left alone.
#[test]
fn a_salvage_writes_into_a_new_directory_only() {
    let scratch = nine();
    salvaged(&scratch).unwrap();
    let again = salvaged(&scratch);
    assert!(
        matches!(again, Err(LogError::AlreadyExists { .. })),
        "{again:?}"
    );
    let unfinished = Path::new("new.unfinished");
    assert!(scratch.env.fs().metadata(unfinished).is_err());
}

/// [I5] Segments of another log are no damage.
#[test]
fn what_is_no_damage_stays_an_error() {
    let scratch = nine();
    let other = nine();
    scratch.write(SECOND, &other.read(SECOND));
    let refused = salvaged(&scratch);
    assert!(
        matches!(refused, Err(LogError::Foreign { .. })),
        "{refused:?}"
    );
    let scratch = nine();
    let (_log, _) = scratch.open();
    let refused = salvaged(&scratch);
    assert!(
        matches!(refused, Err(LogError::Locked { .. })),
        "{refused:?}"
    );
}
