//! The workloads, their tables and their targets.

use std::fmt;
use std::fs;
use std::path::Path;

use clap::ValueEnum;

use super::StoreArgs;
use super::contender::{Engine, Level, Setup};
use super::reads::{self, Layout};
use super::rows::Shape;
use super::shapes;
use super::slice::{BATCH_ROWS, Job, Work};
use crate::Result;
use crate::child::{self, Sample};
use crate::place::{self, Place};
use crate::rounds::Rounds;
use crate::table::{Report, Table, mebibytes, rate, ratio};
use crate::target::Verdict;

/// A workload of the store.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Filling in order and at random, in batches and by single puts, without syncs.
    Fill,
    /// Gets, scans and ranges of one sorted run in the cache.
    Read,
    /// The same, keys whose first 8 bytes have few values.
    Composite,
    /// Reads after a random fill that nothing has merged.
    Runs,
    /// Writes that survive a loss of power.
    Synced,
    /// The same keys again and again.
    Overwrite,
    /// Opening what a killed process has left in the log.
    Killed,
    /// Append at the end, delete at the front.
    Queue,
    /// Reads beside many range deletes.
    RangeDeletes,
    /// More rows than the cache holds; not in the default, it takes long.
    Large,
}

impl Workload {
    /// Those that a run without a choice measures.
    pub const ALL: [Self; 10] = [
        Self::Fill,
        Self::Read,
        Self::Composite,
        Self::Runs,
        Self::Synced,
        Self::Overwrite,
        Self::Killed,
        Self::Queue,
        Self::RangeDeletes,
        Self::Large,
    ];

    /// Whether it takes part when nothing is chosen.
    pub const fn is_default(self) -> bool {
        !matches!(self, Self::Large)
    }

    /// Measures the workload.
    pub fn measure(self, args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
        match self {
            Self::Fill => {
                fill(args, place, report, Shape::Sequential, BATCH_ROWS)?;
                fill(args, place, report, Shape::Random, BATCH_ROWS)?;
                fill(args, place, report, Shape::Random, 1)
            }
            Self::Read => reads::measure(args, place, report, Shape::Random, &[Layout::OneRun]),
            Self::Composite => {
                reads::measure(args, place, report, Shape::Composite, &[Layout::OneRun])
            }
            Self::Runs => reads::measure(args, place, report, Shape::Random, &[Layout::Filled]),
            Self::Overwrite => overwrite(args, place, report),
            Self::Killed => killed(args, place, report),
            Self::Queue => queue(args, place, report),
            Self::RangeDeletes => {
                let layouts = [0, args.ranges].map(Layout::RangeDeletes);
                reads::measure(args, place, report, Shape::Random, &layouts)
            }
            Self::Large => large(args, place, report),
            Self::Synced => {
                synced(args, place, report, 1, 1)?;
                synced(args, place, report, 8, 1)?;
                synced(args, place, report, 1, BATCH_ROWS)
            }
        }
    }
}

/// A store at a level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entrant {
    engine: Engine,
    level: Level,
}

impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.engine, self.level)
    }
}

/// Runs a slice.
pub fn run(engine: Engine, dir: &Path, setup: Setup, shape: Shape, work: Work) -> Result<Sample> {
    child::run(&child::Job::Store(Job {
        engine,
        dir: dir.into(),
        setup,
        shape,
        work,
    }))
}

/// Runs a slice in a fresh directory that is removed afterwards.
fn run_fresh(entrant: Entrant, place: &Place, shape: Shape, work: Work) -> Result<Sample> {
    let dir = place.path("slice");
    fs::create_dir_all(&dir)?;
    let sample = run(entrant.engine, &dir, Setup::new(entrant.level), shape, work)?;
    fs::remove_dir_all(&dir)?;
    Ok(sample)
}

/// A table of writes: each store at its levels, ours at the same.
fn write_table(title: &str, rounds: &Rounds<Entrant>, entrants: &[Entrant]) -> Table {
    let columns = [
        "store",
        "a write is",
        "rows/s",
        "blackstart to it, at its level",
    ];
    let mut table = Table::new(title, &columns);
    for &entrant in entrants {
        let ours = Entrant {
            engine: Engine::Blackstart,
            ..entrant
        };
        table.row(vec![
            entrant.engine.name().into(),
            entrant.level.to_string(),
            rounds.rate(entrant).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, entrant)),
        ]);
    }
    table.note(rounds.calm());
    table
}

