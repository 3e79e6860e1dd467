//! Opening a store: the manifest, its tables, then the log from where they end.
//!
//! | step | if a crash cuts it short there |
//! |---|---|
//! | 1. the directory is locked and listed; the newest manifest is read, its tables opened and checked | nothing was changed |
//! | 2. the log is opened, and made if there is none; what the tables lack goes into memtables | the log as its own opening leaves it |
//! | 3. the first manifest is written, if there is none | a log without a manifest, which the next opening replays from its start |
//! | 4. the history is cut, if a point in time is wanted | see `Base::fork` |
//! | 5. what memtables have no room for goes into tables | as a flush leaves it |
//! | 6. files that the manifest does not name are removed | some of them |

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{Env, Lock};

use super::batch::{Record, SealedBatch};
use super::cache::Cache;
use super::error::StoreError;
use super::flush::Keeper;
use super::manifest::{self, Manifest, RunInfo};
use super::options::StoreOptions;
use super::replay::Replay;
use super::report::RecoveryReport;
use super::table;
use super::tree::{Run, Tree};
use crate::commitlog::LogSource;
use crate::commitlog::directory::Directory;
use crate::commitlog::{Log, LogError, LogId, LogOptions, Recovered, SegmentInfo, TxOffset};

/// Where the log is.
pub(super) const LOG: &str = "log";
/// Where tables are.
pub(super) const TABLES: &str = "tables";

/// Says what a new store begins with.
pub(crate) type Begin<'a> = dyn FnMut() -> Result<SealedBatch, StoreError> + 'a;

/// The parts of an open store.
pub(crate) struct Opened {
    pub tree: Arc<Tree>,
    pub log: Log,
    pub keeper: Keeper,
    pub lock: Box<dyn Lock>,
    pub report: RecoveryReport,
}

/// Opens the store in `dir`. A new one begins with what `begin` says.
pub(crate) fn open(
    env: &Env,
    dir: &Path,
    options: &StoreOptions,
    begin: &mut Begin<'_>,
) -> Result<Opened, StoreError> {
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
    let newest = listing.manifests.last();
    let manifest = newest.map(|number| Manifest::read_to_write(&root, *number));
    let manifest = manifest.transpose()?;
    let is_new = options.create && manifest.is_none() && !has_log(env, dir)?;
    let genesis = is_new.then(begin).transpose()?;
    let tables_dir = dir.join(TABLES);
    let tables = match Directory::open(env, &tables_dir) {
        Err(LogError::NotFound { .. }) if manifest.is_none() && options.create => {
            Directory::create(env, &tables_dir)?
        }
        opened => opened?,
    };
    let base = Base::plan(manifest.as_ref(), options);
    let named_by = listing.newest(&root);
    let cache = Cache::new(options.cache_bytes_max);
    let runs = Run::open_all(&tables, &base.runs, &named_by, &cache)?;
    let mut replay = Replay::new(options, base.flushed_through..base.end);
    let log_options = log_options(options, manifest.as_ref(), genesis.as_ref());
    let (log, log_report) = open_log(env, dir, log_options, manifest.as_ref(), &mut replay)?;
    if let Some(genesis) = genesis.filter(|_| log_report.created) {
        replay.begin_with(&genesis);
    }
    if let Some(manifest) = &manifest {
        expect_same_history(manifest, log.log_id(), &log.segments(), &named_by)?;
    }
    let mut report = RecoveryReport::new(&listing, &base, log_report);
    let visible = log.visible_through().min(base.end).get();
    let layers = replay.layers(runs);
    let tree = Arc::new(Tree::new(
        layers,
        cache,
        visible,
        options.memtable_bytes_max,
    ));
    let mut keeper = keeper(root, tables, log.clone(), tree.clone(), options, manifest)?;
    report.fork = base.fork(&mut keeper)?;
    report.tables_flushed = replay.go_on(&mut keeper)?;
    report.files_removed = remove_unnamed(&keeper, &listing)?;
    report.replayed(&replay, &tree);
    report.elapsed = env.clock().monotonic().saturating_since(began);
    Ok(Opened {
        tree,
        log,
        keeper,
        lock,
        report,
    })
}

/// What the tables hold that an opening uses, and where what it shows ends.
pub(super) struct Base {
    pub runs: Vec<RunInfo>,
    pub flushed_through: TxOffset,
    /// The point in time: transactions from here on are not shown.
    pub end: TxOffset,
}

impl Base {
    /// Tables that hold more than is to be shown are of no use: the log is read from its start.
    pub fn plan(manifest: Option<&Manifest>, options: &StoreOptions) -> Self {
        let asked = options
            .max_tx_offset
            .and_then(|last| last.get().checked_add(1));
        let asked = asked.map(TxOffset::new);
        let named = manifest.and_then(|manifest| manifest.fork);
        let end = asked.into_iter().chain(named).min();
        let end = end.unwrap_or(TxOffset::new(u64::MAX));
        match manifest.filter(|manifest| manifest.flushed_through <= end) {
            Some(manifest) => Self {
                runs: manifest.runs.clone(),
                flushed_through: manifest.flushed_through,
                end,
            },
            None => Self {
                runs: Vec::new(),
                flushed_through: TxOffset::ZERO,
                end,
            },
        }
    }

