//! What a failing disk does to a log that is open for writing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, DiskConfig, Errno, Fault, SyncFailure};
use blackstart_vfs::Env;

use crate::commitlog::testing::hooked::{Call, HookedFs};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, Inspected, Log, LogError, inspect};

const FIRST: &str = "00000000000000000000.log";

fn is_no_space<T: std::fmt::Debug>(result: Result<T, LogError>) {
    assert!(
        matches!(result, Err(LogError::NoSpace { .. })),
        "{result:?}"
    );
}

fn is_poisoned<T: std::fmt::Debug>(result: Result<T, LogError>) {
    assert!(
        matches!(result, Err(LogError::Poisoned { .. })),
        "{result:?}"
    );
}

/// [I2] No space: what failed can never come back.
#[test]
fn no_space_fails_the_commit_for_good_and_the_log_goes_on() {
    for errno in [Errno::Enospc, Errno::Edquot] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a"]);
        scratch.disk.fail(CallKind::Write).errno(errno);
        is_no_space(log.commit(&["b"], Durability::Synced));
        let next = log.commit(&["c"], Durability::Synced).unwrap();
        assert_eq!(next.first, tx(1), "the offset was never given");
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:c"]);
        drop(log);
        assert_eq!(scratch.records(), ["0:a", "1:c"]);
    }
}

#[test]
fn a_disk_that_fills_up_mid_write_leaves_no_hole() {
    let capacity_bytes = Some(12 << 10);
    let scratch = Scratch::with(DiskConfig {
        capacity_bytes,
        ..DiskConfig::default()
    });
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(1 << 20))
        .unwrap();
    commit(&log, &["a"]);
    // Part of the write fits.
    is_no_space(log.commit(&["x".repeat(20_000)], Durability::Os));
    scratch.disk.heal();
    commit(&log, &["b"]);
    drop(log);
    scratch.disk.crash(CrashKind::Power);
    assert_eq!(scratch.records(), ["0:a", "1:b"]);
    let (_, report) = scratch.open();
    assert_eq!(report.next, tx(2));
}

/// [I3] Acknowledged commits stay in the buffer.
#[test]
fn what_was_buffered_before_the_disk_was_full_is_tried_again() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a"], Durability::Buffered).unwrap();
    scratch
        .disk
        .fail(CallKind::Write)
        .times(3)
        .errno(Errno::Enospc);
    is_no_space(log.commit(&["b"], Durability::Os));
    is_no_space(log.flush());
    is_no_space(log.close());
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
    log.commit(&["c"], Durability::Buffered).unwrap();
    log.close().unwrap();
    assert_eq!(scratch.records(), ["0:a", "1:c"]);
}

#[test]
fn a_cut_that_fails_after_a_full_disk_poisons() {
    for kind in [CallKind::SetLen, CallKind::SyncAll] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a"]);
        scratch.disk.fail(CallKind::Write).errno(Errno::Enospc);
        scratch.disk.fail(kind).errno(Errno::Eio);
        let failed = log.commit(&["b"], Durability::Synced);
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        is_poisoned(log.commit(&["c"], Durability::Buffered));
    }
}

/// A log with one synced commit whose next sync fails.
fn failing_sync(failure: SyncFailure) -> (Scratch, Log) {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    scratch
        .disk
        .fail(CallKind::SyncData)
        .with(Fault::Sync(failure));
    (scratch, log)
}

/// [I2] A failed sync poisons.
#[test]
fn a_failed_sync_poisons_whatever_the_disk_made_of_it() {
    for failure in [
        SyncFailure::CleanKeepNew,
        SyncFailure::RevertOld,
        SyncFailure::StayDirty,
        SyncFailure::PartialThenEio,
    ] {
        let (scratch, log) = failing_sync(failure);
        let failed = log.commit(&["b"], Durability::Synced);
        assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
        is_poisoned(log.commit(&["c"], Durability::Buffered));
        is_poisoned(log.submit(&["c"], Durability::Buffered));
        is_poisoned(log.flush());
        is_poisoned(log.sync());
        is_poisoned(log.rotate());
        is_poisoned(log.truncate_to(tx(0)));
        is_poisoned(log.close());
        assert!(log.poison().is_some());
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"], "reading goes on");
        drop(log);
        // What is shown now was made durable, though the pages had been marked clean.
        let (log, _) = scratch.open();
        let shown = read(log.reader(tx(0)).unwrap());
        assert!(
            shown == ["0:a"] || shown == ["0:a", "1:b"],
            "{failure:?}: {shown:?}"
        );
        drop(log);
        scratch.disk.crash(CrashKind::Power);
        assert_eq!(scratch.records(), shown, "{failure:?}");
    }
}

