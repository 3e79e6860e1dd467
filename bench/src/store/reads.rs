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
    layout: Layout,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    /// Loaded in order, merged into one run.
    OneRun,
    /// Filled at random; what nobody asked to be merged may be several runs.
    Filled,
    /// As it is after so many range deletes, each of one row behind those that are read.
    RangeDeletes(u64),
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneRun | Self::Filled => Ok(()),
            Self::RangeDeletes(ranges) => write!(f, ", {ranges} range deletes"),
        }
    }
}

impl Layout {
    fn work(self, rows: u64) -> Work {
        match self {
            Self::OneRun => Work::Load {
                rows,
                compact: true,
            },
            Self::Filled => Work::Fill {
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

/// Fills each store once in each layout, then measures each way to read.
pub fn measure(
    args: &StoreArgs,
    place: &Place,
    report: &mut Report,
    shape: Shape,
    layouts: &[Layout],
) -> Result<()> {
    let dir = |engine: Engine, layout: Layout| place.path(&format!("{engine:?}-{layout:?}"));
    let setup = Setup::new(Level::System);
    let rows = args.rows;
    let name = name(shape, layouts);
    let stores: Vec<(Engine, Layout)> = args
        .engines(|engine| layouts.iter().all(|layout| layout.takes_part(engine)))
        .into_iter()
        .flat_map(|engine| layouts.iter().map(move |&layout| (engine, layout)))
        .collect();
    for &(engine, layout) in &stores {
        eprintln!("{name}: filling {engine}{layout}");
        run(
            engine,
            &dir(engine, layout),
            setup,
            shape,
            layout.work(rows),
        )?;
    }
    for (reading, threads) in READINGS {
        if !args.reads.is_empty() && !args.reads.contains(&reading.to_string()) {
            continue;
        }
        let title = title(name, rows, reading, threads);
        let contenders: Vec<Reads> = stores
            .iter()
            .filter(|(engine, _)| reading.way() == Way::Forward || engine.has_backward())
            .map(|&(engine, layout)| Reads {
                engine,
                layout,
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
            run(
                reads.engine,
                &dir(reads.engine, reads.layout),
                setup,
                shape,
                work,
            )
        })?;
        report.table(table(&title, &contenders, &rounds));
        if threads == 1 {
            verdicts(&title, shape, &contenders, &rounds, report);
        }
    }
    for (engine, layout) in stores {
        fs::remove_dir_all(dir(engine, layout))?;
    }
    Ok(())
}

fn name(shape: Shape, layouts: &[Layout]) -> &'static str {
    match (shape, layouts) {
        (Shape::Composite, _) => "Reads of one sorted run, composite keys",
        (_, [Layout::OneRun, ..]) => "Reads of one sorted run",
        (_, [Layout::Filled, ..]) => "Reads after a random fill, nothing merged by hand",
        _ => "Reads beside range deletes",
    }
}

fn title(name: &str, rows: u64, reading: Reading, threads: usize) -> String {
    let with = match threads {
        1 => String::new(),
        _ => format!(", {threads} threads"),
    };
    format!("{name}, {} rows: {reading}{with}", rate(rows as f64))
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
            format!("{}{}", contender.engine, contender.layout),
            rounds.rate(contender).map_or_else(|| "–".into(), rate),
            ratio(rounds.ratio(ours, contender)),
            memory.map_or_else(|| "–".into(), mebibytes),
        ]);
    }
    table.note(rounds.calm());
    table
}

/// What reads are wanted to reach: so many times the best of some peers.
const fn wanted(layout: Layout, shape: Shape, reading: Reading) -> (f64, &'static [Engine]) {
    const TREES: &[Engine] = &[Engine::Lmdb, Engine::Redb];
    match (layout, shape, reading) {
        (Layout::Filled, ..) => (2.0, &[Engine::Fjall, Engine::Rocksdb]),
        (Layout::RangeDeletes(_), ..) => (0.8, &[Engine::Blackstart]),
        (Layout::OneRun, Shape::Composite, Reading::Hits) => (1.0, &[Engine::Lmdb]),
        (Layout::OneRun, Shape::Composite, _) => (1.0, TREES),
        (Layout::OneRun, _, Reading::Hits) => (1.3, &[Engine::Lmdb]),
        (Layout::OneRun, _, Reading::Misses) => (3.0, &[Engine::Rocksdb]),
        (Layout::OneRun, _, Reading::Scan(_)) => (1.3, TREES),
        (Layout::OneRun, _, Reading::Ranges(_)) => (1.2, TREES),
    }
}

/// What was reached of it, by our store in its last layout.
fn verdicts(
    title: &str,
    shape: Shape,
    contenders: &[Reads],
    rounds: &Rounds<Reads>,
    report: &mut Report,
) {
    let is_ours = |reads: &&Reads| reads.engine == Engine::Blackstart;
    let Some(&ours) = contenders.iter().rfind(is_ours) else {
        return;
    };
    let (least, peers) = wanted(ours.layout, shape, ours.reading);
    let is_peer = |reads: &Reads| *reads != ours && peers.contains(&reads.engine);
    if let Some(best) = rounds.best(contenders.iter().copied().filter(is_peer)) {
        report.verdict(Verdict::at_least(
            format!("{title}, to {}{}", best.engine, best.layout),
            least,
            rounds.ratio(ours, best),
        ));
    }
}
