//! Deterministic simulation testing for storage software.
pub mod call;
pub mod disk;
mod quiet;
pub mod sched;
