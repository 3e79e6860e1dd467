//! `blackstart store`: looks at a store, copies one, and moves rows in and out.
//!
//! `inspect`, `verify`, `get`, `scan`, `stats`, `dump` and `backup` take no lock and write nothing
//! into the store's directory. `compact` and `load` open it for writing.

mod advice;
mod encoding;
mod rows;
mod show;

use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{
    Inspected, Keyspace, Progress, ReadOnlyOptions, ReadOnlyStore, Store, StoreError, StoreOptions,
    backup, inspect, verify,
};
use blackstart_sim::cli::{Exit, say};
use blackstart_vfs::Env;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use encoding::{Encoding, Malformed};

/// Commands on a store.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// List manifests, tables, blocks, and what the log has behind them; never writes
    Inspect {
        /// The store's directory
        dir: PathBuf,
        /// Only manifests, tables and what is wrong, not every block and batch
        #[arg(long)]
        brief: bool,
        #[command(flatten)]
        shape: Shape,
    },
    /// Read everything, check every checksum and all order, list all that is wrong; never writes
    Verify {
        /// The store's directory
        dir: PathBuf,
        #[command(flatten)]
        shape: Shape,
    },
    /// Print the value of a key; never writes
    Get {
        /// The store's directory
        dir: PathBuf,
        /// The key, in the encoding
        key: String,
        #[command(flatten)]
        keyspace: Which,
        #[command(flatten)]
        shape: Shape,
    },
    /// Print keys and values in order; never writes
    Scan {
        /// The store's directory
        dir: PathBuf,
        #[command(flatten)]
        part: rows::Part,
        #[command(flatten)]
        keyspace: Which,
        #[command(flatten)]
        shape: Shape,
    },
    /// Print how many tables, rows and bytes there are; never writes
    Stats {
        /// The store's directory
        dir: PathBuf,
        #[command(flatten)]
        shape: Shape,
    },
    /// Copy a store, which may be in use, into a new directory; tables are linked where possible
    Backup {
        /// The store's directory; nothing in it is changed
        dir: PathBuf,
        /// The new directory
        to: PathBuf,
        #[command(flatten)]
        shape: Shape,
    },
    /// Write all to tables and merge them, so that deleted and overwritten rows go
    Compact {
        /// The store's directory
        dir: PathBuf,
        #[command(flatten)]
        shape: Shape,
    },
    /// Put rows into a store, as `dump` writes them
    Load {
        /// The store's directory
        dir: PathBuf,
        /// A file with a row a line; `-` is the standard input
        #[arg(default_value = "-")]
        from: PathBuf,
        /// Make the store if there is none
        #[arg(long)]
        create: bool,
        /// Rows that are written, and survive, together
        #[arg(long, value_name = "ROWS", default_value_t = 1000)]
        batch: usize,
        #[command(flatten)]
        shape: Shape,
    },
    /// Print all rows of all keyspaces, one JSON object a line; never writes
    Dump {
        /// The store's directory
        dir: PathBuf,
        /// Go on behind what cannot be read, and list the ranges of keys that are lost
        #[arg(long)]
        skip_damaged: bool,
        #[command(flatten)]
        shape: Shape,
    },
}

/// How things are printed.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// How keys and values are written
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
}

/// Which keys are meant.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Which {
    /// The number of the keyspace
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    keyspace: u32,
}

impl Which {
    fn keyspace(self) -> Result<Keyspace, StoreCommandError> {
        match self.keyspace {
            0 | u32::MAX => Err(StoreCommandError::NoKeyspace(self.keyspace)),
            number => Ok(Keyspace::new(number)),
        }
    }
}

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreCommandError {
    #[error("{}{}", advice::said(source), advice::on(source))]
    Store {
        #[from]
        source: StoreError,
    },
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("keyspace {0}: an application's keyspaces have the numbers 1 to 4294967294")]
    NoKeyspace(u32),
    #[error("there is no value for {key}")]
    NoValue { key: String },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        path: PathBuf,
        line: u64,
        what: String,
    },
    #[error("{}: it is no name for a new directory", to.display())]
    NoName { to: PathBuf },
}

impl StoreCommandError {
    /// Damage that a command came upon is a finding, as for `verify`.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Store { source } if advice::is_damage(source) => Exit::Failure,
            _ => Exit::Usage,
        }
    }
}

/// Carries out a command.
pub(crate) fn run(command: &StoreCommand) -> Result<Exit, StoreCommandError> {
    match command {
        StoreCommand::Inspect { dir, brief, shape } => run_inspect(dir, *brief, *shape),
        StoreCommand::Verify { dir, shape } => run_verify(dir, *shape),
        StoreCommand::Get {
            dir,
            key,
            keyspace,
            shape,
        } => run_get(dir, key, *keyspace, *shape),
        StoreCommand::Scan {
            dir,
            part,
            keyspace,
            shape,
        } => rows::scan(&open(dir)?, part, keyspace.keyspace()?, *shape),
        StoreCommand::Stats { dir, shape } => run_stats(dir, *shape),
        StoreCommand::Backup { dir, to, shape } => run_backup(dir, to, *shape),
        StoreCommand::Compact { dir, shape } => run_compact(dir, *shape),
        StoreCommand::Load {
            dir,
            from,
            create,
            batch,
            shape,
        } => rows::load(dir, from, *create, *batch, *shape),
        StoreCommand::Dump {
            dir,
            skip_damaged,
            shape,
        } => rows::dump(dir, *skip_damaged, *shape),
    }
}

