//! Draws what a scenario leaves to the library: disk, faults, schedule, number of eras.

use crate::call::CallKind;
use crate::case::{Case, CaseOf, End, Era, VERSION};
use crate::disk::{DiskConfig, Errno, Fault, FaultRule, Profile, SyncFailure, Trigger};
use crate::draw::Draw;
use crate::scenario::{Scenario, SmallCase};
use crate::sched::{Latency, Schedule};

mod alterations;
mod rare;

/// The most eras of a drawn case.
const ERAS_MAX: u64 = 3;

/// Draws a case. All eras end in order: crashes are chosen when the run is known.
pub(crate) fn case<S: Scenario>(
    scenario: &S,
    draw: &mut Draw<'_>,
    profile: Option<Profile>,
) -> CaseOf<S> {
    let config = draw.stream("config", 0, |draw| scenario.config(draw));
    let drawn = draw.stream("disk", 0, |draw| disk(draw, profile));
    let drawn = match scenario.meets_faults() {
        true => draw.stream("rare disk", 0, |draw| rare_disk(draw, drawn, profile)),
        false => drawn,
    };
    let disk = scenario.disk(drawn);
    let latency = draw.stream("latency", 0, latency);
    let entropy = draw.stream("entropy", 0, |draw| draw.below(u64::MAX));
    // Half of all cases meet no fault but crashes: faults hide what comes after them.
    let has_faults = draw.stream("faults", u64::MAX, |draw| draw.chance(500));
    let has_faults = has_faults && scenario.meets_faults();
    let era_count = draw.stream("eras", 0, |draw| draw.range(1..=ERAS_MAX));
    let eras = (0..era_count).map(|number| {
        let steps = draw.stream("steps", number, |draw| scenario.steps(draw, &config));
        let faults = draw.stream("faults", number, |draw| {
            if has_faults {
                faults(draw, scenario.files())
            } else {
                Vec::new()
            }
        });
        let rare = draw.stream("rare faults", number, |draw| {
            match has_faults && draw.chance(300) {
                true => rare::faults(draw, scenario.files(), scenario.tolerates_silent_damage()),
                false => Vec::new(),
            }
        });
        let faults = [faults, rare].concat();
        let schedule = draw.stream("schedule", number, schedule);
        Era {
            steps,
            faults,
            schedule,
            end: End::Close,
        }
    });
    let mut eras: Vec<Era<S::Op>> = eras.collect();
    if has_faults && scenario.meets_alterations() {
        draw.stream("alterations", 0, |draw| {
            alterations::add(draw, scenario.files(), &mut eras);
        });
    }
    if has_faults && scenario.meets_growth_failures() {
        draw.stream("growth", 0, |draw| {
            alterations::add_growth(draw, scenario.files(), &mut eras);
        });
    }
    Case {
        version: VERSION,
        scenario: scenario.name().to_owned(),
        config,
        disk,
        latency,
        entropy,
        eras,
    }
}

/// The scenario's small workloads as cases of one era, without faults.
pub(crate) fn small_cases<S: Scenario>(scenario: &S) -> Vec<CaseOf<S>> {
    let case = |small: SmallCase<S::Config, S::Op>| Case {
        version: VERSION,
        scenario: scenario.name().to_owned(),
        config: small.config,
        disk: DiskConfig::default(),
        latency: Latency::default(),
        entropy: 0,
        eras: vec![Era {
            steps: small.steps,
            faults: Vec::new(),
            schedule: Schedule::RunUntilBlocked,
            end: End::Close,
        }],
    };
    scenario.small_cases().into_iter().map(case).collect()
}

fn disk(draw: &mut Draw<'_>, profile: Option<Profile>) -> DiskConfig {
    let profiles = [
        Profile::PosixStrict,
        Profile::PosixStrict,
        Profile::Ext4Ordered,
        Profile::Ext4Writeback,
        Profile::Xfs,
    ];
    let drawn = *draw.pick(&profiles);
    DiskConfig {
        profile: profile.unwrap_or(drawn),
        tear_bytes: *draw.pick(&[512, 512, 512, 4_096, 64, 1]),
        torn_units: draw.chance(300),
        ..DiskConfig::default()
    }
}

/// What only few cases have: the file systems that are known less well, and a disk with limits.
fn rare_disk(draw: &mut Draw<'_>, disk: DiskConfig, profile: Option<Profile>) -> DiskConfig {
    let rare = draw
        .chance(150)
        .then(|| *draw.pick(&[Profile::Btrfs, Profile::Apfs]));
    DiskConfig {
        profile: profile.or(rare).unwrap_or(disk.profile),
        capacity_bytes: draw.chance(30).then(|| draw.range(4..=64) * 4_096),
        handles_max: draw.chance(30).then(|| draw.range(1..=8) as u32),
        ..disk
    }
}

