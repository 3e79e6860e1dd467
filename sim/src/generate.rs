//! Draws what a scenario leaves to the library: disk, faults, schedule, number of eras.

use std::sync::Arc;

use crate::case::{Case, CaseOf, End, Era, VERSION};
use crate::disk::{DiskConfig, Profile};
use crate::draw::Draw;
use crate::scenario::{Scenario, SmallCase};
use crate::sched::{Latency, Schedule};

mod alterations;
mod calls;
mod errors;
mod faults;
mod rare;

pub(crate) use calls::{Aim, Calls, rehearse};
pub(crate) use faults::{aimed_per_mille, later_faults};

/// The most eras of a drawn case.
const ERAS_MAX: u64 = 3;

/// Draws a case. All eras end in order: crashes are chosen when the run is known.
pub(crate) fn case<S: Scenario>(
    scenario: &Arc<S>,
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
    let era_count = draw.stream("eras", 0, |draw| draw.range(1..=ERAS_MAX));
    let eras = (0..era_count).map(|number| Era {
        steps: draw.stream("steps", number, |draw| scenario.steps(draw, &config)),
        faults: Vec::new(),
        schedule: draw.stream("schedule", number, schedule),
        end: End::Close,
    });
    let eras = eras.collect();
    let mut case = Case {
        version: VERSION,
        scenario: scenario.name().to_owned(),
        config,
        disk,
        latency,
        entropy,
        eras,
    };
    // Half of all cases meet no fault but crashes: faults hide what comes after them.
    let has_faults = draw.stream("faults", u64::MAX, |draw| draw.chance(500));
    if has_faults && scenario.meets_faults() {
        add_faults(scenario, &mut case, draw);
    }
    case
}

/// Draws the faults of each era, aimed at calls that the era makes.
fn add_faults<S: Scenario>(scenario: &Arc<S>, case: &mut CaseOf<S>, draw: &mut Draw<'_>) {
    let rehearsals = calls::of_case(scenario, case);
    for ((era, calls), number) in case.eras.iter_mut().zip(&rehearsals).zip(0..) {
        let aim = Aim {
            files: scenario.files(),
            calls,
        };
        era.faults = draw.stream("faults", number, |draw| faults::faults(draw, &aim));
        let rare = draw.stream("rare faults", number, |draw| match draw.chance(300) {
            true => rare::faults(draw, &aim, scenario.tolerates_silent_damage()),
            false => Vec::new(),
        });
        era.faults.extend(rare);
    }
    if scenario.meets_alterations() {
        draw.stream("alterations", 0, |draw| {
            alterations::add(draw, scenario.files(), &mut case.eras, &rehearsals);
        });
    }
    if scenario.meets_growth_failures() {
        draw.stream("growth", 0, |draw| {
            alterations::add_growth(draw, scenario.files(), &mut case.eras, &rehearsals);
        });
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
