//! Deterministic simulation testing for storage software.
#![deny(unsafe_code)]

pub mod any;
pub mod call;
pub mod campaign;
pub mod case;
pub mod cli;
pub mod corpus;
#[cfg(test)]
mod counter;
pub mod disk;
pub mod draw;
pub mod explore;
pub mod explorer;
pub mod failure;
mod generate;
mod guide;
pub mod marks;
mod near;
pub mod oracle;
#[cfg(feature = "proptest")]
pub mod prop;
mod quiet;
mod readtree;
mod reopening;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sched;
pub mod schedules;
pub mod serial;
mod settle;
pub mod shard;
#[cfg(test)]
mod shelf;
pub mod shrink;
mod stopwatch;
pub mod story;
mod unmet;

pub use any::{AnyScenario, Registered, assert_case_passes};
pub use campaign::{Campaign, CampaignOptions};
pub use disk::Promise;
pub use failure::Failure;
pub use scenario::{Ctx, Scenario, SmallCase, Step};
pub use shard::Shard;
