//! Which tables to merge: decided from what the manifest says, by itself.
//!
//! Lazy leveling: above is a number of tiers, each of a few runs; below is the bottom, one run. A
//! flush adds a run to the first tier. As many runs as a tier may have are merged to one of the
//! next tier. Once all tiers together have a quarter of what the bottom has, tables go to the
//! bottom, with what they overlap there.
//!
//! An *island* is a set of tables above the bottom that overlap each other and no others. It goes
//! to the bottom by itself. So that there are several, and stay several, runs are cut where one
//! begins.
//!
//! Invariants:
//! - \[I1\] A table is moved below others only if it shares no key with them.
//! - \[I2\] Of a key that an input holds, all older rows that are not in the bottom are in inputs
//!   as well, or below where the output goes.
//! - \[I3\] Each plan brings its inputs down, or frees them of rows that nobody needs: a series of
//!   plans without a flush comes to an end.
//!
//! Not here: how rows are merged (`merge`), and what is done with a plan (`flush`).

use std::collections::BTreeSet;

use super::manifest::{BOTTOM, RunInfo};
use super::table::TableInfo;

/// A tier that has as many runs is merged to one.
const TIER_RUNS_MAX: usize = 4;
/// The tiers may have the bytes of the bottom divided by this.
const BOTTOM_RATIO: u64 = 4;
/// Nearly all rows of a table are deletes: it goes down even if as many times its bytes have to be
/// rewritten.
const DELETES_OVERLAP_MAX: u64 = 16;
/// Runs are cut at as many keys at most.
const GUARDS_MAX: usize = 8;
/// Deeper tiers are not told apart.
const TIER_MAX: u8 = 30;

/// What a decision depends on besides the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits<'a> {
    /// A table ends once it has this many bytes.
    pub table_bytes_max: u64,
    /// Below this sequence nobody needs older rows.
    pub horizon: u64,
    /// Tables that are damaged, or were merged with one that is. They stay where they are.
    pub stuck: &'a BTreeSet<u64>,
}

/// Tables that are to be replaced. By default none: a flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Numbers.
    pub inputs: BTreeSet<u64>,
    /// Where the output goes.
    pub tier: u8,
    /// The only input goes there as it is.
    pub is_move: bool,
}

/// The next thing to do, if there is any.
pub(crate) fn pick(runs: &[RunInfo], limits: &Limits<'_>) -> Option<Plan> {
    let stuck = |plan: &Plan| !plan.inputs.is_disjoint(limits.stuck);
    let islands = Islands::of(runs);
    let plan = pick_move(runs, limits)
        .or_else(|| pick_stale_bottom(runs, limits))
        .or_else(|| islands.pick_deletes(limits))
        .or_else(|| islands.pick_largest(limits))
        .or_else(|| pick_tier(runs))?;
    // A move reads nothing.
    (plan.is_move || !stuck(&plan)).then_some(plan)
}

/// The next thing to do so that all tables numbered below `before` are in the bottom, free of rows
/// that nobody needs, and not smaller than they have to be.
pub(crate) fn pick_all(runs: &[RunInfo], limits: &Limits<'_>, before: u64) -> Option<Plan> {
    let is_old = |table: &&TableInfo| table.number < before;
    let islands = Islands::of(runs);
    let has_old = |island: &&Island<'_>| island.tables.iter().any(is_old);
    if let Some(island) = islands.all.iter().find(has_old) {
        return Some(islands.plan(island, limits));
    }
    let bottom = bottom(runs);
    if let Some(table) = bottom.iter().find(|table| is_old(table) && table.stale > 0) {
        return Some(rewrite([table]));
    }
    let mut pairs = bottom.iter().zip(bottom.iter().skip(1));
    let fit = |one: &TableInfo, next: &TableInfo| one.bytes + next.bytes <= limits.table_bytes_max;
    let pair = pairs.find(|(one, next)| is_old(one) && is_old(next) && fit(one, next));
    pair.map(|(one, next)| rewrite([one, next]))
}

/// The runs once a plan is carried out.
pub(crate) fn applied(runs: &[RunInfo], plan: &Plan, outputs: Vec<TableInfo>) -> Vec<RunInfo> {
    let mut after: Vec<RunInfo> = runs.to_vec();
    for run in &mut after {
        run.tables
            .retain(|table| !plan.inputs.contains(&table.number));
    }
    after.retain(|run| !run.tables.is_empty());
    let at = after.partition_point(|run| run.tier < plan.tier);
    match after.get_mut(at).filter(|run| run.tier == BOTTOM) {
        Some(bottom) if plan.tier == BOTTOM => {
            bottom.tables.extend(outputs);
            let by_key = |one: &TableInfo, two: &TableInfo| one.first_key.cmp(&two.first_key);
            bottom.tables.sort_by(by_key);
        }
        _ if outputs.is_empty() => {}
        _ => after.insert(
            at,
            RunInfo {
                tier: plan.tier,
                tables: outputs,
            },
        ),
    }
    assert!(
        after.iter().all(RunInfo::is_disjoint),
        "[I1] tables of a run share no key"
    );
    after
}

