//! What one read, or all reads of one snapshot, have shown.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};

use super::{Level, Oracle, Token};

/// The rows of a range, as they were shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight<K: Ord, V> {
    range: (Bound<K>, Bound<K>),
    rows: BTreeMap<K, V>,
}

impl<K: Ord, V: PartialEq> Sight<K, V> {
    /// All rows.
    pub fn whole(rows: BTreeMap<K, V>) -> Self {
        let range = (Bound::Unbounded, Bound::Unbounded);
        Self { range, rows }
    }

    /// Whether a state has these rows in the range, and no other.
    pub fn is_of(&self, state: &BTreeMap<K, V>) -> bool {
        let in_range = state.iter().filter(|(key, _)| self.range.contains(*key));
        in_range.eq(self.rows.iter())
    }
}

/// A read, or a snapshot: [`Oracle::view`] when it begins, [`View::saw`] for all that it shows,
/// [`Oracle::read`] to have that judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View<K: Ord, V> {
    /// It shows all groups before this.
    pub(super) floor: u64,
    /// It came after so many reads.
    pub(super) reads: u64,
    /// It is another process's: what it has shown, this one need not show.
    pub(super) is_outside: bool,
    /// It shows nothing behind this position, nor a group with this token or a later one.
    until: Option<(u64, Token)>,
    pub(super) sights: Vec<Sight<K, V>>,
}

impl<K: Ord + Clone, V: Clone + PartialEq> View<K, V> {
    /// It has shown these rows of a range, and no other. All that is added is to be one state.
    pub fn saw(&mut self, range: impl RangeBounds<K>, rows: BTreeMap<K, V>) {
        let range = (range.start_bound().cloned(), range.end_bound().cloned());
        self.sights.push(Sight { range, rows });
    }

    /// Forgets what it has shown, not when it began.
    pub fn clear(&mut self) {
        self.sights.clear();
    }

    pub(super) fn shows(&self, key: &K, value: &V) -> bool {
        let mut sights = self.sights.iter();
        sights.any(|sight| sight.rows.get(key) == Some(value))
    }

    pub(super) fn may_show(&self, token: Token) -> bool {
        self.until.is_none_or(|(_, next)| token < next)
    }

    pub(super) fn end_max(&self, end: u64) -> u64 {
        self.until.map_or(end, |(until, _)| until)
    }
}

impl<K: Ord + Clone + Debug, V: Clone + PartialEq + Debug> Oracle<K, V> {
    /// A read begins: it has to show all that was acknowledged, and all that other reads have
    /// shown.
    pub fn view(&self) -> View<K, V> {
        View {
            floor: self.end().max(self.read_through),
            reads: self.reads,
            is_outside: false,
            until: None,
            sights: Vec::new(),
        }
    }

    /// Another process begins to look: it has to show all that had reached a level.
    pub fn view_from_outside(&self, level: Level) -> View<K, V> {
        View {
            floor: self.reached_end(level),
            reads: 0,
            is_outside: true,
            ..self.view()
        }
    }

    /// A look at the state at this end.
    pub fn view_at(&self, end: u64) -> View<K, V> {
        View {
            floor: end,
            until: Some((end, Token::MAX)),
            ..self.view_from_outside(Level::Synced)
        }
    }

    /// A snapshot was taken, or an iterator opened: whatever it will show is there by now.
    pub fn view_is_fixed(&self, view: &mut View<K, V>) {
        let end = self.end() + self.open.len() as u64;
        view.until = Some((end.max(view.floor), self.token_next));
    }
}
