//! Sets of hashes: what has been seen. They are asked for each image, and are most of its cost but
//! for the image itself.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Hashes that were mixed well already.
pub(super) type Seen = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Takes a hash for its own hash.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
