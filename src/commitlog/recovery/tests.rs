//! Each row of the recovery table, on files made by the writer and then changed.

use super::*;
use crate::commitlog::chain::Identity;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, MARK_BYTES};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    Durability, Evidence, LogEnd, LogError, LogOptions, MemorySource, ReadOnlyLog,
    SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader,
};

const FIRST: &str = "00000000000000000000.log";

/// A commit of one record of one letter.
const SMALL: usize = FRAME_HEADER_BYTES + 4 + 1;

/// A log with these commits, each synced, that was killed.
fn killed(names: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, names);
    scratch
}

/// A log whose commits reached the operating system, and were never synced, that was killed.
fn killed_unsynced(names: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for name in names {
        log.commit(&[name], Durability::Os).unwrap();
    }
    scratch
}

fn header(bytes: &[u8]) -> SegmentHeader {
    SegmentHeader::decode(bytes).unwrap()
}

/// Where the commit of the `n`-th letter stands in a first segment.
fn position(n: usize) -> usize {
    SEGMENT_HEADER_BYTES + n * SMALL
}

#[test]
fn a_killed_log_shows_everything_and_goes_on_in_a_new_epoch() {
    let scratch = killed(&["a", "b", "c"]);
    let (log, report) = scratch.open();
    assert_eq!((report.next, report.end.clone()), (tx(3), LogEnd::Clean));
    assert!(!report.closed);
    // The last commit is vouched for by nothing, so it was moved to a new segment.
    assert_eq!(report.known_durable_through, tx(2));
    assert_eq!(report.cut, [FIRST]);
    assert_eq!(scratch.names(), [FIRST, "00000000000000000002.log"]);
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
    commit(&log, &["d"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:d"]);
}

#[test]
fn opening_again_without_writing_does_not_pile_up_segments() {
    let scratch = killed(&["a", "b", "c"]);
    let mut epochs = Vec::new();
    for _ in 0..4 {
        let (log, report) = scratch.open();
        epochs.push(report.epoch.get());
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
        assert_eq!(scratch.names().len(), 2);
    }
    assert_eq!(epochs, [2, 3, 4, 5]);
}

#[test]
fn a_torn_tail_is_reported_and_removed() {
    let whole = killed_unsynced(&["a", "b"]).read(FIRST);
    for len in position(1)..whole.len() {
        let scratch = killed_unsynced(&["a", "b"]);
        scratch.edit(FIRST, |bytes| bytes.truncate(len));
        let (log, report) = scratch.open();
        assert_eq!(report.next, tx(1), "{len}");
        match &report.end {
            LogEnd::Clean => assert_eq!(len, position(1)),
            LogEnd::Tail(tail) => {
                assert_eq!(
                    (tail.at.get() as usize, tail.file.as_str()),
                    (position(1), FIRST)
                );
                // Zeros at the end do not count.
                assert!((1..=len - position(1)).contains(&(tail.bytes as usize)));
            }
        }
        commit(&log, &["c"]);
        drop(log);
        assert_eq!(scratch.records(), ["0:a", "1:c"]);
    }
}

#[test]
fn zeros_are_a_clean_end_and_garbage_is_a_tail() {
    let scratch = killed_unsynced(&["a"]);
    scratch.edit(FIRST, |bytes| bytes.resize(bytes.len() + 1000, 0));
    let (_, report) = scratch.open();
    assert_eq!((report.next, report.end), (tx(1), LogEnd::Clean));

    let scratch = killed_unsynced(&["a"]);
    scratch.edit(FIRST, |bytes| {
        bytes.resize(bytes.len() + 1000, 0);
        bytes[position(1) + 500] = 1;
    });
    let (_, report) = scratch.open();
    let LogEnd::Tail(tail) = report.end else {
        panic!("{report:?}")
    };
    assert_eq!((tail.bytes, tail.later_frames), (501, 0));
}

#[test]
fn a_later_frame_alone_proves_nothing() {
    // Of three unsynced commits the middle one did not reach the disk.
    for damage in [0, 0xAA] {
        let scratch = killed_unsynced(&["a", "b", "c"]);
        scratch.edit(FIRST, |bytes| bytes[position(1)..position(2)].fill(damage));
        let (log, report) = scratch.open();
        assert_eq!(report.next, tx(1));
        let LogEnd::Tail(tail) = report.end else {
            panic!("{report:?}")
        };
        assert_eq!((tail.later_frames, tail.bytes as usize), (1, 2 * SMALL));
        commit(&log, &["d"]);
        drop(log);
        assert_eq!(scratch.records(), ["0:a", "1:d"]);
    }
}

#[test]
fn damage_to_what_a_later_frame_vouches_for_is_corruption() {
    // Of three synced commits the first is damaged at any byte, or lost as zeros.
    for at in position(0)..position(1) {
        let scratch = killed(&["a", "b", "c"]);
        scratch.edit(FIRST, |bytes| bytes[at] ^= 0x10);
        let LogError::Corrupt { corrupt, evidence } = scratch.error() else {
            panic!("{at}")
        };
        assert_eq!(corrupt.file, FIRST);
        assert!((position(0)..position(1)).contains(&(corrupt.defect.at.get() as usize)));
        assert!(
            matches!(evidence, Evidence::LaterFrame { .. }),
            "{evidence:?}"
        );
    }
    let scratch = killed(&["a", "b", "c"]);
    scratch.edit(FIRST, |bytes| bytes[position(0)..position(2)].fill(0));
    assert!(matches!(scratch.error(), LogError::Corrupt { .. }));
}

#[test]
fn opening_a_corrupt_log_changes_nothing() {
    let scratch = killed(&["a", "b", "c"]);
    scratch.edit(FIRST, |bytes| bytes[position(0) + 50] ^= 1);
    let before = scratch.read(FIRST);
    scratch.error();
    assert_eq!((scratch.names().len(), scratch.read(FIRST)), (1, before));
}

#[test]
fn damage_to_the_last_synced_commit_cannot_be_told_from_a_torn_one() {
    let scratch = killed(&["a", "b", "c"]);
    scratch.edit(FIRST, |bytes| bytes[position(2) + 50] ^= 1);
    let (_, report) = scratch.open();
    assert_eq!((report.next, report.known_durable_through), (tx(2), tx(2)));
    let LogEnd::Tail(tail) = report.end else {
        panic!("{report:?}")
    };
    assert_eq!(tail.bytes as usize, SMALL);
}

#[test]
fn the_callers_knowledge_makes_the_difference() {
    let scratch = killed(&["a", "b", "c"]);
    scratch.edit(FIRST, |bytes| bytes[position(2) + 50] ^= 1);
    let told = scratch.open_with(options().durable_through(tx(3)));
    let Err(LogError::Corrupt { evidence, .. }) = told else {
        panic!("{told:?}")
    };
    assert_eq!(evidence, Evidence::Caller { tx_offset: tx(3) });
    let told = scratch.open_with(options().durable_through(tx(2)));
    assert_eq!(told.unwrap().1.next, tx(2));
}

#[test]
fn a_missing_log_is_not_replaced_if_the_caller_knows_better() {
    let scratch = Scratch::new();
    let told = scratch.open_with(options().durable_through(tx(1)));
    assert!(
        matches!(told, Err(LogError::SegmentsMissing { .. })),
        "{told:?}"
    );
    scratch.write("00000000000000000000.idx", b"");
    assert!(matches!(scratch.error(), LogError::SegmentsMissing { .. }));
}

#[test]
fn what_stands_behind_a_close_mark_is_destroyed_and_told() {
    let closed = || {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.close().unwrap();
        scratch
    };
    for junk in [vec![0; 100], vec![7; 100], vec![1]] {
        let scratch = closed();
        scratch.edit(FIRST, |bytes| bytes.extend_from_slice(&junk));
        let (log, report) = scratch.open();
        let told = match &report.end {
            LogEnd::Clean => 0,
            LogEnd::Tail(tail) => tail.bytes,
        };
        let last = junk.iter().rposition(|byte| *byte != 0);
        assert_eq!(
            (report.next, told),
            (tx(2), last.map_or(0, |last| last as u64 + 1))
        );
        assert!(
            !report.closed,
            "what is behind the mark must be destroyed first"
        );
        assert_eq!(report.known_durable_through, tx(2));
        drop(log);
        assert_eq!(scratch.records(), ["0:a", "1:b"]);
    }
}

#[test]
fn a_close_mark_vouches_for_everything_before() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.close().unwrap();
    // A byte behind it, so that the mark is not at the very end and the segment is scanned.
    scratch.edit(FIRST, |bytes| {
        bytes[position(1) + 50] ^= 1;
        bytes.push(0);
    });
    assert!(matches!(scratch.error(), LogError::Corrupt { .. }));
}

#[test]
fn a_close_mark_that_was_written_before_its_data_is_not_believed() {
    // A close mark is at the end, but says that what precedes it was not synced.
    let scratch = killed_unsynced(&["a"]);
    let bytes = scratch.read(FIRST);
    let head = header(&bytes);
    let prev = u32::from_le_bytes(bytes[position(0)..position(0) + 4].try_into().unwrap());
    let place = crate::commitlog::frame::Place {
        epoch: head.epoch,
        next: tx(1),
        prev,
        durable_through: tx(0),
        durable_bytes: SEGMENT_HEADER_BYTES as u32,
    };
    let mark = crate::commitlog::frame::Mark {
        kind: crate::commitlog::FrameKind::Close,
        number: 0,
    };
    let at = crate::codec::ByteOffset::new(position(1) as u64);
    let (mark, _) = mark.encode(&place, Identity::of(&head).seed, at);
    scratch.edit(FIRST, |bytes| bytes.extend_from_slice(&mark));
    let (_, report) = scratch.open();
    assert!(!report.closed);
    assert_eq!((report.next, report.known_durable_through), (tx(1), tx(0)));
}

#[test]
fn unfinished_creations_are_removed() {
    let scratch = killed(&["a"]);
    scratch.write("00000000000000000001.tmp", b"half a header");
    scratch.write("00000000000000000001.log", &[0; 200]);
    scratch.write("00000000000000000007.log", b"BLKS");
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(1));
    let mut removed = report.removed;
    removed.sort();
    let [log_1, tmp_1] = ["00000000000000000001.log", "00000000000000000001.tmp"];
    assert_eq!(removed, [log_1, tmp_1, "00000000000000000007.log"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a"]);
}

#[test]
fn a_named_segment_with_a_damaged_header_is_corrupt() {
    for at in 0..SEGMENT_HEADER_BYTES {
        let scratch = killed(&["a"]);
        scratch.edit(FIRST, |bytes| bytes[at] ^= 4);
        let error = scratch.error();
        assert!(
            matches!(
                error,
                LogError::Corrupt {
                    evidence: Evidence::Name,
                    ..
                }
            ),
            "{at}"
        );
    }
}

/// A log of three segments with two commits each.
fn three_segments() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    assert_eq!(scratch.names().len(), 4);
    scratch
}

const SECOND: &str = "00000000000000000002.log";
const THIRD: &str = "00000000000000000004.log";

#[test]
fn damage_to_a_sealed_segments_ends_is_found_by_opening() {
    for name in [FIRST, SECOND, THIRD] {
        let len = three_segments().read(name).len();
        let header = 0..SEGMENT_HEADER_BYTES;
        for at in header.chain(len - MARK_BYTES..len) {
            let scratch = three_segments();
            scratch.edit(name, |bytes| bytes[at] ^= 0x40);
            let error = scratch.error();
            let LogError::Corrupt { corrupt, evidence } = error else {
                panic!("{at}: {error}")
            };
            assert_eq!(corrupt.file, name);
            let is_told = matches!(evidence, Evidence::Successor { .. } | Evidence::Name);
            assert!(is_told, "{evidence:?}");
        }
    }
}

#[test]
fn a_shorter_or_longer_sealed_segment_is_corrupt() {
    let shorter = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let longer = |bytes: &mut Vec<u8>| bytes.push(0);
    let empty = |bytes: &mut Vec<u8>| bytes.clear();
    for edit in [shorter, longer, empty] {
        let scratch = three_segments();
        scratch.edit(SECOND, edit);
        assert!(matches!(scratch.error(), LogError::Corrupt { .. }));
    }
}

#[test]
fn damage_inside_a_sealed_segment_is_found_by_reading() {
    let scratch = three_segments();
    scratch.edit(SECOND, |bytes| bytes[position(1) + 50] ^= 1);
    let (log, _) = scratch.open();
    let mut reader = log.reader(tx(0)).unwrap();
    for _ in 0..3 {
        reader.next_commit().unwrap().unwrap();
    }
    for _ in 0..2 {
        let Err(LogError::Corrupt { corrupt, .. }) = reader.next_commit() else {
            panic!()
        };
        assert_eq!(
            (corrupt.file.as_str(), corrupt.defect.field),
            (SECOND, "payload checksum")
        );
    }
    // Behind the damage, all is well.
    assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e", "5:f"]);
}

#[test]
fn a_missing_segment_is_a_gap() {
    for (name, expected, found) in [(FIRST, 0, 2), (SECOND, 2, 4), (THIRD, 4, 6)] {
        let scratch = three_segments();
        scratch.remove(name);
        let error = scratch.error();
        let LogError::Gap {
            expected: wanted,
            found: got,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((wanted, got), (tx(expected), tx(found)));
    }
}

#[test]
fn a_segment_of_another_log_is_foreign() {
    let (scratch, other) = (three_segments(), three_segments());
    scratch.write(SECOND, &other.read(SECOND));
    assert!(matches!(scratch.error(), LogError::Foreign { .. }));
}

#[test]
fn another_history_does_not_fit() {
    // The same log from one point on in two copies: the middle segment of the other copy.
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    log.close().unwrap();
    let copy = Scratch::new();
    for name in scratch.names() {
        copy.write(&name, &scratch.read(&name));
    }
    for (scratch, names) in [(&scratch, ["c", "d"]), (&copy, ["C", "D"])] {
        let (log, _) = scratch.open();
        commit(&log, &names);
        log.rotate().unwrap();
        log.close().unwrap();
    }
    scratch.write(SECOND, &copy.read(SECOND));
    let error = scratch.error();
    assert!(matches!(error, LogError::WrongChain { .. }), "{error}");
}

#[test]
fn an_overlap_is_found() {
    let scratch = three_segments();
    // The first segment's content under a name within the second.
    let bytes = scratch.read(FIRST);
    let odd = SegmentHeader {
        first: tx(3),
        ..header(&bytes)
    };
    scratch.write(
        "00000000000000000003.log",
        &[&odd.encode()[..], &bytes[96..]].concat(),
    );
    let error = scratch.error();
    assert!(
        matches!(error, LogError::Overlap { .. } | LogError::Corrupt { .. }),
        "{error}"
    );
}

#[test]
fn features_and_versions_decide_what_may_be_done() {
    let edit = |change: fn(&mut SegmentHeader)| {
        let scratch = killed(&["a"]);
        scratch.edit(FIRST, |bytes| {
            let mut header = header(bytes);
            change(&mut header);
            bytes[..96].copy_from_slice(&header.encode());
        });
        scratch
    };
    let compat = edit(|header| header.compat = 8);
    compat.open();
    let ro_compat = edit(|header| header.ro_compat = 8);
    assert!(matches!(
        ro_compat.error(),
        LogError::ReadOnlyFeature { bits: 8, .. }
    ));
    assert_eq!(ro_compat.records(), ["0:a"]);
    let incompat = edit(|header| header.incompat = 8);
    assert!(matches!(
        incompat.error(),
        LogError::UnsupportedFeature { bits: 8, .. }
    ));
    let version = edit(|header| header.version = 2);
    assert!(matches!(
        version.error(),
        LogError::UnsupportedVersion { found: 2, .. }
    ));
}

#[test]
fn a_fork_may_have_an_uncut_predecessor_at_every_stage_of_the_cut() {
    let scratch = killed(&["a", "b", "c"]);
    let uncut = scratch.read(FIRST);
    drop(scratch.open());
    let cut = scratch.read(FIRST);
    assert!(cut.len() < uncut.len() + MARK_BYTES);
    let seal_at = position(2);
    for torn in 0..=MARK_BYTES {
        for is_short in [false, true] {
            let mut bytes = uncut.clone();
            bytes.resize(bytes.len().max(cut.len()), 0);
            bytes[seal_at..seal_at + torn].copy_from_slice(&cut[seal_at..seal_at + torn]);
            if is_short {
                bytes.truncate(cut.len());
            }
            scratch.write(FIRST, &bytes);
            assert_eq!(scratch.records(), ["0:a", "1:b", "2:c"], "{torn}");
            let (log, report) = scratch.open();
            assert_eq!(
                read(log.reader(tx(0)).unwrap()),
                ["0:a", "1:b", "2:c"],
                "{torn}"
            );
            assert_eq!(scratch.read(FIRST), cut);
            assert_eq!(report.next, tx(3));
        }
    }
}

#[test]
fn superseded_segments_are_ignored_and_removed() {
    let scratch = three_segments();
    let old: Vec<_> = scratch
        .names()
        .into_iter()
        .map(|name| (scratch.read(&name), name))
        .collect();
    let (log, _) = scratch.open();
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x"]);
    drop(log);
    // The crash brought back what was unlinked.
    for (bytes, name) in old.iter().filter(|(_, name)| name.as_str() > SECOND) {
        scratch.write(name, bytes);
    }
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:x"]);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(4));
    assert!(
        report.removed.contains(&THIRD.to_owned()),
        "{:?}",
        report.removed
    );
    assert_eq!(
        read(log.reader(tx(0)).unwrap()),
        ["0:a", "1:b", "2:c", "3:x"]
    );
    assert!(
        !scratch
            .names()
            .contains(&"00000000000000000006.log".to_owned())
    );
}

#[test]
fn retired_segments_that_came_back_are_removed_unread() {
    let scratch = three_segments();
    let (first, second) = (scratch.read(FIRST), scratch.read(SECOND));
    let (log, _) = scratch.open();
    assert_eq!(log.retain_from(tx(5)).unwrap(), tx(4));
    drop(log);
    scratch.write(FIRST, &first);
    scratch.write(SECOND, &vec![0; second.len()]);
    assert_eq!(scratch.records(), ["4:e", "5:f"]);
    let (log, report) = scratch.open();
    assert_eq!((report.oldest, log.oldest()), (tx(4), tx(4)));
    assert!(report.removed.contains(&FIRST.to_owned()));
    assert!(report.removed.contains(&SECOND.to_owned()));
    let gone = log.reader(tx(3));
    assert!(matches!(gone, Err(LogError::HistoryGone { oldest, .. }) if oldest == tx(4)));
    drop(log);
    scratch.remove(THIRD);
    let error = scratch.error();
    assert!(matches!(error, LogError::Gap { .. }), "{error}");
}

#[test]
fn a_kept_prefix_of_the_segment_is_not_copied() {
    // Many commits, each vouched for by the next: only the last is written anew.
    let scratch = Scratch::new();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(1 << 20))
        .unwrap();
    for number in 0..3000 {
        log.commit(&[format!("{number}")], Durability::Synced)
            .unwrap();
    }
    drop(log);
    let (_, report) = scratch.open();
    assert_eq!(
        (report.known_durable_through, report.next),
        (tx(2999), tx(3000))
    );
    assert_eq!(scratch.names().last().unwrap(), "00000000000000002999.log");
}

#[test]
fn commits_that_no_frame_vouches_for_are_all_copied() {
    let scratch = Scratch::new();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(1 << 20))
        .unwrap();
    let first: Vec<_> = (0..10).map(|number| format!("{number}")).collect();
    log.commit(&first, Durability::Synced).unwrap();
    for number in 10..5000 {
        log.commit(&[format!("{number}")], Durability::Os).unwrap();
    }
    drop(log);
    let records = scratch.records();
    assert_eq!(records.len(), 5000);
    let (log, report) = scratch.open();
    assert_eq!(report.known_durable_through, tx(10));
    assert_eq!(scratch.names().last().unwrap(), "00000000000000000010.log");
    assert_eq!(read(log.reader(tx(0)).unwrap()), records);
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(
        report.known_durable_through,
        tx(5000),
        "the new segment's header vouches"
    );
    assert_eq!(read(log.reader(tx(0)).unwrap()), records);
}

