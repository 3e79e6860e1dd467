//! Many sources of rows, read as one.
//!
//! Invariants:
//! - \[I1\] Rows come by key, and those of one key by sequence, highest first, whichever source
//!   they are from.
//! - \[I2\] A cursor shows of each key the newest row that it may see, and nothing of a key whose
//!   newest row is a delete.

use std::sync::Arc;

use super::block::Block;
use super::cache::Caching;
use super::error::StoreError;
use super::memtable::{Memtable, Row};
use super::table::Table;
use super::tombstone::Span;
use super::tree::{Layers, Registration, Run, Tree};

/// A reader of more blocks reads a lot: it leaves the cache to others from then on.
const BLOCKS_KEPT_MAX: usize = 32;

/// Where rows come from, and which one is next.
enum Source {
    Memtable(Arc<Memtable>, Option<Row>),
    Table(TableSource),
}

/// A place in a run.
struct TableSource {
    table: Arc<Table>,
    /// Those of the run behind the table.
    later: std::vec::IntoIter<Arc<Table>>,
    caching: Caching,
    /// Blocks that it has read.
    blocks: usize,
    /// The number of the next block.
    next: usize,
    block: Option<(Block, usize)>,
    key: Vec<u8>,
}

impl TableSource {
    /// None if the run ends before.
    fn seek(
        run: &Run,
        key: &[u8],
        sequence: u64,
        caching: Caching,
    ) -> Result<Option<Self>, StoreError> {
        let mut later = run.from(key).to_vec().into_iter();
        let Some(table) = later.next() else {
            return Ok(None);
        };
        let mut source = Self {
            caching,
            blocks: 0,
            next: table.locate(key, sequence),
            table,
            later,
            block: None,
            key: Vec::new(),
        };
        source.load()?;
        if let Some((block, row)) = &mut source.block {
            *row = block.rows().seek(key, sequence);
        }
        source.settle()?;
        Ok(Some(source))
    }

    /// Goes to the first row of the next block, if there is one.
    fn load(&mut self) -> Result<(), StoreError> {
        while self.next == self.table.blocks() {
            let Some(table) = self.later.next() else {
                self.block = None;
                return Ok(());
            };
            (self.table, self.next) = (table, 0);
        }
        if self.caching == Caching::Keep && self.blocks == BLOCKS_KEPT_MAX {
            self.caching = Caching::Spare;
        }
        self.blocks += 1;
        let block = self.table.block(self.next, self.caching)?;
        self.next += 1;
        self.block = Some((block, 0));
        Ok(())
    }

    /// Goes on to a row, and puts its key together.
    fn settle(&mut self) -> Result<(), StoreError> {
        while self
            .block
            .as_ref()
            .is_some_and(|(block, row)| *row >= block.rows().len())
        {
            self.load()?;
        }
        self.key.clear();
        if let Some((block, row)) = &self.block {
            self.key.extend_from_slice(block.rows().prefix());
            self.key.extend_from_slice(block.rows().rest(*row));
        }
        Ok(())
    }
}

impl Source {
    /// The key and the sequence of the next row.
    fn place(&self) -> Option<(&[u8], u64)> {
        match self {
            Self::Memtable(_, row) => row.as_ref().map(|row| (row.key.as_slice(), row.sequence)),
            Self::Table(source) => source
                .block
                .as_ref()
                .map(|(block, row)| (source.key.as_slice(), block.rows().sequence(*row))),
        }
    }

    /// The next row; this goes on to the one behind it.
    fn take(&mut self) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Memtable(memtable, next) => {
                let Some(row) = next.take() else {
                    return Ok(None);
                };
                *next = memtable.after(row.clone());
                Ok(Some(row))
            }
            Self::Table(source) => {
                let Some((block, at)) = &mut source.block else {
                    return Ok(None);
                };
                let row = Row {
                    key: source.key.clone(),
                    sequence: block.rows().sequence(*at),
                    value: block.rows().value(*at).map(<[u8]>::to_vec),
                };
                *at += 1;
                source.settle()?;
                Ok(Some(row))
            }
        }
    }
}

/// All rows of some sources, in order.
pub(crate) struct Merge {
    sources: Vec<Source>,
}

