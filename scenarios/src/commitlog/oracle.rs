//! Judges what an opening shows.
//!
//! | oracle | checked here |
//! |---|---|
//! | durable prefix | offsets without a gap; every acknowledged token at its offset; at least what the crash must leave |
//! | atomic group | a commit is there whole or not at all |
//! | unknown outcomes | a commit whose fate was open is there once, behind all that was acknowledged before it, or gone for ever |
//! | no resurrection | what was retired, cut, refused or once found missing does not come back |
//! | identifiers | no pair of epoch and offset names two records |
//! | damage is reported | bytes are those of a record; a loss is excused only by a report that covers the damage, where no later byte and no caller's word disproves it |
//! | archive | nothing is retired that the archive hook has not taken |

use std::collections::BTreeMap;

use blackstart_sim::{Failure, Promise};

use super::check;
use super::history::{Found, Opened};
use super::model::{Entry, Model};

/// Judges an opening, and takes what it shows as settled.
pub(super) fn opened(model: &mut Model, opened: &Opened) -> Result<(), Failure> {
    known_durable(opened)?;
    incarnation(model, opened)?;
    bounds(opened)?;
    let shown = if opened.promise == Promise::PrefixOnly {
        known_tokens(model, opened)?
    } else {
        oldest(model, opened)?;
        archived(model, opened)?;
        closed(model, opened)?;
        let shown = match_tokens(model, opened)?;
        required(model, opened)?;
        for item in &opened.found {
            check::never_twice(model, item.epoch, item.offset, check::whole(item)?)?;
        }
        shown
    };
    settle(model, opened, shown);
    Ok(())
}

/// What was read is what the log says it holds.
fn bounds(opened: &Opened) -> Result<(), Failure> {
    check::contiguous(&opened.found)?;
    let first = opened
        .found
        .first()
        .map_or(opened.oldest, |item| item.offset);
    let end = opened
        .found
        .last()
        .map_or(opened.oldest, |item| item.offset + 1);
    if first == opened.oldest && end == opened.next {
        return Ok(());
    }
    Err(Failure::new(
        "durable prefix",
        format!(
            "the log says it holds {}..{}, and reads as {first}..{end}",
            opened.oldest, opened.next
        ),
    ))
}

/// A log that ends before what its opener knows to be durable does not open.
fn known_durable(opened: &Opened) -> Result<(), Failure> {
    match opened.known {
        Some(known) if opened.next < known => Err(Failure::new(
            "damage is reported",
            format!(
                "all below {known} was said to be durable, and the log opened with its end at {}",
                opened.next
            ),
        )),
        _ => Ok(()),
    }
}

/// A log that was closed in order is found closed: by nothing else is a torn tail told from one
/// that lost something.
fn closed(model: &Model, opened: &Opened) -> Result<(), Failure> {
    let is_whole = opened.promise == Promise::Full && !model.is_altered();
    if opened.closed || !model.is_closed || !is_whole {
        return Ok(());
    }
    Err(Failure::new(
        "closing",
        "the log was closed, and the opening says that it was not",
    ))
}

/// No opening calls itself as another did.
fn incarnation(model: &mut Model, opened: &Opened) -> Result<(), Failure> {
    if model.incarnations.insert(opened.incarnation) {
        return Ok(());
    }
    let message = format!("incarnation {} was there before", opened.incarnation);
    Err(Failure::new("identifiers", message))
}

/// The archive has every segment that is gone.
fn archived(model: &Model, opened: &Opened) -> Result<(), Failure> {
    let mut at = 0;
    while let Some(archived) = model.archived.get(&at).filter(|_| at < opened.oldest) {
        at = archived.end;
    }
    if !opened.is_archived || at >= opened.oldest {
        return Ok(());
    }
    Err(Failure::new(
        "archive",
        format!(
            "all below {} is retired, and the archive has it only up to {at}",
            opened.oldest
        ),
    ))
}

