//! A backup of a log, closed or in use, is a log of its own.
#![expect(
    clippy::disallowed_methods,
    reason = "the logs are real files, and a thread writes while they are copied"
)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use blackstart::commitlog::{
    Durability, FileReason, Log, LogError, LogOptions, ReadOnlyLog, TxOffset, backup, verify,
};
use blackstart_vfs::Env;

fn options() -> LogOptions {
    LogOptions::new().create(true).segment_bytes_max(600)
}

fn commit(log: &Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let record = number.to_le_bytes().repeat(8);
        log.commit(&[record], Durability::Os).expect("commits");
    }
}

/// Opens a copy, checks all of it, and returns the offsets that it holds.
fn read(dir: &Path) -> std::ops::Range<u64> {
    let verification = verify(&Env::os(dir), "", &LogOptions::new()).expect("reads");
    assert!(verification.is_good(), "{verification:?}");
    let (log, report) = ReadOnlyLog::open_path(dir, LogOptions::new()).expect("opens");
    let mut reader = log.reader(report.oldest).expect("reads");
    let mut next = report.oldest.get();
    while let Some(commit) = reader.next_commit().expect("reads") {
        for (tx_offset, record) in commit.transactions() {
            assert_eq!(tx_offset.get(), next);
            assert_eq!(record.len(), 64);
            next += 1;
        }
    }
    assert_eq!(next, report.next.get());
    report.oldest.get()..next
}

fn copy(from: &Path, parent: &Path, name: &str) -> Result<std::ops::Range<u64>, LogError> {
    let report = backup(
        &Env::os(from),
        "",
        &Env::os(parent),
        name,
        &LogOptions::new(),
    )?;
    let range = read(&parent.join(name));
    assert_eq!(
        (report.oldest.get(), report.next.get()),
        (range.start, range.end)
    );
    Ok(range)
}

#[test]
fn a_copy_of_a_closed_log_is_closed_and_of_an_open_one_reaches_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("log");
    let (log, _) = Log::open_path(&from, options()).expect("opens");
    commit(&log, 0..20);
    assert_eq!(copy(&from, dir.path(), "open").expect("copies"), 0..20);
    let (_, report) =
        ReadOnlyLog::open_path(dir.path().join("open"), LogOptions::new()).expect("opens");
    assert!(!report.closed, "{report:?}");
    assert!(!report.superblock_lost, "{report:?}");
    log.retain_from(TxOffset::new(9)).expect("retires");
    log.close().expect("closes");
    let oldest = log.oldest().get();
    assert!(oldest > 0);
    assert_eq!(
        copy(&from, dir.path(), "closed").expect("copies"),
        oldest..20
    );
    let (copied, report) =
        Log::open_path(dir.path().join("closed"), LogOptions::new()).expect("opens");
    assert!(report.closed, "{report:?}");
    assert_eq!(copied.log_id(), log.log_id());
    assert_ne!(copied.incarnation(), log.incarnation());
    commit(&copied, 20..21);
}

/// All files of a directory by name.
fn contents(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("lists");
    let entries = entries.map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            (
                entry.file_name(),
                std::fs::read(entry.path()).expect("reads"),
            )
        })
        .collect()
}

#[test]
fn what_is_no_part_of_the_log_is_listed_and_left_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("log");
    let (log, _) = Log::open_path(&from, options()).expect("opens");
    commit(&log, 0..5);
    std::fs::write(from.join("notes.txt"), "mine").expect("writes");
    std::fs::write(from.join("00000000000000000009.tmp"), "x").expect("writes");
    let (target, before) = (Env::os(dir.path()), contents(&from));
    let report = backup(&Env::os(&from), "", &target, "copy", &LogOptions::new()).expect("copies");
    let reasons: Vec<_> = report.files.iter().map(|note| note.reason).collect();
    assert_eq!(reasons, [FileReason::Unfinished, FileReason::Unknown]);
    assert_eq!(contents(&from), before, "backup [I1]");
    assert!(!dir.path().join("copy/notes.txt").exists());
}

/// new_directory [I2], and backup [I3].
#[test]
fn a_backup_writes_over_nothing_and_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("log");
    let error = copy(&from, dir.path(), "copy").expect_err("there is no log");
    assert!(matches!(error, LogError::NotFound { .. }), "{error:?}");
    let (log, _) = Log::open_path(&from, options()).expect("opens");
    commit(&log, 0..20);
    std::fs::create_dir(dir.path().join("copy")).expect("makes it");
    let error = copy(&from, dir.path(), "copy").expect_err("it is there");
    assert!(matches!(error, LogError::AlreadyExists { .. }), "{error:?}");
    std::fs::create_dir(dir.path().join("other.unfinished")).expect("makes it");
    let error = copy(&from, dir.path(), "other").expect_err("half of it is there");
    assert!(error.to_string().contains("other.unfinished"), "{error}");
    // Damage in a full segment, which an opening does not read, is not copied.
    let first = from.join("00000000000000000000.log");
    let mut bytes = std::fs::read(&first).expect("reads");
    bytes[200] ^= 1;
    std::fs::write(&first, bytes).expect("writes");
    let error = copy(&from, dir.path(), "damaged").expect_err("backup [I3]: it is damaged");
    assert!(
        error.to_string().contains("log/00000000000000000000.log"),
        "{error}"
    );
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    // new_directory [I1], [I2]
    assert_eq!(names, ["copy", "log", "other.unfinished"]);
}

/// backup [I2]: whatever the writer does meanwhile, a copy holds all that was committed when it
/// began.
#[test]
fn a_log_is_copied_while_it_is_written_retired_and_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("log");
    let (log, _) = Log::open_path(&from, options()).expect("opens");
    commit(&log, 0..10);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 10;
            while !is_over.load(Ordering::Relaxed) {
                commit(&log, next..next + 7);
                // Backups look for at least 10 transactions, which are never cut.
                log.truncate_to(TxOffset::new(next + 6)).expect("cuts");
                next += 6;
                log.retain_from(TxOffset::new(next.saturating_sub(60)))
                    .expect("retires");
            }
        });
        for number in 0..15 {
            let before = log.visible_through().get();
            let range = copy(&from, dir.path(), &format!("copy-{number}")).expect("copies");
            assert!(
                range.end + 1 >= before,
                "backup [I2]: {range:?} lacks what was there: {before}"
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