fn entrants(args: &StoreArgs, levels: impl Fn(Engine) -> &'static [Level]) -> Vec<Entrant> {
    let engines = args.engines(|_| true).into_iter();
    let at_levels = |engine| {
        let levels = levels(engine).iter();
        levels.map(move |&level| Entrant { engine, level })
    };
    engines.flat_map(at_levels).collect()
}

/// What a write is wanted to reach at a level: so many times a baseline, or the best peer.
fn target(
    title: &str,
    rounds: &Rounds<Entrant>,
    entrants: &[Entrant],
    level: Level,
    least: f64,
    peers: &[Engine],
) -> Option<Verdict> {
    let of = |engine| Entrant { engine, level };
    let is_meant = |entrant: &Entrant| entrant.level == level && peers.contains(&entrant.engine);
    let best = rounds.best(entrants.iter().copied().filter(is_meant))?;
    let ratio = rounds.ratio(of(Engine::Blackstart), best);
    Some(Verdict::at_least(
        format!("{title}, to {best}"),
        least,
        ratio,
    ))
}

/// The log-structured merge trees beside ours.
const LSM_PEERS: [Engine; 3] = [Engine::Fjall, Engine::Rocksdb, Engine::Surrealkv];

fn fill(
    args: &StoreArgs,
    place: &Place,
    report: &mut Report,
    shape: Shape,
    batch_rows: usize,
) -> Result<()> {
    let order = match shape {
        Shape::Sequential => "in order",
        _ => "at random",
    };
    let how = match batch_rows {
        1 => "by single puts".into(),
        _ => format!("in batches of {batch_rows}"),
    };
    let title = format!(
        "Filling with {} rows {order}, {how}, unsynced",
        rate(args.rows as f64)
    );
    let entrants = entrants(args, Engine::unsynced_levels);
    let work = Work::Fill {
        rows: args.rows,
        batch_rows,
        seconds: args.fill_seconds,
    };
    let rounds = Rounds::measure(&title, &entrants, args.common.pace(), |entrant| {
        run_fresh(entrant, place, shape, work)
    })?;
    let mut table = write_table(&title, &rounds, &entrants);
    table.note("Until the last write has returned: flushes and merges may be under way.");
    report.table(table);
    let least = match (batch_rows, shape) {
        (1, _) => 1.3,
        (_, Shape::Sequential) => 1.2,
        _ => 2.0,
    };
    for level in [Level::Process, Level::System] {
        let verdict = |least, peers| target(&title, &rounds, &entrants, level, least, peers);
        let map = verdict(0.8, &[Engine::Map]);
        let verdicts = [verdict(least, &LSM_PEERS), map];
        verdicts
            .into_iter()
            .flatten()
            .for_each(|verdict| report.verdict(verdict));
    }
    Ok(())
}

fn synced(
    args: &StoreArgs,
    place: &Place,
    report: &mut Report,
    writers: usize,
    batch_rows: usize,
) -> Result<()> {
    let title = match (batch_rows, writers) {
        (1, 1) => "Synced puts by 1 writer".into(),
        (1, _) => format!("Synced puts by {writers} writers"),
        _ => format!("Synced batches of {batch_rows}"),
    };
    let entrants = entrants(args, |_| &[Level::Synced]);
    let work = Work::Write {
        writers,
        batch_rows,
        seconds: args.common.seconds,
    };
    let rounds = Rounds::measure(&title, &entrants, args.common.pace(), |entrant| {
        run_fresh(entrant, place, Shape::Random, work)
    })?;
    report.table(write_table(&title, &rounds, &entrants));
    let baseline = match batch_rows {
        1 => Engine::Log,
        _ => Engine::Map,
    };
    let peers: Vec<Engine> = args
        .engines(|engine| engine != Engine::Blackstart && !engine.is_baseline())
        .into_iter()
        .collect();
    let verdict = |least, peers| target(&title, &rounds, &entrants, Level::Synced, least, peers);
    let verdicts = [verdict(0.95, &[baseline]), verdict(1.0, &peers)];
    verdicts
        .into_iter()
        .flatten()
        .for_each(|verdict| report.verdict(verdict));
    Ok(())
}