/// Opens a store to read it.
fn open(dir: &Path) -> Result<ReadOnlyStore, StoreCommandError> {
    let (store, _) = Store::open_read_only(&Env::os(dir), "", ReadOnlyOptions::new())?;
    Ok(store)
}

/// A bar on a terminal; nothing elsewhere.
fn bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}, {eta}");
    let bar = ProgressBar::no_length().with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn advance(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.bytes);
    bar.set_position(progress.bytes_done);
}

fn run_inspect(dir: &Path, brief: bool, shape: Shape) -> Result<Exit, StoreCommandError> {
    inspect(&Env::os(dir), "", &mut |seen| {
        let is_detail = match &seen {
            Inspected::Block { block, .. } => block.is_ok(),
            Inspected::Batch { writes, .. } => writes.is_ok(),
            Inspected::DeletedRange { .. } => true,
            _ => false,
        };
        if !(brief && is_detail) {
            say(&show::inspected(&seen, shape));
        }
    })?;
    Ok(Exit::Fine)
}

fn run_verify(dir: &Path, shape: Shape) -> Result<Exit, StoreCommandError> {
    let bar = bar("checking");
    let verified = verify(&Env::os(dir), "", &mut |done| advance(&bar, done));
    bar.finish_and_clear();
    let verification = verified?;
    say(&show::verified(&verification, shape));
    Ok(match verification.is_good() {
        true => Exit::Fine,
        false => Exit::Failure,
    })
}

fn run_get(dir: &Path, key: &str, which: Which, shape: Shape) -> Result<Exit, StoreCommandError> {
    let (keyspace, bytes) = (which.keyspace()?, shape.encoding.decode(key)?);
    let value = open(dir)?.get(keyspace, &bytes)?;
    let Some(value) = value else {
        let key = key.to_owned();
        return Err(StoreCommandError::NoValue { key });
    };
    say(&match shape.json {
        true => show::row(keyspace, &bytes, Some(&value), shape),
        false => format!("{}\n", shape.encoding.encode(&value)),
    });
    Ok(Exit::Fine)
}

fn run_stats(dir: &Path, shape: Shape) -> Result<Exit, StoreCommandError> {
    let options = ReadOnlyOptions::new();
    let (store, report) = Store::open_read_only(&Env::os(dir), "", options)?;
    say(&show::stats(&store, &report, shape));
    Ok(Exit::Fine)
}

fn run_backup(dir: &Path, to: &Path, shape: Shape) -> Result<Exit, StoreCommandError> {
    let bar = bar("copying");
    let (root, from, new) = common_root(dir, to)?;
    let copied = backup(&Env::os(root), from, new, &mut |done| advance(&bar, done));
    bar.finish_and_clear();
    say(&show::copied(&copied?, to, shape));
    Ok(Exit::Fine)
}

/// The deepest directory that holds both, and the two relative to it: tables are linked within one
/// root.
fn common_root(dir: &Path, to: &Path) -> Result<(PathBuf, PathBuf, PathBuf), StoreCommandError> {
    let whole = |path: &Path| {
        std::fs::canonicalize(path).map_err(|source| StoreCommandError::Io {
            path: path.to_path_buf(),
            source,
        })
    };
    let Some(name) = to.file_name() else {
        let to = to.to_path_buf();
        return Err(StoreCommandError::NoName { to });
    };
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => whole(parent)?,
        _ => whole(Path::new("."))?,
    };
    let (dir, to) = (whole(dir)?, parent.join(name));
    let shared = dir.components().zip(parent.components());
    let root: PathBuf = shared
        .take_while(|(one, other)| one == other)
        .map(|(part, _)| part)
        .collect();
    let within = |path: &Path| path.strip_prefix(&root).map(Path::to_path_buf);
    match (within(&dir), within(&to)) {
        (Ok(dir), Ok(to)) => Ok((root, dir, to)),
        _ => Err(StoreCommandError::NoName { to }),
    }
}

fn run_compact(dir: &Path, shape: Shape) -> Result<Exit, StoreCommandError> {
    let options = StoreOptions::new(Durability::Synced);
    let (store, _) = Store::open(&Env::os(dir), "", &options)?;
    let before = store.stats();
    let bar = bar("merging tables").with_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let compacted = store.flush().and_then(|()| store.compact());
    bar.finish_and_clear();
    compacted?;
    let after = store.stats();
    store.close()?;
    say(&show::compacted(&before, &after, shape));
    Ok(Exit::Fine)
}
