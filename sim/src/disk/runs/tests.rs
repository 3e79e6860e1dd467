//! Runs against a plain row of values.

use super::Runs;
use crate::call::mix64;

const NUMBERS: u64 = 40;

#[test]
fn runs_are_a_row_of_values() {
    for seed in 0..50u64 {
        let (mut runs, mut row) = (Runs::default(), vec![None; NUMBERS as usize]);
        for step in 0..12u64 {
            let draw = |salt: u64, below: u64| mix64(seed << 16 | step << 4 | salt) % below;
            let start = draw(0, NUMBERS);
            let end = start + draw(1, NUMBERS - start + 1);
            let value = draw(2, 3);
            let range = start as usize..end as usize;
            match draw(3, 3) {
                0 => {
                    runs.replace(start, end, value);
                    let covered = row[range].iter_mut().filter(|slot| slot.is_some());
                    covered.for_each(|slot| *slot = Some(value));
                }
                _ => {
                    runs.put(start, end, value);
                    row[range].fill(Some(value));
                }
            }
            check(&runs, &row, draw(4, NUMBERS));
        }
    }
}

fn check(runs: &Runs<u64>, row: &[Option<u64>], start: u64) {
    let value = |number| {
        runs.within(number, number + 1)
            .next()
            .map(|(.., value)| value)
    };
    let shown: Vec<_> = (0..NUMBERS).map(value).collect();
    assert_eq!(shown, row);
    let mut parts = vec![None; NUMBERS as usize];
    for (from, to, value) in runs.within(start, NUMBERS) {
        parts[from as usize..to as usize].fill(Some(value));
    }
    assert_eq!(parts[start as usize..], row[start as usize..]);
    let of_gaps = runs.gaps(start, NUMBERS).flat_map(|(from, to)| from..to);
    let empty = (start..NUMBERS).filter(|&number| row[number as usize].is_none());
    assert!(of_gaps.eq(empty));
}
