//! How options and operations are drawn.

use std::collections::BTreeSet;

use blackstart_sim::Step;
use blackstart_sim::draw::Draw;

use super::op::{Archive, Config, Kept, Level, Op};

/// How often each kind of operation is drawn, before the swarm skews it.
const WEIGHTS: [u32; 25] = [
    60, 8, 4, 6, 5, 3, 4, 3, 4, 2, 2, 2, 2, 6, 14, 1, 2, 2, 2, 3, 2, 8, 4, 2, 0,
];
/// The same in an era of readers that live long.
const LIVES: [u32; 25] = [
    60, 4, 6, 8, 8, 20, 5, 5, 1, 1, 1, 1, 1, 14, 50, 1, 6, 1, 1, 1, 1, 2, 2, 3, 0,
];
/// The same in a log of large segments.
const LARGE: [u32; 25] = [
    30, 8, 6, 3, 4, 6, 4, 8, 4, 1, 1, 2, 2, 4, 12, 1, 1, 0, 1, 2, 1, 4, 1, 2, 14,
];
/// Segments that are larger hold more than an opening copies into a new one.
const SMALL_SEGMENT_BYTES_MAX: u64 = 16_384;
/// How many slots a client keeps readers in.
const SLOTS: u64 = 2;
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
                segment_bytes_max: *draw.pick(&[1 << 18, 1 << 18, 1 << 20, 1 << 23]),
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

/// Draws the operations of one era.
pub(super) fn steps(draw: &mut Draw<'_>, config: &Config) -> Vec<Step<Op>> {
    let has_lives = draw.chance(350);
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
        22 if is_alone => Op::Close,
        23 if is_alone => Op::Renew {
            back: draw.below(24) as u32,
        },
        kind @ 13.. => draw_rest(draw, kind, levels, bytes_max),
        _ => draw_append(draw, levels, bytes_max),
    }
}

fn draw_append(draw: &mut Draw<'_>, levels: &[u32], bytes_max: u64) -> Op {
    Op::Append {
        records: *match bytes_max {
            // Runs of records that are as long as one another are read in another way.
            0..=200 => draw.pick(&[1, 1, 1, 2, 3, 7, 24]),
            _ => draw.pick(&[1, 1, 1, 2, 3, 7]),
        },
        bytes: draw.range(8..=bytes_max) as u32,
        level: draw_level(draw, levels),
    }
}

fn draw_rest(draw: &mut Draw<'_>, kind: usize, levels: &[u32], bytes_max: u64) -> Op {
    match kind {
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
        _ => draw_append(draw, levels, bytes_max),
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
