//! The scenarios: one connection, transactions, crashes anywhere, in each of SQLite's modes.

use blackstart_sim::disk::{CrashKind, DiskConfig};
use blackstart_sim::draw::Draw;
use blackstart_sim::{Ctx, Failure, Scenario, Step};

use crate::drive;
use crate::model::{Event, Model};
use crate::op::{self, Mode, Op};

/// The scenario of one mode.
#[derive(Clone, Copy, Debug)]
pub struct Sqlite(pub Mode);

impl Scenario for Sqlite {
    type Config = ();
    type Op = Op;
    type Event = Event;
    type Model = Model;

    fn name(&self) -> &'static str {
        self.0.words().0
    }

    fn about(&self) -> &'static str {
        "SQLite: transactions on one table, in the mode that the name says"
    }

    fn marks(&self) -> &'static [&'static str] {
        &["!opened with contents", "!a commit in flight survived"]
    }

    fn meets_faults(&self) -> bool {
        false
    }

    /// SQLite is told that the disk overwrites safely: no byte changes that is not written. Units
    /// are sectors: what smaller ones show is in docs/FINDINGS.md.
    fn disk(&self, drawn: DiskConfig) -> DiskConfig {
        DiskConfig {
            torn_units: false,
            tear_bytes: drawn.tear_bytes.max(512),
            ..drawn
        }
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn steps(&self, draw: &mut Draw<'_>, _config: &()) -> Vec<Step<Op>> {
        op::steps(draw)
    }

    fn verification(&self, _config: &()) -> Vec<Step<Op>> {
        op::verification()
    }

    fn simpler(&self, op: &Op) -> Vec<Op> {
        op.simpler()
    }

    fn model(&self, _config: &()) -> Model {
        Model::new(false)
    }

    fn apply(&self, model: &mut Model, event: &Event) -> Result<(), Failure> {
        model.apply(event)
    }

    fn crash(&self, _model: &mut Model, _kind: CrashKind) {
        // What was promised survives a kill and a loss of power alike; the rest may.
    }

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        drive::run(ctx, self.0)
    }
}
