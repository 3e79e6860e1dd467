//! Many sources of rows, read as one.
//!
//! Sources are in the order of the keys where they stand: a step moves the first of them, and then
//! finds its place among the others by heads, and by keys where heads are equal. A single source
//! needs none of that.
//!
//! Invariants:
//! - \[I1\] Rows come by key, and those of one key by sequence, highest first, whichever source
//!   they are from.
//! - \[I2\] A cursor shows of each key the newest row that it may see, and nothing of a key whose
//!   newest row is a delete, or lies below a range tombstone that it may see.

use std::cmp::Ordering;
use std::sync::Arc;

use super::cache::Caching;
use super::error::StoreError;
use super::heads::head;
use super::memtable::{Memtable, Row, RowRef};
use super::source::Source;
use super::tombstone::Span;
use super::tree::{Layers, Registration, Run, Tree};

/// Sources in the order of the keys where they stand.
#[derive(Default)]
struct Sources {
    sources: Vec<Source>,
    /// Those that stand at a row of the range, the next one first.
    order: Vec<Standing>,
    /// Bytes that all keys of the range begin with: heads are of what follows.
    prefix_bytes: usize,
    is_backward: bool,
}

/// Where a source stands.
#[derive(Clone, Copy)]
struct Standing {
    head: u64,
    source: usize,
}

impl Sources {
    fn new(sources: Vec<Source>, prefix_bytes: usize, is_backward: bool) -> Self {
        Self {
            order: Vec::with_capacity(sources.len()),
            sources,
            prefix_bytes,
            is_backward,
        }
    }

    /// The source that stands first.
    #[inline]
    fn first(&self) -> Option<&Source> {
        self.order.first().map(|first| &self.sources[first.source])
    }

    /// Takes a source in that stands at a row of the range.
    fn add(&mut self, source: usize) {
        let standing = self.standing(source);
        let before = self.order.iter();
        let before = before.take_while(|other| self.is_behind(&standing, other));
        self.order.insert(before.count(), standing);
    }

    fn standing(&self, source: usize) -> Standing {
        let key = self.sources[source].key().unwrap_or_default();
        let head = head(key.get(self.prefix_bytes..).unwrap_or_default());
        Standing { head, source }
    }

    /// Whether a source stands behind another one.
    #[inline]
    fn is_behind(&self, one: &Standing, other: &Standing) -> bool {
        let order = one.head.cmp(&other.head);
        let (one, other) = (&self.sources[one.source], &self.sources[other.source]);
        let order = order.then_with(|| one.key().cmp(&other.key()));
        let order = match self.is_backward {
            true => order.reverse(),
            false => order,
        };
        order.then_with(|| other.sequence().cmp(&one.sequence())) == Ordering::Greater
    }

    /// Whether the first two sources stand at the same key.
    #[inline]
    fn are_first_two_equal(&self) -> bool {
        let [one, two, ..] = self.order.as_slice() else {
            return false;
        };
        one.head == two.head && self.sources[one.source].key() == self.sources[two.source].key()
    }

    /// Restores the order after the source at a place of it has moved on; one that left the range
    /// goes.
    #[inline]
    fn settle(&mut self, at: usize, is_in_range: impl Fn(&[u8]) -> bool) {
        let source = self.order[at].source;
        if !self.sources[source].key().is_some_and(is_in_range) {
            self.order.remove(at);
            return;
        }
        if self.order.len() == 1 {
            return;
        }
        let standing = self.standing(source);
        let mut to = at;
        while let Some(next) = self.order.get(to + 1).copied()
            && self.is_behind(&standing, &next)
        {
            self.order[to] = next;
            to += 1;
        }
        self.order[to] = standing;
    }
}

/// All rows of some sources, in order.
pub(crate) struct Merge {
    sources: Sources,
    has_begun: bool,
}

impl Merge {
    fn of_sources(sources: Vec<Source>) -> Self {
        Self {
            sources: Sources::new(sources, 0, false),
            has_begun: false,
        }
    }

