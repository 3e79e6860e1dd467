//! Faults that users of other logs met, tried on this one.
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
#[path = "log_faults/paths.rs"]
mod paths;
#[path = "log_faults/space.rs"]
mod space;
