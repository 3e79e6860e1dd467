//! Parts of the store with keys of their own.

use std::ops::{Bound, RangeBounds};

/// A part of the store with keys of its own. A handle counts in the store that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Keyspace(u32);

impl Keyspace {
    /// The keyspace `default`, with which each store begins.
    pub const DEFAULT: Self = Self(1);
    /// The store's own, which says what other keyspaces there are. Applications get no handle.
    pub(crate) const OWN: Self = Self(0);

    /// The keyspace with this number, for tools; applications get handles by name. A store that
    /// has no keyspace with this number shows it empty and refuses to write there.
    ///
    /// # Panics
    /// If the number is `u32::MAX`, which no keyspace has.
    pub const fn new(number: u32) -> Self {
        // The key behind its last one has a prefix, too.
        assert!(number < u32::MAX, "no keyspace has this number");
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// What keys of the tree begin with.
    pub(crate) fn prefix(self) -> [u8; PREFIX_BYTES] {
        self.0.to_be_bytes()
    }

    /// A key of the tree: keys of one keyspace are neighbours.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        [&self.0.to_be_bytes(), key].concat()
    }

    /// The range of keys of the tree that bounds within this keyspace stand for.
    pub(crate) fn range<'k>(self, bounds: &impl RangeBounds<&'k [u8]>) -> (Vec<u8>, Vec<u8>) {
        let behind = |key: &[u8]| [&self.key(key)[..], &[0]].concat();
        let from = match bounds.start_bound() {
            Bound::Included(from) => self.key(from),
            Bound::Excluded(before) => behind(before),
            Bound::Unbounded => self.key(&[]),
        };
        let end = match bounds.end_bound() {
            Bound::Included(last) => behind(last),
            Bound::Excluded(end) => self.key(end),
            Bound::Unbounded => self.end().to_vec(),
        };
        (from, end)
    }

    /// The range of keys of the tree that begin with a prefix within this keyspace.
    pub(crate) fn range_of_prefix(self, prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let from = self.key(prefix);
        // The keyspace's number has such a byte, since it is not the highest.
        let last = from.iter().rposition(|byte| *byte != 0xFF);
        let last = last.expect("no keyspace has the highest number");
        let mut end = from[..=last].to_vec();
        end[last] += 1;
        (from, end)
    }

    /// Shows a key of the tree, which is put together on the stack unless it is long.
    #[inline]
    pub(crate) fn with_key<R>(self, key: &[u8], show: impl FnOnce(&[u8]) -> R) -> R {
        let mut bytes = [0; KEY_BYTES_INLINE];
        let len = PREFIX_BYTES + key.len();
        let Some(inline) = bytes.get_mut(..len) else {
            return show(&self.key(key));
        };
        inline[..PREFIX_BYTES].copy_from_slice(&self.0.to_be_bytes());
        inline[PREFIX_BYTES..].copy_from_slice(key);
        show(inline)
    }

    /// The key of the tree behind all of this keyspace.
    pub(crate) fn end(self) -> [u8; PREFIX_BYTES] {
        (self.0 + 1).to_be_bytes()
    }
}

/// Bytes of a keyspace in a key of the tree.
pub(crate) const PREFIX_BYTES: usize = 4;
/// Keys of the tree that are not longer need no memory of their own.
const KEY_BYTES_INLINE: usize = 128;
