//! Tests of stats.

use super::{median, median_ratio};

#[test]
fn median_of_odd_even_and_none() {
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    assert_eq!(median(&[]), None);
}

#[test]
fn a_ratio_is_taken_within_a_round() {
    // The machine is twice as slow in the second round: the ratio does not see it.
    assert_eq!(median_ratio(&[10.0, 5.0], &[20.0, 10.0]), Some(0.5));
    assert_eq!(median_ratio(&[10.0], &[0.0]), None);
}
