//! Operations, and how they are drawn.

use blackstart_sim::draw::Draw;
use blackstart_sim::{SmallCase, Step};
use serde::{Deserialize, Serialize};

/// Keys are numbers below this.
const KEYS: u64 = 24;
/// The most operations of an era.
const STEPS_MAX: u64 = 24;
/// How many cursors a client keeps.
const SLOTS: u64 = 2;

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
    /// Whether a task flushes and merges.
    #[serde(default)]
    pub has_task: bool,
}

impl Config {
    pub(super) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            memtable_bytes_max: *draw.pick(&[100, 300, 1_000, 100_000]),
            memtables_max: *draw.pick(&[0, 1, 2]),
            block_bytes: *draw.pick(&[1, 100, 300, 8_192]),
            segment_bytes_max: *draw.pick(&[512, 1_024, 4_096, 1 << 20]),
            buffer_bytes_max: *draw.pick(&[1, 256, 1 << 16]),
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
        ];
        each.into_iter().filter(|config| config != self).collect()
    }
}

/// How durable a write must be before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// In the process.
    Buffered,
    /// With the operating system.
    Os,
    /// On the disk.
    Synced,
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
    },
    /// Read a key.
    Get {
        /// Which.
        key: u32,
    },
    /// Scan a range of keys.
    Scan {
        /// The first key.
        from: u32,
        /// The key behind the last.
        to: u32,
    },
    /// Begin a scan, and keep its cursor.
    Hold {
        /// Where it is kept.
        slot: u32,
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
            } => {
                let write = |count, deletes, bytes| Self::Write {
                    first,
                    count,
                    stride,
                    deletes,
                    bytes,
                    level,
                };
                let all = [
                    write(1, deletes & 1, 8),
                    write(1, deletes & 1, bytes),
                    write(count, 0, bytes),
                    write(count, deletes, 8),
                ];
                all.into_iter().filter(|op| op != self).collect()
            }
            Self::Scan { .. } => vec![Self::Scan { from: 0, to: 100 }],
            _ => Vec::new(),
        }
        .into_iter()
        .filter(|op| op != self)
        .collect()
    }
}

const WEIGHTS: [u32; 11] = [50, 8, 8, 5, 12, 6, 3, 3, 3, 3, 5];

/// The same in an era of snapshots that outlive flushes and merges.
const LIVES: [u32; 11] = [40, 2, 2, 6, 24, 12, 10, 1, 1, 1, 12];

/// Draws one era's operations.
pub(super) fn steps(draw: &mut Draw<'_>) -> Vec<Step<Op>> {
    let weights = match draw.chance(350) {
        true => LIVES.to_vec(),
        false => draw.swarm(&WEIGHTS),
    };
    let levels = draw.swarm(&[1, 1, 2]);
    let clients = *draw.pick(&[1, 1, 1, 2, 3]);
    let count = draw.range(1..=STEPS_MAX);
    let bytes_max = *draw.pick(&[8, 30, 200, 2_000]);
    let steps = (1..=count).map(|id| Step {
        id: id as u32,
        client: draw.below(clients) as u32,
        op: draw_op(draw, &weights, &levels, bytes_max, clients == 1),
    });
    steps.collect()
}

fn draw_op(
    draw: &mut Draw<'_>,
    weights: &[u32],
    levels: &[u32],
    bytes_max: u64,
    is_alone: bool,
) -> Op {
    match draw.weighted(weights) {
        1 => Op::Get {
            key: draw.below(KEYS) as u32,
        },
        2 => {
            let from = draw.below(KEYS) as u32;
            Op::Scan {
                from,
                to: from + draw.below(KEYS) as u32,
            }
        }
        3 => Op::Hold {
            slot: draw.below(SLOTS) as u32,
        },
        4 => Op::GoOn {
            slot: draw.below(SLOTS) as u32,
            rows: *draw.pick(&[1, 3, 100]),
        },
        10 => Op::Snap {
            slot: draw.below(SLOTS) as u32,
        },
        5 => Op::Flush,
        6 => Op::Compact,
        7 => Op::Sync,
        8 if is_alone => Op::Reopen,
        9 if is_alone => Op::Abandon,
        _ => Op::Write {
            first: draw.below(KEYS) as u32,
            count: *draw.pick(&[1, 1, 2, 5]),
            stride: *draw.pick(&[1, 1, 3]),
            deletes: if draw.chance(300) {
                draw.below(32) as u32
            } else {
                0
            },
            bytes: draw.range(8..=bytes_max) as u32,
            level: [Level::Buffered, Level::Os, Level::Synced][draw.weighted(levels)],
        },
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
    };
    let ops = [write, Op::Flush, Op::Compact, Op::Scan { from: 0, to: 100 }];
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
        has_task: false,
    };
    let write = |first, deletes| Op::Write {
        first,
        count: 2,
        stride: 1,
        deletes,
        bytes: 40,
        level: Level::Os,
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