#[test]
fn tickets_in_the_queue_learn_of_the_poison() {
    let (_scratch, log) = failing_sync(SyncFailure::StayDirty);
    let first = log.submit(&["b"], Durability::Synced).unwrap();
    let second = log.submit(&["c"], Durability::Buffered).unwrap();
    assert!(matches!(first.wait(), Err(LogError::Io { .. })));
    assert!(
        matches!(second.wait(), Err(LogError::Io { .. })),
        "they shared a batch"
    );
}

#[test]
fn a_follower_learns_of_the_poison() {
    let (_scratch, log) = failing_sync(SyncFailure::StayDirty);
    let mut follower = log
        .follow(tx(0), crate::commitlog::ReadScope::Visible)
        .unwrap();
    assert!(follower.next_commit().unwrap().is_some());
    log.commit(&["b"], Durability::Synced).unwrap_err();
    is_poisoned(follower.next_commit().map(|_| ()));
}

#[test]
fn a_rotation_without_space_leaves_the_segment_and_fails_the_batch() {
    let cases = [CallKind::Open, CallKind::Write];
    for (kind, files) in cases.map(|kind| (kind, "00000000000000000002.tmp")) {
        let scratch = Scratch::new();
        let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
        commit(&log, &["a", "b"]);
        let before = scratch.read(FIRST);
        scratch.disk.fail(kind).on(files).errno(Errno::Enospc);
        is_no_space(log.commit(&["x".repeat(300)], Durability::Synced));
        assert!(scratch.read(FIRST) == before, "{kind:?} {files}");
        assert_eq!(scratch.names().len(), 1, "no temporary file is left");
        commit(&log, &["c"]);
        log.commit(&["y".repeat(300)], Durability::Synced).unwrap();
        assert_eq!((log.stats().rotations, log.visible_through()), (1, tx(4)));
        drop(log);
        let (_, report) = scratch.open();
        assert_eq!(report.next, tx(4));
    }
}

#[test]
fn a_failed_write_of_another_kind_poisons() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    scratch.disk.fail(CallKind::Write).errno(Errno::Eio);
    let failed = log.commit(&["a"], Durability::Os);
    assert!(matches!(failed, Err(LogError::Io { .. })), "{failed:?}");
    is_poisoned(log.commit(&["b"], Durability::Os));
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(report.next, tx(0));
    commit(&log, &["c"]);
}

#[test]
fn short_reads_and_writes_are_continued() {
    let scratch = Scratch::new();
    for kind in [CallKind::Write, CallKind::Read] {
        scratch.disk.fail(kind).times(100_000).with(Fault::Short(7));
    }
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    for number in 0..10 {
        log.commit(&[format!("record {number}")], Durability::Synced)
            .unwrap();
    }
    assert_eq!(read(log.reader(tx(0)).unwrap()).len(), 10);
    drop(log);
    let (log, report) = scratch.open();
    assert_eq!(
        (report.next, read(log.reader(tx(0)).unwrap()).len()),
        (tx(10), 10)
    );
}

#[test]
fn a_read_error_is_an_error_and_no_end() {
    for nth in 1..20 {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c", "d"]);
        drop(log);
        let before = scratch.names();
        scratch.disk.fail(CallKind::Read).nth(nth).errno(Errno::Eio);
        let opened = scratch.open_with(options());
        match opened {
            Err(error) => assert!(matches!(error, LogError::Io { .. }), "{error:?}"),
            // Fewer reads than that.
            Ok((_, report)) => {
                assert_eq!(report.next, tx(4));
                assert!(nth > 3);
                return;
            }
        }
        scratch.disk.heal();
        let (log, report) = scratch.open();
        assert_eq!(
            (report.next, log.visible_through()),
            (tx(4), tx(4)),
            "{before:?}"
        );
    }
    panic!("opening a small log takes few reads");
}

#[test]
fn an_opening_that_fails_anywhere_can_be_repeated() {
    let kinds = [
        CallKind::Open,
        CallKind::Write,
        CallKind::SetLen,
        CallKind::SyncAll,
        CallKind::SyncDir,
        CallKind::Rename,
        CallKind::RemoveFile,
        CallKind::ReadDir,
        CallKind::Len,
        CallKind::Read,
        CallKind::SyncData,
        CallKind::Subdir,
        CallKind::Metadata,
        CallKind::FileId,
        CallKind::Entropy,
    ];
    for kind in kinds {
        for nth in 1..6 {
            let scratch = Scratch::new();
            let (log, _) = scratch.open();
            commit(&log, &["a", "b", "c"]);
            drop(log);
            scratch.write("00000000000000000009.tmp", b"left over");
            scratch.disk.fail(kind).nth(nth).errno(Errno::Eio);
            let failed = scratch.open_with(options()).is_err();
            scratch.disk.heal();
            let (log, report) = scratch.open();
            assert_eq!(report.next, tx(3), "{kind:?} {nth} {failed}");
            assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:b", "2:c"]);
            drop(log);
            scratch.disk.crash(CrashKind::Power);
            assert_eq!(scratch.records(), ["0:a", "1:b", "2:c"], "{kind:?} {nth}");
        }
    }
}

