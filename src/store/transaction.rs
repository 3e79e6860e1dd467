//! Transactions: reads of one moment, and writes that count only if nothing that was read has
//! changed since.
//!
//! A transaction notes what it reads: keys, and of a scan the range that its cursor has passed. The
//! log's writer checks that when it encodes the commit; see `encoded`.
//!
//! Invariants:
//! - \[I1\] A transaction reads its own writes, over what was visible when it began.
//! - \[I2\] Whatever the absence or presence of which a read has shown is in the read set.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::{Bound, Range};

use blackstart_vfs::MutexGuard;
use parking_lot::Mutex;

use super::batch::{Write, WriteBatch, expect_key_len, expect_value_len};
use super::commit::Ticket;
use super::cursor::{Cursor, KeyAndValue};
use super::encoded::{Intent, OpenTransaction};
use super::error::StoreError;
use super::handle::Store;
use super::keyspace::{Keyspace, PREFIX_BYTES};
use super::read_set::{Growing, ReadSet};
use super::snapshot::Snapshot;
use super::tombstone::Tombstones;
use crate::commitlog::{Durability, TxOffset};

type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A transaction: [`Store::transaction`] and [`Store::optimistic`]. Dropping it writes nothing.
///
/// ```
/// use blackstart::commitlog::Durability;
/// use blackstart::store::{Keyspace, Store, StoreError, StoreOptions};
/// use blackstart_vfs::Env;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let env = Env::os(dir.path().join("store"));
/// let options = StoreOptions::new(Durability::Synced).create(true);
/// let (store, _) = Store::open(&env, "", &options)?;
/// store.put(Keyspace::DEFAULT, b"visits", b"1")?;
///
/// let mut first = store.optimistic();
/// let mut second = store.optimistic();
/// for (transaction, visits) in [(&mut first, b"2"), (&mut second, b"2")] {
///     assert_eq!(transaction.get(Keyspace::DEFAULT, b"visits")?.as_deref(), Some(&b"1"[..]));
///     transaction.put(Keyspace::DEFAULT, b"visits", visits)?;
/// }
/// first.commit()?;
/// // The second one has read what is no longer so.
/// assert!(matches!(second.commit(), Err(StoreError::Conflict { .. })));
/// # Ok(())
/// # }
/// ```
pub struct Transaction<'s> {
    store: Store,
    snapshot: Snapshot,
    open: OpenTransaction,
    /// What it writes, by keys of the tree. Rows are newer than ranges.
    rows: Rows,
    ranges: Tombstones,
    /// A leaf lock.
    reads: Mutex<ReadSet>,
    _turn: Option<MutexGuard<'s, ()>>,
}

impl Store {
    /// Begins a transaction, once the one before that was begun so has ended. A thread must not
    /// begin another one meanwhile: it would wait for itself.
    ///
    /// As long as all who write begin their transactions so, they have no conflicts. Nobody else
    /// waits: if a plain write or an optimistic transaction changes what this one has read, this
    /// one's commit is refused.
    pub fn transaction(&self) -> Transaction<'_> {
        let turn = self.turn();
        Transaction::new(self, Some(turn))
    }

    /// Begins a transaction beside all others. Its commit is refused if another commit has changed
    /// what it has read: then it may be run again.
    pub fn optimistic(&self) -> Transaction<'static> {
        Transaction::new(self, None)
    }
}

impl<'s> Transaction<'s> {
    fn new(store: &Store, turn: Option<MutexGuard<'s, ()>>) -> Self {
        let (snapshot, open) = store.begin();
        Self {
            store: store.clone(),
            snapshot,
            open,
            rows: Rows::new(),
            ranges: Tombstones::default(),
            reads: Mutex::default(),
            _turn: turn,
        }
    }

