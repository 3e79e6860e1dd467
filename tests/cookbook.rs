//! The pieces of code of `docs/COOKBOOK.md`: each is a function here, which a test runs.
#![expect(
    clippy::disallowed_methods,
    reason = "they work on real files, as a user's program does, and follow a log from a thread"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blackstart::Env;
use blackstart::commitlog::{
    Durability, Entry, Epoch, ErrorClass, Incarnation, Log, LogEnd, LogError, LogOptions,
    ReadOnlyLog, ReadScope, RecoveryReport, TxOffset, backup, salvage,
};
use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{DiskConfig, Errno, SimFs};
use blackstart_vfs::os::{OsClock, OsEntropy, OsTasks};

fn append(dir: &Path) -> Result<(), LogError> {
    let (log, _report) = Log::open_path(dir, LogOptions::new().create(true))?;
    // One commit of two transactions: after a crash both are there, or neither.
    let committed = log.commit(&["debit 7", "credit 7"], Durability::Synced)?;
    assert_eq!(committed.count, 2);
    // Cheaper, if a loss of power may take it.
    log.commit(&["seen by 1"], Durability::Os)?;
    // Makes everything so far durable; returns the offset before which all is.
    let durable = log.sync()?;
    assert_eq!(durable, log.visible_through());
    log.close()
}

fn append_together(log: &Log, records: &[&str]) -> Result<(), LogError> {
    // All are handed in first, then carried out with one write and one sync.
    let mut tickets = Vec::new();
    for record in records {
        tickets.push(log.submit(&[record], Durability::Synced)?);
    }
    for ticket in tickets {
        ticket.wait()?;
    }
    Ok(())
}

fn read(log: &Log) -> Result<Vec<String>, LogError> {
    let mut reader = log.reader(log.oldest())?;
    let mut records = Vec::new();
    while let Some(commit) = reader.next_commit()? {
        for (offset, record) in commit.transactions() {
            records.push(format!("{offset}: {}", String::from_utf8_lossy(record)));
        }
    }
    Ok(records)
}

fn read_only(dir: &Path, from: TxOffset) -> Result<u64, LogError> {
    // Takes no lock and writes nothing: another process may write the log meanwhile.
    let (log, _report) = ReadOnlyLog::open_path(dir, LogOptions::new())?;
    let mut reader = log.reader(from)?;
    let mut transactions = 0;
    while let Some(commit) = reader.next_commit()? {
        transactions += commit.transactions().count() as u64;
    }
    Ok(transactions)
}

fn follow(log: &Log, from: TxOffset) -> Result<u64, LogError> {
    let mut follower = log.follow(from, ReadScope::Synced)?;
    let mut transactions = 0;
    // Waits for the next commit; none once the log is closed and all of it was read.
    while let Some(commit) = follower.next_commit()? {
        transactions += commit.transactions().count() as u64;
    }
    Ok(transactions)
}

fn follow_from_another_process(dir: &Path, from: TxOffset) -> Result<u64, LogError> {
    let (log, _report) = ReadOnlyLog::open_path(dir, LogOptions::new())?;
    let mut follower = log.follow(from, Duration::from_millis(50))?;
    let mut transactions = 0;
    while let Some(commit) = follower.next_commit()? {
        transactions += commit.transactions().count() as u64;
    }
    Ok(transactions)
}

fn reopen(dir: &Path) -> Result<(Log, RecoveryReport), LogError> {
    let (log, report) = Log::open_path(dir, LogOptions::new())?;
    if let LogEnd::Tail(tail) = &report.end {
        eprintln!(
            "{}: {} unfinished bytes were dropped",
            tail.file, tail.bytes
        );
    }
    for note in &report.files {
        eprintln!("{}: no part of the log ({:?})", note.file, note.reason);
    }
    // All that the log shows is durable now.
    assert_eq!(log.durable_through(), report.next);
    Ok((log, report))
}

fn reopen_with_a_manifest(dir: &Path, epoch: Epoch, seen: TxOffset) -> Result<Log, LogError> {
    // A log that ends before what the manifest knows is an error, and not a shorter log.
    let options = LogOptions::new().durable_through(epoch, seen);
    Log::open_path(dir, options).map(|(log, _report)| log)
}

fn recover_state(dir: &Path, from: TxOffset) -> Result<(Log, Vec<Vec<u8>>), LogError> {
    let mut state = Vec::new();
    let mut visit = |recovered: blackstart::commitlog::Recovered<'_>| {
        for (_offset, record) in recovered.commit.transactions() {
            state.push(record.to_vec());
        }
        Ok(())
    };
    let env = Env::os(dir);
    let (log, _report) = Log::open_and_visit(&env, "", LogOptions::new(), from, &mut visit)?;
    Ok((log, state))
}

