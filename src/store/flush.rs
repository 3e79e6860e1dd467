//! Memtables become tables; tables are merged.
//!
//! | step of a flush | a crash behind it leaves |
//! |---|---|
//! | 1. the log is synced through the memtable's last batch | the memtable, in the log |
//! | 2. the table is written under a temporary name, synced, named, and the directory synced | the same, and a file that no manifest names |
//! | 3. the next manifest, likewise | the table in the place of the memtable |
//! | 4. what the manifest made superfluous is removed; the log retires what is in tables | the same |
//!
//! A merge is steps 2 to 4, with tables in the place of the memtable. It may make several tables,
//! which one manifest names.
//!
//! Invariants:
//! - \[I1\] A table whose write or sync failed is never synced again: its rows are written anew
//!   under another number.
//! - \[I2\] After a failure of step 3 either manifest may be what an opening finds. No file of
//!   either is removed until a later one is durable.
//! - \[I3\] A merge begins with the list of snapshots, and looks at the tables after that.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compaction::{self, Limits, Plan};
use super::cursor::Merge;
use super::error::StoreError;
use super::history::History;
use super::manifest::{self, BOTTOM, Manifest, RunInfo};
use super::merge::{self, Cuts, Merging, Place, Sources};
use super::table::{self, Table, TableInfo};
use super::tombstone::Tombstones;
use super::tree::{Run, Tree};
use crate::commitlog::LogSource;
use crate::commitlog::directory::Directory;
use crate::commitlog::{ErrorClass, Log, TxOffset};

/// A step of a merge writes this share of a table.
const STEP_SHARE: u64 = 32;

/// Makes tables. Whoever holds it is the only one.
pub(crate) struct Keeper {
    pub root: Directory,
    pub tables: Directory,
    pub log: Log,
    pub tree: Arc<Tree>,
    pub block_bytes: usize,
    /// A table ends once it has this many bytes.
    pub table_bytes_max: u64,
    pub history: History,
    /// The newest that is durable.
    pub manifest: Manifest,
    /// The number of the last manifest that was tried.
    pub manifest_tried: u64,
    /// Numbers of tables, and of manifests, that no later manifest needs.
    pub superfluous: (Vec<u64>, Vec<u64>),
    /// The merge that has begun.
    pub merging: Option<(Plan, Merging)>,
    /// Tables whose merge met damage. They stay as they are.
    pub stuck: BTreeSet<u64>,
}

impl Keeper {
    /// Writes the oldest frozen memtable to tables; returns its bytes, or none if there is none.
    pub fn flush(&mut self) -> Result<Option<u64>, StoreError> {
        let horizon = self.tree.horizon();
        let layers = self.tree.pin();
        let Some(frozen) = layers.frozen.last() else {
            return Ok(None);
        };
        let flushed_through = TxOffset::new(frozen.end);
        self.log.sync_through(flushed_through)?;
        let plan = Plan::default();
        let sources = Sources {
            rows: Merge::of_memtable(&frozen.memtable),
            tombstones: frozen.memtable.tombstones(),
            below: merge::below(&self.manifest.runs, &plan),
            horizon,
        };
        let mut merging = Merging::new(sources, self.cuts(&plan));
        if let Err(error) = self.advance(&mut merging, u64::MAX) {
            self.abandon(merging);
            return Err(error);
        }
        let runs = self.install(&plan, merging.into_tables(), flushed_through)?;
        self.tree.replace_frozen(runs);
        self.remove_superfluous();
        // What stays is retired after the next flush, or by the next opening.
        drop(self.retire());
        Ok(Some(frozen.memtable.bytes()))
    }

    /// Has the log retire what tables hold, but for the history that is to stay.
    pub fn retire(&self) -> Result<(), StoreError> {
        let flushed_through = self.manifest.flushed_through;
        let oldest = self.history.oldest(&self.log.segments(), flushed_through);
        self.log.retain_from(oldest)?;
        Ok(())
    }

