//! Kind C: what safety does not need is no reason to stop.
//!
//! | the world | what must be seen |
//! |---|---|
//! | a disk that is full from any call of a life on | `NoSpace`, and nothing else; the log goes on once there is space, by its own means |
//! | old files that cannot be removed | nobody is stopped; each opening lists them |
//! | files that cannot be made longer ahead | commits are written all the same |

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use blackstart::commitlog::{
    Durability, ErrorClass, FileReason, Log, LogError, LogOptions, ReadOnlyLog,
};
use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, DiskConfig, Errno, SimFs};
use blackstart_vfs::{Env, Fs};

use super::directory::{env_of, fill, options, read, record, tx};
use super::hooked::{Call, HookedFs};

fn disk(capacity_bytes: Option<u64>) -> (SimFs, Env) {
    let disk = SimFs::new(DiskConfig {
        capacity_bytes,
        ..DiskConfig::default()
    });
    disk.create_root().expect("a simulated disk has a root");
    (disk.clone(), env_of(Arc::new(disk)))
}

fn open(env: &Env, options: LogOptions) -> Result<Log, LogError> {
    Log::open(env, "", options.create(true)).map(|(log, _)| log)
}

fn expect_no_space(error: &LogError, what: &str) {
    assert_eq!(error.class(), ErrorClass::NoSpace, "{what}: {error:?}");
}

/// Opens a log for which there may be no space, by keeping less and less.
fn open_somehow(env: &Env, end: u64) -> Log {
    for from in (0..=end).step_by(10).chain([end]) {
        match open(env, options().retain_from(tx(from))) {
            Ok(log) => return log,
            Err(error) => expect_no_space(&error, "opening"),
        }
    }
    panic!("there is a way out of a full disk");
}

/// F7: a disk of every size up to what a life needs. Whatever ran out of space, and however the
/// log ended then, keeping less history makes room again.
#[test]
fn a_full_disk_is_recovered_by_keeping_less() {
    for capacity in (12 << 10..40 << 10).step_by(677) {
        for ending in ["open", "killed", "closed"] {
            let what = format!("{capacity}, {ending}");
            let (disk, env) = disk(Some(capacity));
            let mut log = open(&env, options()).expect("so much fits");
            // Large ones until they do not fit, then small ones.
            let mut records = Vec::new();
            for bytes in [700, 100, 1] {
                let error = loop {
                    let record = format!("{:0bytes$}", records.len());
                    match log.commit(&[&record], Durability::Synced) {
                        Ok(_) => records.push(record),
                        Err(error) => break error,
                    }
                };
                expect_no_space(&error, &what);
            }
            let end = records.len() as u64;
            if ending == "closed"
                && let Err(error) = log.close()
            {
                expect_no_space(&error, &what);
            }
            if ending != "open" {
                drop(log);
                disk.crash(CrashKind::Kill);
                log = open_somehow(&env, end);
            }
            let oldest = log.retain_from(tx(end / 2)).expect("it takes no space");
            assert!(oldest >= log.oldest() && oldest > tx(0), "{what}");
            for number in 0..3 {
                let committed = log.commit(&["x".repeat(700)], Durability::Synced);
                assert_eq!(committed.expect("there is room").first, tx(end + number));
            }
            log.close().expect("there is room");
            let log = open(&env, options()).expect("it opens");
            let mut reader = log.reader(log.oldest()).expect("a reader");
            let mut position = log.oldest().get();
            while let Some(commit) = reader.next_commit().expect("it can be read") {
                let (_, bytes) = commit.transactions().next().expect("a record");
                if let Some(expected) = records.get(position as usize) {
                    assert_eq!(bytes, expected.as_bytes(), "{what}");
                }
                position += 1;
            }
            assert_eq!(position, end + 3, "{what}");
        }
    }
}

/// The limit of that: the newest segment always stays. A log of one segment that was killed on a
/// full disk can be read, and is written again once somebody else makes room.
#[test]
fn a_full_disk_with_one_segment_waits_for_space() {
    let (disk, env) = disk(Some(8 << 10));
    let log = open(&env, options()).expect("so much fits");
    let mut end = 0;
    for bytes in [100, 1] {
        while log
            .commit(&[format!("{:0bytes$}", 7)], Durability::Synced)
            .is_ok()
        {
            end += 1;
        }
    }
    drop(log);
    for from in [0, end] {
        let refused = open(&env, options().retain_from(tx(from)));
        expect_no_space(&refused.expect_err("there is no space"), "opening");
    }
    let (shown, _) = ReadOnlyLog::open(&env, "", options()).expect("it can be read");
    assert_eq!(shown.visible_through(), tx(end));
    disk.heal();
    let log = open(&env, options()).expect("there is space");
    assert_eq!(log.visible_through(), tx(end));
}

