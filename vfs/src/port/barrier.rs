//! A crash stopped at the edge of code that must not be unwound.
//!
//! A simulated crash unwinds the task out of its call. Frames of C must not be unwound at all, and
//! some Rust must not be either: a poisoned lock makes its destructors panic, and a panic while
//! unwinding ends the process. Such code gets its calls through a barrier.
//!
//! Invariants:
//! - \[I1\] After the crash no call of the barrier reaches the seam: each fails with EIO.
//! - \[I2\] What the code returns, or how it panics, after the crash is nobody's: the crash goes on
//!   where [`Barrier::around`] was entered.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{catch, is_crash, unwind_for_crash};

/// Linux's number.
const EIO: i32 = 5;

/// Stops a simulated crash at the calls of foreign code and lets it go on behind that code.
///
/// ```
/// use blackstart_vfs::port::Barrier;
/// use blackstart_vfs::{Env, Fs, OpenOptions};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// # let directory = tempfile::tempdir()?;
/// let env = Env::os(directory.path());
/// let file = env.fs().open(Path::new("a"), OpenOptions::new().write().create())?;
/// let barrier = Arc::new(Barrier::default());
/// let written = barrier.around(|| {
///     // Foreign code, and deep inside of it a call back to us:
///     barrier.call(|| file.write_at(b"bytes", 0))
/// })?;
/// assert_eq!(written, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Barrier {
    crashed: AtomicBool,
}

impl Barrier {
    /// Whether the crash has struck: what the foreign code says from now on means nothing.
    pub fn is_crashed(&self) -> bool {
        self.crashed.load(Ordering::SeqCst)
    }

    /// Makes calls on the seam for foreign code. `body` holds no state that a crash in the middle
    /// of it may leave broken.
    ///
    /// # Errors
    /// Of `body`; EIO once a crash has struck.
    pub fn call<T>(&self, body: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let down = || io::Error::from_raw_os_error(EIO);
        if self.is_crashed() {
            return Err(down());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the crash is stopped here, and goes on in `around`"
        )]
        match panic::catch_unwind(AssertUnwindSafe(body)) {
            Ok(result) => result,
            Err(payload) if is_crash(&*payload) => {
                self.crashed.store(true, Ordering::SeqCst);
                Err(down())
            }
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    /// Runs foreign code whose calls go through this barrier. If the crash struck in it, the task
    /// ends here as by the crash itself.
    pub fn around<R>(&self, body: impl FnOnce() -> R) -> R {
        let result = catch(AssertUnwindSafe(body));
        if self.is_crashed() {
            unwind_for_crash();
        }
        match result {
            Ok(value) => value,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}
