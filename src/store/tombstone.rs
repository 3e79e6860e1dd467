//! Ranges of keys whose older rows are deleted.
//!
//! Ranges that overlap are cut where one begins or ends. So each fragment has one list of
//! sequences, and a key lies in one fragment at most.
//!
//! | bytes of the section of a table | field | meaning |
//! |---|---|---|
//! | 0..4 | fragments | |
//! | for each fragment | length of the first key, of the end, sequences | u32 each |
//! | | first key, end | the fragment holds the keys from the first one on and before the end |
//! | | sequences | u64 each, in order |
//!
//! Invariants:
//! - \[I1\] Fragments are in order, none is empty, and no two share a key.
//! - \[I2\] A fragment has at least one sequence; they are in order, each once.
//! - \[I3\] A tombstone at a sequence covers rows with lower sequences only.

mod fragments;

use self::fragments::{At, Fragment, Fragments};
use crate::codec::{Cursor, Defect};

/// Three lengths.
const FRAGMENT_BYTES_MIN: usize = 12;

/// Ranges that were deleted, and at which sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tombstones {
    fragments: Fragments,
    bytes: u64,
}

/// Keys for which the same tombstone counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first of them; none: from the first of all keys on.
    pub from: Option<Vec<u8>>,
    /// The key behind the last of them; none: to the last of all keys.
    pub end: Option<Vec<u8>>,
    /// The newest tombstone that a reader may see.
    pub newest: Option<u64>,
}

impl Span {
    /// Whether a key is one of them.
    pub fn holds(&self, key: &[u8]) -> bool {
        self.from.as_deref().is_none_or(|from| from <= key)
            && self.end.as_deref().is_none_or(|end| key < end)
    }

    /// The keys that are in both, and the newer tombstone.
    pub fn and(self, other: Self) -> Self {
        Self {
            // None is below every key.
            from: self.from.max(other.from),
            end: match (self.end, other.end) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
            newest: self.newest.max(other.newest),
        }
    }
}

impl Tombstones {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// How many fragments there are.
    pub fn len(&self) -> usize {
        self.fragments.len()
    }

    /// How much memory they take, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first key of all, and the key behind the last.
    pub fn extent(&self) -> Option<(&[u8], &[u8])> {
        let first = self.fragments.iter().next()?;
        let last = self.fragments.iter().next_back()?;
        Some((&first.first, &last.end))
    }

    /// Deletes the keys from `from` on and before `end`, at a sequence above all before.
    pub fn insert(&mut self, from: &[u8], end: &[u8], sequence: u64) {
        assert!(from < end, "[I1] a range that is not empty");
        self.cut(from);
        self.cut(end);
        let mut missing = Vec::new();
        let mut next = from.to_vec();
        for at in self.within_bounds(from, end) {
            let fragment = self.fragments.get(at);
            if next < fragment.first {
                missing.push((next, fragment.first.clone()));
            }
            next = fragment.end.clone();
            let sequences = self.fragments.sequences_mut(at);
            if sequences.last() != Some(&sequence) {
                sequences.push(sequence);
                self.bytes += 8;
            }
        }
        if next.as_slice() < end {
            missing.push((next, end.to_vec()));
        }
        for (first, end) in missing {
            self.add(first, end, vec![sequence]);
        }
    }

    fn add(&mut self, first: Vec<u8>, end: Vec<u8>, sequences: Vec<u64>) {
        let fragment = Fragment {
            first,
            end,
            sequences,
        };
        self.bytes += fragment.bytes();
        self.fragments.insert(fragment);
    }

    /// The places of the fragments that begin at or behind `from` and before `end`.
    fn within_bounds(&self, from: &[u8], end: &[u8]) -> Vec<At> {
        let mut at = self.fragments.floor(from);
        if at.is_none_or(|at| self.fragments.get(at).first.as_slice() < from) {
            at = self.fragments.after(at);
        }
        let places = std::iter::successors(at, |at| self.fragments.after(Some(*at)));
        let is_before = |at: &At| self.fragments.get(*at).first.as_slice() < end;
        places.take_while(is_before).collect()
    }

    /// [I1] Has no fragment hold both what is before a key and the key.
    fn cut(&mut self, key: &[u8]) {
        let Some(at) = self.fragments.floor(key) else {
            return;
        };
        let fragment = self.fragments.get(at);
        if fragment.first == key || fragment.end.as_slice() <= key {
            return;
        }
        let sequences = fragment.sequences.clone();
        let end = self.fragments.set_end(at, key);
        self.bytes -= end.len() as u64;
        self.bytes += key.len() as u64;
        self.add(key.to_vec(), end, sequences);
    }

    /// The newest tombstone below `visible` that covers a key.
    pub fn newest(&self, key: &[u8], visible: u64) -> Option<u64> {
        self.fragments.holding(key)?.newest(visible)
    }

    /// The neighbours of a key for which the same holds.
    pub fn span(&self, key: &[u8], visible: u64) -> Span {
        if let Some(fragment) = self.fragments.holding(key) {
            return Span {
                from: Some(fragment.first.clone()),
                end: Some(fragment.end.clone()),
                newest: fragment.newest(visible),
            };
        }
        let before = self.fragments.floor(key);
        let next = self.fragments.after(before);
        Span {
            from: before.map(|at| self.fragments.get(at).end.clone()),
            end: next.map(|at| self.fragments.get(at).first.clone()),
            newest: None,
        }
    }

