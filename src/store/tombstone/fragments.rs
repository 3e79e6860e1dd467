//! Fragments in the order of their keys.
//!
//! They stand in chunks of some dozens. A lookup searches the first heads of the chunks, then the
//! heads of one chunk; it looks at a key only where a head does not decide.
//!
//! Invariants:
//! - \[I1\] Fragments are in order, none is empty, and no two share a key.
//! - \[I2\] No chunk is empty.

use std::cmp::Ordering;

use crate::store::batch::head;

/// A chunk that has as many is cut in two.
const CHUNK_MAX: usize = 128;

/// A range of keys, and at which sequences it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The first key.
    pub first: Vec<u8>,
    /// The key behind the last.
    pub end: Vec<u8>,
    /// In order, each once, at least one.
    pub sequences: Vec<u64>,
}

impl Fragment {
    /// How much memory it takes, about.
    pub fn bytes(&self) -> u64 {
        (self.first.len() + self.end.len() + 8 * self.sequences.len() + 112) as u64
    }

    /// The newest sequence below `visible`.
    pub fn newest(&self, visible: u64) -> Option<u64> {
        let below = self.sequences.partition_point(|own| *own < visible);
        below.checked_sub(1).map(|last| self.sequences[last])
    }
}

/// Neighbours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chunk {
    /// The heads of first key and end.
    heads: Vec<(u128, u128)>,
    fragments: Vec<Fragment>,
}

impl Chunk {
    /// How many of its fragments begin at or before a key.
    fn count_to(&self, key_head: u128, key: &[u8]) -> usize {
        let below = self.heads.partition_point(|own| own.0 < key_head);
        if self.heads.get(below).is_none_or(|own| own.0 != key_head) {
            return below;
        }
        let ties = self.heads[below..].partition_point(|own| own.0 == key_head);
        let tied = &self.fragments[below..below + ties];
        below + tied.partition_point(|fragment| fragment.first.as_slice() <= key)
    }

    fn insert(&mut self, at: usize, fragment: Fragment) {
        let heads = (head(&fragment.first), head(&fragment.end));
        self.heads.insert(at, heads);
        self.fragments.insert(at, fragment);
    }

    fn split(&mut self) -> Self {
        let half = self.fragments.len() / 2;
        Self {
            heads: self.heads.split_off(half),
            fragments: self.fragments.split_off(half),
        }
    }
}

/// Fragments in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    /// The head of each chunk's first key.
    firsts: Vec<u128>,
    chunks: Vec<Chunk>,
}

/// A place among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    chunk: usize,
    fragment: usize,
}

impl Fragments {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The last fragment that begins at or before a key.
    pub fn floor(&self, key: &[u8]) -> Option<At> {
        let key_head = head(key);
        // The first chunk whose first key is behind the key, by its head.
        let mut chunk = self.firsts.partition_point(|first| *first <= key_head);
        while let Some(before) = chunk.checked_sub(1) {
            let count = self.chunks[before].count_to(key_head, key);
            if let Some(fragment) = count.checked_sub(1) {
                let chunk = before;
                return Some(At { chunk, fragment });
            }
            // Several chunks may begin with the same head.
            chunk = before;
        }
        None
    }

    /// The fragment that holds a key.
    pub fn holding(&self, key: &[u8]) -> Option<&Fragment> {
        let at = self.floor(key)?;
        let chunk = &self.chunks[at.chunk];
        let is_before_end = match head(key).cmp(&chunk.heads[at.fragment].1) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => key < chunk.fragments[at.fragment].end.as_slice(),
        };
        is_before_end.then(|| &chunk.fragments[at.fragment])
    }

    /// The fragment behind a place; without one, the first.
    pub fn after(&self, at: Option<At>) -> Option<At> {
        let next = match at {
            None => At {
                chunk: 0,
                fragment: 0,
            },
            Some(at) if at.fragment + 1 < self.chunks[at.chunk].fragments.len() => At {
                fragment: at.fragment + 1,
                ..at
            },
            Some(at) => At {
                chunk: at.chunk + 1,
                fragment: 0,
            },
        };
        (next.chunk < self.chunks.len()).then_some(next)
    }

    /// A fragment.
    pub fn get(&self, at: At) -> &Fragment {
        &self.chunks[at.chunk].fragments[at.fragment]
    }

    /// The sequences of a fragment.
    pub fn sequences_mut(&mut self, at: At) -> &mut Vec<u64> {
        &mut self.chunks[at.chunk].fragments[at.fragment].sequences
    }

    /// Gives a fragment another end; returns the one it had.
    pub fn set_end(&mut self, at: At, end: &[u8]) -> Vec<u8> {
        let chunk = &mut self.chunks[at.chunk];
        chunk.heads[at.fragment].1 = head(end);
        std::mem::replace(&mut chunk.fragments[at.fragment].end, end.to_vec())
    }

    /// Adds a fragment. [I1] It shares no key with another.
    pub fn insert(&mut self, fragment: Fragment) {
        assert!(
            fragment.first < fragment.end,
            "[I1] a range that is not empty"
        );
        let at = self.floor(&fragment.first);
        let (number, place) = at.map_or((0, 0), |at| (at.chunk, at.fragment + 1));
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::default());
            self.firsts.push(0);
        }
        let chunk = &mut self.chunks[number];
        chunk.insert(place, fragment);
        assert!(!chunk.heads.is_empty(), "[I2] it has at least this one");
        self.firsts[number] = chunk.heads[0].0;
        if chunk.fragments.len() == CHUNK_MAX {
            let behind = chunk.split();
            self.firsts.insert(number + 1, behind.heads[0].0);
            self.chunks.insert(number + 1, behind);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Fragment> {
        self.chunks.iter().flat_map(|chunk| &chunk.fragments)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.fragments.len()).sum()
    }
}

impl PartialEq for Fragments {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fragments {}