/// Preallocating is no part of the write: whatever error it ends with, the log goes on without.
#[test]
fn preallocating_that_fails_is_given_up_for_the_segment() {
    for errno in [
        Errno::Efbig,
        Errno::Einval,
        Errno::Eperm,
        Errno::Enospc,
        Errno::Eio,
    ] {
        let scratch = Scratch::new();
        let options = || options().preallocate_bytes(2048);
        let (log, _) = scratch.open_with(options()).unwrap();
        scratch
            .disk
            .fail(CallKind::SetLen)
            .times(u32::MAX)
            .errno(errno);
        let struck = |scratch: &Scratch| scratch.disk.faults_struck();
        commit(&log, &["a", "b"]);
        assert_eq!(struck(&scratch), 1, "{errno:?} is not tried again");
        log.rotate().unwrap();
        commit(&log, &["c", "d"]);
        assert_eq!(struck(&scratch), 2, "{errno:?}: another segment tries once");
        scratch.disk.heal();
        log.rotate().unwrap();
        commit(&log, &["e"]);
        let newest = scratch.names().pop().unwrap();
        assert!(
            scratch.read(&newest).len() > 2048,
            "{errno:?}: and succeeds"
        );
        drop(log);
        let (log, report) = scratch.open_with(options()).unwrap();
        assert_eq!(report.next, tx(5), "{errno:?}");
        log.close().unwrap();
    }
}

/// [I1] What a frame says was durable was synced before the frame was encoded.
#[test]
fn a_frame_vouches_for_what_was_synced_before_it() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    let mut synced = 0;
    let mut expected = Vec::new();
    for durability in [
        Durability::Os,
        Durability::Synced,
        Durability::Buffered,
        Durability::Os,
        Durability::Synced,
        Durability::Synced,
        Durability::Buffered,
    ] {
        expected.push(synced);
        log.commit(&["x"], durability).unwrap();
        if durability == Durability::Synced {
            synced = log.segments()[0].bytes;
        }
    }
    log.flush().unwrap();
    let mut told = Vec::new();
    let mut ends = Vec::new();
    inspect(&scratch.env, "", &mut |seen| {
        if let Inspected::Frame { at, frame, .. } = seen {
            told.push(u64::from(frame.durable_bytes));
            ends.push(at.get());
        }
    })
    .unwrap();
    // Nothing was synced before the first: the segment's header vouches for itself.
    expected[0] = ends[0];
    expected[1] = ends[0];
    assert_eq!(told, expected, "[I1]");
}

/// [I4] Between an opening and its first append to a file lie the making of the file, its sync, its
/// name and the name's sync.
#[test]
fn it_appends_only_to_segments_that_this_opening_made() {
    for is_closed in [false, true] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["a"]);
        if is_closed {
            log.close().unwrap();
        }
        drop(log);
        scratch.disk.set_verbose(true);
        let (log, _) = scratch.open();
        log.commit(&["b"], Durability::Os).unwrap();
        let calls = scratch.disk.take_log();
        let is_of_segment = |words: &str| words.contains(".log") || words.contains(".tmp");
        let kinds: Vec<_> = calls
            .iter()
            .filter(|record| match record.call.kind {
                CallKind::Open | CallKind::SyncDir | CallKind::Rename => true,
                CallKind::Write | CallKind::SyncAll => is_of_segment(&record.words),
                _ => false,
            })
            .map(|record| record.call.kind)
            .collect();
        let last_write = kinds.iter().rposition(|kind| *kind == CallKind::Write);
        let before: Vec<_> = kinds[..last_write.unwrap()].to_vec();
        let order = [
            CallKind::Write,
            CallKind::SyncAll,
            CallKind::Rename,
            CallKind::SyncDir,
        ];
        let mut rest = before.iter();
        let is_in_order = order.iter().all(|kind| rest.any(|before| before == kind));
        assert!(is_in_order, "[I4] closed: {is_closed}: {before:?}");
    }
}

