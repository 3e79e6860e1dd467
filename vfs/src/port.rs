//! Adapters for programs that were not written for the seam.
//!
//! - [`fs`] has the names and the shapes of `std::fs`: a program is ported by changing its `use`
//!   lines and handing each call the file system as its first argument.
//! - [`fs::File`] is also the adapter by itself: `File::from` makes `Read + Write + Seek` of any
//!   open file of the seam.
//! - [`block_on`] runs asynchronous storage code on [`crate::Tasks`] and [`crate::Event`].
//! - [`Barrier`] keeps a simulated crash from unwinding code that must not be unwound.
//!
//! Invariants:
//! - \[I1\] Each function makes the calls on the seam that its name says, and promises what they
//!   promise: nothing here syncs that was not asked to.
//!
//! No lock is held across a call of the seam.
//!
//! Not here: symbolic links, permissions, times, memory maps. Locks are taken with
//! [`crate::Fs::lock`]. Executors with threads of their own (tokio): a simulation cannot schedule
//! what it does not start.

mod barrier;
mod block_on;
pub mod fs;

pub use barrier::Barrier;
pub use block_on::block_on;
