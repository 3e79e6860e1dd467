//! The scheduler by itself: orders, blocking, time, crashes, deadlocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blackstart_vfs::{Env, Event};
use parking_lot::Mutex;

use super::{Deviation, Finish, Schedule, Stop, World, WorldConfig};
use crate::call::{CallId, CallKind};
use crate::disk::{DiskConfig, SimFs};
use crate::quiet::Quiet;

fn env(world: &World) -> Env {
    let shared = Arc::new(world.clone());
    let fs = Arc::new(SimFs::new(DiskConfig::default()));
    Env::new(fs, shared.clone(), shared.clone(), shared)
}

/// Runs `body` as the main task and returns how it ended.
fn run(config: WorldConfig, body: impl FnOnce(Env) + Send + 'static) -> (Finish, World) {
    let _quiet = Quiet::new();
    let world = World::new(config);
    let env = env(&world);
    let finish = world.run(Box::new(move || body(env)));
    (finish, world)
}

/// Two tasks that each write three letters, with a yield after each.
fn letters(schedule: Schedule) -> String {
    let text = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&text);
    let (finish, _) = run(
        WorldConfig {
            schedule,
            ..WorldConfig::default()
        },
        move |env| {
            let mut tasks = Vec::new();
            for letter in ['a', 'b'] {
                let (text, tasks_env) = (Arc::clone(&written), env.clone());
                let body = move || {
                    for _ in 0..3 {
                        text.lock().push(letter);
                        tasks_env.tasks().checkpoint();
                    }
                };
                tasks.push(
                    env.tasks()
                        .spawn(&letter.to_string(), Box::new(body))
                        .expect("spawns"),
                );
            }
            for task in tasks {
                task.join().expect("no panic");
            }
        },
    );
    assert_eq!(finish, Finish::Complete);
    Arc::into_inner(text)
        .expect("the tasks have ended")
        .into_inner()
}

#[test]
fn a_task_runs_until_it_blocks() {
    assert_eq!(letters(Schedule::RunUntilBlocked), "aaabbb");
}

#[test]
fn deviations_switch_where_they_say() {
    let at = CallId {
        op: 0,
        task: 1,
        kind: CallKind::Checkpoint,
        nth: 0,
    };
    let schedule = Schedule::Deviations(vec![Deviation { at, to: 2 }]);
    assert_eq!(letters(schedule), "abbbaa");
}

#[test]
fn hashed_schedules_differ_and_repeat() {
    let hashed = |seed| letters(Schedule::Hashed { seed, one_in: 2 });
    let texts: std::collections::BTreeSet<String> = (0..32).map(hashed).collect();
    assert!(texts.len() > 4, "{texts:?}");
    assert_eq!(hashed(7), hashed(7));
}

#[test]
fn what_a_hash_chose_can_be_written_down() {
    for seed in 0..32 {
        let schedule = Schedule::Hashed { seed, one_in: 2 };
        let body = |env: Env| {
            let turn = Arc::new(AtomicU64::new(0));
            let mut tasks = Vec::new();
            for number in 0..3 {
                let (turn, task_env) = (Arc::clone(&turn), env.clone());
                let body = move || {
                    for _ in 0..4 {
                        turn.fetch_add(number, Ordering::SeqCst);
                        task_env.tasks().yield_now();
                    }
                };
                tasks.push(env.tasks().spawn("t", Box::new(body)).expect("spawns"));
            }
            for task in tasks {
                task.join().expect("no panic");
            }
        };
        let (_, hashed) = run(
            WorldConfig {
                schedule,
                ..WorldConfig::default()
            },
            body,
        );
        let schedule = Schedule::Deviations(hashed.taken());
        let (_, explicit) = run(
            WorldConfig {
                schedule,
                ..WorldConfig::default()
            },
            body,
        );
        assert_eq!(hashed.call_hash(), explicit.call_hash(), "seed {seed}");
    }
}

#[test]
fn a_wait_without_a_notification_is_a_deadlock() {
    let (finish, _) = run(WorldConfig::default(), |env| {
        let event = Event::new(&env);
        event.wait(event.ticket());
    });
    let Finish::Deadlock { waiting } = finish else {
        panic!("{finish:?}")
    };
    assert_eq!(waiting.len(), 1);
    assert!(
        waiting[0].starts_with("main waits for event 1"),
        "{waiting:?}"
    );
}

#[test]
fn a_notification_between_ticket_and_wait_is_not_lost() {
    let (finish, _) = run(WorldConfig::default(), |env| {
        let event = Event::new(&env);
        let ticket = event.ticket();
        event.notify_one();
        event.wait(ticket);
    });
    assert_eq!(finish, Finish::Complete);
}

