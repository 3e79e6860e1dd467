//! Races of one log: readers beside a cut, views that look again at once, a view that is bounded,
//! and a writer that starts again.
//!
//! Threads of the operating system on its file system: each test runs for a few seconds and fails
//! with what it saw.
#![expect(clippy::disallowed_methods, reason = "real threads are the point")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use blackstart::commitlog::{
    Durability, Log, LogError, LogOptions, ReadOnlyLog, ReadScope, TxOffset,
};
use blackstart_vfs::Env;

/// How long a test looks for a race.
const LOOKS: Duration = Duration::from_secs(3);

fn tx(n: u64) -> TxOffset {
    TxOffset::new(n)
}
fn options() -> LogOptions {
    LogOptions::new()
        .create(true)
        .segment_bytes_max(4096)
        .preallocate_bytes(0)
}

fn offsets(log: &ReadOnlyLog) -> Result<Vec<u64>, LogError> {
    let mut reader = log.reader(log.oldest())?;
    let mut seen = Vec::new();
    while let Some(commit) = reader.next_commit()? {
        seen.extend(commit.transactions().map(|(o, _)| o.get()));
    }
    Ok(seen)
}

/// `history_end` is checked at the opening and not when the log looks again.
#[test]
fn a_read_only_view_does_not_grow_beyond_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::os(dir.path());
    let (log, _) = Log::open(&env, "", options()).unwrap();
    log.commit(&["a"], Durability::Synced).unwrap();
    let (view, _) = ReadOnlyLog::open(&env, "", options().history_end(tx(2))).unwrap();
    assert_eq!(offsets(&view).unwrap(), [0]);
    log.commit(&["b", "c"], Durability::Synced).unwrap();
    let again = view.refresh().map(|_| ());
    let fresh = ReadOnlyLog::open(&env, "", options().history_end(tx(2))).map(|_| ());
    let seen = offsets(&view).unwrap();
    assert!(
        seen.iter().all(|offset| *offset < 2),
        "history was to end before 2, shown: {seen:?}"
    );
    assert!(
        matches!(again, Err(LogError::NotACommitBoundary { .. })),
        "{again:?}"
    );
    assert!(
        matches!(fresh, Err(LogError::NotACommitBoundary { .. })),
        "{fresh:?}"
    );
}

/// Two threads look again; a reader must not be told of a cut that never was.
#[test]
fn two_that_look_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::os(dir.path());
    let (log, _) = Log::open(&env, "", options()).unwrap();
    log.commit(&["a"], Durability::Os).unwrap();
    let (view, _) = ReadOnlyLog::open(&env, "", options()).unwrap();
    let view = Arc::new(view);
    let over = Arc::new(AtomicBool::new(false));
    let back = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (view, over, back) = (view.clone(), over.clone(), back.clone());
            std::thread::spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let before = view.visible_through();
                    let _ = view.refresh();
                    if view.visible_through() < before {
                        back.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let mut reader = view.reader(tx(0)).unwrap();
    let mut bad = None;
    let began = Instant::now();
    while began.elapsed() < LOOKS && bad.is_none() {
        log.commit(&["x"], Durability::Os).unwrap();
        loop {
            match reader.next_commit() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    bad = Some(error);
                    break;
                }
            }
        }
    }
    over.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(bad.is_none(), "nobody cut the history: {bad:?}");
    assert_eq!(back.load(Ordering::SeqCst), 0, "what was visible stays so");
}

/// A cut exactly at a reader's position is no business of the reader.
#[test]
fn a_cut_at_a_readers_position() {
    let mut bad = Vec::new();
    let began = Instant::now();
    let mut rounds = 0;
    while began.elapsed() < LOOKS && bad.len() < 5 {
        rounds += 1;
        let dir = tempfile::tempdir().unwrap();
        let env = Env::os(dir.path());
        let (log, _) = Log::open(&env, "", options()).unwrap();
        for _ in 0..2 {
            log.commit(&["a"], Durability::Os).unwrap();
        }
        let in_place = rounds % 2 == 0;
        if in_place {
            log.rotate().unwrap();
        }
        for _ in 0..2 {
            log.commit(&["b"], Durability::Os).unwrap();
        }
        let ready = Arc::new(std::sync::Barrier::new(2));
        let (other, barrier) = (log.clone(), ready.clone());
        let thread = std::thread::spawn(move || {
            let mut readers: Vec<_> = (0..200)
                .map(|_| {
                    let mut reader = other.reader_of(tx(0), ReadScope::Visible).unwrap();
                    reader.next_commit().unwrap();
                    reader.next_commit().unwrap();
                    reader
                })
                .collect();
            barrier.wait();
            let mut errors = Vec::new();
            for reader in &mut readers {
                assert_eq!(reader.position(), tx(2));
                if let Err(error) = reader.next_commit() {
                    errors.push(format!("{error:?}"));
                }
            }
            errors
        });
        ready.wait();
        log.truncate_to(tx(2)).unwrap();
        let errors = thread.join().unwrap();
        if let Some(first) = errors.first() {
            bad.push((in_place, rounds, errors.len(), first.clone()));
        }
    }
    assert!(bad.is_empty(), "{rounds} rounds: {bad:#?}");
}

/// A writer that starts again after a kill cuts nothing.
#[test]
fn a_view_goes_on_when_the_writer_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::os(dir.path());
    let (log, _) = Log::open(&env, "", options()).unwrap();
    log.commit(&["a"], Durability::Os).unwrap();
    log.commit(&["b"], Durability::Os).unwrap();
    let (view, _) = ReadOnlyLog::open(&env, "", options()).unwrap();
    let mut reader = view.reader(tx(0)).unwrap();
    for _ in 0..2 {
        reader.next_commit().unwrap().unwrap();
    }
    drop(log);
    let (log, report) = Log::open(&env, "", options()).unwrap();
    assert_eq!(report.next, tx(2));
    log.commit(&["c"], Durability::Os).unwrap();
    view.refresh().unwrap();
    let next = reader.next_commit().map(|c| c.map(|c| c.first().get()));
    assert!(matches!(next, Ok(Some(2))), "{next:?}");
}
