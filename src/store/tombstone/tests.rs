//! Tests of range tombstones, against a list of them.

use proptest::prelude::*;

use super::*;
use crate::codec::ByteOffset;

type Range = (Vec<u8>, Vec<u8>, u64);

fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..4, 0..3)
}

fn ranges() -> impl Strategy<Value = Vec<Range>> {
    prop::collection::vec((keys(), keys()), 0..12).prop_map(|pairs| {
        let pairs = pairs.into_iter().filter(|(one, two)| one != two);
        let numbered = pairs.zip(1_u64..);
        numbered
            .map(|((one, two), number)| (one.clone().min(two.clone()), one.max(two), number * 2))
            .collect()
    })
}

fn tombstones(ranges: &[Range]) -> Tombstones {
    let mut tombstones = Tombstones::default();
    for (from, end, sequence) in ranges {
        tombstones.insert(from, end, *sequence);
    }
    tombstones
}

fn newest(ranges: &[Range], key: &[u8], visible: u64) -> Option<u64> {
    let over = ranges
        .iter()
        .filter(|(from, end, _)| from.as_slice() <= key && key < end.as_slice());
    let below = over.map(|range| range.2).filter(|own| *own < visible);
    below.max()
}

/// Every key of at most two bytes.
fn all_keys() -> Vec<Vec<u8>> {
    let one = (0..4).map(|byte| vec![byte]);
    let two = (0..16).map(|byte| vec![byte / 4, byte % 4]);
    [vec![]].into_iter().chain(one).chain(two).collect()
}

proptest! {
    /// [I3] A key is covered by what a list says; the neighbours that a span names are covered
    /// alike.
    #[test]
    fn the_newest_below_a_sequence_is_found(ranges in ranges(), visible in 0_u64..26) {
        let tombstones = tombstones(&ranges);
        for key in all_keys() {
            let expected = newest(&ranges, &key, visible);
            prop_assert_eq!(tombstones.newest(&key, visible), expected, "{:?}", &key);
            let span = tombstones.span(&key, visible);
            prop_assert!(span.holds(&key));
            for other in all_keys().iter().filter(|other| span.holds(other)) {
                prop_assert_eq!(newest(&ranges, other, visible), span.newest);
            }
        }
    }

    /// [I1] [I2] What was written is read again, and the bytes are counted alike.
    #[test]
    fn a_section_is_read_as_it_was_written(ranges in ranges()) {
        let tombstones = tombstones(&ranges);
        let bytes = tombstones.encode();
        let mut cursor = Cursor::new(&bytes, ByteOffset::new(0));
        prop_assert_eq!(Tombstones::decode(&mut cursor), Ok(tombstones));
        prop_assert!(cursor.rest().is_empty());
    }

    /// What two have together does not depend on their order.
    #[test]
    fn tombstones_are_added_in_any_order(ranges in ranges(), at in 0_usize..12) {
        let (one, two) = ranges.split_at(at.min(ranges.len()));
        let (one, two) = (tombstones(one), tombstones(two));
        let (mut forward, mut backward) = (one.clone(), two.clone());
        forward.extend(&two);
        backward.extend(&one);
        for key in all_keys() {
            for visible in 0..26 {
                let expected = newest(&ranges, &key, visible);
                prop_assert_eq!(forward.newest(&key, visible), expected);
                prop_assert_eq!(backward.newest(&key, visible), expected);
            }
        }
    }

    /// A part covers the keys between its bounds, and nothing else.
    #[test]
    fn a_part_ends_at_its_bounds(ranges in ranges(), from in keys(), end in keys()) {
        let part = tombstones(&ranges).within(Some(&from), Some(&end));
        for key in all_keys() {
            let is_within = from <= key && key < end;
            let expected = newest(&ranges, &key, 99).filter(|_| is_within);
            prop_assert_eq!(part.newest(&key, 99), expected);
        }
    }

    /// Whoever sees all below the horizon sees the same of what is kept; below the bottom nothing
    /// is left that it covered.
    #[test]
    fn readers_at_the_horizon_miss_nothing(ranges in ranges(), horizon in 0_u64..26) {
        let all = tombstones(&ranges);
        let kept = all.needed(horizon, false);
        let bottom = all.needed(horizon, true);
        for key in all_keys() {
            for visible in horizon..26 {
                let expected = newest(&ranges, &key, visible);
                prop_assert_eq!(kept.newest(&key, visible), expected);
                let above = expected.filter(|own| *own >= horizon);
                prop_assert_eq!(bottom.newest(&key, visible), above);
            }
        }
    }

    /// Runs hold the same keys, and do not touch.
    #[test]
    fn runs_are_as_few_as_possible(ranges in ranges()) {
        let mut runs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        tombstones(&ranges).for_each_run(|from, end| runs.push((from.to_vec(), end.to_vec())));
        prop_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for key in all_keys() {
            let is_in = runs.iter().any(|(from, end)| *from <= key && key < *end);
            prop_assert_eq!(is_in, newest(&ranges, &key, 99).is_some());
        }
    }
}

/// A section that was changed in a place is refused, or is another whole one.
#[test]
fn sections_are_checked() {
    let range = |from: &[u8], end: &[u8], sequence| (from.to_vec(), end.to_vec(), sequence);
    let whole = tombstones(&[range(b"a", b"c", 1), range(b"b", b"d", 2)]).encode();
    let decode = |bytes: &[u8]| {
        let mut cursor = Cursor::new(bytes, ByteOffset::new(0));
        Tombstones::decode(&mut cursor).map(|read| (read, cursor.rest().len()))
    };
    for len in 0..whole.len() {
        assert!(decode(&whole[..len]).is_err(), "{len}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            if let Ok((read, rest)) = decode(&changed) {
                assert_eq!(read.encode(), changed[..changed.len() - rest], "{at} {bit}");
            }
        }
    }
}
