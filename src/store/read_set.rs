//! What a transaction has read: ranges of keys of the tree. A single key is a range as well.

use super::batch::Write;

/// What a transaction has read, in the order in which it read.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A range of a read set that grows as a cursor goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growing(usize);

impl ReadSet {
    /// Adds a key.
    pub fn key(&mut self, key: &[u8]) {
        self.ranges.push((key.to_vec(), behind(key)));
    }

    /// Adds a range of which nothing was read yet.
    pub fn begin(&mut self, from: &[u8]) -> Growing {
        self.ranges.push((from.to_vec(), from.to_vec()));
        Growing(self.ranges.len() - 1)
    }

    /// A range was read through this key.
    pub fn grow_through(&mut self, range: Growing, key: &[u8]) {
        let end = &mut self.ranges[range.0].1;
        end.clear();
        end.extend_from_slice(key);
        end.push(0);
    }

    /// A range was read to its end.
    pub fn grow_to(&mut self, range: Growing, end: &[u8]) {
        self.ranges[range.0].1 = end.to_vec();
    }

    /// The whole, for checks.
    pub fn seal(mut self) -> SealedReadSet {
        self.ranges.retain(|(from, end)| from < end);
        self.ranges.sort_unstable();
        let mut ranges: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(self.ranges.len());
        for (from, end) in self.ranges {
            match ranges.last_mut().filter(|(_, last)| *last >= from) {
                Some((_, last)) if *last < end => *last = end,
                Some(_) => {}
                None => ranges.push((from, end)),
            }
        }
        SealedReadSet { ranges }
    }
}

/// The key that comes next after this one.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// What a transaction has read: ranges in order, of which no two touch.
#[derive(Debug)]
pub(crate) struct SealedReadSet {
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
}

impl SealedReadSet {
    /// Whether a write changes what was read.
    pub fn is_changed_by(&self, write: Write<'_>) -> bool {
        let (from, before) = match write {
            Write::Row(key, _) => (key, self.ranges.partition_point(|range| *range.0 <= *key)),
            Write::DeleteRange(from, end) => {
                (from, self.ranges.partition_point(|range| *range.0 < *end))
            }
        };
        // Of ranges that begin before the write ends, the last one reaches furthest.
        let last = before.checked_sub(1).and_then(|at| self.ranges.get(at));
        last.is_some_and(|(_, end)| *end.as_slice() > *from)
    }
}

#[cfg(test)]
mod tests;
