//! A store opened for reading only.
//!
//! It takes the tables that the newest manifest names, and what the log has behind them. What it
//! shows need not be durable: it is what the operating system has. A directory without write
//! permission will do.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] What it shows is the store as it was at one moment. A writer beside it may merge tables
//!   or retire the log's segments while it looks: then the writer made a newer manifest before, and
//!   it looks again.
//! - \[I3\] All tables are open when it is: what a writer removes later can still be read.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::Env;

use super::cache::Cache;
use super::catalog;
use super::cursor::Cursor;
use super::error::StoreError;
use super::keyspace::Keyspace;
use super::manifest::Manifest;
use super::open::{Base, LOG, Listing, TABLES, expect_same_history, too_short};
use super::options::StoreOptions;
use super::replay::Replay;
use super::report::RecoveryReport;
use super::snapshot::Snapshot;
use super::stats::StoreStats;
use super::table::Table;
use super::tree::{Run, Tree};
use crate::commitlog::directory::Directory;
use crate::commitlog::{self, Durability, LogError, LogId, LogOptions, ReadOnlyLog, TxOffset};

/// How often it looks again while a writer makes one manifest after another.
pub(super) const LOOKS_MAX: u32 = 1000;

/// How a store is opened for reading only.
#[derive(Clone, Debug)]
pub struct ReadOnlyOptions {
    replay_bytes_max: u64,
    max_tx_offset: Option<TxOffset>,
}

impl Default for ReadOnlyOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ReadOnlyOptions {
    /// At most 1 GiB of the log is held in memory.
    pub fn new() -> Self {
        Self {
            replay_bytes_max: 1 << 30,
            max_tx_offset: None,
        }
    }

    /// Show the store as it was when this batch was the last one. If the tables hold later ones,
    /// the log has to reach back to the store's beginning, and all of it is held in memory.
    #[must_use]
    pub fn max_tx_offset(mut self, last: TxOffset) -> Self {
        self.max_tx_offset = Some(last);
        self
    }

    /// As for an opening that writes: one memtable takes it all.
    fn store_options(&self) -> StoreOptions {
        let options = StoreOptions::new(Durability::Os).memtable_bytes_max(u64::MAX);
        match self.max_tx_offset {
            Some(last) => options.max_tx_offset(last),
            None => options,
        }
    }

    /// How many bytes of records the log may have behind the tables. They are held in memory, since
    /// a read-only store writes no table.
    #[must_use]
    pub fn replay_bytes_max(mut self, bytes: u64) -> Self {
        self.replay_bytes_max = bytes;
        self
    }
}

/// A store opened for reading only: it takes no lock, writes nothing, and may be read while another
/// process writes. It shows the store as it was when it was opened or last refreshed.
#[derive(Debug)]
pub struct ReadOnlyStore {
    root: Directory,
    options: ReadOnlyOptions,
    snapshot: Snapshot,
    stats: StoreStats,
    log_id: LogId,
}

impl ReadOnlyStore {
    /// Opens the store in `dir` as it is now. It keeps a file open for each table.
    ///
    /// # Errors
    /// As [`Store::open`](super::Store::open), but for locks.
    /// [`StoreError::SuffixTooLarge`]: the log behind the tables has more bytes than
    /// [`ReadOnlyOptions::replay_bytes_max`]. [`StoreError::TooFewHandles`].
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: ReadOnlyOptions,
    ) -> Result<(Self, RecoveryReport), StoreError> {
        let root = Directory::open(env, dir.as_ref())?;
        let seen = look(&root, dir.as_ref(), &options, false)?;
        let stats = seen.stats();
        let (log_id, report) = seen.log.expect("nothing is left out unless asked");
        let store = Self {
            root,
            options,
            stats,
            snapshot: Snapshot::of(seen.tree),
            log_id,
        };
        Ok((store, report))
    }

    /// As [`open`](Self::open), for a path of the operating system.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_path(
        path: impl AsRef<Path>,
        options: ReadOnlyOptions,
    ) -> Result<(Self, RecoveryReport), StoreError> {
        Self::open(&Env::os(path), "", options)
    }

    /// Opens the store again: what was written since becomes visible. Cursors go on with what they
    /// showed before.
    ///
    /// # Errors
    /// As [`open`](Self::open): it shows what it showed before.
    pub fn refresh(&mut self) -> Result<RecoveryReport, StoreError> {
        let seen = look(&self.root, &self.root.path_of(""), &self.options, false)?;
        let stats = seen.stats();
        let (log_id, report) = seen.log.expect("nothing is left out unless asked");
        if log_id != self.log_id {
            let what = "another store is in the directory now";
            return Err(StoreError::Foreign { what });
        }
        self.stats = stats;
        self.snapshot = Snapshot::of(seen.tree);
        Ok(report)
    }

    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or that the operating system failed.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot.get(keyspace, key)
    }

    /// All keys of a keyspace from `from` on, in order.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_from(&self, keyspace: Keyspace, from: &[u8]) -> Result<Cursor, StoreError> {
        self.snapshot.scan_from(keyspace, from)
    }

    /// The keyspace with this name, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn find_keyspace(&self, name: &str) -> Result<Option<Keyspace>, StoreError> {
        catalog::find(self.snapshot.tree(), name)
    }

    /// The names of all keyspaces, in order, with their handles.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn keyspaces(&self) -> Result<Vec<(String, Keyspace)>, StoreError> {
        catalog::list(self.snapshot.tree())
    }

    /// What it shows, with all calls that read.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What the store consists of.
    pub fn stats(&self) -> StoreStats {
        self.stats
    }

    /// The identity of the store: that of its log.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }
}