impl Merge {
    /// The rows of all layers from a place on.
    pub fn of_layers(layers: &Layers, key: &[u8], sequence: u64) -> Result<Self, StoreError> {
        let frozen = layers.frozen.iter().map(|frozen| &frozen.memtable);
        let memtables = [&layers.active].into_iter().chain(frozen);
        let memtables = memtables.map(|memtable| {
            let first = memtable.seek(key, sequence);
            Source::Memtable(memtable.clone(), first)
        });
        let mut sources: Vec<_> = memtables.collect();
        for run in &layers.runs {
            let source = TableSource::seek(run, key, sequence, Caching::Keep)?;
            sources.extend(source.map(Source::Table));
        }
        Ok(Self { sources })
    }

    /// The rows of a memtable.
    pub fn of_memtable(memtable: &Arc<Memtable>) -> Self {
        let first = memtable.seek(&[], u64::MAX);
        Self {
            sources: vec![Source::Memtable(memtable.clone(), first)],
        }
    }

    /// The rows of runs; what is read of them does not stay in memory.
    pub fn of_runs(runs: impl IntoIterator<Item = Run>) -> Result<Self, StoreError> {
        let mut sources = Vec::new();
        for run in runs {
            let source = TableSource::seek(&run, &[], u64::MAX, Caching::Pass)?;
            sources.extend(source.map(Source::Table));
        }
        Ok(Self { sources })
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row>, StoreError> {
        let mut first: Option<(usize, (&[u8], u64))> = None;
        for (at, source) in self.sources.iter().enumerate() {
            let Some((key, sequence)) = source.place() else {
                continue;
            };
            let is_first = first.is_none_or(|(_, (first_key, first_sequence))| {
                let order = key.cmp(first_key);
                order.then_with(|| first_sequence.cmp(&sequence)).is_lt()
            });
            if is_first {
                first = Some((at, (key, sequence)));
            }
        }
        match first.map(|(at, _)| at) {
            Some(at) => self.sources[at].take(),
            None => Ok(None),
        }
    }
}

/// A key, without its keyspace, and its value.
pub type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

/// Rows of a range, in order, as they were when the cursor was made. It keeps them until it is
/// dropped.
pub struct Cursor {
    rows: Merge,
    registration: Registration,
    layers: Arc<Layers>,
    /// Which keys the same range tombstone covers; none: no ranges were deleted.
    span: Option<Span>,
    /// The key behind the last that is shown.
    end: Vec<u8>,
    /// The last key that was met: older rows of it are passed over.
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    prefix_bytes: usize,
}

impl Cursor {
    pub(crate) fn new(
        tree: &Arc<Tree>,
        registration: Registration,
        from: &[u8],
        end: Vec<u8>,
        prefix_bytes: usize,
    ) -> Result<Self, StoreError> {
        let layers = tree.pin();
        Ok(Self {
            rows: Merge::of_layers(&layers, from, u64::MAX)?,
            span: layers
                .have_tombstones()
                .then(|| layers.span(from, registration.visible)),
            layers,
            registration,
            end,
            key: None,
            value: Vec::new(),
            prefix_bytes,
        })
    }

    /// The next key and its value; none at the end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or that the operating system failed: the cursor is of no more use.
    #[expect(clippy::should_implement_trait, reason = "it lends what it shows")]
    pub fn next(&mut self) -> Result<Option<KeyAndValue<'_>>, StoreError> {
        match self.advance()? {
            false => Ok(None),
            true => {
                let key = self.key.as_deref().unwrap_or_default();
                Ok(Some((&key[self.prefix_bytes..], &self.value)))
            }
        }
    }

    /// Goes to the next row that is shown; false if there is none.
    fn advance(&mut self) -> Result<bool, StoreError> {
        while let Some(row) = self.rows.next()? {
            if row.key >= self.end {
                return Ok(false);
            }
            if row.sequence >= self.registration.visible || self.key.as_ref() == Some(&row.key) {
                continue;
            }
            let is_deleted = self.is_deleted(&row);
            self.key = Some(row.key);
            if let Some(value) = row.value.filter(|_| !is_deleted) {
                self.value = value;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a range tombstone covers a row.
    fn is_deleted(&mut self, row: &Row) -> bool {
        let Some(span) = &mut self.span else {
            return false;
        };
        if !span.holds(&row.key) {
            *span = self.layers.span(&row.key, self.registration.visible);
        }
        span.newest
            .is_some_and(|deleted_at| row.sequence < deleted_at)
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("visible", &self.registration.visible)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
