//! Kind E: beside a writer that commits, rotates, truncates and retires.
//!
//! Threads of the operating system on its file system, as another process would: nothing is shared
//! with the writer but the files. What a looker must never say: that a healthy log is damaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use blackstart::commitlog::{
    Durability, ErrorClass, HeaderProblem, Inspected, Log, LogError, LogOptions, ReadOnlyLog,
    inspect, verify,
};
use blackstart_vfs::Env;

use super::directory::{Dir, options, record, tx};

/// How long a writer and those who look are beside each other, at least.
const LOOKS: Duration = Duration::from_millis(800);
/// And at most, on a machine that is slow.
const LOOKS_MAX: Duration = Duration::from_secs(30);
/// After so many commits a writer has done everything that it does.
const COMMITS_MIN: u64 = 200;

/// What a writer does besides committing.
#[derive(Clone, Copy, Debug)]
enum Busy {
    Commits,
    Rotates,
    Retires,
    Truncates,
    StartsAgain,
    DoesAll,
}

impl Busy {
    const ALL: [Self; 6] = [
        Self::Commits,
        Self::Rotates,
        Self::Retires,
        Self::Truncates,
        Self::StartsAgain,
        Self::DoesAll,
    ];

    /// Whether it does this besides.
    fn does(self, other: Self) -> bool {
        matches!(self, Self::DoesAll)
            || std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// Writes until it is told to stop, and counts its commits.
fn write(env: &Env, busy: Busy, over: &AtomicBool, count: &AtomicU64) {
    let open = || {
        Log::open(env, "", options().create(true))
            .expect("it opens")
            .0
    };
    let mut log = open();
    let mut commits = 0;
    while !over.load(Ordering::Relaxed) {
        let end = log.visible_through().get();
        let durability = match commits % 5 {
            0 => Durability::Synced,
            1 => Durability::Buffered,
            _ => Durability::Os,
        };
        log.commit(&[record(end)], durability).expect("a commit");
        commits += 1;
        count.store(commits, Ordering::Relaxed);
        if busy.does(Busy::Rotates) && commits % 7 == 0 {
            log.rotate().expect("a rotation");
        }
        if busy.does(Busy::Retires) && commits % 50 == 0 {
            let from = tx(end.saturating_sub(150));
            log.retain_from(from).expect("a retention");
        }
        if busy.does(Busy::Truncates) && commits % 70 == 0 {
            let at = end.saturating_sub(40).max(log.oldest().get());
            log.truncate_to(tx(at)).expect("a truncation");
        }
        if busy.does(Busy::StartsAgain) && commits % 90 == 0 {
            if commits % 180 == 0 {
                log.close().expect("it closes");
            }
            drop(log);
            log = open();
        }
    }
    log.close().expect("it closes");
}

/// Has somebody look again and again at a log that is written.
fn beside(busy: Busy, mut look: impl FnMut(&Env, u64)) {
    let dir = Dir::os();
    // The log exists before anybody looks.
    drop(dir.open(options().create(true)).expect("it opens"));
    let over = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let (path, stop, commits) = (dir.path(""), over.clone(), count.clone());
    let writer = thread::spawn(move || write(&Env::os(path), busy, &stop, &commits));
    let (began, mut looks) = (Instant::now(), 0);
    let is_enough = |looks| looks > 10 && count.load(Ordering::Relaxed) > COMMITS_MIN;
    while !writer.is_finished()
        && (began.elapsed() < LOOKS || (!is_enough(looks) && began.elapsed() < LOOKS_MAX))
    {
        look(dir.env(), looks);
        looks += 1;
    }
    over.store(true, Ordering::Relaxed);
    let is_enough = is_enough(looks);
    writer.join().expect("the writer is well");
    assert!(is_enough, "{busy:?}: {count:?} commits, {looks} looks");
}

#[test]
fn verify_never_calls_a_healthy_log_damaged() {
    for busy in Busy::ALL {
        beside(busy, |env, look| {
            let verified = verify(env, "", &LogOptions::new());
            let verified = verified.unwrap_or_else(|error| panic!("{busy:?}, {look}: {error}"));
            if let Some(problem) = verified.problem() {
                panic!("{busy:?}, look {look}: {problem}: {verified:?}");
            }
        });
    }
}

#[test]
fn inspect_shows_what_is_there() {
    for busy in Busy::ALL {
        beside(busy, |env, look| {
            let mut bad = Vec::new();
            let visit = &mut |seen| {
                if let Inspected::Segment {
                    file,
                    header: Err(HeaderProblem::Defect(defect)),
                    ..
                } = seen
                {
                    bad.push(format!("{file}: {defect}"));
                }
            };
            inspect(env, "", visit).unwrap_or_else(|error| panic!("{busy:?}, {look}: {error}"));
            assert!(bad.is_empty(), "{busy:?}, look {look}: {bad:?}");
        });
    }
}

/// An opening is a look; then readers go on beside the writer.
#[test]
fn readers_go_on_or_are_told_why_not() {
    for busy in Busy::ALL {
        let (retired, cut) = (AtomicU64::new(0), AtomicU64::new(0));
        beside(busy, |env, look| {
            let (log, _) = ReadOnlyLog::open(env, "", LogOptions::new())
                .unwrap_or_else(|error| panic!("{busy:?}, look {look}: {error}"));
            let Ok(mut reader) = log.reader(log.oldest()) else {
                return;
            };
            for _ in 0..400 {
                let position = reader.position().get();
                match reader.next_commit() {
                    Ok(Some(commit)) => {
                        let records: Vec<_> = commit.transactions().collect();
                        assert_eq!(records, [(tx(position), record(position).as_bytes())]);
                    }
                    Ok(None) => {
                        let refreshed = log.refresh().map(|_| ());
                        refreshed.unwrap_or_else(|error| panic!("{busy:?}, {look}: {error}"));
                    }
                    Err(error) => {
                        let counter = match &error {
                            LogError::HistoryGone { .. } if busy.does(Busy::Retires) => &retired,
                            LogError::Truncated { .. } if busy.does(Busy::Truncates) => &cut,
                            _ => panic!("{busy:?}, look {look} at {position}: {error:?}"),
                        };
                        assert_eq!(error.class(), ErrorClass::Caller);
                        counter.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                }
            }
        });
    }
}

/// F12: a reader that has not looked again is told of a cut, and not of damage.
#[test]
fn a_cut_that_a_view_has_not_seen_is_no_damage() {
    for (at, from) in [(18, 15), (18, 18), (3, 20), (0, 10), (23, 0), (12, 11)] {
        for goes_on in [false, true] {
            let dir = Dir::new();
            let (log, _) = dir.open(options().create(true)).expect("it opens");
            super::directory::fill(&log, 24);
            let (shown, _) = ReadOnlyLog::open(dir.env(), "", options()).expect("it opens");
            let mut reader = shown.reader(tx(from)).expect("a reader");
            log.truncate_to(tx(at)).expect("a cut");
            if goes_on {
                super::directory::fill(&log, 40);
            }
            let mut seen = from;
            let told = loop {
                match reader.next_commit() {
                    Ok(Some(_)) => seen += 1,
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                }
            };
            match told {
                // It was at the cut, or before it, and went on with what is there now.
                None => assert!(from <= at && seen >= at, "{at} {from} {goes_on}: {seen}"),
                Some(LogError::Truncated { at: cut, .. }) => {
                    assert_eq!(cut, tx(at));
                    assert!(from > at || seen > at, "{at} {from} {goes_on}: {seen}");
                }
                Some(error) => panic!("{at} {from} {goes_on}: {error:?}"),
            }
        }
    }
}
