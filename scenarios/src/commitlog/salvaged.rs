//! Salvage: what is left of a damaged log, and what may be missing from it.
//!
//! What a segment that is damaged held may be lost, and nothing else. Which segments are damaged
//! the simulated disk knows, so that no reading of the format is needed: their names say where
//! they begin.
//!
//! | checked | where |
//! |---|---|
//! | records and lost ranges fill the log from end to end | [`judge`] |
//! | every record is one that was written there; all outside of damaged segments are there | [`judge`] |
//! | what is lost is reported, and readers are told of it | [`salvage`] |
//! | the log then takes a commit, and opens without salvage with the same content | [`salvage`] |
//!
//! A log with lost ranges takes no part in drawn operations: an era that meets one opens it,
//! reads it, appends to it, and ends.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use blackstart::commitlog::{Log, LogError};
use blackstart_sim::{Failure, Promise};

use super::check;
use super::drive::{Context, append, close};
use super::excuse::excuse;
use super::history::{Event, Found, Opened};
use super::model::{Entry, Model};
use super::op::Level;
use super::opening::{open_with, writer_options};

/// Opens what is left of the log, and goes through all that must hold of it. False if it does not
/// open for an excusable reason.
pub(super) fn salvage(ctx: &Context) -> Result<bool, Failure> {
    let is_first = ctx.model(|model| model.may_be_lost.is_empty());
    ctx.record(Event::SalvageBegan {
        damaged: damaged_ranges(ctx),
    })?;
    let known = known(ctx);
    let options = writer_options(ctx, known).salvage(true);
    let (log, report) = match open_with(ctx, options, known)? {
        Ok(opened) => opened,
        Err(error) => {
            excuse(ctx, &error)?;
            return Ok(false);
        }
    };
    let told: Vec<Range<u64>> = report
        .lost
        .iter()
        .map(|range| range.start.get()..range.end.get())
        .collect();
    let lost = ctx.model(|model| model.lost.clone());
    if is_first && merged(&told) != merged(&lost) {
        return Err(Failure::new(
            "damage is reported",
            format!("salvage reported {told:?} as lost, and readers are told of {lost:?}"),
        ));
    }
    for name in &report.damaged {
        if let Err(error) = ctx.env().fs().metadata(Path::new(name))
            && ctx.faults_struck() == 0
        {
            let message = format!("the damaged file was to be kept as {name}: {error}");
            return Err(Failure::new("salvage", message));
        }
    }
    ctx.mark("salvaged");
    if !lost.is_empty() {
        ctx.mark("salvaged around a loss");
    }
    goes_on(ctx, log)?;
    Ok(true)
}

/// A salvaged log takes a commit; then it opens as any log.
fn goes_on(ctx: &Context, log: Log) -> Result<(), Failure> {
    append(ctx, &log, 1, 16, Level::Synced)?;
    close(ctx, &log)?;
    drop(log);
    ctx.heal();
    let known = known(ctx);
    match open_with(ctx, writer_options(ctx, known), known)? {
        Ok((log, _)) => close(ctx, &log),
        Err(error) => must_open(ctx, &error),
    }
}

fn must_open(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    if ctx.promise() == Promise::PrefixOnly {
        return Ok(());
    }
    Err(Failure::new(
        "salvage",
        format!("a salvaged log does not open: {error}"),
    ))
}

fn known(ctx: &Context) -> Option<u64> {
    let known = ctx.config().knows_durable;
    known.then(|| ctx.model(Model::known_durable))
}

/// Where the damaged segments begin and end, by their names.
fn damaged_ranges(ctx: &Context) -> Vec<Range<u64>> {
    let first = |name: &String| name.strip_suffix(".log")?.parse::<u64>().ok();
    let names = ctx.fs().file_names();
    let firsts: Vec<u64> = names.iter().filter_map(first).collect();
    let damaged = ctx.fs().damaged_files();
    let ranges = damaged.iter().filter_map(first).map(|begin| {
        let end = firsts.iter().filter(|first| **first > begin).min();
        begin..end.copied().unwrap_or(u64::MAX)
    });
    ranges.collect()
}

/// Ranges in order, those that touch joined.
fn merged(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => merged.push(range.clone()),
        }
    }
    merged
}

/// Judges what an opening shows of a log that was salvaged, now or before.
pub(super) fn judge(model: &Model, opened: &Opened) -> Result<BTreeMap<u64, Entry>, Failure> {
    fills(opened)?;
    let most = model.retain.unwrap_or(model.oldest).max(model.oldest);
    if opened.oldest > most && opened.promise != Promise::PrefixOnly {
        let message = format!(
            "the oldest offset is {}, at most {most} expected",
            opened.oldest
        );
        return Err(Failure::new("salvage", message));
    }
    let mut shown = BTreeMap::new();
    for item in &opened.found {
        shown.insert(item.offset, entry(model, item, opened.promise)?);
    }
    if opened.promise == Promise::PrefixOnly {
        return Ok(shown);
    }
    let may_be_lost = |offset: u64| {
        let mut ranges = model.may_be_lost.iter();
        ranges.any(|range| range.contains(&offset))
    };
    // A retirement or a cut that had begun may have taken the rest.
    let from = opened.oldest.max(model.retain.unwrap_or(model.oldest));
    let to = model.required.min(model.truncate.unwrap_or(u64::MAX));
    let kept = model.entries.range(from..to.max(from));
    let mut missing = kept.filter(|(offset, _)| !shown.contains_key(offset));
    match missing.find(|(offset, _)| !may_be_lost(**offset)) {
        Some((offset, entry)) => Err(Failure::new(
            "salvage",
            format!(
                "token {} at offset {offset} is missing, and only {:?} may be",
                entry.token, model.may_be_lost
            ),
        )),
        None => Ok(shown),
    }
}

/// Records and lost ranges follow one another from the oldest offset to the next one.
fn fills(opened: &Opened) -> Result<(), Failure> {
    let records = opened.found.iter().map(|item| item.offset..item.offset + 1);
    let mut pieces: Vec<Range<u64>> = records.chain(opened.lost.iter().cloned()).collect();
    pieces.sort_by_key(|piece| piece.start);
    let mut at = opened.oldest;
    for piece in pieces {
        if piece.start != at {
            let message = format!("what follows offset {at} begins with {}", piece.start);
            return Err(Failure::new("salvage", message));
        }
        at = piece.end;
    }
    if at == opened.next {
        return Ok(());
    }
    let message = format!(
        "the log says that it ends at {}, and ends at {at}",
        opened.next
    );
    Err(Failure::new("salvage", message))
}

/// A record is the one that was acknowledged there, or one whose fate was open.
fn entry(model: &Model, item: &Found, promise: Promise) -> Result<Entry, Failure> {
    let token = check::whole(item)?;
    let known = model.entries.get(&item.offset).copied();
    if let Some(known) = known.filter(|known| known.token == token) {
        return Ok(known);
    }
    let in_flight = |token: u64| {
        let mut commits = model.unsettled.iter();
        commits.any(|commit| commit.tokens.contains(&token))
    };
    // The mark that retired it may have been in the damaged part.
    let was_retired = item.offset < model.oldest && token < model.token_next;
    let is_open = known.is_none() && in_flight(token);
    if is_open || was_retired || (promise == Promise::PrefixOnly && token < model.token_next) {
        return Ok(Entry {
            token,
            commit: (token, 1),
            bytes_end: model.bytes_end,
        });
    }
    Err(Failure::new(
        "salvage",
        format!(
            "offset {} reads as token {token}, expected {:?}",
            item.offset,
            known.map(|known| known.token)
        ),
    ))
}
