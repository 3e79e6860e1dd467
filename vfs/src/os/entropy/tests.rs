//! The random source.

use super::OsEntropy;
use crate::Entropy;

/// More than the kernel gives in one call, so that the loop goes round.
#[test]
fn all_of_a_large_buffer_is_filled() {
    let mut bytes = vec![0_u8; 1 << 20];
    OsEntropy.fill(&mut bytes).unwrap();
    // 32 bytes that are all zero come up once in 2^256.
    assert!(
        bytes
            .chunks(32)
            .all(|chunk| chunk.iter().any(|&byte| byte != 0))
    );
    OsEntropy.fill(&mut []).unwrap();
}
