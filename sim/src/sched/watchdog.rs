//! A watchdog on the real clock: names a task that blocks outside the seam.
//!
//! The scheduler cannot take the processor from a task that waits on a third party's condition
//! variable or loops without a seam call. A thread of its own watches the worker's progress and,
//! after a while without any, reports the task by name and ends the process with exit code 70.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Beat>>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Beat {
    /// Turns of the scheduler so far.
    turns: AtomicU64,
    /// Whether a task runs now (between runs nothing is expected).
    running: AtomicBool,
    task: Mutex<String>,
    ended: AtomicBool,
}

/// Watches the runs of the thread that made it, until dropped.
pub struct Watchdog {
    beat: Arc<Beat>,
}

impl Watchdog {
    /// Watches this thread: a task that keeps the processor for `patience` ends the process.
    pub fn new(patience: Duration) -> Self {
        let beat = Arc::new(Beat::default());
        CURRENT.set(Some(Arc::clone(&beat)));
        let watched = Arc::clone(&beat);
        #[expect(clippy::disallowed_methods, reason = "the watchdog lives on real time")]
        std::thread::spawn(move || watch(&watched, patience));
        Self { beat }
    }

    /// The hand by which a run on this thread reports its turns, if the thread is watched.
    pub(super) fn current() -> Option<Hand> {
        CURRENT.with_borrow(|current| {
            current.as_ref().map(|beat| Hand {
                beat: Arc::clone(beat),
            })
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.beat.ended.store(true, Ordering::Relaxed);
        CURRENT.set(None);
    }
}

#[expect(clippy::disallowed_methods, reason = "the watchdog lives on real time")]
fn watch(beat: &Beat, patience: Duration) {
    let mut last = 0;
    while !beat.ended.load(Ordering::Relaxed) {
        std::thread::sleep(patience);
        let turns = beat.turns.load(Ordering::Relaxed);
        if beat.running.load(Ordering::Relaxed) && turns == last && turns != 0 {
            let task = beat.task.lock().clone();
            report(&task, patience);
            std::process::exit(70);
        }
        last = turns;
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the process ends here and nothing else can say why"
)]
fn report(task: &str, patience: Duration) {
    eprintln!(
        "task {task} has not returned to the scheduler for {} s: it blocks or loops outside the \
         seam (a lock or condition variable that is not blackstart_vfs's)",
        patience.as_secs()
    );
}

/// Reports one run's turns.
pub(super) struct Hand {
    beat: Arc<Beat>,
}

impl Hand {
    /// A task gets its turn.
    pub fn running(&mut self, task: impl FnOnce() -> String) {
        self.beat.turns.fetch_add(1, Ordering::Relaxed);
        self.beat.running.store(true, Ordering::Relaxed);
        *self.beat.task.lock() = task();
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.beat.running.store(false, Ordering::Relaxed);
    }
}