/// Only a retirement that had begun moves the oldest offset, and never back: unless what says so
/// was damaged, and the report says that.
fn oldest(model: &Model, opened: &Opened) -> Result<(), Failure> {
    let most = model.retain.unwrap_or(model.oldest).max(model.oldest);
    let is_reported = opened.reports_damage || model.was_opening;
    let is_excused = opened.promise == Promise::DamageReported && is_reported;
    let is_excused = is_excused || opened.reports_lost_record;
    let least = match is_excused || is_record_altered(model) {
        true => 0,
        false => model.oldest,
    };
    if (least..=most).contains(&opened.oldest) {
        return Ok(());
    }
    Err(Failure::new(
        "no resurrection",
        format!(
            "the oldest offset is {}, expected {} to {most}",
            opened.oldest, model.oldest
        ),
    ))
}

/// Every token stands where it was acknowledged, or belongs to a commit whose fate was open.
fn match_tokens(model: &mut Model, opened: &Opened) -> Result<BTreeMap<u64, Entry>, Failure> {
    let mut shown = BTreeMap::new();
    let mut items = opened.found.iter();
    while let Some(item) = items.next() {
        let token = check::whole(item)?;
        if let Some(entry) = model.entries.get(&item.offset).copied() {
            if entry.token != token {
                return Err(Failure::new(
                    "durable prefix",
                    format!(
                        "offset {} was acknowledged for token {}, and holds token {token}",
                        item.offset, entry.token
                    ),
                ));
            }
            shown.insert(item.offset, entry);
            continue;
        }
        // What is back from a retirement (`oldest`) was forgotten but for its name.
        if item.offset < model.oldest && token < model.token_next {
            let (commit, bytes_end) = ((token, 1), model.bytes_end);
            let entry = Entry {
                token,
                commit,
                bytes_end,
            };
            shown.insert(item.offset, entry);
            continue;
        }
        unacknowledged(model, item, token, &mut items, &mut shown)?;
    }
    match shown.last_key_value() {
        Some((offset, entry)) if !check::ends_commit(entry) => Err(Failure::new(
            "atomic group",
            format!("the log ends at offset {offset}, inside a commit"),
        )),
        _ => Ok(shown),
    }
}

/// A commit whose fate was open is there whole, once, and behind what came before it.
fn unacknowledged<'f>(
    model: &mut Model,
    item: &Found,
    token: u64,
    items: &mut impl Iterator<Item = &'f Found>,
    shown: &mut BTreeMap<u64, Entry>,
) -> Result<(), Failure> {
    let found = model
        .unsettled
        .iter()
        .position(|commit| commit.tokens.start == token);
    let Some(index) = found else {
        return Err(Failure::new(
            "no resurrection",
            format!(
                "offset {} holds token {token}, which no commit begins with that may be there",
                item.offset
            ),
        ));
    };
    let commit = model.unsettled.remove(index);
    if item.offset < commit.after {
        return Err(Failure::new(
            "durable prefix",
            format!(
                "token {token} stands at offset {}, before offset {} that was acknowledged \
                 before it was handed in",
                item.offset, commit.after
            ),
        ));
    }
    let count = commit.tokens.end - commit.tokens.start;
    let bytes_end = model.bytes_end;
    let entry = |token| Entry {
        token,
        commit: (commit.tokens.start, count),
        bytes_end,
    };
    shown.insert(item.offset, entry(token));
    for expected in commit.tokens.clone().skip(1) {
        let next = items.next();
        if next.and_then(|next| next.token) != Some(expected) {
            return Err(Failure::new(
                "atomic group",
                format!("of a commit of {count} records, token {expected} is missing"),
            ));
        }
        if let Some(next) = next {
            shown.insert(next.offset, entry(expected));
        }
    }
    model.survived_unacknowledged = true;
    Ok(())
}