/// A sample's further figure, its median.
fn figure(rounds: &Rounds<Entrant>, entrant: Entrant, index: usize) -> Option<f64> {
    rounds.median(entrant, |sample| {
        sample.figures.get(index).copied().unwrap_or_default()
    })
}

fn lsm_entrants(args: &StoreArgs, takes_part: impl Fn(Engine) -> bool) -> Vec<Entrant> {
    let level = Level::System;
    let engines = args
        .engines(|engine| engine.is_lsm() && takes_part(engine))
        .into_iter();
    engines.map(|engine| Entrant { engine, level }).collect()
}

fn overwrite(args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
    let (rows, keys) = (args.rows, (args.rows / 5).max(1));
    let title = format!(
        "{} overwrites of {} keys",
        rate(rows as f64),
        rate(keys as f64)
    );
    let entrants = lsm_entrants(args, |_| true);
    let work = Work::Overwrite { rows, keys };
    let rounds = Rounds::measure(&title, &entrants, args.common.pace(), |entrant| {
        run_fresh(entrant, place, Shape::Random, work)
    })?;
    let columns = [
        "store",
        "rows/s",
        "blackstart to it",
        "space to live data",
        "the same, compacted",
        "written to asked",
        "memory MiB",
    ];
    let mut table = Table::new(&title, &columns);
    for &entrant in &entrants {
        let ours = Entrant {
            engine: Engine::Blackstart,
            ..entrant
        };
        let memory = rounds.median(entrant, |sample| sample.memory_bytes as f64);
        table.row(vec![
            entrant.engine.name().into(),
            rounds.rate(entrant).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, entrant)),
            ratio(figure(&rounds, entrant, 0)),
            ratio(figure(&rounds, entrant, 1)),
            ratio(figure(&rounds, entrant, 2)),
            memory.map_or_else(|| "–".into(), mebibytes),
        ]);
    }
    table.note(
        "In batches of 1,000, with the operating system. Space is of the closed store. Written is \
         what went to write calls until all was flushed, log included.",
    );
    table.note(rounds.calm());
    report.table(table);
    let ours = Entrant {
        engine: Engine::Blackstart,
        level: Level::System,
    };
    let best = target(&title, &rounds, &entrants, Level::System, 1.2, &LSM_PEERS);
    best.into_iter().for_each(|verdict| report.verdict(verdict));
    let mut at_most = |name, wanted, index| {
        let measured = figure(&rounds, ours, index);
        report.verdict(Verdict::at_most(
            format!("{title}, {name}"),
            wanted,
            measured,
        ));
    };
    at_most("space after a compaction to live data", 1.3, 1);
    at_most("written to asked", 3.0, 2);
    Ok(())
}

fn killed(args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
    let rows = args.rows;
    let title = format!(
        "Opening after a kill, {} rows in the log",
        rate(rows as f64)
    );
    let entrants = lsm_entrants(args, |_| true);
    let dir = |entrant: Entrant| place.path(&format!("killed-{:?}", entrant.engine));
    let setup = Setup {
        memtable_bytes: 1 << 30,
        ..Setup::new(Level::System)
    };
    for &entrant in &entrants {
        eprintln!("{title}: filling {entrant}");
        let work = Work::Fill {
            rows,
            batch_rows: BATCH_ROWS,
            seconds: f64::MAX,
        };
        run(entrant.engine, &dir(entrant), setup, Shape::Random, work)?;
    }
    let rounds = Rounds::measure(&title, &entrants, args.common.pace(), |entrant| {
        let copy = place.path("slice");
        place::copy_dir(&dir(entrant), &copy)?;
        let work = Work::Reopen { rows };
        let sample = run(entrant.engine, &copy, setup, Shape::Random, work)?;
        fs::remove_dir_all(&copy)?;
        Ok(sample)
    })?;
    let columns = ["store", "ms", "rows/s", "blackstart to it", "memory MiB"];
    let mut table = Table::new(&title, &columns);
    for &entrant in &entrants {
        let ours = Entrant {
            engine: Engine::Blackstart,
            ..entrant
        };
        let milliseconds = rounds.median(entrant, |sample| sample.seconds * 1e3);
        let memory = rounds.median(entrant, |sample| sample.memory_bytes as f64);
        table.row(vec![
            entrant.engine.name().into(),
            milliseconds.map_or_else(|| "–".into(), |each| format!("{each:.0}")),
            rounds.rate(entrant).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, entrant)),
            memory.map_or_else(|| "–".into(), mebibytes),
        ]);
        fs::remove_dir_all(dir(entrant))?;
    }
    table.note(
        "Write buffers of 1 GiB, nothing flushed, the page cache warm. Until the first get has \
         returned.",
    );
    table.note(rounds.calm());
    report.table(table);
    let best = target(
        &title,
        &rounds,
        &entrants,
        Level::System,
        2.0,
        &LSM_PEERS[..2],
    );
    best.into_iter().for_each(|verdict| report.verdict(verdict));
    Ok(())
}

