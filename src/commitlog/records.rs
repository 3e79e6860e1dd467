//! The records in a commit's payload: for each transaction a length and so many bytes.
//!
//! Invariants:
//! - \[I1\] Transactions are shown only of a payload that was checked as a whole: its checksum and
//!   each record's place.

use super::TxOffset;
use super::frame::RECORD_PREFIX_BYTES;
use crate::codec::{ByteOffset, Defect};

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

/// How much of a payload is hashed before its records are looked for: it stays in the first-level
/// cache in between.
const BLOCK_BYTES: usize = 16 << 10;
/// So many records of one length are looked at together.
const RUN_RECORDS: usize = 8;

/// Where the records of a payload end, each behind its bytes. Made by a check only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(Vec<u32>);

impl Ends {
    /// Takes the checksum of a payload that stands at `at`, and checks that it is exactly `count`
    /// records. Nothing is to be believed of the records before the checksum was compared.
    ///
    /// A record's place depends on the length before it, so that looking for them is a chain of
    /// loads; it is walked once, in the cache in which hashing has just been.
    #[inline]
    pub fn find(
        &mut self,
        payload: &[u8],
        count: u32,
        at: ByteOffset,
    ) -> (u32, Result<(), Defect>) {
        let mut hasher = crc32fast::Hasher::new();
        let mut walk = Walk::start(payload, count, self);
        let (mut hashed, mut result) = (0, Ok(()));
        for block in payload.chunks(BLOCK_BYTES) {
            hasher.update(block);
            hashed += block.len();
            if result.is_ok() {
                result = walk.go_on(hashed);
            }
        }
        let result = result.and_then(|()| walk.finish());
        (
            hasher.finalize(),
            result.map_err(|problem| problem.defect(payload, at)),
        )
    }

    /// Checks that a payload which stands at `at`, and whose checksum was compared, is exactly
    /// `count` records.
    #[inline]
    pub fn walk(&mut self, payload: &[u8], count: u32, at: ByteOffset) -> Result<(), Defect> {
        if let (1, Some((len, record))) = (count, payload.split_first_chunk())
            && u32::from_le_bytes(*len) as usize == record.len()
        {
            self.0.clear();
            self.0.push(payload.len() as u32);
            return Ok(());
        }
        let mut walk = Walk::start(payload, count, self);
        let result = walk.go_on(payload.len()).and_then(|()| walk.finish());
        result.map_err(|problem| problem.defect(payload, at))
    }
}

/// Checks that a payload which stands at `at` is exactly `count` records.
///
/// # Errors
/// The first record that does not fit, or what is left over.
pub fn check(payload: &[u8], count: u32, at: ByteOffset) -> Result<(), Defect> {
    Ends::default().walk(payload, count, at)
}

/// From record to record.
struct Walk<'a> {
    payload: &'a [u8],
    count: usize,
    ends: &'a mut Vec<u32>,
    /// Where the next record's length stands.
    at: usize,
    /// The length of the last one.
    last: u32,
}

/// Why a payload is not so many records.
enum Problem {
    /// The record there leads beyond the payload.
    Beyond(usize),
    /// Bytes are left over from there on.
    LeftOver(usize),
}

impl<'a> Walk<'a> {
    fn start(payload: &'a [u8], count: u32, ends: &'a mut Ends) -> Self {
        let (count, at, last) = (count as usize, 0, 0);
        let ends = &mut ends.0;
        ends.clear();
        // Cap the reservation by what the payload can hold.
        ends.reserve(count.min(payload.len() / RECORD_PREFIX_BYTES));
        Self {
            payload,
            count,
            ends,
            at,
            last,
        }
    }

    /// Walks over the records whose lengths stand before `limit`.
    #[inline]
    fn go_on(&mut self, limit: usize) -> Result<(), Problem> {
        let seen = self.payload.get(..limit).unwrap_or(self.payload);
        loop {
            if self.pass_run(seen) {
                continue;
            }
            for _ in 0..RUN_RECORDS {
                if !self.pass_one(seen)? {
                    return Ok(());
                }
            }
        }
    }

