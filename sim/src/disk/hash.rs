//! A fixed hash of bytes and words, for recognizing equal contents and equal runs.

use crate::call::mix64;

/// Mixes a word into a hash.
pub(super) const fn word(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95)
}

/// A hash of many bytes: four rows of words beside each other, so that none waits for the last.
pub(super) fn sector(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut rows = [1u64, 2, 3, 4];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (row, chunk) in rows.iter_mut().zip(words) {
            *row = word(*row, u64::from_le_bytes(*chunk));
        }
    }
    let rows = rows.into_iter().fold(0, |hash, row| word(hash, mix64(row)));
    self::bytes(rows, rest)
}

/// Mixes bytes into a hash.
pub(super) fn bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for chunk in words {
        hash = word(hash, u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    for (target, &byte) in last.iter_mut().zip(rest) {
        *target = byte;
    }
    word(word(hash, u64::from_le_bytes(last)), bytes.len() as u64)
}
