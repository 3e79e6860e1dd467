//! The workloads, their tables and their targets.

use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::LogArgs;
use super::contender::Engine;
use super::openings;
use super::record::RECORD_BYTES;
use super::slice::{BATCH_RECORDS, Job, Work};
use crate::Result;
use crate::child::{self, Sample};
use crate::place::Place;
use crate::rounds::Rounds;
use crate::table::{Report, Table, mebibytes, rate, ratio};
use crate::target::Verdict;

/// Records of an unsynced slice at most: the page cache must not start to write back.
const UNSYNCED_RECORDS_MAX: u64 = 2_000_000;
/// Records of the replayed log: 256 MB of payload.
const REPLAY_RECORDS: u64 = 2_000_000;
/// Records of the replayed log of single-record commits.
const REPLAY_SINGLE_RECORDS: u64 = 500_000;
/// Payload bytes of the logs that are reopened.
const REOPEN_MEBIBYTES: [u64; 3] = [64, 256, 1_024];
/// Rounds of reopening: one log at a time makes it long.
const REOPEN_ROUNDS_MAX: usize = 5;
/// How often the longest opening may take the time of the shortest and still be independent of
/// the size, which grows 16 times.
const REOPEN_GROWTH_MAX: f64 = 2.0;
/// Replay may take so much more memory for 1 GiB than for 64 MiB.
const MEMORY_GROWTH_BYTES_MAX: f64 = (4 << 20) as f64;

/// A workload of the log.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Durable single appends, 1 writer.
    Synced1,
    /// Durable single appends, 8 writers.
    Synced8,
    /// Unsynced batches.
    Unsynced,
    /// Reading everything, commits of 1,000 records.
    Replay,
    /// Reading everything, commits of one record.
    ReplaySingle,
    /// Opening after a clean close, three sizes; memory of replay at these sizes.
    Reopen,
    /// Many openings with one commit each.
    Openings,
}

impl Workload {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Synced1,
        Self::Synced8,
        Self::Unsynced,
        Self::Replay,
        Self::ReplaySingle,
        Self::Reopen,
        Self::Openings,
    ];

    /// Measures the workload.
    pub fn measure(self, args: &LogArgs, place: &Place, report: &mut Report) -> Result<()> {
        match self {
            Self::Synced1 => synced(args, place, report, 1),
            Self::Synced8 => synced(args, place, report, 8),
            Self::Unsynced => unsynced(args, place, report),
            Self::Replay => replay(args, place, report, REPLAY_RECORDS, BATCH_RECORDS),
            Self::ReplaySingle => replay(args, place, report, REPLAY_SINGLE_RECORDS, 1),
            Self::Reopen => reopen(args, place, report),
            Self::Openings => openings::measure(args, place, report),
        }
    }
}

/// Runs a slice.
pub fn run(engine: Engine, dir: &Path, work: Work) -> Result<Sample> {
    child::run(&child::Job::Log(Job {
        engine,
        dir: dir.into(),
        work,
    }))
}

/// Runs a slice in a fresh directory that is removed afterwards.
fn run_fresh(engine: Engine, place: &Place, work: Work) -> Result<Sample> {
    let dir = place.path("slice");
    fs::create_dir_all(&dir)?;
    let sample = run(engine, &dir, work)?;
    fs::remove_dir_all(&dir)?;
    Ok(sample)
}

fn baselines(engines: &[Engine]) -> impl Iterator<Item = Engine> {
    engines
        .iter()
        .copied()
        .filter(|engine| engine.is_baseline())
}

fn peers(engines: &[Engine]) -> impl Iterator<Item = Engine> {
    engines
        .iter()
        .copied()
        .filter(|engine| !engine.is_baseline() && !engine.is_ours())
}

