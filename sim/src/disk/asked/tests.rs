//! What is asked, and what is not.

use super::*;

#[test]
fn ranges_merge_where_they_touch() {
    let mut ranges = Ranges::default();
    for (from, to) in [(10, 20), (30, 40), (20, 25), (0, 5), (50, 50), (24, 31)] {
        ranges.add(from, to);
    }
    assert_eq!(ranges.0, [(0, 5), (10, 40)]);
    assert_eq!(ranges.missing(3, 60), [(5, 10), (40, 60)]);
    assert_eq!(ranges.missing(10, 40), []);
}
