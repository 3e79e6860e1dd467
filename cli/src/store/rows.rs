//! Rows in and out: `scan`, `dump` and `load`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use blackstart::commitlog::Durability;
use blackstart::store::{
    Dumped, Keyspace, KeyspaceAndKey, ReadOnlyOptions, ReadOnlyStore, Store, StoreError,
    StoreOptions, WriteBatch, dump as dump_store,
};
use blackstart_sim::cli::{Exit, say};
use blackstart_vfs::Env;
use clap::Args;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::{Shape, StoreCommandError, advice, bar, show};

/// Which rows a scan shows.
#[derive(Args, Clone, Debug)]
pub(crate) struct Part {
    /// The first key, in the encoding
    #[arg(long, value_name = "KEY")]
    from: Option<String>,
    /// The key behind the last, in the encoding
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
    /// Only keys that begin so, in the encoding
    #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"])]
    prefix: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "ROWS")]
    limit: Option<u64>,
    /// Keys without their values
    #[arg(long)]
    keys: bool,
}

/// A line of a dump: a keyspace with its name, or a row. Without a value a row is a deleted one,
/// which only `load` knows.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    keyspace: u32,
    name: Option<String>,
    /// `text`, `hex` or `base64`
    encoding: Option<String>,
    key: Option<String>,
    value: Option<String>,
}