    /// Cuts the history at the point in time, if there is anything behind it; returns where.
    ///
    /// | step | if a crash cuts it short there |
    /// |---|---|
    /// | 1. a manifest without tables above the cut names it, durably | the next opening shows nothing behind the cut, and makes it |
    /// | 2. the log is cut | the next opening finds nothing behind the cut |
    /// | 3. a manifest that names no fork | the same |
    fn fork(&self, keeper: &mut Keeper) -> Result<Option<TxOffset>, StoreError> {
        let is_behind = keeper.log.visible_through() > self.end;
        if !is_behind && keeper.manifest.fork.is_none() {
            return Ok(None);
        }
        if keeper.manifest.fork != Some(self.end) {
            keeper.replace_manifest(Manifest {
                runs: self.runs.clone(),
                flushed_through: self.flushed_through,
                fork: Some(self.end),
                ..keeper.manifest.clone()
            })?;
        }
        if is_behind {
            keeper.log.truncate_to(self.end)?;
        }
        keeper.replace_manifest(Manifest {
            fork: None,
            ..keeper.manifest.clone()
        })?;
        keeper.remove_superfluous();
        Ok(Some(self.end))
    }
}

/// The manifest belongs to the log, and the log was not cut below the end of the tables since.
pub(super) fn expect_same_history(
    manifest: &Manifest,
    log_id: LogId,
    segments: &[SegmentInfo],
    file: &str,
) -> Result<(), StoreError> {
    if manifest.log_id != log_id {
        let what = "the tables belong to another log";
        return Err(StoreError::Foreign { what });
    }
    let later = segments
        .iter()
        .filter(|own| own.cut_epoch.is_some_and(|epoch| epoch > manifest.epoch));
    let cut = later.map(|segment| segment.range.start).min();
    match cut.filter(|cut| *cut < manifest.flushed_through) {
        None => Ok(()),
        Some(cut) => Err(StoreError::BeyondFork {
            file: file.to_owned(),
            flushed_through: manifest.flushed_through,
            cut,
        }),
    }
}

/// Whether there is a segment of the store's log.
fn has_log(env: &Env, dir: &Path) -> Result<bool, StoreError> {
    let log = match Directory::open(env, &dir.join(LOG)) {
        Err(LogError::NotFound { .. }) => return Ok(false),
        opened => opened?,
    };
    let is_segment = |name: &str| {
        name.strip_suffix(".log")
            .is_some_and(|first| first.len() == 20)
    };
    Ok(log.names()?.iter().any(|entry| is_segment(&entry.name)))
}

fn log_options(
    options: &StoreOptions,
    manifest: Option<&Manifest>,
    genesis: Option<&SealedBatch>,
) -> LogOptions {
    // A batch is one frame, whatever the options of the log say.
    let log = options.log.clone();
    let log = log.frame_bytes_max(LogOptions::FRAME_BYTES_MAX);
    match (manifest, genesis) {
        (Some(manifest), _) => log.durable_through(manifest.epoch, manifest.flushed_through),
        (None, Some(genesis)) => log.create(true).first_commit(&[Record::genesis(genesis)]),
        (None, None) => log,
    }
}

/// Opens the log, and has it hand over what the tables lack.
fn open_log(
    env: &Env,
    dir: &Path,
    log_options: LogOptions,
    manifest: Option<&Manifest>,
    replay: &mut Replay,
) -> Result<(Log, crate::commitlog::RecoveryReport), StoreError> {
    let from = replay.range.start;
    let mut failed = None;
    let mut visitor = |recovered: Recovered<'_>| {
        replay.commit(&recovered.commit).map_err(|error| {
            failed = Some(error);
            "the store refuses a record".into()
        })
    };
    let opened = Log::open_and_visit(env, dir.join(LOG), log_options, from, &mut visitor);
    match (opened, failed) {
        (Err(LogError::Visitor { .. }), Some(error)) => Err(error),
        (Err(LogError::HistoryGone { oldest, .. }), _) => Err(too_short(oldest, from, manifest)),
        (opened, _) => Ok(opened?),
    }
}

/// The log does not reach back to where it has to be read from.
pub(super) fn too_short(
    oldest: TxOffset,
    from: TxOffset,
    manifest: Option<&Manifest>,
) -> StoreError {
    match manifest {
        Some(manifest) if manifest.flushed_through > from => StoreError::HistoryGone {
            oldest,
            flushed_through: manifest.flushed_through,
        },
        _ => StoreError::ManifestBehind {
            oldest,
            flushed_through: from,
        },
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
    let first = || Manifest::first(log.log_id(), log.epoch());
    let manifest = manifest.unwrap_or_else(first);
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
        table_bytes_max: options.memtable_bytes_max.max(1),
        history: options.history,
        manifest,
        superfluous: (Vec::new(), Vec::new()),
        merging: None,
        stuck: BTreeSet::new(),
    })
}

/// The names of a store's directory, by what they are.
#[derive(Default)]
pub(super) struct Listing {
    /// In order.
    pub manifests: Vec<u64>,
    pub temps: Vec<String>,
    pub unknown: Vec<String>,
}

impl Listing {
    /// The newest manifest's path for people.
    pub fn newest(&self, root: &Directory) -> String {
        root.shown(&manifest::name(self.manifests.last().copied().unwrap_or(0)))
    }

    pub fn read(root: &Directory) -> Result<Self, StoreError> {
        let mut listing = Self::default();
        for entry in root.names()? {
            match manifest::parse(&entry.name) {
                Some(number) => listing.manifests.push(number),
                None if entry.name == LOG || entry.name == TABLES => {}
                None if entry.is_file && manifest::is_temp(&entry.name) => {
                    listing.temps.push(entry.name);
                }
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
            .tables()
            .any(|table| Some(table.number) == number);
        let is_ours = entry.is_file && (number.is_some() || entry.name.contains(".tmp"));
        if is_ours && !is_named {
            keeper.tables.remove(&entry.name)?;
            removed.push(keeper.tables.shown(&entry.name));
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
