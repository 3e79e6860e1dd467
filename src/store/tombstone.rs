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

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::codec::{Cursor, Defect};

/// Three lengths.
const FRAGMENT_BYTES_MIN: usize = 12;

/// Ranges that were deleted, and at which sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tombstones {
    /// By their first key.
    fragments: BTreeMap<Vec<u8>, Fragment>,
    bytes: u64,
}

/// What ends a range, and at which sequences the range was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fragment {
    end: Vec<u8>,
    sequences: Vec<u64>,
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

impl Fragment {
    fn newest(&self, visible: u64) -> Option<u64> {
        let below = self.sequences.partition_point(|own| *own < visible);
        below.checked_sub(1).map(|last| self.sequences[last])
    }

    fn bytes(&self, from: &[u8]) -> u64 {
        (from.len() + self.end.len() + 8 * self.sequences.len() + 16) as u64
    }
}

impl Tombstones {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// How much memory they take, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first key of all, and the key behind the last.
    #[expect(dead_code, reason = "merges of some tables need it")]
    pub fn extent(&self) -> Option<(&[u8], &[u8])> {
        let (first, _) = self.fragments.first_key_value()?;
        let (_, last) = self.fragments.last_key_value()?;
        Some((first, &last.end))
    }

    /// Deletes the keys from `from` on and before `end`, at a sequence above all before.
    pub fn insert(&mut self, from: &[u8], end: &[u8], sequence: u64) {
        assert!(from < end, "[I1] a range that is not empty");
        self.cut(from);
        self.cut(end);
        let mut missing = Vec::new();
        let mut next = from;
        for (first, fragment) in self.fragments.range_mut::<[u8], _>(range(from, end)) {
            if next < first.as_slice() {
                missing.push((next.to_vec(), first.clone()));
            }
            if fragment.sequences.last() != Some(&sequence) {
                fragment.sequences.push(sequence);
                self.bytes += 8;
            }
            next = &fragment.end;
        }
        if next < end {
            missing.push((next.to_vec(), end.to_vec()));
        }
        for (first, end) in missing {
            self.add(first, end, vec![sequence]);
        }
    }

    fn add(&mut self, first: Vec<u8>, end: Vec<u8>, sequences: Vec<u64>) {
        let fragment = Fragment { end, sequences };
        self.bytes += fragment.bytes(&first);
        self.fragments.insert(first, fragment);
    }

    /// [I1] Has no fragment hold both what is before a key and the key.
    fn cut(&mut self, key: &[u8]) {
        let Some((_, fragment)) = self.before(key) else {
            return;
        };
        if fragment.end.as_slice() <= key {
            return;
        }
        let behind = fragment.clone();
        let first = self.before(key).map(|(first, _)| first.to_vec());
        if let Some(fragment) = first.and_then(|first| self.fragments.get_mut(&first)) {
            self.bytes -= fragment.end.len() as u64;
            self.bytes += key.len() as u64;
            fragment.end = key.to_vec();
            self.add(key.to_vec(), behind.end, behind.sequences);
        }
    }

    /// The last fragment that begins before a key.
    fn before(&self, key: &[u8]) -> Option<(&[u8], &Fragment)> {
        let bounds = (Bound::Unbounded, Bound::Excluded(key));
        let (first, fragment) = self.fragments.range::<[u8], _>(bounds).next_back()?;
        Some((first, fragment))
    }

    /// The last fragment that begins at or before a key.
    fn at(&self, key: &[u8]) -> Option<(&[u8], &Fragment)> {
        let bounds = (Bound::Unbounded, Bound::Included(key));
        let (first, fragment) = self.fragments.range::<[u8], _>(bounds).next_back()?;
        Some((first, fragment))
    }

    /// The newest tombstone below `visible` that covers a key.
    pub fn newest(&self, key: &[u8], visible: u64) -> Option<u64> {
        let (_, fragment) = self.at(key)?;
        match key < fragment.end.as_slice() {
            true => fragment.newest(visible),
            false => None,
        }
    }

    /// The neighbours of a key for which the same holds.
    pub fn span(&self, key: &[u8], visible: u64) -> Span {
        let found = self.at(key);
        if let Some((first, fragment)) = found.filter(|(_, found)| key < found.end.as_slice()) {
            return Span {
                from: Some(first.to_vec()),
                end: Some(fragment.end.clone()),
                newest: fragment.newest(visible),
            };
        }
        let bounds = (Bound::Excluded(key), Bound::Unbounded);
        let next = self.fragments.range::<[u8], _>(bounds).next();
        Span {
            from: found.map(|(_, fragment)| fragment.end.clone()),
            end: next.map(|(first, _)| first.clone()),
            newest: None,
        }
    }

