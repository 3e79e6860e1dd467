//! SQLite in the simulator: its files are those of the simulated disk.
//!
//! `cargo run --release --manifest-path sim/examples/sqlite/Cargo.toml -- run sqlite-wal-full`
//!
//! SQLite keeps its random numbers for the whole process, so runs are only equal to each other with
//! one thread: the number of jobs is 1 unless it is given.
#![deny(unsafe_code)]

mod door;
mod drive;
#[path = "../../redb/src/model.rs"]
mod model;
mod op;
mod scenario;

use blackstart_sim::Registered;
use blackstart_sim::cli::{self, Registry, SimCommand};
use clap::Parser;
use op::Mode;
use scenario::Sqlite;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: SimCommand,
}

fn main() {
    let scenarios = Mode::ALL.map(|mode| Registered::boxed(Sqlite(mode)));
    let registry = Registry::new(scenarios.into())
        .started_as("cargo run --release --manifest-path sim/examples/sqlite/Cargo.toml --");
    let exit = match (door::register(), Cli::try_parse()) {
        (Err(error), _) => {
            cli::complain(&error);
            cli::Exit::Internal
        }
        (Ok(()), Ok(Cli { mut command })) => {
            if let SimCommand::Run(args) = &mut command {
                args.jobs.get_or_insert(1);
            }
            cli::run(&command, &registry)
        }
        (Ok(()), Err(error)) => cli::usage(&error),
    };
    std::process::exit(exit.into())
}
