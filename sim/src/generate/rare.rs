//! Faults that few cases have. They are drawn from a stream of their own, so that the other faults
//! of a seed are what they would be without them.

use super::one_of;
use crate::call::CallKind;
use crate::disk::{Errno, Fault, FaultRule, SyncFailure, Trigger};
use crate::draw::Draw;

/// Calls that programs make seldom.
const SELDOM: [CallKind; 10] = [
    CallKind::Lock,
    CallKind::Metadata,
    CallKind::Allocate,
    CallKind::Punch,
    CallKind::CreateDir,
    CallKind::HardLink,
    CallKind::RemoveDir,
    CallKind::Subdir,
    CallKind::FileId,
    CallKind::LinkCount,
];

/// Calls that may be slow, or in whose course a clock may be set.
const TIMED: [CallKind; 6] = [
    CallKind::Read,
    CallKind::Write,
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::SyncDir,
    CallKind::Open,
];

/// One or two faults of a swarm of kinds.
pub(super) fn faults(
    draw: &mut Draw<'_>,
    files: &[&str],
    tolerates_silent_damage: bool,
) -> Vec<FaultRule> {
    let silent = u32::from(tolerates_silent_damage);
    let weights = draw.swarm(&[3, 2, 2, 4, 3, silent, silent, silent]);
    let count = draw.range(1..=2);
    (0..count).map(|_| fault(draw, files, &weights)).collect()
}

fn fault(draw: &mut Draw<'_>, files: &[&str], weights: &[u32]) -> FaultRule {
    let per_mille = draw.below(1_000) as u32;
    let (kind, what) = match draw.weighted(weights) {
        0 => {
            let ns = *draw.pick(&[1_000, 1_000_000, 1_000_000_000, 60_000_000_000]);
            (*draw.pick(&TIMED), Fault::Stall(ns))
        }
        1 => {
            let ns = *draw.pick(&[1, 1_000_000_000, 86_400_000_000_000]);
            let sign = *draw.pick(&[1, -1]);
            (*draw.pick(&TIMED), Fault::WallJump(ns * sign))
        }
        2 => {
            let kind = *draw.pick(&[CallKind::SyncData, CallKind::SyncAll]);
            (kind, Fault::Sync(SyncFailure::ConsumedByOtherHandle))
        }
        3 => {
            let errno = *draw.pick(&[Errno::Eio, Errno::Enospc, Errno::Erofs, Errno::Emfile]);
            (*draw.pick(&SELDOM), Fault::Fail(errno))
        }
        4 => {
            let failure = *draw.pick(&[SyncFailure::StayDirty, SyncFailure::LyingSync]);
            (CallKind::SyncDir, Fault::Sync(failure))
        }
        5 => (CallKind::Write, Fault::MisdirectedWrite { per_mille }),
        6 => (CallKind::Read, Fault::MisdirectedRead { per_mille }),
        _ => (CallKind::Read, Fault::StaleRead),
    };
    let (nth, times) = one_of(draw);
    let files = match kind {
        // The root, and directories, which no pattern of files names.
        CallKind::SyncDir
        | CallKind::CreateDir
        | CallKind::RemoveDir
        | CallKind::Lock
        | CallKind::Subdir => "*",
        _ => draw.pick(files),
    };
    let when = Trigger::Nth {
        kind,
        files: files.to_owned(),
        nth,
        times,
    };
    FaultRule::new(when, what)
}
