//! The simulated disk: what a program sees, and what may survive a crash.
//!
//! Two halves that never mix. The *live* half ([`SimFs`]) holds what the program sees and appends
//! every effect to a [`Trace`]. The *crash* half ([`CrashModel`]) reads a trace up to a cut, keeps
//! what is durable and what is pending, and builds [`Image`]s of what a disk may hold after the
//! crash. One run therefore gives every cut and every image.
//!
//! Invariants:
//! - \[I1\] Only a sync makes an effect durable; what else a [`Profile`] promises is order.
//! - \[I2\] A call costs the same whatever is pending and however many files there are.
//! - \[I3\] An image depends on the trace, the cut and the [`Survivors`] alone.
//! - \[I4\] Every image that is built is legal under the profile: wishes are projected.
//!
//! The rules, their sources and what is not modelled: docs/FAULTS.md.

mod account;
mod aim;
mod alter;
mod alteration;
mod altered;
mod asked;
mod build;
mod built;
mod config;
mod crash;
mod damage;
mod draw;
mod enumerate;
mod fault;
mod fingerprint;
mod gate;
mod handle;
mod hash;
mod image;
mod inject;
mod layout;
mod ledger;
mod live;
mod names;
mod observed;
mod page;
mod parts;
mod past;
mod pending;
mod record;
mod resolve;
mod runs;
mod shape;
mod simfs;
mod survivors;
mod trace;
mod tree;
mod unitset;
mod witness;

#[cfg(test)]
mod tests;

pub use account::{
    Account, Change, EffectAccount, Ending, FileAccount, Harmed, How, Outcome, Span, Stale,
};
pub(crate) use aim::aimed_damage;
pub use alteration::{Alteration, NewName};
pub(crate) use asked::{Asks, Question, Shape};
pub(crate) use built::Built;
pub use config::{DiskConfig, Profile};
pub use crash::{CrashKind, CrashModel};
pub use draw::draw_survivors;
pub use enumerate::{Budget, enumerate, legal_images_log2};
pub(crate) use enumerate::{Choice, Elements, choices};
pub(crate) use fault::matches;
pub use fault::{Errno, Fault, FaultRule, LedgerEntry, Promise, SyncFailure, Trigger};
pub(crate) use fingerprint::Print;
pub use gate::{Gate, NoGate};
pub use image::Image;
pub use inject::FaultBuilder;
pub use ledger::{Fate, Shown, Sighting, Told};
pub use observed::Observed;
pub use record::CallRecord;
pub(crate) use resolve::Resolution;
pub(crate) use shape::bucket;
pub use simfs::SimFs;
pub use survivors::{Base, EffectId, Exception, Explicit, Fill, Survivors, Tear, TornUnit};
pub use trace::Trace;
pub use witness::Verdict;
