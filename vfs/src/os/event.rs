//! The eventcount of real threads, on a futex.
//!
//! Protocol, with `epoch` and `waiters` both sequentially consistent:
//!
//! | waiter                                    | notifier                     |
//! |-------------------------------------------|------------------------------|
//! | reads `epoch`: the ticket                 | makes the condition true     |
//! | checks its condition: false               | adds 1 to `epoch`            |
//! | adds 1 to `waiters`                       | reads `waiters`: 0 → done    |
//! | sleeps if `epoch` is still the ticket     | wakes who sleeps on `epoch`  |
//!
//! The kernel compares and falls asleep under the lock under which it wakes sleepers.
//!
//! Invariants:
//! - \[I1\] No notification is lost. In the single order of the marked operations either the
//!   kernel's read of `epoch` comes after the notifier's addition, and the waiter does not sleep;
//!   or the notifier's read of `waiters` comes after the waiter's addition, and its wake finds the
//!   waiter asleep, or before its comparison, which then fails.
//! - \[I2\] A wake is never swallowed: who is woken returns, even if its own ticket is not stale,
//!   since the wake may have been meant to let *someone* check.
//!
//! Notifying while nobody waits costs one atomic addition and one load. All that a notification
//! wakes run at once. There is no lock for them to take in turn: on two cores a convoy behind a
//! condition variable's mutex costs a group of 8 writers a tenth of their commits.
//!
//! Tickets have 32 bits, as futexes do. Not guarded against: exactly 2³² notifications (minutes of
//! nothing else) between the moment a thread takes a ticket and the moment it falls asleep.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

use rustix::io::Errno;
use rustix::thread::futex;

use super::clock;
use crate::{Monotonic, RawEvent, Ticket};

#[derive(Default)]
pub(super) struct OsEvent {
    /// How often anything was notified, modulo 2³². Waiters sleep on it.
    epoch: AtomicU32,
    /// How many threads are between announcing themselves and returning from `wait`.
    waiters: AtomicUsize,
}

impl OsEvent {
    /// The part of `wait` during which the thread is announced in `waiters`.
    fn wait_announced(&self, ticket: u32, deadline: Option<Monotonic>) -> bool {
        loop {
            // A deadline beyond what the system can express is none.
            let left = deadline.map(clock::left);
            let timeout = left.and_then(|left| futex::Timespec::try_from(left).ok());
            if left.is_some_and(|left| left.is_zero()) {
                return self.epoch.load(SeqCst) != ticket;
            }
            match futex::wait(&self.epoch, futex::Flags::PRIVATE, ticket, timeout.as_ref()) {
                // A signal, or a timeout: whether the deadline has passed is asked of the clock.
                Err(Errno::INTR | Errno::TIMEDOUT) => {}
                // Woken, or the epoch is another: what else it may answer would be a mistake here,
                // and a caller checks its condition anyway.
                _ => return true,
            }
        }
    }
}

impl RawEvent for OsEvent {
    fn ticket(&self) -> Ticket {
        Ticket(self.epoch.load(SeqCst).into())
    }

    fn wait(&self, ticket: Ticket, deadline: Option<Monotonic>) -> bool {
        if self.ticket() != ticket {
            return true;
        }
        self.waiters.fetch_add(1, SeqCst);
        // Equal to a ticket of 32 bits, so it is one.
        let notified = self.wait_announced(ticket.0 as u32, deadline);
        self.waiters.fetch_sub(1, SeqCst);
        notified
    }

    fn notify(&self, all: bool) {
        self.epoch.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) == 0 {
            return;
        }
        let count = if all { i32::MAX as u32 } else { 1 };
        let woken = futex::wake(&self.epoch, futex::Flags::PRIVATE, count);
        debug_assert!(woken.is_ok(), "waking fails for bad addresses only");
    }
}

#[cfg(test)]
mod tests;
