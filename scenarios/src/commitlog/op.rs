//! What clients do, and how it is drawn.

use std::collections::BTreeSet;

use blackstart_sim::Step;
use blackstart_sim::draw::Draw;
use serde::{Deserialize, Serialize};

/// Options of the log under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `LogOptions::segment_bytes_max`.
    pub segment_bytes_max: u64,
    /// `LogOptions::buffer_bytes_max`.
    pub buffer_bytes_max: u64,
    /// `LogOptions::preallocate_bytes`.
    pub preallocate_bytes: u64,
    /// Whether there is an archive hook, and whether it ever fails.
    #[serde(default)]
    pub archive: Archive,
    /// Whether the opener knows what was durable (`LogOptions::durable_through`).
    #[serde(default)]
    pub knows_durable: bool,
    /// Whether a log that is damaged is salvaged.
    #[serde(default)]
    pub salvages: bool,
    /// Whether an opening hands what it reads to a visitor (`Log::open_and_visit`).
    #[serde(default)]
    pub visits: bool,
    /// Whether a log is created with a first commit (`LogOptions::first_commit`).
    #[serde(default)]
    pub begins: bool,
    /// Whether the log is in a directory below others that it has to make.
    #[serde(default)]
    pub is_below: bool,
}

/// The archive hook of the log under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Archive {
    /// There is none.
    #[default]
    Off,
    /// It gives every segment a second name.
    Linking,
    /// The same, and it fails once for each segment before.
    Refusing,
    /// It gives every segment a second name, and uses the log that waits for it.
    Using,
}

/// A level of durability; the log's own type is not part of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// May die with the process.
    Buffered,
    /// Survives a kill.
    Os,
    /// Survives a loss of power.
    Synced,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// Append one commit.
    Append {
        /// Transactions in it.
        records: u32,
        /// Bytes of each.
        bytes: u32,
        /// How durable it must be before it is acknowledged.
        level: Level,
    },
    /// Make everything durable.
    Sync,
    /// Hand everything to the operating system.
    Flush,
    /// Begin a new segment.
    Rotate,
    /// Retire segments below the offset that is `back` transactions before the end.
    Retain {
        /// How far before the end.
        back: u32,
    },
    /// Cut the last commits off.
    Truncate {
        /// How many commits.
        commits: u32,
    },
    /// Close in order and open again; only by a lone client.
    Reopen,
    /// Drop the log without closing it and open again; only by a lone client.
    Abandon,
    /// Read from `back` transactions before the end.
    Read {
        /// How far before the end.
        back: u32,
    },
    /// Open the log read-only beside the writer and read everything.
    Peek,
    /// Follow from the end while appending one synced commit.
    Follow,
    /// Open the log read-only, append one synced commit, and look again.
    Watch,
    /// Open the log read-only with an end that is `commits` commits back.
    History {
        /// How many commits before the end of what the operating system has.
        commits: u32,
    },
    /// Begin to read, and keep what reads in a slot of the client's for later operations.
    Hold {
        /// Where it is kept; what was there is dropped.
        slot: u32,
        /// What reads.
        kind: Kept,
        /// How far before the end it begins, or ends if it shows old history.
        back: u32,
    },
    /// Go on with what is in a slot.
    GoOn {
        /// Where it is kept.
        slot: u32,
        /// The most commits that it reads.
        commits: u32,
        /// Whether a read-only view looks at the log as it is now.
        looks: bool,
    },
    /// Drop what is in a slot.
    Drop {
        /// Where it is kept.
        slot: u32,
    },
    /// Pin history, and keep the pin in a slot.
    Pin {
        /// Where it is kept.
        slot: u32,
        /// How far before the end the pinned history begins.
        back: u32,
    },
    /// Try to open the log once more.
    OpenAgain,
    /// Verify the log.
    Verify,
    /// Make durable what is `back` transactions before the end.
    SyncThrough {
        /// How far before the end.
        back: u32,
    },
    /// List the log's segments.
    Segments,
    /// Hand in several commits that have owners, and wait for all.
    Batch {
        /// How many.
        commits: u32,
        /// Bytes of each record.
        bytes: u32,
        /// How durable each must be.
        level: Level,
        /// Which of them its owner refuses.
        refused: u32,
    },
    /// Append many commits of one record each, buffered.
    Many {
        /// How many.
        commits: u32,
        /// Bytes of each record.
        bytes: u32,
    },
    /// Close in order and go on: with the same log if that fails for lack of space, else open it
    /// again; only by a lone client.
    Close,
    /// Close in order and open with `LogOptions::retain_from`; only by a lone client.
    Renew {
        /// How far before the end history is kept.
        back: u32,
    },
}