    /// Passes one record; false if its length does not stand there yet, or there are no more.
    #[inline]
    fn pass_one(&mut self, seen: &[u8]) -> Result<bool, Problem> {
        let rest = seen.get(self.at..).unwrap_or_default();
        let Some(len) = rest.first_chunk::<RECORD_PREFIX_BYTES>() else {
            return Ok(false);
        };
        if self.ends.len() == self.count {
            return Ok(false);
        }
        self.last = u32::from_le_bytes(*len);
        let end = (self.at + RECORD_PREFIX_BYTES).checked_add(self.last as usize);
        let Some(end) = end.filter(|end| *end <= self.payload.len()) else {
            return Err(Problem::Beyond(self.at));
        };
        // A payload's own length has 32 bits.
        self.ends.push(end as u32);
        self.at = end;
        Ok(true)
    }

    /// Passes a run of records that are as long as the last one, if that is what follows. Their
    /// lengths are loaded independently of each other.
    #[inline]
    fn pass_run(&mut self, seen: &[u8]) -> bool {
        if self.count - self.ends.len() < RUN_RECORDS {
            return false;
        }
        let stride = RECORD_PREFIX_BYTES + self.last as usize;
        let Some(run) = stride.checked_mul(RUN_RECORDS).and_then(|bytes| {
            let end = self.at.checked_add(bytes)?;
            seen.get(self.at..end)
        }) else {
            return false;
        };
        let expected = self.last.to_le_bytes();
        let is_run = (0..RUN_RECORDS).fold(true, |is_run, index| {
            let len = run.get(index * stride..).and_then(<[u8]>::first_chunk);
            is_run & (len == Some(&expected))
        });
        if !is_run {
            return false;
        }
        let at = self.at;
        let ends = (1..=RUN_RECORDS).map(|index| (at + index * stride) as u32);
        self.ends.extend(ends);
        self.at += run.len();
        true
    }

    fn finish(self) -> Result<(), Problem> {
        if self.ends.len() < self.count {
            Err(Problem::Beyond(self.at))
        } else if self.at < self.payload.len() {
            Err(Problem::LeftOver(self.at))
        } else {
            Ok(())
        }
    }
}

impl Problem {
    fn defect(&self, payload: &[u8], at: ByteOffset) -> Defect {
        match *self {
            Self::Beyond(from) => Defect::new(
                at.plus(from as u64),
                "record length",
                "a record within the payload",
                "one that leads beyond it",
            ),
            Self::LeftOver(from) => Defect::new(
                at.plus(from as u64),
                "payload",
                "no bytes behind the last record",
                (payload.len() - from) as u64,
            ),
        }
    }
}

/// The transactions of a commit: offset and record.
#[derive(Clone, Debug)]
pub struct Transactions<'a> {
    payload: &'a [u8],
    ends: std::slice::Iter<'a, u32>,
    /// Where the next record's length stands.
    at: usize,
    next: TxOffset,
}

impl<'a> Transactions<'a> {
    /// The transactions in a payload that was checked.
    pub(crate) fn new(payload: &'a [u8], ends: &'a Ends, first: TxOffset) -> Self {
        Self {
            payload,
            ends: ends.0.iter(),
            at: 0,
            next: first,
        }
    }
}

impl<'a> Iterator for Transactions<'a> {
    type Item = (TxOffset, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let end = *self.ends.next()? as usize;
        let record = self.payload.get(self.at + RECORD_PREFIX_BYTES..end)?;
        self.at = end;
        let tx_offset = self.next;
        self.next = tx_offset.checked_add(1).unwrap_or(tx_offset);
        Some((tx_offset, record))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ends.size_hint()
    }
}

impl ExactSizeIterator for Transactions<'_> {}

#[cfg(test)]
mod tests;
