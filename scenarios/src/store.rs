//! The store under crashes and faults.
//!
//! One to three clients put, delete, read and scan, flush and merge, close and reopen, and go back
//! in time. Each batch has a token of its own, which all its values carry, so that the model knows
//! from a value which write it is. What was promised an [`Oracle`](blackstart_sim::oracle) knows.
//!
//! Invariants:
//! - \[I1\] The model shares no code with the store: it knows batches by token and sequence, and
//!   what was promised.
//! - \[I2\] An error is excused only by a fault that explains it (`excuse`).

mod beside;
mod drive;
mod excuse;
mod held;
mod key;
mod model;
mod op;
mod opening;
mod together;
mod words;

#[cfg(test)]
mod tests;

use blackstart_sim::disk::{CrashKind, Sighting};
use blackstart_sim::draw::Draw;
use blackstart_sim::story::Said;
use blackstart_sim::{Ctx, Failure, Scenario, SmallCase, Step};

pub use key::{Key, Value};
pub use model::{Event, Model, Opened, Rows, Writes};
pub use op::{Config, Kept, Level, Op};

/// The scenario `store`.
#[derive(Clone, Copy, Debug)]
pub struct Store;

impl Scenario for Store {
    type Config = Config;
    type Op = Op;
    type Event = Event;
    type Model = Model;

    fn name(&self) -> &'static str {
        "store"
    }

    fn about(&self) -> &'static str {
        "the store: put, delete, batch, scan, flush, merge, reopen, with crashes anywhere"
    }

    fn marks(&self) -> &'static [&'static str] {
        &[
            "!opened with tables",
            "!replayed batches",
            "!several tables",
            "!merged",
            "!a kept cursor went on",
            "!unacknowledged batch survived",
            "!acknowledged batch lost below its level",
            "!batches of several clients",
            "!unnamed files removed at opening",
            "!typed error",
            "!damage reported",
            "!poisoned",
            "!no space, went on",
            "!a flush failed behind a write",
            "!worked again when faults had stopped",
            "!went on when there was space again",
            "!a fork",
            "!history gone",
            "!others looked",
            "!backed up",
            "!a transaction committed",
            "!a transaction had a conflict",
            "!a keyspace was dropped",
            "!a keyspace was created",
        ]
    }

    fn files(&self) -> &'static [&'static str] {
        &["*.tbl", "MANIFEST*", "*.log", "*"]
    }

    fn tolerates_silent_damage(&self) -> bool {
        true
    }

    fn meets_alterations(&self) -> bool {
        true
    }

    fn meets_growth_failures(&self) -> bool {
        true
    }

    fn config(&self, draw: &mut Draw<'_>) -> Config {
        Config::draw(draw)
    }

    fn steps(&self, draw: &mut Draw<'_>, _config: &Config) -> Vec<Step<Op>> {
        op::steps(draw)
    }

    fn verification(&self, _config: &Config) -> Vec<Step<Op>> {
        op::verification()
    }

    fn small_cases(&self) -> Vec<SmallCase<Config, Op>> {
        op::small_cases()
    }

    /// A run names its batches by the model's tokens, and excuses errors by what was altered. All
    /// else that it reads its opening has settled.
    fn known_to_a_run(&self, _config: &Config, model: &Model) -> Option<u64> {
        let is_altered = u64::from(model.is_altered());
        Some(model.oracle.token_next() * 2 + is_altered)
    }

    fn simpler(&self, op: &Op) -> Vec<Op> {
        op.simpler()
    }

    fn restarts(&self) -> Vec<Vec<Op>> {
        vec![vec![Op::Abandon]]
    }

    fn simpler_config(&self, config: &Config) -> Vec<Config> {
        config.simpler()
    }

    fn model(&self, _config: &Config) -> Model {
        Model::default()
    }

    fn apply(&self, model: &mut Model, event: &Event) -> Result<(), Failure> {
        model.apply(event)
    }

    fn crash(&self, model: &mut Model, kind: CrashKind) {
        model.crash(kind);
    }

    fn must_report(&self, sighting: &Sighting) -> bool {
        excuse::must_report(sighting)
    }

    fn op_words(&self, op: &Op) -> String {
        words::op(op)
    }

    fn event_words(&self, event: &Event) -> Said {
        words::event(event)
    }

    fn model_words(&self, model: &Model) -> Vec<String> {
        words::model(model)
    }

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        drive::run(ctx)
    }
}
