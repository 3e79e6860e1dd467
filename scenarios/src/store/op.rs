//! Operations, and how they are drawn.

use blackstart_sim::draw::Draw;
use blackstart_sim::{SmallCase, Step};
use serde::{Deserialize, Serialize};

use super::key::LONG;

pub use blackstart_sim::oracle::Level;

/// Keys are numbers below this.
const KEYS: u64 = 24;
/// The most operations of an era.
const STEPS_MAX: u64 = 24;
/// How many cursors a client keeps.
const SLOTS: u64 = 2;
/// More keyspaces than this have no operations.
pub(super) const SPACES_MAX: u32 = 3;
/// A value that no buffer of the store holds.
const HUGE: u64 = 16 << 20;

/// Options of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Size of a memtable.
    pub memtable_bytes_max: u64,
    /// How many full memtables may wait.
    pub memtables_max: u32,
    /// Size of a block.
    pub block_bytes: u32,
    /// Size of a segment of the log.
    pub segment_bytes_max: u64,
    /// Size of the log's buffer.
    pub buffer_bytes_max: u64,
    /// How much of the log stays once tables hold it.
    #[serde(default)]
    pub history: Kept,
    /// Whether a task flushes and merges.
    #[serde(default)]
    pub has_task: bool,
}

/// How much of the log stays once tables hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// Nothing.
    #[default]
    Flushed,
    /// So many bytes.
    Bytes(u64),
    /// Everything.
    All,
}

impl Config {
    pub(super) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            memtable_bytes_max: *draw.pick(&[100, 300, 1_000, 100_000]),
            memtables_max: *draw.pick(&[0, 1, 2]),
            block_bytes: *draw.pick(&[1, 100, 300, 8_192]),
            segment_bytes_max: *draw.pick(&[512, 1_024, 4_096, 1 << 20]),
            buffer_bytes_max: *draw.pick(&[1, 256, 1 << 16]),
            history: *draw.pick(&[Kept::Flushed, Kept::Flushed, Kept::Bytes(2_000), Kept::All]),
            has_task: draw.chance(600),
        }
    }

    pub(super) fn simpler(&self) -> Vec<Self> {
        let plain = Self {
            memtable_bytes_max: 100_000,
            memtables_max: 2,
            block_bytes: 8_192,
            segment_bytes_max: 1 << 20,
            buffer_bytes_max: 1 << 16,
            history: Kept::Flushed,
            has_task: false,
        };
        let each = [
            plain,
            Self {
                has_task: false,
                ..*self
            },
            Self {
                memtable_bytes_max: plain.memtable_bytes_max,
                ..*self
            },
            Self {
                block_bytes: plain.block_bytes,
                ..*self
            },
            Self {
                segment_bytes_max: plain.segment_bytes_max,
                ..*self
            },
            Self {
                buffer_bytes_max: plain.buffer_bytes_max,
                ..*self
            },
            Self {
                history: plain.history,
                ..*self
            },
        ];
        each.into_iter().filter(|config| config != self).collect()
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// Write `count` keys from `first` on, every `stride`th; those whose bit is set in `deletes`
    /// are deleted.
    Write {
        /// The first key.
        first: u32,
        /// How many keys.
        count: u32,
        /// Their distance.
        stride: u32,
        /// Which are deleted.
        deletes: u32,
        /// Bytes of each value.
        bytes: u32,
        /// How durable.
        level: Level,
        /// The keys are those of so many keyspaces, in turn; 0 is as 1.
        #[serde(default)]
        spaces: u32,
        /// Before that it deletes so many keys from `first` on, in each of the keyspaces.
        #[serde(default)]
        clears: u32,
    },
    /// Read a key.
    Get {
        /// Which.
        key: u32,
        /// Its keyspace.
        #[serde(default)]
        space: u32,
    },
    /// Scan a range of keys.
    Scan {
        /// The first key.
        from: u32,
        /// The key behind the last.
        to: u32,
        /// Their keyspace.
        #[serde(default)]
        space: u32,
    },
    /// Begin a scan, and keep its cursor.
    Hold {
        /// Where it is kept.
        slot: u32,
        /// The keyspace that it reads.
        #[serde(default)]
        space: u32,
    },
    /// Take a snapshot, and keep it.
    Snap {
        /// Where it is kept.
        slot: u32,
    },
    /// Go on with a kept cursor, or read a kept snapshot.
    GoOn {
        /// Where it is kept.
        slot: u32,
        /// The most rows that it shows.
        rows: u32,
    },
    /// Write memtables to tables.
    Flush,
    /// Merge tables.
    Compact,
    /// Make everything durable.
    Sync,
    /// Close in order and open again; only by a lone client.
    Reopen,
    /// Drop the store without closing it and open again; only by a lone client.
    Abandon,
    /// Close in order and open as it was so many batches ago: a fork. Only by a lone client.
    Fork {
        /// How many batches go.
        back: u32,
    },
    /// Open it for reading only, beside the open store.
    Look {
        /// As it was so many batches ago; 0 is now.
        back: u32,
    },
    /// Back it up, and open the copy.
    Backup,
    /// Read a key and some rows, and write two keys, as one transaction.
    Transact {
        /// It waits for its turn.
        serialized: bool,
        /// The key that it reads. It writes it and the second one behind.
        key: u32,
        /// It scans from this key on.
        from: u32,
        /// At most so many rows.
        rows: u32,
        /// The keyspace of all.
        space: u32,
        /// Bytes of each value.
        bytes: u32,
        /// How durable.
        level: Level,
    },
    /// Create a keyspace, drop it, and create it again; only by a lone client.
    Renew,
}

