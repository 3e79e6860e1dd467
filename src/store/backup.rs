//! Backup: a copy of a store that may be in use meanwhile.
//!
//! Tables never change, so the copy gets second names for them: hard links. Where that cannot be,
//! on another file system, it gets copies. The log is copied, since it grows.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. the directory `to.unfinished` is made, and `tables/` in it | that |
//! | 2. each table that the newest manifest names is linked or copied, and synced | the same, with some tables |
//! | 3. the log is copied and checked | the same, with a log |
//! | 4. the manifest is written, durably | a whole store under the name `to.unfinished` |
//! | 5. the directory gets its name, durably | the copy |
//!
//! Invariants:
//! - \[I1\] Nothing in the store's directory is written, and no lock is taken.
//! - \[I2\] The copy is a state that the store had after the backup began: the log reaches back to
//!   where its tables end.
//! - \[I3\] A directory of that name is a whole copy, and what was there before is not touched.

use std::io;
use std::path::Path;

use blackstart_vfs::{Env, OpenOptions};

use super::cache::Cache;
use super::error::StoreError;
use super::manifest::Manifest;
use super::open::{LOG, Listing, TABLES};
use super::readonly::LOOKS_MAX;
use super::table::{self, Table, TableInfo};
use super::verify::Progress;
use crate::commitlog::directory::Directory;
use crate::commitlog::new_directory::{discard, fill_new};
use crate::commitlog::{self, LogError, LogOptions, LogSource, ReadAt, TxOffset};

/// Tables are copied in pieces of this length.
const PIECE_BYTES: usize = 1 << 20;

/// What a backup copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// Tables of the copy.
    pub tables: usize,
    /// Bytes of those that have a second name now, and take no space.
    pub bytes_linked: u64,
    /// Bytes of those that were copied.
    pub bytes_copied: u64,
    /// The tables hold everything of the log before this.
    pub flushed_through: TxOffset,
    /// The log's part; none if there is no manifest, and so nothing but the log.
    pub log: commitlog::BackupReport,
}

/// Copies the store in `from`, which may be in use, to a new directory `to`, which must not exist.
/// Both are relative to the root of the environment. To restore, open the copy, or a backup of it:
/// opened for writing it is a store with the same history, and a new incarnation of its own.
///
/// The copy is durable when this returns. It holds every write that was acknowledged at level
/// [`Os`](commitlog::Durability::Os) or [`Synced`](commitlog::Durability::Synced) before the call,
/// and perhaps later ones. A crash before leaves a directory whose name ends in `.unfinished`:
/// remove it.
///
/// A table of the copy that is a link shares its bytes with the store's. Neither store changes
/// them, but damage to one is damage to both: a backup against a failing disk goes to another one.
///
/// # Errors
/// [`LogError::AlreadyExists`]: `to`, or an unfinished directory, is there.
/// [`LogError::NotFound`]: there is no store. Damage of what is copied; links are not read.
/// [`LogError::NoSpace`], [`LogError::Io`]: what was written is removed again.
pub fn backup(
    env: &Env,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<BackupReport, StoreError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let root = Directory::open(env, from)?;
    fill_new(env, to, |copy| {
        let tables = from.join(TABLES);
        let to_tables = copy.path_of(TABLES);
        let mut copying = Copying {
            env,
            from,
            root: &root,
            copy,
            tables: Directory::open(env, &tables).ok(),
            to_tables: Directory::create(env, &to_tables)?,
            copied: Vec::new(),
            done: Progress::default(),
            bytes_linked: 0,
            bytes_copied: 0,
        };
        copying.steadily(progress)
    })
}

/// A copy that is being made.
struct Copying<'a> {
    env: &'a Env,
    from: &'a Path,
    root: &'a Directory,
    copy: &'a Directory,
    /// None: there are no tables.
    tables: Option<Directory>,
    to_tables: Directory,
    /// Tables that the copy has.
    copied: Vec<TableInfo>,
    done: Progress,
    bytes_linked: u64,
    bytes_copied: u64,
}

