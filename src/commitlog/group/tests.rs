//! Tests of group commit: tickets, batches, and what owners are told.

use std::sync::Arc;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::Errno;
use parking_lot::Mutex;

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    CommitOwner, Committed, Durability, Log, LogError, ReadScope, Refusal, TxOffset,
};

/// What owners were told, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, line: String) {
        self.0.lock().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

/// An owner that writes down what it is told.
struct Clerk {
    name: &'static str,
    diary: Diary,
    refuses: bool,
    /// Looks at what readers see when it is told that its commit has reached its level.
    looks: Option<Log>,
}

impl CommitOwner for Clerk {
    fn place(&self, first: TxOffset) -> Result<(), Refusal> {
        self.diary.note(format!("place {} {first}", self.name));
        match self.refuses {
            true => Err("it is not wanted".into()),
            false => Ok(()),
        }
    }

    fn apply(&self, committed: &Committed) {
        let first = committed.first;
        self.diary.note(format!("apply {} {first}", self.name));
        if let Some(log) = &self.looks {
            let seen = log.visible_through();
            assert!(seen <= first, "[I5] readers see {first} before its owner");
        }
    }

    fn fail(&self, first: TxOffset, error: &LogError) {
        let class = error.class();
        self.diary
            .note(format!("fail {} {first} {class:?}", self.name));
    }
}

fn clerk(diary: &Diary, name: &'static str) -> Arc<Clerk> {
    Arc::new(Clerk {
        name,
        diary: diary.clone(),
        refuses: false,
        looks: None,
    })
}

fn refusing(diary: &Diary, name: &'static str) -> Arc<Clerk> {
    Arc::new(Clerk {
        name,
        diary: diary.clone(),
        refuses: true,
        looks: None,
    })
}

/// [I5] Owners are told in log order, and before readers see their commits.
#[test]
fn owners_are_told_in_log_order_before_readers_see_anything() {
    for durability in [Durability::Buffered, Durability::Os, Durability::Synced] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        let diary = Diary::default();
        let looking = |name| {
            Arc::new(Clerk {
                looks: Some(log.clone()),
                ..Clerk {
                    name,
                    diary: diary.clone(),
                    refuses: false,
                    looks: None,
                }
            })
        };
        let a = log.submit_owned(&["a"], durability, looking("a")).unwrap();
        let b = log
            .submit_owned(&["b", "c"], durability, looking("b"))
            .unwrap();
        assert_eq!(diary.take(), [""; 0], "nobody has led yet");
        let own = log
            .commit_owned(&["d"], durability, looking("own"))
            .unwrap();
        let told = [
            "place a 0",
            "place b 1",
            "place own 3",
            "apply a 0",
            "apply b 1",
            "apply own 3",
        ];
        assert_eq!(diary.take(), told);
        assert_eq!(own.first, tx(3));
        assert_eq!(a.wait().unwrap().first, tx(0));
        assert_eq!(b.wait().unwrap().range(), tx(1)..tx(3));
    }
}

#[test]
fn a_refused_commit_takes_no_offset_and_the_group_goes_on() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    let diary = Diary::default();
    let submit = |name, owner| {
        log.submit_owned(&[name], Durability::Synced, owner)
            .unwrap()
    };
    let a = submit("a", clerk(&diary, "a"));
    let b = submit("b", refusing(&diary, "b"));
    let c = submit("c", clerk(&diary, "c"));
    let own = log.commit_owned(&["d"], Durability::Synced, refusing(&diary, "d"));
    let told = [
        "place a 0",
        "place b 1",
        "place c 1",
        "place d 2",
        "apply a 0",
        "apply c 1",
    ];
    assert_eq!(diary.take(), told, "who refuses hears no more");
    assert!(matches!(own, Err(LogError::Refused { .. })), "{own:?}");
    assert_eq!(a.wait().unwrap().first, tx(0));
    let refused = b.wait();
    let Err(LogError::Refused { source }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(source.to_string(), "it is not wanted");
    assert_eq!(c.wait().unwrap().first, tx(1));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a", "1:c"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a", "1:c"]);
}

#[test]
fn a_batch_of_refusals_writes_nothing() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let before = (scratch.read("00000000000000000000.log"), log.stats());
    let diary = Diary::default();
    let own = log.commit_owned(&["b"], Durability::Synced, refusing(&diary, "b"));
    assert!(matches!(own, Err(LogError::Refused { .. })), "{own:?}");
    let after = (scratch.read("00000000000000000000.log"), log.stats());
    assert!(before == after);
    assert!(log.poison().is_none());
    let next = log.commit(&["c"], Durability::Synced).unwrap();
    assert_eq!(next.first, tx(1));
}

