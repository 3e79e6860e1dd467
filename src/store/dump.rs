//! All rows of a store, also of one that is damaged.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] A key is shown with its newest value, or lies in a range that is told to be lost: a
//!   block that cannot be read may have held a newer row of each key in its range.

use std::path::Path;

use blackstart_vfs::Env;

use super::catalog;
use super::cursor::Cursor;
use super::error::StoreError;
use super::keyspace::PREFIX_BYTES;
use super::readonly::{ReadOnlyOptions, Seen, look};
use super::snapshot::Snapshot;
use super::table::Table;
use crate::commitlog::directory::Directory;
use crate::commitlog::{ErrorClass, TxOffset};

/// A key: the number of its keyspace, and the rest.
pub type KeyspaceAndKey = (u32, Vec<u8>);

/// What a dump comes upon, in the order of keys.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Dumped<'a> {
    /// A keyspace. All come before the first row; those whose names are lost do not.
    Keyspace {
        /// Its number.
        number: u32,
        /// Its name.
        name: &'a str,
    },
    /// A row.
    Row {
        /// The number of the keyspace.
        keyspace: u32,
        /// The key.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// Keys of which nothing certain is known.
    Lost {
        /// The first of them.
        from: KeyspaceAndKey,
        /// The key behind the last; none: all to the end.
        end: Option<KeyspaceAndKey>,
        /// What cannot be read.
        why: StoreError,
    },
    /// Batches that the log has behind the tables cannot be read. All rows that follow may be old,
    /// and some may be missing.
    LostLog {
        /// The first of them.
        from: TxOffset,
        /// What cannot be read.
        why: StoreError,
    },
}

/// Keys of the tree of which nothing is known.
struct Lost {
    from: Vec<u8>,
    /// None: to the end.
    end: Option<Vec<u8>>,
    why: StoreError,
}

/// Shows all keyspaces and all their rows, as they are now. The store may be in use
/// meanwhile. With `skip_damaged` all tables are read once before, and what cannot be read is shown
/// as lost, in its place.
///
/// # Errors
/// As [`Store::open_read_only`](super::Store::open_read_only), but for what is skipped; an error of
/// `visit`, which ends the dump.
pub fn dump<E: From<StoreError>>(
    env: &Env,
    dir: impl AsRef<Path>,
    options: &ReadOnlyOptions,
    skip_damaged: bool,
    visit: &mut dyn FnMut(Dumped<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let root = Directory::open(env, dir.as_ref()).map_err(StoreError::from)?;
    let seen = look(&root, dir.as_ref(), options, skip_damaged)?;
    if let Some(why) = &seen.log_lost {
        let (from, why) = (seen.flushed_through, why.clone());
        visit(Dumped::LostLog { from, why })?;
    }
    match catalog::list(&seen.tree) {
        Err(why) if skip_damaged && is_damage(&why) => {}
        keyspaces => {
            for (name, keyspace) in keyspaces? {
                let (number, name) = (keyspace.number(), name.as_str());
                visit(Dumped::Keyspace { number, name })?;
            }
        }
    }
    let mut lost = match skip_damaged {
        true => lost_ranges(&seen)?,
        false => Vec::new(),
    };
    lost.sort_by(|one, other| one.from.cmp(&other.from));
    show(&Snapshot::of(seen.tree), lost, visit)
}

/// The ranges of keys of what cannot be read, of each table by itself.
fn lost_ranges(seen: &Seen) -> Result<Vec<Lost>, StoreError> {
    let mut lost = Vec::new();
    for why in &seen.tables_lost {
        // Nothing tells which keys it held.
        let why = why.clone();
        lost.push(Lost {
            from: Vec::new(),
            end: None,
            why,
        });
    }
    for table in seen.tree.pin().tables() {
        for number in 0..table.blocks() {
            match table.read(number) {
                Err(why) if is_damage(&why) => lost.push(block_range(table, number, why)),
                read => drop(read?),
            }
        }
    }
    Ok(lost)
}

/// An unreadable sector is damage as well.
fn is_damage(error: &StoreError) -> bool {
    matches!(error.class(), ErrorClass::Damage | ErrorClass::System)
}

/// The keys that a block may have held.
fn block_range(table: &Table, number: usize, why: StoreError) -> Lost {
    let from = match number.checked_sub(1) {
        Some(before) => table.last_key(before).to_vec(),
        None => Vec::new(),
    };
    Lost {
        from,
        end: Some(behind(table.last_key(number))),
        why,
    }
}

/// The next key of all.
fn behind(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Shows rows and lost ranges in order.
fn show<E: From<StoreError>>(
    snapshot: &Snapshot,
    lost: Vec<Lost>,
    visit: &mut dyn FnMut(Dumped<'_>) -> Result<(), E>,
) -> Result<(), E> {
    // Keyspace 0 is the store's own, and nobody has the last one.
    let mut next = 1_u32.to_be_bytes().to_vec();
    let all_end = u32::MAX.to_be_bytes().to_vec();
    for mut gap in lost {
        let end = gap.from.clone().min(all_end.clone());
        if next < end {
            let (shown, stopped) = rows(snapshot, &next, &end, visit)?;
            match stopped {
                // A cursor reads on to the next block before it shows what is in front of it.
                Some(why) if is_damage(&why) => gap.from = shown,
                Some(why) => return Err(why.into()),
                None => {}
            }
        }
        let is_behind = gap.end.as_ref().is_some_and(|end| *end <= next);
        if is_behind {
            continue;
        }
        let reached = gap.end.clone();
        let end = gap.end.map(split);
        let (from, why) = (split(gap.from.max(next.clone())), gap.why);
        visit(Dumped::Lost { from, end, why })?;
        match reached {
            Some(end) => next = next.max(end),
            None => return Ok(()),
        }
    }
    match rows(snapshot, &next, &all_end, visit)? {
        (_, Some(why)) => Err(why.into()),
        (_, None) => Ok(()),
    }
}

/// Shows the rows of a range; returns the key behind the last that was shown, and what stopped it.
fn rows<E: From<StoreError>>(
    snapshot: &Snapshot,
    from: &[u8],
    end: &[u8],
    visit: &mut dyn FnMut(Dumped<'_>) -> Result<(), E>,
) -> Result<(Vec<u8>, Option<StoreError>), E> {
    let mut shown = from.to_vec();
    let mut cursor: Cursor = match snapshot.scan_tree(from, end) {
        Ok(cursor) => cursor,
        Err(why) => return Ok((shown, Some(why))),
    };
    loop {
        match cursor.next() {
            Err(why) => return Ok((shown, Some(why))),
            Ok(None) => return Ok((shown, None)),
            Ok(Some((tree_key, value))) => {
                let Some((keyspace, key)) = tree_key.split_first_chunk::<PREFIX_BYTES>() else {
                    continue;
                };
                let keyspace = u32::from_be_bytes(*keyspace);
                visit(Dumped::Row {
                    keyspace,
                    key,
                    value,
                })?;
                shown.clear();
                shown.extend_from_slice(tree_key);
                shown.push(0);
            }
        }
    }
}

/// A key of the tree as one of a keyspace; of bytes that are too short the first that follows them.
fn split(mut tree_key: Vec<u8>) -> KeyspaceAndKey {
    if tree_key.len() < PREFIX_BYTES {
        tree_key.resize(PREFIX_BYTES, 0);
    }
    let key = tree_key.split_off(PREFIX_BYTES);
    let prefix = tree_key.first_chunk().copied().unwrap_or_default();
    (u32::from_be_bytes(prefix), key)
}

#[cfg(test)]
mod tests;
