//! Tests of the model: what damage excuses, and what it must not. All else is the oracle's.

use blackstart_sim::Promise;
use blackstart_sim::disk::CrashKind;
use blackstart_sim::oracle::Write;

use super::key::{Key, LONG, Value, key_bytes, key_number};
use super::model::{Event, Model, Opened, Rows};
use super::op::Level;

fn key(number: u32) -> Key {
    Key { space: 0, number }
}

fn write(model: &mut Model, token: u64) {
    let level = Level::Synced;
    let writes = vec![Write::Put(key(token as u32), Value::of(token, 8))];
    model.apply(&Event::Submitted { writes, level }).unwrap();
    let sequence = token;
    let acked = Event::Acked {
        token,
        sequence,
        level,
    };
    model.apply(&acked).unwrap();
}

fn began(damages: u64, altered: &[&str]) -> Event {
    Event::OpenBegan {
        damages,
        is_wide: false,
        altered: altered.iter().map(|&name| name.to_owned()).collect(),
        is_renewed: false,
        fork: None,
    }
}

/// Whether an opening may show the first batches only, of three.
fn opens(model: &Model, batches: u64, reports_damage: bool, promise: Promise) -> bool {
    let rows = (1..=batches).map(|token| (key(token as u32), Value::of(token, 8)));
    let opened = Opened {
        next: batches + 1,
        rows: rows.collect::<Rows>(),
        reports_damage,
        was_closed: false,
        flushed_through: 1,
        promise,
    };
    model.clone().apply(&Event::Opened(opened)).is_ok()
}

fn three() -> Model {
    let mut model = Model::default();
    for token in 1..=3 {
        write(&mut model, token);
    }
    model
}

#[test]
fn a_damaged_tail_excuses_what_nothing_vouches_for() {
    let mut model = three();
    model.crash(CrashKind::Power);
    model.apply(&began(1, &[])).unwrap();
    let damaged = Promise::DamageReported;
    assert!(opens(&model, 2, true, damaged));
    assert!(!opens(&model, 2, false, damaged), "nothing was reported");
    assert!(!opens(&model, 2, true, Promise::Full), "no damage");
    assert!(!opens(&model, 1, true, damaged), "the third vouches");
    assert!(opens(&model, 1, true, Promise::PrefixOnly));
}

#[test]
fn what_is_in_tables_is_never_less() {
    let mut model = three();
    model.apply(&Event::Flushed { end: 3 }).unwrap();
    model.crash(CrashKind::Power);
    model
        .apply(&began(2, &["00000000000000000000.log"]))
        .unwrap();
    assert!(opens(&model, 2, false, Promise::DamageReported));
    assert!(!opens(&model, 1, true, Promise::DamageReported));
}

#[test]
fn a_close_vouches_for_everything() {
    let mut model = three();
    model.apply(&Event::Closed).unwrap();
    model.apply(&began(1, &[])).unwrap();
    assert!(!opens(&model, 2, true, Promise::DamageReported));
}

#[test]
fn keys_and_values_are_read_back() {
    for number in [0, 1, 999, LONG, LONG + 3] {
        assert_eq!(key_number(&key_bytes(number)), number);
    }
    assert!(key_number(b"key 0001x") > LONG && key_number(b"ke") > LONG);
    for bytes in [0, 1, 7, 8, 9, 300] {
        let value = Value::of(0x1234, bytes);
        assert_eq!(Value::from_bytes(&value.to_bytes()), value);
    }
    let mut torn = Value::of(5, 20).to_bytes();
    torn[15] = 6;
    assert_ne!(Value::from_bytes(&torn), Value::of(5, 20));
}
