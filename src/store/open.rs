//! Opening a store: the manifest, its tables, then the log from where they end.
//!
//! | step | if a crash cuts it short there |
//! |---|---|
//! | 1. the directory is locked and listed; the newest manifest is read, its tables opened and checked | nothing was changed |
//! | 2. the log is opened, and made if there is none; what the tables lack goes into memtables | the log as its own opening leaves it |
//! | 3. the first manifest is written, if there is none | a log without a manifest, which the next opening replays from its start |
//! | 4. files that the manifest does not name are removed | some of them |

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{Env, Lock};

use super::batch::Record;
use super::error::StoreError;
use super::flush::Keeper;
use super::manifest::{self, Manifest};
use super::memtable::Memtable;
use super::options::StoreOptions;
use super::report::RecoveryReport;
use super::table::{self, Table};
use super::tree::{Frozen, Layers, Tree};
use crate::commitlog::LogSource;
use crate::commitlog::directory::Directory;
use crate::commitlog::{Commit, Log, LogError, LogOptions, Recovered, TxOffset};

/// Where the log is.
const LOG: &str = "log";
/// Where tables are.
const TABLES: &str = "tables";

/// The parts of an open store.
pub(crate) struct Opened {
    pub tree: Arc<Tree>,
    pub log: Log,
    pub keeper: Keeper,
    pub lock: Box<dyn Lock>,
    pub report: RecoveryReport,
}

/// Opens the store in `dir`.
pub(crate) fn open(env: &Env, dir: &Path, options: &StoreOptions) -> Result<Opened, StoreError> {
    let began = env.clock().monotonic();
    let root = match Directory::open(env, dir) {
        Err(LogError::NotFound { .. }) if options.create => Directory::create(env, dir)?,
        opened => opened?,
    };
    let lock = root.lock()?;
    if options.create {
        root.confirm()?;
    }
    let listing = Listing::read(&root)?;
    let found = listing.manifests.last().copied();
    let manifest = found.map(|number| Manifest::read(&root, number));
    let manifest = manifest.transpose()?;
    let tables_dir = dir.join(TABLES);
    let tables = match Directory::open(env, &tables_dir) {
        Err(LogError::NotFound { .. }) if manifest.is_none() && options.create => {
            Directory::create(env, &tables_dir)?
        }
        opened => opened?,
    };
    let named = manifest
        .as_ref()
        .map_or(&[][..], |manifest| &manifest.tables);
    let named_by = root.shown(&manifest::name(found.unwrap_or(0)));
    let open_table = |info| Table::open(&tables, info, &named_by).map(Arc::new);
    let opened = named.iter().map(open_table);
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let flushed_through = manifest
        .as_ref()
        .map_or(TxOffset::ZERO, |manifest| manifest.flushed_through);
    let mut replay = Replay::new(options, flushed_through);
    let (log, log_report) = open_log(env, dir, options, manifest.as_ref(), &mut replay)?;
    if manifest
        .as_ref()
        .is_some_and(|manifest| manifest.log_id != log.log_id())
    {
        let what = "the tables belong to another log";
        return Err(StoreError::Foreign { what });
    }
    let layers = replay.layers(opened);
    let report = RecoveryReport {
        manifest: found.unwrap_or(0),
        tables: layers.tables.len(),
        flushed_through,
        batches_replayed: replay.batches,
        rows_replayed: replay.rows,
        memtables: layers.frozen.len() + usize::from(!layers.active.is_empty()),
        files_removed: Vec::new(),
        files_unknown: listing.unknown.clone(),
        elapsed: env.clock().monotonic().saturating_since(began),
        log: log_report,
    };
    let visible = log.visible_through().get();
    let tree = Arc::new(Tree::new(layers, visible, options.memtable_bytes_max));
    let keeper = keeper(root, tables, log.clone(), tree.clone(), options, manifest)?;
    let mut opened = Opened {
        tree,
        log,
        keeper,
        lock,
        report,
    };
    opened.report.files_removed = remove_unnamed(&opened.keeper, &listing)?;
    Ok(opened)
}

/// Opens the log, and has it hand over what the tables lack.
fn open_log(
    env: &Env,
    dir: &Path,
    options: &StoreOptions,
    manifest: Option<&Manifest>,
    replay: &mut Replay,
) -> Result<(Log, crate::commitlog::RecoveryReport), StoreError> {
    let log_options = options.log.clone();
    // A batch is one frame, whatever the options of the log say.
    let log_options = log_options.frame_bytes_max(LogOptions::FRAME_BYTES_MAX);
    let log_options = log_options.first_commit(&[Record::genesis()]);
    let log_options = match manifest {
        Some(manifest) => log_options.durable_through(manifest.epoch, manifest.flushed_through),
        None => log_options.create(options.create),
    };
    let from = replay.from;
    let mut failed = None;
    let mut visitor = |recovered: Recovered<'_>| {
        replay.commit(&recovered.commit).map_err(|error| {
            failed = Some(error);
            "a record that no store has written".into()
        })
    };
    let opened = Log::open_and_visit(env, dir.join(LOG), log_options, from, &mut visitor);
    match (opened, failed) {
        (Err(LogError::Visitor { .. }), Some(error)) => Err(error),
        (Err(LogError::HistoryGone { oldest, .. }), _) => Err(StoreError::ManifestBehind {
            oldest,
            flushed_through: from,
        }),
        (opened, _) => Ok(opened?),
    }
}

