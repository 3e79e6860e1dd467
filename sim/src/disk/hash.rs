//! A fixed hash of bytes and words, for recognizing equal contents and equal runs.

/// Mixes a word into a hash.
pub(super) const fn word(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95)
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
