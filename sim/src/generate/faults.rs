//! The faults that many cases have: errors, failing syncs, short calls, no space, damage at rest.

use super::{Aim, Calls, alterations, errors};
use crate::call::CallKind;
use crate::disk::{Errno, Fault, FaultRule, SyncFailure, Trigger};
use crate::draw::Draw;
use crate::scenario::Scenario;

const SYNC_FAILURES: [SyncFailure; 8] = [
    SyncFailure::CleanKeepNew,
    SyncFailure::CleanKeepNew,
    SyncFailure::PartialThenEio,
    SyncFailure::RevertOld,
    SyncFailure::StayDirty,
    SyncFailure::ShutDown,
    SyncFailure::LyingSync,
    SyncFailure::DelayedReport,
];

/// Draws one to three faults of a swarm of kinds.
pub(super) fn faults(draw: &mut Draw<'_>, aim: &Aim<'_>) -> Vec<FaultRule> {
    let weights = draw.swarm(&[4, 6, 3, 4, 3, 1, 1]);
    let count = *draw.pick(&[1, 1, 2, 3]);
    let mut faults: Vec<FaultRule> = (0..count).map(|_| fault(draw, aim, &weights)).collect();
    // Damage of several places at once promises nothing that could be checked.
    let mut damages = 0;
    faults.retain(|rule| {
        damages += usize::from(matches!(rule.when, Trigger::Boot { .. }));
        damages <= 1
    });
    if draw.chance(800) {
        fill_up_midway(draw, &mut faults);
    }
    faults
}

/// A disk that fills up takes a part of a write first: the error meets the call that goes on with
/// the rest.
fn fill_up_midway(draw: &mut Draw<'_>, faults: &mut Vec<FaultRule>) {
    let place = faults.iter().position(|rule| {
        matches!(rule.what, Fault::Fail(Errno::Enospc | Errno::Edquot))
            && matches!(
                rule.when,
                Trigger::Nth {
                    kind: CallKind::Write,
                    ..
                }
            )
    });
    let Some(place) = place else { return };
    let Some(FaultRule {
        when: Trigger::Nth {
            kind, files, nth, ..
        },
        ..
    }) = faults.get_mut(place)
    else {
        return;
    };
    let when = Trigger::Nth {
        kind: *kind,
        files: files.clone(),
        nth: *nth,
        times: 1,
    };
    *nth += 1;
    let most = *draw.pick(&[64, 256, 256, 2_048]);
    faults.insert(
        place,
        FaultRule::new(when, Fault::Short(draw.range(1..=most))),
    );
}

fn fault(draw: &mut Draw<'_>, aim: &Aim<'_>, weights: &[u32]) -> FaultRule {
    let (kinds, what): (&[CallKind], Fault) = match draw.weighted(weights) {
        0 => {
            let kind = aim.kind(draw, &errors::COMMON);
            let errno = errors::draw(draw, kind);
            return aim.rule(draw, kind, Fault::Fail(errno));
        }
        1 => {
            let kinds = &[CallKind::SyncData, CallKind::SyncData, CallKind::SyncAll];
            (kinds, Fault::Sync(*draw.pick(&SYNC_FAILURES)))
        }
        2 => {
            let kinds = &[CallKind::Read, CallKind::Write];
            (kinds, Fault::Short(draw.range(1..=64)))
        }
        3 => {
            let errno = *draw.pick(&[Errno::Enospc, Errno::Edquot]);
            (&errors::OUT_OF_SPACE, Fault::Fail(errno))
        }
        4 => {
            let when = Trigger::Boot {
                files: "*".to_owned(),
                nth: 1,
            };
            return FaultRule::new(when, Fault::SpareBytes(draw.below(8) * 4_096));
        }
        5 => (&[CallKind::Write], Fault::LostWrite),
        _ => return at_rest(draw, aim.files),
    };
    let kind = aim.kind(draw, kinds);
    aim.rule(draw, kind, what)
}

/// Damage in one of the files.
fn at_rest(draw: &mut Draw<'_>, files: &[&str]) -> FaultRule {
    let when = Trigger::Boot {
        files: (*draw.pick(files)).to_owned(),
        nth: draw.range(1..=3) as u32,
    };
    FaultRule::new(when, damage(draw))
}

fn damage(draw: &mut Draw<'_>) -> Fault {
    let per_mille = draw.below(1_000) as u32;
    match draw.below(4) {
        0 => Fault::GarbageSector { per_mille },
        1 => Fault::UnreadableSector { per_mille },
        _ => Fault::BitFlip {
            per_mille,
            bit: draw.below(8) as u8,
        },
    }
}

/// The faults that meet the recoveries of one exploration: mostly none. `rehearse` gives the calls
/// of such a recovery.
pub(crate) fn later_faults<S: Scenario>(
    scenario: &S,
    draw: &mut Draw<'_>,
    rehearse: impl FnOnce(&mut Draw<'_>) -> Calls,
) -> Vec<FaultRule> {
    if scenario.meets_faults() && scenario.meets_alterations() {
        let altered = draw.stream("later alteration", 0, |draw| {
            let is_altered = draw.chance(150);
            is_altered.then(|| alterations::at_rest(draw, scenario.files()))
        });
        if let Some(rule) = altered {
            return vec![rule];
        }
    }
    if !draw.chance(250) || !scenario.meets_faults() {
        return Vec::new();
    }
    let files = scenario.files();
    if draw.chance(600) {
        return vec![at_rest(draw, files)];
    }
    let calls = &rehearse(draw);
    vec![fault(draw, &Aim { files, calls }, &[4, 6, 3, 2, 0, 0, 0])]
}

/// How many of a thousand images of one exploration are judged with damage that is aimed at what
/// was written ([`crate::disk::aimed_damage`]): mostly none.
pub(crate) fn aimed_per_mille<S: Scenario>(scenario: &S, draw: &mut Draw<'_>) -> u64 {
    match scenario.meets_faults() && draw.chance(250) {
        true => 250,
        false => 0,
    }
}
