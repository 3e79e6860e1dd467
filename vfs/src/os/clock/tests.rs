//! The clocks.

use std::time::Duration;

use super::{OsClock, instant};
use crate::{Clock, Monotonic};

#[test]
fn the_monotonic_clock_never_goes_back_and_has_one_origin() {
    let mut last = Monotonic::default();
    for _ in 0..1_000 {
        let now = OsClock::new().monotonic();
        assert!(now >= last);
        last = now;
    }
    assert_eq!(
        instant(last).unwrap() - instant(Monotonic::default()).unwrap(),
        last.since_origin()
    );
}

#[test]
fn a_reading_beyond_the_systems_end_of_time_has_no_instant() {
    assert!(instant(Monotonic::from_origin(Duration::MAX)).is_none());
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