/// Rows of rates, with the ratio to the best baseline.
fn rate_rows(
    table: &mut Table,
    rounds: &Rounds<Engine>,
    engines: &[Engine],
    last: fn(Engine) -> Option<String>,
) {
    let baseline = rounds.best(baselines(engines));
    for &engine in engines {
        let mut cells = vec![
            engine.name().into(),
            rounds.rate(engine).map_or_else(|| "–".into(), rate),
            ratio(baseline.and_then(|baseline| rounds.ratio(engine, baseline))),
            ratio(rounds.ratio(Engine::Blackstart, engine)),
        ];
        cells.extend(last(engine));
        table.row(cells);
    }
}

fn synced(args: &LogArgs, place: &Place, report: &mut Report, writers: usize) -> Result<()> {
    let engines: Vec<Engine> =
        args.engines(|engine| engine.is_durable() && engine != Engine::BlackstartSmall);
    let title = match writers {
        1 => "Synced appends of 128 bytes, 1 writer".into(),
        _ => format!("Synced appends of 128 bytes, {writers} writers"),
    };
    let work = Work::Synced {
        writers,
        seconds: args.common.seconds,
    };
    let rounds = Rounds::measure(&title, &engines, args.common.pace(), |engine| {
        run_fresh(engine, place, work)
    })?;
    let mut table = Table::new(
        &title,
        &[
            "log",
            "commits/s",
            "to the better baseline",
            "blackstart to it",
        ],
    );
    rate_rows(&mut table, &rounds, &engines, |_| None);
    table.note("mrecordlog is not durable and left out: its sync never reaches fsync.");
    table.note(rounds.calm());
    report.table(table);
    let ours = Engine::Blackstart;
    let baseline = rounds.best(baselines(&engines));
    report.verdict(Verdict::at_least(
        format!("{title}, to the better baseline"),
        0.95,
        baseline.and_then(|baseline| rounds.ratio(ours, baseline)),
    ));
    report.verdict(Verdict::at_least(
        format!("{title}, to the best peer"),
        1.0,
        rounds.least_ratio(ours, peers(&engines)),
    ));
    Ok(())
}

fn unsynced(args: &LogArgs, place: &Place, report: &mut Report) -> Result<()> {
    let engines = args.engines(Engine::has_unsynced);
    let title = "Unsynced appends of 128 bytes, batches of 1,000";
    let work = Work::Unsynced {
        records_max: UNSYNCED_RECORDS_MAX,
        seconds: args.common.seconds,
    };
    let rounds = Rounds::measure(title, &engines, args.common.pace(), |engine| {
        run_fresh(engine, place, work)
    })?;
    let columns = [
        "log",
        "records/s",
        "to the better baseline",
        "blackstart to it",
        "unsynced means",
    ];
    let mut table = Table::new(title, &columns);
    rate_rows(&mut table, &rounds, &engines, |engine| {
        Some(engine.unsynced_means().into())
    });
    table.note(
        "The time includes handing everything to the operating system at the end. A full \
         segment is synced before the next one begins: 2 million records fit into one segment of \
         256 MiB, the default, and of 1 GiB, spacetimedb-commitlog's; with segments of 64 MiB \
         three are synced meanwhile, which is the disk's speed, not the log's.",
    );
    table.note(rounds.calm());
    report.table(table);
    let baseline = rounds.best(baselines(&engines));
    report.verdict(Verdict::at_least(
        format!("{title}, to the better baseline"),
        0.7,
        baseline.and_then(|baseline| rounds.ratio(Engine::Blackstart, baseline)),
    ));
    Ok(())
}

/// How a closed log is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Replay(Engine),
    Checksum(Engine),
}

impl std::fmt::Display for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replay(engine) => write!(f, "replay of {engine}"),
            Self::Checksum(engine) => write!(f, "checksum of {engine}"),
        }
    }
}

