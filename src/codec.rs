//! Checked decoding: bytes from disk become values or a typed answer of what is wrong with them.
//!
//! Invariants:
//! - \[I1\] No decoder panics, whatever the bytes.
//! - \[I2\] No decoder allocates by a length it has not first compared with what is there.
//! - \[I3\] What a decoder rejects it describes: offset, field, expected, found ([`Defect`]); with
//!   the file's name it becomes [`Corrupt`].
//!
//! Integers are little-endian. Not here: any format; those belong to the modules that own them.

mod corrupt;
mod cursor;

pub use corrupt::{ByteOffset, Corrupt, Defect, Value};
pub use cursor::Cursor;
