//! What the journal is put through, and what must be true of it.
//!
//! Each record begins with a number of its own, so that the model knows what it sees. The model is
//! an [`Oracle`]: a map from a record's place to its number.

use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;

use blackstart_sim::disk::CrashKind;
use blackstart_sim::draw::Draw;
use blackstart_sim::oracle::{Level, Oracle, Shown, Write};
use blackstart_sim::{Ctx, Failure, Scenario, Step};
use blackstart_vfs::Fs;
use serde::{Deserialize, Serialize};

/// The engine under test.
pub trait Engine: Sized + 'static {
    /// Opens the journal; gives back its records.
    fn open(disk: &dyn Fs) -> io::Result<(Self, Vec<Vec<u8>>)>;
    /// Appends a record, which is durable when this returns.
    fn append(&mut self, contents: &[u8]) -> io::Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Append a record of so many bytes, at least 8.
    Append(u32),
    /// Drop the journal and open it again.
    Reopen,
}

#[derive(Clone, Debug)]
pub enum Event {
    /// The journal was opened and showed these numbers.
    Opened(Vec<u64>),
    /// A record with this number is about to be appended.
    Begun(u64),
    /// The append has returned: from now on the record must be there.
    Acknowledged(u64),
}

/// The scenario: its name, and which engine is meant.
pub struct Journaling<E>(pub &'static str, pub PhantomData<fn() -> E>);

impl<E: Engine> Scenario for Journaling<E> {
    type Config = ();
    type Op = Op;
    type Event = Event;
    type Model = Oracle<u64, u64>;

    fn name(&self) -> &'static str {
        self.0
    }

    fn about(&self) -> &'static str {
        "a journal in one file: append and reopen"
    }

    fn meets_faults(&self) -> bool {
        false // crashes are enough to begin with
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn steps(&self, draw: &mut Draw<'_>, _config: &()) -> Vec<Step<Op>> {
        let count = draw.range(1..=8) as u32;
        let steps = (1..=count).map(|id| {
            let op = match draw.below(5) {
                0 => Op::Reopen,
                _ => Op::Append(draw.range(8..=2_000) as u32),
            };
            Step { id, client: 0, op }
        });
        steps.collect()
    }

    fn verification(&self, _config: &()) -> Vec<Step<Op>> {
        let op = Op::Append(20);
        vec![Step {
            id: 1,
            client: 0,
            op,
        }]
    }

    fn simpler(&self, op: &Op) -> Vec<Op> {
        match *op {
            Op::Append(bytes) if bytes > 8 => vec![Op::Append(8), Op::Append(bytes / 2)],
            _ => Vec::new(),
        }
    }

    fn model(&self, _config: &()) -> Self::Model {
        Oracle::default()
    }

    fn apply(&self, model: &mut Self::Model, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Begun(number) => {
                let place = model.end();
                model.begin(vec![Write::Put(place, *number)], Level::Synced);
                Ok(())
            }
            Event::Acknowledged(number) => model.acknowledge(*number, Level::Synced),
            Event::Opened(found) => {
                let rows: BTreeMap<u64, u64> = (0..).zip(found.iter().copied()).collect();
                model.opened(&Shown::whole(rows)).map(drop)
            }
        }
    }

    fn crash(&self, model: &mut Self::Model, kind: CrashKind) {
        model.crash(kind);
    }

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let broken =
            |error: io::Error| Failure::new("no errors on an honest disk", error.to_string());
        ctx.env().fs().create_root().map_err(broken)?;
        let mut journal: E = open(ctx)?;
        for step in ctx.steps(0) {
            ctx.begin(step.id);
            match step.op {
                Op::Append(bytes) => {
                    let number = ctx.model(Oracle::token_next);
                    let mut contents = number.to_le_bytes().to_vec();
                    contents.resize(bytes.max(8) as usize, number as u8);
                    ctx.record(Event::Begun(number))?;
                    journal.append(&contents).map_err(broken)?;
                    ctx.record(Event::Acknowledged(number))?;
                }
                Op::Reopen => journal = open(ctx)?,
            }
        }
        Ok(())
    }
}

fn open<E: Engine>(ctx: &Ctx<Journaling<E>>) -> Result<E, Failure> {
    match E::open(ctx.env().fs()) {
        Ok((journal, records)) => {
            let number =
                |record: &Vec<u8>| record.first_chunk().map_or(0, |&n| u64::from_le_bytes(n));
            ctx.record(Event::Opened(records.iter().map(number).collect()))?;
            Ok(journal)
        }
        Err(error) => Err(Failure::new("it opens", error.to_string())),
    }
}
