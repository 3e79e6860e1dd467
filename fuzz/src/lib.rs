//! What each fuzz target checks, as functions of bytes.
//!
//! They are apart from the targets so that `cargo test` runs them too (`tests/decoders.rs`), over
//! the seeds in `corpus/fuzz` and over random bytes, without a fuzzer.
//!
//! A decoder of untrusted bytes owes: no panic, no allocation beyond the input's size plus a
//! constant, an error that is a sentence, and, for what it accepts, the same bytes when written
//! again. Checksums stop a fuzzer at the door, so most functions look at the bytes twice: as they
//! are, and with the checksum put right.
#![forbid(unsafe_code)]

pub mod case;
pub mod disk;
pub mod files;
pub mod frame;
pub mod header;
pub mod opening;
pub mod records;
pub mod recovery;
pub mod salvage;
pub mod store_bytes;
pub mod store_files;
pub mod store_ops;
pub mod superblock;
