//! What is done to the database, and how it is drawn.

use blackstart_sim::Step;
use blackstart_sim::draw::Draw;
use serde::{Deserialize, Serialize};

/// Keys there are: few, so that they are overwritten.
const KEYS: u64 = 24;
/// The most operations of an era.
const STEPS_MAX: u64 = 10;

/// Options of all eras of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether each opening is followed by `check_integrity`.
    pub integrity: bool,
    /// Whether the process ends without closing the database.
    pub abandon: bool,
}

/// Which operations are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixture {
    /// All of them.
    All,
    /// Transactions with large values.
    Growth,
    /// Transactions with small values, all of them durable, and never an orderly close, which would
    /// shrink the file.
    Commits,
}

/// One change of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Insert a value of so many bytes, at least 8, over what is there.
    Put(u16, u32),
    /// Remove a key.
    Remove(u16),
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// `Durability::Immediate`.
    Immediate,
    /// `Durability::Immediate` with two-phase commit.
    TwoPhase,
    /// `Durability::Immediate` with quick repair.
    QuickRepair,
    /// `Durability::None`.
    NotDurable,
    /// It is aborted.
    Abort,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// One transaction.
    Transaction {
        /// What it changes.
        changes: Vec<Change>,
        /// How it ends.
        ending: Ending,
    },
    /// One durable transaction, and one more that goes back to the savepoint before it.
    Undo {
        /// What the first one changes.
        changes: Vec<Change>,
    },
    /// `Database::compact`.
    Compact,
    /// Close in order, or as the configuration says, and open again.
    Reopen,
}

/// Draws the operations of one era.
pub fn steps(draw: &mut Draw<'_>, mixture: Mixture) -> Vec<Step<Op>> {
    let (weights, endings, sizes) = match mixture {
        Mixture::All => (
            draw.swarm(&[30, 3, 2, 3]),
            draw.swarm(&[8, 1, 1, 3, 1]),
            draw.swarm(&[12, 4, 1]),
        ),
        Mixture::Growth => (vec![1], vec![1], vec![0, 0, 1]),
        Mixture::Commits => (vec![1], vec![1], vec![1]),
    };
    let count = draw.range(1..=STEPS_MAX) as u32;
    let steps = (1..=count).map(|id| {
        let op = match draw.weighted(&weights) {
            1 => Op::Undo {
                changes: changes(draw, &sizes),
            },
            2 => Op::Compact,
            3 => Op::Reopen,
            _ => Op::Transaction {
                changes: changes(draw, &sizes),
                ending: match draw.weighted(&endings) {
                    1 => Ending::TwoPhase,
                    2 => Ending::QuickRepair,
                    3 => Ending::NotDurable,
                    4 => Ending::Abort,
                    _ => Ending::Immediate,
                },
            },
        };
        Step { id, client: 0, op }
    });
    steps.collect()
}

fn changes(draw: &mut Draw<'_>, sizes: &[u32]) -> Vec<Change> {
    let count = *draw.pick(&[1, 1, 2, 3, 6]);
    let changes = (0..count).map(|_| {
        let key = draw.below(KEYS) as u16;
        if draw.below(4) == 0 {
            return Change::Remove(key);
        }
        let bytes = match draw.weighted(sizes) {
            1 => draw.range(500..=6_000),
            // Two or three of these make the file grow.
            2 => draw.range(140_000..=260_000),
            _ => draw.range(8..=200),
        };
        Change::Put(key, bytes as u32)
    });
    changes.collect()
}

/// After a crash: it takes a transaction and closes.
pub fn verification() -> Vec<Step<Op>> {
    vec![Step {
        id: 1,
        client: 0,
        op: Op::Transaction {
            changes: vec![Change::Put(1, 40)],
            ending: Ending::Immediate,
        },
    }]
}

impl Op {
    /// Simpler forms, simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        match self {
            Self::Transaction { changes, ending } => {
                let mut simpler: Vec<Self> = fewer(changes)
                    .into_iter()
                    .map(|changes| Self::Transaction {
                        changes,
                        ending: *ending,
                    })
                    .collect();
                if *ending != Ending::Immediate {
                    simpler.push(Self::Transaction {
                        changes: changes.clone(),
                        ending: Ending::Immediate,
                    });
                }
                simpler
            }
            Self::Undo { changes } => vec![Self::Transaction {
                changes: changes.clone(),
                ending: Ending::Immediate,
            }],
            Self::Compact | Self::Reopen => Vec::new(),
        }
    }
}

fn fewer(changes: &[Change]) -> Vec<Vec<Change>> {
    let mut fewer = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        if changes.len() > 1 {
            let mut without = changes.to_vec();
            without.remove(at);
            fewer.push(without);
        }
        if let Change::Put(key, bytes) = *change
            && bytes > 8
        {
            for bytes in [8, bytes / 2] {
                let mut smaller = changes.to_vec();
                smaller[at] = Change::Put(key, bytes);
                fewer.push(smaller);
            }
        }
    }
    fewer
}