/// What reads the log over several operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// A reader of the writer's log, of what is visible.
    Reader,
    /// The same, of what is durable.
    SyncedReader,
    /// A follower of the writer's log.
    Follower,
    /// A log opened read-only, with a reader.
    View,
    /// The same, with an earlier end of the history.
    OldView,
    /// A log opened read-only, with a follower.
    ViewFollower,
}

/// How often each kind of operation is drawn, before the swarm skews it.
const WEIGHTS: [u32; 25] = [
    60, 8, 4, 6, 5, 3, 4, 3, 4, 2, 2, 2, 2, 6, 14, 1, 2, 2, 2, 3, 2, 8, 4, 2, 0,
];
/// The same in an era of readers that live long.
const LIVES: [u32; 25] = [
    60, 8, 6, 10, 8, 10, 6, 6, 1, 1, 1, 1, 1, 14, 50, 1, 3, 1, 1, 2, 1, 4, 4, 3, 0,
];
/// The same in a log of large segments.
const LARGE: [u32; 25] = [
    30, 8, 6, 3, 4, 6, 4, 8, 4, 1, 1, 2, 2, 4, 12, 1, 1, 0, 1, 2, 1, 4, 1, 2, 14,
];
/// Segments that are larger hold more than an opening copies into a new one.
const SMALL_SEGMENT_BYTES_MAX: u64 = 16_384;
/// How many slots a client keeps readers in.
const SLOTS: u64 = 2;
/// A record that finds no room in any segment, but for that of the largest that are drawn.
const SEGMENT_BYTES: u32 = 16_384;
/// Merging operations makes no record larger than this.
const MERGED_BYTES_MAX: u32 = 3_000;
/// The most operations of an era.
const STEPS_MAX: u64 = 24;

impl Config {
    /// Draws small sizes, so that segments fill within a few operations.
    pub(super) fn draw(draw: &mut Draw<'_>) -> Self {
        Self {
            segment_bytes_max: *draw.pick(&[512, 700, 1_024, 2_048, 4_096, 16_384]),
            buffer_bytes_max: *draw.pick(&[1, 256, 1_024, 1 << 16]),
            preallocate_bytes: *draw.pick(&[0, 512, 4_096, 1 << 16]),
            archive: *draw.pick(&[
                Archive::Off,
                Archive::Off,
                Archive::Linking,
                Archive::Refusing,
                Archive::Using,
            ]),
            knows_durable: draw.chance(300),
            salvages: draw.chance(500),
            visits: draw.chance(300),
            begins: draw.chance(150),
            is_below: false,
        }
        .below(draw.chance(120))
        .large(draw.chance(4), draw)
    }

    /// Segments that hold thousands of frames, or contents of megabytes.
    fn large(self, is_large: bool, draw: &mut Draw<'_>) -> Self {
        match is_large {
            true => Self {
                segment_bytes_max: *draw.pick(&[1 << 18, 1 << 20, 1 << 23]),
                ..self
            },
            false => self,
        }
    }

    const fn is_large(&self) -> bool {
        self.segment_bytes_max > SMALL_SEGMENT_BYTES_MAX
    }

    /// In a directory below others, without what needs the root: an archive, a salvage.
    fn below(self, is_below: bool) -> Self {
        match is_below {
            true => Self {
                archive: Archive::Off,
                salvages: false,
                is_below,
                ..self
            },
            false => self,
        }
    }
}

impl Config {
    /// With one option switched off, or the default size.
    pub(super) fn simpler(&self) -> Vec<Self> {
        let plain = [
            Self {
                preallocate_bytes: 0,
                ..*self
            },
            Self {
                buffer_bytes_max: 1 << 16,
                ..*self
            },
            Self {
                visits: false,
                ..*self
            },
            Self {
                begins: false,
                ..*self
            },
            Self {
                is_below: false,
                ..*self
            },
        ];
        plain
            .into_iter()
            .filter(|simpler| simpler != self)
            .collect()
    }
}