/// [I4] A failed batch is told in order, whether the log goes on or not.
#[test]
fn a_failed_batch_is_told_in_order() {
    let cases = [
        (CallKind::Write, Errno::Enospc, "NoSpace"),
        (CallKind::Write, Errno::Eio, "System"),
        (CallKind::SyncData, Errno::Eio, "System"),
        (CallKind::SyncData, Errno::Enospc, "Poisoned"),
    ];
    for (kind, errno, class) in cases {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        commit(&log, &["before"]);
        let diary = Diary::default();
        let submit = |name, owner| {
            log.submit_owned(&[name], Durability::Synced, owner)
                .unwrap()
        };
        let a = submit("a", clerk(&diary, "a"));
        let b = submit("b", refusing(&diary, "b"));
        let c = submit("c", clerk(&diary, "c"));
        scratch.disk.fail(kind).errno(errno);
        let own = log.commit_owned(&["d"], Durability::Synced, clerk(&diary, "d"));
        let failed = |name, first| format!("fail {name} {first} {class}");
        let told = [
            "place a 1".to_owned(),
            "place b 2".to_owned(),
            "place c 2".to_owned(),
            "place d 3".to_owned(),
            failed("a", 1),
            failed("c", 2),
            failed("d", 3),
        ];
        assert_eq!(diary.take(), told, "{kind:?} {errno:?}");
        for outcome in [a.wait(), c.wait(), own] {
            let error = outcome.unwrap_err();
            assert_eq!(format!("{:?}", error.class()), class, "{kind:?} {errno:?}");
        }
        assert!(matches!(b.wait(), Err(LogError::Refused { .. })));
        assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:before"]);
        match class {
            "NoSpace" => {
                let again = log.commit_owned(&["e"], Durability::Synced, clerk(&diary, "e"));
                assert_eq!(again.unwrap().first, tx(1), "the offsets were never given");
                assert_eq!(diary.take(), ["place e 1", "apply e 1"]);
            }
            _ => {
                let refused = log.commit_owned(&["e"], Durability::Synced, clerk(&diary, "e"));
                assert!(matches!(refused, Err(LogError::Poisoned { .. })));
                assert_eq!(diary.take(), [""; 0], "what was never placed is not told");
            }
        }
    }
}

/// A log whose segments hold two commits of 150 bytes, with `count` such commits queued.
fn queued(count: usize, diary: &Diary) -> (Scratch, Log, Vec<crate::commitlog::Ticket>) {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    let tickets = NAMES[..count].iter().map(|name| {
        let record = name.repeat(150);
        log.submit_owned(&[record], Durability::Synced, clerk(diary, name))
            .unwrap()
    });
    let tickets = tickets.collect();
    (scratch, log, tickets)
}

/// [I1] What a rotation in the middle of a batch completes is acknowledged with its level, and the
/// rest after it.
#[test]
fn a_batch_goes_on_across_rotations() {
    let diary = Diary::default();
    let (scratch, log, tickets) = queued(5, &diary);
    log.sync().unwrap();
    let told = diary.take();
    let expected = [
        "place a 0",
        "place b 1",
        "apply a 0",
        "apply b 1",
        "place c 2",
        "place d 3",
        "apply c 2",
        "apply d 3",
        "place e 4",
        "apply e 4",
    ];
    assert_eq!(told, expected);
    for (first, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(ticket.wait().unwrap().first, tx(first as u64));
    }
    assert_eq!((log.stats().rotations, log.durable_through()), (2, tx(5)));
    drop(log);
    assert_eq!(scratch.records().len(), 5);
}

/// [I4] What was completed before a rotation that fails in the middle of a batch stays
/// acknowledged; nothing of the rest is in the log.
#[test]
fn commits_before_a_failing_rotation_in_their_batch_stay_acknowledged() {
    let cases = [
        (CallKind::Open, Errno::Enospc, true),
        (CallKind::Open, Errno::Emfile, true),
        (CallKind::Write, Errno::Enospc, true),
        (CallKind::SyncAll, Errno::Eio, false),
    ];
    for (kind, errno, goes_on) in cases {
        let diary = Diary::default();
        let (scratch, log, tickets) = queued(5, &diary);
        // A name that is no use is tried in three forms.
        let times = if errno == Errno::Emfile { 3 } else { 1 };
        let fault = scratch.disk.fail(kind).on("*2.tmp*");
        fault.times(times).errno(errno);
        let flushed = log.flush();
        assert_eq!(log.poison().is_none(), goes_on, "{kind:?} {errno:?}");
        let told = diary.take();
        assert_eq!(
            told[..4],
            ["place a 0", "place b 1", "apply a 0", "apply b 1"]
        );
        assert_eq!(told.len(), 4, "the others were never placed: {told:?}");
        for (at, ticket) in tickets.into_iter().enumerate() {
            match ticket.wait() {
                Ok(committed) => assert_eq!((committed.first, at < 2), (tx(at as u64), true)),
                Err(error) => assert!(at >= 2, "{error}"),
            }
        }
        let has_space_only = errno == Errno::Enospc;
        assert_eq!(
            flushed.is_ok(),
            has_space_only,
            "{kind:?} {errno:?} {flushed:?}"
        );
        let shown = read(log.reader(tx(0)).unwrap());
        assert_eq!(shown.len(), 2);
        if goes_on {
            assert_eq!(log.commit(&["g"], Durability::Synced).unwrap().first, tx(2));
            assert_eq!(
                scratch.names().len(),
                1 + usize::from(log.stats().rotations > 0)
            );
        }
        drop(log);
        assert_eq!(scratch.records()[..2], shown, "[I4] {kind:?} {errno:?}");
    }
}

