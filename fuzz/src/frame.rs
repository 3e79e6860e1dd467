//! The header of a frame, with a small payload behind it.

use arbitrary::{Arbitrary, Unstructured};
use blackstart::codec::ByteOffset;
use blackstart::commitlog::{
    FRAME_HEADER_BYTES, FrameHeader, FrameKey, LogId, SMALL_PAYLOAD_BYTES_MAX, TxOffset,
};

/// A frame and where it stands.
#[derive(Arbitrary, Clone, Debug)]
struct Placed {
    log_id: [u8; 16],
    segment: u64,
    tag: u32,
    at: u32,
    header: [u8; FRAME_HEADER_BYTES],
    payload: Vec<u8>,
}

/// A frame's checksum as docs/FORMAT.md describes it, not as the engine computes it. `covered` are
/// its bytes from 4 on, as far as the checksum covers them.
pub(super) fn checksum(log_id: &[u8; 16], segment: u64, at: u32, covered: &[u8]) -> u32 {
    let mut identity = log_id.to_vec();
    identity.extend_from_slice(&segment.to_le_bytes());
    let initial = crc32fast::hash(&identity) ^ at;
    let mut hasher = crc32fast::Hasher::new_with_initial(initial);
    hasher.update(covered);
    hasher.finalize()
}

impl Placed {
    fn number(&self, at: usize) -> u32 {
        let bytes = self.header.get(at..at + 4).expect("within the header");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    fn put(&mut self, at: usize, number: u32) {
        self.header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    fn bytes(&self) -> Vec<u8> {
        [&self.header[..], &self.payload].concat()
    }

    /// The checksum that the header should have; none if its payload is cut short.
    fn checksum(&self) -> Option<u32> {
        let payload = match self.number(16) {
            len if len <= SMALL_PAYLOAD_BYTES_MAX => self.payload.get(..len as usize)?,
            _ => &[],
        };
        let covered = [&self.header[4..], payload].concat();
        Some(checksum(&self.log_id, self.segment, self.at, &covered))
    }

    fn put_checksum_right(&mut self) {
        if let Some(checksum) = self.checksum() {
            self.put(0, checksum);
        }
    }

    fn decode(&self) {
        let log_id = LogId::new(self.log_id);
        let key = FrameKey::new(log_id, TxOffset::new(self.segment), Some(self.tag));
        let at = ByteOffset::new(self.at.into());
        match FrameHeader::decode(&self.bytes(), &key, at) {
            Ok((header, checksum)) => {
                assert_eq!(Some(checksum), self.checksum(), "{header:?}");
                assert_eq!(self.reads(), self.says(&header), "{header:?}");
                let end = header.end(at);
                assert!(end.is_err() || end.is_ok_and(|end| end >= header.first));
            }
            Err(defect) => assert!(!defect.to_string().is_empty()),
        }
    }

    /// The fields as the table of docs/FORMAT.md places them.
    fn reads(&self) -> [u64; 7] {
        let number = |at| u64::from(self.number(at));
        let kind = u64::from(self.header[6]);
        let first = self.segment.wrapping_add(number(24));
        [
            kind,
            number(8),
            number(12),
            number(16),
            number(20),
            first,
            number(28),
        ]
    }

    /// The same as the decoder gives them.
    fn says(&self, header: &FrameHeader) -> [u64; 7] {
        [
            header.kind as u64,
            header.tag.into(),
            header.prev.into(),
            header.payload_len.into(),
            header.tx_count.into(),
            header.first.get(),
            header.durable_bytes.into(),
        ]
    }
}

/// Decodes bytes as a frame, as they are and with more and more of it put right.
pub fn check(bytes: &[u8]) {
    let Ok(mut placed) = Placed::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    placed.decode();
    placed.header[4..6].copy_from_slice(&[0xF5, 0x4B]);
    placed.put_checksum_right();
    placed.decode();
    placed.header[6] %= 4;
    placed.header[7] = 0;
    placed.put(8, placed.tag);
    placed.put_checksum_right();
    placed.decode();
    placed.put(16, placed.payload.len() as u32);
    placed.put(20, placed.number(20) % 8);
    placed.put_checksum_right();
    placed.decode();
}
