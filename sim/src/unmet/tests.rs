//! Tests of names that a run does not meet.

use std::sync::Arc;

use crate::call::{CallId, CallKind};
use crate::case::{Case, CaseOf, Cut, End, Era, VERSION};
use crate::counter::Counter;
use crate::disk::{
    DiskConfig, EffectId, Errno, Exception, Explicit, Fault, FaultRule, Survivors, Tear, TornUnit,
    Trigger,
};
use crate::run::run_case;
use crate::scenario::Step;
use crate::sched::{Deviation, Latency, Schedule};

fn step(id: u32) -> Step<()> {
    Step {
        id,
        client: 0,
        op: (),
    }
}

fn call(op: u32, kind: CallKind) -> CallId {
    CallId {
        op,
        task: 0,
        kind,
        nth: 0,
    }
}

fn survivors(op: u32, unit: u64) -> Survivors {
    let effect = EffectId {
        eras_ago: 0,
        call: call(op, CallKind::Write),
        index: 0,
    };
    Survivors::Explicit(Explicit {
        except: vec![Exception {
            effect,
            units: vec![unit],
        }],
        torn: vec![TornUnit {
            effect,
            unit,
            tear: Tear::Prefix(3),
            over: 0,
        }],
        ..Explicit::default()
    })
}

fn fault(nth: u32) -> FaultRule {
    let when = Trigger::Nth {
        kind: CallKind::Write,
        files: "new".to_owned(),
        nth,
        times: 1,
    };
    FaultRule::new(when, Fault::Short(3))
}

fn damage(files: &str) -> FaultRule {
    let when = Trigger::Boot {
        files: files.to_owned(),
        nth: 1,
    };
    let what = Fault::BitFlip {
        per_mille: 0,
        bit: 0,
    };
    FaultRule::new(when, what)
}

/// Two operations of which the second is cut short, and a second era on a damaged file.
fn case() -> CaseOf<Counter> {
    Case {
        version: VERSION,
        scenario: "counter".to_owned(),
        config: (),
        disk: DiskConfig {
            torn_units: true,
            ..DiskConfig::default()
        },
        latency: Latency::default(),
        entropy: 0,
        eras: vec![
            Era {
                steps: vec![step(1), step(2)],
                faults: vec![fault(1)],
                schedule: Schedule::RunUntilBlocked,
                end: End::Power {
                    at: Cut::Before(call(2, CallKind::SyncData)),
                    survivors: survivors(2, 0),
                },
            },
            Era {
                steps: Vec::new(),
                faults: vec![damage("count")],
                schedule: Schedule::RunUntilBlocked,
                end: End::Close,
            },
        ],
    }
}

/// What is not met once the case is changed.
fn unmet(change: impl FnOnce(&mut CaseOf<Counter>)) -> Vec<String> {
    let mut case = case();
    change(&mut case);
    let run = run_case(&Arc::new(Counter { is_careful: true }), &case, false);
    assert_eq!(run.failure, None);
    run.stale
}

#[test]
fn a_case_that_is_met_has_no_stale_names() {
    assert_eq!(unmet(|_| {}), [""; 0]);
}

#[test]
fn one_name_that_is_not_met_is_told() {
    let cut = |op, kind| {
        move |case: &mut CaseOf<Counter>| {
            case.eras[0].end = End::Kill {
                at: Cut::Before(call(op, kind)),
            };
        }
    };
    assert_eq!(unmet(cut(2, CallKind::SyncData)), [""; 0]);
    assert_eq!(
        unmet(cut(2, CallKind::SetLen)),
        ["era 0: the cut before op 2 task 0 SetLen #0"]
    );
    assert_eq!(
        unmet(|case| case.eras[0].steps.push(step(3))),
        ["era 0: operation 3"]
    );
    assert_eq!(
        unmet(|case| case.eras[0].faults.push(fault(169))),
        ["era 0: the fault \"short call\" at Write number 169 of \"new\""]
    );
    assert_eq!(
        unmet(|case| {
            let when = Trigger::Call(call(7, CallKind::Open));
            let fault = FaultRule::new(when, Fault::Fail(Errno::Eio));
            case.eras[0].faults.push(fault);
        }),
        ["era 0: the fault \"eio\" at op 7 task 0 Open #0"]
    );
    assert_eq!(
        unmet(|case| case.eras[1].faults[0] = damage("other")),
        ["era 1: the fault \"bit flip\" in a file like \"other\""]
    );
    assert_eq!(
        unmet(|case| {
            let at = call(1, CallKind::Write);
            case.eras[1].schedule = Schedule::Deviations(vec![Deviation { at, to: 1 }]);
        }),
        ["era 1: the switch to task 1 at op 1 task 0 Write #0"]
    );
}

#[test]
fn survivors_that_the_disk_does_not_have_are_told() {
    let with = |op, unit| {
        move |case: &mut CaseOf<Counter>| {
            case.eras[0].end = End::Power {
                at: Cut::Before(call(2, CallKind::SyncData)),
                survivors: survivors(op, unit),
            };
        }
    };
    let effect = "era 0: the effect of op 1 task 0 Write #0";
    assert_eq!(unmet(with(1, 0)), [effect; 2]);
    let unit = "era 0: unit 5 of op 2 task 0 Write #0";
    assert_eq!(unmet(with(2, 5)), [unit; 2]);
    assert_eq!(
        unmet(|case| case.disk.torn_units = false),
        ["era 0: the tear in op 2 task 0 Write #0 (torn_units is off)"]
    );
}
