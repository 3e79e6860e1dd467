//! A value for each number of some ranges, where whole ranges have the same.

/// What was put last stands. Ranges are half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs<V> {
    /// Disjoint, ascending, none of them empty.
    runs: Vec<(u64, u64, V)>,
}

impl<V> Default for Runs<V> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<V: Copy + PartialEq> Runs<V> {
    /// Gives all numbers of a range a value.
    pub fn put(&mut self, start: u64, end: u64, value: V) {
        if start >= end {
            return;
        }
        if let Some(last) = self.runs.last_mut()
            && last.1 == start
            && last.2 == value
        {
            last.1 = end;
            return;
        }
        let (first, past) = self.touched(start, end);
        let left = self.runs.get(first).copied();
        let right = past
            .checked_sub(1)
            .and_then(|at| self.runs.get(at))
            .copied();
        let left = left.filter(|&(from, ..)| from < start);
        let right = right.filter(|&(_, to, _)| first < past && to > end);
        let left = left.map(|(from, _, value)| (from, start, value));
        let right = right.map(|(_, to, value)| (end, to, value));
        let new = left.into_iter().chain([(start, end, value)]).chain(right);
        self.runs.splice(first..past, new);
    }

    /// Gives those numbers of a range that have a value another one.
    pub fn replace(&mut self, start: u64, end: u64, value: V) {
        let covered: Vec<_> = self.within(start, end).collect();
        for (start, end, _) in covered {
            self.put(start, end, value);
        }
    }

    /// The parts of a range that have a value, ascending, with it.
    pub fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64, V)> {
        let (first, past) = self.touched(start, end);
        let runs = self.runs.get(first..past).unwrap_or_default().iter();
        runs.map(move |&(from, to, value)| (from.max(start), to.min(end), value))
    }

    /// The parts of a range that have no value, ascending.
    pub fn gaps(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let ends = self.within(start, end).map(|(_, to, _)| to);
        let starts = self.within(start, end).map(|(from, ..)| from);
        let (ends, starts) = (std::iter::once(start).chain(ends), starts.chain([end]));
        ends.zip(starts).filter(|(from, to)| from < to)
    }

    /// Which of the runs meet a range.
    fn touched(&self, start: u64, end: u64) -> (usize, usize) {
        let first = self.runs.partition_point(|&(_, to, _)| to <= start);
        let past = self.runs.partition_point(|&(from, ..)| from < end);
        (first, past.max(first))
    }
}

#[cfg(test)]
mod tests;