    /// The rows of a memtable.
    pub fn of_memtable(memtable: &Arc<Memtable>) -> Self {
        Self::of_sources(vec![Source::of_memtable(memtable)])
    }

    /// The rows of runs; the cache does not notice.
    pub fn of_runs(runs: impl IntoIterator<Item = Run>) -> Self {
        let sources = runs.into_iter();
        let sources = sources.map(|run| Source::of_run(&run, Caching::Pass));
        Self::of_sources(sources.collect())
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.has_begun = true;
        for at in 0..self.sources.sources.len() {
            let source = &mut self.sources.sources[at];
            source.seek(&[], u64::MAX)?;
            if source.key().is_some() {
                self.sources.add(at);
            }
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        if !self.has_begun {
            return self.begin();
        }
        let Some(first) = self.sources.order.first() else {
            return Ok(());
        };
        self.sources.sources[first.source].next()?;
        self.sources.settle(0, |_| true);
        Ok(())
    }

    /// [I1] The next row; none at the end.
    pub fn next(&mut self) -> Result<Option<Row>, StoreError> {
        self.advance()?;
        let first = self.sources.first();
        Ok(first.and_then(|source| {
            let row = RowRef {
                key: source.key()?,
                sequence: source.sequence(),
                value: source.value(),
            };
            Some(row.to_owned())
        }))
    }
}

/// A key, without its keyspace, and its value.
pub type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

/// Rows of a range, in order, as they were when the cursor was made. It keeps them until it is
/// dropped.
///
/// [`next`](Self::next) lends each row without a copy. As an iterator a cursor gives rows away:
///
/// ```
/// # use blackstart::store::{Keyspace, Store, StoreError};
/// # fn rows(store: &Store) -> Result<(), StoreError> {
/// let keys = Keyspace::DEFAULT;
/// for row in store.prefix(keys, b"user/").rev() {
///     let (key, value) = row?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Cursor {
    registration: Registration,
    layers: Arc<Layers>,
    /// Which keys the same range tombstone covers; none: no ranges were deleted.
    span: Option<Span>,
    range: KeyRange,
    sources: Sources,
    state: State,
}

/// Keys of the tree.
struct KeyRange {
    from: Vec<u8>,
    /// The key behind the last.
    end: Vec<u8>,
    /// Bytes of the keyspace.
    prefix_bytes: usize,
    is_backward: bool,
}

enum State {
    /// Before the first row.
    New,
    /// At a row, which was shown.
    At,
    /// Why it is of no more use.
    Failed(StoreError),
}

impl KeyRange {
    /// Whether a key to which a step led is still in the range.
    #[inline]
    fn holds(&self, key: &[u8]) -> bool {
        match self.is_backward {
            true => key >= self.from.as_slice(),
            false => key < self.end.as_slice(),
        }
    }
}

impl Cursor {
    pub(crate) fn new(
        tree: &Arc<Tree>,
        registration: Registration,
        from: &[u8],
        end: Vec<u8>,
        prefix_bytes: usize,
    ) -> Result<Self, StoreError> {
        Ok(Self::of_range(
            tree,
            registration,
            (from.to_vec(), end),
            prefix_bytes,
        ))
    }

    /// The rows of a range of keys of the tree, all of which begin with the same `prefix_bytes`.
    pub(crate) fn of_range(
        tree: &Arc<Tree>,
        registration: Registration,
        (from, end): (Vec<u8>, Vec<u8>),
        prefix_bytes: usize,
    ) -> Self {
        let layers = tree.pin();
        let has_tombstones = layers.have_tombstones();
        Self {
            span: has_tombstones.then(|| layers.span(&from, registration.visible)),
            layers,
            registration,
            range: KeyRange {
                from,
                end,
                prefix_bytes,
                is_backward: false,
            },
            sources: Sources::default(),
            state: State::New,
        }
    }