    /// Does the next step of a merge. If `before` is given, all tables with lower numbers go to the
    /// bottom.
    pub fn merge(&mut self, before: Option<u64>) -> Result<Option<u64>, StoreError> {
        if self.merging.is_none() {
            let (runs, limits) = (&self.manifest.runs, self.limits());
            let plan = match before {
                None => compaction::pick(runs, &limits),
                Some(before) => compaction::pick_all(runs, &limits, before),
            };
            match plan {
                None => return Ok(None),
                Some(plan) if plan.is_move => return self.bring_down(&plan),
                Some(plan) => match self.begin(&plan) {
                    Ok(merging) => self.merging = Some((plan, merging)),
                    Err(error) => return Err(self.leave_alone(&plan, error)),
                },
            }
        }
        let Some((plan, mut merging)) = self.merging.take() else {
            return Ok(None);
        };
        match self.advance(&mut merging, (self.table_bytes_max / STEP_SHARE).max(1)) {
            Ok((bytes, false)) => {
                self.merging = Some((plan, merging));
                Ok(Some(bytes))
            }
            Ok((bytes, true)) => {
                let flushed_through = self.manifest.flushed_through;
                let runs = self.install(&plan, merging.into_tables(), flushed_through)?;
                self.tree.replace_runs(runs);
                self.remove_superfluous();
                Ok(Some(bytes))
            }
            Err(error) => {
                self.abandon(merging);
                Err(self.leave_alone(&plan, error))
            }
        }
    }

    /// Damage stays: the tables of the plan are not merged again.
    fn leave_alone(&mut self, plan: &Plan, error: StoreError) -> StoreError {
        if error.class() == ErrorClass::Damage {
            self.stuck.extend(&plan.inputs);
        }
        error
    }

    /// Moves a table by the manifest alone.
    fn bring_down(&mut self, plan: &Plan) -> Result<Option<u64>, StoreError> {
        let mut tables = self.manifest.tables();
        let moved = tables.find(|table| plan.inputs.contains(&table.number));
        let moved: Vec<_> = moved.cloned().into_iter().collect();
        drop(tables);
        let flushed_through = self.manifest.flushed_through;
        let runs = self.install(plan, moved, flushed_through)?;
        self.tree.replace_runs(runs);
        self.remove_superfluous();
        Ok(Some(0))
    }

    /// [I3] Begins a merge.
    fn begin(&self, plan: &Plan) -> Result<Merging, StoreError> {
        let horizon = self.tree.horizon();
        let layers = self.tree.pin();
        let is_input = |table: &&Arc<Table>| plan.inputs.contains(&table.info.number);
        let mut tombstones = Tombstones::default();
        for table in layers.tables().filter(is_input) {
            tombstones.extend(&table.tombstones);
        }
        let is_read = |table: &&Arc<Table>| {
            is_input(table) && !merge::is_covered(&table.info, &tombstones, horizon)
        };
        let runs = layers.runs.iter().map(|run| Run {
            tables: run.tables.iter().filter(is_read).cloned().collect(),
        });
        let sources = Sources {
            rows: Merge::of_runs(runs),
            below: merge::below(&self.manifest.runs, plan),
            tombstones,
            horizon,
        };
        Ok(Merging::new(sources, self.cuts(plan)))
    }

    /// Where outputs of a plan may be cut.
    fn cuts(&self, plan: &Plan) -> Cuts {
        let runs = &self.manifest.runs;
        match plan.tier {
            BOTTOM => Cuts::default(),
            _ => Cuts::new(compaction::guards(runs), compaction::bottom(runs)),
        }
    }

