//! Memtables become tables; tables are merged.
//!
//! | step of a flush | a crash behind it leaves |
//! |---|---|
//! | 1. the log is synced through the memtable's last batch | the memtable, in the log |
//! | 2. the table is written under a temporary name, synced, named, and the directory synced | the same, and a file that no manifest names |
//! | 3. the next manifest, likewise | the table in the place of the memtable |
//! | 4. what the manifest made superfluous is removed; the log retires what is in tables | the same |
//!
//! A merge is steps 2 to 4, with tables in the place of the memtable.
//!
//! Invariants:
//! - \[I1\] A table whose write or sync failed is never synced again: its rows are written anew
//!   under another number.
//! - \[I2\] After a failure of step 3 either manifest may be what an opening finds. No file of
//!   either is removed until a later one is durable.
//! - \[I3\] A merge drops a row only if a newer row of its key or a newer range tombstone over it
//!   is below the horizon, and a delete or a range tombstone only if that is below the horizon
//!   itself, and nothing older can be below it.

use std::sync::Arc;

use super::cursor::Merge;
use super::error::StoreError;
use super::history::History;
use super::manifest::{self, Manifest};
use super::memtable::Row;
use super::table::{self, Table, TableInfo, TableWriter};
use super::tombstone::{Span, Tombstones};
use super::tree::Tree;
use crate::commitlog::LogSource;
use crate::commitlog::directory::Directory;
use crate::commitlog::{Log, TxOffset};

/// As many tables are merged into one.
const TABLES_MAX: usize = 8;

/// Makes tables. Whoever holds it is the only one.
pub(crate) struct Keeper {
    pub root: Directory,
    pub tables: Directory,
    pub log: Log,
    pub tree: Arc<Tree>,
    pub block_bytes: usize,
    pub history: History,
    /// The newest that is durable.
    pub manifest: Manifest,
    /// The number of the last manifest that was tried.
    pub manifest_tried: u64,
    /// Numbers of tables, and of manifests, that no later manifest needs.
    pub superfluous: (Vec<u64>, Vec<u64>),
    /// Why the last flush or merge behind a write failed.
    pub background_error: Option<StoreError>,
}

impl Keeper {
    /// Writes the oldest frozen memtable to a table; false if there is none.
    pub fn flush(&mut self) -> Result<bool, StoreError> {
        let layers = self.tree.pin();
        let Some(frozen) = layers.frozen.last() else {
            return Ok(false);
        };
        let flushed_through = TxOffset::new(frozen.end);
        self.log.sync_through(flushed_through)?;
        let mut rows = Merge::of_memtable(&frozen.memtable);
        let info = self.write_table(|writer| {
            writer.tombstones(frozen.memtable.tombstones());
            while let Some(row) = rows.next()? {
                writer.push(&row.key, row.sequence, row.value.as_deref())?;
            }
            Ok(())
        })?;
        let table = self.open_table(&info)?;
        let mut tables = self.manifest.tables.clone();
        tables.insert(0, info);
        self.write_manifest(tables, flushed_through)?;
        self.tree.replace_frozen(Some(table));
        self.remove_superfluous();
        // What stays is retired after the next flush, or by the next opening.
        drop(self.retire());
        Ok(true)
    }

    /// Has the log retire what tables hold, but for the history that is to stay.
    fn retire(&self) -> Result<(), StoreError> {
        let flushed_through = self.manifest.flushed_through;
        let oldest = self.history.oldest(&self.log.segments(), flushed_through);
        self.log.retain_from(oldest)?;
        Ok(())
    }

    /// Merges all tables into one, if there are many.
    pub fn merge_if_many(&mut self) -> Result<(), StoreError> {
        match self.manifest.tables.len() < TABLES_MAX {
            true => Ok(()),
            false => self.merge(),
        }
    }

    /// Merges all tables into one.
    pub fn merge(&mut self) -> Result<(), StoreError> {
        let horizon = self.tree.horizon();
        let inputs = self.tree.pin().tables.clone();
        if inputs.is_empty() {
            return Ok(());
        }
        let mut tombstones = Tombstones::default();
        for table in &inputs {
            tombstones.extend(&table.tombstones);
        }
        let needed = tombstones.needed(horizon, true);
        let mut kept = Kept::new(Merge::of_tables(&inputs)?, tombstones, horizon);
        let mut row = kept.next()?;
        let output = match row.is_none() && needed.is_empty() {
            true => None,
            false => Some(self.write_table(|writer| {
                while let Some(Row {
                    key,
                    sequence,
                    value,
                }) = row
                {
                    writer.push(&key, sequence, value.as_deref())?;
                    row = kept.next()?;
                }
                writer.tombstones(needed);
                Ok(())
            })?),
        };
        let merged = output.iter().map(|info| self.open_table(info));
        let merged = merged.collect::<Result<Vec<_>, _>>()?;
        let flushed_through = self.manifest.flushed_through;
        self.write_manifest(output.into_iter().collect(), flushed_through)?;
        self.tree.replace_tables(merged);
        let inputs = inputs.iter().map(|table| table.info.number);
        self.superfluous.0.extend(inputs);
        self.remove_superfluous();
        Ok(())
    }

    /// [I1] Writes a table of the next number.
    fn write_table(
        &mut self,
        fill: impl FnOnce(&mut TableWriter) -> Result<(), StoreError>,
    ) -> Result<TableInfo, StoreError> {
        let number = self.manifest.table_next;
        self.manifest.table_next += 1;
        // Until a manifest names it.
        self.superfluous.0.push(number);
        let mut writer = TableWriter::create(&self.tables, number, self.block_bytes)?;
        fill(&mut writer)?;
        writer.finish()
    }

    fn open_table(&self, info: &TableInfo) -> Result<Arc<Table>, StoreError> {
        let named_by = manifest::name(self.manifest_tried + 1);
        Ok(Arc::new(Table::open(
            &self.tables,
            info,
            &named_by,
            &self.tree.cache,
        )?))
    }

    /// Has the next manifest name these tables.
    fn write_manifest(
        &mut self,
        tables: Vec<TableInfo>,
        flushed_through: TxOffset,
    ) -> Result<(), StoreError> {
        self.replace_manifest(Manifest {
            flushed_through,
            tables,
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
        self.superfluous
            .0
            .retain(|number| next.tables.iter().all(|table| table.number != *number));
        self.manifest = next;
        Ok(())
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

/// [I3] The rows of all tables that somebody may need.
struct Kept {
    rows: Merge,
    tombstones: Tombstones,
    /// Which keys the same range tombstone below the horizon covers.
    span: Span,
    horizon: u64,
    /// The last key that was met, and whether a row of it is below the horizon.
    last: Option<(Vec<u8>, bool)>,
}

impl Kept {
    fn new(rows: Merge, tombstones: Tombstones, horizon: u64) -> Self {
        Self {
            rows,
            span: tombstones.span(&[], horizon),
            tombstones,
            horizon,
            last: None,
        }
    }

    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        while let Some(row) = self.rows.next()? {
            let is_covered = self
                .last
                .as_ref()
                .is_some_and(|(key, is_below)| *key == row.key && *is_below);
            let is_below = row.sequence < self.horizon;
            self.last = Some((row.key.clone(), is_covered || is_below));
            if !self.span.holds(&row.key) {
                self.span = self.tombstones.span(&row.key, self.horizon);
            }
            let is_deleted = self.span.newest.is_some_and(|at| row.sequence < at);
            let is_gone = is_deleted || (is_below && row.value.is_none());
            if !is_covered && !is_gone {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
