//! A mutex that may be held across seam calls.
//!
//! Built on [`Event`], so that in the simulator a task that waits for it lets others run, and
//! the order in which waiters get it is a choice of the schedule. For state that is never held
//! across a seam call an ordinary leaf lock is cheaper.

use std::ops::{Deref, DerefMut};

use crate::{Env, Event};

/// A mutex that guards state across I/O. Not reentrant. No poisoning: a panic in a task fails
/// the whole run, and on the operating system the holder's invariants are the holder's to keep.
pub struct Mutex<T> {
    value: parking_lot::Mutex<T>,
    freed: Event,
    env: Env,
}

impl<T> Mutex<T> {
    /// A free mutex around `value`.
    pub fn new(env: &Env, value: T) -> Self {
        Self {
            value: parking_lot::Mutex::new(value),
            freed: Event::new(env),
            env: env.clone(),
        }
    }

    /// Blocks until the mutex is free and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.env.tasks().checkpoint();
        loop {
            if let Some(guard) = self.value.try_lock() {
                return MutexGuard {
                    value: Some(guard),
                    freed: &self.freed,
                };
            }
            let ticket = self.freed.ticket();
            if let Some(guard) = self.value.try_lock() {
                return MutexGuard {
                    value: Some(guard),
                    freed: &self.freed,
                };
            }
            self.freed.wait(ticket);
        }
    }

    /// Takes the mutex if it is free now.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.env.tasks().checkpoint();
        let guard = self.value.try_lock()?;
        Some(MutexGuard {
            value: Some(guard),
            freed: &self.freed,
        })
    }
}

impl<T> std::fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mutex")
    }
}

/// The held mutex; dropping it frees it and wakes one waiter.
pub struct MutexGuard<'a, T> {
    value: Option<parking_lot::MutexGuard<'a, T>>,
    freed: &'a Event,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("the guard is only taken in drop"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("the guard is only taken in drop"),
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
