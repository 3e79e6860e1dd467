//! The engine of docs/TUTORIAL.md in the simulator: once with its mistake, once mended.
//!
//! `cargo run --release -p blackstart-sim --example tutorial -- run journal`
#![forbid(unsafe_code)]

mod mended;
mod mistaken;
mod scenario;

use std::marker::PhantomData;

use blackstart_sim::Registered;
use blackstart_sim::cli::{self, Registry, SimCommand};
use clap::Parser;
use scenario::Journaling;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: SimCommand,
}

fn main() {
    let mistaken = Journaling::<mistaken::Journal>("journal", PhantomData);
    let mended = Journaling::<mended::Journal>("journal-mended", PhantomData);
    let registry = Registry::new(vec![Registered::boxed(mistaken), Registered::boxed(mended)])
        .started_as("cargo run --release -p blackstart-sim --example tutorial --");
    let exit = match Cli::try_parse() {
        Ok(cli) => cli::run(&cli.command, &registry),
        Err(error) => cli::usage(&error),
    };
    std::process::exit(exit.into())
}