/// By how many bytes the tiers exceed what they may have. Writers are slowed in proportion.
pub(crate) fn debt(runs: &[RunInfo], limits: &Limits<'_>) -> u64 {
    let free = TIER_RUNS_MAX as u64 * limits.table_bytes_max;
    let above = upper(runs).iter().flat_map(|run| &run.tables);
    let above = above.filter(|table| !limits.stuck.contains(&table.number));
    let above: u64 = above.map(|table| table.bytes).sum();
    above.saturating_sub(free.max(bytes(bottom(runs)) / BOTTOM_RATIO))
}

/// Keys at which a run above the bottom is cut, in order.
pub(crate) fn guards(runs: &[RunInfo]) -> Vec<Vec<u8>> {
    let islands = Islands::of(runs).all;
    let mut firsts: Vec<_> = islands.iter().map(|island| island.first).collect();
    if firsts.len() < 2 {
        let tables = bottom(runs).iter();
        firsts = tables.map(|table| table.first_key.as_slice()).collect();
    }
    let pieces = GUARDS_MAX.min(firsts.len());
    let first = |piece: usize| firsts.get(piece * firsts.len() / pieces);
    let firsts = (1..pieces).filter_map(first);
    firsts.map(|first| first.to_vec()).collect()
}

/// The run that no other is below.
pub(crate) fn bottom(runs: &[RunInfo]) -> &[TableInfo] {
    match runs.last() {
        Some(run) if run.tier == BOTTOM => &run.tables,
        _ => &[],
    }
}

fn upper(runs: &[RunInfo]) -> &[RunInfo] {
    let count = runs.partition_point(|run| run.tier < BOTTOM);
    runs.get(..count).unwrap_or_default()
}

fn bytes<'a>(tables: impl IntoIterator<Item = &'a TableInfo>) -> u64 {
    tables.into_iter().map(|table| table.bytes).sum()
}

fn rewrite<'a>(tables: impl IntoIterator<Item = &'a TableInfo>) -> Plan {
    Plan {
        inputs: tables.into_iter().map(|table| table.number).collect(),
        tier: BOTTOM,
        is_move: false,
    }
}

/// The tables of a run that share keys with a range.
fn overlap<'a>(tables: &'a [TableInfo], first: &[u8], end: &[u8]) -> &'a [TableInfo] {
    let from = tables.partition_point(|table| table.end_key.as_slice() <= first);
    let to = tables.partition_point(|table| table.first_key.as_slice() < end);
    tables.get(from..to).unwrap_or_default()
}

/// [I1] A table that shares no key with older runs belongs to the bottom, if it is large enough to
/// stay as it is.
fn pick_move(runs: &[RunInfo], limits: &Limits<'_>) -> Option<Plan> {
    let upper = upper(runs);
    for (at, run) in upper.iter().enumerate().rev() {
        let older = runs.get(at + 1..).unwrap_or_default();
        let is_alone = |table: &&TableInfo| {
            let overlaps =
                |run: &RunInfo| !overlap(&run.tables, &table.first_key, &table.end_key).is_empty();
            !older.iter().any(overlaps)
        };
        let is_large = |table: &&TableInfo| table.bytes >= limits.table_bytes_max / 4;
        let is_fresh = |table: &&TableInfo| table.stale.saturating_mul(4) <= table.rows;
        let mut tables = run.tables.iter();
        if let Some(table) =
            tables.find(|table| is_large(table) && is_fresh(table) && is_alone(table))
        {
            return Some(Plan {
                is_move: true,
                ..rewrite([table])
            });
        }
    }
    None
}

/// [I3] A quarter of a table in the bottom is of no use, and nobody sees it any more.
fn pick_stale_bottom(runs: &[RunInfo], limits: &Limits<'_>) -> Option<Plan> {
    let mut tables = bottom(runs).iter();
    let is_stale = |table: &&TableInfo| {
        table.stale.saturating_mul(4) > table.rows
            && table.sequence_max < limits.horizon
            && !limits.stuck.contains(&table.number)
    };
    tables.find(is_stale).map(|table| rewrite([table]))
}