/// What the crash must leave is there.
fn required(model: &Model, opened: &Opened) -> Result<(), Failure> {
    if opened.next >= model.required || model.truncate == Some(opened.next) {
        // An interrupted cut took effect, or it did not: then everything is there.
        return Ok(());
    }
    if is_segment_altered(model) {
        return required_of_altered(model, opened);
    }
    let is_reported = opened.reports_damage || model.was_opening;
    let is_excused = opened.promise == Promise::DamageReported && is_reported;
    if let (Some(cut), false) = (model.truncate, is_excused) {
        return Err(Failure::new(
            "durable prefix",
            format!(
                "a cut at {cut} was interrupted: expected the end at {cut} or at least at {}, \
                 found it at {}",
                model.required, opened.next
            ),
        ));
    }
    if !is_excused {
        return Err(Failure::new(
            "durable prefix",
            format!(
                "everything below {} must be there; the end is {}",
                model.required, opened.next
            ),
        ));
    }
    let vouched = if model.is_wide {
        model.vouched_afar_through
    } else {
        model.vouched_through
    };
    if opened.next < model.truncate.map_or(vouched, |cut| vouched.min(cut)) {
        return Err(Failure::new(
            "damage is reported",
            format!(
                "dropped from offset {} on, although later bytes show that all below {vouched} was \
                 durable",
                opened.next
            ),
        ));
    }
    Ok(())
}

/// Whether others have altered what is on record beside the segments.
fn is_record_altered(model: &Model) -> bool {
    model.altered.iter().any(|name| name.starts_with("lock"))
}

/// Whether others have altered a segment.
fn is_segment_altered(model: &Model) -> bool {
    model.altered.iter().any(|name| name.contains(".log"))
}

/// A segment that was emptied, cut short or replaced takes its own evidence with it. What is on
/// record beside it counts, unless that was altered as well.
fn required_of_altered(model: &Model, opened: &Opened) -> Result<(), Failure> {
    let least = match is_record_altered(model) {
        true => 0,
        false => model
            .on_record_through
            .min(model.truncate.unwrap_or(u64::MAX)),
    };
    if opened.next >= least {
        return Ok(());
    }
    let message = format!(
        "files were altered ({:?}), and the log ends at {} without a word; \
         everything below {least} was on record",
        model.altered, opened.next
    );
    Err(Failure::new("never silently less", message))
}

/// A disk that lied: nothing but known records, each whole.
fn known_tokens(model: &Model, opened: &Opened) -> Result<BTreeMap<u64, Entry>, Failure> {
    check::known(model, &opened.found)?;
    let mut shown = BTreeMap::new();
    for item in &opened.found {
        let token = check::whole(item)?;
        let known = model
            .entries
            .get(&item.offset)
            .copied()
            .filter(|entry| entry.token == token);
        shown.insert(
            item.offset,
            known.unwrap_or(Entry {
                token,
                commit: (token, 1),
                bytes_end: model.bytes_end,
            }),
        );
    }
    Ok(shown)
}

/// What an opening shows is settled: it is there for ever, and the rest is gone for ever.
fn settle(model: &mut Model, opened: &Opened, shown: BTreeMap<u64, Entry>) {
    model.lost_acknowledged |= model.end() > opened.next && model.truncate.is_none();
    model.entries = shown;
    model.oldest = opened.oldest;
    model.os_through = opened.next;
    model.synced_through = opened.next;
    if !opened.closed {
        // The segment that it made says so, and what is on record beside the segments.
        model.unclosed_vouch = None;
        model.vouched_through = opened.next;
        model.vouched_afar_through = opened.next;
    }
    if let Some((vouched, afar)) = model.unclosed_vouch.take() {
        model.vouched_through = vouched;
        model.vouched_afar_through = afar;
    }
    model.vouched_through = model.vouched_through.min(opened.next);
    model.vouched_afar_through = model.vouched_afar_through.min(opened.next);
    model.required = opened.next;
    model.on_record_through = match opened.is_on_record {
        true => opened.next,
        false => model.on_record_through.min(opened.next),
    };
    model.unsettled.clear();
    model.promise = opened.promise;
    model.is_opening = false;
    model.is_closed = false;
    model.was_opening = false;
    model.openings += 1;
    model.retain = None;
    model.epoch = model.epoch.max(opened.epoch);
    (model.truncate, model.cut, model.is_cutting) = (None, None, false);
    model.ended.clear();
}
