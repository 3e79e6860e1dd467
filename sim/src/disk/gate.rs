//! Who is asked before each call.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::call::{CallId, CallKind};
use crate::sched::World;

/// Stands before every call on the disk.
pub trait Gate: Send + Sync {
    /// Called before each call, with no lock of the disk held. It may switch tasks, and it may
    /// unwind (a crash).
    ///
    /// # Errors
    /// The call fails at once and has no effect: a destructor while its task unwinds.
    fn enter(&self, kind: CallKind) -> io::Result<CallId>;

    /// Lets virtual time pass.
    fn stall(&self, _duration_ns: u64) {}

    /// Moves the wall clock.
    fn jump_wall(&self, _delta_ns: i64) {}
}

impl Gate for World {
    fn enter(&self, kind: CallKind) -> io::Result<CallId> {
        World::enter(self, kind)
    }

    fn stall(&self, duration_ns: u64) {
        World::stall(self, duration_ns);
    }

    fn jump_wall(&self, delta_ns: i64) {
        World::jump_wall(self, delta_ns);
    }
}

/// Lets everything through: for a disk used by itself. It only counts calls.
pub struct NoGate {
    counts: [AtomicU32; CallKind::COUNT],
}

impl NoGate {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; CallKind::COUNT],
        }
    }
}

impl Default for NoGate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate for NoGate {
    fn enter(&self, kind: CallKind) -> io::Result<CallId> {
        let nth = self.counts[kind.index()].fetch_add(1, Ordering::Relaxed);
        Ok(CallId::outside(kind, nth))
    }
}
