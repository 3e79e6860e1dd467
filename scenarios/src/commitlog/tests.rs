//! The model by itself: every oracle rejects the history it exists for.

use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_sim::Promise;
use blackstart_sim::disk::CrashKind;

use super::history::{Event, Found, Opened};
use super::model::Model;
use super::op::Level;
use super::payload;

fn found(tokens: &[u64], from: u64) -> Vec<Found> {
    (from..)
        .zip(tokens)
        .map(|(offset, &token)| Found {
            offset,
            epoch: 1,
            token: Some(token),
        })
        .collect()
}

/// Each opening calls itself by another number.
static INCARNATION: AtomicU64 = AtomicU64::new(0);

fn opened(tokens: &[u64], from: u64) -> Event {
    Event::Opened(Opened {
        oldest: from,
        next: from + tokens.len() as u64,
        found: found(tokens, from),
        epoch: 1,
        incarnation: INCARNATION.fetch_add(1, Ordering::Relaxed),
        is_on_record: true,
        closed: true,
        reports_damage: false,
        reports_lost_record: false,
        is_archived: false,
        known: None,
        promise: Promise::Full,
    })
}

fn submitted(tokens: std::ops::Range<u64>) -> Event {
    Event::Submitted { tokens }
}

fn acked(tokens: std::ops::Range<u64>, first: u64, level: Level) -> Event {
    Event::Acked {
        tokens,
        first,
        epoch: 1,
        level,
    }
}

/// A model after these events, all of which it accepts.
fn after(events: &[Event]) -> Model {
    let mut model = Model::default();
    for event in events {
        model.apply(event).expect("the event fits");
    }
    model
}

#[track_caller]
fn rejects(model: &mut Model, event: &Event, oracle: &str) {
    let failure = model
        .apply(event)
        .expect_err("the event contradicts the model");
    assert_eq!(failure.oracle, oracle, "{failure}");
}

/// Tokens 0 and 1 synced, 2 with the operating system, 3 in flight.
fn typical() -> Model {
    after(&[
        submitted(0..2),
        acked(0..2, 0, Level::Synced),
        submitted(2..3),
        acked(2..3, 2, Level::Os),
        submitted(3..4),
    ])
}

#[test]
fn each_kind_of_crash_leaves_what_was_promised_for_it() {
    for (kind, shown, is_fine) in [
        (CrashKind::Power, &[0, 1][..], true),
        (CrashKind::Power, &[0, 1, 2, 3], true),
        (CrashKind::Power, &[0], false),
        (CrashKind::Kill, &[0, 1, 2], true),
        (CrashKind::Kill, &[0, 1], false),
    ] {
        let mut model = typical();
        model.crash(kind);
        assert_eq!(
            model.apply(&opened(shown, 0)).is_ok(),
            is_fine,
            "{kind:?} {shown:?}"
        );
    }
}

#[test]
fn a_lost_synced_commit_is_found() {
    let mut model = typical();
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[], 0), "durable prefix");
}

#[test]
fn half_a_commit_is_found() {
    let mut model = after(&[submitted(0..3)]);
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[0, 1], 0), "atomic group");
    let mut model = after(&[submitted(0..3), acked(0..3, 0, Level::Buffered)]);
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[0], 0), "atomic group");
}

#[test]
fn what_was_once_missing_never_comes_back() {
    let mut model = after(&[submitted(0..1)]);
    model.crash(CrashKind::Power);
    model.apply(&opened(&[], 0)).expect("it may be gone");
    rejects(&mut model, &opened(&[0], 0), "no resurrection");
}

#[test]
fn what_was_shown_is_there_for_ever() {
    let mut model = after(&[submitted(0..1)]);
    model.crash(CrashKind::Kill);
    model.apply(&opened(&[0], 0)).expect("it may be there");
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[], 0), "durable prefix");
}

#[test]
fn a_refused_commit_never_appears() {
    let mut model = after(&[submitted(0..1), Event::Refused { tokens: 0..1 }]);
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[0], 0), "no resurrection");
}

#[test]
fn a_wrong_record_and_damaged_bytes_are_found() {
    let mut model = typical();
    model.crash(CrashKind::Power);
    rejects(&mut model.clone(), &opened(&[1, 0], 0), "durable prefix");
    let mut event = opened(&[0, 1], 0);
    if let Event::Opened(opened) = &mut event {
        opened.found[1].token = None;
    }
    rejects(&mut model, &event, "damage is reported");
}

#[test]
fn a_number_is_never_given_twice() {
    let mut model = typical();
    rejects(&mut model, &acked(3..4, 1, Level::Synced), "durable prefix");
    let mut model = after(&[
        submitted(0..1),
        submitted(1..2),
        acked(0..1, 0, Level::Synced),
    ]);
    rejects(&mut model, &acked(1..2, 0, Level::Synced), "identifiers");
    // A cut history may give its offsets again, but not in the same epoch.
    let mut model = after(&[
        submitted(0..1),
        acked(0..1, 0, Level::Synced),
        Event::TruncateBegan {
            offset: 0,
            epoch: 1,
        },
        Event::Truncated { offset: 0 },
        submitted(1..2),
    ]);
    rejects(&mut model, &acked(1..2, 0, Level::Synced), "identifiers");
}

