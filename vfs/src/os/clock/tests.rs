//! The clocks.

use std::time::Duration;

use super::{OsClock, left};
use crate::{Clock, Monotonic};

#[test]
fn the_monotonic_clock_never_goes_back_and_has_one_origin() {
    let mut last = Monotonic::default();
    for _ in 0..1_000 {
        let now = OsClock::new().monotonic();
        assert!(now >= last);
        last = now;
    }
}

#[test]
fn what_is_left_until_a_reading_shrinks_to_nothing() {
    let clock = OsClock::new();
    let goal = clock.monotonic() + Duration::from_millis(2);
    assert!(left(goal) <= Duration::from_millis(2));
    clock.sleep(Duration::from_millis(3));
    assert_eq!(left(goal), Duration::ZERO);
    assert!(left(Monotonic::from_origin(Duration::MAX)) > Duration::from_secs(1 << 60));
}

#[test]
fn sleep_lasts_at_least_as_long_as_asked() {
    let clock = OsClock::new();
    let begin = clock.monotonic();
    clock.sleep(Duration::from_millis(3));
    assert!(clock.monotonic().saturating_since(begin) >= Duration::from_millis(3));
}

#[test]
fn the_wall_clock_is_past_the_year_2020() {
    assert!(OsClock::new().wall() > Duration::from_secs(50 * 365 * 24 * 3_600));
}
