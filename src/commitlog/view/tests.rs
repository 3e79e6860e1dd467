//! Tests of read-only logs: what they show beside a writer of another process, and how they follow
//! it. The other process is stood for by a log that shares nothing with the view but the files.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CallRecord, Errno};
use blackstart_vfs::{Env, JoinHandle};
use parking_lot::Mutex;

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, Epoch, Log, LogError, LogOptions, ReadOnlyLog, TxOffset};

const INTERVAL: Duration = Duration::from_millis(2);

fn view(scratch: &Scratch) -> ReadOnlyLog {
    ReadOnlyLog::open(&scratch.env, "", LogOptions::new())
        .unwrap()
        .0
}

/// [I1] Whatever a view does, it changes nothing and takes no lock: it may stand beside a writer.
#[test]
fn a_view_writes_nothing_and_takes_no_lock() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    for _ in 0..20 {
        commit(&log, &["x"]);
    }
    let effects = scratch.disk.trace_len();
    scratch.disk.set_verbose(true);
    let view = view(&scratch);
    view.refresh().unwrap();
    read(view.reader(tx(0)).unwrap());
    let mut follower = view.follow(tx(0), INTERVAL).unwrap();
    for _ in 0..20 {
        follower.next_commit().unwrap().unwrap();
    }
    let calls = scratch.disk.take_log();
    let is_lock = |record: &CallRecord| record.call.kind == CallKind::Lock;
    assert!(!calls.is_empty() && !calls.iter().any(is_lock), "[I1]");
    assert_eq!(scratch.disk.trace_len(), effects, "[I1]");
    log.close().unwrap();
}

/// [I3] A view ends where it is told, when it is opened and when it looks again, and shows whole
/// commits only.
#[test]
fn a_view_never_shows_more_than_its_end() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    log.commit(&["a", "b"], Durability::Synced).unwrap();
    log.rotate().unwrap();
    commit(&log, &["c", "d"]);
    let open = |end| {
        let options = LogOptions::new().history_end(tx(end));
        ReadOnlyLog::open(&scratch.env, "", options).map(|(log, _)| log)
    };
    let all = ["0:a", "1:b", "2:c", "3:d"];
    for end in [0, 2, 3, 4, 9] {
        let view = open(end).unwrap();
        let shown = &all[..all.len().min(end as usize)];
        assert_eq!(read(view.reader(tx(0)).unwrap()), shown, "[I3] {end}");
        assert_eq!(view.visible_through(), tx(shown.len() as u64));
    }
    let odd = open(1);
    assert!(
        matches!(odd, Err(LogError::NotACommitBoundary { .. })),
        "{odd:?}"
    );
    // It looks again while the log grows.
    let (least, most) = (open(3).unwrap(), open(6).unwrap());
    commit(&log, &["e"]);
    log.commit(&["f", "g"], Durability::Os).unwrap();
    least.refresh().unwrap();
    assert_eq!(least.visible_through(), tx(3), "[I3]");
    let split = most.refresh();
    assert!(
        matches!(split, Err(LogError::NotACommitBoundary { .. })),
        "[I3] {split:?}"
    );
    assert_eq!(most.visible_through(), tx(4), "what was visible stays so");
    log.retain_from(tx(2)).unwrap();
    let gone = open(1);
    assert!(
        matches!(gone, Err(LogError::HistoryGone { .. })),
        "{gone:?}"
    );
}

/// [I2] Every look is some moment's state, whatever the writer does in between.
#[test]
fn a_view_follows_by_looking_again() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    commit(&log, &["a"]);
    let seen = view(&scratch);
    let mut reader = seen.reader(tx(0)).unwrap();
    assert_eq!(reader.next_commit().unwrap().unwrap().range(), tx(0)..tx(1));
    for round in 1..30 {
        log.commit(&[format!("round {round}")], Durability::Os)
            .unwrap();
        assert!(reader.next_commit().unwrap().is_none());
        let report = seen.refresh().unwrap();
        assert_eq!(report.next, tx(round + 1));
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
    log.retain_from(tx(15)).unwrap();
    seen.refresh().unwrap();
    assert_eq!(seen.oldest(), log.oldest());
    assert_eq!(seen.epoch(), (log.incarnation(), log.epoch()));
    assert_eq!(seen.log_id(), log.log_id());
}

