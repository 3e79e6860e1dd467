//! The commit log under crashes and faults.
//!
//! One to three clients append, sync, rotate, cut and retire history, close and reopen; every
//! opening reads everything back and hands it to the model. Every record carries a token of its
//! own, so that the model recognizes what it reads without asking the log.
//!
//! Invariants:
//! - \[I1\] The model (`model`, `oracle`) shares no code with the log: it knows tokens, offsets
//!   as numbers, and what was promised.
//! - \[I2\] An error of the log is excused only by a fault that explains it: the table of `excuse`.

mod archive;
mod beside;
mod check;
mod drive;
mod ending;
mod excuse;
mod held;
mod history;
mod model;
mod op;
mod opening;
mod oracle;
mod owned;
mod payload;
mod readers;
mod salvaged;
mod sight;
mod small;
mod visit;
mod words;
mod workload;

#[cfg(test)]
mod tests;

use blackstart_sim::disk::{CrashKind, Sighting};
use blackstart_sim::draw::Draw;
use blackstart_sim::story::Said;
use blackstart_sim::{Ctx, Failure, Scenario, SmallCase, Step};

pub use history::{Archived, Event, Found, Opened, Told};
pub use model::Model;
pub use op::{Archive, Config, Kept, Level, Op};

/// Whether campaigns alter the log's files, between two eras and while it runs.
const MEETS_ALTERATIONS: bool = true;
/// Whether campaigns draw failures of those calls alone that make a file longer.
const MEETS_GROWTH_FAILURES: bool = true;

/// The scenario `commitlog`.
#[derive(Clone, Copy, Debug)]
pub struct CommitLog;

impl Scenario for CommitLog {
    type Config = Config;
    type Op = Op;
    type Event = Event;
    type Model = Model;

    fn name(&self) -> &'static str {
        "commitlog"
    }

    fn about(&self) -> &'static str {
        "the commit log: append, sync, rotate, retain, truncate, reopen, with crashes anywhere"
    }

    fn marks(&self) -> &'static [&'static str] {
        &[
            "!created",
            "!opened clean",
            "!opened with a torn tail",
            "!several segments at opening",
            "!unfinished file removed at opening",
            "!unacknowledged commit survived",
            "!acknowledged commit lost below its level",
            "!retired a segment",
            "!truncated history",
            "!truncated beside other clients",
            "!poisoned",
            "!no space, went on",
            "!typed error",
            "!damage reported",
            "!commits of several clients",
            "read while writing",
            "followed",
            "!worked again when faults had stopped",
            "!went on when there was space again",
            "!archived a segment",
            "!archive refused",
            "!an archive hook used the log",
            "!looked again",
            "!salvaged",
            "!salvaged around a loss",
            "!read old history",
            "!history inside a commit refused",
            "!a second opening was refused",
            "!verified beside the writer",
            "!pinned",
            "appended many commits",
            "!an owner refused its commit",
            "!visited while opening",
            "!created with a first commit",
            "went on after a close that failed",
            "!a kept reader went on",
            "!a kept reader outlived its log",
            "!a kept reader was told of a cut",
            "!a kept reader was told of a retirement",
            "dropped bytes excused by damage",
        ]
    }

    fn files(&self) -> &'static [&'static str] {
        &["*.log", "*"]
    }

    fn tolerates_silent_damage(&self) -> bool {
        true
    }

    fn meets_alterations(&self) -> bool {
        MEETS_ALTERATIONS
    }

    fn meets_growth_failures(&self) -> bool {
        MEETS_GROWTH_FAILURES
    }

    fn config(&self, draw: &mut Draw<'_>) -> Config {
        Config::draw(draw)
    }

    fn steps(&self, draw: &mut Draw<'_>, config: &Config) -> Vec<Step<Op>> {
        workload::steps(draw, config)
    }

    fn verification(&self, _config: &Config) -> Vec<Step<Op>> {
        op::verification()
    }

    fn small_cases(&self) -> Vec<SmallCase<Config, Op>> {
        small::cases()
    }

    fn known_to_a_run(&self, config: &Config, model: &Model) -> Option<u64> {
        Some(model.known_to_a_run(config))
    }

    fn check(&self, op: &Op) -> Result<(), String> {
        op::check(op)
    }

    fn simpler(&self, op: &Op) -> Vec<Op> {
        op.simpler()
    }

    fn merged(&self, one: &Op, two: &Op) -> Vec<Op> {
        one.merged(two)
    }

    fn restarts(&self) -> Vec<Vec<Op>> {
        vec![vec![Op::Abandon], vec![Op::Flush, Op::Abandon]]
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
