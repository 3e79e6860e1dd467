//! Heads: the first 8 bytes of keys behind what all of them begin with, as big-endian numbers.
//!
//! A search compares heads first, which lie side by side, and keys only where heads are equal.
//!
//! Invariants:
//! - \[I1\] Of two keys that begin with the same prefix the one with the lower head is the lower
//!   key; keys with equal heads may have either order.

use std::cmp::Ordering;

/// Bytes of a head.
pub(crate) const HEAD_BYTES: usize = 8;

/// The head of a key, given what follows its prefix: 8 bytes, and zeros where it ends before.
#[inline]
pub(crate) fn head(rest: &[u8]) -> u64 {
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; HEAD_BYTES];
    bytes[..rest.len()].copy_from_slice(rest);
    u64::from_be_bytes(bytes)
}

/// How many bytes two keys both begin with.
#[inline]
pub(crate) fn shared(one: &[u8], two: &[u8]) -> usize {
    one.iter().zip(two).take_while(|(a, b)| a == b).count()
}

/// What follows a prefix in a key.
///
/// # Errors
/// The key does not begin with the prefix: where it stands to all keys that do.
#[inline]
pub(crate) fn rest<'a>(key: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], Ordering> {
    match key.strip_prefix(prefix) {
        Some(rest) => Ok(rest),
        None if key < prefix => Err(Ordering::Less),
        None => Err(Ordering::Greater),
    }
}

/// The first of some keys in order that is not before a place. Only among keys with the same head
/// as the place `is_before` decides.
#[inline]
pub(crate) fn seek<T>(
    heads: &[T],
    number: impl Fn(&T) -> u64,
    wanted: u64,
    is_before: impl Fn(usize) -> bool,
) -> usize {
    let mut low = heads.partition_point(|head| number(head) < wanted);
    let is_tied = heads.get(low).is_some_and(|head| number(head) == wanted);
    if !is_tied {
        return low;
    }
    let ties = heads[low..].partition_point(|head| number(head) == wanted);
    let mut high = low + ties;
    while low < high {
        let middle = low + (high - low) / 2;
        match is_before(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests;
