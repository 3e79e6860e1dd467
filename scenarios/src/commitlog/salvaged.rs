//! Salvage: what is left of a damaged log, and what may be missing from it.
//!
//! What a segment that is damaged held may be lost, and nothing else: as many commits as its
//! damaged bytes may have touched. Which segments are damaged the simulated disk knows, so that no
//! reading of the format is needed: their names say where they begin.
//!
//! | checked | where |
//! |---|---|
//! | records and lost ranges fill the new log from end to end | [`judge`] |
//! | every record is one that was written there; all outside of damaged segments are there | [`judge`] |
//! | it writes in an epoch of its own, and holds nothing that was retired | [`judge`] |
//! | what is lost is reported, and readers are told of it | [`salvage`] |
//! | the damaged directory holds the same bytes as before | [`salvage`] |
//! | the new log takes a commit, and opens again with the same content | [`salvage`] |
//!
//! The damaged log stays where it is: an era that meets it salvages it, goes through the new log,
//! and ends.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use blackstart::commitlog::{Durability, Log, LogError, LogOptions, SalvageReport};
use blackstart_sim::disk::Shown;
use blackstart_sim::failure::with_causes;
use blackstart_sim::{Failure, Promise};

use super::archive::{Desk, digest};
use super::check;
use super::drive::Context;
use super::excuse::{excuse, may_be_altered};
use super::history::{Event, Found, Salvaged};
use super::model::{FRAME_BYTES_MIN, Model};
use super::opening::{options, writer_options};
use super::readers::drain_around;

/// Where salvaged logs go: a number follows.
const DIR: &str = "salvaged";
/// What is committed to a salvaged log. No record of the model is like it.
const RECORD: &[u8] = b"goes on";

/// Salvages the log, and goes through all that must hold of what is written. The era ends then.
pub(super) fn salvage(ctx: &Context) -> Result<(), Failure> {
    let before = bytes(ctx);
    let to = free_name(ctx);
    let salvaged = blackstart::commitlog::salvage(
        ctx.env(),
        "",
        ctx.env(),
        &to,
        &writer_options(ctx, &Desk::of(ctx)),
    );
    if before.is_some() && bytes(ctx).is_some_and(|after| Some(after) != before) {
        let message = "the damaged log's files are not as they were before the salvage";
        return Err(Failure::new("salvage", message));
    }
    let report = match salvaged {
        Ok(report) => report,
        Err(error) => return excuse(ctx, &error),
    };
    ctx.mark("salvaged");
    if !report.lost.is_empty() {
        ctx.mark("salvaged around a loss");
    }
    let Some((log, next)) = opened(ctx, &to, &report)? else {
        return Ok(());
    };
    goes_on(ctx, log, &to, next)
}

/// The first name that is not taken.
fn free_name(ctx: &Context) -> String {
    let is_free = |name: &String| {
        let fs = ctx.env().fs();
        let unfinished = format!("{name}.unfinished");
        [name, &unfinished]
            .iter()
            .all(|name| fs.metadata(Path::new(name)).is_err())
    };
    let mut names = (1..).map(|number| format!("{DIR}-{number}"));
    names.find(is_free).unwrap_or_default()
}

/// Names and bytes of the damaged log's files; none if a fault keeps them from being read.
fn bytes(ctx: &Context) -> Option<Vec<(String, u64, u64)>> {
    let names = ctx.fs().file_names();
    let of_log = names.into_iter().filter(|name| !name.contains('/'));
    of_log
        .map(|name| {
            let (len, hash) = digest(ctx, Path::new(&name), u64::MAX).ok()?;
            Some((name, len, hash))
        })
        .collect()
}

/// Opens the new log and has the model judge what it holds. Gives the offset of its next
/// transaction too.
fn opened(ctx: &Context, to: &str, report: &SalvageReport) -> Result<Option<(Log, u64)>, Failure> {
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    let read = Log::open(ctx.env(), to, options(ctx)).and_then(|(log, opened)| {
        let mut reader = log.reader(log.oldest())?;
        drain_around(&mut reader, &mut found, &mut lost)?;
        Ok((log, opened))
    });
    let (log, opened) = match read {
        Ok(read) => read,
        Err(error) => return must_open(ctx, &error).map(|()| None),
    };
    let told = report.lost.iter();
    let told: Vec<_> = told
        .map(|range| range.start.get()..range.end.get())
        .collect();
    if ctx.has_struck("root made anew") {
        // The new log may be in a directory that no path leads to any more.
        ctx.verified();
        return Ok(None);
    }
    if told != lost || report.next != opened.next {
        let message = format!(
            "salvage reported {told:?} as lost and {} as the end; \
             readers are told of {lost:?} and {}",
            report.next, opened.next
        );
        return Err(Failure::new("damage is reported", message));
    }
    let next = opened.next.get();
    ctx.record(Event::Salvaged(Salvaged {
        oldest: opened.oldest.get(),
        next,
        found,
        lost,
        epoch: opened.epoch.get(),
        damaged: damaged_ranges(ctx),
        has_record: has_record(ctx),
        promise: ctx.promise(),
    }))?;
    ctx.verified();
    Ok(Some((log, next)))
}

