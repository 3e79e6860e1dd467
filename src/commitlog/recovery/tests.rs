//! What an opening makes of the files that it finds: files made by the writer, and then changed.

use blackstart_sim::disk::CrashKind;

use super::*;
use crate::commitlog::frame::FRAME_HEADER_BYTES;
use crate::commitlog::testing::{Scratch, commit, crashes, options, read, tx};
use crate::commitlog::{
    Durability, FileReason, Log, LogEnd, LogError, LogOptions, MemorySource, ReadOnlyLog,
    SEGMENT_HEADER_BYTES, SegmentHeader, TxOffset,
};

const FIRST: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000002.log";
const THIRD: &str = "00000000000000000004.log";

/// A commit of one record of one letter.
const SMALL: usize = FRAME_HEADER_BYTES + 4 + 1;

/// Where the commit of the `n`-th letter stands in a first segment.
const fn position(n: usize) -> usize {
    SEGMENT_HEADER_BYTES + n * SMALL
}

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
    write(&log, names);
    scratch
}

/// Commits one record for each name, and syncs none.
fn write(log: &Log, names: &[&str]) {
    for name in names {
        log.commit(&[name], Durability::Os).unwrap();
    }
}

/// A log of three segments with two commits each, and an empty one.
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

/// Long enough not to be taken over as a whole.
fn long() -> String {
    "L".repeat(plan::TAKEOVER_BYTES_MAX as usize)
}

/// A killed log whose segment is not taken over as a whole: `L` and `b` synced, `c` and `d` not.
fn killed_large() -> Scratch {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(large()).unwrap();
    commit(&log, &[&long(), "b"]);
    write(&log, &["c", "d"]);
    scratch
}

fn large() -> LogOptions {
    options().segment_bytes_max(1 << 20)
}

/// The first letters of all records.
fn letters(records: &[String]) -> String {
    let letter = |record: &String| record.split(':').nth(1)?.chars().next();
    records
        .iter()
        .map(|record| letter(record).unwrap_or('-'))
        .collect()
}

/// Has what a file holds survive a loss of power.
fn make_durable(scratch: &Scratch, name: &str) {
    let options = blackstart_vfs::OpenOptions::new().read().write();
    let file = scratch.env.fs().open(std::path::Path::new(name), options);
    file.unwrap().sync_all().unwrap();
}

fn files(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let names = scratch.names().into_iter().chain(["lock".to_owned()]);
    names
        .map(|name| (name.clone(), scratch.read(&name)))
        .collect()
}