fn replay(
    args: &LogArgs,
    place: &Place,
    report: &mut Report,
    records: u64,
    commit_records: usize,
) -> Result<()> {
    let title = match commit_records {
        1 => format!(
            "Replay of {}k records of 128 bytes, commits of one record",
            records / 1_000
        ),
        _ => format!(
            "Replay of {}k records of 128 bytes, commits of 1,000",
            records / 1_000
        ),
    };
    // Both baselines leave the same bytes behind. A synced commit per record would take okaywal
    // minutes to fill.
    let engines = args.engines(|engine| {
        let is_double = matches!(engine, Engine::RawAhead | Engine::BlackstartSmall);
        !is_double && (commit_records > 1 || engine.has_unsynced())
    });
    let dir = |engine: Engine| place.path(&format!("replay-{engine:?}"));
    for &engine in &engines {
        eprintln!("{title}: filling {engine}");
        run(
            engine,
            &dir(engine),
            Work::Fill {
                records,
                commit_records,
            },
        )?;
    }
    let seconds = args.common.seconds;
    let readings: Vec<Reading> = engines
        .iter()
        .flat_map(|&engine| [Reading::Replay(engine), Reading::Checksum(engine)])
        .collect();
    let rounds = Rounds::measure(
        &title,
        &readings,
        args.common.pace(),
        |reading| match reading {
            Reading::Replay(engine) => run(engine, &dir(engine), Work::Replay { records, seconds }),
            // In records per second, too: so that the ratio is one of times.
            Reading::Checksum(engine) => {
                let sample = run(engine, &dir(engine), Work::Checksum { seconds })?;
                Ok(Sample {
                    operations: records * sample.operations,
                    ..sample
                })
            }
        },
    )?;
    for &engine in &engines {
        fs::remove_dir_all(dir(engine))?;
    }
    report.table(replay_table(&title, records, &engines, &rounds));
    replay_verdicts(&title, &rounds, report);
    Ok(())
}

/// What replay is wanted to reach.
fn replay_verdicts(title: &str, rounds: &Rounds<Reading>, report: &mut Report) {
    let ours = Reading::Replay(Engine::Blackstart);
    let mut target = |to: &str, wanted, reference| {
        let target = format!("{title}, to {to}");
        report.verdict(Verdict::at_least(
            target,
            wanted,
            rounds.ratio(ours, reference),
        ));
    };
    target(
        "the baseline's read + checksum",
        0.8,
        Reading::Replay(Engine::Raw),
    );
    target(
        "spacetimedb-commitlog",
        1.2,
        Reading::Replay(Engine::Spacetimedb),
    );
}

fn replay_table(title: &str, records: u64, engines: &[Engine], rounds: &Rounds<Reading>) -> Table {
    let mut table = Table::new(
        title,
        &[
            "log",
            "records/s",
            "to raw",
            "blackstart to it",
            "to read + CRC-32 of its own bytes",
            "bytes a record",
            "memory MiB",
        ],
    );
    for &engine in engines {
        let (replay, checksum) = (Reading::Replay(engine), Reading::Checksum(engine));
        let name = if engine == Engine::Raw {
            "raw (read + checksum)"
        } else {
            engine.name()
        };
        let file_bytes = rounds.median(checksum, |sample| sample.bytes as f64);
        let each = file_bytes.map(|bytes| bytes / records as f64);
        table.row(vec![
            name.into(),
            rounds.rate(replay).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(replay, Reading::Replay(Engine::Raw))),
            ratio(rounds.ratio(Reading::Replay(Engine::Blackstart), replay)),
            ratio(rounds.ratio(replay, checksum)),
            each.map_or_else(|| "–".into(), |bytes| format!("{bytes:.0}")),
            memory(rounds, replay),
        ]);
    }
    table.note(
        "From the closed log to the last record seen, opening included; the page cache is warm. \
         Every record's number is checked.",
    );
    table.note(rounds.calm());
    table
}

fn memory<K: Copy + Ord + std::fmt::Display>(rounds: &Rounds<K>, reading: K) -> String {
    rounds
        .median(reading, |sample| sample.memory_bytes as f64)
        .map_or_else(|| "–".into(), mebibytes)
}

/// What is done with a log of a size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sized {
    Open(u64),
    Replay(u64),
}

impl std::fmt::Display for Sized {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(mebibytes) => write!(f, "opening of {mebibytes} MiB"),
            Self::Replay(mebibytes) => write!(f, "replay of {mebibytes} MiB"),
        }
    }
}