fn retain(dir: &Path, archive: &Path, checkpoint: TxOffset) -> Result<TxOffset, LogError> {
    let (from, to) = (dir.to_path_buf(), archive.to_path_buf());
    let options = LogOptions::new().archive(move |segment| {
        // Its part of the log is complete, durable, and will not change.
        fs::hard_link(from.join(&segment.path), to.join(&segment.path))?;
        Ok(())
    });
    let (log, _report) = Log::open_path(dir, options)?;
    // Full segments that hold nothing from the checkpoint on are archived and removed.
    log.rotate()?;
    let oldest = log.retain_from(checkpoint)?;
    log.close()?;
    Ok(oldest)
}

fn back_up(dir: &Path, parent: &Path, name: &str) -> Result<TxOffset, LogError> {
    // The log may be open, here or in another process.
    let report = backup(
        &Env::os(dir),
        "",
        &Env::os(parent),
        name,
        &LogOptions::new(),
    )?;
    Ok(report.next)
}

fn restore(copy: &Path, dir: &Path) -> Result<Log, LogError> {
    fs::rename(copy, dir).expect("nothing is there");
    // The copy is a log. This opening draws an incarnation of its own, so what it writes is told
    // from what the original wrote under the same offsets.
    let (log, _report) = Log::open_path(dir, LogOptions::new())?;
    Ok(log)
}

fn identify(log: &Log) -> Result<(Incarnation, Epoch, TxOffset), LogError> {
    let committed = log.commit(&["named"], Durability::Synced)?;
    // No copy of the log gives these three to another transaction.
    Ok((committed.incarnation, committed.epoch, committed.first))
}

fn save(dir: &Path, parent: &Path, name: &str) -> Result<Vec<String>, LogError> {
    let (env, target) = (Env::os(dir), Env::os(parent));
    let report = salvage(&env, "", &target, name, &LogOptions::new())?;
    let mut told = Vec::new();
    for problem in &report.problems {
        told.push(format!("wrong: {problem}"));
    }
    for lost in &report.lost {
        told.push(format!("lost: {} to {}", lost.start, lost.end));
    }
    Ok(told)
}

fn read_saved(dir: &Path) -> Result<(u64, u64), LogError> {
    let (log, report) = ReadOnlyLog::open_path(dir, LogOptions::new())?;
    let mut reader = log.reader(report.oldest)?;
    let (mut kept, mut lost) = (0, 0);
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Commit(commit) => kept += commit.transactions().count() as u64,
            // Offsets do not shift: these transactions are missing.
            Entry::Lost(range) => lost += range.end.since(range.start),
        }
    }
    Ok((kept, lost))
}

fn commit_on_a_full_disk(log: &Log, checkpoint: TxOffset) -> Result<(), LogError> {
    match log.commit(&["one more"], Durability::Synced) {
        Err(error) if error.class() == ErrorClass::NoSpace => {
            // The commit is not in the log and will not be. Keeping less takes no space.
            log.retain_from(checkpoint)?;
            log.commit(&["one more"], Durability::Synced).map(drop)
        }
        outcome => outcome.map(drop),
    }
}

fn open_on_a_full_disk(dir: &Path, checkpoint: TxOffset) -> Result<Log, LogError> {
    // Removes old segments before the opening writes its own.
    let options = LogOptions::new().retain_from(checkpoint);
    Log::open_path(dir, options).map(|(log, _report)| log)
}

/// Every piece of code of the document stands above, letter by letter.
#[test]
fn the_document_shows_code_that_runs() {
    let (document, source) = (
        include_str!("../docs/COOKBOOK.md"),
        include_str!("cookbook.rs"),
    );
    let pieces = document.split("```rust\n").skip(1);
    let mut count = 0;
    for piece in pieces {
        let (code, _) = piece.split_once("```").expect("a piece ends");
        assert!(source.contains(code), "not in this file:\n{code}");
        count += 1;
    }
    assert!(count > 10, "{count} pieces");
    let functions = source.lines().filter(|line| line.starts_with("fn "));
    // Tests take nothing; `twelve_in` makes the log that some of them need.
    let shown =
        functions.filter(|line| !line.ends_with("() {") && !line.starts_with("fn twelve_in"));
    for function in shown {
        assert!(document.contains(function), "not shown: {function}");
    }
}

