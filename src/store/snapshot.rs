//! The store as it was at a moment.

use std::ops::RangeBounds;
use std::sync::Arc;

use super::cursor::Cursor;
use super::error::StoreError;
use super::keyspace::{Keyspace, PREFIX_BYTES};
use super::tree::{Registration, Tree};
use crate::commitlog::TxOffset;

/// The store as it was at a moment.
///
/// ```
/// use blackstart::commitlog::Durability;
/// use blackstart::store::{Keyspace, Store, StoreOptions};
/// use blackstart_vfs::Env;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let env = Env::os(dir.path().join("store"));
/// let options = StoreOptions::new(Durability::Synced).create(true);
/// let (store, _) = Store::open(&env, "", &options)?;
/// store.put(Keyspace::DEFAULT, b"colour", b"red")?;
/// let before = store.snapshot();
/// store.put(Keyspace::DEFAULT, b"colour", b"blue")?;
/// store.flush()?;
/// assert_eq!(before.get(Keyspace::DEFAULT, b"colour")?.as_deref(), Some(&b"red"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Snapshot {
    tree: Arc<Tree>,
    registration: Registration,
}

impl Snapshot {
    /// The tree as it is now.
    pub(crate) fn of(tree: Arc<Tree>) -> Self {
        let registration = tree.register();
        Self { tree, registration }
    }

    /// The tree; of a read-only store it never changes.
    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    pub(crate) fn new(tree: &Arc<Tree>, registration: Registration) -> Self {
        let tree = tree.clone();
        Self { tree, registration }
    }

    /// The value that a key had, if it had one.
    ///
    /// # Errors
    /// As [`Store::get`](super::Store::get).
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.get_with(keyspace, key, <[u8]>::to_vec)
    }

    /// Shows the value that a key had, as [`Store::get_with`](super::Store::get_with).
    ///
    /// # Errors
    /// As [`Store::get`](super::Store::get).
    pub fn get_with<R>(
        &self,
        keyspace: Keyspace,
        key: &[u8],
        show: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, StoreError> {
        let (layers, visible) = (self.tree.pin(), self.registration.visible);
        keyspace.with_key(key, |key| layers.get_with(key, visible, show))
    }

    /// The rows of a range, as they were, as [`Store::range`](super::Store::range).
    pub fn range<'k>(&self, keyspace: Keyspace, range: impl RangeBounds<&'k [u8]>) -> Cursor {
        let registration = self.tree.register_again(&self.registration);
        let range = keyspace.range(&range);
        Cursor::of_range(&self.tree, registration, range, PREFIX_BYTES)
    }

    /// The rows whose keys begin with `prefix`, as they were, as
    /// [`Store::range`](super::Store::range).
    pub fn prefix(&self, keyspace: Keyspace, prefix: &[u8]) -> Cursor {
        let registration = self.tree.register_again(&self.registration);
        let range = keyspace.range_of_prefix(prefix);
        Cursor::of_range(&self.tree, registration, range, PREFIX_BYTES)
    }

    /// All keys of a keyspace from `from` on, in order, as they were.
    ///
    /// # Errors
    /// As [`Store::get`](super::Store::get).
    pub fn scan_from(&self, keyspace: Keyspace, from: &[u8]) -> Result<Cursor, StoreError> {
        self.cursor(&keyspace.key(from), keyspace.end().to_vec())
    }

    /// Rows of a range of keys of the tree.
    pub(crate) fn cursor(&self, from: &[u8], end: Vec<u8>) -> Result<Cursor, StoreError> {
        let registration = self.tree.register_again(&self.registration);
        Cursor::new(&self.tree, registration, from, end, PREFIX_BYTES)
    }

    /// All rows of a range of keys of the tree, which begin with their keyspace.
    pub(crate) fn scan_tree(&self, from: &[u8], end: &[u8]) -> Result<Cursor, StoreError> {
        let registration = self.tree.register_again(&self.registration);
        Cursor::new(&self.tree, registration, from, end.to_vec(), 0)
    }

    /// It shows the batches below this sequence.
    pub fn sequence(&self) -> TxOffset {
        TxOffset::new(self.registration.visible)
    }
}