#[test]
fn a_killed_log_shows_everything_and_goes_on_in_a_new_epoch() {
    let scratch = killed(&["a", "b", "c"]);
    let (log, report) = scratch.open();
    assert_eq!((report.next, report.end.clone()), (tx(3), LogEnd::Clean));
    assert!(!report.closed && !report.created && !report.superblock_lost);
    // The last commit is vouched for by nothing.
    assert_eq!(report.known_durable_through, tx(2));
    assert_eq!(report.epoch.get(), 2);
    assert_eq!((report.transactions_scanned, report.segments), (3, 1));
    assert_eq!(report.bytes_scanned as usize, position(3));
    assert_eq!(scratch.names(), [FIRST]);
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
    commit(&log, &["d"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:d"]);
}

/// [I5] Each opening after an unclean end begins an epoch, and none after a clean one.
#[test]
fn opening_again_and_again_does_not_pile_up_segments() {
    let scratch = killed(&["a", "b", "c"]);
    let mut epochs = Vec::new();
    for _ in 0..4 {
        let (log, report) = scratch.open();
        epochs.push(report.epoch.get());
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
        assert_eq!(scratch.names(), [FIRST]);
    }
    assert_eq!(epochs, [2, 3, 4, 5], "[I5]");
    scratch.open().0.close().unwrap();
    for round in 0..50 {
        let (log, report) = scratch.open();
        assert_eq!((report.closed, report.epoch.get()), (true, 6));
        assert_eq!(report.next, tx(3 + round));
        commit(&log, &["x"]);
        log.close().unwrap();
        assert_eq!(scratch.names(), [FIRST]);
    }
    assert_eq!(scratch.records().len(), 53);
}

/// [I5] The pair of epoch and offset names one transaction, also where an unsynced one was lost.
#[test]
fn an_offset_is_given_again_in_a_later_epoch_only() {
    let scratch = Scratch::new();
    let mut given = std::collections::BTreeMap::new();
    for round in 0..20 {
        let (log, _) = scratch.open();
        for number in 0..3 {
            let record = format!("{round}.{number}");
            let written = log.commit(&[&record], Durability::Os).unwrap();
            let before = given.insert((written.epoch, written.first), record);
            assert_eq!(before, None, "[I5] {written:?}");
        }
        drop(log);
        // Nothing survives that was not synced.
        scratch.disk.crash(CrashKind::Power);
    }
    assert_eq!(given.len(), 60);
}

#[test]
fn a_torn_tail_is_reported_and_left_behind() {
    let whole = killed_unsynced(&["a", "b"]).read(FIRST);
    for len in position(1)..whole.len() {
        let scratch = killed_unsynced(&["a", "b"]);
        scratch.edit(FIRST, |bytes| bytes.truncate(len));
        let (log, report) = scratch.open();
        assert_eq!(report.next, tx(1), "{len}");
        match &report.end {
            LogEnd::Clean => assert_eq!(len, position(1)),
            LogEnd::Tail(tail) => {
                assert_eq!((tail.at.get() as usize, &*tail.file), (position(1), FIRST));
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
fn opening_a_corrupt_log_changes_nothing() {
    let corrupt = |scratch: &Scratch, name: &str, at: usize| {
        scratch.edit(name, |bytes| bytes[at] ^= 1);
        // Of what may be removed nothing is either.
        scratch.write("00000000000000000009.tmp", b"unfinished");
        let before = files(scratch);
        assert!(matches!(scratch.error(), LogError::Corrupt { .. }));
        assert_eq!(files(scratch), before);
    };
    corrupt(&killed(&["a", "b", "c"]), FIRST, position(1) - 1);
    corrupt(&three_segments(), SECOND, 40);
    corrupt(&three_segments(), "00000000000000000006.log", 40);
}

#[test]
fn a_missing_log_is_not_replaced_if_somebody_knows_better() {
    let scratch = Scratch::new();
    let told = scratch.open_with(options().durable_through(crate::commitlog::Epoch::FIRST, tx(1)));
    assert!(
        matches!(told, Err(LogError::SegmentsMissing { .. })),
        "{told:?}"
    );
    assert!(scratch.names().is_empty());
    let scratch = killed(&["a"]);
    scratch.remove(FIRST);
    assert!(matches!(scratch.error(), LogError::SegmentsMissing { .. }));
    // An empty `lock` and temporary names are what an unfinished creation leaves.
    let scratch = Scratch::new();
    scratch.write("lock", b"");
    scratch.write("00000000000000000000.tmp", b"half a header");
    let (_, report) = scratch.open();
    assert!(report.created && report.files[0].removed, "{report:?}");
    assert_eq!(scratch.names(), [FIRST]);
}

#[test]
fn what_stands_behind_a_close_mark_never_comes_back() {
    for junk in [vec![], vec![0; 100], vec![7; 100], vec![1]] {
        for name in ["x", &long()] {
            let scratch = Scratch::new();
            let (log, _) = scratch.open_with(large()).unwrap();
            commit(&log, &["a", name]);
            log.close().unwrap();
            scratch.edit(FIRST, |bytes| bytes.extend_from_slice(&junk));
            let (log, report) = scratch.open();
            assert!(report.closed);
            assert_eq!((report.next, report.end), (tx(2), LogEnd::Clean));
            assert_eq!(report.known_durable_through, tx(2));
            commit(&log, &["c"]);
            drop(log);
            let expected = format!("a{}c", &name[..1]);
            assert_eq!(letters(&scratch.records()), expected);
            scratch.open().0.close().unwrap();
            assert_eq!(letters(&scratch.records()), expected);
        }
    }
}

/// [I6] What is not removed is in the report too.
#[test]
fn files_that_are_no_part_of_the_log_are_reported() {
    let scratch = killed(&["a"]);
    scratch.write("00000000000000000001.tmp", b"half a header");
    scratch.write("notes.txt", b"mine");
    let path = std::path::Path::new("00000000000000000007.tmp");
    scratch.env.fs().create_dir(path).unwrap();
    let notes = |report: &crate::commitlog::RecoveryReport| {
        let notes = report.files.iter();
        let notes = notes.map(|note| (note.file.clone(), note.reason, note.removed));
        notes.collect::<Vec<_>>()
    };
    let expected = |removed| {
        [
            (
                "00000000000000000001.tmp".into(),
                FileReason::Unfinished,
                removed,
            ),
            (
                "00000000000000000007.tmp".into(),
                FileReason::Unfinished,
                false,
            ),
            ("notes.txt".into(), FileReason::Unknown, false),
        ]
    };
    let (_, report) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
    assert_eq!(notes(&report), expected(false), "[I6]");
    let (_, report) = scratch.open();
    assert_eq!(notes(&report), expected(true), "[I6]");
    assert_eq!(
        scratch.names(),
        [FIRST, "00000000000000000007.tmp", "notes.txt"]
    );
}

#[test]
fn damage_inside_a_full_segment_is_found_by_reading() {
    let scratch = three_segments();
    scratch.edit(SECOND, |bytes| bytes[position(2) - 1] ^= 1);
    let (log, _) = scratch.open();
    let mut reader = log.reader(tx(0)).unwrap();
    for _ in 0..3 {
        reader.next_commit().unwrap().unwrap();
    }
    for _ in 0..2 {
        let Err(LogError::Corrupt { corrupt, .. }) = reader.next_commit() else {
            panic!("it is damaged");
        };
        let (file, field) = (&*corrupt.file, corrupt.defect.field);
        assert_eq!((file, field), (SECOND, "frame checksum"));
    }
    // Behind the damage, all is well.
    assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e", "5:f"]);
}

/// A close mark at the very end spares the opening a look at what is before it.
#[test]
fn damage_before_a_close_mark_is_found_by_whoever_copies_it() {
    let scratch = killed(&["a", "b"]);
    scratch.open().0.close().unwrap();
    scratch.edit(FIRST, |bytes| bytes[position(1) - 1] ^= 1);
    let before = scratch.read(FIRST);
    let (log, report) = scratch.open();
    assert!(report.closed);
    let refused = log.commit(&["c"], Durability::Synced);
    assert!(
        matches!(refused, Err(LogError::Corrupt { .. })),
        "{refused:?}"
    );
    drop(log);
    assert_eq!((scratch.names().len(), scratch.read(FIRST)), (1, before));
}

#[test]
fn a_fork_takes_over_behind_what_is_durable() {
    let scratch = killed_large();
    let uncut = scratch.read(FIRST);
    let (log, report) = scratch.open();
    assert_eq!((report.known_durable_through, report.next), (tx(2), tx(4)));
    assert_eq!((report.epoch.get(), report.segments), (2, 2));
    assert_eq!(report.cut, [FIRST]);
    assert_eq!(scratch.names(), [FIRST, SECOND]);
    let cut = scratch.read(FIRST);
    assert_eq!(cut, uncut[..uncut.len() - 2 * SMALL]);
    assert_eq!(letters(&read(log.reader(tx(0)).unwrap())), "Lbcd");
    drop(log);
    // The new segment's header vouches for what was copied.
    let (_, report) = scratch.open();
    assert_eq!(report.known_durable_through, tx(4));
}

/// [I4] A cut may not have become durable; whoever finds the fork repeats it.
#[test]
fn a_fork_may_have_an_uncut_predecessor() {
    let scratch = killed_large();
    let uncut = scratch.read(FIRST);
    drop(scratch.open());
    let cut = scratch.read(FIRST);
    for len in cut.len()..=uncut.len() {
        scratch.write(FIRST, &uncut[..len]);
        assert_eq!(letters(&scratch.records()), "Lbcd", "{len}");
        let (log, report) = scratch.open();
        assert_eq!(report.cut, [FIRST], "[I4]");
        assert_eq!(letters(&read(log.reader(tx(0)).unwrap())), "Lbcd", "{len}");
        assert!(scratch.read(FIRST) == cut, "[I4] {len}");
        assert_eq!(report.next, tx(4));
    }
    // Whoever closed the log has cut before.
    scratch.open().0.close().unwrap();
    assert_eq!(scratch.open().1.cut, [""; 0]);
}

/// [I4] Also before a fork that is followed by another one, and the cuts are durable: if a fork's
/// file were lost later, what it replaced would come back otherwise.
#[test]
fn cuts_are_durable_before_anything_is_appended() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(large()).unwrap();
    commit(&log, &[&long(), "b"]);
    write(&log, &[&long(), "d"]);
    drop(log);
    let uncut = scratch.read(FIRST);
    make_durable(&scratch, FIRST);
    drop(scratch.open());
    let cut = scratch.read(FIRST).len();
    assert!(cut < uncut.len());
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(
        scratch.read(FIRST).len(),
        cut,
        "[I4] by the opening that made the fork"
    );

    scratch.write(FIRST, &uncut);
    make_durable(&scratch, FIRST);
    let (log, report) = scratch.open();
    assert_eq!(report.cut, [FIRST, SECOND]);
    assert_eq!(letters(&read(log.reader(tx(0)).unwrap())), "LbLd");
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(scratch.read(FIRST).len(), cut, "[I4] by the next one");
}

#[test]
fn superseded_segments_are_ignored_and_removed() {
    let scratch = three_segments();
    let old = files(&scratch);
    let (log, _) = scratch.open();
    log.truncate_to(tx(3)).unwrap();
    commit(&log, &["x"]);
    drop(log);
    // The crash brought back what was unlinked.
    let back = old
        .iter()
        .filter(|(name, _)| name.as_str() > SECOND && name != "lock");
    back.for_each(|(name, bytes)| scratch.write(name, bytes));
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:x"]);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(4));
    let gone: Vec<_> = report
        .files
        .iter()
        .map(|note| (&*note.file, note.removed))
        .collect();
    assert_eq!(gone, [(THIRD, true), ("00000000000000000006.log", true)]);
    let records = read(log.reader(tx(0)).unwrap());
    assert_eq!(records, ["0:a", "1:b", "2:c", "3:x"]);
    assert_eq!(scratch.names(), [FIRST, SECOND, "00000000000000000003.log"]);
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
    let gone: Vec<_> = report
        .files
        .iter()
        .map(|note| (&*note.file, note.removed))
        .collect();
    assert_eq!(gone, [(FIRST, true), (SECOND, true)]);
    let gone = log.reader(tx(3));
    assert!(matches!(gone, Err(LogError::HistoryGone { oldest, .. }) if oldest == tx(4)));
    drop(log);
    scratch.remove(THIRD);
    let error = scratch.error();
    assert!(matches!(error, LogError::Gap { .. }), "{error}");
}

#[test]
fn a_prefix_that_is_known_durable_is_not_copied() {
    // Many commits, each vouched for by the next: only the last is written anew.
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(large()).unwrap();
    for number in 0..3000 {
        log.commit(&[format!("{number}")], Durability::Synced)
            .unwrap();
    }
    drop(log);
    let (_, report) = scratch.open();
    let known = report.known_durable_through;
    assert_eq!((known, report.next), (tx(2999), tx(3000)));
    let newest = "00000000000000002999.log";
    assert_eq!(scratch.names(), [FIRST, newest]);
    assert!(scratch.read(newest).len() < 1000);
}

#[test]
fn commits_that_no_frame_vouches_for_are_all_copied() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(large()).unwrap();
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
    assert_eq!(scratch.names(), [FIRST, "00000000000000000010.log"]);
    assert_eq!(read(log.reader(tx(0)).unwrap()), records);
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(report.known_durable_through, tx(5000));
    assert_eq!(read(log.reader(tx(0)).unwrap()), records);
}

/// [I3] What an opening has shown survives a loss of power, synced before or not.
#[test]
fn what_is_shown_is_durable() {
    for make in [
        || killed_unsynced(&["a", "b", "c"]),
        || killed(&["a", "b"]),
        killed_large,
    ] {
        let scratch = make();
        let (log, report) = scratch.open();
        let shown = read(log.reader(tx(0)).unwrap());
        assert_eq!(log.durable_through(), report.next);
        drop(log);
        scratch.disk.crash(CrashKind::Power);
        assert!(scratch.records() == shown, "[I3]");
    }
}

/// What is left of a crash: each way of looking shows the same, and goes on from there.
fn settled(scratch: &Scratch) -> String {
    let seen = letters(&scratch.records());
    let (log, report) = scratch.open();
    assert_eq!(letters(&read(log.reader(tx(0)).unwrap())), seen);
    assert_eq!(report.next, tx(seen.len() as u64));
    commit(&log, &["z"]);
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(letters(&scratch.records()), format!("{seen}z"));
    seen
}

/// Runs on a killed log and crashes after each effect. `is_fine` judges what is found; what is
/// found once the run is over has to be `expected`.
fn crash_everywhere(
    killed: &Scratch,
    run: impl Fn(&Scratch),
    is_fine: impl Fn(&str) -> bool,
    expected: &str,
) {
    let image = killed.disk.crash_model().kill_image();
    let mut found = std::collections::BTreeSet::new();
    for crash in crashes(&image, run) {
        let seen = settled(&crash.disk);
        match crash.is_over {
            true => assert_eq!(seen, expected, "[I2] [I4]"),
            false => assert!(is_fine(&seen), "[I2] [I4] cut {}: {seen}", crash.cut),
        }
        found.insert(seen);
    }
    assert!(found.len() > 1, "the crashes made a difference: {found:?}");
}

/// [I2] and [I4] No crash loses what was durable, or stands in the way of the next opening.
#[test]
fn an_opening_may_crash_at_every_step() {
    let synced_and_not = || {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        write(&log, &["c"]);
        scratch
    };
    let open = |scratch: &Scratch| drop(scratch.open());
    let is_prefix = |of: &'static str| move |seen: &str| of.starts_with(seen) && seen.len() >= 2;
    crash_everywhere(&synced_and_not(), open, is_prefix("abc"), "abc");
    crash_everywhere(&killed_large(), open, is_prefix("Lbcd"), "Lbcd");
    // One after the other.
    let twice = |scratch: &Scratch| {
        drop(scratch.open());
        let (log, _) = scratch.open();
        write(&log, &["x"]);
        drop(log);
        drop(scratch.open());
    };
    crash_everywhere(&killed_large(), twice, is_prefix("Lbcdx"), "Lbcdx");
}

/// [I4] A truncation is a fork as well, and what it superseded is told from what is missing.
#[test]
fn a_truncation_behind_an_opening_may_crash_at_every_step() {
    let truncate = |scratch: &Scratch| {
        let (log, _) = scratch.open_with(large()).unwrap();
        log.truncate_to(tx(1)).unwrap();
        commit(&log, &["x"]);
    };
    let is_fine = |seen: &str| ["Lb", "Lbc", "Lbcd", "L", "Lx"].contains(&seen);
    crash_everywhere(&killed_large(), truncate, is_fine, "Lx");
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

/// A reader that stands before the oldest transaction: what is between is retired, and not lost.
#[test]
fn a_reader_that_looks_again_tells_retirement_from_loss() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    for round in 0..30 {
        log.commit(&[format!("round {round}")], Durability::Synced)
            .unwrap();
    }
    let (seen, _) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
    let mut reader = seen.reader(tx(0)).unwrap();
    let kept = log.retain_from(tx(25)).unwrap();
    assert!(kept > tx(0), "segments are retired");
    seen.refresh().unwrap();
    let gone = reader.next_commit().map(|_| ());
    assert!(
        matches!(gone, Err(LogError::HistoryGone { asked, oldest })
            if (asked, oldest) == (tx(0), kept)),
        "{gone:?}"
    );
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
fn features_allow_writing_or_not() {
    let scratch = killed(&["a"]);
    scratch.edit(FIRST, |bytes| {
        let mut header = SegmentHeader::decode(bytes).unwrap();
        header.features.ro_compat = 8;
        bytes[..SEGMENT_HEADER_BYTES].copy_from_slice(&header.encode());
    });
    let error = scratch.error();
    assert!(
        matches!(error, LogError::ReadOnlyFeature { bits: 8, .. }),
        "{error}"
    );
    assert_eq!(scratch.records(), ["0:a"]);
}

#[test]
fn a_plan_on_memory_sees_what_the_writer_wrote() {
    let scratch = three_segments();
    let mut source = MemorySource::new();
    for (name, bytes) in files(&scratch) {
        source.insert(name, bytes);
    }
    let Planned::Log(plan) = plan(&source, Beforehand::default()).unwrap() else {
        panic!("there is a log");
    };
    let firsts = plan.sealed.iter().map(|sealed| sealed.segment.header.first);
    let firsts: Vec<_> = firsts.map(TxOffset::get).collect();
    assert_eq!(
        (firsts, plan.next(), plan.oldest()),
        (vec![0, 2, 4], tx(6), tx(0))
    );
    for sealed in &plan.sealed {
        assert_eq!(sealed.end.at.get() as usize, position(2));
    }
    let known = plan.known.superblock().unwrap();
    assert_eq!((known.newest, known.durable_through), (tx(6), tx(6)));
    assert!(!plan.is_closed());
}
