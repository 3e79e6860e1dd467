//! The header of a frame.

use arbitrary::{Arbitrary, Unstructured};
use blackstart::codec::ByteOffset;
use blackstart::commitlog::{FRAME_HEADER_BYTES, FrameHeader, LogId, Seed, TxOffset};

/// A frame's header and where it stands.
#[derive(Arbitrary, Debug)]
struct Placed {
    log_id: [u8; 16],
    segment: u64,
    at: u64,
    header: [u8; FRAME_HEADER_BYTES],
}

impl Placed {
    /// The checksum as docs/FORMAT.md describes it, not as the engine computes it.
    fn checksum(&self) -> u32 {
        let mut identity = self.log_id.to_vec();
        identity.extend_from_slice(&self.segment.to_le_bytes());
        let mut hasher = crc32fast::Hasher::new_with_initial(crc32fast::hash(&identity));
        hasher.update(&self.at.to_le_bytes());
        hasher.update(&self.header[4..]);
        hasher.update(&[0; 76]);
        hasher.finalize()
    }

    fn put_checksum_right(&mut self) {
        let checksum = self.checksum();
        self.header[..4].copy_from_slice(&checksum.to_le_bytes());
    }

    fn decode(&self) {
        let seed = Seed::new(LogId::new(self.log_id), TxOffset::new(self.segment));
        let at = ByteOffset::new(self.at);
        match FrameHeader::decode(&self.header, seed, at) {
            Ok((header, checksum)) => {
                assert_eq!(
                    checksum,
                    self.checksum(),
                    "{header:?} has the described checksum"
                );
                assert_eq!(
                    header.encode(seed, at),
                    (self.header, checksum),
                    "{header:?}"
                );
                let _ = header.end(at);
            }
            Err(defect) => assert!(!defect.to_string().is_empty()),
        }
    }
}

/// Decodes bytes as a frame's header, as they are and with magic and checksum put right.
pub fn check(bytes: &[u8]) {
    let Ok(mut placed) = Placed::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    placed.decode();
    placed.header[4..6].copy_from_slice(&[0xF5, 0x4B]);
    placed.put_checksum_right();
    placed.decode();
    placed.header[6] %= 8;
    placed.header[7] = 0;
    placed.put_checksum_right();
    placed.decode();
}
