//! How a simulated crash ends a task, and the one place that may stop a panic.
//!
//! In the simulator a crash makes the seam call in which a task stands unwind with a private
//! payload. Destructors run, so memory is freed; they must not act on the world (see \[I3\] of
//! the crate). Code that stops panics by other means would keep running after the power went
//! off, so [`catch`] is the only such place. (Code that cannot be unwound at all stands behind a
//! [`crate::port::Barrier`], which makes no further calls after the crash.)

use std::any::Any;
use std::panic::{self, UnwindSafe};

/// The payload of the unwind by which a simulated crash ends a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crashed;

/// Runs `body` and returns its panic, if it panics. A simulated crash passes through.
///
/// # Errors
/// The panic's payload.
pub fn catch<R>(body: impl FnOnce() -> R + UnwindSafe) -> Result<R, Box<dyn Any + Send>> {
    #[expect(clippy::disallowed_methods, reason = "this is the one allowed place")]
    let result = panic::catch_unwind(body);
    match result {
        Err(payload) if is_crash(&*payload) => panic::resume_unwind(payload),
        other => other,
    }
}

/// Whether a panic's payload is a simulated crash.
pub fn is_crash(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Crashed>()
}

/// Ends the calling task as a simulated crash does. For implementations of the seam only.
pub fn unwind_for_crash() -> ! {
    panic::resume_unwind(Box::new(Crashed))
}

#[cfg(test)]
mod tests;