    /// Adds all of other tombstones.
    pub fn extend(&mut self, other: &Self) {
        for fragment in other.fragments.iter() {
            for sequence in &fragment.sequences {
                self.merge(&fragment.first, &fragment.end, *sequence);
            }
        }
    }

    /// As `insert`, whatever the order.
    fn merge(&mut self, from: &[u8], end: &[u8], sequence: u64) {
        self.insert(from, end, sequence);
        for at in self.within_bounds(from, end) {
            let sequences = self.fragments.sequences_mut(at);
            let before = sequences.len();
            sequences.sort_unstable();
            sequences.dedup();
            self.bytes -= 8 * (before - sequences.len()) as u64;
        }
    }

    /// What of them lies from `from` on and before `end`; none: no bound.
    pub fn within(&self, from: Option<&[u8]>, end: Option<&[u8]>) -> Self {
        let mut within = Self::default();
        for fragment in self.fragments.iter() {
            let first = from.map_or(&*fragment.first, |from| from.max(&fragment.first));
            let end = end.map_or(&*fragment.end, |end| end.min(&fragment.end));
            if first < end {
                within.add(first.to_vec(), end.to_vec(), fragment.sequences.clone());
            }
        }
        within
    }

    /// What somebody may need of them: those at or above `horizon`, and of those below it the
    /// newest, unless nothing older can be below.
    pub fn needed(&self, horizon: u64, is_bottom: bool) -> Self {
        let mut needed = Self::default();
        for fragment in self.fragments.iter() {
            let below = fragment.sequences.partition_point(|own| *own < horizon);
            let kept = if is_bottom {
                below
            } else {
                below.saturating_sub(1)
            };
            let sequences = fragment.sequences[kept..].to_vec();
            if !sequences.is_empty() {
                needed.add(fragment.first.clone(), fragment.end.clone(), sequences);
            }
        }
        needed
    }

    /// The ranges without their sequences, as few as possible.
    pub fn for_each_run(&self, mut run: impl FnMut(&[u8], &[u8])) {
        let mut open: Option<(&[u8], &[u8])> = None;
        for fragment in self.fragments.iter() {
            open = match open {
                Some((from, end)) if end == fragment.first => Some((from, &fragment.end)),
                before => {
                    if let Some((from, end)) = before {
                        run(from, end);
                    }
                    Some((&fragment.first, &fragment.end))
                }
            };
        }
        if let Some((from, end)) = open {
            run(from, end);
        }
    }

    /// The lowest and the highest sequence.
    pub fn sequences(&self) -> Option<(u64, u64)> {
        let all = || self.fragments.iter().flat_map(|own| own.sequences.iter());
        Some((*all().min()?, *all().max()?))
    }

    /// The section of a table.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = len_u32(self.fragments.len()).to_le_bytes().to_vec();
        for fragment in self.fragments.iter() {
            let sequences = fragment.sequences.len();
            for len in [fragment.first.len(), fragment.end.len(), sequences] {
                bytes.extend_from_slice(&len_u32(len).to_le_bytes());
            }
            bytes.extend_from_slice(&fragment.first);
            bytes.extend_from_slice(&fragment.end);
            for sequence in &fragment.sequences {
                bytes.extend_from_slice(&sequence.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads the section of a table.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Defect> {
        let at = cursor.at();
        let count = cursor.u32("fragments")?;
        let room = cursor.rest().len() / FRAGMENT_BYTES_MIN;
        if count as usize > room {
            return Err(Defect::new(at, "fragments", room as u64, count));
        }
        let mut tombstones = Self::default();
        let mut last_end: Option<&[u8]> = None;
        for _ in 0..count {
            let at = cursor.at();
            let first_bytes = cursor.u32("length of the first key")? as usize;
            let end_bytes = cursor.u32("length of the end")? as usize;
            let sequences = cursor.u32("sequences")? as usize;
            let first = cursor.bytes(first_bytes, "first key")?;
            let end = cursor.bytes(end_bytes, "end")?;
            let bytes = cursor.bytes(sequences.saturating_mul(8), "sequences")?;
            let (chunks, _) = bytes.as_chunks::<8>();
            let sequences: Vec<_> = chunks.iter().map(|own| u64::from_le_bytes(*own)).collect();
            if last_end.is_some_and(|last| last > first) || first >= end {
                let expected = "a range behind the one before";
                return Err(Defect::new(at, "first key", expected, "another order"));
            }
            if sequences.is_empty() || !sequences.is_sorted_by(|one, two| one < two) {
                let expected = "sequences in order";
                return Err(Defect::new(at, "sequences", expected, "another order"));
            }
            tombstones.add(first.to_vec(), end.to_vec(), sequences);
            last_end = Some(end);
        }
        Ok(tombstones)
    }
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a table has fewer range tombstones than 4 G")
}

#[cfg(test)]
mod tests;
