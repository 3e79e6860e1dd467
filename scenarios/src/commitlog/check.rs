//! Checks of single facts: what a reader saw, and which identifiers were given.

use blackstart_sim::{Failure, Promise};

use super::history::Found;
use super::model::{Entry, Model};

/// A pair of epoch and offset belongs to one token, for ever.
pub(super) fn never_twice(
    model: &mut Model,
    epoch: u32,
    offset: u64,
    token: u64,
) -> Result<(), Failure> {
    if model.promise == Promise::PrefixOnly {
        // What a disk that lied has lost is forgotten, and so is what it was called.
        return Ok(());
    }
    let before = *model.shown.entry((epoch, offset)).or_insert(token);
    if before == token {
        return Ok(());
    }
    Err(Failure::new(
        "identifiers",
        format!("epoch {epoch} offset {offset} was token {before} and is now token {token}"),
    ))
}

/// What was read is whole, in order, and what the model knows or is still in flight.
pub(super) fn read(
    model: &Model,
    found: &[Found],
    from: u64,
    acked_through: u64,
) -> Result<(), Failure> {
    contiguous(found)?;
    if let Some(first) = found.first().filter(|first| first.offset > from) {
        return Err(Failure::new(
            "reads",
            format!(
                "a reader of {from} and what follows began with {}",
                first.offset
            ),
        ));
    }
    for item in found.iter().filter(|item| item.offset >= model.oldest) {
        let token = whole(item)?;
        let known = model.entries.get(&item.offset).map(|entry| entry.token);
        let in_flight = || {
            model
                .unsettled
                .iter()
                .any(|commit| commit.tokens.contains(&token))
        };
        if known != Some(token) && (known.is_some() || !in_flight()) {
            return Err(Failure::new(
                "reads",
                format!(
                    "offset {} reads as token {token}, expected {known:?}",
                    item.offset
                ),
            ));
        }
    }
    let end = found.last().map_or(from, |item| item.offset + 1);
    if end < acked_through {
        return Err(Failure::new(
            "reads",
            format!("all below {acked_through} was acknowledged, a reader saw only up to {end}"),
        ));
    }
    Ok(())
}

/// A disk that lied: whole records that were once written, in order.
pub(super) fn known(model: &Model, found: &[Found]) -> Result<(), Failure> {
    contiguous(found)?;
    known_each(model, found)
}

/// Each is a whole record that was once written.
pub(super) fn known_each(model: &Model, found: &[Found]) -> Result<(), Failure> {
    for item in found {
        let token = whole(item)?;
        if token >= model.token_next {
            return Err(Failure::new(
                "no resurrection",
                format!(
                    "offset {} holds token {token}, which was never written",
                    item.offset
                ),
            ));
        }
    }
    Ok(())
}

/// Offsets follow one another.
pub(super) fn contiguous(found: &[Found]) -> Result<(), Failure> {
    for pair in found.windows(2) {
        if let [one, two] = pair
            && one.offset + 1 != two.offset
        {
            return Err(Failure::new(
                "durable prefix",
                format!("offset {} is followed by {}", one.offset, two.offset),
            ));
        }
    }
    Ok(())
}

/// The token of a record whose bytes are all as they were written.
pub(super) fn whole(item: &Found) -> Result<u64, Failure> {
    item.token.ok_or_else(|| {
        Failure::new(
            "damage is reported",
            format!("the bytes at offset {} are those of no record", item.offset),
        )
    })
}

/// Whether an entry is the last of its commit.
pub(super) fn ends_commit(entry: &Entry) -> bool {
    let (first, count) = entry.commit;
    entry.token + 1 == first + count
}