fn queue(args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
    let operations = args.rows;
    let title = format!(
        "A queue: append, seek the first, delete it, {} times",
        rate(operations as f64)
    );
    let entrants: Vec<Entrant> = entrants(args, |engine| match engine {
        engine if engine.is_baseline() => &[],
        Engine::Redb => &[Level::Process],
        _ => &[Level::System],
    });
    let work = Work::Queue {
        operations,
        seconds: args.fill_seconds,
    };
    let rounds = Rounds::measure(
        &title,
        &entrants,
        args.common.pace().at_most(3),
        |entrant| run_fresh(entrant, place, shapes::QUEUE_SHAPE, work),
    )?;
    let columns = [
        "store",
        "a write is",
        "turns/s",
        "blackstart to it",
        "last tenth to the first",
    ];
    let mut table = Table::new(&title, &columns);
    for &entrant in &entrants {
        let ours = Entrant {
            engine: Engine::Blackstart,
            level: Level::System,
        };
        table.row(vec![
            entrant.engine.name().into(),
            entrant.level.to_string(),
            rounds.rate(entrant).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, entrant)),
            ratio(figure(&rounds, entrant, 0)),
        ]);
    }
    table.note(
        "Time of the last tenth of the turns in that of the first, or of those that were done in \
         the time that a fill may take. 1,000 rows wait.",
    );
    table.note(rounds.calm());
    report.table(table);
    let ours = Entrant {
        engine: Engine::Blackstart,
        level: Level::System,
    };
    report.verdict(Verdict::at_most(
        format!("{title}, the last tenth to the first"),
        1.5,
        figure(&rounds, ours, 0),
    ));
    Ok(())
}

fn large(args: &StoreArgs, place: &Place, report: &mut Report) -> Result<()> {
    let (rows, seconds) = (args.large_rows, args.mixed_seconds);
    let title = format!(
        "{} rows, larger than the cache, all mixed for {seconds} s",
        rate(rows as f64)
    );
    let entrants = lsm_entrants(args, |engine| engine != Engine::Surrealkv);
    let work = Work::Mixed { rows, seconds };
    let rounds = Rounds::measure(
        &title,
        &entrants,
        args.common.pace().at_most(1),
        |entrant| run_fresh(entrant, place, Shape::Random, work),
    )?;
    let columns = [
        "store",
        "fill, rows/s",
        "then rows written/s",
        "and reads/s",
        "longest write, s",
        "written to asked",
        "memory MiB",
    ];
    let mut table = Table::new(&title, &columns);
    for &entrant in &entrants {
        let number = |index| figure(&rounds, entrant, index).map_or_else(|| "–".into(), rate);
        let memory = rounds.median(entrant, |sample| sample.memory_bytes as f64);
        table.row(vec![
            entrant.engine.name().into(),
            rounds.rate(entrant).map_or_else(|| "–".into(), rate),
            number(0),
            number(1),
            ratio(figure(&rounds, entrant, 2)),
            ratio(figure(&rounds, entrant, 3)),
            memory.map_or_else(|| "–".into(), mebibytes),
        ]);
    }
    table.note(
        "One writer in batches of 100 with the operating system, beside one reader, one in ten \
         of whose reads is a range of 100 rows. One round.",
    );
    table.note(rounds.calm());
    report.table(table);
    Ok(())
}
