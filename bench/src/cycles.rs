//! Crash-and-recover cycles of the commit log in the simulator: build what a disk may hold after
//! a crash, open the log on it, read everything back, check it, append again.

mod small;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use blackstart_scenarios::commitlog::CommitLog;
use blackstart_sim::disk::Profile;
use blackstart_sim::{Campaign, CampaignOptions};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::child::{self, Sample};
use crate::processor::cpu_time;
use crate::rounds::Rounds;
use crate::table::{Report, Table, rate};
use crate::target::Verdict;
use crate::{CommonArgs, Result};

/// Cycles a second that are wanted on a small case.
const CYCLES_WANTED: f64 = 25_000.0;

/// Options of `cycles`.
#[derive(Args)]
pub struct CyclesArgs {
    /// What all commands take.
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What is put through crashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Kind {
    /// The log on the simulated disk, one task, a fixed small history.
    Small,
    /// A campaign of the scenario `commitlog`: scheduler, model and oracles, drawn cases.
    Campaign,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => small::DESCRIPTION,
            Self::Campaign => "campaign of the scenario commitlog, one job, posix-strict",
        })
    }
}

/// A slice of cycles.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Job {
    kind: Kind,
    seconds: f64,
}

/// Does a job in this process.
pub fn slice(job: &Job) -> Result<Sample> {
    match job.kind {
        Kind::Small => small::slice(job.seconds),
        Kind::Campaign => campaign(job.seconds),
    }
}

/// Operations are recoveries, each checked by the model; bytes are calls on the seam.
fn campaign(seconds: f64) -> Result<Sample> {
    let options = CampaignOptions {
        seeds: 0..u64::MAX,
        time_max: Some(Duration::from_secs_f64(seconds)),
        profile: Some(Profile::PosixStrict),
        determinism_one_in: 0,
        shrink: false,
        ..CampaignOptions::default()
    };
    let start = cpu_time();
    let report = Campaign::shared(Arc::new(CommitLog), options).report();
    let seconds = (cpu_time() - start).as_secs_f64();
    if let Some(failure) = report.failures.first() {
        return Err(format!("the campaign found a failure: {:?}", failure.failure).into());
    }
    let (operations, bytes) = (report.tally.recoveries, report.tally.calls);
    Ok(Sample {
        operations,
        bytes,
        seconds,
        ..Sample::default()
    })
}

/// Measures the cycles.
pub fn run(args: &CyclesArgs, report: &mut Report) -> Result<()> {
    let title = "Crash-and-recover cycles of the commit log in the simulator";
    let kinds = [Kind::Small, Kind::Campaign];
    let seconds = args.common.seconds;
    let rounds = Rounds::measure(title, &kinds, args.common.pace(), |kind| {
        child::run(&child::Job::Cycles(Job { kind, seconds }))
    })?;
    let mut table = Table::new(
        title,
        &["case", "cycles/s", "seam calls a cycle", "seam calls/s"],
    );
    for kind in kinds {
        let calls = rounds.median(kind, |sample| {
            sample.bytes as f64 / sample.operations as f64
        });
        let per_second = rounds.median(kind, |sample| sample.bytes as f64 / sample.seconds);
        let shown = |value: Option<f64>| match value {
            Some(value) if value > 0.0 => rate(value),
            _ => "–".into(),
        };
        table.row(vec![
            kind.to_string(),
            shown(rounds.rate(kind)),
            shown(calls),
            shown(per_second),
        ]);
    }
    table.note("Per second of processor time, one thread.");
    table.note(rounds.calm());
    report.table(table);
    let target = "Cycles a second on a small case";
    report.verdict(Verdict::at_least(
        target,
        CYCLES_WANTED,
        rounds.rate(Kind::Small),
    ));
    Ok(())
}
