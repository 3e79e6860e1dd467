//! One slice in a process of its own.
//!
//! The parent starts itself again with a job as JSON and reads one line of JSON back. A slice so
//! starts with fresh memory and no threads, and its peak memory is its own.

use std::process::{Command, Stdio};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{Result, log, store};
#[cfg(feature = "simulator")]
use crate::{cycles, disk};

/// What a child does.
#[derive(Serialize, Deserialize)]
pub enum Job {
    /// A slice of a commit log.
    Log(log::Job),
    /// A slice of a simulated disk.
    #[cfg(feature = "simulator")]
    Disk(disk::Job),
    /// A slice of crash-and-recover cycles.
    #[cfg(feature = "simulator")]
    Cycles(cycles::Job),
    /// A slice of a store.
    Store(store::Job),
}

/// What a slice measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Operations done: records, commits, calls.
    pub operations: u64,
    /// Bytes read or written on behalf of the operations, where that says something.
    pub bytes: u64,
    /// Seconds the operations took, preparations excluded.
    pub seconds: f64,
    /// How much the peak of resident memory rose meanwhile.
    pub memory_bytes: u64,
    /// Further figures; the workload says which.
    #[serde(default)]
    pub figures: [f64; 4],
}

impl Sample {
    /// Operations per second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.operations as f64 / self.seconds
        } else {
            0.0
        }
    }
}

/// The hidden command that answers a job.
#[derive(Args)]
pub struct ChildArgs {
    /// The job as JSON.
    job: String,
}

/// Runs a job in a new process.
pub fn run(job: &Job) -> Result<Sample> {
    let text = serde_json::to_string(job)?;
    let output = Command::new(std::env::current_exe()?)
        .arg("child")
        .arg(&text)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the slice {text} failed: {}", output.status).into());
    }
    let answer = std::str::from_utf8(&output.stdout)?;
    let line = answer
        .lines()
        .last()
        .ok_or_else(|| format!("the slice {text} said nothing"))?;
    Ok(serde_json::from_str(line)?)
}

/// Does a job in this process and prints what it measured.
pub fn answer(args: &ChildArgs) -> Result<()> {
    let sample = match serde_json::from_str(&args.job)? {
        Job::Log(job) => log::slice(&job)?,
        #[cfg(feature = "simulator")]
        Job::Disk(job) => disk::slice(&job)?,
        #[cfg(feature = "simulator")]
        Job::Cycles(job) => cycles::slice(&job)?,
        Job::Store(job) => store::slice(&job)?,
    };
    println!("{}", serde_json::to_string(&sample)?);
    Ok(())
}