#[test]
fn a_read_only_log_follows_by_looking_again() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    commit(&log, &["a"]);
    let (seen, _) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
    let mut reader = seen.reader(tx(0)).unwrap();
    assert_eq!(reader.next_commit().unwrap().unwrap().range(), tx(0)..tx(1));
    assert!(reader.next_commit().unwrap().is_none());
    for round in 1..30 {
        log.commit(&[format!("round {round}")], Durability::Os)
            .unwrap();
        assert!(reader.next_commit().unwrap().is_none());
        seen.refresh().unwrap();
        assert_eq!(reader.next_commit().unwrap().unwrap().first(), tx(round));
    }
    log.truncate_to(tx(20)).unwrap();
    seen.refresh().unwrap();
    let cut = reader.next_commit().map(|_| ());
    assert!(
        matches!(cut, Err(LogError::Truncated { at, .. }) if at == tx(20)),
        "{cut:?}"
    );
    assert_eq!(seen.visible_through(), tx(20));
}

#[test]
fn a_read_only_view_ends_where_it_is_told() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a", "b"], Durability::Synced).unwrap();
    commit(&log, &["c"]);
    log.close().unwrap();
    let view = |end| ReadOnlyLog::open(&scratch.env, "", LogOptions::new().history_end(tx(end)));
    let (log, _) = view(2).unwrap();
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b"]);
    let odd = view(1);
    assert!(
        matches!(odd, Err(LogError::NotACommitBoundary { .. })),
        "{odd:?}"
    );
    assert_eq!(view(9).unwrap().0.visible_through(), tx(3));
    assert_eq!(view(0).unwrap().0.visible_through(), tx(0));
}