/// One log after the other, not all of them at a time: what is compared here is one log's sizes.
fn reopen(args: &LogArgs, place: &Place, report: &mut Report) -> Result<()> {
    let title = "Reopening after a clean close, and memory of replay, by size of the log";
    let mut columns = vec!["log".to_string()];
    columns.extend(REOPEN_MEBIBYTES.map(|size| format!("open {size} MiB, ms")));
    columns.extend(REOPEN_MEBIBYTES.map(|size| format!("replay {size} MiB, memory MiB")));
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new(title, &columns);
    for engine in args.engines(|engine| engine != Engine::BlackstartSmall) {
        let rounds = reopen_rounds(args, place, engine)?;
        let open_ms = |size| rounds.median(Sized::Open(size), |sample| sample.seconds * 1e3);
        let mut cells = vec![engine.name().to_string()];
        cells.extend(REOPEN_MEBIBYTES.map(|size| {
            open_ms(size).map_or_else(|| "–".into(), |milliseconds| format!("{milliseconds:.2}"))
        }));
        cells.extend(REOPEN_MEBIBYTES.map(|size| memory(&rounds, Sized::Replay(size))));
        table.row(cells);
        if engine == Engine::Blackstart {
            reopen_verdicts(&rounds, report);
        }
    }
    table.note("Sizes are of the payload, in commits of 1,000 records; the page cache is warm.");
    report.table(table);
    Ok(())
}

fn reopen_rounds(args: &LogArgs, place: &Place, engine: Engine) -> Result<Rounds<Sized>> {
    let dir = |size: u64| place.path(&format!("reopen-{size}"));
    let batch = BATCH_RECORDS as u64;
    let records = |size: u64| (size << 20).div_ceil(RECORD_BYTES as u64 * batch) * batch;
    for size in REOPEN_MEBIBYTES {
        eprintln!("reopen: filling {engine} with {size} MiB");
        let work = Work::Fill {
            records: records(size),
            commit_records: BATCH_RECORDS,
        };
        run(engine, &dir(size), work)?;
    }
    let title = format!("reopen {engine}");
    let opens = REOPEN_MEBIBYTES.map(Sized::Open);
    let replays = REOPEN_MEBIBYTES.map(Sized::Replay);
    let both: Vec<Sized> = opens.into_iter().chain(replays).collect();
    let pace = args.common.pace().at_most(REOPEN_ROUNDS_MAX);
    let rounds = Rounds::measure(&title, &both, pace, |sized| match sized {
        Sized::Open(size) => run(engine, &dir(size), Work::Open),
        Sized::Replay(size) => run(
            engine,
            &dir(size),
            Work::Replay {
                records: records(size),
                seconds: 0.0,
            },
        ),
    })?;
    for size in REOPEN_MEBIBYTES {
        fs::remove_dir_all(dir(size))?;
    }
    Ok(rounds)
}

fn reopen_verdicts(rounds: &Rounds<Sized>, report: &mut Report) {
    let times: Vec<f64> = REOPEN_MEBIBYTES
        .iter()
        .filter_map(|&size| rounds.rate(Sized::Open(size)))
        .collect();
    let extreme = |pick: fn(f64, f64) -> f64| times.iter().copied().reduce(pick);
    report.verdict(Verdict::at_most(
        "Reopening after a clean close, the slowest size to the fastest",
        REOPEN_GROWTH_MAX,
        extreme(f64::max)
            .zip(extreme(f64::min))
            .map(|(most, least)| most / least),
    ));
    let memory = |size: Option<&u64>| {
        rounds.median(Sized::Replay(*size?), |sample| sample.memory_bytes as f64)
    };
    let grown = memory(REOPEN_MEBIBYTES.last())
        .zip(memory(REOPEN_MEBIBYTES.first()))
        .map(|(large, small)| (large - small).max(0.0));
    report.verdict(Verdict::at_most(
        "Memory of replay, bytes more for 1 GiB than for 64 MiB",
        MEMORY_GROWTH_BYTES_MAX,
        grown,
    ));
}
