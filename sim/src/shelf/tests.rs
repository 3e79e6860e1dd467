//! What is altered between two eras is lost in silence by the one, and by the other never.

use std::sync::Arc;

use super::*;
use crate::Campaign;
use crate::call::{CallId, CallKind};
use crate::case::{Case, CaseOf, Cut, End, Era, VERSION, decode, encode};
use crate::disk::{
    Alteration, Base, DiskConfig, EffectId, Exception, Explicit, Fault, FaultRule, Fill, NewName,
    Profile, Survivors, Trigger,
};
use crate::run::run_case;
use crate::sched::{Latency, Schedule};
use crate::shrink::shrink;
use crate::story::{Look, tell};

const TRUSTING: Shelf = Shelf { is_trusting: true };
const COUNTING: Shelf = Shelf { is_trusting: false };

fn era(steps: u32, faults: Vec<FaultRule>) -> Era<()> {
    Era {
        steps: (1..=steps).map(step).collect(),
        faults,
        schedule: Schedule::RunUntilBlocked,
        end: End::Close,
    }
}

/// Boxes are added, a file is altered, and more are added.
fn case(files: &str, what: Alteration) -> CaseOf<Shelf> {
    let when = Trigger::Boot {
        files: files.to_owned(),
        nth: 1,
    };
    let rule = FaultRule::new(when, Fault::Alter(what));
    Case {
        version: VERSION,
        scenario: "shelf".to_owned(),
        config: (),
        disk: DiskConfig {
            profile: Profile::Xfs,
            ..DiskConfig::default()
        },
        latency: Latency::default(),
        entropy: 0,
        eras: vec![era(4, Vec::new()), era(3, vec![rule]), era(1, Vec::new())],
    }
}

fn kinds() -> Vec<Alteration> {
    let suffix = NewName::Suffix(" (copy)".to_owned());
    vec![
        Alteration::Empty,
        Alteration::Zero,
        Alteration::CutShort { per_mille: 700 },
        Alteration::CutAt(7),
        Alteration::Remove,
        Alteration::Rename(suffix.clone()),
        Alteration::Rename(NewName::Neighbour(60)),
        Alteration::Older(1),
        Alteration::Link(suffix.clone()),
        Alteration::Dir,
        Alteration::Copy(suffix),
    ]
}

#[test]
fn who_trusts_what_is_there_loses_boxes_to_every_kind_but_a_copy() {
    let scenario = Arc::new(TRUSTING);
    for what in kinds() {
        let is_harmless = matches!(what, Alteration::Copy(_));
        let failure = run_case(&scenario, &case("004.box", what.clone()), false).failure;
        let oracle = failure.map(|(era, failure)| (era, failure.oracle));
        let expected = (!is_harmless).then(|| (1, "no box is lost".to_owned()));
        assert_eq!(oracle, expected, "{what:?}");
    }
}

#[test]
fn who_counts_reports_it_or_is_right() {
    let scenario = Arc::new(COUNTING);
    for file in ["001.box", "004.box", "count", "*"] {
        for what in kinds() {
            let failure = run_case(&scenario, &case(file, what.clone()), false).failure;
            assert!(failure.is_none(), "{what:?} of {file}: {failure:?}");
        }
    }
}

#[test]
fn a_story_says_whose_bytes_a_new_file_shows() {
    let call = |kind, nth| CallId {
        op: 0,
        task: 0,
        kind,
        nth,
    };
    let kept = |call, index| Exception {
        effect: EffectId {
            eras_ago: 0,
            call,
            index,
        },
        units: Vec::new(),
    };
    // The name and the length of the new file survive, and what was written does not.
    let survivors = Survivors::Explicit(Explicit {
        base: Base::Lost,
        except: vec![
            kept(call(CallKind::Open, 2), 0),
            kept(call(CallKind::Write, 0), 1),
        ],
        torn: Vec::new(),
        fill: Fill::Stale,
    });
    let power = |at, survivors| End::Power { at, survivors };
    let mut case = case("nothing", Alteration::Remove);
    case.disk.profile = Profile::PosixStrict;
    case.eras[0] = era(1, Vec::new());
    case.eras[1] = era(3, Vec::new());
    case.eras[0].end = power(Cut::Last, Survivors::None);
    let cut = Cut::Before(call(CallKind::SyncAll, 0));
    case.eras[1].end = power(cut, survivors);
    let story = tell(&Arc::new(COUNTING), &case, "a.case", String::new(), "");
    assert!(story.is_clean(), "{:?}", story.failure);
    assert_eq!(story.stale, [""; 0]);
    let [stale] = story.eras[1].stale.as_slice() else {
        panic!("one range: {:?}", story.eras[1].stale);
    };
    assert_eq!((stale.name.as_str(), stale.start, stale.end), ("new", 0, 8));
    let (file, written) = stale.source.as_ref().expect("is known");
    assert_eq!(file, "count");
    assert!(written.starts_with("write new (era 0, "), "{written}");
    let text = story.text(Look::default());
    assert!(text.contains("a freed one of count"), "{text}");
    assert!(
        story
            .page()
            .expect("a page")
            .contains("a freed one of count")
    );
}

/// Two kinds of alterations and a fault that never strikes, in eras that need not be so long.
#[test]
fn what_is_shrunken_keeps_the_one_alteration_in_its_plainest_form() {
    let scenario = Arc::new(TRUSTING);
    for (what, plain) in [
        (
            Alteration::Rename(NewName::Suffix(".bak".to_owned())),
            Alteration::Remove,
        ),
        (Alteration::CutShort { per_mille: 900 }, Alteration::Empty),
        (Alteration::Older(3), Alteration::Older(1)),
    ] {
        let mut case = case("*.box", what);
        let copy = Alteration::Copy(NewName::Suffix("~".to_owned()));
        let when = Trigger::Boot {
            files: "*".to_owned(),
            nth: 2,
        };
        let more = [
            FaultRule::new(when, Fault::Alter(copy)),
            FaultRule::new(
                Trigger::Growth {
                    files: "nothing".to_owned(),
                    nth: 2,
                    times: 1,
                },
                Fault::Short(1),
            ),
        ];
        case.eras[1].faults.extend(more);
        let text = encode(&case, "").expect("is text");
        assert_eq!(decode::<(), ()>("a.case", &text).expect("a case"), case);
        let (_, failure) = run_case(&scenario, &case, false).failure.expect("fails");
        let shrunken = shrink(&scenario, &case, &failure).case;
        let faults: Vec<_> = shrunken.eras.iter().flat_map(|era| &era.faults).collect();
        let [only] = faults.as_slice() else {
            panic!("one fault: {faults:?}");
        };
        assert_eq!(only.what, Fault::Alter(plain));
        let steps: usize = shrunken.eras.iter().map(|era| era.steps.len()).sum();
        assert!(steps <= 1, "{shrunken:?}");
    }
}

#[test]
fn a_campaign_finds_who_trusts_and_passes_who_counts() {
    let report = Campaign::new(COUNTING).seeds(0..400).report();
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let altered = kinds().into_iter().map(|what| Fault::Alter(what).kind());
    for kind in altered {
        let count = report.faults.get(kind).copied().unwrap_or_default();
        assert!(count.injected > 0, "{kind} was never drawn");
        assert!(count.observed > 0, "{kind} was never met");
        assert_eq!(count.silent, 0, "{kind}");
    }
    let report = Campaign::new(TRUSTING).seeds(0..40).report();
    assert!(!report.failures.is_empty(), "boxes are lost");
}
