//! `blackstart log`: looks at a commit log, saves what is left of a damaged one, copies one, and
//! retires history.
//!
//! `inspect`, `verify` and `backup` take no lock and write nothing into the log's directory.
//! `salvage` locks it and writes nothing into it.

mod advice;
pub(crate) mod show;

use std::path::{Path, PathBuf};

use blackstart::commitlog::{
    Epoch, Inspected, Log, LogError, LogOptions, ReadOnlyLog, TxOffset, backup, inspect, salvage,
    verify,
};
use blackstart_sim::cli::{Exit, say};
use blackstart_vfs::Env;
use clap::{Args, Subcommand};

/// Commands on a log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List segments, commits, and what follows the last good commit; never writes
    Inspect {
        /// The log's directory
        dir: PathBuf,
        /// Only segments and what is wrong, not every frame
        #[arg(long)]
        brief: bool,
    },
    /// Read everything and check every checksum; never writes
    Verify {
        /// The log's directory
        dir: PathBuf,
        #[command(flatten)]
        known: Known,
    },
    /// Write what can be read of a damaged log into a new directory; list all that is lost
    Salvage {
        /// The log's directory; nothing in it is changed
        dir: PathBuf,
        /// The new directory
        to: PathBuf,
        #[command(flatten)]
        known: Known,
    },
    /// Copy a log, which may be in use, into a new directory
    Backup {
        /// The log's directory; nothing in it is changed
        dir: PathBuf,
        /// The new directory
        to: PathBuf,
    },
    /// Remove the segments that hold only old transactions: also the way out of a full disk
    Retain {
        /// The log's directory
        dir: PathBuf,
        /// Keep this transaction and all later ones
        #[arg(long, value_name = "OFFSET")]
        from: u64,
    },
}

/// What somebody knows of a log beside its files.
#[derive(Args, Debug)]
pub(crate) struct Known {
    /// All transactions before OFFSET were durable in EPOCH: a log that ends before is damaged
    #[arg(long, value_name = "EPOCH:OFFSET", value_parser = durable_through)]
    durable_through: Option<(Epoch, TxOffset)>,
}

fn durable_through(text: &str) -> Result<(Epoch, TxOffset), String> {
    let parts = text.split_once(':').and_then(|(epoch, offset)| {
        let (epoch, offset) = (epoch.parse().ok()?, offset.parse().ok()?);
        Some((Epoch::new(epoch), TxOffset::new(offset)))
    });
    parts.ok_or_else(|| "it is two numbers, such as 3:1200".to_owned())
}

impl Known {
    fn options(&self) -> LogOptions {
        let options = LogOptions::new();
        match self.durable_through {
            Some((epoch, offset)) => options.durable_through(epoch, offset),
            None => options,
        }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogCommandError {
    #[error("{source}{}", advice::on(source))]
    Log {
        #[from]
        source: LogError,
    },
    #[error("{}: it is no name for a new directory", to.display())]
    NoName { to: PathBuf },
}

impl LogCommandError {
    /// Damage that a command came upon is a finding, as for `verify`.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Log { source } if advice::is_damage(source) => Exit::Failure,
            _ => Exit::Usage,
        }
    }
}

/// Carries out a command.
pub(crate) fn run(command: &LogCommand) -> Result<Exit, LogCommandError> {
    match command {
        LogCommand::Inspect { dir, brief } => run_inspect(dir, *brief),
        LogCommand::Verify { dir, known } => run_verify(dir, &known.options()),
        LogCommand::Salvage { dir, to, known } => run_salvage(dir, to, &known.options()),
        LogCommand::Backup { dir, to } => run_backup(dir, to),
        LogCommand::Retain { dir, from } => run_retain(dir, TxOffset::new(*from)),
    }
}

fn run_inspect(dir: &Path, brief: bool) -> Result<Exit, LogCommandError> {
    let env = Env::os(dir);
    inspect(&env, "", &mut |seen| {
        if !(brief && matches!(seen, Inspected::Frame { .. })) {
            say(&show::inspected(&seen));
        }
    })?;
    let opening = ReadOnlyLog::open(&env, "", LogOptions::new());
    say(&show::opening(opening.as_ref().map(|(_, report)| report)));
    Ok(Exit::Fine)
}

fn run_verify(dir: &Path, options: &LogOptions) -> Result<Exit, LogCommandError> {
    let verification = verify(&Env::os(dir), "", options)?;
    for segment in &verification.segments {
        say(&show::verdict(segment));
    }
    say(&show::opening(verification.opening.as_ref()));
    Ok(match verification.is_good() {
        true => Exit::Fine,
        false => Exit::Failure,
    })
}

fn run_salvage(dir: &Path, to: &Path, options: &LogOptions) -> Result<Exit, LogCommandError> {
    let (target, name) = target(to)?;
    let report = salvage(&Env::os(dir), "", &target, name, options)?;
    say(&show::salvaged(&report, to));
    Ok(match report.lost.is_empty() {
        true => Exit::Fine,
        false => Exit::Failure,
    })
}

fn run_backup(dir: &Path, to: &Path) -> Result<Exit, LogCommandError> {
    let (target, name) = target(to)?;
    let report = backup(&Env::os(dir), "", &target, name, &LogOptions::new())?;
    say(&show::copied(&report, to));
    Ok(Exit::Fine)
}

fn run_retain(dir: &Path, from: TxOffset) -> Result<Exit, LogCommandError> {
    let options = LogOptions::new().retain_from(from);
    let (log, report) = Log::open(&Env::os(dir), "", options)?;
    log.close()?;
    say(&show::retained(&report, from));
    Ok(Exit::Fine)
}

/// Where a new directory goes: its parent and its name.
fn target(to: &Path) -> Result<(Env, &Path), LogCommandError> {
    let Some(name) = to.file_name() else {
        let to = to.to_path_buf();
        return Err(LogCommandError::NoName { to });
    };
    let parent = to.parent().unwrap_or(Path::new(""));
    Ok((Env::os(parent), Path::new(name)))
}
