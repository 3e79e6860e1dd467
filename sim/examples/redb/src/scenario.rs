//! The scenario `redb`: one client, transactions, crashes anywhere.

use blackstart_sim::disk::{CrashKind, DiskConfig};
use blackstart_sim::draw::Draw;
use blackstart_sim::{Ctx, Failure, Scenario, SmallCase, Step};

use crate::drive;
use crate::model::{Event, Model};
use crate::op::{self, Config, Mixture, Op};
use crate::small;

/// The scenario: one of three mixtures of operations.
#[derive(Clone, Copy, Debug)]
pub struct Redb(pub Mixture);

impl Scenario for Redb {
    type Config = Config;
    type Op = Op;
    type Event = Event;
    type Model = Model;

    fn name(&self) -> &'static str {
        match self.0 {
            Mixture::All => "redb",
            Mixture::Growth => "redb-growth",
            Mixture::Commits => "redb-commits",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Mixture::All => "transactions of all kinds, growth, compaction, savepoints, checks",
            Mixture::Growth => "large values: the file grows",
            Mixture::Commits => "small durable transactions, nothing else",
        }
    }

    fn marks(&self) -> &'static [&'static str] {
        match self.0 {
            Mixture::All => &[
                "!resized",
                "!compacted",
                "!went back to a savepoint",
                "!opened with contents",
                "!a commit in flight survived",
            ],
            Mixture::Growth => &["!resized"],
            Mixture::Commits => &["!opened with contents", "!a commit in flight survived"],
        }
    }

    fn meets_faults(&self) -> bool {
        false
    }

    /// What docs/design.md of redb assumes of the medium: a byte is written whole or not at all,
    /// and no other byte changes.
    fn disk(&self, drawn: DiskConfig) -> DiskConfig {
        DiskConfig {
            torn_units: false,
            // Units of one byte are legal, and a megabyte of them is slow.
            tear_bytes: drawn.tear_bytes.max(64),
            ..drawn
        }
    }

    fn config(&self, draw: &mut Draw<'_>) -> Config {
        Config {
            integrity: draw.below(4) == 0 && self.0 == Mixture::All,
            abandon: match self.0 {
                Mixture::All => draw.below(3) == 0,
                Mixture::Growth => false,
                Mixture::Commits => true,
            },
        }
    }

    fn steps(&self, draw: &mut Draw<'_>, _config: &Config) -> Vec<Step<Op>> {
        op::steps(draw, self.0)
    }

    fn verification(&self, _config: &Config) -> Vec<Step<Op>> {
        op::verification()
    }

    fn small_cases(&self) -> Vec<SmallCase<Config, Op>> {
        small::cases(self.0)
    }

    /// A run takes the tokens of its values from the model. The state that it changes is the one
    /// that its opening showed; an opening that shows another one ends it.
    fn known_to_a_run(&self, _config: &Config, model: &Model) -> Option<u64> {
        Some(model.token_next)
    }

    fn simpler(&self, op: &Op) -> Vec<Op> {
        op.simpler()
    }

    fn model(&self, _config: &Config) -> Model {
        Model::new(true)
    }

    fn apply(&self, model: &mut Model, event: &Event) -> Result<(), Failure> {
        model.apply(event)
    }

    fn crash(&self, _model: &mut Model, _kind: CrashKind) {
        // What was promised survives a kill and a loss of power alike; the rest may.
    }

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        drive::run(ctx)
    }
}
