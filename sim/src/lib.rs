//! Deterministic simulation testing for storage software.
pub mod disk;
