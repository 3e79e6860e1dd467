//! The eventcount, step by step and under real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use rustix::thread::futex;

use super::OsEvent;
use crate::os::{OsClock, OsTasks};
use crate::{Clock, Env, Event, RawEvent, Tasks};

fn env() -> Env {
    Env::os(".")
}

/// [I1] The notification comes before the wait.
#[test]
fn a_notification_after_the_ticket_is_not_lost() {
    let event = Event::new(&env());
    for notify in [Event::notify_one, Event::notify_all] {
        let ticket = event.ticket();
        notify(&event);
        // Would block forever if the notification were lost.
        event.wait(ticket);
        assert_ne!(event.ticket(), ticket);
    }
}

#[test]
fn a_deadline_passes() {
    let (clock, event) = (OsClock::new(), Event::new(&env()));
    let deadline = clock.monotonic() + Duration::from_millis(5);
    assert!(!event.wait_until(event.ticket(), deadline));
    assert!(clock.monotonic() >= deadline);
}

#[test]
fn a_deadline_in_the_past_returns_at_once() {
    let (clock, event) = (OsClock::new(), Event::new(&env()));
    let past = clock.monotonic();
    assert!(!event.wait_until(event.ticket(), past));
}

#[test]
fn a_stale_ticket_wins_over_a_passed_deadline() {
    let (clock, event) = (OsClock::new(), Event::new(&env()));
    let ticket = event.ticket();
    event.notify_one();
    assert!(event.wait_until(ticket, clock.monotonic()));
}

#[test]
fn a_deadline_beyond_what_the_system_can_express_is_none() {
    let env = env();
    let event = Event::new(&env);
    let ticket = event.ticket();
    let notifier = event.clone();
    let body = move || notifier.notify_all();
    let task = env.tasks().spawn("notifier", Box::new(body)).unwrap();
    assert!(event.wait_until(ticket, crate::Monotonic::from_origin(Duration::MAX)));
    task.join().unwrap();
}

#[test]
fn notify_all_wakes_every_waiter() {
    const WAITERS: usize = 8;
    let env = env();
    let (event, arrived) = (Event::new(&env), Arc::new(AtomicU64::new(0)));
    let ticket = event.ticket();
    let tasks: Vec<_> = (0..WAITERS)
        .map(|_| {
            let (event, arrived) = (event.clone(), Arc::clone(&arrived));
            let body = move || {
                arrived.fetch_add(1, SeqCst);
                event.wait(ticket);
            };
            env.tasks().spawn("waiter", Box::new(body)).unwrap()
        })
        .collect();
    while arrived.load(SeqCst) < WAITERS as u64 {
        env.tasks().yield_now();
    }
    event.notify_all();
    for task in tasks {
        task.join().unwrap();
    }
}

