//! Random bytes of the kernel: `getrandom`.

use std::io;

use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::Entropy;

/// The kernel's random source. It blocks until the kernel has collected enough after boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            // More than 256 bytes may come in parts.
            let count = retry_on_intr(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
            rest = &mut rest[count..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
