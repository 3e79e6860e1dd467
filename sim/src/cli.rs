//! The command line as a library: a third party's binary gets it in three lines of `main`.
//!
//! ```no_run
//! use blackstart_sim::cli::{Registry, SimCommand};
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! struct Cli {
//!     #[command(subcommand)]
//!     sim: SimCommand,
//! }
//!
//! let registry = Registry::new(vec![/* Registered::boxed(MyScenario) */]);
//! let code = match Cli::try_parse() {
//!     Ok(cli) => blackstart_sim::cli::run(&cli.sim, &registry),
//!     Err(error) => blackstart_sim::cli::usage(&error),
//! };
//! std::process::exit(code.into());
//! ```

mod campaign;
mod corpus;
mod explain;
mod explore;
mod files;
mod fuzz;
mod interrupt;
mod lines;
mod merge;
mod options;
mod output;
mod replay;
mod schedules;

use std::fmt;

pub use explore::ExploreArgs;
pub use options::{
    CorpusAddArgs, CorpusCommand, CorpusRunArgs, ExplainArgs, FromFuzzArgs, MergeArgs,
    MessageFormat, ReplayArgs, ReportFiles, RunArgs, SchedulesArgs, ShrinkArgs, SimCommand,
};

use crate::any::AnyScenario;

/// How a command ended, as the process's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// The command was used wrongly, or its input can't be read.
    Usage = 1,
    /// A failure was found.
    Failure = 2,
    /// Two runs of one case differ.
    Nondeterminism = 3,
    /// A defect of this program.
    Internal = 70,
    /// It was stopped by Ctrl-C or by SIGTERM, and had found no failure until then.
    Interrupted = 130,
}

impl Exit {
    /// Of two parts of one command, how the whole ended: the worse of the two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |exit: Self| match exit {
            Self::Fine => 0,
            Self::Interrupted => 1,
            Self::Usage => 2,
            Self::Failure => 3,
            Self::Nondeterminism => 4,
            Self::Internal => 5,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<Exit> for i32 {
    fn from(exit: Exit) -> Self {
        exit as Self
    }
}

/// Why a command can't do what it was asked; one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// The scenarios of a binary.
pub struct Registry {
    scenarios: Vec<Box<dyn AnyScenario>>,
    program: &'static str,
}

impl Registry {
    /// A registry of these scenarios.
    pub fn new(scenarios: Vec<Box<dyn AnyScenario>>) -> Self {
        Self {
            scenarios,
            program: "blackstart sim",
        }
    }

    /// Says what people type before `replay`, for the line that reproduces a failure. Without it:
    /// `blackstart sim`.
    #[must_use]
    pub fn started_as(mut self, program: &'static str) -> Self {
        self.program = program;
        self
    }

    /// What people type before `replay`.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// All scenarios.
    pub fn all(&self) -> impl Iterator<Item = &dyn AnyScenario> {
        self.scenarios.iter().map(|scenario| &**scenario)
    }

    /// The names of all scenarios.
    pub fn names(&self) -> Vec<&'static str> {
        self.all().map(AnyScenario::name).collect()
    }

    /// The scenario of a name.
    ///
    /// # Errors
    /// A sentence that lists the names there are.
    pub fn find(&self, name: &str) -> Result<&dyn AnyScenario, UsageError> {
        self.all()
            .find(|scenario| scenario.name() == name)
            .ok_or_else(|| {
                let known = self.names().join(", ");
                UsageError(format!("there is no scenario {name:?}; there are: {known}"))
            })
    }
}

/// Carries out a command and returns how it ended. Prints to standard output and error.
pub fn run(command: &SimCommand, registry: &Registry) -> Exit {
    let done = match command {
        SimCommand::Run(args) => campaign::run(args, registry),
        SimCommand::Explore(args) => explore::explore(args, registry),
        SimCommand::List => Ok(list(registry)),
        SimCommand::Replay(args) => replay::replay(args, registry),
        SimCommand::Explain(args) => explain::explain(args, registry),
        SimCommand::Shrink(args) => replay::shrink(args, registry),
        SimCommand::Schedules(args) => schedules::schedules(args, registry),
        SimCommand::Corpus(command) => corpus::run(command, registry),
        SimCommand::FromFuzz(args) => fuzz::from_fuzz(args, registry),
        SimCommand::Merge(args) => Ok(merge::run(args)),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => {
            complain(&error.to_string());
            Exit::Usage
        }
    }
}

/// Prints what clap has to say; the exit code of a usage error is 1.
pub fn usage(error: &clap::Error) -> Exit {
    // A closed pipe is the reader's choice.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Fine
    }
}

fn list(registry: &Registry) -> Exit {
    for scenario in registry.all() {
        say(&format!("{:16} {}\n", scenario.name(), scenario.about()));
    }
    Exit::Fine
}

/// Writes to standard output; a closed pipe is the reader's choice.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Writes one line to standard error.
pub fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "error: {text}");
}
