//! Recovery decides, then does.
//!
//! [`plan`] looks at a log through a [`LogSource`](super::LogSource), which can only read, and
//! says what it is and what is to be done. `apply` does it. A read-only opening stops after the
//! plan.
//!
//! | what stands at x, where the chain of good frames of the newest segment ends | verdict |
//! |---|---|
//! | nothing, or zeros | clean end |
//! | anything else, later valid frames included, and no evidence that x was durable | tail |
//! | anything, zeros included, with evidence that x was durable | corrupt |
//! | a read error | that error |
//!
//! Behind a close mark a tail may be a torn open mark, or what a spare held before. It may also be
//! all that is left of commits that followed, so it is reported like any other.
//!
//! Invariants:
//! - \[I1\] Evidence is: what a valid frame or the segment's header says was durable; a named
//!   successor (its predecessor ends with a seal, durably); the caller's word. That a frame is
//!   valid is not evidence for what stands before it.
//! - \[I2\] Nothing that may be the only copy of a durable commit is written over. What is to be
//!   kept and might be in the page cache only goes into a *new* segment, which is synced, named and
//!   its name synced, before the old one is cut. Writing the same bytes in place would be shorter,
//!   and a torn sector would destroy what an earlier sync had made durable.
//! - \[I3\] Nothing recovered is shown before it is durable.
//! - \[I4\] Each step may be cut short and the next opening goes on from what it finds. So names
//!   are
//!   given only to complete, synced files, and nothing is removed or cut before the name that
//!   makes it superfluous is durable.
//! - \[I5\] The epoch is raised by writing a new segment; (epoch, tx offset) is never used twice.
//!
//! Not here: salvage, which rewrites damaged segments so that a plan succeeds (see `salvage`).

pub(crate) mod apply;
pub(crate) mod continuity;
mod cut;
pub(crate) mod evidence;
pub(crate) mod gather;
pub(crate) mod heads;
pub(crate) mod plan;
pub(crate) mod scan;

pub(crate) use cut::{Cut, seal_at};
pub use plan::{Plan, Planned, Sealed, plan};

#[cfg(test)]
mod tests;