/// A salvaged log takes a commit, and opens again with it.
fn goes_on(ctx: &Context, log: Log, to: &str, next: u64) -> Result<(), Failure> {
    let committed = log.commit(&[RECORD], Durability::Synced);
    let closed = committed.and_then(|committed| log.close().map(|()| committed));
    let committed = match closed {
        Ok(committed) => committed,
        Err(error) => return excuse(ctx, &error),
    };
    drop(log);
    ctx.heal();
    let read = Log::open(ctx.env(), to, LogOptions::new()).and_then(|(log, report)| {
        let mut reader = log.reader(committed.first)?;
        let commit = reader.next_commit()?;
        let records = commit.map(|commit| commit.transactions().map(|(_, record)| record.to_vec()));
        let records: Vec<_> = records.into_iter().flatten().collect();
        log.close()?;
        Ok((report.next.get(), records))
    });
    match read {
        Err(error) => must_open(ctx, &error),
        Ok((end, records)) if end == next + 1 && records == [RECORD] => Ok(()),
        Ok((end, records)) if ctx.promise() != Promise::PrefixOnly => {
            let message = format!(
                "a salvaged log took a commit at {next}; then it ends at {end} with {records:?}"
            );
            Err(Failure::new("salvage", message))
        }
        Ok(_) => Ok(()),
    }
}

fn must_open(ctx: &Context, error: &LogError) -> Result<(), Failure> {
    if ctx.promise() == Promise::PrefixOnly || ctx.faults_struck() > 0 {
        return excuse(ctx, error);
    }
    let message = format!("a salvaged log does not open: {}", with_causes(error));
    Err(Failure::new("salvage", message))
}

/// Whether the superblock is there, and nobody has damaged it.
fn has_record(ctx: &Context) -> bool {
    let is_there = ctx.fs().file_names().iter().any(|name| name == "lock");
    let is_damaged = ctx.fs().damaged_files().iter().any(|name| name == "lock");
    is_there && !is_damaged && !may_be_altered(ctx)
}

/// So many commits of a segment may be lost: those that its damaged bytes touch, and one beside
/// each place.
fn most_lost(ctx: &Context, name: &str) -> u64 {
    let sightings = ctx.fs().sightings().into_iter();
    let mut places: Vec<_> = sightings
        .filter(|sighting| sighting.files.iter().any(|file| file == name))
        .filter_map(|sighting| match sighting.shown {
            Shown::Damaged(bytes) => Some(bytes),
            _ => None,
        })
        .collect();
    places.sort_by_key(|place| place.start);
    let (mut most, mut end) = (0, 0);
    for place in places {
        if place.start > end || most == 0 {
            most += 2;
        }
        most += place.end.saturating_sub(place.start.max(end)) / FRAME_BYTES_MIN;
        end = end.max(place.end);
    }
    most
}

/// Where the damaged segments begin and end, by their names, and how many commits of each may be
/// lost.
fn damaged_ranges(ctx: &Context) -> Vec<(Range<u64>, u64)> {
    let first = |name: &String| name.strip_suffix(".log")?.parse::<u64>().ok();
    let names = ctx.fs().file_names();
    let firsts: Vec<u64> = names.iter().filter_map(first).collect();
    let damaged = ctx.fs().damaged_files();
    let ranges = damaged.iter().filter_map(|name| {
        let begin = first(name)?;
        let end = firsts.iter().filter(|first| **first > begin).min();
        let range = begin..end.copied().unwrap_or(u64::MAX);
        Some((range, most_lost(ctx, name)))
    });
    ranges.collect()
}

