//! Atomics of lock-free code: the processor's, or those of the model checker loom, which runs a
//! test under every order in which threads may see each other's writes.
//!
//! This file alone depends on `cfg(loom)`. `docs/ARCHITECTURE.md` has the command.

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

/// What is written once, before another thread learns of it. Loom fails a test in which a thread
/// reads it earlier.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Published<T>(T);

#[cfg(loom)]
#[derive(Debug)]
pub(crate) struct Published<T>(loom::cell::Cell<T>);

#[cfg(not(loom))]
impl<T: Copy> Published<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    pub fn get(&self) -> T {
        self.0
    }
}

#[cfg(loom)]
impl<T: Copy> Published<T> {
    pub fn new(value: T) -> Self {
        Self(loom::cell::Cell::new(value))
    }

    pub fn get(&self) -> T {
        self.0.get()
    }
}

/// A number of the product, or a smaller one under loom, which tries all orders of all accesses.
pub(crate) const fn unless_loom(number: usize, smaller: usize) -> usize {
    if cfg!(loom) { smaller } else { number }
}
