//! Tests of the model: what it accepts, and what it must not.

use blackstart_sim::Promise;
use blackstart_sim::disk::CrashKind;

use super::model::{Event, Model, Opened, Rows, Writes};
use super::op::Level;

fn submit(model: &mut Model, token: u64, writes: &[(u32, bool)]) {
    let writes: Writes = writes
        .iter()
        .map(|(key, is_put)| (*key, is_put.then_some(token)))
        .collect();
    model.apply(&Event::Submitted { token, writes }).unwrap();
}

fn ack(model: &mut Model, token: u64, sequence: u64, level: Level) {
    let acked = Event::Acked {
        token,
        sequence,
        level,
    };
    model.apply(&acked).unwrap();
}

fn opened(model: &mut Model, next: u64, rows: &[(u32, u64)]) -> bool {
    let opened = Opened {
        next,
        rows: rows.iter().copied().collect::<Rows>(),
        has_dropped: false,
        promise: Promise::Full,
    };
    model.apply(&Event::Opened(opened)).is_ok()
}

/// Two batches: the first is durable, the second is with the operating system.
fn two() -> Model {
    let mut model = Model::default();
    submit(&mut model, 1, &[(5, true), (6, true)]);
    ack(&mut model, 1, 1, Level::Synced);
    submit(&mut model, 2, &[(5, false), (7, true)]);
    ack(&mut model, 2, 2, Level::Os);
    model
}

#[test]
fn a_crash_leaves_whole_batches_and_what_was_promised() {
    type Shown<'a> = (CrashKind, u64, &'a [(u32, u64)], bool);
    let shown: [Shown<'_>; 7] = [
        (CrashKind::Kill, 3, &[(6, 1), (7, 2)], true),
        (CrashKind::Power, 2, &[(5, 1), (6, 1)], true),
        (CrashKind::Kill, 2, &[(5, 1), (6, 1)], false),
        (CrashKind::Power, 1, &[], false),
        (CrashKind::Power, 2, &[(5, 1)], false),
        (CrashKind::Power, 3, &[(5, 1), (6, 1), (7, 2)], false),
        (CrashKind::Power, 2, &[(6, 1), (7, 2)], false),
    ];
    for (kind, next, rows, is_right) in shown {
        let mut model = two();
        model.crash(kind);
        assert_eq!(
            opened(&mut model, next, rows),
            is_right,
            "{kind:?} {next} {rows:?}"
        );
    }
}

#[test]
fn a_batch_whose_fate_is_open_is_there_whole_or_gone_for_good() {
    let mut model = two();
    submit(&mut model, 3, &[(8, true), (9, true)]);
    let mut other = model.clone();
    assert!(opened(&mut model, 4, &[(6, 1), (7, 2), (8, 3), (9, 3)]));
    assert!(
        !opened(&mut other.clone(), 4, &[(6, 1), (7, 2), (8, 3)]),
        "half of it"
    );
    assert!(
        !opened(&mut other.clone(), 5, &[(6, 1), (7, 2), (8, 3), (9, 3)]),
        "twice"
    );
    assert!(opened(&mut other, 3, &[(6, 1), (7, 2)]));
    assert!(
        !opened(&mut other, 4, &[(6, 1), (7, 2), (8, 3), (9, 3)]),
        "it comes back"
    );
}

#[test]
fn a_scan_shows_one_state() {
    let read = |model: &Model, rows: &[(u32, u64)], floor, ceiling| {
        let event = Event::Read {
            keys: 0..8,
            rows: rows.iter().copied().collect(),
            floor,
            ceiling,
        };
        model.clone().apply(&event).is_ok()
    };
    let model = two();
    assert!(read(&model, &[(6, 1), (7, 2)], 3, None));
    assert!(!read(&model, &[(5, 1), (6, 1)], 3, None), "an older state");
    assert!(
        read(&model, &[(5, 1), (6, 1)], 2, None),
        "it may have begun before"
    );
    assert!(
        !read(&model, &[(5, 1), (6, 1), (7, 2)], 2, None),
        "no state"
    );
    assert!(
        !read(&model, &[(6, 1), (7, 2)], 2, Some(2)),
        "it had begun before"
    );
}

#[test]
fn a_sequence_is_given_once() {
    let mut model = two();
    submit(&mut model, 3, &[(1, true)]);
    let again = Event::Acked {
        token: 3,
        sequence: 2,
        level: Level::Os,
    };
    assert!(model.apply(&again).is_err());
}