#[test]
fn any_bytes_get_an_answer() {
    // Every file of a small log, cut at every length and with every byte changed in one way.
    let scratch = killed(&["a", "b", "c"]);
    drop(scratch.open());
    let files: Vec<_> = scratch
        .names()
        .into_iter()
        .map(|name| (scratch.read(&name), name))
        .collect();
    let check = |changed: &str, bytes: Vec<u8>| {
        let mut source = MemorySource::new();
        for (bytes, name) in &files {
            source.insert(name.as_str(), bytes.clone());
        }
        source.insert(changed, bytes);
        drop(plan(&source, None));
    };
    for (bytes, name) in &files {
        for at in 0..bytes.len() {
            check(name, bytes[..at].to_vec());
            let mut changed = bytes.clone();
            changed[at] = !changed[at];
            check(name, changed);
        }
    }
}

#[test]
fn a_plan_on_memory_sees_what_is_there() {
    let scratch = three_segments();
    let mut source = MemorySource::new();
    for name in scratch.names() {
        source.insert(name.as_str(), scratch.read(&name));
    }
    let Planned::Log(plan) = plan(&source, None).unwrap() else {
        panic!()
    };
    assert_eq!(
        (plan.sealed.len(), plan.next, plan.oldest),
        (3, tx(6), tx(0))
    );
    assert_eq!(plan.newest.flags, SegmentFlags::NONE);
    assert!(!plan.is_closed());
}
