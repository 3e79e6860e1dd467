//! Time: a monotonic clock, a wall clock, and sleep.

use std::ops::Add;
use std::time::Duration;

/// A reading of the monotonic clock: the time since an arbitrary origin that stays fixed while
/// the process lives. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The reading `since_origin` after the clock's origin.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time since the clock's origin.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Reads time and lets it pass.
pub trait Clock: Send + Sync {
    /// Now, for measuring durations and setting deadlines.
    fn monotonic(&self) -> Monotonic;

    /// Now as the time since 1970-01-01T00:00:00Z. It may jump forward and back, so nothing may
    /// be ordered by it.
    fn wall(&self) -> Duration;

    /// Blocks the calling task for at least `duration`.
    fn sleep(&self, duration: Duration);
}
