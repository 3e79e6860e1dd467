//! Random bytes for identities.

use std::io;

/// A source of random bytes. They serve as identities only (the id of a log); no decision of the
/// program may depend on them.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random bytes.
    ///
    /// # Errors
    /// The source's error; `bytes` is then unspecified.
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()>;
}
