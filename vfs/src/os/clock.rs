//! The system's clocks.
//!
//! The origin of the monotonic clock is one for the whole process, so that deadlines of one
//! [`OsClock`] mean the same to every event.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use crate::{Clock, Monotonic};

/// The clocks of the operating system. All values of this type are the same clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsClock(());

impl OsClock {
    /// The clocks.
    pub fn new() -> Self {
        // Fixing the origin now rather than at the first reading keeps readings small.
        origin();
        Self(())
    }
}

/// The instant that readings of the monotonic clock count from.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(now)
}

fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others must use"
    )]
    Instant::now()
}

/// How long it is until the clock reads so: nothing if it does already.
pub(super) fn left(reading: Monotonic) -> Duration {
    let passed = now().saturating_duration_since(origin());
    reading.since_origin().saturating_sub(passed)
}

impl Clock for OsClock {
    fn monotonic(&self) -> Monotonic {
        let origin = origin();
        Monotonic::from_origin(now().saturating_duration_since(origin))
    }

    fn wall(&self) -> Duration {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the clock that others must use"
        )]
        let wall = SystemTime::now();
        // A clock set to a time before 1970 reads as 1970: nothing may be ordered by it anyway.
        wall.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the sleep that others must use"
        )]
        std::thread::sleep(duration);
    }
}

#[cfg(test)]
mod tests;
