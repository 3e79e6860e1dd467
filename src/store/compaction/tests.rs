//! Tests of the decisions: small versions as text, and long runs of decisions alone.

use super::*;
use std::collections::BTreeMap;

const NONE: &BTreeSet<u64> = &BTreeSet::new();

/// A table: `number first-end bytes`, with `/stale` behind it if rows are stale; it has ten rows.
fn table(text: &str) -> TableInfo {
    let fields: Vec<_> = text.split(' ').collect();
    let (first, end) = fields[1].split_once('-').unwrap();
    let (bytes, stale) = fields[2].split_once('/').unwrap_or((fields[2], "0"));
    TableInfo {
        number: fields[0].parse().unwrap(),
        bytes: bytes.parse().unwrap(),
        rows: 10,
        stale: stale.parse().unwrap(),
        sequence_max: 5,
        first_key: first.into(),
        end_key: end.into(),
        ..TableInfo::default()
    }
}

/// Runs: `tier: table, table; tier: …`; `-` is the tier of the bottom.
fn runs(text: &str) -> Vec<RunInfo> {
    let runs = text.split("; ").filter(|run| !run.is_empty());
    let run = |text: &str| {
        let (tier, tables) = text.split_once(": ").unwrap();
        RunInfo {
            tier: tier.parse().unwrap_or(BOTTOM),
            tables: tables.split(", ").map(table).collect(),
        }
    };
    runs.map(run).collect()
}

fn shown(plan: Option<Plan>) -> String {
    let Some(plan) = plan else {
        return "nothing".to_owned();
    };
    let inputs: Vec<_> = plan.inputs.iter().map(u64::to_string).collect();
    let verb = if plan.is_move { "move" } else { "merge" };
    match plan.tier {
        BOTTOM => format!("{verb} {}", inputs.join(" ")),
        tier => format!("{verb} {} to {tier}", inputs.join(" ")),
    }
}

fn limits(horizon: u64) -> Limits<'static> {
    Limits {
        table_bytes_max: 100,
        horizon,
        stuck: NONE,
    }
}

/// [I1] Only a table that shares no key with older ones is moved. [I2] With a table goes all that
/// it overlaps.
#[test]
fn what_is_picked() {
    let cases = [
        ("", "nothing"),
        ("-: 1 a-m 100", "nothing"),
        // Moves: the oldest first, and those that are large and fresh.
        ("0: 2 n-z 100; -: 1 a-m 100", "move 2"),
        ("0: 2 m-z 25; -: 1 a-m 900", "move 2"),
        ("0: 2 m-z 24; -: 1 a-m 900", "nothing"),
        ("0: 2 m-z 25/9; -: 1 a-l 900", "merge 2"),
        ("0: 3 n-z 100; 0: 2 n-z 100; -: 1 a-m 900", "move 2"),
        ("0: 3 n-z 100; 1: 2 y-z 20; -: 1 a-m 900", "nothing"),
        ("0: 3 f-i 100; -: 1 a-g 900, 2 g-z 900", "nothing"),
        // The bottom: nearly a quarter above it, or more.
        ("0: 2 a-z 25; -: 1 a-z 100", "nothing"),
        ("0: 2 a-z 26; -: 1 a-z 100", "merge 1 2"),
        ("0: 2 a-c 10", "move 2"),
        // The island that rewrites least for its bytes.
        (
            "0: 4 a-c 90, 5 p-r 99; -: 1 a-g 100, 2 g-p 100, 3 p-z 100",
            "merge 3 5",
        ),
        // Tables that overlap each other are one island, with all that they overlap.
        (
            "0: 6 f-k 10; 0: 5 b-g 90; -: 1 a-c 100, 2 c-j 100, 3 j-l 100, 4 l-z 90",
            "merge 1 2 3 5 6",
        ),
        // Small tables beside are taken along.
        (
            "0: 5 e-f 99; -: 1 a-c 20, 2 c-d 20, 3 d-g 100, 4 g-z 20",
            "merge 2 3 4 5",
        ),
        // A tier is full.
        (
            "0: 6 a-z 9; 0: 5 a-z 9; 0: 4 a-z 9; 0: 3 a-z 9; 1: 2 a-z 9; -: 1 a-z 900",
            "merge 3 4 5 6 to 1",
        ),
        (
            "0: 6 a-z 9; 0: 5 a-z 9; 0: 4 a-z 9; 1: 3 a-z 9; 1: 2 a-z 9; -: 1 a-z 900",
            "nothing",
        ),
        // Deletes: a table of little else goes down, unless too much is rewritten.
        ("0: 2 a-z 10/8; -: 1 a-z 160", "merge 1 2"),
        ("0: 2 a-z 10/8; -: 1 a-z 161", "nothing"),
        ("0: 2 a-z 10/7; -: 1 a-z 160", "nothing"),
        // The bottom frees itself of what nobody sees any more.
        ("-: 1 a-m 100/2, 2 m-z 100/3", "merge 2"),
    ];
    for (before, expected) in cases {
        assert_eq!(
            shown(pick(&runs(before), &limits(6))),
            expected,
            "[I1] [I2] {before}"
        );
    }
}

