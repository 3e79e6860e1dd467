//! Rows of some sources become tables, without what nobody needs.
//!
//! A merge is cut into steps, so that others come in between: a memtable that is full does not wait
//! for a long merge.
//!
//! Invariants:
//! - \[I1\] A row is dropped only if a newer row or range tombstone of its key is below the
//!   horizon. A delete is dropped only if it is below the horizon itself, and nothing below the
//!   output may hold its key.
//! - \[I2\] All rows of a key are in one output.

use super::compaction::Plan;
use super::cursor;
use super::error::StoreError;
use super::manifest::{BOTTOM, RunInfo};
use super::memtable::Row;
use super::output::Output;
use super::table::TableInfo;
use super::tombstone::{Span, Tombstones};
use crate::commitlog::directory::Directory;

/// A table is cut before its full size only if it has a share of it.
const CUT_SHARE: u64 = 16;
/// Bytes of a keyspace in a key.
const PREFIX_BYTES: usize = 4;

/// Ranges of keys, in order, for keys that come in order.
#[derive(Debug, Default)]
pub(crate) struct Ranges {
    all: Vec<(Vec<u8>, Vec<u8>)>,
    /// Those before are behind us.
    at: usize,
}

impl Ranges {
    /// What tables of these runs cover. Ranges that touch become one.
    pub fn of_runs<'a>(runs: impl IntoIterator<Item = &'a RunInfo>) -> Self {
        let tables = runs.into_iter().flat_map(|run| &run.tables);
        let range = |table: &TableInfo| (table.first_key.clone(), table.end_key.clone());
        let mut sorted: Vec<_> = tables.map(range).collect();
        sorted.sort_unstable();
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (first, end) in sorted {
            match all.last_mut() {
                Some(last) if first <= last.1 => last.1 = end.max(std::mem::take(&mut last.1)),
                _ => all.push((first, end)),
            }
        }
        Self { all, at: 0 }
    }

    /// Whether one of them holds a key that is not before the last one asked for.
    fn hold(&mut self, key: &[u8]) -> bool {
        while self
            .all
            .get(self.at)
            .is_some_and(|(_, end)| end.as_slice() <= key)
        {
            self.at += 1;
        }
        self.all
            .get(self.at)
            .is_some_and(|(first, _)| first.as_slice() <= key)
    }

    /// Whether one of them shares a key with a range.
    fn overlap(&self, from: &[u8], end: &[u8]) -> bool {
        self.all
            .iter()
            .any(|(first, last)| first.as_slice() < end && from < last.as_slice())
    }
}

/// Where outputs may be cut before they are full.
#[derive(Debug, Default)]
pub(crate) struct Cuts {
    /// Tables above the bottom begin at the same keys, where that is possible.
    pub guards: Vec<Vec<u8>>,
    /// What tables of the bottom cover: an output that would span one without a row in it is cut.
    pub bottom: Vec<(Vec<u8>, Vec<u8>)>,
    at: (usize, usize),
}

impl Cuts {
    pub fn new(guards: Vec<Vec<u8>>, bottom: &[TableInfo]) -> Self {
        let range = |table: &TableInfo| (table.first_key.clone(), table.end_key.clone());
        Self {
            guards,
            bottom: bottom.iter().map(range).collect(),
            at: (0, 0),
        }
    }

    /// Whether an output may end between the key before and this one. They come in order.
    fn pass(&mut self, key: &[u8]) -> bool {
        let is_passed = |guard: &&Vec<u8>| guard.as_slice() <= key;
        let guards = self.guards.iter().skip(self.at.0);
        let guards = guards.take_while(is_passed).count();
        self.at.0 += guards;
        let spanned = self.bottom.get(self.at.1);
        let is_spanned = spanned.is_some_and(|(_, end)| end.as_slice() <= key);
        let is_begun = |range: &&(Vec<u8>, Vec<u8>)| range.0.as_slice() <= key;
        let begun = self.bottom.iter().skip(self.at.1);
        self.at.1 += begun.take_while(is_begun).count();
        guards > 0 || is_spanned
    }
}

/// [I1] The rows of some sources that somebody may need.
pub(crate) struct Kept {
    rows: cursor::Merge,
    tombstones: Tombstones,
    /// Which keys the same range tombstone below the horizon covers.
    span: Span,
    horizon: u64,
    /// What is below the output.
    below: Ranges,
    /// The last key that was met.
    last_key: Vec<u8>,
    /// Whether a row of it is below the horizon; none: no key was met.
    last: Option<bool>,
}

/// What a merge reads.
pub(crate) struct Sources {
    pub rows: cursor::Merge,
    pub tombstones: Tombstones,
    /// What is below the output.
    pub below: Ranges,
    pub horizon: u64,
}

impl Kept {
    fn new(sources: Sources) -> Self {
        let Sources {
            rows,
            tombstones,
            below,
            horizon,
        } = sources;
        Self {
            rows,
            span: tombstones.span(&[], horizon),
            tombstones,
            horizon,
            below,
            last_key: Vec::new(),
            last: None,
        }
    }

    /// [I1] The range tombstones that somebody may need.
    fn needed(&self) -> Tombstones {
        let extent = self.tombstones.extent();
        let is_bottom = !extent.is_some_and(|(from, end)| self.below.overlap(from, end));
        self.tombstones.needed(self.horizon, is_bottom)
    }

