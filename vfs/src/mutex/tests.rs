//! The mutex under real threads. In the simulator it is a matter of scenarios.

use std::sync::Arc;

use crate::{Env, Mutex};

#[test]
fn a_held_mutex_is_not_given_twice() {
    let mutex = Mutex::new(&Env::os("."), 1);
    let mut guard = mutex.try_lock().unwrap();
    *guard += 1;
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert_eq!(*mutex.lock(), 2);
}

/// The increment is split in a read and a write with other tasks let in between, so that two
/// holders at once would lose some; a lost wake would stop the test.
#[test]
fn holders_exclude_each_other() {
    const TASKS: u64 = 6;
    const ROUNDS: u64 = 2_000;
    let env = Env::os(".");
    let mutex = Arc::new(Mutex::new(&env, 0_u64));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (mutex, inner) = (Arc::clone(&mutex), env.clone());
            let body = move || {
                for round in 0..ROUNDS {
                    let mut guard = mutex.lock();
                    let before = *guard;
                    if round % 16 == 0 {
                        inner.tasks().yield_now();
                    }
                    *guard = before + 1;
                }
            };
            env.tasks().spawn("incrementer", Box::new(body)).unwrap()
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    assert_eq!(*mutex.lock(), TASKS * ROUNDS);
}

#[test]
fn a_panicking_holder_frees_it() {
    let env = Env::os(".");
    let mutex = Arc::new(Mutex::new(&env, ()));
    let inner = Arc::clone(&mutex);
    let body = move || {
        let _guard = inner.lock();
        panic!("holding");
    };
    assert!(
        env.tasks()
            .spawn("holder", Box::new(body))
            .unwrap()
            .join()
            .is_err()
    );
    assert!(mutex.try_lock().is_some());
}