impl Op {
    /// Simpler forms.
    pub(super) fn simpler(&self) -> Vec<Self> {
        match *self {
            Self::Write {
                first,
                count,
                stride,
                deletes,
                bytes,
                level,
                spaces,
                clears,
            } => {
                let write = |count, deletes, bytes, (spaces, clears)| Self::Write {
                    first,
                    count,
                    stride,
                    deletes,
                    bytes,
                    level,
                    spaces,
                    clears,
                };
                let more = (spaces, clears);
                let mut all = vec![
                    write(1, deletes & 1, 8, (1, 0)),
                    write(count, deletes, bytes, (1, clears)),
                    write(count, deletes, bytes, (spaces, 0)),
                    write(1, deletes & 1, bytes, more),
                    write(count, 0, bytes, more),
                    write(count, deletes, 8, more),
                    write(count, deletes, bytes / 2, more),
                ];
                if bytes < 8 {
                    all.pop();
                }
                all
            }
            Self::Scan { space, .. } => vec![Self::Scan {
                from: 0,
                to: 100,
                space,
            }],
            Self::Transact {
                serialized,
                key,
                from,
                rows,
                space,
                level,
                ..
            } => vec![Self::Transact {
                serialized,
                key,
                from,
                rows: rows.min(1),
                space,
                bytes: 8,
                level,
            }],
            Self::Fork { back } if back > 1 => vec![Self::Fork { back: 1 }],
            Self::Look { back } if back > 0 => vec![Self::Look { back: 0 }],
            _ => Vec::new(),
        }
        .into_iter()
        .filter(|op| op != self)
        .collect()
    }
}

const WEIGHTS: [u32; 16] = [50, 8, 8, 5, 12, 6, 3, 3, 3, 3, 5, 3, 3, 2, 20, 2];

/// The same in an era of snapshots that outlive flushes and merges.
const LIVES: [u32; 16] = [40, 2, 2, 6, 24, 12, 10, 1, 1, 1, 12, 1, 1, 0, 2, 1];

/// What an era's operations are drawn from.
struct Mixture {
    weights: Vec<u32>,
    levels: Vec<u32>,
    bytes_max: u64,
    spaces: u64,
    /// In thousandths: writes that delete a range.
    clears: u64,
    is_alone: bool,
}

/// Draws one era's operations.
pub(super) fn steps(draw: &mut Draw<'_>) -> Vec<Step<Op>> {
    let weights = match draw.chance(350) {
        true => LIVES.to_vec(),
        false => draw.swarm(&WEIGHTS),
    };
    let levels = draw.swarm(&[1, 1, 2]);
    let clients = *draw.pick(&[1, 1, 1, 2, 3]);
    let count = draw.range(1..=STEPS_MAX);
    let mixture = Mixture {
        weights,
        levels,
        bytes_max: *draw.pick(&[8, 30, 200, 2_000]),
        spaces: *draw.pick(&[1, 1, 2, u64::from(SPACES_MAX)]),
        clears: *draw.pick(&[0, 0, 100, 400]),
        is_alone: clients == 1,
    };
    let steps = (1..=count).map(|id| Step {
        id: id as u32,
        client: draw.below(clients) as u32,
        op: mixture.op(draw),
    });
    let mut steps: Vec<_> = steps.collect();
    if draw.chance(2) {
        make_huge(draw, &mut steps);
    }
    steps
}