/// What a look found.
pub(super) struct Seen {
    pub tree: Arc<Tree>,
    pub flushed_through: TxOffset,
    /// The log's identity, and what the look says of all; none if the log is left out.
    log: Option<(LogId, RecoveryReport)>,
    /// Why tables are left out.
    pub tables_lost: Vec<StoreError>,
    /// Why the log is.
    pub log_lost: Option<StoreError>,
}

impl Seen {
    fn stats(&self) -> StoreStats {
        StoreStats::of(&self.tree, self.flushed_through)
    }

    fn is_whole(&self) -> bool {
        self.tables_lost.is_empty() && self.log_lost.is_none()
    }
}

/// [I2] Looks until no newer manifest explains what fails. What is damaged is left out, if asked.
pub(super) fn look(
    root: &Directory,
    dir: &Path,
    options: &ReadOnlyOptions,
    skip_damaged: bool,
) -> Result<Seen, StoreError> {
    let mut listing = Listing::read(root)?;
    for _ in 0..LOOKS_MAX {
        let seen = look_once(root, dir, options, &listing, skip_damaged);
        if seen.as_ref().is_ok_and(Seen::is_whole) {
            return seen;
        }
        let newer = Listing::read(root)?;
        if newer.manifests.last() == listing.manifests.last() {
            return seen;
        }
        listing = newer;
    }
    let dir = root.shown_dir();
    Err(LogError::ChangedWhileReading { dir }.into())
}

fn look_once(
    root: &Directory,
    dir: &Path,
    options: &ReadOnlyOptions,
    listing: &Listing,
    skip_damaged: bool,
) -> Result<Seen, StoreError> {
    let env = &root.env;
    let began = env.clock().monotonic();
    let manifest = listing.manifests.last().copied();
    let manifest = manifest.map(|number| Manifest::read(root, number));
    let manifest = manifest.transpose()?;
    let store_options = options.store_options();
    let base = Base::plan(manifest.as_ref(), &store_options);
    let named_by = listing.newest(root);
    let cache = Cache::new(store_options.cache_bytes_max);
    let (mut runs, mut tables_lost) = (Vec::new(), Vec::new());
    if !base.runs.is_empty() {
        let directory = Directory::open(env, &dir.join(TABLES))?;
        for run in &base.runs {
            let mut tables = Vec::new();
            for info in &run.tables {
                match Table::open(&directory, info, &named_by, &cache) {
                    Err(error) if skip_damaged => tables_lost.push(error),
                    opened => tables.push(Arc::new(opened?)),
                }
            }
            let tables = tables.into();
            runs.push(Run { tables });
        }
    }
    let mut replay = Replay::new(&store_options, base.flushed_through..base.end);
    let read = read_log(
        env,
        &dir.join(LOG),
        manifest.as_ref(),
        &named_by,
        options,
        &mut replay,
    );
    let (log, visible, log_lost) = match read {
        Ok((log, report)) => (
            Some((log.log_id(), report)),
            log.visible_through().min(base.end),
            None,
        ),
        Err(error) if skip_damaged && manifest.is_some() => {
            replay = Replay::new(&store_options, base.flushed_through..base.end);
            (None, base.flushed_through, Some(error))
        }
        Err(error) => return Err(error),
    };
    let tree = Tree::new(replay.layers(runs), cache, visible.get(), u64::MAX);
    let log = log.map(|(log_id, log_report)| {
        let mut report = RecoveryReport::new(listing, &base, log_report);
        report.replayed(&replay, &tree);
        report.elapsed = env.clock().monotonic().saturating_since(began);
        (log_id, report)
    });
    Ok(Seen {
        tree: Arc::new(tree),
        flushed_through: base.flushed_through,
        log,
        tables_lost,
        log_lost,
    })
}

/// Takes in what the log has behind the tables, if it has few enough bytes.
fn read_log(
    env: &Env,
    dir: &Path,
    manifest: Option<&Manifest>,
    named_by: &str,
    options: &ReadOnlyOptions,
    replay: &mut Replay,
) -> Result<(ReadOnlyLog, commitlog::RecoveryReport), StoreError> {
    let mut log_options = LogOptions::new();
    if let Some(manifest) = manifest {
        log_options = log_options.durable_through(manifest.epoch, manifest.flushed_through);
    }
    let (log, report) = ReadOnlyLog::open(env, dir, log_options)?;
    if let Some(manifest) = manifest {
        expect_same_history(manifest, log.log_id(), &log.segments(), named_by)?;
    }
    let (from, end) = (replay.range.start, replay.range.end);
    let mut reader = log.reader(from).map_err(|error| match error {
        LogError::HistoryGone { oldest, .. } => too_short(oldest, from, manifest),
        error => error.into(),
    })?;
    let (mut bytes, bytes_max) = (0, options.replay_bytes_max);
    while let Some(commit) = reader.next_commit()? {
        if commit.first() >= end {
            break;
        }
        let records = commit.transactions().map(|(_, record)| record.len() as u64);
        bytes += records.sum::<u64>();
        // Behind the bound they are only counted.
        if bytes <= bytes_max {
            replay.commit(&commit)?;
        }
    }
    match bytes <= bytes_max {
        true => Ok((log, report)),
        false => Err(StoreError::SuffixTooLarge { bytes, bytes_max }),
    }
}

#[cfg(test)]
mod tests;
