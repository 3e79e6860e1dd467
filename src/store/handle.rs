//! The handle of an open store.

use std::ops::{Range, RangeBounds};
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{Env, Lock, Mutex, MutexGuard};

use super::background::Background;
use super::backup::{BackupReport, backup};
use super::batch::WriteBatch;
use super::catalog::{self, Genesis};
use super::commit::{self, Owner, Ticket};
use super::cursor::Cursor;
use super::encoded::{Encoded, Intent, OpenTransaction};
use super::error::StoreError;
use super::keyspace::{Keyspace, PREFIX_BYTES};
use super::open;
use super::options::StoreOptions;
use super::readonly::{ReadOnlyOptions, ReadOnlyStore};
use super::report::RecoveryReport;
use super::snapshot::Snapshot;
use super::stats::StoreStats;
use super::tree::Tree;
use crate::commitlog::{Durability, Log, LogId, TxOffset};

/// An open store. Clones are the same store. Dropping the last one waits for the step of a
/// flush or a merge that is being done, and releases the lock. It writes nothing more: writes at
/// level [`Durability::Buffered`] may be lost, as if the process had died.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    tree: Arc<Tree>,
    encoded: Arc<Encoded>,
    log: Log,
    background: Background,
    /// Held while a keyspace is created or dropped.
    naming: Mutex<()>,
    /// Held by the transaction whose turn it is.
    turn: Mutex<()>,
    durability: Durability,
    lock: Box<dyn Lock>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A child that was forked has the handle, and not the task.
        if self.lock.check().is_ok() {
            self.background.stop();
        }
    }
}