    /// The value of a key, if it has one: as the transaction wrote it, or as it was when the
    /// transaction began.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let own = keyspace.key(key);
        if let Some(value) = self.rows.get(&own) {
            return Ok(value.clone());
        }
        if self.ranges.newest(&own, u64::MAX).is_some() {
            return Ok(None);
        }
        // [I2] Also if the read fails.
        self.reads.lock().key(&own);
        self.snapshot.get(keyspace, key)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`], [`StoreError::ValueTooLong`]: nothing has changed.
    pub fn put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        expect_key_len(key)?;
        expect_value_len(value)?;
        self.rows.insert(keyspace.key(key), Some(value.to_vec()));
        Ok(())
    }

    /// Takes a key's value away.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`]: nothing has changed.
    pub fn delete(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<(), StoreError> {
        expect_key_len(key)?;
        self.rows.insert(keyspace.key(key), None);
        Ok(())
    }

    /// Takes away the values of all keys from `range.start` on and before `range.end`.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`]: nothing has changed.
    pub fn delete_range(
        &mut self,
        keyspace: Keyspace,
        range: Range<&[u8]>,
    ) -> Result<(), StoreError> {
        expect_key_len(range.start)?;
        expect_key_len(range.end)?;
        if range.start < range.end {
            let (from, end) = (keyspace.key(range.start), keyspace.key(range.end));
            self.rows.retain(|key, _| *key < from || *key >= end);
            self.ranges.insert(&from, &end, 0);
        }
        Ok(())
    }

    /// All keys of a range, in order: as the transaction wrote them, over those that there were
    /// when it began.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan(
        &self,
        keyspace: Keyspace,
        range: Range<&[u8]>,
    ) -> Result<TransactionCursor<'_>, StoreError> {
        let (from, end) = (keyspace.key(range.start), keyspace.key(range.end));
        self.cursor(from, end)
    }

    /// All keys of a keyspace from `from` on, likewise.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn scan_from(
        &self,
        keyspace: Keyspace,
        from: &[u8],
    ) -> Result<TransactionCursor<'_>, StoreError> {
        self.cursor(keyspace.key(from), keyspace.end().to_vec())
    }

    fn cursor(&self, from: Vec<u8>, end: Vec<u8>) -> Result<TransactionCursor<'_>, StoreError> {
        let prefix = from[..PREFIX_BYTES].to_vec();
        // A range that ends before it begins holds nothing.
        let end = end.max(from.clone());
        let bounds = (
            Bound::Included(from.as_slice()),
            Bound::Excluded(end.as_slice()),
        );
        Ok(TransactionCursor {
            below: self.snapshot.cursor(&from, end.clone())?,
            below_next: None,
            own: self.rows.range::<[u8], _>(bounds).peekable(),
            ranges: &self.ranges,
            growing: self.reads.lock().begin(&from),
            reads: &self.reads,
            end,
            prefix,
            shown: (Vec::new(), Vec::new()),
        })
    }

    /// It sees the batches below this sequence.
    pub fn sequence(&self) -> TxOffset {
        self.snapshot.sequence()
    }

    /// Commits at the durability of the options; returns the sequence. One that wrote nothing is
    /// not in the log, and returns the sequence up to which it has read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], and as [`Store::write`].
    pub fn commit(self) -> Result<TxOffset, StoreError> {
        let durability = self.store.durability();
        self.commit_at(durability)
    }

    /// Commits at this durability.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_at(self, durability: Durability) -> Result<TxOffset, StoreError> {
        if self.is_read_only() {
            return Ok(self.sequence());
        }
        let store = self.store.clone();
        let (batch, intent, _turn) = self.finish();
        store.commit(batch, intent, durability)
    }

    /// Hands the commit in without waiting. The next [`Store::transaction`] may begin before this
    /// one can be seen, and then has a conflict with it.
    ///
    /// # Errors
    /// As [`Store::submit`]. The ticket says whether there was a conflict.
    pub fn submit(self, durability: Durability) -> Result<Ticket, StoreError> {
        if self.is_read_only() {
            return Ok(Ticket::settled(self.sequence()));
        }
        let store = self.store.clone();
        let (batch, intent, _turn) = self.finish();
        store.hand_in(batch, intent, durability)
    }

    fn is_read_only(&self) -> bool {
        self.rows.is_empty() && self.ranges.is_empty()
    }

    /// What is written, what was read, and the turn, which ends with the commit.
    fn finish(self) -> (WriteBatch, Intent, Option<MutexGuard<'s, ()>>) {
        let mut batch = WriteBatch::new();
        self.ranges
            .for_each_run(|from, end| batch.add_write(Write::DeleteRange(from, end)));
        for (key, value) in &self.rows {
            batch.add_write(Write::Row(key, value.as_deref()));
        }
        let reads = self.reads.into_inner().seal();
        (batch, Intent::Transaction(reads, self.open), self._turn)
    }
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}

/// Rows of a range, as a transaction sees them.
pub struct TransactionCursor<'t> {
    /// What there was when the transaction began.
    below: Cursor,
    /// Its next row, with its keyspace, if that was asked for.
    below_next: Option<(Vec<u8>, Vec<u8>)>,
    /// What the transaction wrote.
    own: Peekable<btree_map::Range<'t, Vec<u8>, Option<Vec<u8>>>>,
    ranges: &'t Tombstones,
    reads: &'t Mutex<ReadSet>,
    growing: Growing,
    /// The key behind the last that is shown.
    end: Vec<u8>,
    prefix: Vec<u8>,
    shown: (Vec<u8>, Vec<u8>),
}

impl TransactionCursor<'_> {
    /// The next key and its value; none at the end.
    ///
    /// # Errors
    /// As [`Cursor::next`].
    #[expect(clippy::should_implement_trait, reason = "it lends what it shows")]
    pub fn next(&mut self) -> Result<Option<KeyAndValue<'_>>, StoreError> {
        let found = self.advance()?;
        let mut reads = self.reads.lock();
        match found {
            false => reads.grow_to(self.growing, &self.end),
            true => reads.grow_through(self.growing, &self.shown.0),
        }
        let (key, value) = &self.shown;
        Ok(found.then(|| (&key[PREFIX_BYTES..], value.as_slice())))
    }

    /// [I1] Goes to the next row that is shown; false if there is none.
    fn advance(&mut self) -> Result<bool, StoreError> {
        loop {
            if self.below_next.is_none() {
                let next = self.below.next()?;
                self.below_next = next.map(|(key, value)| {
                    let key = [&self.prefix, key].concat();
                    (key, value.to_vec())
                });
            }
            let below = self.below_next.as_ref().map(|(key, _)| key);
            let is_own = match (self.own.peek(), below) {
                (None, None) => return Ok(false),
                (Some((own, _)), Some(below)) => *own <= below,
                (own, _) => own.is_some(),
            };
            let row = match is_own {
                true => self
                    .own
                    .next()
                    .map(|(key, value)| (key.clone(), value.clone())),
                false => self.below_next.take().map(|(key, value)| {
                    let is_deleted = self.ranges.newest(&key, u64::MAX).is_some();
                    (key, Some(value).filter(|_| !is_deleted))
                }),
            };
            let Some((key, value)) = row else {
                unreachable!("one of the two has a row");
            };
            if self
                .below_next
                .as_ref()
                .is_some_and(|(below, _)| *below == key)
            {
                self.below_next = None;
            }
            if let Some(value) = value {
                self.shown = (key, value);
                return Ok(true);
            }
        }
    }
}

impl std::fmt::Debug for TransactionCursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionCursor")
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
