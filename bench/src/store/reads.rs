//! The tables of reads.

use std::fmt;
use std::fs;

use super::StoreArgs;
use super::contender::{Engine, Level, Setup, Way};
use super::reading::Reading;
use super::rows::Shape;
use super::slice::{BATCH_ROWS, Work};
use super::tables::run;
use crate::Result;
use crate::place::Place;
use crate::rounds::Rounds;
use crate::table::{Report, Table, mebibytes, rate, ratio};
use crate::target::Verdict;

/// A store and what is read of it, by how many threads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reads {
    engine: Engine,
    reading: Reading,
    threads: usize,
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.reading, self.engine)
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hits => "hits",
            Self::Misses => "misses",
            Self::Scan(Way::Forward) => "scan",
            Self::Scan(Way::Backward) => "reverse scan",
            Self::Ranges(Way::Forward) => "100-row ranges",
            Self::Ranges(Way::Backward) => "reverse ranges",
        })
    }
}

/// What is read in each table.
const READINGS: [(Reading, usize); 8] = [
    (Reading::Hits, 1),
    (Reading::Misses, 1),
    (Reading::Scan(Way::Forward), 1),
    (Reading::Scan(Way::Backward), 1),
    (Reading::Ranges(Way::Forward), 1),
    (Reading::Ranges(Way::Backward), 1),
    (Reading::Hits, 2),
    (Reading::Scan(Way::Forward), 2),
];

/// What the store that is read looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Loaded in order, merged into one run.
    OneRun,
    /// Filled at random; what nobody asked to be merged may be several runs.
    Filled,
    /// As it is after so many range deletes, each of one row behind those that are read.
    RangeDeletes(u64),
}

impl Layout {
    fn work(self, rows: u64) -> Work {
        match self {
            Self::OneRun => Work::Load {
                rows,
                compact: true,
            },
            Self::Filled | Self::RangeDeletes(0) => Work::Fill {
                rows,
                batch_rows: BATCH_ROWS,
                seconds: f64::MAX,
            },
            Self::RangeDeletes(ranges) => Work::DeleteRanges { rows, ranges },
        }
    }

    fn takes_part(self, engine: Engine) -> bool {
        !engine.is_baseline()
            && match self {
                Self::OneRun => true,
                Self::Filled => engine.is_lsm(),
                Self::RangeDeletes(_) => engine.has_range_deletes(),
            }
    }
}

/// Fills each store once, then measures each way to read.
pub fn measure(
    args: &StoreArgs,
    place: &Place,
    report: &mut Report,
    shape: Shape,
    layout: Layout,
) -> Result<()> {
    let engines = args.engines(|engine| layout.takes_part(engine));
    let dir = |engine: Engine| place.path(&format!("read-{engine:?}"));
    let setup = Setup::new(Level::System);
    let rows = args.rows;
    let name = match (shape, layout) {
        (Shape::Composite, _) => "Reads of one sorted run, composite keys".to_string(),
        (_, Layout::OneRun) => "Reads of one sorted run".to_string(),
        (_, Layout::Filled) => "Reads after a random fill, nothing merged by hand".to_string(),
        (_, Layout::RangeDeletes(ranges)) => format!("Reads beside {ranges} range deletes"),
    };
    for &engine in &engines {
        eprintln!("{name}: filling {engine}");
        run(engine, &dir(engine), setup, shape, layout.work(rows))?;
    }
    for (reading, threads) in READINGS {
        if !args.reads.is_empty() && !args.reads.contains(&reading.to_string()) {
            continue;
        }
        let with = match threads {
            1 => String::new(),
            _ => format!(", {threads} threads"),
        };
        let title = format!("{name}, {} rows: {reading}{with}", rate(rows as f64));
        let contenders: Vec<Reads> = engines
            .iter()
            .filter(|engine| reading.way() == Way::Forward || engine.has_backward())
            .map(|&engine| Reads {
                engine,
                reading,
                threads,
            })
            .collect();
        let seconds = args.common.seconds;
        let work = Work::Read {
            rows,
            reading,
            threads,
            seconds,
        };
        let rounds = Rounds::measure(&title, &contenders, args.common.pace(), |reads| {
            run(reads.engine, &dir(reads.engine), setup, shape, work)
        })?;
        report.table(table(&title, &contenders, &rounds));
        verdicts(&title, shape, layout, &contenders, &rounds, report);
    }
    for &engine in &engines {
        fs::remove_dir_all(dir(engine))?;
    }
    Ok(())
}

fn table(title: &str, contenders: &[Reads], rounds: &Rounds<Reads>) -> Table {
    let columns = ["store", "operations/s", "blackstart to it", "memory MiB"];
    let mut table = Table::new(title, &columns);
    for &contender in contenders {
        let ours = Reads {
            engine: Engine::Blackstart,
            ..contender
        };
        let memory = rounds.median(contender, |sample| sample.memory_bytes as f64);
        table.row(vec![
            contender.engine.name().into(),
            rounds.rate(contender).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, contender)),
            memory.map_or_else(|| "–".into(), mebibytes),
        ]);
    }
    table.note(rounds.calm());
    table
}

/// What reads are wanted to reach.
fn verdicts(
    title: &str,
    shape: Shape,
    layout: Layout,
    contenders: &[Reads],
    rounds: &Rounds<Reads>,
    report: &mut Report,
) {
    let one_thread = contenders.first().is_some_and(|reads| reads.threads == 1);
    let Some(reading) = contenders
        .first()
        .map(|reads| reads.reading)
        .filter(|_| one_thread)
    else {
        return;
    };
    let wanted: &[(f64, &[Engine])] = match (layout, shape, reading) {
        (Layout::Filled, ..) => &[(2.0, &[Engine::Fjall, Engine::Rocksdb])],
        (Layout::RangeDeletes(_), ..) => &[],
        (_, Shape::Composite, Reading::Hits) => &[(1.0, &[Engine::Lmdb])],
        (_, Shape::Composite, _) => &[],
        (_, _, Reading::Hits) => &[(1.3, &[Engine::Lmdb])],
        (_, _, Reading::Misses) => &[(3.0, &[Engine::Rocksdb])],
        (_, _, Reading::Scan(_)) => &[(1.3, &[Engine::Lmdb, Engine::Redb])],
        (_, _, Reading::Ranges(_)) => &[(1.2, &[Engine::Lmdb, Engine::Redb])],
    };
    for &(least, peers) in wanted {
        let of = |engine| Reads {
            engine,
            reading,
            threads: 1,
        };
        let peers = contenders
            .iter()
            .copied()
            .filter(|reads| peers.contains(&reads.engine));
        let Some(best) = rounds.best(peers) else {
            continue;
        };
        report.verdict(Verdict::at_least(
            format!("{title}, to {}", best.engine),
            least,
            rounds.ratio(of(Engine::Blackstart), best),
        ));
    }
}