impl Store {
    /// Opens the store in `dir` (relative to the environment's root; "" is the root itself). When
    /// this returns, all that it shows is durable.
    ///
    /// # Errors
    /// [`StoreError::Log`] with what the log or the operating system says: among others
    /// that there is none, or that somebody else has it open. Damage: nothing was changed.
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: &StoreOptions,
    ) -> Result<(Self, RecoveryReport), StoreError> {
        Self::opened(env, dir.as_ref(), options, &mut || {
            Ok(Genesis::new()?.seal())
        })
    }

    /// Opens the store in `dir`, whatever the options say about creating. If there is none,
    /// `initialize` says what the new one holds. That is its first commit: after a crash, or if
    /// `initialize` fails or panics, there is a store that holds all of it, or none.
    ///
    /// ```
    /// use blackstart::commitlog::Durability;
    /// use blackstart::store::{Store, StoreError, StoreOptions};
    /// use blackstart_vfs::Env;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let env = Env::os(dir.path().join("store"));
    /// let options = StoreOptions::new(Durability::Synced);
    /// let (store, report) = Store::create_with(&env, "", &options, |genesis| {
    ///     let settings = genesis.keyspace("settings")?;
    ///     genesis.put(settings, b"version", b"1")?;
    ///     Ok::<_, StoreError>(())
    /// })?;
    /// assert!(report.log.created);
    /// let settings = store.keyspace("settings")?;
    /// assert_eq!(store.get(settings, b"version")?.as_deref(), Some(&b"1"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of `initialize`; or as [`open`](Self::open).
    pub fn create_with<E: From<StoreError>>(
        env: &Env,
        dir: impl AsRef<Path>,
        options: &StoreOptions,
        initialize: impl FnOnce(&mut Genesis) -> Result<(), E>,
    ) -> Result<(Self, RecoveryReport), E> {
        let options = options.clone().create(true);
        let (mut initialize, mut failed) = (Some(initialize), None);
        let mut begin = || {
            let mut genesis = Genesis::new()?;
            let initialize = initialize.take().expect("a store begins once");
            match initialize(&mut genesis) {
                Ok(()) => Ok(genesis.seal()),
                Err(error) => {
                    failed = Some(error);
                    Err(StoreError::Uninitialized)
                }
            }
        };
        let opened = Self::opened(env, dir.as_ref(), &options, &mut begin);
        opened.map_err(|error| failed.unwrap_or_else(|| error.into()))
    }

    fn opened(
        env: &Env,
        dir: &Path,
        options: &StoreOptions,
        begin: &mut open::Begin<'_>,
    ) -> Result<(Self, RecoveryReport), StoreError> {
        let opened = open::open(env, dir, options, begin)?;
        let keyspaces = catalog::list(&opened.tree)?
            .into_iter()
            .map(|named| named.1);
        let inner = Inner {
            tree: opened.tree,
            encoded: Encoded::new(options.write_sets_bytes_max, keyspaces),
            log: opened.log,
            background: Background::new(
                env,
                opened.keeper,
                options.memtables_max,
                options.background_task,
            ),
            naming: Mutex::new(env, ()),
            turn: Mutex::new(env, ()),
            durability: options.durability,
            lock: opened.lock,
        };
        // What was replayed may have filled memtables.
        inner.background.wake();
        let inner = Arc::new(inner);
        Ok((Self { inner }, opened.report))
    }

    /// As [`open`](Self::open), for a path of the operating system.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_path(
        path: impl AsRef<Path>,
        options: &StoreOptions,
    ) -> Result<(Self, RecoveryReport), StoreError> {
        Self::open(&Env::os(path), "", options)
    }

    /// Opens the store in `dir` for reading only: nothing is written and no lock is taken, and
    /// another process may write meanwhile.
    ///
    /// # Errors
    /// As [`ReadOnlyStore::open`].
    pub fn open_read_only(
        env: &Env,
        dir: impl AsRef<Path>,
        options: ReadOnlyOptions,
    ) -> Result<(ReadOnlyStore, RecoveryReport), StoreError> {
        ReadOnlyStore::open(env, dir, options)
    }

    /// The value of a key, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], or that the operating system failed.
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_with(keyspace, key, <[u8]>::to_vec)
    }

    /// Shows the value of a key, if it has one, without a copy; returns what `show` returns. While
    /// `show` runs, the block that holds the value stays in memory.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<R>(
        &self,
        keyspace: Keyspace,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        let tree = &self.inner.tree;
        let layers = tree.pin();
        let visible = tree.visible();
        keyspace.with_key(key, |key| layers.get_with(key, visible, show))
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get_with(keyspace, key, |_| ())?.is_some())
    }

    /// Gives a key a value, at the durability of the options; returns the write's sequence.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`StoreError::KeyTooLong`], [`StoreError::ValueTooLong`].
    pub fn put(
        &self,
        keyspace: Keyspace,
        key: &[u8],
        value: &[u8],
    ) -> Result<TxOffset, StoreError> {
        let mut batch = WriteBatch::new();
        batch.put(keyspace, key, value)?;
        self.write(batch, self.inner.durability)
    }

    /// Takes a key's value away, at the durability of the options.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`StoreError::KeyTooLong`].
    pub fn delete(&self, keyspace: Keyspace, key: &[u8]) -> Result<TxOffset, StoreError> {
        let mut batch = WriteBatch::new();
        batch.delete(keyspace, key)?;
        self.write(batch, self.inner.durability)
    }

    /// Takes away the values of all keys from `range.start` on and before `range.end`, at the
    /// durability of the options.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`StoreError::KeyTooLong`].
    pub fn delete_range(
        &self,
        keyspace: Keyspace,
        range: Range<&[u8]>,
    ) -> Result<TxOffset, StoreError> {
        let mut batch = WriteBatch::new();
        batch.delete_range(keyspace, range)?;
        self.write(batch, self.inner.durability)
    }

    /// Writes a batch; returns its sequence. When this returns, the batch has reached its
    /// durability, and every reader that begins now sees all of it. If the process dies before,
    /// the batch is there whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::MemtablesFull`], [`StoreError::NoKeyspace`], and of the log
    /// [`NoSpace`](crate::commitlog::LogError::NoSpace) and
    /// [`CommitTooLarge`](crate::commitlog::LogError::CommitTooLarge): nothing was written. After
    /// other errors of the log the next opening says whether it was.
    pub fn write(&self, batch: WriteBatch, durability: Durability) -> Result<TxOffset, StoreError> {
        self.commit(batch, Intent::Plain, durability)
    }

    /// Hands in a batch without waiting. Batches of one caller are written in the order in which
    /// it handed them in. Until its ticket is settled nobody sees it, and it may be lost.
    ///
    /// # Errors
    /// [`StoreError::MemtablesFull`], and as [`Log::submit`]: nothing happened.
    pub fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Ticket, StoreError> {
        self.hand_in(batch, Intent::Plain, durability)
    }

    pub(super) fn commit(
        &self,
        batch: WriteBatch,
        intent: Intent,
        durability: Durability,
    ) -> Result<TxOffset, StoreError> {
        let owner = Owner::new(&self.inner.tree, &self.inner.encoded, batch, intent);
        self.inner
            .background
            .make_room(owner.record().len() as u64)?;
        let log = &self.inner.log;
        let committed = log.commit_owned(&[owner.record()], durability, owner.clone());
        let sequence = commit::outcome(committed)?;
        self.inner.background.wake();
        Ok(sequence)
    }

    pub(super) fn hand_in(
        &self,
        batch: WriteBatch,
        intent: Intent,
        durability: Durability,
    ) -> Result<Ticket, StoreError> {
        let owner = Owner::new(&self.inner.tree, &self.inner.encoded, batch, intent);
        self.inner
            .background
            .make_room(owner.record().len() as u64)?;
        self.inner.background.wake();
        let log = &self.inner.log;
        let ticket = log.submit_owned(&[owner.record()], durability, owner.clone())?;
        Ok(Ticket::submitted(ticket))
    }

    /// Begins to note what other commits write.
    pub(super) fn begin(&self) -> (Snapshot, OpenTransaction) {
        let (registration, open) = self.inner.encoded.begin(&self.inner.tree);
        (Snapshot::new(&self.inner.tree, registration), open)
    }

    /// Waits for the turn of a transaction.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.inner.turn.lock()
    }

    /// The durability of the options.
    pub(super) fn durability(&self) -> Durability {
        self.inner.durability
    }

    /// The keyspace with this name. It is created, at the durability of the options, if there is
    /// none.
    ///
    /// ```
    /// use blackstart::commitlog::Durability;
    /// use blackstart::store::{Store, StoreError, StoreOptions};
    /// use blackstart_vfs::Env;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let env = Env::os(dir.path().join("store"));
    /// let options = StoreOptions::new(Durability::Synced).create(true);
    /// let (store, _) = Store::open(&env, "", &options)?;
    /// let (users, mails) = (store.keyspace("users")?, store.keyspace("mails")?);
    /// store.put(users, b"1", b"Ada")?;
    /// assert_eq!(store.get(mails, b"1")?, None);
    ///
    /// store.drop_keyspace("users")?;
    /// assert!(matches!(
    ///     store.put(users, b"1", b"Ada"),
    ///     Err(StoreError::NoKeyspace { .. })
    /// ));
    /// // The name is free; what has it now is another keyspace.
    /// assert_ne!(store.keyspace("users")?, users);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write); [`StoreError::KeyTooLong`], of the name.
    pub fn keyspace(&self, name: &str) -> Result<Keyspace, StoreError> {
        if let Some(found) = self.find_keyspace(name)? {
            return Ok(found);
        }
        let _naming = self.inner.naming.lock();
        if let Some(found) = self.find_keyspace(name)? {
            return Ok(found);
        }
        let mut batch = WriteBatch::new();
        let keyspace = catalog::create(&self.inner.tree, &mut batch, name)?;
        self.commit(batch, Intent::Create(keyspace), self.inner.durability)?;
        Ok(keyspace)
    }

    /// The keyspace with this name, if there is one.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn find_keyspace(&self, name: &str) -> Result<Option<Keyspace>, StoreError> {
        catalog::find(&self.inner.tree, name)
    }

    /// The names of all keyspaces, in order, with their handles.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn keyspaces(&self) -> Result<Vec<(String, Keyspace)>, StoreError> {
        catalog::list(&self.inner.tree)
    }

    /// Drops a keyspace with all its keys, at the durability of the options; false if none has
    /// this name. Its handle shows no keys any more, and writes with it are refused, at whichever
    /// durability; snapshots and transactions that began before still see it. Its number is not
    /// given again.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn drop_keyspace(&self, name: &str) -> Result<bool, StoreError> {
        let _naming = self.inner.naming.lock();
        let Some(keyspace) = self.find_keyspace(name)? else {
            return Ok(false);
        };
        let mut batch = WriteBatch::new();
        catalog::remove(&mut batch, name, keyspace)?;
        self.commit(batch, Intent::Drop(keyspace), self.inner.durability)?;
        Ok(true)
    }

    /// Takes away all keys of a keyspace, at the durability of the options.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn clear_keyspace(&self, keyspace: Keyspace) -> Result<TxOffset, StoreError> {
        let mut batch = WriteBatch::new();
        batch.delete_all(keyspace);
        self.write(batch, self.inner.durability)
    }

    /// Why the last flush or merge failed that nobody asked for, if it did. It is tried again once
    /// somebody writes. A merge that meets damage is not tried again: its tables stay as they are.
    pub fn background_error(&self) -> Option<StoreError> {
        self.inner.background.error()
    }

    /// The rows of a range, in order, as they are now; those of a whole keyspace are `range(k,
    /// ..)`. Backwards with [`Cursor::rev`]. What fails, the cursor says.
    pub fn range<'k>(&self, keyspace: Keyspace, range: impl RangeBounds<&'k [u8]>) -> Cursor {
        let (tree, range) = (&self.inner.tree, keyspace.range(&range));
        Cursor::of_range(tree, tree.register(), range, PREFIX_BYTES)
    }

    /// The rows whose keys begin with `prefix`, as [`range`](Self::range).
    pub fn prefix(&self, keyspace: Keyspace, prefix: &[u8]) -> Cursor {
        let (tree, range) = (&self.inner.tree, keyspace.range_of_prefix(prefix));
        Cursor::of_range(tree, tree.register(), range, PREFIX_BYTES)
    }

    /// All keys of a range, in order, as they are now.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan(&self, keyspace: Keyspace, range: Range<&[u8]>) -> Result<Cursor, StoreError> {
        let (from, end) = (keyspace.key(range.start), keyspace.key(range.end));
        let tree = &self.inner.tree;
        Cursor::new(tree, tree.register(), &from, end, PREFIX_BYTES)
    }

    /// All keys of a keyspace from `from` on, in order, as they are now.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn scan_from(&self, keyspace: Keyspace, from: &[u8]) -> Result<Cursor, StoreError> {
        let tree = &self.inner.tree;
        let (from, end) = (keyspace.key(from), keyspace.end().to_vec());
        Cursor::new(tree, tree.register(), &from, end, PREFIX_BYTES)
    }

    /// The store as it is now, for reads that come later. What it shows is kept through flushes and
    /// merges until it is dropped.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.inner.tree.clone())
    }

    /// Writes all that was written so far to tables, and has the log retire it. Durable when this
    /// returns.
    ///
    /// # Errors
    /// Nothing is lost: what could not be written stays in memory and in the log.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.inner.background.flush()
    }

    /// Merges all tables that there are into one run: older rows and deletes that nobody can see
    /// any more go.
    ///
    /// # Errors
    /// What was merged before is merged; all rows are where they can be read. Tables that are
    /// damaged are left alone.
    pub fn compact(&self) -> Result<(), StoreError> {
        self.inner.background.compact()
    }

    /// Copies the store into the new directory `to`, relative to the root of the environment: see
    /// [`backup`](super::backup()). The copy holds all that was written before.
    ///
    /// # Errors
    /// As [`backup`](super::backup()), and as [`Log::flush`].
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<BackupReport, StoreError> {
        self.inner.log.flush()?;
        let root = self.inner.background.root();
        backup(&root.env, root.path_of(""), to, &mut |_| {})
    }

    /// Makes all that was written so far durable; returns the sequence below which all is.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn sync(&self) -> Result<TxOffset, StoreError> {
        Ok(self.inner.log.sync()?)
    }

    /// Ends flushes and merges, makes everything durable and marks the log as closed, so that the
    /// next opening need not scan. Writes are refused then; reads go on.
    ///
    /// # Errors
    /// As [`Log::close`].
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.background.stop();
        self.inner.background.abandon();
        let closed = self.inner.log.close();
        if closed.is_err() {
            self.inner.background.go_on();
        }
        Ok(closed?)
    }

    /// The sequence that the next batch gets, when none is in flight.
    pub fn next_sequence(&self) -> TxOffset {
        TxOffset::new(self.inner.tree.visible())
    }

    /// The identity of the store: that of its log.
    pub fn log_id(&self) -> LogId {
        self.inner.log.log_id()
    }

    /// What the store consists of at the moment.
    pub fn stats(&self) -> StoreStats {
        let flushed_through = self.inner.background.flushed_through();
        StoreStats::of(&self.inner.tree, flushed_through)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("log", &self.inner.log)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
