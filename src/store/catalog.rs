//! Which keyspaces there are: the rows of keyspace 0.
//!
//! | key | value |
//! |---|---|
//! | `next` | the number of the next keyspace, u32, little-endian |
//! | `name ` and a name | the number of the keyspace with this name, likewise |
//!
//! Invariants:
//! - \[I1\] A number is given once in a history: the batch that gives it raises `next` above it,
//!   and nothing lowers `next`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::batch::{SealedBatch, WriteBatch};
use super::cursor::Cursor;
use super::error::StoreError;
use super::keyspace::{Keyspace, PREFIX_BYTES};
use super::tree::Tree;
use crate::codec::{ByteOffset, Defect};

const NEXT: &[u8] = b"next";
const NAME: &[u8] = b"name ";
/// The key behind all names.
const NAMES_END: &[u8] = b"name!";
/// The highest number that is given: the next one, too, is a number.
const NUMBER_MAX: u32 = u32::MAX - 2;
/// The name of [`Keyspace::DEFAULT`].
const DEFAULT_NAME: &str = "default";

/// The keyspace with this name.
pub(crate) fn find(tree: &Tree, name: &str) -> Result<Option<Keyspace>, StoreError> {
    let found = value(tree, &key(name))?;
    found.map(|value| decode(&value)).transpose()
}

/// All keyspaces with their names, in the order of names.
pub(crate) fn list(tree: &Arc<Tree>) -> Result<Vec<(String, Keyspace)>, StoreError> {
    let (from, end) = (Keyspace::OWN.key(NAME), Keyspace::OWN.key(NAMES_END));
    let mut rows = Cursor::new(tree, tree.register(), &from, end, PREFIX_BYTES)?;
    let mut keyspaces = Vec::new();
    while let Some((key, value)) = rows.next()? {
        let name = key.strip_prefix(NAME).map(str::from_utf8);
        let Some(Ok(name)) = name else {
            return Err(corrupt("name", "a name"));
        };
        keyspaces.push((name.to_owned(), decode(value)?));
    }
    Ok(keyspaces)
}

/// Adds what creates a keyspace; returns its handle.
pub(crate) fn create(
    tree: &Tree,
    batch: &mut WriteBatch,
    name: &str,
) -> Result<Keyspace, StoreError> {
    let Some(next) = value(tree, NEXT)? else {
        return Err(corrupt("next keyspace", "a number"));
    };
    let keyspace = decode(&next)?;
    give(batch, name, keyspace)?;
    Ok(keyspace)
}

/// [I1] Gives a keyspace its name, and the next one the number behind it.
fn give(batch: &mut WriteBatch, name: &str, keyspace: Keyspace) -> Result<(), StoreError> {
    let number = keyspace.number();
    if number > NUMBER_MAX {
        return Err(StoreError::KeyspacesExhausted);
    }
    batch.put(Keyspace::OWN, &key(name), &number.to_le_bytes())?;
    batch.put(Keyspace::OWN, NEXT, &(number + 1).to_le_bytes())
}

/// Adds what drops a keyspace: its name, and all its keys.
pub(crate) fn remove(
    batch: &mut WriteBatch,
    name: &str,
    keyspace: Keyspace,
) -> Result<(), StoreError> {
    batch.delete(Keyspace::OWN, &key(name))?;
    batch.delete_all(keyspace);
    Ok(())
}

fn key(name: &str) -> Vec<u8> {
    [NAME, name.as_bytes()].concat()
}

fn value(tree: &Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let layers = tree.pin();
    let key = Keyspace::OWN.key(key);
    layers.get_with(&key, tree.visible(), <[u8]>::to_vec)
}

fn decode(value: &[u8]) -> Result<Keyspace, StoreError> {
    let number = value.try_into().map(u32::from_le_bytes).ok();
    let number = number.filter(|number| (1..=NUMBER_MAX + 1).contains(number));
    let number = number.ok_or_else(|| corrupt("number of a keyspace", "1 to 4294967294"))?;
    Ok(Keyspace::new(number))
}

fn corrupt(field: &'static str, expected: &'static str) -> StoreError {
    let defect = Defect::new(ByteOffset::new(0), field, expected, "something else");
    StoreError::corrupt(defect.in_file("keyspace 0"))
}

/// What a new store begins with: [`Store::create_with`](super::Store::create_with).
#[derive(Debug)]
pub struct Genesis {
    batch: WriteBatch,
    names: BTreeMap<String, Keyspace>,
    next: u32,
}

impl Genesis {
    pub(crate) fn new() -> Result<Self, StoreError> {
        let mut genesis = Self {
            batch: WriteBatch::new(),
            names: BTreeMap::new(),
            next: Keyspace::DEFAULT.number(),
        };
        genesis.keyspace(DEFAULT_NAME)?;
        Ok(genesis)
    }

    /// The keyspace with this name; it is created if there is none.
    ///
    /// # Errors
    /// [`StoreError::KeyTooLong`], of the name.
    pub fn keyspace(&mut self, name: &str) -> Result<Keyspace, StoreError> {
        if let Some(keyspace) = self.names.get(name) {
            return Ok(*keyspace);
        }
        let keyspace = Keyspace::new(self.next);
        give(&mut self.batch, name, keyspace)?;
        self.next += 1;
        self.names.insert(name.to_owned(), keyspace);
        Ok(keyspace)
    }

    /// Gives a key a value.
    ///
    /// # Errors
    /// As [`WriteBatch::put`].
    pub fn put(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let number = keyspace.number();
        match (1..self.next).contains(&number) {
            true => self.batch.put(keyspace, key, value),
            false => Err(StoreError::NoKeyspace { number }),
        }
    }

    pub(crate) fn seal(self) -> SealedBatch {
        self.batch.seal()
    }
}

#[cfg(test)]
mod tests;
