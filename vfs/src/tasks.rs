//! Tasks and the one way to block.
//!
//! On the operating system a task is a thread. In a simulator it is a coroutine, and each call of
//! this crate is a point where another task may be run, so that plain blocking code is tested in
//! every order. [`Event`] is an eventcount: a waiter takes a ticket, checks its condition, and
//! waits only if nothing was notified since the ticket.
//!
//! ```
//! use blackstart_vfs::{Env, Event};
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! let env = Env::os(".");
//! let (event, ready) = (Event::new(&env), Arc::new(AtomicBool::new(false)));
//! let (notifier, flag) = (event.clone(), ready.clone());
//! let task = env.tasks().spawn("notifier", Box::new(move || {
//!     flag.store(true, Ordering::SeqCst);
//!     notifier.notify_all();
//! }))?;
//! loop {
//!     let ticket = event.ticket();
//!     if ready.load(Ordering::SeqCst) {
//!         break;
//!     }
//!     event.wait(ticket);
//! }
//! task.join().expect("the notifier does not panic");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;
use std::sync::Arc;

use crate::{Env, Monotonic};

/// Spawns tasks and makes events.
pub trait Tasks: Send + Sync {
    /// Starts a task. The name is for people: traces, deadlock reports, thread names.
    ///
    /// # Errors
    /// Of the operating system (EAGAIN: no more threads).
    fn spawn(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send + 'static>,
    ) -> io::Result<Box<dyn JoinHandle>>;

    /// A new event, nothing notified yet.
    fn event(&self) -> Arc<dyn RawEvent>;

    /// Lets other tasks run before going on. It may return at once.
    fn yield_now(&self);

    /// A point where the simulator may switch tasks; nothing on the operating system. Built into
    /// every other call; code calls it only around shared memory whose interleaving matters.
    fn checkpoint(&self) {}
}

/// The right to wait for a task's end. Dropping it lets the task go on by itself.
pub trait JoinHandle: Send {
    /// Blocks until the task has ended.
    ///
    /// # Errors
    /// [`TaskPanicked`] if it ended by a panic.
    fn join(self: Box<Self>) -> Result<(), TaskPanicked>;
}

/// A task ended by a panic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPanicked {
    /// The task's name.
    pub task: String,
    /// What the panic said.
    pub message: String,
}

impl std::fmt::Display for TaskPanicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {} panicked: {}", self.task, self.message)
    }
}

impl std::error::Error for TaskPanicked {}

/// The state of an event at one moment: see [`Event::ticket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub u64);

/// What an implementation of the seam provides for [`Event`].
pub trait RawEvent: Send + Sync {
    /// The current ticket.
    fn ticket(&self) -> Ticket;

    /// Blocks until something was notified after `ticket`, or `deadline` has passed; returns
    /// whether it was notified. May return early (true) without a notification.
    fn wait(&self, ticket: Ticket, deadline: Option<Monotonic>) -> bool;

    /// Makes older tickets stale, and wakes one waiter or all. Never blocks; in a destructor it
    /// never switches tasks.
    fn notify(&self, all: bool);
}

/// An eventcount: the one thing a task blocks on. Clones are the same event.
#[derive(Clone)]
pub struct Event(Arc<dyn RawEvent>);

impl Event {
    /// A new event.
    pub fn new(env: &Env) -> Self {
        Self(env.tasks().event())
    }

    /// A ticket: take it, then check the condition, then [`wait`](Self::wait) with it. A
    /// notification between the ticket and the wait is not lost.
    pub fn ticket(&self) -> Ticket {
        self.0.ticket()
    }

    /// Blocks until something was notified after `ticket`. It may return early, so the condition
    /// is checked again in a loop.
    pub fn wait(&self, ticket: Ticket) {
        self.0.wait(ticket, None);
    }

    /// As [`wait`](Self::wait), but not beyond `deadline`; returns false if the deadline passed.
    pub fn wait_until(&self, ticket: Ticket, deadline: Monotonic) -> bool {
        self.0.wait(ticket, Some(deadline))
    }

    /// Wakes one waiter. Others with an older ticket that are not waiting yet will not wait.
    pub fn notify_one(&self) {
        self.0.notify(false);
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.notify(true);
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Event")
    }
}
