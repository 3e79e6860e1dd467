//! The database redb in the simulator: its file is one of the simulated disk.
//!
//! `cargo run --release --manifest-path sim/examples/redb/Cargo.toml -- run`
//!
//! Beside the commands of the simulator there is `plain`, which measures what one would do without
//! it: copy the file, open the copy.
#![forbid(unsafe_code)]

mod backend;
mod drive;
mod model;
mod op;
mod plain;
mod scenario;
mod small;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use blackstart_sim::Registered;
use blackstart_sim::cli::{self, Registry, SimCommand};
use clap::Parser;
use op::Mixture;
use scenario::Redb;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Sim(SimCommand),
    /// Copy and reopen a file without the simulator, for so many seconds
    Plain {
        /// Where a directory of its own may be made
        parent: PathBuf,
        #[arg(default_value_t = 5)]
        seconds: u64,
        /// Bytes of each of the nine values
        #[arg(default_value_t = 40)]
        value_bytes: usize,
    },
}

fn main() {
    let program = if env!("CARGO_PKG_NAME") == "redb-in-blackstart" {
        "cargo run --release --manifest-path sim/examples/redb/Cargo.toml --"
    } else {
        "cargo run --release --manifest-path sim/examples/redb-4.1/Cargo.toml --"
    };
    let mixtures = [Mixture::All, Mixture::Growth, Mixture::Commits];
    let registry = Registry::new(
        mixtures
            .map(|mixture| Registered::boxed(Redb(mixture)))
            .into(),
    )
    .started_as(program);
    let exit = match Cli::try_parse() {
        Ok(Cli {
            command: Command::Sim(command),
        }) => cli::run(&command, &registry),
        Ok(Cli {
            command:
                Command::Plain {
                    parent,
                    seconds,
                    value_bytes,
                },
        }) => plain::run(&parent, seconds, value_bytes),
        Err(error) => cli::usage(&error),
    };
    std::process::exit(exit.into())
}
