//! Which groups, at which ends, explain what was shown.
//!
//! Positions that no known group has are free. Open groups are put there in every way until the
//! rows are those that were shown: there are few of either.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use super::view::Sight;
use super::{Group, Least, Open, Oracle, Shown, Token, View, Write};
use crate::failure::Failure;

/// A state that was shown.
pub(super) struct Explained {
    pub end: u64,
    /// Positions of open groups, those by their place in the list.
    pub placed: Vec<(u64, usize)>,
}

/// What is to be explained.
struct Question<'a, K: Ord, V> {
    sights: &'a [Sight<K, V>],
    /// Which open groups may be there, and which must.
    may: &'a dyn Fn(&Open<K, V>) -> bool,
    must: &'a dyn Fn(&Open<K, V>) -> bool,
}

/// Carries out a group's writes.
fn fold<K: Ord + Clone, V: Clone>(rows: &mut BTreeMap<K, V>, writes: &[Write<K, V>]) {
    for write in writes {
        match write {
            Write::Put(key, value) => drop(rows.insert(key.clone(), value.clone())),
            Write::Delete(key) => drop(rows.remove(key)),
            Write::DeleteRange(range) => rows.retain(|key, _| !range.contains(key)),
        }
    }
}

impl<K: Ord + Clone + Debug, V: Clone + PartialEq + Debug> Oracle<K, V> {
    /// The rows at an end, with open groups at these positions.
    pub(super) fn state(&self, end: u64, placed: &[(u64, usize)]) -> BTreeMap<K, V> {
        let (from, mut rows) = match &self.settled {
            (settled, rows) if *settled <= end => (*settled, BTreeMap::clone(rows)),
            _ => (self.first, BTreeMap::new()),
        };
        let known = self.history.range(from.min(end)..end);
        let known = known.map(|(at, group)| (*at, &*group.writes));
        let placed = placed.iter();
        let placed = placed.map(|(at, index)| (*at, &*self.open[*index].writes));
        let mut all: Vec<_> = known.chain(placed).collect();
        all.sort_unstable_by_key(|(at, _)| *at);
        for (_, writes) in all {
            fold(&mut rows, writes);
        }
        rows
    }

    pub(super) fn explain_opening(&self, shown: &Shown<K, V>, least: u64) -> Option<Explained> {
        let is_promised = shown.least == Least::Promised;
        let sight = Sight::whole(shown.rows.clone());
        let question = Question {
            sights: &[sight],
            may: &|_| true,
            must: &|open| open.is_owed && is_promised,
        };
        let ends = match shown.end {
            Some(end) => end..=end,
            None => least..=self.end() + self.open.len() as u64,
        };
        // Of states that are alike the last: what is settled then is the same.
        ends.rev().find_map(|end| self.explain_at(end, &question))
    }

    /// Takes up a history that an opening had cut, if it explains the rows.
    pub(super) fn explain_by_branches(&mut self, shown: &Shown<K, V>) -> Option<Explained> {
        let branches = std::mem::take(&mut self.branches);
        let present = std::mem::take(&mut self.history);
        let (settled, open) = (self.settled.clone(), std::mem::take(&mut self.open));
        self.settled = (self.first, Arc::default());
        let mut found = None;
        for branch in &branches {
            self.history.clone_from(branch);
            found = self.explain_opening(shown, self.first);
            if found.is_some() {
                break;
            }
        }
        self.branches = branches;
        match found {
            Some(_) => self.branches.push(present),
            None => (self.history, self.settled, self.open) = (present, settled, open),
        }
        found
    }

    /// Judges what a read that begun as `view` has shown.
    ///
    /// # Errors
    /// It is no state from between its begin and its end, or lacks what an earlier read has shown.
    pub fn read(&mut self, view: &View<K, V>) -> Result<(), Failure> {
        let question = Question {
            sights: &view.sights,
            may: &|open| view.may_show(open.token),
            must: &|open| open.seen.is_some_and(|seen| seen <= view.reads),
        };
        let high = view.end_max(self.end() + self.open.len() as u64);
        // Behind a group that was handed in later, no end is one that it can have.
        let is_later = |group: &Arc<Group<K, V>>| !view.may_show(group.token);
        let mut later = self.history.range(view.floor..);
        let later = later.find(|(_, group)| is_later(group));
        let high = later.map_or(high, |(at, _)| high.min(*at));
        let mut ends = view.floor..=high.max(view.floor);
        let Some(found) = ends.find_map(|end| self.explain_at(end, &question)) else {
            return Err(Failure::new(
                "one state",
                format!(
                    "no state at an end of {} to {high} explains {:?}; {}",
                    view.floor,
                    view.sights,
                    self.expected(self.end())
                ),
            ));
        };
        if !view.is_outside {
            self.note_read(view, found.end);
        }
        Ok(())
    }

