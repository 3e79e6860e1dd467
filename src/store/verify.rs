//! Reading a whole store and checking all of it.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] What is wrong in one place hides nothing that is wrong in another: all of it is listed.
//! - \[I3\] Beside a writer, a file that it removed is no finding.
//!
//! | what is compared | with what |
//! |---|---|
//! | every block, index and footer | its checksum, which starts from the creation number that the manifest has |
//! | a table's length, footer and number of rows | the manifest |
//! | rows of a table | their order, within and across blocks; the index, by a search for the first and the last row of each block |
//! | sequences of rows | the manifest: below `flushed_through` |
//! | the log | itself, as [`commitlog::verify`] does it; its identity, and where it begins and ends: the manifest |
//! | records of the log | the format of batches |

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::Env;

use super::batch::Record;
use super::block::Block;
use super::cache::Cache;
use super::error::StoreError;
use super::inspect::{Others, TableSummary};
use super::manifest::Manifest;
use super::open::{LOG, Listing, TABLES};
use super::readonly::LOOKS_MAX;
use super::table::Table;
use crate::codec::Defect;
use crate::commitlog::directory::Directory;
use crate::commitlog::{self, LogError, LogOptions, ReadOnlyLog, TxOffset};

/// How far a long work has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes of tables that are done.
    pub bytes_done: u64,
    /// Bytes of all tables.
    pub bytes: u64,
}

/// What [`verify`] found in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableVerdict {
    /// What the manifest says of it.
    pub table: TableSummary,
    /// Blocks that are good.
    pub blocks: u64,
    /// Blocks that are not.
    pub blocks_bad: u64,
    /// Rows of the good blocks.
    pub rows: u64,
}

/// What [`verify`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verification {
    /// The number of the newest manifest; none if there is none.
    pub manifest: Option<u64>,
    /// Each table that it names.
    pub tables: Vec<TableVerdict>,
    /// What the log's own check found; none if there is no log.
    pub log: Option<commitlog::Verification>,
    /// Batches of the log behind the tables.
    pub batches: u64,
    /// All that is wrong, each with its place: tables first, in the manifest's order.
    pub findings: Vec<StoreError>,
    /// Files that the manifest does not name. The next opening for writing removes them.
    pub files_unnamed: Vec<String>,
    /// Files that are none of a store's. Nobody touches them.
    pub files_unknown: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads a whole store and checks it; `progress` is called after each block. The store may be in