/// A disk that is full from a call on: whatever takes space fails, until something is removed.
fn full_from(moment: u64) -> (SimFs, Env, Arc<AtomicBool>, Arc<AtomicU64>) {
    let (disk, _) = disk(None);
    let (is_full, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let (full, count) = (is_full.clone(), calls.clone());
    let fs = HookedFs::new(Arc::new(disk.clone()), move |call, path: &Path| {
        if count.fetch_add(1, Ordering::Relaxed) == moment {
            full.store(true, Ordering::Relaxed);
        }
        // The superblock is written over: its space is there.
        let takes_space = matches!(call, Call::Write) && path != Path::new("lock");
        let makes_a_name = call == Call::Open && path.to_string_lossy().contains(".tmp");
        match full.load(Ordering::Relaxed) && (takes_space || makes_a_name) {
            true => Err(io::Error::from_raw_os_error(Errno::Enospc as i32)),
            false => Ok(()),
        }
    });
    let fs: Arc<dyn Fs> = Arc::new(fs);
    (disk, env_of(fs), is_full, calls)
}

/// Space runs out before any call of a life. It says `NoSpace` and nothing else; what was
/// acknowledged stays, and once there is space the same log, or the next opening, goes on.
#[test]
fn space_may_run_out_at_any_moment() {
    let mut moment = 0;
    loop {
        let (disk, env, is_full, calls) = full_from(moment);
        let mut acknowledged = 0;
        let mut live = || -> Result<(), LogError> {
            let log = open(&env, options())?;
            for round in 0..3 {
                for _ in 0..17 {
                    match log.commit(&[record(acknowledged)], Durability::Synced) {
                        Ok(_) => acknowledged += 1,
                        Err(error) => {
                            expect_no_space(&error, &format!("commit at {moment}"));
                            // The same log goes on.
                            is_full.store(false, Ordering::Relaxed);
                            fill(&log, 1);
                            acknowledged += 1;
                        }
                    }
                }
                if round == 1 {
                    log.rotate()?;
                    log.truncate_to(tx(acknowledged - 1))?;
                    acknowledged -= 1;
                    log.retain_from(tx(20))?;
                }
            }
            log.close()
        };
        let lived = live();
        let was_full = calls.load(Ordering::Relaxed) > moment;
        if let Err(error) = lived {
            expect_no_space(&error, &format!("at {moment}"));
        }
        disk.crash(CrashKind::Power);
        let env = env_of(Arc::new(disk));
        let log = open(&env, options()).expect("there is space");
        let end = read(log.reader(log.oldest()).expect("a reader")).expect("it can be read");
        assert!(
            end == acknowledged || end + 1 == acknowledged,
            "{moment}: {end} of {acknowledged}"
        );
        fill(&log, 2);
        if !was_full {
            break;
        }
        moment += 1;
    }
    assert!(moment > 200, "a life has many moments: {moment}");
}

/// F8: files that are not needed and cannot be removed stop nobody.
#[test]
fn files_that_cannot_be_removed_stop_nobody() {
    for errno in [
        Errno::Eperm,
        Errno::Eacces,
        Errno::Ebusy,
        Errno::Erofs,
        Errno::Eio,
    ] {
        let (disk, env) = disk(None);
        let log = open(&env, options()).expect("a new log");
        fill(&log, 200);
        let refuse = disk.fail(CallKind::RemoveFile).on("*.log");
        refuse.times(u32::MAX).errno(errno);
        log.retain_from(tx(100))
            .expect("what is retired stays, and is no part of the log");
        log.truncate_to(tx(150))
            .expect("what is superseded stays likewise");
        fill(&log, 1);
        drop(log);
        for next in 151..154 {
            let (log, report) = Log::open(&env, "", options()).expect("it opens");
            assert_eq!(report.next, tx(next));
            let count = |reason| {
                let notes = report.files.iter().filter(|note| note.reason == reason);
                notes.inspect(|note| assert!(!note.removed)).count()
            };
            assert_eq!(
                count(FileReason::Retired),
                3,
                "{errno:?}: {:?}",
                report.files
            );
            assert_eq!(
                count(FileReason::Superseded),
                1,
                "{errno:?}: {:?}",
                report.files
            );
            fill(&log, 1);
        }
    }
}

/// A directory in the place of a file that is to be removed is such a file.
#[test]
fn directories_in_the_place_of_superfluous_files_stop_nobody() {
    let (_, env) = disk(None);
    let log = open(&env, options()).expect("a new log");
    fill(&log, 100);
    log.close().expect("it closes");
    for name in [
        "00000000000000000999.tmp",
        "00000000000000000000.idx",
        "spare",
    ] {
        env.fs().create_dir(Path::new(name)).expect("a directory");
    }
    for next in 100..103 {
        let (log, report) = Log::open(&env, "", options()).expect("it opens");
        assert_eq!((report.next, report.files.len()), (tx(next), 3));
        log.retain_from(tx(50)).expect("old segments go");
        fill(&log, 1);
    }
}

/// F9: preallocating is no part of the write.
#[test]
fn preallocating_is_given_up_where_it_fails() {
    for errno in [Errno::Efbig, Errno::Einval, Errno::Eperm, Errno::Enospc] {
        let (disk, env) = disk(None);
        let options = || options().preallocate_bytes(2 << 10);
        for round in 0..3 {
            let log = open(&env, options()).expect("it opens");
            let fault = disk.fail(CallKind::SetLen).times(u32::MAX);
            fault.errno(errno);
            fill(&log, 70);
            log.rotate().expect("a rotation");
            assert!(log.poison().is_none(), "{errno:?}");
            disk.heal();
            match round {
                1 => log.close().expect("it closes"),
                _ => drop(log),
            }
        }
        let log = open(&env, options()).expect("it opens");
        assert_eq!(log.visible_through(), tx(210), "{errno:?}");
    }
}
