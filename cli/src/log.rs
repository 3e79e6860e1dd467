//! `blackstart log`: looks at a commit log and never writes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use blackstart::commitlog::{
    FrameKind, HeaderProblem, Inspected, LogEnd, LogError, SegmentFlags, SegmentHeader,
    SegmentVerdict, Verification, inspect, verify,
};
use blackstart_sim::cli::{Exit, say};
use blackstart_vfs::Env;
use clap::Subcommand;

/// Commands on a log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List segments, commits and marks, and what follows the last good commit
    Inspect {
        /// The log's directory
        dir: PathBuf,
        /// Only segments and what is wrong, not every frame
        #[arg(long)]
        brief: bool,
    },
    /// Read everything and check every checksum
    Verify {
        /// The log's directory
        dir: PathBuf,
    },
}

/// Why a log can't be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogCommandError {
    #[error("{}: there is no log", dir.display())]
    NotFound { dir: PathBuf },
    #[error("{}: {source}", dir.display())]
    Log { dir: PathBuf, source: Box<LogError> },
}

/// Carries out a command.
pub(crate) fn run(command: &LogCommand) -> Result<Exit, LogCommandError> {
    match command {
        LogCommand::Inspect { dir, brief } => {
            let mut shown = Shown {
                brief: *brief,
                frames: 0,
            };
            let looked = inspect(&Env::os(dir), "", &mut |seen| shown.show(&seen));
            looked.map_err(|source| of_log(dir, source))?;
            let verification = verify(&Env::os(dir), "").map_err(|source| of_log(dir, source))?;
            say(&opening(&verification));
            Ok(Exit::Fine)
        }
        LogCommand::Verify { dir } => {
            let verification = verify(&Env::os(dir), "").map_err(|source| of_log(dir, source))?;
            for segment in &verification.segments {
                say(&verdict(segment));
            }
            say(&opening(&verification));
            Ok(if verification.is_good() {
                Exit::Fine
            } else {
                Exit::Failure
            })
        }
    }
}

fn of_log(dir: &Path, source: LogError) -> LogCommandError {
    let dir = dir.to_path_buf();
    match source {
        LogError::NotFound { .. } => LogCommandError::NotFound { dir },
        source => LogCommandError::Log {
            dir,
            source: Box::new(source),
        },
    }
}

struct Shown {
    brief: bool,
    frames: u64,
}

impl Shown {
    fn show(&mut self, seen: &Inspected) {
        match seen {
            Inspected::Segment {
                file,
                bytes,
                header,
            } => {
                self.frames = 0;
                say(&segment(file, *bytes, header));
            }
            Inspected::Frame { at, frame, end } if !self.brief => {
                self.frames += 1;
                let what = match frame.kind {
                    FrameKind::Commit => {
                        format!(
                            "commit   {}..{end}, {} transactions",
                            frame.first, frame.tx_count
                        )
                    }
                    FrameKind::Lost => format!("lost     {}..{end}", frame.first),
                    kind => format!("{:8} at transaction {}", mark(kind), frame.first),
                };
                say(&format!(
                    "  {at:>10}  {what}, {} bytes, durable through {}\n",
                    frame.payload_len, frame.durable_through
                ));
            }
            Inspected::Break {
                defect,
                bytes,
                later_frames,
            } => {
                say(&format!(
                    "  the chain ends: {defect}; {bytes} bytes follow, with {later_frames} valid \
                     frames among them\n"
                ));
            }
            Inspected::Other { file } => say(&format!("{file}\n")),
            _ => {}
        }
    }
}

fn mark(kind: FrameKind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn segment(file: &str, bytes: u64, header: &Result<SegmentHeader, HeaderProblem>) -> String {
    let header = match header {
        Ok(header) => header,
        Err(HeaderProblem::UnknownVersion(version)) => {
            return format!("{file}  {bytes} bytes, format version {version} is not known\n");
        }
        Err(HeaderProblem::Defect(defect)) => return format!("{file}  {bytes} bytes, {defect}\n"),
        Err(_) => return format!("{file}  {bytes} bytes, the header can't be read\n"),
    };
    let mut text = format!(
        "{file}  {bytes} bytes, log {}, epoch {}, from transaction {}, oldest kept {}",
        header.log_id, header.epoch, header.first, header.oldest
    );
    for (flag, name) in [
        (SegmentFlags::FORK, "a recorded fork"),
        (SegmentFlags::SALVAGED, "salvaged"),
    ] {
        if header.flags.contains(flag) {
            let _ = write!(text, ", {name}");
        }
    }
    text.push('\n');
    text
}

fn verdict(segment: &SegmentVerdict) -> String {
    let mut text = format!(
        "{}  {} commits, {} transactions, {} bytes",
        segment.file, segment.commits, segment.transactions, segment.bytes
    );
    for lost in &segment.lost {
        let _ = write!(text, ", lost {}..{}", lost.start, lost.end);
    }
    match &segment.problem {
        Some(problem) => {
            let _ = writeln!(text, ": {problem}");
        }
        None => text.push_str(": good\n"),
    }
    text
}

/// What an opening would find.
fn opening(verification: &Verification) -> String {
    let report = match &verification.opening {
        Ok(report) => report,
        Err(error) => return format!("opening would refuse it: {error}\n"),
    };
    let end = match &report.end {
        LogEnd::Tail(tail) => format!(
            "a torn tail of {} bytes in {} at byte {}, which opening drops",
            tail.bytes, tail.file, tail.at
        ),
        _ if report.closed => "closed".to_owned(),
        _ => "not closed, nothing to drop".to_owned(),
    };
    format!(
        "transactions {}..{}, {} segments, known durable through {}; the end: {end}\n",
        report.oldest, report.next, report.segments, report.known_durable_through
    )
}
