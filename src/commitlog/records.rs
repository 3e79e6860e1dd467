//! The records in a commit's payload: for each transaction a length and so many bytes.

use super::TxOffset;
use super::frame::RECORD_PREFIX_BYTES;
use crate::codec::{ByteOffset, Defect, Value};

/// The bytes that `records` take in a payload.
pub(crate) fn payload_bytes<R: AsRef<[u8]>>(records: &[R]) -> u64 {
    let bytes = |record: &R| (RECORD_PREFIX_BYTES + record.as_ref().len()) as u64;
    records.iter().map(bytes).sum()
}

/// Appends `records` to a payload. Each is shorter than 4 GiB: a commit's size was checked before.
pub(crate) fn encode<R: AsRef<[u8]>>(payload: &mut Vec<u8>, records: &[R]) {
    for record in records {
        let record = record.as_ref();
        payload.extend_from_slice(&(record.len() as u32).to_le_bytes());
        payload.extend_from_slice(record);
    }
}

/// Splits a length and its bytes from the front of a payload.
#[inline]
fn split(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = payload.split_first_chunk::<RECORD_PREFIX_BYTES>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}

/// Checks that a payload which stands at `at` is exactly `count` records.
///
/// # Errors
/// The first record that does not fit, or what is left over.
pub fn check(payload: &[u8], count: u32, at: ByteOffset) -> Result<(), Defect> {
    let mut rest = payload;
    for _ in 0..count {
        let at = at.plus((payload.len() - rest.len()) as u64);
        (_, rest) = split(rest).ok_or(Defect {
            at,
            field: "record length",
            expected: Value::Text("a record within the payload"),
            found: Value::Text("one that leads beyond it"),
        })?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    Err(Defect {
        at: at.plus((payload.len() - rest.len()) as u64),
        field: "payload",
        expected: Value::Text("no bytes behind the last record"),
        found: Value::Number(rest.len() as u64),
    })
}

/// The transactions of a commit: offset and record.
#[derive(Clone, Debug)]
pub struct Transactions<'a> {
    rest: &'a [u8],
    next: TxOffset,
}

impl<'a> Transactions<'a> {
    /// The transactions in a payload that was checked.
    pub(crate) fn new(payload: &'a [u8], first: TxOffset) -> Self {
        Self {
            rest: payload,
            next: first,
        }
    }
}

impl<'a> Iterator for Transactions<'a> {
    type Item = (TxOffset, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (record, rest) = split(self.rest)?;
        self.rest = rest;
        let tx_offset = self.next;
        self.next = tx_offset.checked_add(1).unwrap_or(tx_offset);
        Some((tx_offset, record))
    }
}

#[cfg(test)]
mod tests;
