//! The eventcount of real threads.
//!
//! Protocol, with `epoch` and `waiters` both sequentially consistent:
//!
//! | waiter                                   | notifier                           |
//! |------------------------------------------|------------------------------------|
//! | reads `epoch`: the ticket                | makes the condition true           |
//! | checks its condition: false              | adds 1 to `epoch`                  |
//! | adds 1 to `waiters`                      | reads `waiters`: 0 → done          |
//! | locks, reads `epoch`: changed → returns  | locks, unlocks, wakes the condvar  |
//! | waits on the condvar (unlocks)           |                                    |
//!
//! Invariants:
//! - \[I1\] No notification is lost. In the single order of the four marked operations either the
//!   waiter's read of `epoch` comes after the notifier's addition, and the waiter does not wait;
//!   or the notifier's read of `waiters` comes after the waiter's addition, and the notifier takes
//!   the lock, which it gets before the waiter's check or after the waiter sleeps.
//! - \[I2\] A wake is never swallowed: who is woken from the condvar returns, even if its own
//!   ticket is not stale, since the wake may have been meant to let *someone* check.
//! - \[I3\] Notifying while nobody waits costs one atomic addition and one load.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};

use super::clock;
use crate::{Monotonic, RawEvent, Ticket};

#[derive(Default)]
pub(super) struct OsEvent {
    /// How often anything was notified. It wraps after centuries.
    epoch: AtomicU64,
    /// How many threads are between announcing themselves and returning from `wait`.
    waiters: AtomicUsize,
    sleep: Mutex<()>,
    woken: Condvar,
}

impl OsEvent {
    /// The part of `wait` during which the thread is announced in `waiters`.
    fn wait_announced(&self, ticket: Ticket, deadline: Option<Monotonic>) -> bool {
        let mut guard = self.sleep.lock();
        if self.ticket() != ticket {
            return true;
        }
        match deadline.and_then(clock::instant) {
            // No deadline, or one beyond what the system can express.
            None => {
                self.woken.wait(&mut guard);
                true
            }
            Some(deadline) => {
                let timed_out = self.woken.wait_until(&mut guard, deadline).timed_out();
                !timed_out || self.ticket() != ticket
            }
        }
    }
}

impl RawEvent for OsEvent {
    fn ticket(&self) -> Ticket {
        Ticket(self.epoch.load(SeqCst))
    }

    fn wait(&self, ticket: Ticket, deadline: Option<Monotonic>) -> bool {
        if self.ticket() != ticket {
            return true;
        }
        self.waiters.fetch_add(1, SeqCst);
        let notified = self.wait_announced(ticket, deadline);
        self.waiters.fetch_sub(1, SeqCst);
        notified
    }

    fn notify(&self, all: bool) {
        self.epoch.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) == 0 {
            return;
        }
        // A waiter that read the old epoch holds this lock until it sleeps.
        drop(self.sleep.lock());
        if all {
            self.woken.notify_all();
        } else {
            self.woken.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
