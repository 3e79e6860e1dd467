//! The only door to the world: files, clock, tasks and entropy behind traits.
//!
//! Storage code written against these traits runs unchanged on the operating system
//! ([`os`]) and inside a deterministic simulator. The traits are small on purpose: positioned
//! I/O only, an explicit directory sync, and one way to block ([`Event`]).
//!
//! Invariants:
//! - \[I1\] Nothing outside [`os`] touches files, time, threads or randomness.
//! - \[I2\] A simulated crash ends a task by an unwind that only [`catch`] may intercept, and
//!   [`catch`] lets it through. [`port::Barrier`] delays it, for code that cannot be unwound.
//! - \[I3\] A destructor that makes a call of this crate while its task unwinds gets an error or
//!   no effect, and never switches tasks.
//!
//! A program blocks only in [`Event::wait`], [`Event::wait_until`], [`Clock::sleep`],
//! [`JoinHandle::join`] and what is built of them ([`Mutex`]). It never holds an ordinary lock (a
//! *leaf lock*) across a call of this crate.
//!
//! Programs that were written for `std::fs`, or with `async`, find adapters in [`port`].
//!
//! Not here: any policy (retries, buffering, formats). Those belong to the program.
#![forbid(unsafe_code)]

mod clock;
mod entropy;
mod env;
mod file;
mod file_id;
mod fs;
mod mutex;
pub mod os;
pub mod port;
mod tasks;
mod unwind;

pub use clock::{Clock, Monotonic};
pub use entropy::Entropy;
pub use env::Env;
pub use file::{File, FileExt};
pub use file_id::FileId;
pub use fs::{DirEntry, FileKind, Fs, Lock, LockKind, Metadata, OpenOptions};
pub use mutex::{Mutex, MutexGuard};
pub use tasks::{Event, JoinHandle, RawEvent, TaskPanicked, Tasks, Ticket};
pub use unwind::{Crashed, catch, is_crash, unwind_for_crash};
