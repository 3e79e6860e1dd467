//! Stories of a small program with a planted mistake: it promises pages that it has not synced.

mod html;
mod notebook;

use std::sync::Arc;

use super::{EraEnd, Look, Moment, Story, tell};
use crate::call::{CallId, CallKind};
use crate::case::{self, Case, CaseOf, Cut, End, Era};
use crate::disk::{
    DiskConfig, EffectId, Errno, Explicit, Fault, FaultRule, Outcome, Survivors, Tear, TornUnit,
    Trigger,
};
use crate::scenario::Step;
use crate::sched::{Latency, Schedule};
use notebook::{Config, Notebook, Op};

fn write(op: u32) -> CallId {
    CallId {
        op,
        task: 0,
        kind: CallKind::Write,
        nth: 0,
    }
}

/// A fault that strikes, and one that does not.
fn faults() -> Vec<FaultRule> {
    let never = Trigger::Nth {
        kind: CallKind::Read,
        files: "*.none".to_owned(),
        nth: 1,
        times: 1,
    };
    vec![
        FaultRule::new(Trigger::Call(write(2)), Fault::Stall(5)),
        FaultRule::new(never, Fault::Fail(Errno::Eio)),
    ]
}

/// Three pages: the first is synced, the second torn, the third lost; all were promised.
fn three_pages(file: &str) -> CaseOf<Notebook> {
    let page = |id, syncs| Step {
        id,
        client: 0,
        op: Op { syncs },
    };
    let torn = TornUnit {
        effect: EffectId {
            eras_ago: 0,
            call: write(2),
            index: 0,
        },
        unit: 1,
        tear: Tear::Prefix(100),
        over: 0,
    };
    let kept = |call, index| crate::disk::Exception {
        effect: EffectId {
            eras_ago: 0,
            call,
            index,
        },
        units: Vec::new(),
    };
    let survivors = Survivors::Explicit(Explicit {
        except: vec![kept(write(2), 0), kept(write(2), 1)],
        torn: vec![torn],
        ..Explicit::default()
    });
    let era = |steps, faults, end| Era {
        steps,
        faults,
        schedule: Schedule::RunUntilBlocked,
        end,
    };
    Case {
        version: case::VERSION,
        scenario: "notebook".to_owned(),
        config: Config {
            file: file.to_owned(),
        },
        disk: DiskConfig {
            torn_units: true,
            ..DiskConfig::default()
        },
        latency: Latency::default(),
        entropy: 0,
        eras: vec![
            era(
                vec![page(1, true), page(2, false), page(3, false)],
                faults(),
                End::Power {
                    at: Cut::Last,
                    survivors,
                },
            ),
            era(Vec::new(), Vec::new(), End::Close),
        ],
    }
}

fn story(case: &CaseOf<Notebook>) -> Story {
    let text = case::encode(case, "a comment").expect("text");
    let command = "blackstart sim replay three.case --trace".to_owned();
    tell(&Arc::new(Notebook), case, "three.case", command, &text)
}

#[test]
fn a_failing_case_is_told_on_a_terminal() {
    let story = story(&three_pages("notes"));
    insta::assert_snapshot!(story.text(Look::default()));
}

#[test]
fn a_failure_is_summed_up_in_a_few_lines() {
    let story = story(&three_pages("notes"));
    insta::assert_snapshot!(story.summary(Look::default()));
}

#[test]
fn a_story_says_what_was_lost_and_what_was_promised() {
    let story = story(&three_pages("notes"));
    let failure = story.failure.as_ref().expect("it fails");
    assert_eq!(failure.oracle, "durable prefix");
    let era = &story.eras[0];
    assert_eq!(era.end, EraEnd::Power(None));
    let outcomes: Vec<&Outcome> = era.lost().map(|effect| &effect.outcome).collect();
    assert!(matches!(outcomes[0], Outcome::Torn(_)), "{outcomes:?}");
    assert_eq!(outcomes[1..], [&Outcome::Lost, &Outcome::Lost]);
    for effect in era.lost() {
        let cause = effect.cause.as_ref().expect("a loss has a cause");
        let promise = &era.moments[cause.promise.expect("all was promised")];
        assert!(matches!(promise, Moment::Event(_)));
        let op = effect.call.map(|call| call.op);
        assert_eq!(Some(promise.by().1), op, "by the operation itself");
    }
    assert_eq!(era.faults[0].ledger.injected, 1);
    assert_eq!(era.faults[1].ledger.injected, 0);
    let last = story.last_era().expect("an era");
    assert_eq!((last.number, &last.end), (1, &EraEnd::Failed));
}

#[test]
fn a_case_that_passes_is_told_as_well() {
    let mut case = three_pages("notes");
    for step in &mut case.eras[0].steps {
        step.op.syncs = true;
    }
    let story = story(&case);
    assert!(story.is_clean(), "{:?}", story.failure);
    let text = story.text(Look::default());
    assert!(text.starts_with("nothing is wrong\n"), "{text}");
    assert!(text.contains("no oracle objects"), "{text}");
    assert!(story.page().expect("a page").contains("passes"));
}

/// A name that would break a page, a terminal, and a line.
fn hostile() -> String {
    let long = "n".repeat(140);
    format!("<u>&\"'\u{1b}[31m\n{long}")
}

#[test]
fn lines_fit_and_nothing_in_them_is_obeyed() {
    for name in ["notes".to_owned(), hostile()] {
        let text = story(&three_pages(&name)).text(Look::default());
        for line in text.lines() {
            let is_command = line.starts_with("blackstart");
            assert!(line.chars().count() <= 100 || is_command, "{line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }
    let colored = Look {
        colored: true,
        all: false,
    };
    let story = story(&three_pages("notes"));
    let plain = story.text(Look::default());
    assert_eq!(html::without_colors(&story.text(colored)), plain);
}

#[test]
fn a_page_is_whole_and_needs_nothing_else() {
    let hostile = hostile();
    for name in ["notes", &hostile] {
        let page = story(&three_pages(name)).page().expect("a page");
        html::check(&page);
        for outside in ["http", "src=", "<script", "@import", "<u>", "\u{1b}"] {
            assert!(!page.contains(outside), "{outside}");
        }
        for inside in [
            "durable prefix",
            "page 3 is durable",
            "three.case",
            "prefers-color",
        ] {
            assert!(page.contains(inside), "{inside}");
        }
    }
}

#[test]
fn a_long_story_is_folded() {
    let mut case = three_pages("notes");
    let steps = &mut case.eras[0].steps;
    for id in 4..600 {
        steps.push(Step {
            id,
            client: 0,
            op: Op { syncs: id % 3 == 0 },
        });
    }
    let story = story(&case);
    let text = story.text(Look::default());
    assert!(text.lines().count() < 200, "{} lines", text.lines().count());
    assert!(text.contains("… "), "{text}");
    let all = Look {
        all: true,
        ..Look::default()
    };
    assert!(story.text(all).lines().count() > 1_500);
    let page = story.page().expect("a page");
    html::check(&page);
    let without_case = page.len() - 2 * story.case.len();
    assert!(without_case < 400_000, "{without_case} bytes");
}