/// Draws the operations of one era.
pub(super) fn steps(draw: &mut Draw<'_>, config: &Config) -> Vec<Step<Op>> {
    let has_lives = draw.chance(250);
    let weights = draw.swarm(match has_lives {
        _ if config.is_large() => &LARGE,
        true => &LIVES,
        false => &WEIGHTS,
    });
    let levels = draw.swarm(&[1, 1, 3]);
    let client_count = *draw.pick(&[1, 1, 1, 2, 3]);
    let step_count = draw.range(1..=STEPS_MAX);
    let sizes: &[u64] = match config.is_large() {
        true => &[200, 3_000, 20_000, 50_000, 500_000],
        false => &[8, 40, 200, 600, 3_000],
    };
    let bytes_max = *draw.pick(sizes);
    let mut kept = BTreeSet::new();
    let steps = (1..=step_count).map(|id| {
        let mut op = draw_op(draw, &weights, &levels, bytes_max, client_count == 1);
        let client = draw.below(client_count) as u32;
        if let Op::GoOn { slot, .. } = op
            && !kept.contains(&(client, slot))
        {
            op = draw_hold(draw, slot);
        }
        if let Op::Hold { slot, .. } = op {
            kept.insert((client, slot));
        }
        Step {
            id: id as u32,
            client,
            op,
        }
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
        1 => Op::Sync,
        2 => Op::Flush,
        3 => Op::Rotate,
        4 => Op::Retain {
            back: draw.below(24) as u32,
        },
        5 => Op::Truncate {
            commits: draw.below(4) as u32,
        },
        6 if is_alone => Op::Reopen,
        7 if is_alone => Op::Abandon,
        8 => Op::Read {
            back: draw.below(24) as u32,
        },
        9 => Op::Follow,
        10 => Op::Peek,
        11 => Op::Watch,
        12 => Op::History {
            commits: draw.below(6) as u32,
        },
        13 => {
            let slot = draw.below(SLOTS) as u32;
            draw_hold(draw, slot)
        }
        14 => Op::GoOn {
            slot: draw.below(SLOTS) as u32,
            commits: *draw.pick(&[1, 2, 5, 100]),
            looks: draw.chance(700),
        },
        15 => Op::Drop {
            slot: draw.below(SLOTS) as u32,
        },
        16 => Op::Pin {
            slot: draw.below(SLOTS) as u32,
            back: draw.below(12) as u32,
        },
        17 => Op::OpenAgain,
        18 => Op::Verify,
        19 => Op::SyncThrough {
            back: draw.below(4) as u32,
        },
        20 => Op::Segments,
        21 => {
            let commits = draw.range(1..=4) as u32;
            Op::Batch {
                commits,
                bytes: draw.range(8..=bytes_max) as u32,
                level: draw_level(draw, levels),
                refused: draw.below(2 * u64::from(commits)) as u32,
            }
        }
        24 => Op::Many {
            commits: *draw.pick(&[20, 100, 100, 1_000]),
            bytes: *draw.pick(&[8, 60, 200]),
        },
        22 if is_alone => Op::Close,
        23 if is_alone => Op::Renew {
            back: draw.below(24) as u32,
        },
        _ => Op::Append {
            records: *draw.pick(&[1, 1, 1, 2, 3, 7]),
            bytes: draw.range(8..=bytes_max) as u32,
            level: draw_level(draw, levels),
        },
    }
}

fn draw_level(draw: &mut Draw<'_>, levels: &[u32]) -> Level {
    let all = [Level::Buffered, Level::Os, Level::Synced];
    *all.get(draw.weighted(levels)).unwrap_or(&Level::Synced)
}

fn draw_hold(draw: &mut Draw<'_>, slot: u32) -> Op {
    let kind = draw.pick(&[
        Kept::Reader,
        Kept::SyncedReader,
        Kept::Follower,
        Kept::View,
        Kept::View,
        Kept::OldView,
        Kept::ViewFollower,
    ]);
    Op::Hold {
        slot,
        kind: *kind,
        back: *draw.pick(&[0, 0, 1, 2, 5, 24]),
    }
}

/// Bytes of one commit, its records and what is kept of each, at most.
const COMMIT_BYTES_MAX: u64 = 64 << 20;
/// What a record costs besides its bytes.
const RECORD_COST: u64 = 64;

/// Refuses a commit that is too large to be kept in memory several times.
pub(super) fn check(op: &Op) -> Result<(), String> {
    let (records, bytes) = match *op {
        Op::Append { records, bytes, .. } => (records, bytes),
        Op::Batch { commits, bytes, .. } | Op::Many { commits, bytes } => (commits, bytes),
        _ => return Ok(()),
    };
    match u64::from(records).saturating_mul(u64::from(bytes) + RECORD_COST) {
        0..=COMMIT_BYTES_MAX => Ok(()),
        _ => Err(format!(
            "a commit of {records} records of {bytes} bytes is more than {COMMIT_BYTES_MAX} bytes"
        )),
    }
}

/// After a crash: it takes a commit.
pub(super) fn verification() -> Vec<Step<Op>> {
    let append = Op::Append {
        records: 2,
        bytes: 24,
        level: Level::Synced,
    };
    vec![Step {
        id: 1,
        client: 0,
        op: append,
    }]
}

impl Op {
    /// One commit with what two have, or of about the size on disk.
    pub(super) fn merged(&self, after: &Self) -> Vec<Self> {
        match (self, after) {
            // A record that finds no room in its segment does for a rotation.
            (Self::Rotate, &Self::Append { level, .. }) => vec![Self::Append {
                records: 1,
                bytes: SEGMENT_BYTES,
                level,
            }],
            (
                &Self::Append {
                    records,
                    bytes,
                    level,
                },
                &Self::Append {
                    records: more,
                    bytes: other,
                    level: last,
                },
            ) => merged_appends([records, more], [bytes, other], level.max(last)),
            _ => Vec::new(),
        }
    }

    fn simpler_append(records: u32, bytes: u32, level: Level) -> Vec<Self> {
        let mut simpler = Vec::new();
        if records > 1 {
            simpler.push(Self::Append {
                records: 1,
                bytes,
                level,
            });
        }
        if bytes > 8 {
            simpler.push(Self::Append {
                records,
                bytes: 8,
                level,
            });
            simpler.push(Self::Append {
                records,
                bytes: bytes / 2,
                level,
            });
        }
        // It may be there to fill the segment, and for nothing else.
        simpler.push(Self::Rotate);
        let weaker = match level {
            Level::Synced => Some(Level::Os),
            Level::Os => Some(Level::Buffered),
            Level::Buffered => None,
        };
        simpler.extend(weaker.map(|level| Self::Append {
            records,
            bytes,
            level,
        }));
        simpler
    }

    /// Simpler forms, simplest first.
    pub(super) fn simpler(&self) -> Vec<Self> {
        match *self {
            Self::Append {
                records,
                bytes,
                level,
            } => Self::simpler_append(records, bytes, level),
            // What they append may be all that matters of them.
            Self::Batch { bytes, level, .. } => vec![Self::Append {
                records: 1,
                bytes,
                level,
            }],
            Self::Close | Self::Renew { .. } => vec![Self::Reopen],
            Self::Many { commits, bytes } if commits > 1 => vec![
                Self::Many {
                    commits: commits / 2,
                    bytes,
                },
                Self::Append {
                    records: 1,
                    bytes: commits.saturating_mul(bytes + 40),
                    level: Level::Buffered,
                },
            ],
            Self::Follow | Self::Watch => vec![Self::Append {
                records: 1,
                bytes: 16,
                level: Level::Synced,
            }],
            // It begins with the one, and that with the other.
            Self::Rotate => vec![Self::Flush, Self::Sync],
            Self::Sync => vec![Self::Flush],
            Self::Retain { back } if back > 0 => vec![Self::Retain { back: 0 }],
            Self::Truncate { commits } if commits > 1 => vec![Self::Truncate { commits: 1 }],
            Self::Read { back } if back > 0 => vec![Self::Read { back: 0 }],
            Self::History { commits } if commits > 1 => vec![Self::History { commits: 1 }],
            Self::Hold { slot, kind, back } if back > 0 => vec![Self::Hold {
                slot,
                kind,
                back: back / 2,
            }],
            Self::GoOn {
                slot,
                commits,
                looks: true,
            } => vec![Self::GoOn {
                slot,
                commits,
                looks: false,
            }],
            _ => Vec::new(),
        }
    }
}

/// One append in place of two.
fn merged_appends(records: [u32; 2], bytes: [u32; 2], level: Level) -> Vec<Op> {
    let count = records[0].saturating_add(records[1]);
    let parts = records.into_iter().zip(bytes);
    let parts = parts.map(|(records, bytes)| records.saturating_mul(bytes));
    let all = parts.fold(0, u32::saturating_add);
    let one = |bytes: u32| Op::Append {
        records: 1,
        bytes: bytes.min(MERGED_BYTES_MAX),
        level,
    };
    let on_disk = all.saturating_add(4 * count).saturating_add(44);
    let together = Op::Append {
        records: count,
        bytes: bytes[0].max(bytes[1]),
        level,
    };
    vec![one(all), one(on_disk), together]
}