    /// The next row; none at the end.
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        while let Some(row) = self.rows.next()? {
            let is_same = self.last.is_some() && self.last_key == row.key;
            let is_covered = is_same && self.last == Some(true);
            let is_below = row.sequence < self.horizon;
            if !is_same {
                self.last_key.clear();
                self.last_key.extend_from_slice(&row.key);
            }
            self.last = Some(is_covered || is_below);
            if !self.span.holds(&row.key) {
                self.span = self.tombstones.span(&row.key, self.horizon);
            }
            let is_deleted = self.span.newest.is_some_and(|at| row.sequence < at);
            let is_gone = is_below && row.value.is_none() && !self.below.hold(&row.key);
            if !is_covered && !is_deleted && !is_gone {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// What tables are made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub tables: &'a Directory,
    pub block_bytes: usize,
    /// A table ends once it has this many bytes.
    pub table_bytes_max: u64,
}

/// A merge that has begun.
pub(crate) struct Merging {
    kept: Kept,
    /// Range tombstones that outputs still have to get.
    needed: Tombstones,
    cuts: Cuts,
    output: Option<Output>,
    /// The first key that no complete output may hold.
    from: Option<Vec<u8>>,
    done: Vec<TableInfo>,
}

impl Merging {
    /// Begins a merge.
    pub fn new(sources: Sources, cuts: Cuts) -> Self {
        let kept = Kept::new(sources);
        Self {
            needed: kept.needed(),
            kept,
            cuts,
            output: None,
            from: None,
            done: Vec::new(),
        }
    }

    /// Writes about as many bytes; returns how many it wrote, and whether the merge is complete. A
    /// table that it begins has the number that `number` gives.
    ///
    /// # Errors
    /// The merge is of no more use: [`abandon`](Self::abandon) it.
    pub fn step(
        &mut self,
        place: Place<'_>,
        bytes_max: u64,
        number: &mut dyn FnMut() -> u64,
    ) -> Result<(u64, bool), StoreError> {
        let mut written = 0;
        while written < bytes_max {
            let Some(row) = self.kept.next()? else {
                self.end(place, number)?;
                return Ok((written, true));
            };
            written += (row.key.len() + row.value.as_ref().map_or(0, Vec::len) + 8) as u64;
            if self.is_cut(&row.key, place.table_bytes_max) {
                self.end_output(Some(&row.key))?;
            }
            let output = match &mut self.output {
                Some(output) => output,
                None => {
                    let created = Output::create(place.tables, number(), place.block_bytes)?;
                    self.output.insert(created)
                }
            };
            output.push(&row.key, row.sequence, row.value.as_deref())?;
        }
        Ok((written, false))
    }

    /// [I2] Whether the output ends before a key.
    fn is_cut(&mut self, key: &[u8], bytes_max: u64) -> bool {
        let last = self.output.as_ref().map(Output::last_key);
        if last == Some(key) {
            return false;
        }
        let is_between = self.cuts.pass(key);
        let Some(output) = &self.output else {
            return false;
        };
        let is_other = output.last_key().get(..PREFIX_BYTES) != key.get(..PREFIX_BYTES);
        let bytes = output.bytes();
        bytes >= bytes_max || ((is_between || is_other) && bytes >= bytes_max / CUT_SHARE)
    }

    /// Completes the output. What comes then begins with `next`.
    fn end_output(&mut self, next: Option<&[u8]>) -> Result<(), StoreError> {
        if let Some(output) = self.output.take() {
            let tombstones = self.needed.within(self.from.as_deref(), next);
            self.done.push(output.finish(tombstones)?);
            self.from = next.map(<[u8]>::to_vec);
        }
        Ok(())
    }

    /// Completes the last output.
    fn end(&mut self, place: Place<'_>, number: &mut dyn FnMut() -> u64) -> Result<(), StoreError> {
        let has_none = self.output.is_none() && self.done.is_empty();
        if has_none && !self.needed.is_empty() {
            self.output = Some(Output::create(place.tables, number(), place.block_bytes)?);
        }
        self.end_output(None)
    }

    /// The tables it made, once it is complete.
    pub fn into_tables(self) -> Vec<TableInfo> {
        self.done
    }

    /// Removes what it wrote, as far as that succeeds.
    pub fn abandon(self, remove: &mut dyn FnMut(u64)) {
        if let Some(output) = self.output {
            output.abandon();
        }
        for table in self.done {
            remove(table.number);
        }
    }
}

/// Inputs of a plan whose rows are all covered by one range tombstone that everybody sees need not
/// be read.
pub(crate) fn is_covered(info: &TableInfo, tombstones: &Tombstones, horizon: u64) -> bool {
    let span = tombstones.span(&info.first_key, horizon);
    let is_inside = span.end.as_ref().is_some_and(|end| info.end_key <= *end);
    is_inside && span.newest.is_some_and(|at| info.sequence_max < at)
}

/// What is below the output of a plan.
pub(crate) fn below(runs: &[RunInfo], plan: &Plan) -> Ranges {
    let last = runs.iter().rposition(|run| {
        let mut tables = run.tables.iter();
        tables.any(|table| plan.inputs.contains(&table.number))
    });
    let is_below = |(at, _): &(usize, &RunInfo)| last.is_none_or(|last| *at > last);
    let runs = runs.iter().enumerate().filter(is_below).map(|(_, run)| run);
    match plan.tier {
        BOTTOM => Ranges::default(),
        _ => Ranges::of_runs(runs),
    }
}

#[cfg(test)]
mod tests;
