//! The simulated disk: calls a second on one core, beside turmoil-fs on the same calls.

mod blackstart;
mod mix;
mod turmoil;

use std::fmt;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::child::{self, Sample};
use crate::rounds::Rounds;
use crate::table::{Report, Table, rate, ratio};
use crate::target::Verdict;
use crate::{CommonArgs, Result};

/// Options of `disk`.
#[derive(Args)]
pub struct DiskArgs {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// The disks that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Disk {
    Blackstart,
    TurmoilFs,
}

/// What surrounds the measured calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Shape {
    /// Effects that stay pending throughout, in a file of their own that is read from.
    pending: u32,
    /// Files that exist.
    files: u32,
    /// Files that the calls go to.
    active: u32,
}

/// Files that the calls go to, unless all are meant.
const ACTIVE_MAX: u32 = 8;
const PENDING: [u32; 4] = [10, 100, 1_000, 10_000];
const FILES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// Where the other one varies.
const PENDING_USUAL: u32 = 100;
const FILES_USUAL: u32 = 10;

impl Shape {
    fn new(pending: u32, files: u32) -> Self {
        Self {
            pending,
            files,
            active: files.min(ACTIVE_MAX),
        }
    }
}

/// A slice of a simulated disk.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Job {
    disk: Disk,
    shape: Shape,
    seconds: f64,
}

/// Does a job in this process.
pub fn slice(job: &Job) -> Result<Sample> {
    match job.disk {
        Disk::Blackstart => mix::measure(blackstart::Blackstart::new()?, job.shape, job.seconds),
        Disk::TurmoilFs => mix::measure(turmoil::TurmoilFs::new()?, job.shape, job.seconds),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Contender {
    disk: Disk,
    shape: Shape,
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            pending,
            files,
            active,
        } = self.shape;
        write!(
            f,
            "{:?}, {pending} pending, {files} files, {active} active",
            self.disk
        )
    }
}

/// Measures all shapes on both disks.
pub fn run(args: &DiskArgs, report: &mut Report) -> Result<()> {
    let by_pending = PENDING.map(|pending| Shape::new(pending, FILES_USUAL));
    let by_files = FILES.map(|files| Shape::new(PENDING_USUAL, files));
    let spread = Shape {
        active: 10_000,
        ..Shape::new(PENDING_USUAL, 10_000)
    };
    let shapes: Vec<Shape> = by_pending
        .into_iter()
        .chain(by_files)
        .chain([spread])
        .collect();
    let contenders: Vec<Contender> = shapes
        .iter()
        .flat_map(|&shape| {
            [Disk::Blackstart, Disk::TurmoilFs].map(|disk| Contender { disk, shape })
        })
        .collect();
    let title = "Simulated disk, calls of one core";
    let rounds = Rounds::measure(title, &contenders, args.common.pace(), |contender| {
        let Contender { disk, shape } = contender;
        child::run(&child::Job::Disk(Job {
            disk,
            shape,
            seconds: args.common.seconds,
        }))
    })?;
    report.table(table(title, &shapes, &rounds));
    verdicts(&by_pending, &by_files, &rounds, report);
    Ok(())
}

fn ours(shape: Shape) -> Contender {
    Contender {
        disk: Disk::Blackstart,
        shape,
    }
}

fn theirs(shape: Shape) -> Contender {
    Contender {
        disk: Disk::TurmoilFs,
        shape,
    }
}

fn table(title: &str, shapes: &[Shape], rounds: &Rounds<Contender>) -> Table {
    let columns = [
        "pending effects",
        "files",
        "files in use",
        "blackstart-sim calls/s",
        "turmoil-fs 0.1.0 calls/s",
        "ratio",
        "blackstart-sim bytes of memory a call",
    ];
    let mut table = Table::new(title, &columns);
    for &shape in shapes {
        let shown = |value: Option<f64>| value.map_or_else(|| "–".into(), rate);
        let memory = rounds.median(ours(shape), |sample| {
            sample.memory_bytes as f64 / sample.operations.max(1) as f64
        });
        table.row(vec![
            shape.pending.to_string(),
            shape.files.to_string(),
            shape.active.to_string(),
            shown(rounds.rate(ours(shape))),
            shown(rounds.rate(theirs(shape))),
            ratio(rounds.ratio(ours(shape), theirs(shape))),
            memory.map_or_else(|| "–".into(), |bytes| format!("{bytes:.0}")),
        ]);
    }
    table.note(mix::DESCRIPTION);
    table.note(rounds.calm());
    table
}

fn verdicts(
    by_pending: &[Shape],
    by_files: &[Shape],
    rounds: &Rounds<Contender>,
    report: &mut Report,
) {
    let all = || by_pending.iter().chain(by_files).copied();
    let slowest = all()
        .filter_map(|shape| rounds.rate(ours(shape)))
        .reduce(f64::min);
    report.verdict(Verdict::at_least(
        "Calls a second, the slowest row",
        2e6,
        slowest,
    ));
    for (what, shapes) in [
        ("10 to 10,000 pending effects", by_pending),
        ("1 to 10,000 files", by_files),
    ] {
        let first = shapes.first().copied();
        let least = first.and_then(|first| {
            rounds.least_ratio_of(shapes.iter().map(|&shape| ours(shape)), ours(first))
        });
        let target = format!("Flat from {what}: the slowest row to the first");
        report.verdict(Verdict::at_least(target, 0.8, least));
    }
    let least = all()
        .filter_map(|shape| rounds.ratio(ours(shape), theirs(shape)))
        .reduce(f64::min);
    report.verdict(Verdict::at_least(
        "To turmoil-fs, the least ratio",
        10.0,
        least,
    ));
}
