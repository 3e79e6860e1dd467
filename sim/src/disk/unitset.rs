//! Sets of the tear units of one effect, by their place in it.
//!
//! Choices are made and told apart by the million, and nearly all effects have at most 64 units:
//! such a set takes no memory of its own.

/// The bits of a word.
const WORD: usize = u64::BITS as usize;

/// Which of an effect's units are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitSet {
    /// How many units there are.
    count: usize,
    first: u64,
    /// Units from the 65th on.
    rest: Vec<u64>,
}

impl UnitSet {
    /// None of so many.
    pub fn none_of(count: usize) -> Self {
        Self {
            count,
            first: 0,
            rest: vec![0; count.div_ceil(WORD).saturating_sub(1)],
        }
    }

    /// All of so many.
    pub fn all_of(count: usize) -> Self {
        Self::first_of(count, count)
    }

    /// The first `len` of `count`.
    pub fn first_of(len: usize, count: usize) -> Self {
        let mut set = Self::none_of(count);
        for (number, word) in set.words_mut().enumerate() {
            *word = low_bits(len.saturating_sub(number * WORD));
        }
        set
    }

    /// Those of so many for which it holds.
    pub fn of(count: usize, is_in: impl Fn(usize) -> bool) -> Self {
        let mut set = Self::none_of(count);
        for (number, word) in set.words_mut().enumerate() {
            let first = number * WORD;
            let bits = 0..count.saturating_sub(first).min(WORD);
            *word = bits.fold(0, |word, at| word | u64::from(is_in(first + at)) << at);
        }
        set
    }

    /// How many units there are, in or not.
    pub fn len(&self) -> usize {
        self.count
    }

    /// How many are in.
    pub fn count(&self) -> usize {
        self.words().map(|word| word.count_ones() as usize).sum()
    }

    /// How many of the first `seen` are in.
    pub fn count_within(&self, seen: usize) -> usize {
        let words = self.words().zip(0..);
        let within =
            words.map(|(word, number)| word & low_bits(seen.saturating_sub(number * WORD)));
        within.map(|word| word.count_ones() as usize).sum()
    }

    /// Whether a unit is in; none behind the last is.
    pub fn has(&self, at: usize) -> bool {
        let word = self.words().nth(at / WORD).unwrap_or(0);
        word >> (at % WORD) & 1 == 1
    }

    /// Puts a unit in or takes it out; nothing behind the last.
    pub fn put(&mut self, at: usize, is_in: bool) {
        if at >= self.count {
            return;
        }
        if let Some(word) = self.words_mut().nth(at / WORD) {
            *word = *word & !(1 << (at % WORD)) | u64::from(is_in) << (at % WORD);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words().all(|word| word == 0)
    }

    pub fn is_all(&self) -> bool {
        self.count() == self.count
    }

    /// The last that is in.
    pub fn last(&self) -> Option<usize> {
        let words = self.words().zip(0..).filter(|&(word, _)| word != 0);
        let (word, number) = words.last()?;
        Some(number * WORD + word.ilog2() as usize)
    }

    /// Those that are in, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.words().zip(0..);
        words.flat_map(|(word, number): (u64, usize)| {
            let some = |word: u64| (word != 0).then_some(word);
            let rest = std::iter::successors(some(word), move |rest| some(rest & (rest - 1)));
            rest.map(move |rest| number * WORD + rest.trailing_zeros() as usize)
        })
    }

    /// The rows of neighbours that are in: the first of each, and the one behind its last.
    pub fn rows(&self) -> Vec<(usize, usize)> {
        let mut rows: Vec<(usize, usize)> = Vec::new();
        for at in self.iter() {
            match rows.last_mut() {
                Some(last) if last.1 == at => last.1 += 1,
                _ => rows.push((at, at + 1)),
            }
        }
        rows
    }

    /// Words of 64 units each, the first ones lowest.
    pub fn words(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }

    fn words_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        std::iter::once(&mut self.first).chain(&mut self.rest)
    }
}

/// A word with its lowest bits set.
pub(super) fn low_bits(count: usize) -> u64 {
    match count {
        0..WORD => (1 << count) - 1,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests;
