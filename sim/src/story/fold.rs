//! What of an era is shown: calls that change nothing are folded, and in a long era whole
//! operations that left nothing open.

use std::collections::BTreeMap;

use super::{CallMoment, EraStory, Moment, words};
use crate::call::CallKind;
use crate::disk::Outcome;

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// From here on this task carries this operation out.
    Turn { task: u32, op: u32 },
    /// A call or an event: its position, or that of the last one that was folded.
    Moment(usize),
    /// Moments that are folded away: the last of them, and in words what they are.
    Folded { last: usize, words: String },
}

/// The rows of an era, at most about `rows_max` of them.
pub(super) fn rows(era: &EraStory, rows_max: usize) -> Vec<Row> {
    let groups = groups(era);
    let count: usize = groups.iter().map(|group| group.rows.len()).sum();
    let mut surplus = count.saturating_sub(rows_max);
    let mut rows = Vec::new();
    let mut calm: Vec<&Group> = Vec::new();
    let last = groups.len().saturating_sub(1);
    for (at, group) in groups.iter().enumerate() {
        if surplus > 0 && group.is_calm && at < last {
            surplus = surplus.saturating_sub(group.rows.len());
            calm.push(group);
            continue;
        }
        rows.extend(fold_groups(&mut calm));
        rows.extend(group.rows.iter().cloned());
    }
    rows.extend(fold_groups(&mut calm));
    let more = rows.len().saturating_sub(rows_max + rows_max / 2);
    if more > 0 {
        // Even what matters is too much: the end of it matters most.
        let position = |row| match row {
            Row::Moment(at) | Row::Folded { last: at, .. } => Some(at),
            Row::Turn { .. } => None,
        };
        let last = rows.drain(..more).filter_map(position).max().unwrap_or(0);
        let words = format!("{more} more rows");
        rows.insert(0, Row::Folded { last, words });
    }
    rows
}

/// Moments in a row of one task and one operation.
struct Group {
    rows: Vec<Row>,
    calls: usize,
    is_calm: bool,
    last: usize,
    op: u32,
}

fn groups(era: &EraStory) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut present = None;
    let mut quiet: Vec<usize> = Vec::new();
    for (at, moment) in era.moments.iter().enumerate() {
        let by = moment.by();
        if present != Some(by) {
            if let Some(group) = groups.last_mut() {
                group.rows.extend(fold_quiet(era, &mut quiet));
            }
            present = Some(by);
            groups.push(Group {
                rows: vec![Row::Turn {
                    task: by.0,
                    op: by.1,
                }],
                calls: 0,
                is_calm: true,
                last: at,
                op: by.1,
            });
        }
        let Some(group) = groups.last_mut() else {
            continue;
        };
        group.last = at;
        match moment {
            Moment::Call(call) => {
                group.calls += 1;
                if is_quiet(call) {
                    quiet.push(at);
                    continue;
                }
                group.is_calm &= is_calm(era, call);
            }
            Moment::Event(event) => group.is_calm &= !event.contradicts,
        }
        group.rows.extend(fold_quiet(era, &mut quiet));
        group.rows.push(Row::Moment(at));
    }
    if let Some(group) = groups.last_mut() {
        group.rows.extend(fold_quiet(era, &mut quiet));
    }
    groups
}

/// Whether a call tells nothing: no effect, no sync, no fault, no error but that a name is missing.
fn is_quiet(call: &CallMoment) -> bool {
    const MISSING: &str = "(os error 2)";
    let is_sync = matches!(
        call.call.kind,
        CallKind::SyncData | CallKind::SyncAll | CallKind::SyncDir
    );
    let is_error = call.error.as_ref();
    let is_error = is_error.is_some_and(|error| !error.ends_with(MISSING));
    call.effects.is_empty()
        && call.settles.is_empty()
        && call.faults.is_empty()
        && !is_sync
        && !is_error
}

/// Whether all that a call did is whole in the end.
fn is_calm(era: &EraStory, call: &CallMoment) -> bool {
    let effects = call.effects.iter().filter_map(|&at| era.effects.get(at));
    let is_whole = |outcome: &Outcome| {
        matches!(
            outcome,
            Outcome::Durable | Outcome::Pending | Outcome::Survived
        )
    };
    // A program that meets a short call goes on behind it.
    let mut faults = call.faults.iter().filter_map(|&at| era.faults.get(at));
    call.error.is_none()
        && faults.all(|fault| matches!(fault.kind, "short call" | "stall"))
        && effects.map(|effect| &effect.outcome).all(is_whole)
}

fn fold_quiet(era: &EraStory, quiet: &mut Vec<usize>) -> Option<Row> {
    let &last = quiet.last()?;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for at in quiet.drain(..) {
        if let Some(Moment::Call(call)) = era.moments.get(at) {
            *kinds.entry(words::verb(call.call.kind)).or_default() += 1;
        }
    }
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(kind, count)| format!("{count} × {kind}"))
        .collect();
    let words = kinds.join(", ");
    Some(Row::Folded { last, words })
}

fn fold_groups(calm: &mut Vec<&Group>) -> Option<Row> {
    let last = calm.last()?.last;
    let mut ops: Vec<u32> = calm.iter().map(|group| group.op).collect();
    ops.sort_unstable();
    ops.dedup();
    let calls: usize = calm.drain(..).map(|group| group.calls).sum();
    let count = words::count(ops.len(), "operation");
    let words = match calls {
        0 => count,
        calls => format!("{count}, {}, nothing lost", words::count(calls, "call")),
    };
    Some(Row::Folded { last, words })
}