#[test]
fn a_log_is_written_read_and_opened_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    append(&path).expect("appends");
    let (log, report) = reopen(&path).expect("opens");
    assert!(report.closed);
    append_together(&log, &["a", "b", "c"]).expect("appends");
    assert_eq!(log.stats().syncs, 1, "one sync for all");
    let records = read(&log).expect("reads");
    assert_eq!(records.len(), 6);
    assert_eq!(records[0], "0: debit 7");
    assert_eq!(read_only(&path, TxOffset::new(2)).expect("reads"), 4);
    drop(log);
    let known = (report.epoch, TxOffset::new(6));
    let log = reopen_with_a_manifest(&path, known.0, known.1).expect("opens");
    let epoch = log.epoch();
    drop(log);
    let error = reopen_with_a_manifest(&path, epoch, TxOffset::new(7)).expect_err("it is shorter");
    assert_eq!(error.class(), ErrorClass::Damage);
    let (log, state) = recover_state(&path, TxOffset::new(3)).expect("opens");
    assert_eq!(state, [b"a", b"b", b"c"]);
    let (incarnation, _, first) = identify(&log).expect("commits");
    assert_eq!((incarnation, first), (log.incarnation(), TxOffset::new(6)));
}

#[test]
fn a_log_is_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = LogOptions::new().create(true);
    let (log, _) = Log::open_path(dir.path(), options).expect("opens");
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| follow(&log, TxOffset::ZERO));
        let outside = scope.spawn(|| follow_from_another_process(dir.path(), TxOffset::ZERO));
        append_together(&log, &["a", "b", "c"]).expect("appends");
        log.close().expect("closes");
        for follower in [inside, outside] {
            let transactions = follower.join().expect("it ends").expect("it follows");
            assert_eq!(transactions, 3);
        }
    });
}

/// A log of twelve transactions in several segments.
fn twelve_in(env: &Env) -> Log {
    let options = LogOptions::new().create(true).segment_bytes_max(512);
    let (log, _) = Log::open(env, "", options).expect("opens");
    for number in 0..12_u8 {
        log.commit(&[[number; 90]], Durability::Synced)
            .expect("commits");
    }
    log
}

#[test]
fn history_is_archived_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, archive) = (dir.path().join("log"), dir.path().join("archive"));
    fs::create_dir(&archive).expect("makes it");
    twelve_in(&Env::os(&path)).close().expect("closes");
    let oldest = retain(&path, &archive, TxOffset::new(7)).expect("retires");
    assert!((1..=7).contains(&oldest.get()), "{oldest}");
    let archived = fs::read_dir(&archive).expect("lists").count();
    assert!(archived > 1, "{archived} segments");
    assert_eq!(read_only(&path, oldest).expect("reads"), 12 - oldest.get());
}

#[test]
fn a_log_in_use_is_copied_and_restored() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    let log = twelve_in(&Env::os(&path));
    let next = back_up(&path, dir.path(), "copy").expect("copies");
    assert_eq!(next, TxOffset::new(12));
    let restored = restore(&dir.path().join("copy"), &dir.path().join("restored")).expect("opens");
    let (one, other) = (
        identify(&log).expect("commits"),
        identify(&restored).expect("commits"),
    );
    assert_eq!(one.2, other.2, "both give the same offset");
    assert_ne!(one.0, other.0, "and are told apart");
}

#[test]
fn a_damaged_log_is_saved() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    twelve_in(&Env::os(&path)).close().expect("closes");
    let first = path.join("00000000000000000000.log");
    let mut bytes = fs::read(&first).expect("reads");
    bytes[200] ^= 1;
    fs::write(&first, bytes).expect("writes");
    let told = save(&path, dir.path(), "saved").expect("saves");
    assert!(told[0].starts_with("wrong: "), "{told:?}");
    assert_eq!(told[1..], ["lost: 0 to 1"]);
    assert_eq!(
        read_saved(&dir.path().join("saved")).expect("reads"),
        (11, 1)
    );
}

#[test]
fn keeping_less_frees_space() {
    let disk = SimFs::new(DiskConfig::default());
    let (clock, tasks) = (Arc::new(OsClock::new()), Arc::new(OsTasks::new()));
    let env = Env::new(Arc::new(disk.clone()), clock, tasks, Arc::new(OsEntropy));
    let log = twelve_in(&env);
    disk.fail(CallKind::Write)
        .on("*")
        .nth(1)
        .errno(Errno::Enospc);
    commit_on_a_full_disk(&log, TxOffset::new(4)).expect("commits");
    assert!(log.oldest() > TxOffset::ZERO, "it was full");
    assert_eq!(log.visible_through(), TxOffset::new(13));
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("log");
    drop(twelve_in(&Env::os(&path)));
    let log = open_on_a_full_disk(&path, TxOffset::new(8)).expect("opens");
    assert!(log.oldest() > TxOffset::ZERO);
}
