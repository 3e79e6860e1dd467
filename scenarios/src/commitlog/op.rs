//! What clients do, and what a shrinker makes of it.
//!
//! Not here: how it is drawn (`workload`).

use blackstart_sim::Step;
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

/// A record that finds no room in any segment, but for that of the largest that are drawn.
const SEGMENT_BYTES: u32 = 16_384;
/// Merging operations makes no record larger than this.
const MERGED_BYTES_MAX: u32 = 3_000;
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
    /// Whether it may cut a file.
    pub(super) const fn cuts_files(&self) -> bool {
        matches!(
            self,
            Self::Truncate { .. } | Self::Reopen | Self::Close | Self::Renew { .. }
        )
    }

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

    /// Simpler forms, simplest first.
    pub(super) fn simpler(&self) -> Vec<Self> {
        match *self {
            Self::Append {
                records,
                bytes,
                level,
            } => simpler_appends(records, bytes, level),
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

/// Simpler forms of an append, simplest first.
fn simpler_appends(records: u32, bytes: u32, level: Level) -> Vec<Op> {
    let mut simpler = Vec::new();
    if records > 1 {
        simpler.push(Op::Append {
            records: 1,
            bytes,
            level,
        });
    }
    if bytes > 8 {
        simpler.push(Op::Append {
            records,
            bytes: 8,
            level,
        });
        simpler.push(Op::Append {
            records,
            bytes: bytes / 2,
            level,
        });
    }
    // It may be there to fill the segment, and for nothing else.
    simpler.push(Op::Rotate);
    let weaker = match level {
        Level::Synced => Some(Level::Os),
        Level::Os => Some(Level::Buffered),
        Level::Buffered => None,
    };
    simpler.extend(weaker.map(|level| Op::Append {
        records,
        bytes,
        level,
    }));
    simpler
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
