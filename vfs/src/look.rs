//! What a program uses of what it reads.
//!
//! A program that reads a whole file to find out where its good part ends does not use the bytes
//! behind that: any others that are as bad would do. It may say so. A simulator that tries many
//! images of one file then need not run the program on each: those that lead to one conclusion
//! lead to one outcome.
//!
//! Invariants:
//! - \[I1\] A look is a function of the file's bytes and of what its [`id`](Look::id) tells, and of
//!   nothing else.
//! - \[I2\] What a program does depends on a file that it reads through a handle opened with
//!   [`OpenOptions::looks`](crate::OpenOptions::looks) only through the looks that it tells of by
//!   [`File::concludes`](crate::File::concludes), before it or anybody else changes the file.
//!   A simulator may check that by running the program all the same.

use std::fmt;
use std::sync::Arc;

/// The bytes of a file, as a look sees them.
pub trait Bytes {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Copies the bytes at `offset` into `buffer` and returns how many there were; fewer than asked
    /// for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file in memory.
impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.get(from..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        count
    }
}

type Conclude = dyn Fn(&dyn Bytes) -> u64 + Send + Sync;

/// A way to look at a file, and to come to a conclusion about it.
#[derive(Clone)]
pub struct Look {
    id: u64,
    conclude: Arc<Conclude>,
}

impl Look {
    /// A look that is told from all others by `id`: a hash of its kind and of all that it depends
    /// on besides the bytes. `conclude` returns a hash of all that the program uses.
    pub fn new(id: u64, conclude: impl Fn(&dyn Bytes) -> u64 + Send + Sync + 'static) -> Self {
        Self {
            id,
            conclude: Arc::new(conclude),
        }
    }

    /// What it is told from others by.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Looks at a file.
    pub fn conclude(&self, bytes: &dyn Bytes) -> u64 {
        (self.conclude)(bytes)
    }
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Look {}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Look({:016x})", self.id)
    }
}
