//! Faults that few cases have. They are drawn from a stream of their own, so that the other faults
//! of a seed are what they would be without them.

use super::{Aim, errors};
use crate::call::CallKind;
use crate::disk::{Fault, FaultRule, SyncFailure};
use crate::draw::Draw;

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
    aim: &Aim<'_>,
    tolerates_silent_damage: bool,
) -> Vec<FaultRule> {
    let silent = u32::from(tolerates_silent_damage);
    let weights = draw.swarm(&[3, 2, 2, 4, 3, silent, silent, silent]);
    let count = draw.range(1..=2);
    (0..count).map(|_| fault(draw, aim, &weights)).collect()
}

fn fault(draw: &mut Draw<'_>, aim: &Aim<'_>, weights: &[u32]) -> FaultRule {
    let per_mille = draw.below(1_000) as u32;
    let (kinds, what): (&[CallKind], Fault) = match draw.weighted(weights) {
        0 => {
            let ns = *draw.pick(&[1_000, 1_000_000, 1_000_000_000, 60_000_000_000]);
            (&TIMED, Fault::Stall(ns))
        }
        1 => {
            let ns = *draw.pick(&[1, 1_000_000_000, 86_400_000_000_000]);
            let sign = *draw.pick(&[1, -1]);
            (&TIMED, Fault::WallJump(ns * sign))
        }
        2 => {
            let kinds = &[CallKind::SyncData, CallKind::SyncAll];
            (kinds, Fault::Sync(SyncFailure::ConsumedByOtherHandle))
        }
        3 => {
            let kind = aim.kind(draw, &errors::SELDOM);
            let errno = errors::draw(draw, kind);
            return aim.rule(draw, kind, Fault::Fail(errno));
        }
        4 => {
            let failure = *draw.pick(&[SyncFailure::StayDirty, SyncFailure::LyingSync]);
            (&[CallKind::SyncDir], Fault::Sync(failure))
        }
        5 => (&[CallKind::Write], Fault::MisdirectedWrite { per_mille }),
        6 => (&[CallKind::Read], Fault::MisdirectedRead { per_mille }),
        _ => (&[CallKind::Read], Fault::StaleRead),
    };
    let kind = aim.kind(draw, kinds);
    aim.rule(draw, kind, what)
}
