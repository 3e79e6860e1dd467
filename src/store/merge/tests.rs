//! Tests of what a merge keeps, and of where it cuts.

use super::*;
use crate::commitlog::testing::Scratch;
use crate::store::cache::Cache;
use crate::store::cursor::Merge;
use crate::store::tree::Run;
use std::path::Path;
use std::sync::Arc;

use crate::store::table::Table;

/// Rows: `key@sequence`, with `-` before it for a delete, and `from..end@sequence` for a range.
fn write(tables: &Directory, number: u64, text: &str) -> Arc<Table> {
    let mut output = Output::create(tables, number, 64).unwrap();
    let mut tombstones = Tombstones::default();
    for row in text.split_whitespace() {
        let (key, sequence) = row.split_once('@').unwrap();
        let sequence = sequence.parse().unwrap();
        match (key.split_once(".."), key.strip_prefix('-')) {
            (Some((from, end)), _) => tombstones.insert(from.as_bytes(), end.as_bytes(), sequence),
            (_, Some(key)) => output.push(key.as_bytes(), sequence, None).unwrap(),
            _ => output.push(key.as_bytes(), sequence, Some(b"v")).unwrap(),
        }
    }
    let info = output.finish(tombstones).unwrap();
    Arc::new(Table::open(tables, &info, "the test", &Cache::new(0)).unwrap())
}

fn text(tables: &Directory, info: &TableInfo) -> String {
    let table = Arc::new(Table::open(tables, info, "the test", &Cache::new(0)).unwrap());
    let mut text = String::new();
    table.tombstones.for_each_run(|from, end| {
        let (from, end) = (String::from_utf8_lossy(from), String::from_utf8_lossy(end));
        text += &format!("{from}..{end} ");
    });
    let run = Run {
        tables: vec![table].into(),
    };
    let mut rows = Merge::of_runs([run]);
    while let Some(row) = rows.next().unwrap() {
        let sign = if row.value.is_some() { "" } else { "-" };
        text += &format!(
            "{sign}{}@{} ",
            String::from_utf8_lossy(&row.key),
            row.sequence
        );
    }
    text.trim_end().to_owned()
}

struct Case {
    /// Newest first.
    inputs: &'static [&'static str],
    horizon: u64,
    /// Keys of tables below the output.
    below: &'static [(&'static str, &'static str)],
    cuts: &'static [&'static str],
    expected: &'static str,
}

fn merged(case: &Case) -> String {
    let scratch = Scratch::new();
    let tables = Directory::open(&scratch.env, Path::new("")).unwrap();
    let inputs = case.inputs.iter().zip(1..);
    let inputs: Vec<_> = inputs
        .map(|(text, number)| write(&tables, number, text))
        .collect();
    let mut tombstones = Tombstones::default();
    for input in &inputs {
        tombstones.extend(&input.tombstones);
    }
    let range = |(first, end): &(&str, &str)| TableInfo {
        first_key: first.as_bytes().to_vec(),
        end_key: end.as_bytes().to_vec(),
        ..TableInfo::default()
    };
    let below = RunInfo {
        tier: BOTTOM,
        tables: case.below.iter().map(range).collect(),
    };
    let runs = inputs.into_iter().map(|table| Run {
        tables: vec![table].into(),
    });
    let sources = Sources {
        rows: Merge::of_runs(runs),
        tombstones,
        below: Ranges::of_runs([&below]),
        horizon: case.horizon,
    };
    let guards = case.cuts.iter().map(|guard| guard.as_bytes().to_vec());
    let mut merging = Merging::new(sources, Cuts::new(guards.collect(), &below.tables));
    let place = Place {
        tables: &tables,
        block_bytes: 64,
        table_bytes_max: 20,
    };
    let mut next = 100;
    let mut number = || {
        next += 1;
        next
    };
    // One row at a time.
    while !merging.step(place, 1, &mut number).unwrap().1 {}
    let outputs = merging.into_tables();
    let outputs: Vec<_> = outputs.iter().map(|info| text(&tables, info)).collect();
    outputs.join(" | ")
}

/// [I1] Rows, deletes and range tombstones that nobody needs go, others stay. [I2] An output ends
/// between two keys.
#[test]
fn what_a_merge_keeps() {
    let plain = Case {
        inputs: &[],
        horizon: 100,
        below: &[],
        cuts: &[],
        expected: "",
    };
    let cases = [
        Case {
            inputs: &["a@9 -b@8", "a@3 b@2 c@1"],
            expected: "a@9 c@1",
            ..plain
        },
        Case {
            inputs: &["a@9 -b@8", "a@3 b@2 c@1"],
            horizon: 8,
            expected: "a@9 a@3 | -b@8 b@2 c@1",
            ..plain
        },
        Case {
            inputs: &["a@9 -b@8", "a@3 b@2 c@1"],
            horizon: 9,
            expected: "a@9 a@3 | c@1",
            ..plain
        },
        // The key may be below the output.
        Case {
            inputs: &["-a@9 -b@8 -c@7 -d@6"],
            below: &[("b", "c"), ("d", "e")],
            expected: "-b@8 -d@6",
            ..plain
        },
        // A range tombstone.
        Case {
            inputs: &["b..d@7 b@8", "a@1 b@2 c@3 d@4"],
            expected: "a@1 b@8 | d@4",
            ..plain
        },
        Case {
            inputs: &["b..d@7 b@8", "a@1 b@2 c@3 d@4"],
            horizon: 7,
            expected: "b..c a@1 b@8 b@2 | c..d c@3 d@4",
            ..plain
        },
        Case {
            inputs: &["b..d@7", "b@2"],
            below: &[("c", "x")],
            expected: "b..d",
            ..plain
        },
        // Guards, and what is below and would be spanned.
        Case {
            inputs: &["a@1 b@2 c@3 d@4"],
            cuts: &["b", "bb"],
            expected: "a@1 | b@2 | c@3 d@4",
            ..plain
        },
        Case {
            inputs: &["a@1 b@2 z@3"],
            below: &[("b", "c"), ("e", "f"), ("x", "zz")],
            expected: "a@1 b@2 | z@3",
            ..plain
        },
    ];
    for case in cases {
        assert_eq!(merged(&case), case.expected, "[I1] [I2] {:?}", case.inputs);
    }
}
