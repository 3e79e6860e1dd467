//! What is in a set of hashes.

use std::collections::BTreeSet;

use super::*;
use crate::call::mix64;

#[test]
fn it_is_a_set() {
    let (mut seen, mut model) = (Seen::default(), BTreeSet::new());
    for number in 0..20_000u64 {
        // Some again, some that start at one place, and the hash that stands for nothing.
        let hash = match number % 5 {
            0 => mix64(number / 3),
            1 => (number % 70) << 40,
            _ => mix64(number),
        };
        assert_eq!(seen.insert(hash), model.insert(hash.max(1)), "{hash}");
    }
    assert_eq!(seen.count, model.len());
}
