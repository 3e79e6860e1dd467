//! The scheduler: tasks as coroutines on one thread, in an order that the case chooses.
//!
//! A [`World`] is one run of a program: its tasks, its virtual clock and the rule by which tasks
//! take turns. Every call on the seam enters the world ([`World::enter`]); there the world names
//! the call, lets virtual time pass, may switch to another task, and may crash.
//!
//! Invariants:
//! - \[I1\] Equal program, equal schedule, equal disk: equal run. Nothing here draws a random
//!   number, reads a clock, or depends on an address.
//! - \[I2\] The default schedule runs a task until it blocks, then the runnable one with the
//!   lowest number; a [`Schedule`] lists only the deviations.
//! - \[I3\] After a crash no task passes another seam call: each unwinds out of the call in which
//!   it stands, in the order of their numbers.
//! - \[I4\] No lock of this module is held while a task runs.
//!
//! Not here: what a disk keeps ([`crate::disk`]), what a run means ([`crate::run`]).

mod clock;
mod coroutine;
mod event;
mod schedule;
mod state;
mod tasks;
mod watchdog;
mod world;

#[cfg(test)]
mod tests;

pub use schedule::{Choice, Deviation, Schedule};
pub use state::{Latency, Stop};
pub use watchdog::Watchdog;
pub use world::{Finish, World, WorldConfig};
