//! A set of units is what a list of bits would be.

use super::*;

/// Sets of so many units, with the bits that they stand for.
fn sets(count: usize) -> Vec<(UnitSet, Vec<bool>)> {
    let rules: [fn(usize) -> bool; 5] = [
        |_| false,
        |_| true,
        |at| at.is_multiple_of(3),
        |at| at == 64,
        |at| (60..70).contains(&at) || at == 129,
    ];
    let set = |is_in: fn(usize) -> bool| {
        let bits: Vec<bool> = (0..count).map(is_in).collect();
        (UnitSet::of(count, is_in), bits)
    };
    rules.map(set).into()
}

#[test]
fn it_is_a_list_of_bits() {
    for count in [0, 1, 63, 64, 65, 128, 130, 200] {
        for (set, bits) in sets(count) {
            let ones: Vec<usize> = (0..count).filter(|&at| bits[at]).collect();
            assert_eq!(set.iter().collect::<Vec<_>>(), ones);
            assert_eq!((set.len(), set.count()), (count, ones.len()));
            assert_eq!(set.last(), ones.last().copied());
            assert_eq!(set.is_empty(), ones.is_empty());
            assert_eq!(set.is_all(), ones.len() == count);
            assert!((0..count + 70).all(|at| set.has(at) == ones.contains(&at)));
            let of_rows: Vec<usize> = set.rows().into_iter().flat_map(|(a, b)| a..b).collect();
            assert_eq!(of_rows, ones);
            assert!(set.rows().windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}

#[test]
fn units_are_put_in_and_taken_out() {
    for count in [1, 64, 65, 130] {
        let mut set = UnitSet::all_of(count);
        assert!(set.is_all());
        for at in 0..count {
            set.put(at, false);
            assert_eq!(set.count(), count - 1);
            assert!(!set.has(at));
            set.put(at, true);
        }
        set.put(count, true);
        assert_eq!(set, UnitSet::all_of(count));
        for len in 0..=count {
            assert_eq!(
                UnitSet::first_of(len, count),
                UnitSet::of(count, |at| at < len)
            );
        }
    }
}
