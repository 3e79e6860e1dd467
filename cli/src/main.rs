//! The command `blackstart`.
#![forbid(unsafe_code)]

mod crossval;
mod log;
mod mutants;
mod store;

use blackstart_sim::cli::{self, Exit, SimCommand};
use clap::{Parser, Subcommand};

/// A simulated run allocates some hundred small things and ends: that is a fifth of its time with
/// the allocator of the C library. No result depends on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Storage software that is proven to survive: a simulator, and a storage engine.
#[derive(Debug, Parser)]
#[command(name = "blackstart", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deterministic simulation: campaigns, cases, planted bugs
    #[command(subcommand)]
    Sim(Sim),
    /// Look at a commit log, salvage, copy or shorten it
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Look at a key-value store, copy it, move rows in and out
    #[command(subcommand)]
    Store(store::StoreCommand),
}

#[derive(Debug, Subcommand)]
enum Sim {
    #[command(flatten)]
    Library(SimCommand),
    /// Run the catalogue of planted bugs (needs the source tree and cargo)
    Mutants(mutants::MutantsArgs),
    /// Compare a real file system with its profile (needs root, a loop device and xfsprogs)
    CrossValidate(crossval::CrossvalArgs),
}

fn main() -> std::process::ExitCode {
    let exit = match Cli::try_parse() {
        Err(error) => cli::usage(&error),
        Ok(Cli {
            command: Command::Sim(Sim::Library(command)),
        }) => cli::run(&command, &blackstart_scenarios::registry()),
        Ok(Cli {
            command: Command::Sim(Sim::Mutants(args)),
        }) => match mutants::run(&args) {
            Ok(exit) => exit,
            Err(error) => complain(&error),
        },
        Ok(Cli {
            command: Command::Sim(Sim::CrossValidate(args)),
        }) => match crossval::run(&args) {
            Ok(exit) => exit,
            Err(error) => complain(&error),
        },
        Ok(Cli {
            command: Command::Log(command),
        }) => match log::run(&command) {
            Ok(exit) => exit,
            Err(error) => complain(&error).and(error.exit()),
        },
        Ok(Cli {
            command: Command::Store(command),
        }) => match store::run(&command) {
            Ok(exit) => exit,
            Err(error) => complain(&error).and(error.exit()),
        },
    };
    std::process::ExitCode::from(exit as u8)
}

/// One line for an error and its causes.
fn complain(error: &dyn std::error::Error) -> Exit {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Many causes are quoted by the error itself already.
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    cli::complain(&text);
    Exit::Usage
}