#[test]
fn waiting_ends_at_the_deadline_in_virtual_time() {
    let (finish, world) = run(WorldConfig::default(), |env| {
        let event = Event::new(&env);
        let deadline = env.clock().monotonic() + Duration::from_secs(3_600);
        assert!(!event.wait_until(event.ticket(), deadline));
        assert!(env.clock().monotonic() >= deadline);
    });
    assert_eq!(finish, Finish::Complete);
    assert!(world.now_ns() > 3_600_000_000_000);
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let woken = Arc::clone(&order);
    let (finish, _) = run(WorldConfig::default(), move |env| {
        let mut tasks = Vec::new();
        for seconds in [3, 1, 2] {
            let (task_env, woken) = (env.clone(), Arc::clone(&woken));
            let body = move || {
                task_env.clock().sleep(Duration::from_secs(seconds));
                woken.lock().push(seconds);
            };
            tasks.push(
                env.tasks()
                    .spawn("sleeper", Box::new(body))
                    .expect("spawns"),
            );
        }
        for task in tasks {
            task.join().expect("no panic");
        }
    });
    assert_eq!(finish, Finish::Complete);
    assert_eq!(*order.lock(), [1, 2, 3]);
}

/// The seam's lib [I3]: a destructor calls while its task unwinds.
#[test]
fn a_crash_unwinds_every_task_and_runs_destructors() {
    struct Counts(Arc<AtomicU64>, Env);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            // A call from a destructor during a crash has no effect and does not switch.
            self.1.tasks().checkpoint();
        }
    }
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    let stop = Stop::Before(CallId {
        op: 0,
        task: 1,
        kind: CallKind::Checkpoint,
        nth: 2,
    });
    let (finish, _) = run(
        WorldConfig {
            stop,
            ..WorldConfig::default()
        },
        move |env| {
            let _main = Counts(Arc::clone(&count), env.clone());
            for _ in 0..2 {
                let (task_env, count) = (env.clone(), Arc::clone(&count));
                let body = move || {
                    let _task = Counts(count, task_env.clone());
                    loop {
                        task_env.tasks().checkpoint();
                    }
                };
                let _ = env.tasks().spawn("worker", Box::new(body)).expect("spawns");
            }
            let event = Event::new(&env);
            event.wait(event.ticket());
        },
    );
    assert_eq!(finish, Finish::Crashed);
    // The second worker never had a turn, and so never began.
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn a_panic_fails_the_run_and_names_the_task_and_the_place() {
    let (finish, _) = run(WorldConfig::default(), |env| {
        let body = || panic!("a defect");
        let task = env.tasks().spawn("broken", Box::new(body)).expect("spawns");
        let _ = task.join();
        unreachable!("nothing runs on after a panic");
    });
    let Finish::Panicked { task, message } = finish else {
        panic!("{finish:?}")
    };
    assert_eq!(task, "broken");
    assert!(
        message.starts_with("a defect (at ") && message.contains("tests.rs:"),
        "{message}"
    );
}

#[test]
fn an_endless_run_is_stopped() {
    let config = WorldConfig {
        calls_max: 1_000,
        ..WorldConfig::default()
    };
    let (finish, _) = run(config, |env| {
        loop {
            env.tasks().yield_now();
        }
    });
    assert_eq!(finish, Finish::NoProgress { calls: 1_001 });
}

#[test]
fn a_mutex_admits_one_at_a_time_in_every_order() {
    for seed in 0..64 {
        let schedule = Schedule::Hashed { seed, one_in: 2 };
        let (finish, _) = run(
            WorldConfig {
                schedule,
                ..WorldConfig::default()
            },
            |env| {
                let inside = Arc::new(blackstart_vfs::Mutex::new(&env, 0u64));
                let mut tasks = Vec::new();
                for _ in 0..3 {
                    let (task_env, inside) = (env.clone(), Arc::clone(&inside));
                    let body = move || {
                        for _ in 0..3 {
                            let mut guard = inside.lock();
                            let before = *guard;
                            task_env.tasks().yield_now();
                            *guard = before + 1;
                        }
                    };
                    tasks.push(env.tasks().spawn("holder", Box::new(body)).expect("spawns"));
                }
                for task in tasks {
                    task.join().expect("no panic");
                }
                assert_eq!(*inside.lock(), 9);
            },
        );
        assert_eq!(finish, Finish::Complete, "seed {seed}");
    }
}
