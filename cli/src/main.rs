//! The command `blackstart`.
#![forbid(unsafe_code)]
fn main() {}
