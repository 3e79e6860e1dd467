//! Memtables and tables together: what a reader sees.
//!
//! `layers` and `snapshots` are behind leaf locks: no call of the seam is made while one is held.
//!
//! Invariants:
//! - \[I1\] A single get pins the layers first and loads `visible` second; a scan registers its
//!   sequence in `snapshots`, loads `visible` under the same lock, and pins the layers last. A
//!   merge learns under that lock which rows nobody needs. So no reader misses a row that it may
//!   see.
//! - \[I2\] `visible` moves once all rows below it are in a memtable.
//! - \[I3\] A memtable that is frozen gets no more rows, and `end` is above all that it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::batch::Writes;
use super::cache::Cache;
use super::error::StoreError;
use super::filter::KeyHash;
use super::manifest::RunInfo;
use super::memtable::Memtable;
use super::table::Table;
use super::tombstone::Span;
use crate::commitlog::directory::Directory;

/// A memtable that is full.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub memtable: Arc<Memtable>,
    /// It and what is older hold everything below this sequence.
    pub end: u64,
}

/// Tables that share no key, in order.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub tables: Arc<[Arc<Table>]>,
}

impl Run {
    /// Opens the tables of runs.
    pub fn open_all(
        directory: &Directory,
        runs: &[RunInfo],
        named_by: &str,
        cache: &Arc<Cache>,
    ) -> Result<Vec<Self>, StoreError> {
        let open = |run: &RunInfo| {
            let tables = run.tables.iter();
            let open = |info| Table::open(directory, info, named_by, cache).map(Arc::new);
            let opened = tables.map(open);
            let tables = opened.collect::<Result<_, StoreError>>()?;
            Ok(Self { tables })
        };
        runs.iter().map(open).collect()
    }

    /// The tables that may hold a key, or one behind it.
    pub fn from(&self, key: &[u8]) -> &[Arc<Table>] {
        let before = |table: &Arc<Table>| table.info.end_key.as_slice() <= key;
        let at = self.tables.partition_point(before);
        self.tables.get(at..).unwrap_or_default()
    }

    /// The table that may hold a key.
    pub fn table(&self, key: &[u8]) -> Option<&Arc<Table>> {
        let next = self.from(key).first();
        next.filter(|table| table.info.first_key.as_slice() <= key)
    }
}

/// Where rows are, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    pub active: Arc<Memtable>,
    pub frozen: Vec<Frozen>,
    pub runs: Vec<Run>,
}

impl Layers {
    /// Shows the value of the newest row of a key below `visible`; none if there is none, or if
    /// that is a delete.
    pub fn get_with<R>(
        &self,
        key: &[u8],
        visible: u64,
        show: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        for memtable in self.memtables() {
            if let Some(found) = memtable.get(key, visible) {
                return Ok(found.map(show));
            }
        }
        let Some(sequence) = visible.checked_sub(1) else {
            return Ok(None);
        };
        let hash = KeyHash::of(key);
        // The first table that has the key is the only one that shows anything.
        let mut show = Some(show);
        for table in self.runs.iter().filter_map(|run| run.table(key)) {
            let show =
                |value: Option<&[u8]>| value.zip(show.take()).map(|(value, show)| show(value));
            if let Some(found) = table.get_with(key, hash, sequence, show)? {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// All tables, those of newer runs first.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.runs.iter().flat_map(|run| run.tables.iter())
    }

    /// The memtables, newest first.
    pub fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        let frozen = self.frozen.iter().map(|frozen| &frozen.memtable);
        [&self.active].into_iter().chain(frozen)
    }

    /// How many memtables hold something.
    pub fn memtables_held(&self) -> usize {
        let held = self.memtables().filter(|memtable| !memtable.is_empty());
        held.count()
    }

    /// How large they are.
    pub fn memtable_bytes(&self) -> u64 {
        self.memtables().map(|memtable| memtable.bytes()).sum()
    }

    /// Whether ranges were deleted. Of what is deleted from now on a reader sees nothing that
    /// pinned these layers.
    pub fn have_tombstones(&self) -> bool {
        self.memtables().any(|memtable| memtable.has_tombstones())
            || self.tables().any(|table| !table.tombstones.is_empty())
    }

    /// The neighbours of a key that the same range tombstone covers.
    pub fn span(&self, key: &[u8], visible: u64) -> Span {
        let memtables = self.memtables().map(|memtable| memtable.span(key, visible));
        let tables = self.tables().filter(|table| !table.tombstones.is_empty());
        let tables = tables.map(|table| table.tombstones.span(key, visible));
        memtables.chain(tables).fold(Span::default(), Span::and)
    }
}

/// The tree.
#[derive(Debug)]
pub(crate) struct Tree {
    layers: RwLock<Arc<Layers>>,
    /// Blocks of the tables.
    pub cache: Arc<Cache>,
    /// All rows below this sequence can be seen.
    visible: AtomicU64,
    /// How many readers see what is below each sequence.
    snapshots: Mutex<BTreeMap<u64, usize>>,
    memtable_bytes_max: u64,
    /// [I3] Held while a batch is applied, and while a memtable is frozen.
    applying: Mutex<()>,
}

/// A reader's place in the list of snapshots.
#[derive(Debug)]
pub(crate) struct Registration {
    tree: Arc<Tree>,
    /// It sees what is below.
    pub visible: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut snapshots = self.tree.snapshots.lock();
        if let Some(count) = snapshots.get_mut(&self.visible) {
            *count -= 1;
            if *count == 0 {
                snapshots.remove(&self.visible);
            }
        }
    }
}