#[test]
fn a_cut_takes_effect_whole_or_not_at_all() {
    let events = [
        submitted(0..1),
        acked(0..1, 0, Level::Synced),
        submitted(1..2),
        acked(1..2, 1, Level::Synced),
        submitted(2..3),
        acked(2..3, 2, Level::Synced),
        Event::TruncateBegan {
            offset: 1,
            epoch: 1,
        },
    ];
    for (shown, is_fine) in [
        (&[0][..], true),
        (&[0, 1, 2], true),
        (&[0, 1], false),
        (&[], false),
    ] {
        let mut model = after(&events);
        model.crash(CrashKind::Power);
        assert_eq!(model.apply(&opened(shown, 0)).is_ok(), is_fine, "{shown:?}");
    }
    let mut model = after(&events);
    model
        .apply(&Event::Truncated { offset: 1 })
        .expect("it fits");
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[0, 1, 2], 0), "no resurrection");
}

#[test]
fn retired_history_stays_retired_and_no_more_goes() {
    let events = [
        submitted(0..2),
        acked(0..2, 0, Level::Synced),
        Event::RetainBegan { offset: 1 },
    ];
    let mut model = after(&events);
    model.crash(CrashKind::Power);
    rejects(&mut model.clone(), &opened(&[], 2), "no resurrection");
    model.apply(&opened(&[1], 1)).expect("it had begun");
    rejects(&mut model, &opened(&[0, 1], 0), "no resurrection");
}

#[test]
fn a_retirement_is_taken_back_only_where_its_mark_is_reported_damaged() {
    for (shown, reports_damage, promise, is_fine) in [
        ([0, 1, 2], true, Promise::DamageReported, true),
        ([0, 1, 2], false, Promise::DamageReported, false),
        ([0, 1, 2], true, Promise::Full, false),
        ([0, 1, 9], true, Promise::DamageReported, false),
    ] {
        let mut model = after(&[
            opened(&[], 0),
            submitted(0..1),
            acked(0..1, 0, Level::Synced),
            submitted(1..2),
            acked(1..2, 1, Level::Synced),
            submitted(2..3),
            acked(2..3, 2, Level::Synced),
            Event::RetainBegan { offset: 1 },
            Event::Retained { oldest: 1 },
        ]);
        model.crash(CrashKind::Power);
        let Event::Opened(mut opened) = opened(&shown, 0) else {
            panic!("an opening");
        };
        (opened.reports_damage, opened.promise) = (reports_damage, promise);
        let judged = model.apply(&Event::Opened(opened));
        assert_eq!(
            judged.is_ok(),
            is_fine,
            "{shown:?} {reports_damage} {judged:?}"
        );
    }
}

#[test]
fn a_loss_is_excused_by_reported_damage_that_no_later_byte_disproves() {
    // Token 1 was handed in after token 0 was durable, and is durable too: its frame says so.
    let events = [
        submitted(0..1),
        acked(0..1, 0, Level::Synced),
        submitted(1..2),
        acked(1..2, 1, Level::Synced),
    ];
    for (shown, reports_damage, is_fine) in [
        (&[0][..], true, true),
        (&[0], false, false),
        (&[], true, false),
    ] {
        let mut model = after(&events);
        model.crash(CrashKind::Power);
        let mut event = opened(shown, 0);
        if let Event::Opened(opened) = &mut event {
            opened.promise = Promise::DamageReported;
            opened.reports_damage = reports_damage;
        }
        assert_eq!(
            model.apply(&event).is_ok(),
            is_fine,
            "{shown:?} {reports_damage}"
        );
    }
}

#[test]
fn a_reader_that_misses_or_invents_is_found() {
    let model = typical();
    let read = |tokens: &[u64]| Event::Read {
        found: found(tokens, 0),
        from: 0,
        acked_through: 3,
        is_synced: false,
        promise: Promise::Full,
    };
    model.clone().apply(&read(&[0, 1, 2])).expect("all of it");
    model
        .clone()
        .apply(&read(&[0, 1, 2, 3]))
        .expect("what is in flight may be seen");
    rejects(&mut model.clone(), &read(&[0, 1]), "reads");
    rejects(&mut model.clone(), &read(&[0, 1, 9]), "reads");
    let late = Event::Read {
        found: found(&[1, 2], 1),
        from: 0,
        acked_through: 3,
        is_synced: false,
        promise: Promise::Full,
    };
    rejects(&mut model.clone(), &late, "reads");
}

#[test]
fn what_a_synced_reader_saw_must_survive() {
    let mut model = typical();
    let seen = Event::Read {
        found: found(&[0, 1, 2], 0),
        from: 0,
        acked_through: 0,
        is_synced: true,
        promise: Promise::Full,
    };
    model.apply(&seen).expect("all of it is acknowledged");
    model.crash(CrashKind::Power);
    rejects(&mut model, &opened(&[0, 1], 0), "durable prefix");
}

#[test]
fn a_record_is_recognized_only_whole() {
    let record = payload::record(7, 40);
    assert_eq!(payload::token(&record), Some(7));
    for at in 0..record.len() {
        let mut damaged = record.clone();
        damaged[at] ^= 1;
        assert_ne!(payload::token(&damaged), Some(7), "byte {at}");
    }
    assert_eq!(payload::token(&record[1..]), None);
    assert_eq!(payload::token(&record[..39]), None);
}