impl Copying<'_> {
    /// [I2] Copies until no newer manifest explains what fails.
    fn steadily(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<BackupReport, StoreError> {
        let mut listing = Listing::read(self.root)?;
        for _ in 0..LOOKS_MAX {
            let error = match self.once(&listing, progress) {
                Ok(report) => return Ok(report),
                Err(error) => error,
            };
            let newer = Listing::read(self.root)?;
            if newer.manifests.last() == listing.manifests.last() {
                return Err(error);
            }
            listing = newer;
        }
        let dir = self.root.shown_dir();
        Err(LogError::ChangedWhileReading { dir }.into())
    }

    fn once(
        &mut self,
        listing: &Listing,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BackupReport, StoreError> {
        let newest = listing.manifests.last();
        let manifest = newest.map(|number| Manifest::read(self.root, *number));
        let manifest = manifest.transpose()?;
        let infos = manifest.iter().flat_map(Manifest::tables);
        let infos: Vec<_> = infos.cloned().collect();
        self.done.bytes = infos.iter().map(|info| info.bytes).sum();
        self.remove_others(&infos)?;
        for info in &infos {
            if !self.copied.contains(info) {
                self.table(info, listing)?;
                self.copied.push(info.clone());
            }
            self.done.bytes_done = self.copied.iter().map(|info| info.bytes).sum();
            progress(self.done);
        }
        self.to_tables.sync()?;
        let log = self.log(manifest.as_ref())?;
        if let Some(manifest) = &manifest {
            manifest.write(self.copy)?;
        }
        Ok(BackupReport {
            tables: infos.len(),
            bytes_linked: self.bytes_linked,
            bytes_copied: self.bytes_copied,
            flushed_through: manifest
                .as_ref()
                .map_or(TxOffset::ZERO, |manifest| manifest.flushed_through),
            log,
        })
    }

    /// Removes what an earlier attempt copied and this one does not need.
    fn remove_others(&mut self, infos: &[TableInfo]) -> Result<(), StoreError> {
        for other in self.copied.extract_if(.., |info| !infos.contains(info)) {
            self.to_tables.remove(&table::name(other.number))?;
        }
        Ok(())
    }

    /// Gives a table a name in the copy, or copies it.
    fn table(&mut self, info: &TableInfo, listing: &Listing) -> Result<(), StoreError> {
        let name = table::name(info.number);
        let named_by = listing.newest(self.root);
        let Some(tables) = &self.tables else {
            let file = self.root.shown(&format!("{TABLES}/{name}"));
            return Err(StoreError::TableMissing { file, named_by });
        };
        // It is the table that the manifest means, and its index can be read.
        let table = Table::open(tables, info, &named_by, &Cache::new(0))?;
        let (existing, new) = (tables.path_of(&name), self.to_tables.path_of(&name));
        self.to_tables.remove(&name)?;
        match self.env.fs().hard_link(&existing, &new) {
            Ok(()) => self.bytes_linked += info.bytes,
            // The writer removed its name meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = tables.shown(&name);
                return Err(StoreError::TableMissing { file, named_by });
            }
            // Another file system, or one without links. What else is wrong a copy meets as well.
            Err(_) => {
                self.copy_table(&table, info, &name)?;
                self.bytes_copied += info.bytes;
            }
        }
        // The link may be to another file than the one that was checked.
        Table::open(&self.to_tables, info, &named_by, &Cache::new(0))?;
        Ok(())
    }

    /// Copies a table, syncs the copy, and reads it back.
    fn copy_table(&self, table: &Table, info: &TableInfo, name: &str) -> Result<(), StoreError> {
        let options = OpenOptions::new().read().write().create_new();
        let to = self.to_tables.open_file(name, options)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        while at < info.bytes {
            let read = table.file().read_full_at(&mut piece, at)?;
            to.write(&piece[..read], at)?;
            at += read as u64;
            if read < piece.len() {
                break;
            }
        }
        to.sync_all()?;
        let copied = Table::open(&self.to_tables, info, "the backup", &Cache::new(0))?;
        for number in 0..copied.blocks() {
            copied.read(number)?;
        }
        Ok(())
    }

    /// Copies the log, which reaches back to where the tables end.
    fn log(&self, manifest: Option<&Manifest>) -> Result<commitlog::BackupReport, StoreError> {
        let (from, to) = (self.from.join(LOG), self.copy.path_of(LOG));
        let mut options = LogOptions::new();
        if let Some(manifest) = manifest {
            options = options.durable_through(manifest.epoch, manifest.flushed_through);
        }
        if let Ok(before) = Directory::open(self.env, &to) {
            // Of an earlier attempt: the log grew since.
            discard(self.env, &before, &to, 0);
        }
        let log = commitlog::backup(self.env, &from, self.env, &to, &options)?;
        let flushed_through = manifest.map_or(TxOffset::ZERO, |own| own.flushed_through);
        match manifest {
            Some(own) if own.log_id != log.log_id => {
                let what = "the tables belong to another log";
                Err(StoreError::Foreign { what })
            }
            _ if log.oldest > flushed_through => Err(StoreError::ManifestBehind {
                oldest: log.oldest,
                flushed_through,
            }),
            _ => Ok(log),
        }
    }
}

#[cfg(test)]
mod tests;