/// What is replayed from the log.
struct Replay {
    /// Where it begins.
    from: TxOffset,
    bytes_max: u64,
    active: Arc<Memtable>,
    frozen: Vec<Frozen>,
    batches: u64,
    rows: u64,
}

impl Replay {
    fn new(options: &StoreOptions, from: TxOffset) -> Self {
        Self {
            from,
            bytes_max: options.memtable_bytes_max,
            active: Arc::default(),
            frozen: Vec::new(),
            batches: 0,
            rows: 0,
        }
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<(), StoreError> {
        for (offset, record) in commit.transactions() {
            self.record(offset, record)?;
        }
        Ok(())
    }

    fn record(&mut self, offset: TxOffset, record: &[u8]) -> Result<(), StoreError> {
        let decoded = Record::decode(record).map_err(|defect| {
            let record = format!("record {offset} of the log");
            StoreError::corrupt(defect.in_file(record))
        })?;
        match decoded {
            Record::Genesis if offset == TxOffset::ZERO => {}
            Record::Batch(batch) if offset > TxOffset::ZERO => {
                self.batches += 1;
                self.rows += self.active.insert(batch, offset.get());
                if self.active.bytes() >= self.bytes_max {
                    let (memtable, end) = (std::mem::take(&mut self.active), offset.get() + 1);
                    self.frozen.insert(0, Frozen { memtable, end });
                }
            }
            _ => {
                let what = "the log does not begin as that of a store";
                return Err(StoreError::Foreign { what });
            }
        }
        Ok(())
    }

    fn layers(&self, tables: Vec<Arc<Table>>) -> Layers {
        Layers {
            active: self.active.clone(),
            frozen: self.frozen.clone(),
            tables,
        }
    }
}

/// The keeper of an open store. A store without a manifest gets its first one.
fn keeper(
    root: Directory,
    tables: Directory,
    log: Log,
    tree: Arc<Tree>,
    options: &StoreOptions,
    manifest: Option<Manifest>,
) -> Result<Keeper, StoreError> {
    let is_new = manifest.is_none();
    let manifest = manifest.unwrap_or_else(|| Manifest {
        number: 1,
        log_id: log.log_id(),
        epoch: log.epoch(),
        flushed_through: TxOffset::ZERO,
        table_next: 1,
        tables: Vec::new(),
    });
    if is_new {
        manifest.write(&root)?;
    }
    Ok(Keeper {
        manifest_tried: manifest.number,
        root,
        tables,
        log,
        tree,
        block_bytes: options.block_bytes,
        manifest,
        superfluous: (Vec::new(), Vec::new()),
        background_error: None,
    })
}

/// The names of a store's directory, by what they are.
#[derive(Default)]
struct Listing {
    /// In order.
    manifests: Vec<u64>,
    temps: Vec<String>,
    unknown: Vec<String>,
}

impl Listing {
    fn read(root: &Directory) -> Result<Self, StoreError> {
        let mut listing = Self::default();
        for entry in root.names()? {
            match manifest::parse(&entry.name) {
                Some(number) => listing.manifests.push(number),
                None if entry.name == LOG || entry.name == TABLES => {}
                None if manifest::is_temp(&entry.name) => listing.temps.push(entry.name),
                None => listing.unknown.push(entry.name),
            }
        }
        listing.manifests.sort_unstable();
        Ok(listing)
    }
}

/// Removes manifests, tables and temporary files that the manifest does not name. All that it
/// names was verified.
fn remove_unnamed(keeper: &Keeper, listing: &Listing) -> Result<Vec<String>, StoreError> {
    // It may be in the page cache only, after an opening that was killed.
    keeper.root.sync()?;
    let mut removed = Vec::new();
    let older = listing.manifests.iter().copied().map(manifest::name);
    let current = manifest::name(keeper.manifest.number);
    let names = older.chain(listing.temps.iter().cloned());
    for name in names.filter(|name| *name != current) {
        keeper.root.remove(&name)?;
        removed.push(keeper.root.shown(&name));
    }
    for entry in keeper.tables.names()? {
        let number = table::parse(&entry.name);
        let is_named = keeper
            .manifest
            .tables
            .iter()
            .any(|table| Some(table.number) == number);
        let is_ours = number.is_some() || entry.name.contains(".tmp");
        if is_ours && !is_named {
            keeper.tables.remove(&entry.name)?;
            removed.push(keeper.tables.shown(&entry.name));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