/// [I3] Rows that a snapshot may see are no reason to merge.
#[test]
fn stale_rows_wait_for_snapshots() {
    let before = runs("-: 1 a-m 100/9");
    assert_eq!(shown(pick(&before, &limits(5))), "nothing");
    assert_eq!(shown(pick(&before, &limits(6))), "merge 1", "[I3]");
}

#[test]
fn what_is_stuck_stays_and_others_go_on() {
    let stuck = BTreeSet::from([1]);
    let limits = Limits {
        stuck: &stuck,
        ..limits(6)
    };
    let before = runs("0: 3 a-c 99, 4 p-r 90; -: 1 a-g 100, 2 p-z 100");
    assert_eq!(shown(pick(&before, &limits)), "merge 2 4");
    assert_eq!(
        shown(pick(&runs("0: 3 a-c 99; -: 1 a-g 100"), &limits)),
        "nothing"
    );
}

#[test]
fn all_goes_to_the_bottom_once() {
    let cases = [
        ("0: 3 a-b 9; 1: 2 c-d 9; -: 1 a-z 900", "merge 1 3"),
        ("0: 2 a-b 9; -: 1 c-z 900", "move 2"),
        ("0: 12 a-b 9; -: 1 a-z 900", "nothing"),
        ("-: 1 a-b 90/1, 2 c-d 90", "merge 1"),
        ("-: 1 a-b 50, 2 c-d 50", "merge 1 2"),
        ("-: 1 a-b 50, 2 c-d 51", "nothing"),
        ("-: 11 a-b 9/9, 12 c-d 9", "nothing"),
    ];
    for (before, expected) in cases {
        let plan = pick_all(&runs(before), &limits(6), 10);
        assert_eq!(shown(plan), expected, "{before}");
    }
}

#[test]
fn guards_keep_islands_apart() {
    let bottom = "-: 1 a-b 9, 2 c-d 9, 3 e-f 9, 4 g-h 9";
    let text = |guards: Vec<Vec<u8>>| String::from_utf8(guards.concat()).unwrap();
    assert_eq!(text(guards(&runs(bottom))), "ceg");
    assert_eq!(text(guards(&runs(&format!("0: 5 a-z 9; {bottom}")))), "ceg");
    let above = format!("0: 5 a-c 9, 6 m-p 9; 1: 7 b-d 9, 8 k-m 9; {bottom}");
    assert_eq!(text(guards(&runs(&above))), "km");
    assert!(guards(&runs("0: 5 a-z 9")).is_empty());
}

/// A store of numbers, in which tables are sets of them, and a row is one byte.
struct Model {
    runs: Vec<RunInfo>,
    rows: BTreeMap<u64, BTreeSet<u32>>,
    next: u64,
    table_rows: u64,
    written: u64,
    runs_max: usize,
}

fn key(row: u32) -> Vec<u8> {
    row.to_be_bytes().to_vec()
}

impl Model {
    fn new(table_rows: u64) -> Self {
        Self {
            runs: Vec::new(),
            rows: BTreeMap::new(),
            next: 1,
            table_rows,
            written: 0,
            runs_max: 0,
        }
    }