/// [I2] All runs of a tier, so that what is older is below.
fn pick_tier(runs: &[RunInfo]) -> Option<Plan> {
    let upper = upper(runs);
    let tier = |tier: u8| upper.iter().filter(move |run| run.tier == tier);
    let tiers: BTreeSet<u8> = upper.iter().map(|run| run.tier).collect();
    let full = tiers
        .into_iter()
        .find(|number| tier(*number).count() >= TIER_RUNS_MAX)?;
    let tables = tier(full).flat_map(|run| &run.tables);
    Some(Plan {
        tier: full.saturating_add(1).min(TIER_MAX),
        ..rewrite(tables)
    })
}

/// Tables above the bottom that overlap each other and no others.
struct Island<'a> {
    tables: Vec<&'a TableInfo>,
    first: &'a [u8],
    end: &'a [u8],
}

impl Island<'_> {
    fn bytes(&self) -> u64 {
        bytes(self.tables.iter().copied())
    }
}

struct Islands<'a> {
    all: Vec<Island<'a>>,
    bottom: &'a [TableInfo],
}

impl<'a> Islands<'a> {
    fn of(runs: &'a [RunInfo]) -> Self {
        let tables = upper(runs).iter().flat_map(|run| &run.tables);
        let mut tables: Vec<_> = tables.collect();
        tables.sort_by(|one, two| one.first_key.cmp(&two.first_key));
        let mut all: Vec<Island<'_>> = Vec::new();
        for table in tables {
            match all.last_mut() {
                Some(island) if table.first_key.as_slice() < island.end => {
                    island.end = island.end.max(&table.end_key);
                    island.tables.push(table);
                }
                _ => all.push(Island {
                    tables: vec![table],
                    first: &table.first_key,
                    end: &table.end_key,
                }),
            }
        }
        let bottom = bottom(runs);
        Self { all, bottom }
    }

    fn below(&self, island: &Island<'_>) -> &'a [TableInfo] {
        overlap(self.bottom, island.first, island.end)
    }

    /// Whether nothing is damaged that a merge of an island would read.
    fn is_free(&self, island: &Island<'_>, limits: &Limits<'_>) -> bool {
        let mut tables = island.tables.iter().copied().chain(self.below(island));
        tables.all(|table| !limits.stuck.contains(&table.number))
    }

    /// [I2] An island with what it overlaps in the bottom. If anything is rewritten, small tables
    /// beside are taken along.
    fn plan(&self, island: &Island<'_>, limits: &Limits<'_>) -> Plan {
        let below = self.below(island);
        if let (&[table], []) = (island.tables.as_slice(), below)
            && table.stale == 0
        {
            return Plan {
                is_move: true,
                ..rewrite([table])
            };
        }
        let is_small = |table: &&TableInfo| table.bytes < limits.table_bytes_max / 4;
        let before = |table: &&TableInfo| table.end_key.as_slice() <= island.first;
        let behind = |table: &&TableInfo| table.first_key.as_slice() >= island.end;
        let left = self.bottom.iter().rev().find(before).filter(is_small);
        let right = self.bottom.iter().find(behind).filter(is_small);
        let beside = left.into_iter().chain(right);
        rewrite(island.tables.iter().copied().chain(below).chain(beside))
    }

    /// Little but deletes: readers have to pass over them.
    fn pick_deletes(&self, limits: &Limits<'_>) -> Option<Plan> {
        let is_worth = |island: &&Island<'_>| {
            let stale: u64 = island.tables.iter().map(|table| table.stale).sum();
            let rows: u64 = island.tables.iter().map(|table| table.rows).sum();
            let rewritten = bytes(self.below(island));
            self.is_free(island, limits)
                && stale.saturating_mul(4) > rows.saturating_mul(3)
                && rewritten <= island.bytes().saturating_mul(DELETES_OVERLAP_MAX)
        };
        let island = self.all.iter().find(is_worth)?;
        Some(self.plan(island, limits))
    }

    /// The tiers have more than their share: the island goes that rewrites least for its bytes.
    fn pick_largest(&self, limits: &Limits<'_>) -> Option<Plan> {
        let above: u64 = self.all.iter().map(Island::bytes).sum();
        if above.saturating_mul(BOTTOM_RATIO) <= bytes(self.bottom) {
            return None;
        }
        let cost = |island: &&Island<'_>| {
            let rewritten = u128::from(bytes(self.below(island)));
            (rewritten << 32) / u128::from(island.bytes().max(1))
        };
        let islands = self
            .all
            .iter()
            .filter(|island| self.is_free(island, limits));
        let island = islands.min_by_key(cost)?;
        Some(self.plan(island, limits))
    }
}

#[cfg(test)]
mod tests;
