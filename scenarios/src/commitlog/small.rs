//! Workloads that are small enough to be explored in full.
//!
//! One client each, a dozen operations. Between two syncs there are so many writes that subsets of
//! them matter, and so few that all can be tried. Not here: how operations are drawn (`op`).

use blackstart_sim::{SmallCase, Step};

use super::op::{Archive, Config, Level, Op};

const SYNCED: Op = append(24, Level::Synced);
const OS: Op = append(24, Level::Os);
const BUFFERED: Op = append(24, Level::Buffered);
/// A record over several tear units.
const LONG: Op = append(700, Level::Os);

/// Segments that hold all of a workload, a file that grows with each write.
const ROOMY: Config = Config {
    segment_bytes_max: 4_096,
    buffer_bytes_max: 256,
    preallocate_bytes: 0,
    archive: Archive::Off,
    knows_durable: false,
    salvages: false,
    visits: false,
    begins: false,
    is_below: false,
};
/// Segments that a few commits fill, preallocated.
const TIGHT: Config = Config {
    segment_bytes_max: 512,
    preallocate_bytes: 512,
    ..ROOMY
};

const fn append(bytes: u32, level: Level) -> Op {
    Op::Append {
        records: 1,
        bytes,
        level,
    }
}

/// All of them.
pub(super) fn cases() -> Vec<SmallCase<Config, Op>> {
    let (truncate, retain) = (Op::Truncate { commits: 3 }, Op::Retain { back: 1 });
    let rotated: &[&[Op]] = &[
        &[SYNCED],
        &[OS; 5],
        &[Op::Sync, OS, OS, Op::Rotate, OS, SYNCED],
    ];
    let long: &[&[Op]] = &[&[
        LONG,
        BUFFERED,
        LONG,
        Op::Flush,
        LONG,
        Op::Sync,
        LONG,
        SYNCED,
    ]];
    let reopened: &[&[Op]] = &[
        &[OS, OS, Op::Reopen, OS, OS, SYNCED, OS],
        &[Op::Abandon, OS, OS, Op::Sync, Op::Reopen],
    ];
    let truncated: &[&[Op]] = &[&[SYNCED, OS, Op::Rotate, OS, OS, truncate, OS, SYNCED, OS]];
    let retained: &[&[Op]] = &[&[SYNCED], &[OS; 3], &[SYNCED, retain, OS, OS, SYNCED, OS]];
    vec![
        case(ROOMY, rotated),
        case(ROOMY, long),
        case(ROOMY, reopened),
        case(ROOMY, truncated),
        case(TIGHT, retained),
    ]
}

fn case(config: Config, ops: &[&[Op]]) -> SmallCase<Config, Op> {
    let steps = (1u32..).zip(ops.concat());
    let steps = steps.map(|(id, op)| Step { id, client: 0, op });
    SmallCase {
        config,
        steps: steps.collect(),
    }
}