/// A writer that starts again, after a kill or a close, cuts nothing of what it shows again.
#[test]
fn a_view_goes_on_when_the_writer_starts_again() {
    for is_closed in [false, true] {
        let scratch = Scratch::new();
        let (mut log, _) = scratch.open();
        commit(&log, &["a"]);
        log.commit(&["b"], Durability::Os).unwrap();
        let seen = view(&scratch);
        let mut reader = seen.reader(tx(0)).unwrap();
        for next in 2..10 {
            if is_closed {
                log.close().unwrap();
            }
            drop(log);
            log = scratch.open().0;
            log.commit(&["c"], Durability::Os).unwrap();
            log.commit(&["lost"], Durability::Buffered).unwrap();
            seen.refresh().unwrap();
            while reader.next_commit().unwrap().is_some() {}
            let lost = u64::from(is_closed) * (next - 2);
            assert_eq!(
                reader.position(),
                tx(next + 1 + lost),
                "closed: {is_closed}"
            );
        }
    }
}

/// Another log in the place of the one that is shown is told, and nothing of it is shown.
#[test]
fn another_log_in_its_place_is_foreign() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.close().unwrap();
    let seen = view(&scratch);
    for name in scratch.names().into_iter().chain(["lock".to_owned()]) {
        scratch.remove(&name);
    }
    let gone = seen.refresh();
    assert!(matches!(gone, Err(LogError::NotFound { .. })), "{gone:?}");
    let (log, _) = scratch.open();
    commit(&log, &["x", "y"]);
    let foreign = seen.refresh();
    assert!(
        matches!(foreign, Err(LogError::Foreign { .. })),
        "{foreign:?}"
    );
    assert_eq!(seen.visible_through(), tx(1));
}

#[test]
fn what_is_known_beforehand_counts_for_views() {
    let scratch = Scratch::new();
    let missing = ReadOnlyLog::open(&scratch.env, "", LogOptions::new());
    assert!(
        matches!(missing, Err(LogError::NotFound { .. })),
        "{missing:?}"
    );
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let open = |through| {
        let options = LogOptions::new().durable_through(Epoch::FIRST, tx(through));
        ReadOnlyLog::open(&scratch.env, "", options).map(|(log, _)| log)
    };
    open(1).unwrap();
    let short = open(2);
    assert!(matches!(short, Err(LogError::Corrupt { .. })), "{short:?}");
    log.close().unwrap();
}

/// What a follower lives through.
#[derive(Debug)]
enum Event {
    Saw(TxOffset),
    /// It was told that it cannot go on, and started again elsewhere.
    Restarted(LogError, TxOffset),
}

/// A follower in a task of its own.
struct Followed {
    task: Box<dyn JoinHandle>,
    events: Arc<Mutex<Vec<Event>>>,
    over: Arc<AtomicBool>,
}

impl Followed {
    fn start(scratch: &Scratch) -> Self {
        let (events, over) = (Arc::default(), Arc::default());
        let (env, log) = (scratch.env.clone(), view(scratch));
        let (seen, is_over) = (Arc::clone(&events), Arc::clone(&over));
        let body = move || follow(&env, &log, &seen, &is_over);
        let task = scratch.env.tasks().spawn("follower", Box::new(body));
        Self {
            task: task.unwrap(),
            events,
            over,
        }
    }

    /// Lets it read to the end; returns what it lived through.
    fn finish(self) -> Vec<Event> {
        self.over.store(true, Ordering::SeqCst);
        self.task.join().unwrap();
        std::mem::take(&mut self.events.lock())
    }
}

/// Follows from the start until the log is over.
fn follow(env: &Env, log: &ReadOnlyLog, events: &Mutex<Vec<Event>>, over: &AtomicBool) {
    let mut follower = log.follow(tx(0), INTERVAL).unwrap();
    loop {
        // Asked before the look: what was written until then is seen by it.
        let is_last = over.load(Ordering::SeqCst);
        let deadline = env.clock().monotonic() + 5 * INTERVAL;
        match follower.next_commit_until(deadline) {
            Ok(Some(commit)) => events.lock().push(Event::Saw(commit.first())),
            Ok(None) if is_last => return,
            Ok(None) => {}
            Err(error) => {
                let at = match &error {
                    LogError::Truncated { at, .. } => *at,
                    LogError::HistoryGone { oldest, .. } => *oldest,
                    _ => panic!("{error:?}"),
                };
                log.refresh().unwrap();
                let from = at.max(log.oldest()).min(log.visible_through());
                follower = log.follow(from, INTERVAL).unwrap();
                events.lock().push(Event::Restarted(error, from));
            }
        }
    }
}

