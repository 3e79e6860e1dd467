//! Recovery decides, then does.
//!
//! [`plan`] reads a log through a [`LogSource`](super::LogSource), which can only read, and says
//! what it is and what is to be done. `apply` does it. A read-only opening stops after the plan.
//!
//! | what stands at x, where the chain of good frames of the newest segment ends | verdict |
//! |---|---|
//! | nothing, zeros, or anything behind a close mark | clean end |
//! | anything else, later valid frames included, and no evidence that x was durable | tail |
//! | anything, zeros included, with evidence that x was durable | corrupt |
//! | a read error | that error |
//!
//! Invariants:
//! - \[I1\] Evidence is: what a valid frame, the segment's header or the superblock says was
//!   durable; a named successor; the caller's word. That a frame is valid is not evidence for what
//!   stands before it.
//! - \[I2\] Nothing that may be the only copy of a durable commit is written over. Data that may
//!   exist only in the page cache is copied into a *new* segment, which is synced, named and its
//!   name synced, before the old one is cut or loses its name. Writing the same bytes in place
//!   would be shorter, and a torn sector would destroy what an earlier sync had made durable.
//! - \[I3\] Nothing recovered is shown before it is durable.
//! - \[I4\] Each step may be cut short and the next opening goes on from what it finds. So names
//!   are given only to complete, synced files, and nothing is removed or cut before the name that
//!   makes it superfluous is durable.
//! - \[I5\] The epoch is raised by writing a new segment; (epoch, tx offset) is never used twice.
//! - \[I6\] A name is evidence. What a file with a log's name lacks is damage, and every other
//!   file is in the report.
//!
//! Not here: salvage, which reads what a plan refuses (see `salvage`).

pub(crate) mod apply;
pub(crate) mod continuity;
pub(crate) mod evidence;
pub(crate) mod listing;
pub(crate) mod plan;
pub(crate) mod scan;

pub use plan::{Beforehand, Plan, Planned, plan};

#[cfg(test)]
mod tests;