    fn limits(&self) -> Limits<'_> {
        Limits {
            table_bytes_max: self.table_bytes_max,
            horizon: self.tree.horizon(),
            stuck: &self.stuck,
        }
    }

    /// By how many bytes merges are behind.
    pub fn debt(&self) -> u64 {
        compaction::debt(&self.manifest.runs, &self.limits())
    }

    /// Writes about as many bytes of a merge; returns how many it wrote, and whether it is
    /// complete.
    fn advance(&mut self, merging: &mut Merging, bytes: u64) -> Result<(u64, bool), StoreError> {
        let place = Place {
            tables: &self.tables,
            block_bytes: self.block_bytes,
            table_bytes_max: self.table_bytes_max,
        };
        let next = &mut self.manifest.table_next;
        let mut number = || {
            *next += 1;
            *next - 1
        };
        merging.step(place, bytes, &mut number)
    }

    /// Gives up the merge that has begun, if any. Its inputs stay.
    pub fn give_up(&mut self) {
        if let Some((_, merging)) = self.merging.take() {
            self.abandon(merging);
        }
    }

    /// [I1] Removes the tables of a merge that failed. No manifest has named them.
    fn abandon(&self, merging: Merging) {
        merging.abandon(&mut |number| drop(self.tables.remove(&table::name(number))));
    }

    /// Has the next manifest name the outputs of a plan in the place of its inputs; returns the
    /// runs as they are then.
    fn install(
        &mut self,
        plan: &Plan,
        outputs: Vec<TableInfo>,
        flushed_through: TxOffset,
    ) -> Result<Vec<Run>, StoreError> {
        let layers = self.tree.pin();
        let open = layers.tables().map(|table| (table.info.number, table));
        let mut open: BTreeMap<u64, Arc<Table>> = open
            .map(|(number, table)| (number, table.clone()))
            .collect();
        // Until a manifest names them.
        let numbers = outputs.iter().map(|table| table.number);
        let new = numbers.filter(|number| !open.contains_key(number));
        self.superfluous.0.extend(new.collect::<Vec<_>>());
        let named_by = manifest::name(self.manifest_tried + 1);
        for info in &outputs {
            if let Entry::Vacant(vacant) = open.entry(info.number) {
                let table = Table::open(&self.tables, info, &named_by, &self.tree.cache)?;
                vacant.insert(Arc::new(table));
            }
        }
        let runs = compaction::applied(&self.manifest.runs, plan, outputs);
        let opened = runs.iter().map(|run| Run {
            tables: run
                .tables
                .iter()
                .filter_map(|table| open.get(&table.number).cloned())
                .collect(),
        });
        let opened = opened.collect();
        self.write_manifest(runs, flushed_through)?;
        self.superfluous.0.extend(&plan.inputs);
        self.forget_named();
        Ok(opened)
    }

    /// Has the next manifest name these tables.
    fn write_manifest(
        &mut self,
        runs: Vec<RunInfo>,
        flushed_through: TxOffset,
    ) -> Result<(), StoreError> {
        self.replace_manifest(Manifest {
            flushed_through,
            runs,
            ..self.manifest.clone()
        })
    }

    /// Writes a manifest under the next number.
    pub fn replace_manifest(&mut self, next: Manifest) -> Result<(), StoreError> {
        self.manifest_tried += 1;
        let next = Manifest {
            number: self.manifest_tried,
            epoch: self.log.epoch(),
            ..next
        };
        // [I2] Until a later one is durable, an opening may find either.
        self.superfluous.1.push(self.manifest.number);
        if let Err(error) = next.write(&self.root) {
            self.superfluous.1.push(next.number);
            return Err(error);
        }
        self.manifest = next;
        self.forget_named();
        Ok(())
    }

    /// What the manifest names is not superfluous.
    fn forget_named(&mut self) {
        let named: BTreeSet<u64> = self.manifest.tables().map(|table| table.number).collect();
        self.superfluous.0.retain(|number| !named.contains(number));
    }

    /// Removes what the manifest, which is durable, made superfluous. What stays is removed by the
    /// next opening.
    pub fn remove_superfluous(&mut self) {
        let (tables, manifests) = std::mem::take(&mut self.superfluous);
        for number in tables {
            drop(self.tables.remove(&table::name(number)));
        }
        let manifests = manifests.into_iter();
        for number in manifests.filter(|number| *number != self.manifest.number) {
            drop(self.root.remove(&manifest::name(number)));
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("root", &self.root.shown(""))
            .field("manifest", &self.manifest)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