/// Mostly that of a fast disk; else a slow one, or one whose syncs are as quick as its other calls.
fn latency(draw: &mut Draw<'_>) -> Latency {
    if !draw.chance(250) {
        return Latency::default();
    }
    Latency {
        call_ns: *draw.pick(&[1, 1_000, 100_000, 10_000_000]),
        sync_ns: *draw.pick(&[1, 1_000, 10_000_000, 1_000_000_000]),
    }
}

fn schedule(draw: &mut Draw<'_>) -> Schedule {
    match draw.below(4) {
        0 => Schedule::RunUntilBlocked,
        _ => {
            let one_in = *draw.pick(&[1, 1, 2, 3, 5, 10, 30]);
            Schedule::Hashed {
                seed: draw.below(u64::MAX),
                one_in,
            }
        }
    }
}

/// Kinds of calls that errors are aimed at.
const FALLIBLE: [CallKind; 12] = [
    CallKind::Write,
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::SyncDir,
    CallKind::Read,
    CallKind::Open,
    CallKind::Rename,
    CallKind::SetLen,
    CallKind::RemoveFile,
    CallKind::ReadDir,
    CallKind::Len,
    CallKind::CreateRoot,
];

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
fn faults(draw: &mut Draw<'_>, files: &[&str]) -> Vec<FaultRule> {
    let weights = draw.swarm(&[4, 6, 3, 4, 3, 1, 1]);
    let count = *draw.pick(&[1, 1, 2, 3]);
    let mut faults: Vec<FaultRule> = (0..count).map(|_| fault(draw, files, &weights)).collect();
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

fn fault(draw: &mut Draw<'_>, files: &[&str], weights: &[u32]) -> FaultRule {
    let pattern = (*draw.pick(files)).to_owned();
    let (kind, what) = match draw.weighted(weights) {
        0 => {
            let errno = *draw.pick(&[Errno::Eio, Errno::Eio, Errno::Erofs, Errno::Emfile]);
            (*draw.pick(&FALLIBLE), Fault::Fail(errno))
        }
        1 => {
            let kind = *draw.pick(&[CallKind::SyncData, CallKind::SyncData, CallKind::SyncAll]);
            (kind, Fault::Sync(*draw.pick(&SYNC_FAILURES)))
        }
        2 => {
            let kind = *draw.pick(&[CallKind::Read, CallKind::Write]);
            (kind, Fault::Short(draw.range(1..=64)))
        }
        3 => {
            let errno = *draw.pick(&[Errno::Enospc, Errno::Edquot]);
            let kinds = [
                CallKind::Write,
                CallKind::Write,
                CallKind::SetLen,
                CallKind::Open,
            ];
            let kind = *draw.pick(&kinds);
            (kind, Fault::Fail(errno))
        }
        4 => {
            let when = Trigger::Boot {
                files: "*".to_owned(),
                nth: 1,
            };
            return FaultRule::new(when, Fault::SpareBytes(draw.below(8) * 4_096));
        }
        5 => (CallKind::Write, Fault::LostWrite),
        _ => {
            let when = Trigger::Boot {
                files: pattern,
                nth: draw.range(1..=3) as u32,
            };
            return FaultRule::new(when, damage(draw));
        }
    };
    let (nth, times) = one_of(draw);
    FaultRule::new(
        Trigger::Nth {
            kind,
            files: pattern,
            nth,
            times,
        },
        what,
    )
}

/// Which call of a kind a fault strikes, and how many in a row.
fn one_of(draw: &mut Draw<'_>) -> (u32, u32) {
    let nth = *draw.pick(&[1, 2, 3, 4, 6, 9, 14, 20]);
    (nth, *draw.pick(&[1, 1, 2, 1_000]))
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

/// The faults that meet the recoveries of one exploration: mostly none.
pub(crate) fn later_faults<S: Scenario>(scenario: &S, draw: &mut Draw<'_>) -> Vec<FaultRule> {
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
    let pattern = (*draw.pick(files)).to_owned();
    let rule = if draw.chance(600) {
        let when = Trigger::Boot {
            files: pattern,
            nth: draw.range(1..=3) as u32,
        };
        FaultRule::new(when, damage(draw))
    } else {
        fault(draw, files, &[4, 6, 3, 2, 0, 0, 0])
    };
    vec![rule]
}

/// How many of a thousand images of one exploration are judged with damage that is aimed at what
/// was written ([`crate::disk::aimed_damage`]): mostly none.
pub(crate) fn aimed_per_mille<S: Scenario>(scenario: &S, draw: &mut Draw<'_>) -> u64 {
    match scenario.meets_faults() && draw.chance(250) {
        true => 250,
        false => 0,
    }
}