/// [I1] [I5] Everybody in a batch waits for the highest level among them.
#[test]
fn a_batch_is_brought_to_its_highest_level() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    let low = log.submit(&["a"], Durability::Buffered).unwrap();
    let high = log.submit(&["b"], Durability::Synced).unwrap();
    let middle = log.submit(&["c"], Durability::Os).unwrap();
    low.wait().unwrap();
    assert_eq!(
        log.durable_through(),
        tx(3),
        "[I1] all reached the level of one"
    );
    assert_eq!(high.outcome().unwrap().unwrap().first, tx(1));
    assert_eq!(middle.outcome().unwrap().unwrap().first, tx(2));
    assert_eq!(log.stats().batches, 1);
    let mut synced = log.reader_of(tx(0), ReadScope::Synced).unwrap();
    for first in 0..3 {
        assert_eq!(synced.next_commit().unwrap().unwrap().first(), tx(first));
    }
}

/// [I2] Clients commit in turn: each finds its commits in the order in which it handed them in.
#[test]
fn many_clients_share_syncs_and_all_is_in_order() {
    let scratch = Scratch::os();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(16 << 10))
        .unwrap();
    let (clients, rounds) = (4, 50);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let log = log.clone();
            let body = move || {
                let mut last = None;
                for round in 0..rounds {
                    let committed = log.commit(&[format!("{client}.{round}")], Durability::Synced);
                    let first = committed.unwrap().first;
                    assert!(
                        last < Some(first),
                        "[I2] a client's commits are in its order"
                    );
                    last = Some(first);
                }
            };
            scratch
                .env
                .tasks()
                .spawn(&format!("client {client}"), Box::new(body))
                .unwrap()
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    let records = read(log.reader(tx(0)).unwrap());
    assert_eq!(records.len(), clients * rounds);
    assert_eq!(log.stats().commits, (clients * rounds) as u64);
    assert_eq!(log.durable_through(), tx((clients * rounds) as u64));
    drop(log);
    assert_eq!(scratch.records(), records);
}

/// [I3] Whoever takes tickets settles them.
#[test]
fn tickets_are_settled_by_whoever_leads() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    let first = log.submit(&["a"], Durability::Synced).unwrap();
    let second = log.submit(&["b"], Durability::Buffered).unwrap();
    assert!(first.outcome().is_none());
    log.commit(&["c"], Durability::Os).unwrap();
    assert_eq!(first.wait().unwrap().first, tx(0));
    assert_eq!(second.wait().unwrap().first, tx(1));
    let forgotten = log.submit(&["d"], Durability::Synced).unwrap();
    drop(forgotten);
    assert_eq!(log.sync().unwrap(), tx(4));
    let refused = log.submit(&["e"], Durability::Synced).unwrap();
    log.close().unwrap();
    assert_eq!(
        refused.wait().unwrap().first,
        tx(4),
        "closing carries out what is queued"
    );
    assert_eq!(scratch.records(), ["0:a", "1:b", "2:c", "3:d", "4:e"]);
}

/// A record that can be measured, and panics when it is copied.
struct Trap(std::cell::Cell<u32>);

impl AsRef<[u8]> for Trap {
    fn as_ref(&self) -> &[u8] {
        self.0.set(self.0.get() + 1);
        assert!(self.0.get() < 2, "the trap snaps");
        b"trap"
    }
}

/// [I3] A leader that unwinds settles what it took; and writer [I5]: nothing is written after
/// it.
#[test]
fn a_panic_in_the_middle_of_a_write_is_the_last_one() {
    let scratch = Scratch::os();
    let (log, _) = scratch.open();
    commit(&log, &["a"]);
    let waiting = log.submit(&["b"], Durability::Synced).unwrap();
    let leader = log.clone();
    let body = move || drop(leader.commit(&[Trap(0.into())], Durability::Synced));
    let task = scratch.env.tasks().spawn("leader", Box::new(body)).unwrap();
    assert!(task.join().is_err(), "the panic is the task's");
    assert!(matches!(waiting.wait(), Err(LogError::Interrupted)));
    let refused = log.commit(&["c"], Durability::Buffered);
    assert!(
        matches!(refused, Err(LogError::Poisoned { .. })),
        "{refused:?}"
    );
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:a"]);
    drop(log);
    assert_eq!(scratch.records(), ["0:a"]);
}
