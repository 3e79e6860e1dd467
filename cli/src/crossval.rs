//! `blackstart sim cross-validate`: does a real file system do what its profile forbids?
//!
//! Each round carries out drawn calls on a real file system, which is mounted from an image file,
//! and the same calls on the simulated disk. Then the real one is cut off from its device, and
//! mounted again. What it shows must be one of the states that the profile allows.
//!
//! Invariants:
//! - \[I1\] Both disks get the same calls in the same order and answer them alike, else the round
//!   fails.
//! - \[I2\] A state counts as allowed only if the simulated disk has built it
//!   ([`blackstart_sim::disk::Verdict::Allowed`]).
//! - \[I3\] Nothing outside of the working directory is touched, and it is unmounted at the end.
//!
//! How the cut is made: `mount.rs`. What is drawn: `workload.rs`. Not here: what the device does
//! below the file system; a loop device neither tears nor reorders.

mod mount;
mod tally;
mod workload;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use blackstart_sim::cli::{Exit, say};
use blackstart_sim::disk::{DiskConfig, Observed, Profile, SimFs, Verdict};
use blackstart_sim::draw::Draw;
use blackstart_vfs::Env;
use clap::Args;

use mount::{FileSystem, Mount};
use tally::Tally;
use workload::{Round, Step};

/// `sim cross-validate`.
#[derive(Debug, Args)]
pub(crate) struct CrossvalArgs {
    /// The real file system
    #[arg(long, value_enum)]
    fs: FileSystem,
    /// How many rounds
    #[arg(long, default_value_t = 100)]
    rounds: u64,
    /// What the rounds are drawn from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The first round: to look at one again
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Judge by another profile than that of the file system
    #[arg(long, value_parser = parse_profile)]
    profile: Option<Profile>,
    /// Where the image file and the mount point go
    #[arg(long, default_value = "target/cross-validate")]
    dir: PathBuf,
    /// Print the calls of every round
    #[arg(long)]
    trace: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrossvalError {
    #[error("cross-validation mounts file systems, so it needs Linux and the rights of root")]
    NotRoot,
    #[error("cross-validation of {fs} needs the program {program}: {source}")]
    NoProgram {
        fs: &'static str,
        program: String,
        source: std::io::Error,
    },
    #[error("{command} failed: {stderr}")]
    Command { command: String, stderr: String },
    #[error("{device} was written to during every copy of its image")]
    Restless { device: String },
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
}

impl CrossvalError {
    fn io(what: impl std::fmt::Display, source: std::io::Error) -> Self {
        let what = what.to_string();
        Self::Io { what, source }
    }
}

fn parse_profile(text: &str) -> Result<Profile, String> {
    let mut all = Profile::ALL.into_iter();
    all.find(|profile| profile.name() == text)
        .ok_or_else(|| format!("there is no profile {text:?}"))
}

/// Runs all rounds and says what was seen.
pub(crate) fn run(args: &CrossvalArgs) -> Result<Exit, CrossvalError> {
    let profile = args.profile.unwrap_or(args.fs.profile());
    let mut mount = Mount::make(args.fs, &args.dir)?;
    let mut tally = Tally::default();
    for number in args.first..args.first + args.rounds {
        let round = Draw::seeded(args.seed).stream("round", number, workload::draw);
        if args.trace {
            say(&format!("round {number}\n{}", round.describe()));
        }
        if let Some(wrong) = one(&mut mount, profile, &round, &mut tally)? {
            tally.forbidden += 1;
            say(&format!(
                "round {number} of seed {}: {wrong}\nthe calls:\n{}\n",
                args.seed,
                round.describe()
            ));
        }
    }
    let (fs, profile) = (args.fs.name(), profile.name());
    say(&format!("{fs} by {profile}: {}\n", tally.summary()));
    Ok(match tally.forbidden {
        0 => Exit::Fine,
        _ => Exit::Failure,
    })
}

/// One round. Returns what is wrong, in words.
fn one(
    mount: &mut Mount,
    profile: Profile,
    round: &Round,
    tally: &mut Tally,
) -> Result<Option<String>, CrossvalError> {
    let config = DiskConfig {
        profile,
        // A file system writes whole blocks, and a loop device does not tear them.
        tear_bytes: 4_096,
        ..DiskConfig::default()
    };
    let simulated = SimFs::new(config.clone());
    let root = mount.fresh_root(round)?;
    let real = Env::os(&root);
    for fs in [real.fs(), &simulated] {
        fs.create_root()
            .map_err(|source| CrossvalError::io("the root of a round", source))?;
    }
    for (step, number) in round.steps.iter().zip(1..) {
        if let Step::WriteBack(file) = step {
            mount::write_back(&root.join(file.path()));
            continue;
        }
        let here = workload::apply(real.fs(), step, number);
        let there = workload::apply(&simulated, step, number);
        let code = |result: &std::io::Result<()>| match result {
            Ok(()) => None,
            Err(error) => Some(error.raw_os_error()),
        };
        if code(&here) != code(&there) {
            mount.cut(round.cut)?;
            return Ok(Some(format!(
                "{step:?} answers {here:?}, and on the simulated disk {there:?}"
            )));
        }
    }
    mount.cut(round.cut)?;
    let seen = Observed::read(real.fs())
        .map_err(|source| CrossvalError::io("what is there after the cut", source))?;
    let model = simulated.crash_model();
    let verdict = model.judge(&seen);
    tally.count(&model, &verdict);
    Ok((verdict == Verdict::Forbidden).then(|| {
        let before = Observed::read(&simulated).unwrap_or_default();
        format!(
            "{} forbids what was seen after the cut:\n{}before the cut there was:\n{}",
            profile.name(),
            seen.describe(),
            before.describe()
        )
    }))
}