/// Judges what a salvaged log shows.
pub(super) fn judge(model: &Model, salvaged: &Salvaged) -> Result<(), Failure> {
    fills(salvaged)?;
    if salvaged.promise == Promise::PrefixOnly {
        return check::known_each(model, &salvaged.found);
    }
    let most = model.retain.unwrap_or(model.oldest).max(model.oldest);
    if salvaged.oldest > most {
        let oldest = salvaged.oldest;
        let message = format!("the oldest offset is {oldest}, at most {most} expected");
        return Err(Failure::new("salvage", message));
    }
    if salvaged.has_record {
        recorded(model, salvaged)?;
    }
    for item in &salvaged.found {
        expect_known(model, item)?;
    }
    let may_be_lost = |offset: u64| {
        let mut damaged = salvaged.damaged.iter();
        damaged.any(|(range, _)| range.contains(&offset))
    };
    // A retirement or a cut that had begun may have taken the rest.
    let from = salvaged.oldest.max(model.retain.unwrap_or(model.oldest));
    let to = model.required.min(model.truncate.unwrap_or(u64::MAX));
    let kept = model.entries.range(from..to.max(from));
    let is_shown = |offset: u64| {
        let found = salvaged
            .found
            .binary_search_by_key(&offset, |item| item.offset);
        found.is_ok()
    };
    let missing = kept.filter(|(offset, _)| !is_shown(**offset));
    for (range, most) in &salvaged.damaged {
        let end = match (range.end, salvaged.has_record) {
            // Of the newest segment, only what is on record is known to have been durable.
            (u64::MAX, true) => model
                .on_record_through
                .min(model.truncate.unwrap_or(u64::MAX)),
            (u64::MAX, false) => continue,
            (end, _) => end,
        };
        let lost = missing
            .clone()
            .filter(|(offset, _)| (range.start..end).contains(*offset));
        let lost: BTreeSet<u64> = lost.map(|(_, entry)| entry.commit.0).collect();
        if lost.len() as u64 > *most {
            let message = format!(
                "{} commits of {range:?} are lost, at most {most} may",
                lost.len()
            );
            return Err(Failure::new("salvage", message));
        }
    }
    let mut missing = missing;
    match missing.find(|(offset, _)| !may_be_lost(**offset)) {
        Some((offset, entry)) => Err(Failure::new(
            "salvage",
            format!(
                "token {} at offset {offset} is missing, and only {:?} may be",
                entry.token, salvaged.damaged
            ),
        )),
        None => Ok(()),
    }
}

/// What the superblock of the damaged log says is kept: which history was retired, and its epoch.
fn recorded(model: &Model, salvaged: &Salvaged) -> Result<(), Failure> {
    let (epoch, oldest) = (salvaged.epoch, salvaged.oldest);
    let message = match (epoch > model.epoch, oldest >= model.oldest) {
        (true, true) => return Ok(()),
        (false, _) => format!("it is in epoch {epoch}; {} was there before", model.epoch),
        (true, false) => format!("it begins with {oldest}; {} was the oldest", model.oldest),
    };
    Err(Failure::new("salvage", message))
}

/// Records and lost ranges follow one another from the oldest offset to the next one.
fn fills(salvaged: &Salvaged) -> Result<(), Failure> {
    let records = salvaged
        .found
        .iter()
        .map(|item| item.offset..item.offset + 1);
    let mut pieces: Vec<Range<u64>> = records.chain(salvaged.lost.iter().cloned()).collect();
    pieces.sort_by_key(|piece| piece.start);
    let mut at = salvaged.oldest;
    for piece in pieces {
        if piece.start != at {
            let message = format!("what follows offset {at} begins with {}", piece.start);
            return Err(Failure::new("salvage", message));
        }
        at = piece.end;
    }
    if at == salvaged.next {
        return Ok(());
    }
    let message = format!(
        "the log says that it ends at {}, and ends at {at}",
        salvaged.next
    );
    Err(Failure::new("salvage", message))
}

/// A record is the one that was acknowledged there, or one whose fate was open.
fn expect_known(model: &Model, item: &Found) -> Result<(), Failure> {
    let token = check::whole(item)?;
    let known = model.entries.get(&item.offset).copied();
    if known.is_some_and(|known| known.token == token) {
        return Ok(());
    }
    let in_flight = |token: u64| {
        let mut commits = model.unsettled.iter();
        commits.any(|commit| commit.tokens.contains(&token))
    };
    // What says that it was retired may have been in the damaged part.
    let was_retired = item.offset < model.oldest && token < model.token_next;
    if (known.is_none() && in_flight(token)) || was_retired {
        return Ok(());
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