    /// Adds all of other tombstones.
    pub fn extend(&mut self, other: &Self) {
        for (first, fragment) in &other.fragments {
            for sequence in &fragment.sequences {
                self.merge(first, &fragment.end, *sequence);
            }
        }
    }

    /// As `insert`, whatever the order.
    fn merge(&mut self, from: &[u8], end: &[u8], sequence: u64) {
        self.insert(from, end, sequence);
        for (_, fragment) in self.fragments.range_mut::<[u8], _>(range(from, end)) {
            fragment.sequences.sort_unstable();
            let before = fragment.sequences.len();
            fragment.sequences.dedup();
            self.bytes -= 8 * (before - fragment.sequences.len()) as u64;
        }
    }

    /// What of them lies from `from` on and before `end`; none: no bound.
    #[cfg_attr(not(test), expect(dead_code, reason = "merges of some tables need it"))]
    pub fn within(&self, from: Option<&[u8]>, end: Option<&[u8]>) -> Self {
        let mut within = self.clone();
        if let Some(from) = from {
            within.cut(from);
            within.fragments = within.fragments.split_off(from);
        }
        if let Some(end) = end {
            within.cut(end);
            drop(within.fragments.split_off(end));
        }
        let fragments = within.fragments.iter();
        within.bytes = fragments.map(|(first, own)| own.bytes(first)).sum();
        within
    }

    /// What somebody may need of them: those at or above `horizon`, and of those below it the
    /// newest, unless nothing older can be below.
    pub fn needed(&self, horizon: u64, is_bottom: bool) -> Self {
        let mut needed = Self::default();
        for (first, fragment) in &self.fragments {
            let below = fragment.sequences.partition_point(|own| *own < horizon);
            let kept = if is_bottom {
                below
            } else {
                below.saturating_sub(1)
            };
            let sequences = fragment.sequences[kept..].to_vec();
            if !sequences.is_empty() {
                needed.add(first.clone(), fragment.end.clone(), sequences);
            }
        }
        needed
    }

    /// The ranges without their sequences, as few as possible.
    pub fn for_each_run(&self, mut run: impl FnMut(&[u8], &[u8])) {
        let mut open: Option<(&[u8], &[u8])> = None;
        for (first, fragment) in &self.fragments {
            open = match open {
                Some((from, end)) if end == first.as_slice() => Some((from, &fragment.end)),
                before => {
                    if let Some((from, end)) = before {
                        run(from, end);
                    }
                    Some((first, &fragment.end))
                }
            };
        }
        if let Some((from, end)) = open {
            run(from, end);
        }
    }

    /// The lowest and the highest sequence.
    #[expect(dead_code, reason = "merges of some tables need it")]
    pub fn sequences(&self) -> Option<(u64, u64)> {
        let all = || self.fragments.values().flat_map(|own| own.sequences.iter());
        Some((*all().min()?, *all().max()?))
    }

    /// The section of a table.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = len_u32(self.fragments.len()).to_le_bytes().to_vec();
        for (first, fragment) in &self.fragments {
            let sequences = fragment.sequences.len();
            for len in [first.len(), fragment.end.len(), sequences] {
                bytes.extend_from_slice(&len_u32(len).to_le_bytes());
            }
            bytes.extend_from_slice(first);
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
            let last = tombstones.fragments.last_key_value();
            let is_behind = last.is_none_or(|(_, last)| last.end.as_slice() <= first);
            if !is_behind || first >= end {
                let expected = "a range behind the one before";
                return Err(Defect::new(at, "first key", expected, "another order"));
            }
            if sequences.is_empty() || !sequences.is_sorted_by(|one, two| one < two) {
                let expected = "sequences in order";
                return Err(Defect::new(at, "sequences", expected, "another order"));
            }
            tombstones.add(first.to_vec(), end.to_vec(), sequences);
        }
        Ok(tombstones)
    }
}

fn range<'a>(from: &'a [u8], end: &'a [u8]) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
    (Bound::Included(from), Bound::Excluded(end))
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a table has fewer range tombstones than 4 G")
}

#[cfg(test)]
mod tests;
