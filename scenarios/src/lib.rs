//! What the Blackstart engine is put through: workloads, reference models, checks.
//!
//! Each scenario is a module: the operations and how they are drawn, how the engine is driven,
//! and a model that shares no code with the engine.
//!
//! A new scenario goes into a module of its own and into [`registry`].
#![forbid(unsafe_code)]

pub mod commitlog;
pub mod store;

use blackstart_sim::Registered;
use blackstart_sim::cli::Registry;

/// All scenarios.
pub fn registry() -> Registry {
    Registry::new(vec![
        Registered::boxed(commitlog::CommitLog),
        Registered::boxed(store::Store),
    ])
}
