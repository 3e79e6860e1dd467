//! Openings of logs with a history that few logs have.

use blackstart::commitlog::{
    Durability, Log, LogError, LogOptions, RecoveryReport, SEGMENT_HEADER_BYTES, SUPERBLOCK_BYTES,
    Superblock, TxOffset,
};
use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::os::{OsClock, OsEntropy, OsTasks};
use blackstart_vfs::{Env, FileExt, OpenOptions};
use std::path::Path;
use std::sync::Arc;

/// A disk of its own.
fn scratch() -> Env {
    let (clock, tasks) = (Arc::new(OsClock::new()), Arc::new(OsTasks::new()));
    let disk = Arc::new(SimFs::new(DiskConfig::default()));
    Env::new(disk, clock, tasks, Arc::new(OsEntropy))
}

fn open(env: &Env) -> Result<(Log, RecoveryReport), LogError> {
    let options = LogOptions::new().create(true).segment_bytes_max(512);
    Log::open(env, "", options)
}

/// A fork names the segment that it cut off. Retention may remove that one, and a crash come then.
#[test]
fn a_fork_outlives_its_predecessor() {
    let env = scratch();
    let (log, _) = open(&env).expect("opens");
    log.commit(&[[1; 100]], Durability::Synced)
        .expect("commits");
    log.commit(&[[2; 100]], Durability::Synced)
        .expect("commits");
    log.truncate_to(TxOffset::new(1)).expect("cuts");
    log.commit(&[[3; 100]], Durability::Synced)
        .expect("commits");
    let oldest = log.retain_from(TxOffset::new(1)).expect("retires");
    assert_eq!(oldest, TxOffset::new(1), "the cut segment is gone");
    drop(log);
    for number in 0..2 {
        let (log, report) = open(&env).expect("opens");
        assert_eq!(report.oldest, TxOffset::new(1));
        assert_eq!(report.next, TxOffset::new(2 + number));
        log.commit(&[[4; 100]], Durability::Synced)
            .expect("commits");
    }
}

/// The same where the opening itself retires the predecessor.
#[test]
fn an_opening_may_retire_what_a_fork_cut_off() {
    let env = scratch();
    let (log, _) = open(&env).expect("opens");
    log.commit(&[[1; 100]], Durability::Synced)
        .expect("commits");
    log.commit(&[[2; 100]], Durability::Synced)
        .expect("commits");
    log.truncate_to(TxOffset::new(1)).expect("cuts");
    drop(log);
    let options = LogOptions::new().retain_from(TxOffset::new(1));
    let (log, report) = Log::open(&env, "", options).expect("opens");
    assert_eq!(
        (report.oldest, report.next),
        (TxOffset::new(1), TxOffset::new(1))
    );
    log.commit(&[[3; 100]], Durability::Synced)
        .expect("commits");
}

/// A crash while the first superblock was written may leave its length, and in its blocks what a
/// temporary file held before: the header of a segment that has its name by now. A segment that was
/// renamed to `lock` has none.
#[test]
fn blocks_of_a_segment_in_the_superblock_are_told_from_a_segment_that_was_moved_there() {
    let env = scratch();
    let (log, _) = open(&env).expect("opens");
    log.commit(&[[1; 100]], Durability::Synced)
        .expect("commits");
    drop(log);
    let first = Path::new("00000000000000000000.log");
    let read = env
        .fs()
        .open(first, OpenOptions::new().read())
        .expect("opens");
    let mut header = [0; SEGMENT_HEADER_BYTES];
    read.read_exact_at(&mut header, 0).expect("reads");
    let options = OpenOptions::new().write().create().truncate();
    let lock = env.fs().open(Path::new("lock"), options).expect("opens");
    lock.set_len(SUPERBLOCK_BYTES as u64).expect("grows");
    lock.write_all_at(&header, 0).expect("writes");
    let (log, report) = open(&env).expect("opens");
    assert!(report.superblock_lost, "{report:?}");
    assert_eq!(report.next, TxOffset::new(1));
    drop(log);
    env.fs().rename(first, Path::new("lock")).expect("renames");
    let error = open(&env).expect_err("it would be written over");
    assert!(matches!(error, LogError::Corrupt { .. }), "{error:?}");
}

/// Retention keeps the newest segment. So a superblock that says that history starts behind all
/// segments says that one is missing.
#[test]
fn history_that_starts_behind_all_segments_is_a_missing_segment() {
    let env = scratch();
    let (log, report) = open(&env).expect("opens");
    log.commit(&[[1; 100]], Durability::Synced)
        .expect("commits");
    log.close().expect("closes");
    let superblock = Superblock {
        log_id: report.log_id,
        epoch: report.epoch,
        counter: 100,
        oldest: TxOffset::new(1),
        newest: TxOffset::ZERO,
        durable_through: TxOffset::new(1),
    };
    let lock = env.fs().open(Path::new("lock"), OpenOptions::new().write());
    let lock = lock.expect("opens");
    lock.write_all_at(&superblock.encode(), 0).expect("writes");
    let error = open(&env).expect_err("a segment is missing");
    let LogError::SegmentMissing { file, named_by } = error else {
        panic!("{error:?}")
    };
    assert_eq!(file, "00000000000000000001.log");
    assert_eq!(named_by, "lock");
}