/// The standard output; who reads it may go away, which is no error.
struct Out(BufWriter<io::StdoutLock<'static>>);

impl Out {
    fn new() -> Self {
        Self(BufWriter::with_capacity(1 << 16, io::stdout().lock()))
    }

    fn write(&mut self, text: &str) -> Result<(), Stop> {
        self.0.write_all(text.as_bytes()).map_err(Stop::Io)
    }
}

/// Why rows are no longer shown.
enum Stop {
    Store(StoreError),
    Io(io::Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Stop {
    fn settle(self) -> Result<(), StoreCommandError> {
        match self {
            Self::Store(error) => Err(error.into()),
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Self::Io(source) => {
                let path = PathBuf::from("standard output");
                Err(StoreCommandError::Io { path, source })
            }
        }
    }
}

/// Prints the rows of a part of a keyspace.
pub(crate) fn scan(
    store: &ReadOnlyStore,
    part: &Part,
    keyspace: Keyspace,
    shape: Shape,
) -> Result<Exit, StoreCommandError> {
    let decode = |key: &Option<String>| {
        let key = key.as_deref().map(|key| shape.encoding.decode(key));
        key.transpose()
    };
    let prefix = decode(&part.prefix)?;
    let from = decode(&part.from)?.or(prefix.clone()).unwrap_or_default();
    let to = decode(&part.to)?;
    let mut out = Out::new();
    let mut show = || -> Result<(), Stop> {
        let mut cursor = store.scan_from(keyspace, &from)?;
        let mut left = part.limit.unwrap_or(u64::MAX);
        while let Some((key, value)) = cursor.next()? {
            let is_behind = to.as_deref().is_some_and(|to| key >= to)
                || prefix
                    .as_deref()
                    .is_some_and(|prefix| !key.starts_with(prefix));
            if is_behind || left == 0 {
                break;
            }
            left -= 1;
            let value = (!part.keys).then_some(value);
            out.write(&row(keyspace, key, value, shape))?;
        }
        out.0.flush().map_err(Stop::Io)
    };
    if let Err(stop) = show() {
        stop.settle()?;
    }
    Ok(Exit::Fine)
}

fn row(keyspace: Keyspace, key: &[u8], value: Option<&[u8]>, shape: Shape) -> String {
    let encode = |bytes: &[u8]| shape.encoding.encode(bytes);
    match (shape.json, value) {
        (true, value) => show::row(keyspace, key, value, shape),
        (false, Some(value)) => format!("{}\t{}\n", encode(key), encode(value)),
        (false, None) => format!("{}\n", encode(key)),
    }
}

/// Prints all rows, and says on the standard error what is lost.
pub(crate) fn dump(
    dir: &Path,
    skip_damaged: bool,
    shape: Shape,
) -> Result<Exit, StoreCommandError> {
    let mut out = Out::new();
    let mut lost = 0;
    let options = ReadOnlyOptions::new();
    let bar = rows_bar();
    let dumped = dump_store(&Env::os(dir), "", &options, skip_damaged, &mut |one| {
        match one {
            Dumped::Keyspace { number, name } => out.write(&show::keyspace(number, name))?,
            Dumped::Row {
                keyspace,
                key,
                value,
            } => {
                bar.inc(1);
                out.write(&show::row(Keyspace::new(keyspace), key, Some(value), shape))?;
            }
            Dumped::Lost { from, end, why } => {
                lost += 1;
                complain(&lost_range(&from, end.as_ref(), &why, shape.encoding));
            }
            Dumped::LostLog { from, why } => {
                lost += 1;
                complain(&format!(
                    "the log cannot be read: batches from sequence {from} on are lost, and any \
                     row may be an old one: {why}"
                ));
            }
            _ => {}
        }
        Ok(())
    });
    let dumped = dumped.and_then(|()| out.0.flush().map_err(Stop::Io));
    bar.finish_and_clear();
    if let Err(stop) = dumped {
        stop.settle()?;
    }
    Ok(match lost {
        0 => Exit::Fine,
        _ => Exit::Failure,
    })
}

fn lost_range(
    from: &KeyspaceAndKey,
    end: Option<&KeyspaceAndKey>,
    why: &StoreError,
    encoding: Encoding,
) -> String {
    let place = |keyspace: u32, key: &[u8]| format!("{keyspace}/{}", encoding.encode(key));
    let end = match end {
        None => "to the end".to_owned(),
        // Nothing lies between a key and the same with a zero behind it.
        Some((keyspace, key)) => match key.strip_suffix(&[0]) {
            Some(last) => format!("through {}", place(*keyspace, last)),
            None => format!("to before {}", place(*keyspace, key)),
        },
    };
    format!("lost: keys from {} {end}: {why}", place(from.0, &from.1))
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn rows_bar() -> ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{pos} rows, {per_sec} {spinner}");
    let bar = ProgressBar::new_spinner();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Puts the rows of a file into a store.
pub(crate) fn load(
    dir: &Path,
    from: &Path,
    create: bool,
    batch_rows: usize,
    shape: Shape,
) -> Result<Exit, StoreCommandError> {
    let (input, bytes) = input(from)?;
    let options = StoreOptions::new(Durability::Os).create(create);
    let (store, _) = Store::open(&Env::os(dir), "", &options)?;
    let bar = bar("loading");
    if let Some(bytes) = bytes {
        bar.set_length(bytes);
    }
    let (mut batch, mut rows) = (WriteBatch::new(), 0_u64);
    let mut keyspaces = BTreeMap::new();
    for (at, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|source| StoreCommandError::Io {
            path: from.to_path_buf(),
            source,
        })?;
        bar.inc(line.len() as u64 + 1);
        if line.trim().is_empty() {
            continue;
        }
        add(&store, &mut keyspaces, &mut batch, &line).map_err(|what| StoreCommandError::Line {
            path: from.to_path_buf(),
            line: at,
            what: format!("{what}; the {rows} rows before are in the store"),
        })?;
        if batch.len() >= batch_rows.max(1) {
            rows += batch.len() as u64;
            store.write(std::mem::take(&mut batch), Durability::Os)?;
        }
    }
    rows += batch.len() as u64;
    if !batch.is_empty() {
        store.write(batch, Durability::Os)?;
    }
    store.close()?;
    bar.finish_and_clear();
    say(&match shape.json {
        true => format!("{}\n", serde_json::json!({"rows": rows})),
        false => format!("{rows} rows are in {}, durably\n", dir.display()),
    });
    Ok(Exit::Fine)
}

type Input = (Box<dyn BufRead>, Option<u64>);

#[expect(
    clippy::disallowed_types,
    reason = "a file that a person names is no file of a store"
)]
fn input(from: &Path) -> Result<Input, StoreCommandError> {
    if from == Path::new("-") {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let failed = |source| StoreCommandError::Io {
        path: from.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(from).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    Ok((Box::new(BufReader::new(file)), Some(bytes)))
}

/// The keyspaces of a store by the numbers that a dump gives them.
type Keyspaces = BTreeMap<u32, Keyspace>;

/// Adds the row of a line to a batch. A keyspace that is named gets its name in the store.
fn add(
    store: &Store,
    keyspaces: &mut Keyspaces,
    batch: &mut WriteBatch,
    text: &str,
) -> Result<(), String> {
    let malformed =
        |error: String| format!("it is no line as `blackstart store dump` writes it: {error}");
    let line: Line = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    if let Some(name) = &line.name {
        let keyspace = store
            .keyspace(name)
            .map_err(|error| format!("{error}{}", advice::on(&error)))?;
        keyspaces.insert(line.keyspace, keyspace);
        return Ok(());
    }
    let (Some(encoding), Some(key)) = (&line.encoding, &line.key) else {
        return Err(malformed("neither a name nor a key".to_owned()));
    };
    let encoding = match encoding.as_str() {
        "text" => Encoding::Text,
        "hex" => Encoding::Hex,
        "base64" => Encoding::Base64,
        other => return Err(format!("`{other}` is no encoding")),
    };
    if matches!(line.keyspace, 0 | u32::MAX) {
        let keyspace = line.keyspace;
        return Err(StoreCommandError::NoKeyspace(keyspace).to_string());
    }
    let keyspace = keyspaces.get(&line.keyspace).copied();
    let keyspace = keyspace.unwrap_or(Keyspace::new(line.keyspace));
    let key = encoding.decode(key).map_err(|error| error.to_string())?;
    let added = match &line.value {
        Some(value) => {
            let value = encoding.decode(value).map_err(|error| error.to_string())?;
            batch.put(keyspace, &key, &value)
        }
        None => batch.delete(keyspace, &key),
    };
    added.map_err(|error| format!("{error}{}", advice::on(&error)))
}
