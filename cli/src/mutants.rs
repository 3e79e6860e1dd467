//! `blackstart sim mutants`: does the simulator find the bugs that were planted for it?
//!
//! The catalogue is a directory of small patches (`scenarios/mutants/<scenario>/<name>.ron`). All
//! of them are applied to one copy of the source tree, each behind a run-time switch that only
//! the copy has; the copy is built once. First the cases that the corpus keeps of a bug are run,
//! with its switch on and with it off, which takes seconds; then a campaign is run with each
//! switch. The shipped product holds no switches.
//!
//! Invariants:
//! - \[I1\] A real bug that is not found fails the command; so does a harmless patch that is
//!   "found": a catalogue that cannot fail proves nothing.
//! - \[I2\] A patch that no longer fits the source is an error, not a skip.

mod bars;
mod catalogue;
mod compare;
mod copy;
mod fuzz;
mod kept;
mod outcome;
mod small;

use std::path::{Path, PathBuf};
use std::process::Command;

use blackstart_sim::cli::{Exit, say};
use clap::Args;

use bars::Bars;
use catalogue::{Catalogue, Mutant};
use compare::{Method, Tools};
use fuzz::Fuzzer;
use outcome::Outcome;

/// `sim mutants`.
#[derive(Debug, Args)]
pub(crate) struct MutantsArgs {
    /// Only this scenario's bugs
    scenario: Option<String>,
    /// Only the bugs whose names contain this
    #[arg(long)]
    name: Option<String>,
    /// Only run the cases that the corpus keeps of the bugs: each must fail with its bug, and pass
    /// without it
    #[arg(long, conflicts_with_all = ["by", "guided", "keep"])]
    kept: bool,
    /// Only a tenth of the bugs, chosen by this text: the hash of a commit, say
    #[arg(long, value_name = "HASH")]
    tenth: Option<String>,
    /// Threads of each campaign
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How often each bug is looked for, with seeds of its own each time: the round with the median
    /// of the cases is shown, and every round must find it
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Look for them with guided campaigns
    #[arg(long, conflicts_with = "by")]
    guided: bool,
    /// Compare how soon these searches find each bug, on one thread each, as a table
    #[arg(long, value_enum, value_delimiter = ',', value_name = "METHODS",
          conflicts_with_all = ["json", "keep"])]
    by: Vec<Method>,
    /// How long each search of a comparison lasts at most, in seconds
    #[arg(long, default_value_t = 20, requires = "by",
          value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The source tree
    #[arg(long, default_value = ".")]
    source: PathBuf,
    /// Print one JSON object per bug
    #[arg(long)]
    json: bool,
    /// Keep the smallest case of each bug that is found in this directory, as the corpus has them
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Why the catalogue can't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MutantsError {
    #[error("{path}: {reason}")]
    Catalogue { path: String, reason: String },
    #[error("{path}: {source}")]
    Io {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "{patch}: the text to be replaced stands {count} times in {file}, expected once:\n{find}"
    )]
    DoesNotFit {
        patch: String,
        file: String,
        count: usize,
        find: String,
    },
    #[error("{one} and {two} both change this text in {file}:\n{find}")]
    Overlap {
        one: String,
        two: String,
        file: String,
        find: String,
    },
    #[error("the patched copy does not build:\n{stderr}")]
    Build { stderr: String },
    #[error("the fuzzer: {reason}")]
    Fuzz { reason: String },
    #[error("{name}: the campaign gave no report: {reason}")]
    Campaign { name: String, reason: String },
}

impl MutantsError {
    fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }
}

/// Runs the catalogue.
pub(crate) fn run(args: &MutantsArgs) -> Result<Exit, MutantsError> {
    let catalogue = Catalogue::load(&args.source, args.scenario.as_deref())?;
    let wanted = catalogue.wanted(args.name.as_deref(), args.tenth.as_deref());
    if wanted.is_empty() {
        let path = catalogue.path.display().to_string();
        return Err(MutantsError::Catalogue {
            path,
            reason: "no such planted bug".to_owned(),
        });
    }
    let tree = args.source.join("target/mutants/tree");
    copy::patched(&args.source, &tree, &catalogue)?;
    let binary = build(&args.source, &tree)?;
    if !args.by.is_empty() {
        let fuzzer = args.by.contains(&Method::Fuzz);
        let fuzzer = fuzzer.then(|| Fuzzer::build(&args.source, &tree));
        let tools = Tools {
            binary: &binary,
            fuzzer: fuzzer.transpose()?,
            args,
        };
        return compare::compare(&tools, &wanted);
    }
    let kept = kept::run(&binary, &catalogue, &wanted, args)?;
    let is_good = match args.kept {
        true => {
            let mut pairs = kept.iter().zip(&wanted);
            pairs.all(|(verdict, mutant)| verdict.is_good(mutant))
        }
        false => campaigns(&binary, &wanted, &kept, args)?,
    };
    if !args.json {
        say(match (is_good, args.kept) {
            (true, true) => "every planted bug has a case that shows it\n",
            (true, false) => "every planted bug is found, and the harmless patch is not\n",
            (false, true) => "a planted bug has no case that shows it\n",
            (false, false) => "the simulator has a hole, or the harmless patch is not harmless\n",
        });
    }
    Ok(if is_good { Exit::Fine } else { Exit::Failure })
}

/// Looks for each bug in campaigns; whether all is as it must be.
fn campaigns(
    binary: &Path,
    wanted: &[&Mutant],
    kept: &[kept::Verdict],
    args: &MutantsArgs,
) -> Result<bool, MutantsError> {
    let (mut is_good, mut bars) = (true, Bars::default());
    for (mutant, kept) in wanted.iter().zip(kept) {
        let outcome = Outcome::of(binary, mutant, *kept, args)?;
        is_good &= outcome.is_good(mutant);
        bars.add(mutant, &outcome);
        if args.json {
            say(&format!("{}\n", outcome.json(mutant)));
        } else {
            say(&outcome.line(mutant));
        }
    }
    if !args.json {
        say(&bars.text());
    }
    Ok(is_good)
}

/// Builds the copy; its output directory is kept, so that a second run is quick.
fn build(source: &Path, tree: &Path) -> Result<PathBuf, MutantsError> {
    let target = source.join("target/mutants/build");
    let output = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--locked",
            "--bin",
            "blackstart",
            "--manifest-path",
        ])
        .arg(tree.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .output()
        .map_err(|error| MutantsError::io(Path::new("cargo"), error))?;
    if output.status.success() {
        return Ok(target.join("release/blackstart"));
    }
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(MutantsError::Build { stderr })
}
