//! Records that can be recognized: a token, then bytes that follow from it.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | token, little-endian |
//! | 8.. | each byte a function of token, length and position |
//!
//! A record that was cut, shifted or mixed with another is not recognized.

/// The smallest record.
pub(super) const RECORD_BYTES_MIN: usize = 8;

fn filler(token: u64, len: usize, at: usize) -> u8 {
    let place = (at as u64).rotate_left(17) ^ (len as u64).rotate_left(41);
    let mixed = (token ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 56) as u8
}

/// The record of a token.
pub(super) fn record(token: u64, bytes: usize) -> Vec<u8> {
    let bytes = bytes.max(RECORD_BYTES_MIN);
    let mut record = Vec::with_capacity(bytes);
    record.extend_from_slice(&token.to_le_bytes());
    record.extend((RECORD_BYTES_MIN..bytes).map(|at| filler(token, bytes, at)));
    record
}

/// The token of a record, if every byte of it is as it was written.
pub(super) fn token(record: &[u8]) -> Option<u64> {
    let (head, rest) = record.split_first_chunk::<RECORD_BYTES_MIN>()?;
    let token = u64::from_le_bytes(*head);
    let is_whole = (RECORD_BYTES_MIN..)
        .zip(rest)
        .all(|(at, &byte)| byte == filler(token, record.len(), at));
    is_whole.then_some(token)
}