    fn limits(&self) -> Limits<'static> {
        Limits {
            table_bytes_max: self.table_rows,
            ..limits(6)
        }
    }

    /// Tables of rows, cut as outputs are.
    fn tables(&mut self, rows: BTreeSet<u32>, tier: u8) -> Vec<TableInfo> {
        let guards = match tier {
            BOTTOM => Vec::new(),
            _ => guards(&self.runs),
        };
        let mut tables: Vec<BTreeSet<u32>> = Vec::new();
        let mut at = 0;
        for row in rows {
            let passed = guards[at..].iter().take_while(|guard| **guard <= key(row));
            let passed = passed.count();
            at += passed;
            match tables.last_mut().filter(|table| {
                let len = table.len() as u64;
                len < self.table_rows && (passed == 0 || len < self.table_rows / 16)
            }) {
                Some(table) => drop(table.insert(row)),
                None => tables.push(BTreeSet::from([row])),
            }
        }
        let made = tables.into_iter().map(|rows| {
            let (first, last) = (*rows.first().unwrap(), *rows.last().unwrap());
            let info = TableInfo {
                number: self.next,
                bytes: rows.len() as u64,
                rows: rows.len() as u64,
                first_key: key(first),
                end_key: key(last + 1),
                ..TableInfo::default()
            };
            self.next += 1;
            self.written += info.bytes;
            self.rows.insert(info.number, rows);
            info
        });
        made.collect()
    }

    fn flush(&mut self, rows: BTreeSet<u32>) {
        let plan = Plan::default();
        let tables = self.tables(rows, 0);
        self.runs = applied(&self.runs, &plan, tables);
        self.runs_max = self.runs_max.max(self.runs.len());
        let mut plans = 0;
        while let Some(plan) = pick(&self.runs, &self.limits()) {
            let inputs: Vec<_> = self.runs.iter().flat_map(|run| &run.tables).collect();
            let inputs = inputs
                .into_iter()
                .filter(|table| plan.inputs.contains(&table.number));
            let outputs = match plan.is_move {
                true => inputs.cloned().collect(),
                false => {
                    let rows = inputs.flat_map(|table| self.rows[&table.number].clone());
                    let rows = rows.collect();
                    self.tables(rows, plan.tier)
                }
            };
            self.runs = applied(&self.runs, &plan, outputs);
            plans += 1;
            assert!(plans < 1_000, "[I3] it comes to an end");
        }
    }

    fn bytes(&self) -> u64 {
        bytes(self.runs.iter().flat_map(|run| &run.tables))
    }
}

fn scattered(at: u32) -> u32 {
    // A permutation of all numbers.
    at.wrapping_mul(0x9E37_79B1)
        .rotate_left(13)
        .wrapping_mul(0x85EB_CA6B)
}

/// Fills a store, some rows at a time; returns how often a row was written, and runs.
fn fill(memtables: u32, rows: u32, row: impl Fn(u32) -> u32) -> (f64, Model) {
    let mut model = Model::new(rows.into());
    for memtable in 0..memtables {
        let numbers = memtable * rows..(memtable + 1) * rows;
        model.flush(numbers.map(&row).collect());
    }
    let amplification = model.written as f64 / f64::from(memtables * rows);
    (amplification, model)
}

/// What the tables cost beside the log, which writes each row once. The sizes are those of 1 M and
/// 20 M rows of 144 bytes, in memtables of 64 MiB.
#[test]
fn write_amplification_is_bounded() {
    for (memtables, expected) in [(2, 2.1), (47, 5.5), (200, 7.0)] {
        let (amplification, model) = fill(memtables, 256, scattered);
        println!(
            "random {memtables}: {amplification:.2}, {} runs",
            model.runs_max
        );
        assert!(amplification <= expected, "{memtables}: {amplification}");
        assert!(model.runs_max <= 12, "{memtables}: {}", model.runs_max);
    }
    let (amplification, model) = fill(100, 256, |at| at);
    assert!(amplification < 1.01, "in order: {amplification}");
    assert!(model.runs_max <= 2, "in order: {}", model.runs_max);
}

/// Rows that are written again and again: what is kept of them stays near one copy.
#[test]
fn space_is_bounded() {
    let (amplification, model) = fill(100, 256, |at| scattered(at) % 4_096);
    let live = model.rows.values().flatten().collect::<BTreeSet<_>>().len() as f64;
    let space = model.bytes() as f64 / live;
    println!("overwrite: {amplification:.2}, space {space:.2}");
    assert!(space <= 1.3, "{space}");
    assert!(amplification <= 6.0, "{amplification}");
}