    /// Reads that begin from now on show what this one did.
    fn note_read(&mut self, view: &View<K, V>, end: u64) {
        self.reads += 1;
        self.read_through = self.read_through.max(end);
        let shown: Vec<Token> = self
            .open
            .iter()
            .filter(|open| self.is_seen(view, open))
            .map(|open| open.token)
            .collect();
        for open in &mut self.open {
            if shown.contains(&open.token) {
                open.seen.get_or_insert(self.reads);
            }
        }
    }

    /// Whether a value was shown that this open group puts, and nothing else.
    fn is_seen(&self, view: &View<K, V>, open: &Open<K, V>) -> bool {
        let others = self.open.iter().filter(|other| other.token != open.token);
        let others = others.map(|other| &other.writes);
        let known = self.history.values().map(|group| &group.writes);
        let others: Vec<_> = known.chain(others).collect();
        open.writes.iter().any(|write| {
            let is_other = |writes: &Arc<Vec<Write<K, V>>>| writes.contains(write);
            match write {
                Write::Put(key, value) => {
                    view.shows(key, value) && !others.iter().any(|writes| is_other(writes))
                }
                Write::Delete(_) | Write::DeleteRange(_) => false,
            }
        })
    }

    /// How the state at an end can be what was shown.
    fn explain_at(&self, end: u64, question: &Question<'_, K, V>) -> Option<Explained> {
        // All is known before the settled end.
        let free = self.settled.0..end;
        let free = free.filter(|at| !self.history.contains_key(at));
        let free: Vec<u64> = free.take(self.open.len() + 1).collect();
        if free.len() > self.open.len() {
            return None;
        }
        let mut placed = Vec::new();
        let is_found = self.place(&free, &mut placed, question, end);
        is_found.then_some(Explained { end, placed })
    }

    /// Puts an open group at each free position, in every way, until that explains the rows.
    fn place(
        &self,
        free: &[u64],
        placed: &mut Vec<(u64, usize)>,
        question: &Question<'_, K, V>,
        end: u64,
    ) -> bool {
        let is_placed =
            |placed: &[(u64, usize)], index| placed.iter().any(|(_, placed)| *placed == index);
        let Some((at, rest)) = free.split_first() else {
            let mut open = self.open.iter().enumerate();
            return open.all(|(index, open)| !(question.must)(open) || is_placed(placed, index))
                && self.is_shown(question.sights, end, placed);
        };
        for (index, open) in self.open.iter().enumerate() {
            if open.after > *at || !(question.may)(open) || is_placed(placed, index) {
                continue;
            }
            placed.push((*at, index));
            if self.place(rest, placed, question, end) {
                return true;
            }
            placed.pop();
        }
        false
    }

    fn is_shown(&self, sights: &[Sight<K, V>], end: u64, placed: &[(u64, usize)]) -> bool {
        let state = self.state(end, placed);
        sights.iter().all(|sight| sight.is_of(&state))
    }

    pub(super) fn unexplained(&self, shown: &Shown<K, V>, least: u64) -> Failure {
        let end = shown.end.unwrap_or_else(|| self.end());
        let message = format!(
            "no state at an end from {least} on explains {:?}, which ends at {:?}; {}",
            shown.rows,
            shown.end,
            self.expected(end)
        );
        Failure::new("one state", message)
    }

    fn expected(&self, end: u64) -> String {
        let open = self.open.iter().map(|open| {
            let Open {
                token,
                after,
                writes,
                ..
            } = open;
            format!("{token} from {after} on: {writes:?}")
        });
        let known = self.history.iter();
        let known = known.map(|(at, group)| format!("{at}: {}", group.token));
        format!(
            "without open groups ({}) it is {:?} at {end}; groups by position: {}",
            open.collect::<Vec<_>>().join(", "),
            self.state(end, &[]),
            known.collect::<Vec<_>>().join(", ")
        )
    }
}
