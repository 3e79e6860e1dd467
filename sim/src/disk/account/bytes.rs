//! The bytes of a file at the end of a run, and what became of them.

use super::super::crash::CrashModel;
use super::super::pending::What;
use super::super::resolve::{Kept, Resolution, units};
use super::super::tree::Ino;
use super::{FileAccount, Outcome};

/// Bytes with one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u64,
    /// After the last one.
    pub end: u64,
    /// What became of them; of torn bytes the words are empty.
    pub outcome: Outcome,
}

/// A file of so many pending writes is not looked at byte by byte.
const WRITES_MAX: usize = 2_000;

/// What became of the bytes that the program saw last in a file.
pub(super) fn spans(
    model: &CrashModel,
    resolution: Option<&Resolution>,
    ino: Ino,
    file: &FileAccount,
) -> Vec<Span> {
    let (Some(seen), false) = (file.seen, file.is_dir) else {
        return Vec::new();
    };
    let writes: Vec<(usize, &What)> = (model.pending.iter().enumerate())
        .filter(|(_, pending)| {
            let is_content = matches!(pending.what, What::Data { .. } | What::Zero { .. });
            is_content && pending.what.file() == ino
        })
        .map(|(at, pending)| (at, &pending.what))
        .collect();
    if writes.len() > WRITES_MAX {
        return Vec::new();
    }
    let left = match resolution {
        Some(_) => file.left.unwrap_or(0),
        None => seen,
    };
    let unit = model.config.tear_bytes.max(1);
    let mut edges = vec![0, seen, file.durable, left];
    for (_, what) in &writes {
        let Some((start, end)) = what.range() else {
            continue;
        };
        edges.extend([start, end]);
        let (first, count) = units(what, unit);
        edges.extend((first + 1..first + count as u64).map(|number| number * unit));
    }
    edges.retain(|&edge| edge <= seen);
    edges.sort_unstable();
    edges.dedup();
    let mut spans: Vec<Span> = Vec::new();
    for edge in edges.windows(2) {
        let &[start, end] = edge else { continue };
        let outcome = if start >= left {
            Outcome::Lost
        } else {
            outcome_at(&writes, resolution, unit, start, file.durable)
        };
        match spans.last_mut() {
            Some(last) if last.outcome == outcome => last.end = end,
            _ => spans.push(Span {
                start,
                end,
                outcome,
            }),
        }
    }
    spans
}

/// The outcome of the byte at `at`: that of the last write that covers it.
fn outcome_at(
    writes: &[(usize, &What)],
    resolution: Option<&Resolution>,
    unit: u64,
    at: u64,
    durable: u64,
) -> Outcome {
    let covers = |what: &What| {
        what.range()
            .is_some_and(|(start, end)| (start..end).contains(&at))
    };
    let last = writes.iter().rev().find(|(_, what)| covers(what));
    let (Some(&(index, what)), Some(resolution)) = (last, resolution) else {
        let is_pending = last.is_some() || (resolution.is_none() && at >= durable);
        return if is_pending {
            Outcome::Pending
        } else if at < durable {
            Outcome::Durable
        } else {
            Outcome::Survived
        };
    };
    let number = at / unit;
    let mut torn = resolution.torn.iter();
    if torn.any(|torn| torn.at == index && torn.unit == number) {
        return Outcome::Torn(String::new());
    }
    let (first, _) = units(what, unit);
    match resolution.kept.get(index) {
        Some(kept @ (Kept::All | Kept::Units(_))) if kept.unit((number - first) as usize) => {
            Outcome::Survived
        }
        _ => Outcome::Lost,
    }
}
