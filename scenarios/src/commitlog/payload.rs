//! Records that can be recognized: a token, then bytes that follow from it.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | token, little-endian |
//! | 8.. | each eight bytes a function of token, length and position |
//!
//! A record that was cut, shifted or mixed with another is not recognized.

/// The smallest record.
pub(super) const RECORD_BYTES_MIN: usize = 8;

/// The eight bytes at `8 * number`.
fn filler(token: u64, len: usize, number: usize) -> [u8; 8] {
    let place = (number as u64).rotate_left(17) ^ (len as u64).rotate_left(41);
    let mixed = (token ^ place).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).to_le_bytes()
}

/// The record of a token.
pub(super) fn record(token: u64, bytes: usize) -> Vec<u8> {
    let bytes = bytes.max(RECORD_BYTES_MIN);
    let mut record = Vec::with_capacity(bytes + 8);
    record.extend_from_slice(&token.to_le_bytes());
    let mut number = 1;
    while record.len() < bytes {
        record.extend_from_slice(&filler(token, bytes, number));
        number += 1;
    }
    record.truncate(bytes);
    record
}

/// The token of a record, if every byte of it is as it was written.
pub(super) fn token(record: &[u8]) -> Option<u64> {
    let (head, rest) = record.split_first_chunk::<RECORD_BYTES_MIN>()?;
    let token = u64::from_le_bytes(*head);
    let is_whole = (1..).zip(rest.chunks(8)).all(|(number, chunk)| {
        let expected = filler(token, record.len(), number);
        expected.get(..chunk.len()) == Some(chunk)
    });
    is_whole.then_some(token)
}