impl Tree {
    pub fn new(layers: Layers, cache: Arc<Cache>, visible: u64, memtable_bytes_max: u64) -> Self {
        Self {
            layers: RwLock::new(Arc::new(layers)),
            cache,
            visible: AtomicU64::new(visible),
            snapshots: Mutex::default(),
            memtable_bytes_max,
            applying: Mutex::new(()),
        }
    }

    /// The layers as they are now.
    pub fn pin(&self) -> Arc<Layers> {
        self.layers.read().clone()
    }

    /// Below this sequence all rows can be seen.
    pub fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// [I1] A place in the list of snapshots, for all that is visible now.
    pub fn register(self: &Arc<Self>) -> Registration {
        let mut snapshots = self.snapshots.lock();
        let visible = self.visible();
        *snapshots.entry(visible).or_default() += 1;
        drop(snapshots);
        Registration {
            tree: self.clone(),
            visible,
        }
    }

    /// Another place for what is registered already.
    pub fn register_again(self: &Arc<Self>, registered: &Registration) -> Registration {
        let visible = registered.visible;
        *self.snapshots.lock().entry(visible).or_default() += 1;
        Registration {
            tree: self.clone(),
            visible,
        }
    }

    /// [I1] Of rows of one key that are all below this sequence, nobody needs more than the newest.
    pub fn horizon(&self) -> u64 {
        let snapshots = self.snapshots.lock();
        let oldest = snapshots.keys().next().copied();
        oldest.unwrap_or(u64::MAX).min(self.visible())
    }

    /// Inserts a batch, which becomes visible; returns how many rows it has, and whether a
    /// memtable is full now.
    pub fn apply(&self, writes: Writes<'_>, sequence: u64) -> (u64, bool) {
        let _applying = self.applying.lock();
        let active = self.pin().active.clone();
        let rows = active.insert(writes, sequence);
        let end = sequence + 1;
        self.visible.store(end, Ordering::Release);
        let is_full = active.bytes() >= self.memtable_bytes_max;
        (rows, is_full && self.freeze(end))
    }

    /// Begins another memtable, unless the active one is empty; returns whether it did.
    fn freeze(&self, end: u64) -> bool {
        let mut layers = self.layers.write();
        if layers.active.is_empty() {
            return false;
        }
        let memtable = layers.active.clone();
        memtable.freeze();
        let next = Arc::make_mut(&mut layers);
        next.active = Arc::new(memtable.successor());
        next.frozen.insert(0, Frozen { memtable, end });
        true
    }

    /// Freezes the active memtable, unless it is empty.
    pub fn freeze_all(&self) {
        let _applying = self.applying.lock();
        self.freeze(self.visible());
    }

    /// Puts runs that hold the oldest frozen memtable in the place of it and of all runs.
    pub fn replace_frozen(&self, runs: Vec<Run>) {
        let mut layers = self.layers.write();
        let next = Arc::make_mut(&mut layers);
        let _ = next.frozen.pop();
        next.runs = runs;
    }

    /// Puts runs in the place of all runs.
    pub fn replace_runs(&self, runs: Vec<Run>) {
        let mut layers = self.layers.write();
        Arc::make_mut(&mut layers).runs = runs;
    }
}

#[cfg(test)]
mod tests;