/// [I6] A synced commit is acknowledged only on the file that has the segment's name.
#[test]
fn a_newest_segment_that_lost_its_name_is_noticed_before_it_is_acknowledged() {
    type Harm = fn(&Scratch);
    let harms: [(&str, Harm); 5] = [
        ("removed", |scratch| scratch.remove(FIRST)),
        ("renamed", |scratch| rename(scratch, FIRST, "elsewhere")),
        ("moved up", |scratch| {
            rename(scratch, FIRST, "00000000000000000009.log");
        }),
        ("copied over", |scratch| {
            let bytes = scratch.read(FIRST);
            scratch.write("copy", &bytes);
            rename(scratch, "copy", FIRST);
        }),
        ("a directory", |scratch| {
            scratch.remove(FIRST);
            scratch.env.fs().create_dir(Path::new(FIRST)).unwrap();
        }),
    ];
    for (what, harm) in harms {
        for close in [false, true] {
            let scratch = Scratch::new();
            let (log, _) = scratch.open();
            commit(&log, &["a"]);
            harm(&scratch);
            let told = match close {
                true => log.close(),
                false => log.commit(&["b"], Durability::Synced).map(|_| ()),
            };
            let Err(LogError::Replaced { file }) = &told else {
                panic!("[I6] {what}: {told:?}")
            };
            assert_eq!(file, FIRST, "{what}");
            is_poisoned(log.commit(&["c"], Durability::Buffered));
            assert_eq!(log.durable_through(), tx(1), "{what}");
        }
    }
}

fn rename(scratch: &Scratch, from: &str, to: &str) {
    let renamed = scratch.env.fs().rename(Path::new(from), Path::new(to));
    renamed.unwrap();
}

/// [I6] A second name harms nobody: the file still has the segment's name.
#[test]
fn a_newest_segment_may_have_other_names() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let linked = scratch
        .env
        .fs()
        .hard_link(Path::new(FIRST), Path::new("backup"));
    linked.unwrap();
    commit(&log, &["b"]);
    log.close().unwrap();
    assert_eq!(scratch.records(), ["0:a", "1:b"]);
}

/// [I6] A child of a fork writes nothing and acknowledges nothing. The lock's check stands for the
/// fork, which a test cannot make.
#[test]
fn a_child_of_a_fork_gets_an_error_and_writes_nothing() {
    let scratch = Scratch::new();
    let forked = Arc::new(AtomicBool::new(false));
    let is_child = forked.clone();
    let fs = HookedFs::new(Arc::new(scratch.disk.clone()), move |call, _| {
        match call == Call::Check && is_child.load(Ordering::Relaxed) {
            true => Err(io::Error::from_raw_os_error(37)),
            false => Ok(()),
        }
    });
    let env = scratch.env.with_fs(Arc::new(fs));
    type Write = fn(&Log) -> Result<(), LogError>;
    let writes: [(&str, Write); 7] = [
        ("commit", |log| {
            log.commit(&["b"], Durability::Os).map(|_| ())
        }),
        ("sync", |log| log.sync().map(|_| ())),
        ("flush", Log::flush),
        ("rotate", Log::rotate),
        ("truncate", |log| log.truncate_to(tx(1))),
        ("retain", |log| log.retain_from(tx(2)).map(|_| ())),
        ("close", Log::close),
    ];
    // Whether the log was closed before, and what is left to be written or synced.
    let states = [
        (false, None),
        (true, None),
        (false, Some(Durability::Buffered)),
        (false, Some(Durability::Os)),
    ];
    let cases = writes
        .iter()
        .flat_map(|write| states.map(|state| (write, state)));
    for ((what, write), (is_found, left)) in cases {
        let what = format!("{what}.{is_found}.{left:?}");
        forked.store(false, Ordering::Relaxed);
        let (mut log, _) = Log::open(&env, &what, options()).unwrap();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c"]);
        if is_found {
            log.close().unwrap();
            drop(log);
            log = Log::open(&env, &what, options()).unwrap().0;
        }
        if let Some(durability) = left {
            log.commit(&["d"], durability).unwrap();
        }
        let before = contents(&env, &what);
        let durable = log.durable_through();
        forked.store(true, Ordering::Relaxed);
        let told = write(&log);
        assert!(contents(&env, &what) == before, "[I6] {what} wrote");
        assert_eq!(log.durable_through(), durable, "[I6] {what}");
        match &told {
            Err(LogError::Forked { .. }) => {
                is_poisoned(log.commit(&["e"], Durability::Buffered));
            }
            // There was nothing to do.
            Ok(()) => assert!(
                what.starts_with("sync") || what.starts_with("flush") || is_found,
                "[I6] {what}"
            ),
            Err(error) => panic!("[I6] {what}: {error}"),
        }
    }
}

/// The bytes of every file of a directory.
fn contents(env: &Env, dir: &str) -> Vec<(String, Vec<u8>)> {
    use blackstart_vfs::port::fs;
    let entries = env.fs().read_dir(Path::new(dir)).unwrap();
    let file = |entry: blackstart_vfs::DirEntry| {
        let bytes = fs::read(env.fs(), Path::new(dir).join(&entry.name)).unwrap();
        (entry.name.into_string().unwrap(), bytes)
    };
    entries.into_iter().map(file).collect()
}