    /// The same rows from the last to the first. A cursor that has shown rows begins anew.
    #[must_use]
    pub fn rev(mut self) -> Self {
        self.range.is_backward = !self.range.is_backward;
        self.state = State::New;
        self
    }

    /// The next key and its value; none at the end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or that the operating system failed: the cursor says the same from
    /// then on.
    #[expect(clippy::should_implement_trait, reason = "it lends what it shows")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<KeyAndValue<'_>>, StoreError> {
        if let Err(error) = self.advance() {
            self.state = State::Failed(error.clone());
            return Err(error);
        }
        let prefix_bytes = self.range.prefix_bytes;
        let shown = self.sources.first();
        Ok(shown.and_then(|source| Some((&source.key()?[prefix_bytes..], source.value()?))))
    }

    /// [I2] Goes to the next row that is shown, or to the end.
    #[inline]
    fn advance(&mut self) -> Result<(), StoreError> {
        match &self.state {
            State::New => self.begin()?,
            State::At => self.leave_key()?,
            State::Failed(error) => return Err(error.clone()),
        }
        while self.is_deleted() {
            self.leave_key()?;
        }
        Ok(())
    }

    /// Places the sources at the beginning of the range.
    fn begin(&mut self) -> Result<(), StoreError> {
        let (layers, range) = (&self.layers, &self.range);
        let visible = self.registration.visible;
        let memtables = layers.memtables().map(Source::of_memtable);
        let runs = layers.runs.iter();
        let runs = runs.map(|run| Source::of_run(run, Caching::Keep));
        let sources = memtables.chain(runs).collect();
        self.sources = Sources::new(sources, range.prefix_bytes, range.is_backward);
        for at in 0..self.sources.sources.len() {
            let source = &mut self.sources.sources[at];
            match range.is_backward {
                true => source.seek_key_back(&range.end, visible)?,
                false => source.seek_key(&range.from, visible)?,
            }
            if source.key().is_some_and(|key| range.holds(key)) {
                self.sources.add(at);
            }
        }
        self.state = State::At;
        Ok(())
    }

    /// Goes past a key in all sources that have it.
    #[inline]
    fn leave_key(&mut self) -> Result<(), StoreError> {
        while self.sources.are_first_two_equal() {
            self.step(1)?;
        }
        match self.sources.order.is_empty() {
            true => Ok(()),
            false => self.step(0),
        }
    }

    /// Moves the source at a place of the order to its next key.
    #[inline]
    fn step(&mut self, at: usize) -> Result<(), StoreError> {
        let visible = self.registration.visible;
        let source = self.sources.order[at].source;
        let source = &mut self.sources.sources[source];
        match self.range.is_backward {
            true => source.back_key(visible)?,
            false => source.next_key(visible)?,
        }
        self.sources.settle(at, |key| self.range.holds(key));
        Ok(())
    }

    /// Whether the row where the cursor stands is a delete, or below a range tombstone.
    #[inline]
    fn is_deleted(&mut self) -> bool {
        let Some(source) = self.sources.first() else {
            return false;
        };
        if source.value().is_none() {
            return true;
        }
        let (Some(span), Some(key)) = (&mut self.span, source.key()) else {
            return false;
        };
        if !span.holds(key) {
            *span = self.layers.span(key, self.registration.visible);
        }
        span.newest.is_some_and(|at| source.sequence() < at)
    }
}

impl IntoIterator for Cursor {
    type Item = Result<(Vec<u8>, Vec<u8>), StoreError>;
    type IntoIter = OwnedRows;

    fn into_iter(self) -> OwnedRows {
        OwnedRows { cursor: Some(self) }
    }
}

/// The rows of a cursor, copied. It ends behind the first error.
#[derive(Debug)]
pub struct OwnedRows {
    cursor: Option<Cursor>,
}

impl Iterator for OwnedRows {
    type Item = Result<(Vec<u8>, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.cursor.as_mut()?.next();
        let row = next.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())));
        let row = row.transpose();
        if !matches!(row, Some(Ok(_))) {
            self.cursor = None;
        }
        row
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