/// One write of a value that no buffer holds.
fn make_huge(draw: &mut Draw<'_>, steps: &mut [Step<Op>]) {
    let huge = draw.range(HUGE - 100..=HUGE + 1_000) as u32;
    let mut ops = steps.iter_mut().map(|step| &mut step.op);
    let write = ops.find_map(|op| match op {
        Op::Write { bytes, count, .. } => Some((bytes, count)),
        _ => None,
    });
    if let Some((bytes, count)) = write {
        (*bytes, *count) = (huge, 1);
    }
}

impl Mixture {
    fn op(&self, draw: &mut Draw<'_>) -> Op {
        let slot = draw.below(SLOTS) as u32;
        let space = draw.below(self.spaces) as u32;
        match draw.weighted(&self.weights) {
            1 => Op::Get {
                key: self.key(draw),
                space,
            },
            2 => {
                let from = draw.below(KEYS) as u32;
                let to = from + draw.below(KEYS) as u32;
                Op::Scan { from, to, space }
            }
            3 => Op::Hold { slot, space },
            4 => Op::GoOn {
                slot,
                rows: *draw.pick(&[1, 3, 100]),
            },
            10 => Op::Snap { slot },
            5 => Op::Flush,
            6 => Op::Compact,
            7 => Op::Sync,
            8 if self.is_alone => Op::Reopen,
            9 if self.is_alone => Op::Abandon,
            11 if self.is_alone => Op::Fork {
                back: *draw.pick(&[0, 1, 2, 5]),
            },
            12 => Op::Look {
                back: *draw.pick(&[0, 0, 1, 3]),
            },
            13 => Op::Backup,
            14 => self.transact(draw),
            15 if self.is_alone => Op::Renew,
            _ => self.write(draw),
        }
    }

    /// Mostly a short one.
    fn key(&self, draw: &mut Draw<'_>) -> u32 {
        let long = if draw.chance(5) { LONG } else { 0 };
        long + draw.below(KEYS) as u32
    }

    /// Few keys: transactions should meet.
    fn transact(&self, draw: &mut Draw<'_>) -> Op {
        Op::Transact {
            serialized: draw.chance(400),
            key: draw.below(6) as u32,
            from: draw.below(6) as u32,
            rows: *draw.pick(&[0, 1, 3, 100]),
            space: draw.below(self.spaces) as u32,
            bytes: draw.range(8..=self.bytes_max) as u32,
            level: [Level::Buffered, Level::Os, Level::Synced][draw.weighted(&self.levels)],
        }
    }

    fn write(&self, draw: &mut Draw<'_>) -> Op {
        let first = self.key(draw);
        Op::Write {
            first,
            count: if first >= LONG {
                1
            } else {
                *draw.pick(&[1, 1, 2, 5])
            },
            stride: *draw.pick(&[1, 1, 3]),
            deletes: if draw.chance(300) {
                draw.below(32) as u32
            } else {
                0
            },
            bytes: if draw.chance(30) {
                draw.below(8) as u32
            } else {
                draw.range(8..=self.bytes_max) as u32
            },
            level: [Level::Buffered, Level::Os, Level::Synced][draw.weighted(&self.levels)],
            spaces: self.spaces as u32,
            clears: match draw.chance(self.clears) {
                true => draw.range(1..=KEYS) as u32,
                false => 0,
            },
        }
    }
}

/// What shows that the store is usable again.
pub(super) fn verification() -> Vec<Step<Op>> {
    let write = Op::Write {
        first: 3,
        count: 2,
        stride: 5,
        deletes: 2,
        bytes: 20,
        level: Level::Synced,
        spaces: 1,
        clears: 2,
    };
    let scan = Op::Scan {
        from: 0,
        to: 100,
        space: 0,
    };
    let ops = [write, Op::Flush, Op::Compact, scan];
    let steps = ops
        .into_iter()
        .zip(1..)
        .map(|(op, id)| Step { id, client: 0, op });
    steps.collect()
}

/// Small cases for the explorer.
pub(super) fn small_cases() -> Vec<SmallCase<Config, Op>> {
    let config = Config {
        memtable_bytes_max: 100,
        memtables_max: 1,
        block_bytes: 1,
        segment_bytes_max: 512,
        buffer_bytes_max: 1,
        history: Kept::Flushed,
        has_task: false,
    };
    let write = |first, deletes| Op::Write {
        first,
        count: 2,
        stride: 1,
        deletes,
        bytes: 40,
        level: Level::Os,
        spaces: 1,
        clears: 0,
    };
    let ops = [
        write(1, 0),
        write(2, 1),
        Op::Flush,
        write(1, 2),
        Op::Compact,
    ];
    let steps = ops
        .into_iter()
        .zip(1..)
        .map(|(op, id)| Step { id, client: 0, op });
    vec![SmallCase {
        config,
        steps: steps.collect(),
    }]
}
