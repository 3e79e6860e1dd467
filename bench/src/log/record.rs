//! The records: 128 bytes that do not compress, numbered, so that reading back can be checked.

/// Bytes of a record.
pub const RECORD_BYTES: usize = 128;

/// A record: its number (from 1), then bytes that look random.
pub type Record = [u8; RECORD_BYTES];

/// Gives out numbered records, a batch at a time, without allocating.
pub struct Records {
    batch: Vec<Record>,
    next: u64,
}

impl Records {
    /// Records from number 1, in batches of `batch_len`.
    pub fn new(batch_len: usize) -> Self {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let batch = (0..batch_len)
            .map(|_| {
                let mut record = [0; RECORD_BYTES];
                for word in record.chunks_exact_mut(8) {
                    // xorshift64: any stream that a compressor cannot shorten will do.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    word.copy_from_slice(&state.to_le_bytes());
                }
                record
            })
            .collect();
        Self { batch, next: 1 }
    }

    /// The next batch.
    pub fn next_batch(&mut self) -> &[Record] {
        for record in &mut self.batch {
            set_number(record, self.next);
            self.next += 1;
        }
        &self.batch
    }

    /// How many records were given out.
    pub fn given(&self) -> u64 {
        self.next - 1
    }
}

/// The number of a record.
pub fn number(record: &[u8]) -> Option<u64> {
    record.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Sets the number of a record.
pub fn set_number(record: &mut Record, number: u64) {
    if let Some(bytes) = record.first_chunk_mut() {
        *bytes = number.to_le_bytes();
    }
}

/// What a replay saw: enough to notice a record that is missing, doubled, short or never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    records: u64,
    bytes: u64,
    sum: u64,
}

impl Tally {
    /// Counts a record.
    pub fn see(&mut self, record: &[u8]) {
        self.records += 1;
        self.bytes += record.len() as u64;
        self.sum = self.sum.wrapping_add(number(record).unwrap_or(u64::MAX));
    }

    /// What a replay of the records 1 to `records` must have seen.
    pub fn of(records: u64) -> Self {
        let sum = records.wrapping_mul(records + 1) / 2;
        Self {
            records,
            bytes: records * RECORD_BYTES as u64,
            sum,
        }
    }
}
