//! Tests of shards and of what batch systems say about them.

use super::scheduler::shard;
use super::*;

#[test]
fn shards_share_no_seed_and_miss_none() {
    for range in [0..0, 0..1, 0..100, 17..18, 17..117, 5..9] {
        for count in [1, 2, 3, 7, 100, 128] {
            let mut seeds = Vec::new();
            for index in 1..=count {
                let shard = Shard::new(index, count).expect("a shard");
                let own: Vec<u64> = (0..).map_while(|at| shard.seed(&range, at)).collect();
                assert_eq!(own.len() as u64, shard.seed_count(&range));
                assert!(own.iter().all(|&seed| shard.has(seed)));
                seeds.extend(own);
            }
            seeds.sort_unstable();
            let all: Vec<u64> = range.clone().collect();
            assert_eq!(seeds, all, "{range:?} in {count}");
        }
    }
}

#[test]
fn the_ends_of_all_numbers_are_met() {
    let range = u64::MAX - 3..u64::MAX;
    let shard = Shard::new(SHARDS_MAX, SHARDS_MAX).expect("a shard");
    assert_eq!(shard.seed(&range, u64::MAX), None);
    assert_eq!(Shard::WHOLE.seed(&range, 2), Some(u64::MAX - 1));
    assert_eq!(Shard::WHOLE.seed(&range, 3), None);
}

#[test]
fn a_common_seed_is_found_where_there_is_one() {
    for (one, two) in [
        ("1/2", "2/2"),
        ("1/2", "2/4"),
        ("1/4", "1/6"),
        ("2/3", "3/5"),
    ] {
        let (one, two): (Shard, Shard) = (one.parse().expect("one"), two.parse().expect("two"));
        for (ours, others) in [
            (0..40, 0..40),
            (3..9, 0..30),
            (0..10, 10..20),
            (12..14, 0..99),
        ] {
            let expected = ours
                .clone()
                .find(|&seed| one.has(seed) && two.has(seed) && others.contains(&seed));
            assert_eq!(
                one.common_seed(&ours, two, &others),
                expected,
                "{one} {two}"
            );
        }
    }
}

#[test]
fn what_is_no_shard_is_refused() {
    for (text, part) in [
        ("0/4", "counts from 1"),
        ("5/4", "counts from 1"),
        ("1/0", "expected 1 to"),
        ("1/1000001", "expected 1 to"),
        ("4", "as 1/4"),
        ("a/b", "as 1/4"),
        ("-1/4", "as 1/4"),
    ] {
        let error = text.parse::<Shard>().expect_err("no shard").to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    assert_eq!("4/4".parse::<Shard>().expect("a shard").to_string(), "4/4");
}

/// What variables lead to: the shard, `none`, or a part of the error.
#[track_caller]
fn check(variables: &[(&str, &str)], count: Option<u64>, expected: &str) {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let found = match shard(&variable, count) {
        Ok(Some(shard)) => shard.to_string(),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    assert!(found.contains(expected), "{variables:?}: {found}");
}

#[test]
fn batch_systems_are_understood() {
    check(&[], None, "none");
    check(&[("BLACKSTART_SHARD", "2/4")], None, "2/4");
    check(&[("BLACKSTART_SHARD", "4")], None, "BLACKSTART_SHARD");
    let slurm = |id, min, max, step, count| {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_STEP", step),
            ("SLURM_ARRAY_TASK_COUNT", count),
        ]
    };
    check(&slurm("1", "1", "4", "1", "4"), None, "1/4");
    check(&slurm("0", "0", "3", "1", "4"), None, "1/4");
    check(&slurm("16", "10", "16", "2", "4"), None, "4/4");
    // Only task 3 of an array of 8 is submitted again: alone it would take the whole range.
    check(&slurm("3", "3", "3", "1", "1"), None, "1/1");
    check(&slurm("3", "3", "3", "1", "1"), Some(8), "3/8");
    check(&slurm("7", "1", "7", "1", "3"), None, "--shards");
    check(&slurm("2", "1", "7", "3", "3"), None, "--shards");
    check(&slurm("x", "1", "7", "1", "7"), None, "no number");
    check(&[("SLURM_ARRAY_TASK_ID", "1")], None, "COUNT is not");
    check(&[("JOB_COMPLETION_INDEX", "0")], Some(3), "1/3");
    check(
        &[("JOB_COMPLETION_INDEX", "0")],
        None,
        "JOB_COMPLETIONS is not",
    );
    let job = |index| [("JOB_COMPLETION_INDEX", index), ("JOB_COMPLETIONS", "3")];
    check(&job("2"), None, "3/3");
    check(&job("3"), None, "no shard 4 of 3");
}