/// use meanwhile: it is checked as it was at one moment. Memory is one block, the index of each
/// table, and one frame of the log.
///
/// # Errors
/// [`LogError::NotFound`] if there is no directory, or that it cannot be listed. All else that is
/// wrong is in the answer.
pub fn verify(
    env: &Env,
    dir: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verification, StoreError> {
    let dir = dir.as_ref();
    let root = Directory::open(env, dir)?;
    let mut listing = Listing::read(&root)?;
    for _ in 0..LOOKS_MAX {
        let opened = Opened::new(env, &root, dir, &listing);
        let verification = match opened.is_whole() {
            // [I3] All its tables are open: the writer takes none of them away.
            true => Some(opened.verify(&root, dir, &listing, progress)?),
            false => None,
        };
        let newer = Listing::read(&root)?;
        let is_newest = newer.manifests.last() == listing.manifests.last();
        match verification {
            Some(verification) if verification.is_good() || is_newest => return Ok(verification),
            None if is_newest => {
                let opened = Opened::new(env, &root, dir, &listing);
                return opened.verify(&root, dir, &listing, progress);
            }
            _ => listing = newer,
        }
    }
    let dir = root.shown_dir();
    Err(LogError::ChangedWhileReading { dir }.into())
}

/// What the newest manifest names.
struct Opened {
    manifest: Option<Result<Manifest, StoreError>>,
    tables_dir: Result<Directory, LogError>,
    tables: Vec<Result<Arc<Table>, StoreError>>,
}

impl Opened {
    fn new(env: &Env, root: &Directory, dir: &Path, listing: &Listing) -> Self {
        let newest = listing.manifests.last();
        let manifest = newest.map(|number| Manifest::read(root, *number));
        let tables_dir = Directory::open(env, &dir.join(TABLES));
        let mut tables = Vec::new();
        if let Some(Ok(manifest)) = &manifest {
            let named_by = listing.newest(root);
            for info in manifest.tables() {
                tables.push(match &tables_dir {
                    Ok(directory) => {
                        Table::open(directory, info, &named_by, &Cache::new(0)).map(Arc::new)
                    }
                    Err(error) => Err(error.clone().into()),
                });
            }
        }
        Self {
            manifest,
            tables_dir,
            tables,
        }
    }

    fn is_whole(&self) -> bool {
        !matches!(&self.manifest, Some(Err(_))) && self.tables.iter().all(Result::is_ok)
    }

    fn verify(
        self,
        root: &Directory,
        dir: &Path,
        listing: &Listing,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Verification, StoreError> {
        let newest = self.manifest.as_ref().and_then(|read| read.as_ref().ok());
        let others = Others::of(listing, newest, self.tables_dir.as_ref().ok())?;
        let mut verification = Verification {
            manifest: listing.manifests.last().copied(),
            tables: Vec::new(),
            log: None,
            batches: 0,
            findings: Vec::new(),
            files_unnamed: others.unnamed,
            files_unknown: others.unknown,
        };
        if let Some(Err(error)) = &self.manifest {
            verification.findings.push(error.clone());
        }
        let infos: Vec<_> = newest.into_iter().flat_map(Manifest::tables).collect();
        let mut done = Progress {
            bytes_done: 0,
            bytes: infos.iter().map(|info| info.bytes).sum(),
        };
        let end = newest.map_or(TxOffset::ZERO, |manifest| manifest.flushed_through);
        for (info, table) in infos.iter().zip(self.tables) {
            let table_end = done.bytes_done + info.bytes;
            let mut check = TableCheck::new(TableSummary::of(info), end);
            match table {
                Ok(table) => check.all(&table, &mut |bytes| {
                    done.bytes_done += bytes;
                    progress(done);
                }),
                Err(error) => check.findings.push(error),
            }
            done.bytes_done = table_end;
            progress(done);
            verification.tables.push(check.verdict);
            verification.findings.extend(check.findings);
        }
        verify_log(&root.env, &dir.join(LOG), newest, &mut verification)?;
        Ok(verification)
    }
}

/// A table that is being checked.
struct TableCheck {
    verdict: TableVerdict,
    /// Sequences of rows are below.
    end: TxOffset,
    /// The key and the sequence of the last row of the blocks before.
    last: Option<(Vec<u8>, u64)>,
    findings: Vec<StoreError>,
}

impl TableCheck {
    fn new(table: TableSummary, end: TxOffset) -> Self {
        let verdict = TableVerdict {
            table,
            blocks: 0,
            blocks_bad: 0,
            rows: 0,
        };
        Self {
            verdict,
            end,
            last: None,
            findings: Vec::new(),
        }
    }

    fn all(&mut self, table: &Table, block_done: &mut dyn FnMut(u64)) {
        for number in 0..table.blocks() {
            let (_, bytes) = table.place(number);
            let problem = match table.read(number) {
                Ok(block) => {
                    self.verdict.rows += block.rows().len() as u64;
                    let defect = self.block(table, number, &block);
                    defect.map(|defect| StoreError::corrupt(defect.in_file(table.shown())))
                }
                Err(error) => Some(error),
            };
            match problem {
                Some(problem) => {
                    self.verdict.blocks_bad += 1;
                    self.findings.push(problem);
                }
                None => self.verdict.blocks += 1,
            }
            block_done(bytes.into());
        }
        let (expected, found) = (table.info.rows, self.verdict.rows);
        if expected != found && self.verdict.blocks_bad == 0 {
            let (at, _) = table.place(0);
            let defect = Defect::new(at, "rows of all blocks", expected, found);
            let corrupt = defect.in_file(table.shown());
            self.findings.push(StoreError::corrupt(corrupt));
        }
    }

    /// What is wrong with a block whose checksum is right.
    fn block(&mut self, table: &Table, number: usize, block: &Block) -> Option<Defect> {
        let (at, _) = table.place(number);
        let mut problem = None;
        let mut first = None;
        let block = block.rows();
        for row in 0..block.len() {
            let key = [block.prefix(), block.rest(row)].concat();
            let place = (key, block.sequence(row));
            let is_in_order = self.last.as_ref().is_none_or(|(key, sequence)| {
                let order = key.cmp(&place.0);
                order.then_with(|| place.1.cmp(sequence)).is_lt()
            });
            if !is_in_order {
                let expected = "a row behind the one before";
                problem = Some(Defect::new(at, "order of rows", expected, row as u64));
            }
            if place.1 >= self.end.get() {
                let (expected, found) = ("below what tables hold of the log", place.1);
                problem = Some(Defect::new(at, "sequence of a row", expected, found));
            }
            first.get_or_insert_with(|| place.clone());
            self.last = Some(place);
        }
        for (key, sequence) in first.iter().chain(&self.last) {
            let found = table.locate(key, *sequence);
            if found != number {
                let (expected, found) = (number as u64, found as u64);
                problem = Some(Defect::new(at, "block by the index", expected, found));
            }
        }
        problem
    }
}

/// Checks the log, and what it has behind the tables.
fn verify_log(
    env: &Env,
    dir: &Path,
    manifest: Option<&Manifest>,
    verification: &mut Verification,
) -> Result<(), StoreError> {
    let mut options = LogOptions::new();
    if let Some(manifest) = manifest {
        options = options.durable_through(manifest.epoch, manifest.flushed_through);
    }
    let log = match commitlog::verify(env, dir, &options) {
        Ok(log) => log,
        Err(error) => {
            verification.findings.push(error.into());
            return Ok(());
        }
    };
    let refused = log.opening.as_ref().err().cloned();
    let problems = log
        .segments
        .iter()
        .filter_map(|segment| segment.problem.clone());
    let problems = refused.into_iter().chain(problems);
    verification.findings.extend(problems.map(StoreError::from));
    let is_open = log.opening.is_ok();
    verification.log = Some(log);
    if is_open {
        let from = manifest.map_or(TxOffset::ZERO, |manifest| manifest.flushed_through);
        let read = read_log(env, dir, options, from, manifest, verification);
        // Its own check has told all that is wrong with its frames.
        if let Err(error) = read
            && error.class() != commitlog::ErrorClass::Damage
        {
            verification.findings.push(error);
        }
    }
    Ok(())
}

fn read_log(
    env: &Env,
    dir: &Path,
    options: LogOptions,
    from: TxOffset,
    manifest: Option<&Manifest>,
    verification: &mut Verification,
) -> Result<(), StoreError> {
    let (log, _) = ReadOnlyLog::open(env, dir, options)?;
    if manifest.is_some_and(|manifest| manifest.log_id != log.log_id()) {
        let what = "the tables belong to another log";
        verification.findings.push(StoreError::Foreign { what });
    }
    let oldest = log.oldest();
    if oldest > from {
        verification.findings.push(StoreError::ManifestBehind {
            oldest,
            flushed_through: from,
        });
    }
    let mut reader = log.reader(from.max(oldest))?;
    while let Some(commit) = reader.next_commit()? {
        for (sequence, record) in commit.transactions() {
            match Record::decode(record) {
                Ok(Record::Batch(_)) if sequence > TxOffset::ZERO => verification.batches += 1,
                Ok(Record::Genesis(_)) if sequence == TxOffset::ZERO => {}
                Ok(_) => {
                    let what = "the log does not begin as that of a store";
                    verification.findings.push(StoreError::Foreign { what });
                }
                Err(defect) => {
                    let record = format!("record {sequence} of the log");
                    let corrupt = defect.in_file(record);
                    verification.findings.push(StoreError::corrupt(corrupt));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
