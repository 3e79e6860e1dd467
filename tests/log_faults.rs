//! Faults that users of other logs met, tried on this one: each kind as a whole.
//!
//! | kind | in |
//! |---|---|
//! | what is not recognised is left out, and the loss is not told | `files`, `met` |
//! | a path is trusted to stay what it was | `paths`, `met` |
//! | what safety does not need stands in the way of going on | `space` |
//! | an identity that a copy shares | `copies` |
//! | beside a writer only the opening looks twice | `beside` |
//!
//! Not here: the child of a fork, which is a unit test of the writer.
#![expect(
    clippy::disallowed_methods,
    reason = "the harm is done behind the seam's back"
)]

#[path = "log_faults/beside.rs"]
mod beside;
#[path = "log_faults/copies.rs"]
mod copies;
#[path = "log_faults/directory.rs"]
mod directory;
#[path = "log_faults/files.rs"]
mod files;
#[path = "../src/commitlog/testing/hooked.rs"]
mod hooked;
#[path = "log_faults/met.rs"]
mod met;
#[path = "log_faults/paths.rs"]
mod paths;
#[path = "log_faults/space.rs"]
mod space;