/// [I2] Who is woken returns, though its own ticket is not stale.
#[test]
fn a_wake_is_not_swallowed_by_a_fresh_ticket() {
    let (event, ended) = (
        Arc::new(OsEvent::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let (waiter, over) = (Arc::clone(&event), Arc::clone(&ended));
    let body = move || {
        let deadline = OsClock::new().monotonic() + Duration::from_secs(10);
        let is_woken = waiter.wait(waiter.ticket(), Some(deadline));
        over.store(true, SeqCst);
        assert!(is_woken, "[I2] a wake was swallowed");
    };
    let task = OsTasks::new().spawn("waiter", Box::new(body)).unwrap();
    while !ended.load(SeqCst) {
        // A wake alone: the epoch stays as it is.
        futex::wake(&event.epoch, futex::Flags::PRIVATE, 1).unwrap();
        OsTasks::new().yield_now();
    }
    task.join().unwrap();
}

/// Spins for about that long.
fn spin(steps: u64) {
    for _ in 0..steps {
        std::hint::spin_loop();
    }
}

/// [I1] A wait and a notification start at the same moment, with delays that sweep over each other,
/// so that one of them falls into every gap of the protocol.
#[test]
fn no_gap_in_the_protocol_loses_a_wake() {
    const ROUNDS: u64 = 60_000;
    let (env, clock) = (env(), OsClock::new());
    let (event, begun) = (Event::new(&env), Arc::new(AtomicU64::new(0)));
    let ended = Arc::new(AtomicU64::new(0));
    let (notifier, start, seen) = (event.clone(), Arc::clone(&begun), Arc::clone(&ended));
    let body = move || {
        for round in 1..=ROUNDS {
            while start.load(SeqCst) < round {
                std::hint::spin_loop();
            }
            spin(round % 29);
            notifier.notify_one();
            // Without this a notification of the next round could make up for a lost one.
            while seen.load(SeqCst) < round {
                OsTasks::new().yield_now();
            }
        }
    };
    let task = env.tasks().spawn("notifier", Box::new(body)).unwrap();
    for round in 1..=ROUNDS {
        let (ticket, deadline) = (event.ticket(), clock.monotonic() + Duration::from_secs(10));
        begun.store(round, SeqCst);
        spin(round % 31);
        event.wait_until(ticket, deadline);
        ended.store(round, SeqCst);
        // A lost wake shows as a wait that lasts until the deadline.
        assert!(
            clock.monotonic() < deadline,
            "[I1] a wake was lost in round {round}"
        );
    }
    task.join().unwrap();
}

/// Two tasks hand a number to and fro; each step needs exactly one notification, so one that is
/// lost stops the test.
#[test]
fn ping_pong_loses_no_wake() {
    const STEPS: u64 = 20_000;
    let env = env();
    let turn = Arc::new(AtomicU64::new(0));
    let event = Event::new(&env);
    let tasks: Vec<_> = (0..2)
        .map(|me| {
            let (event, turn) = (event.clone(), Arc::clone(&turn));
            let body = move || {
                for step in (me..STEPS).step_by(2) {
                    loop {
                        let ticket = event.ticket();
                        if turn.load(SeqCst) == step {
                            break;
                        }
                        event.wait(ticket);
                    }
                    turn.store(step + 1, SeqCst);
                    event.notify_one();
                }
            };
            env.tasks().spawn("player", Box::new(body)).unwrap()
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    assert_eq!(turn.load(SeqCst), STEPS);
}

/// Producers and consumers of a bounded count, with timeouts mixed in.
#[test]
fn every_item_is_consumed_once() {
    const ITEMS: u64 = 10_000;
    const PAIRS: u64 = 3;
    let env = env();
    let (stock, consumed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let event = Event::new(&env);
    let mut tasks = Vec::new();
    for pair in 0..PAIRS {
        let (events, stocks) = (event.clone(), Arc::clone(&stock));
        let producer = move || {
            for _ in 0..ITEMS {
                stocks.fetch_add(1, SeqCst);
                events.notify_one();
            }
        };
        let (events, stocks, taken) = (event.clone(), Arc::clone(&stock), Arc::clone(&consumed));
        let consumer = move || {
            let clock = OsClock::new();
            for _ in 0..ITEMS {
                loop {
                    let ticket = events.ticket();
                    if stocks
                        .try_update(SeqCst, SeqCst, |count| count.checked_sub(1))
                        .is_ok()
                    {
                        break;
                    }
                    if pair == 0 {
                        events.wait_until(ticket, clock.monotonic() + Duration::from_micros(20));
                    } else {
                        events.wait(ticket);
                    }
                }
                taken.fetch_add(1, SeqCst);
            }
        };
        tasks.push(env.tasks().spawn("producer", Box::new(producer)).unwrap());
        tasks.push(env.tasks().spawn("consumer", Box::new(consumer)).unwrap());
    }
    for task in tasks {
        task.join().unwrap();
    }
    assert_eq!(
        (stock.load(SeqCst), consumed.load(SeqCst)),
        (0, ITEMS * PAIRS)
    );
}