/// A follower in another process polls, and goes on across rotations, kills and clean ends of the
/// writer.
#[test]
fn a_polling_follower_sees_everything_across_lives_of_the_writer() {
    let scratch = Scratch::os();
    let options = || options().segment_bytes_max(1024);
    let (mut log, _) = scratch.open_with(options()).unwrap();
    let follower = Followed::start(&scratch);
    for number in 0..120_u64 {
        let committed = log.commit(&[format!("{number}")], Durability::Os).unwrap();
        assert_eq!(committed.first, tx(number));
        if number % 30 == 29 {
            if number % 60 == 59 {
                log.close().unwrap();
            }
            drop(log);
            log = scratch.open_with(options()).unwrap().0;
        }
    }
    let events = follower.finish();
    let seen = events.iter().map(|event| match event {
        Event::Saw(first) => first.get(),
        Event::Restarted(error, _) => panic!("{error}"),
    });
    assert!(seen.eq(0..120));
    log.close().unwrap();
}

/// A follower is told of retention and of cuts, and of nothing else.
#[test]
fn a_polling_follower_is_told_of_cuts_and_retention() {
    let scratch = Scratch::os();
    let options = || options().segment_bytes_max(1024);
    let (log, _) = scratch.open_with(options()).unwrap();
    commit(&log, &["first"]);
    let follower = Followed::start(&scratch);
    let mut cuts = Vec::new();
    for number in 0..400_u64 {
        log.commit(&["x"], Durability::Os).unwrap();
        if number % 50 == 49 {
            let end = log.visible_through().get();
            log.retain_from(tx(end - 20)).unwrap();
            let at = (end - 7).max(log.oldest().get());
            log.truncate_to(tx(at)).unwrap();
            cuts.push(tx(at));
        }
    }
    let end = log.visible_through().get();
    let mut position = tx(0);
    for event in follower.finish() {
        match event {
            Event::Saw(first) => {
                assert_eq!(first, position, "in order and without gaps");
                position = tx(first.get() + 1);
            }
            Event::Restarted(LogError::Truncated { at, .. }, from) => {
                assert!(
                    cuts.contains(&at) && at < position,
                    "no cut at {at} below {position}"
                );
                position = from;
            }
            Event::Restarted(LogError::HistoryGone { oldest, .. }, from) => {
                assert!(oldest > position, "{position} was kept, from {oldest} on");
                position = from;
            }
            Event::Restarted(error, _) => panic!("{error}"),
        }
    }
    assert_eq!(position, tx(end));
    log.close().unwrap();
}

/// A closed log is over for a follower; if another process opens it again, a later call goes on.
#[test]
fn a_follower_of_a_closed_log_goes_on_later() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    log.close().unwrap();
    drop(log);
    let seen = view(&scratch);
    let mut follower = seen.follow(tx(0), INTERVAL).unwrap();
    assert_eq!(follower.next_commit().unwrap().unwrap().first(), tx(0));
    assert!(follower.next_commit().unwrap().is_none());
    assert!(follower.is_over());
    let (log, _) = scratch.open();
    commit(&log, &["b"]);
    assert_eq!(follower.next_commit().unwrap().unwrap().first(), tx(1));
    let soon = scratch.env.clock().monotonic() + INTERVAL;
    assert!(follower.next_commit_until(soon).unwrap().is_none());
    assert!(!follower.is_over(), "it may go on");
    log.close().unwrap();
    assert!(follower.next_commit().unwrap().is_none());
    assert!(follower.is_over());
}

/// A failing read is that failure, once; what was visible stays so.
#[test]
fn a_look_that_fails_leaves_what_was_visible() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let seen = view(&scratch);
    commit(&log, &["b"]);
    for kind in [
        CallKind::ReadDir,
        CallKind::Open,
        CallKind::Read,
        CallKind::Len,
    ] {
        scratch.disk.fail(kind).times(u32::MAX).errno(Errno::Eio);
        let failed = seen.refresh();
        assert!(
            matches!(failed, Err(LogError::Io { .. })),
            "{kind:?} {failed:?}"
        );
        assert_eq!(seen.visible_through(), tx(1));
        scratch.disk.heal();
    }
    seen.refresh().unwrap();
    assert_eq!(read(seen.reader(tx(0)).unwrap()), ["0:a", "1:b"]);
    drop::<Log>(log);
}
