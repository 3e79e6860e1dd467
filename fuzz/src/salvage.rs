//! Salvage of a log that the engine wrote and that was damaged since.
//!
//! What is in the files is known, so the outcome is judged in full: nothing wrong is shown, and
//! what is missing is shown as missing.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::{Durability, Log, LogOptions, SalvageReport, TxOffset, salvage};
use blackstart_vfs::{Env, Fs};

use super::disk::simulated;
use super::files::Damage;
use super::opening::{self, Seen};

const OPS_MAX: usize = 24;
const SEGMENT_BYTES_MAX: u64 = 600;

/// What was done to a log, and what befell its files.
#[derive(Arbitrary, Debug)]
struct History {
    ops: Vec<Op>,
    is_closed: bool,
    damages: Vec<Damage>,
    /// Whether the one who salvages knows how far the log was durable.
    knows_the_end: bool,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Commit { records: u8, bytes: u8 },
    Rotate,
    Retain { behind: u8 },
    Truncate { by: u8 },
    Reopen,
}

/// Writes, damages and salvages a log drawn from bytes.
pub fn check(bytes: &[u8]) {
    let Ok(history) = History::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let (disk, env) = simulated();
    let log = history.write(&env);
    let (seen, oldest, next) = (opening::read(&log), log.oldest(), log.visible_through());
    let epoch = log.epoch();
    if history.is_closed {
        log.close().expect("an honest disk");
    }
    drop(log);
    let mut files = opening::contents(&disk);
    let before: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    for damage in &history.damages {
        damage.strike(&mut files);
    }
    for name in before
        .iter()
        .filter(|&name| files.iter().all(|(left, _)| left != name))
    {
        disk.remove_file(name.as_ref()).expect("it was listed");
    }
    for (name, bytes) in &files {
        opening::put(&disk, name, bytes);
    }
    let mut options = LogOptions::new();
    if history.knows_the_end {
        options = options.durable_through(epoch, next);
    }
    let (_, target) = simulated();
    let saved = salvage(&env, "", &target, "saved", &options);
    assert_eq!(opening::contents(&disk), files, "salvaged, and changed");
    match saved {
        Ok(report) => {
            let (log, found) = Log::open(&target, "saved", options).expect("it was saved");
            let truth = Truth::new(&seen, oldest, next);
            truth.judge(&log, &report, history.knows_the_end);
            opening::use_log(&target, "saved", log, found.closed);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

impl History {
    /// Carries out the operations on a new log.
    fn write(&self, env: &Env) -> Log {
        let options = || {
            LogOptions::new()
                .create(true)
                .segment_bytes_max(SEGMENT_BYTES_MAX)
        };
        let (mut log, _) = Log::open(env, "", options()).expect("a new log");
        for (number, op) in self.ops.iter().take(OPS_MAX).enumerate() {
            match *op {
                Op::Commit { records, bytes } => {
                    let record = |n: u8| vec![number as u8 ^ (n << 5); usize::from(bytes % 60)];
                    let records: Vec<_> = (0..=records % 4).map(record).collect();
                    log.commit(&records, Durability::Synced)
                        .expect("an honest disk");
                }
                Op::Rotate => log.rotate().expect("an honest disk"),
                Op::Retain { behind } => {
                    let end = log.visible_through().get();
                    let from = end.saturating_sub(behind.into()).max(log.oldest().get());
                    log.retain_from(TxOffset::new(from))
                        .expect("an honest disk");
                }
                Op::Truncate { by } => {
                    let to = log.visible_through().get().saturating_sub(by.into());
                    // It is refused within a commit and below what is kept.
                    let _ = log.truncate_to(TxOffset::new(to));
                }
                Op::Reopen => {
                    drop(log);
                    (log, _) = Log::open(env, "", options()).expect("an honest disk");
                }
            }
        }
        log
    }
}

/// What the log held before it was damaged.
struct Truth {
    records: BTreeMap<u64, Vec<u8>>,
    oldest: TxOffset,
    next: TxOffset,
}

impl Truth {
    fn new(seen: &[Seen], oldest: TxOffset, next: TxOffset) -> Self {
        let record = |seen: &Seen| match seen {
            Seen::Transaction(offset, record) => (*offset, record.clone()),
            other => panic!("nothing is damaged yet: {other:?}"),
        };
        Self {
            records: seen.iter().map(record).collect(),
            oldest,
            next,
        }
    }

    fn judge(&self, salvaged: &Log, report: &SalvageReport, knows_the_end: bool) {
        let seen = opening::read(salvaged);
        let mut lost = Vec::new();
        for one in &seen {
            match one {
                Seen::Transaction(offset, record) if *offset >= self.oldest.get() => {
                    assert_eq!(
                        self.records.get(offset),
                        Some(record),
                        "at {offset}: {seen:?}"
                    );
                }
                // What retention removed may show again if all that tells of it is lost.
                Seen::Transaction(..) => {}
                Seen::Lost(from, to) => lost.push(TxOffset::new(*from)..TxOffset::new(*to)),
                Seen::Unreadable(error) => panic!("salvaged, and unreadable: {error}"),
            }
        }
        assert_eq!(lost, report.lost, "what is lost is listed: {seen:?}");
        assert!(
            salvaged.oldest() <= self.oldest,
            "history went missing: {seen:?}"
        );
        // An older state of the superblock may know of history that was cut since: that counts as
        // lost.
        assert!(
            !knows_the_end || salvaged.visible_through() >= self.next,
            "the end went missing: {seen:?}"
        );
    }
}
