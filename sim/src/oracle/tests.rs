//! What the oracle accepts, and what it must not.

use std::collections::BTreeMap;

use super::{Least, Level, Oracle, Shown, Write};
use crate::disk::CrashKind;

type Map = Oracle<u32, u64>;

/// Puts and, where there is no value, deletes.
fn writes(of: &[(u32, u64)]) -> Vec<Write<u32, u64>> {
    let write = |&(key, value): &(u32, u64)| match value {
        0 => Write::Delete(key),
        value => Write::Put(key, value),
    };
    of.iter().map(write).collect()
}

fn rows(of: &[(u32, u64)]) -> BTreeMap<u32, u64> {
    of.iter().copied().collect()
}

fn write(map: &mut Map, of: &[(u32, u64)], level: Level) {
    let token = map.begin(writes(of), level);
    map.acknowledge(token, level).unwrap();
}

/// Three groups: durable, with the operating system, in the process.
fn three() -> Map {
    let mut map = Map::from_position(1);
    write(&mut map, &[(5, 1), (6, 1)], Level::Synced);
    write(&mut map, &[(5, 0), (7, 2)], Level::Os);
    write(&mut map, &[(6, 3)], Level::Buffered);
    map
}

fn opens(map: &mut Map, end: Option<u64>, of: &[(u32, u64)], least: Least) -> bool {
    let rows = rows(of);
    let is_durable = true;
    let shown = Shown {
        rows,
        end,
        least,
        is_durable,
    };
    map.opened(&shown).is_ok()
}

const FIRST: &[(u32, u64)] = &[(5, 1), (6, 1)];
const SECOND: &[(u32, u64)] = &[(6, 1), (7, 2)];
const THIRD: &[(u32, u64)] = &[(6, 3), (7, 2)];

#[test]
fn a_crash_leaves_whole_groups_and_what_was_promised() {
    use CrashKind::{Kill, Power};
    type Case<'a> = (CrashKind, Option<u64>, &'a [(u32, u64)], bool);
    let cases: &[Case<'_>] = &[
        (Power, Some(4), THIRD, true),
        (Power, Some(2), FIRST, true),
        (Power, Some(1), &[], false),
        (Power, Some(2), &[(5, 1)], false),
        (Power, Some(3), THIRD, false),
        (Power, Some(5), THIRD, false),
        (Power, None, FIRST, true),
        (Power, None, &[], false),
        (Kill, Some(3), SECOND, true),
        (Kill, None, SECOND, true),
        (Kill, Some(2), FIRST, false),
        (Kill, None, FIRST, false),
    ];
    for (kind, end, of, is_right) in cases {
        let mut map = three();
        map.crash(*kind);
        let is_open = opens(&mut map, *end, of, Least::Promised);
        assert_eq!(is_open, *is_right, "{kind:?} {end:?} {of:?}");
    }
}

#[test]
fn a_loss_of_power_is_not_undone_by_a_kill() {
    let mut map = three();
    map.crash(CrashKind::Power);
    map.crash(CrashKind::Kill);
    assert!(opens(&mut map, None, FIRST, Least::Promised));
    map.crash(CrashKind::Power);
    assert!(
        !opens(&mut map, None, SECOND, Least::Promised),
        "it is back"
    );
}

#[test]
fn what_an_opening_shows_may_be_in_the_page_cache_only() {
    let mut map = three();
    map.crash(CrashKind::Kill);
    let shown = Shown {
        is_durable: false,
        ..Shown::whole(rows(SECOND))
    };
    map.opened(&shown).unwrap();
    let mut killed = map.clone();
    killed.crash(CrashKind::Kill);
    assert!(!opens(&mut killed, None, FIRST, Least::Promised));
    map.crash(CrashKind::Power);
    assert!(opens(&mut map.clone(), None, SECOND, Least::Promised));
    assert!(opens(&mut map, None, FIRST, Least::Promised));
    map.crash(CrashKind::Power);
    assert!(
        !opens(&mut map, None, SECOND, Least::Promised),
        "it is back"
    );
}

#[test]
fn a_failed_sync_takes_back_what_the_system_had() {
    let mut map = three();
    map.cache_lost();
    map.crash(CrashKind::Kill);
    assert!(opens(&mut map, None, FIRST, Least::Promised));
}

#[test]
fn an_open_group_is_there_whole_or_gone_for_good() {
    let mut map = three();
    map.reached(4, Level::Synced);
    map.begin(writes(&[(8, 4), (9, 4)]), Level::Synced);
    map.crash(CrashKind::Power);
    let with = [THIRD, &[(8, 4), (9, 4)]].concat();
    let opened = |map: &Map, end, of: &[(u32, u64)]| {
        let mut map = map.clone();
        opens(&mut map, end, of, Least::Promised).then_some(map)
    };
    for end in [None, Some(5)] {
        assert!(opened(&map, end, &with).is_some());
        let half = [THIRD, &[(8, 4)]].concat();
        assert!(opened(&map, end, &half).is_none(), "half of it");
    }
    assert!(opened(&map, Some(6), &with).is_none(), "twice");
    for end in [None, Some(4)] {
        let without = opened(&map, end, THIRD).unwrap();
        assert!(opened(&without, None, &with).is_none(), "it comes back");
        assert!(opened(&without, Some(5), &with).is_none(), "it comes back");
    }
}

#[test]
fn open_groups_stand_in_any_order_behind_what_was_acknowledged() {
    let mut map = Map::default();
    let one = map.begin(writes(&[(1, 1)]), Level::Os);
    map.begin(writes(&[(1, 2)]), Level::Os);
    map.acknowledge_at(one, 1, Level::Os).unwrap();
    map.begin(writes(&[(1, 3)]), Level::Os);
    map.crash(CrashKind::Kill);
    let mut other = map.clone();
    // Position 0 is free, and only the second was handed in before position 1 was known.
    assert!(opens(
        &mut other.clone(),
        Some(2),
        &[(1, 1)],
        Least::Promised
    ));
    assert!(opens(
        &mut other.clone(),
        Some(3),
        &[(1, 3)],
        Least::Promised
    ));
    assert!(!opens(&mut other, Some(2), &[(1, 3)], Least::Promised));
    assert!(!opens(&mut map, Some(3), &[(1, 2)], Least::Promised));
}

#[test]
fn a_range_delete_takes_what_was_there_before() {
    let mut map = three();
    let token = map.begin(
        vec![Write::DeleteRange(5..7), Write::Put(5, 4)],
        Level::Synced,
    );
    map.acknowledge(token, Level::Synced).unwrap();
    assert_eq!(map.latest(), rows(&[(5, 4), (7, 2)]));
    assert_eq!(map.at(2), Some(rows(FIRST)));
    assert_eq!(map.at(6), None);
}

#[test]
fn damage_excuses_as_much_as_was_reported() {
    let mut map = three();
    map.reached(4, Level::Synced);
    map.crash(CrashKind::Power);
    assert!(!opens(&mut map.clone(), Some(2), FIRST, Least::Promised));
    assert!(opens(&mut map.clone(), Some(3), SECOND, Least::From(3)));
    assert!(!opens(&mut map.clone(), Some(2), FIRST, Least::From(3)));
    assert!(!opens(&mut map, Some(2), THIRD, Least::From(2)), "no state");
}

#[test]
fn a_disk_that_lied_shows_the_end_of_some_history() {
    let mut map = three();
    map.crash(CrashKind::Power);
    assert!(!opens(&mut map.clone(), None, &[(5, 1)], Least::Anything));
    assert!(opens(&mut map, None, FIRST, Least::Anything));
    write(&mut map, &[(9, 5)], Level::Synced);
    map.crash(CrashKind::Power);
    let (mut old, mut new) = (map.clone(), map.clone());
    assert!(!opens(&mut map, None, THIRD, Least::Promised));
    assert!(opens(&mut old, None, THIRD, Least::Anything), "it is back");
    assert!(opens(
        &mut new,
        None,
        &[(5, 1), (6, 1), (9, 5)],
        Least::Anything
    ));
    let mixed = [THIRD, &[(9, 5)]].concat();
    assert!(!opens(&mut old, None, &mixed, Least::Anything), "of both");
    assert!(opens(
        &mut old,
        None,
        &[(5, 1), (6, 1), (9, 5)],
        Least::Anything
    ));
}

#[test]
fn a_position_is_given_once() {
    let mut map = three();
    let token = map.begin(writes(&[(1, 4)]), Level::Os);
    assert!(map.clone().acknowledge_at(token, 2, Level::Os).is_err());
    assert!(map.clone().acknowledge_at(token, 3, Level::Os).is_err());
    assert!(map.acknowledge_at(token, 4, Level::Os).is_ok());
    assert!(map.acknowledge(token, Level::Os).is_err(), "twice");
}

#[test]
fn a_read_shows_one_state_from_between_its_begin_and_its_end() {
    let mut map = three();
    let read = |map: &Map, view: &super::View<u32, u64>, of: &[(u32, u64)]| {
        let mut view = view.clone();
        view.saw(5..8, rows(of));
        map.clone().read(&view).is_ok()
    };
    let (mut before, open) = (map.view(), map.view());
    map.view_is_fixed(&mut before);
    write(&mut map, &[(5, 4)], Level::Buffered);
    let after = map.view();
    let with: &[(u32, u64)] = &[(5, 4), (6, 3), (7, 2)];
    assert!(read(&map, &before, THIRD) && !read(&map, &before, with));
    assert!(read(&map, &open, THIRD) && read(&map, &open, with));
    assert!(!read(&map, &after, THIRD) && read(&map, &after, with));
    assert!(!read(&map, &open, &[(5, 4), (6, 1), (7, 2)]), "no state");
    let mut twice = open;
    twice.saw(5..6, rows(&[]));
    twice.saw(5..6, rows(&[(5, 4)]));
    assert!(map.read(&twice).is_err(), "two states");
}

#[test]
fn what_a_read_has_shown_is_there_from_then_on() {
    let mut map = three();
    let token = map.begin(writes(&[(8, 4)]), Level::Synced);
    let saw = |map: &mut Map, of: &[(u32, u64)]| {
        let mut view = map.view();
        view.saw(8..9, rows(of));
        map.read(&view).is_ok()
    };
    assert!(saw(&mut map, &[]) && saw(&mut map, &[(8, 4)]));
    assert!(!saw(&mut map.clone(), &[]), "real time");
    let mut acknowledged = map.clone();
    acknowledged.acknowledge(token, Level::Synced).unwrap();
    assert!(!saw(&mut acknowledged, &[]), "real time");
    // It was seen, so it had reached its level.
    map.crash(CrashKind::Power);
    assert!(!opens(&mut map.clone(), None, FIRST, Least::Promised));
    let with = [THIRD, &[(8, 4)]].concat();
    assert!(opens(&mut map, None, &with, Least::Promised));
}

#[test]
fn another_process_shows_what_the_system_has() {
    let mut map = three();
    let (outside, past) = (map.view_from_outside(Level::Os), map.view_at(2));
    let read = |map: &mut Map, view: &super::View<u32, u64>, of: &[(u32, u64)]| {
        let mut view = view.clone();
        view.saw(.., rows(of));
        map.read(&view).is_ok()
    };
    assert!(read(&mut map, &outside, THIRD) && read(&mut map, &outside, SECOND));
    assert!(!read(&mut map, &outside, FIRST));
    assert!(read(&mut map, &past, FIRST) && !read(&mut map, &past, SECOND));
    map.begin(writes(&[(9, 9)]), Level::Synced);
    assert!(read(&mut map, &outside, &[THIRD, &[(9, 9)]].concat()));
    map.crash(CrashKind::Power);
    assert!(
        opens(&mut map, None, FIRST, Least::Promised),
        "nobody here saw it"
    );
}

#[test]
fn a_value_that_is_there_anyway_shows_no_open_group() {
    let mut map = three();
    let token = map.begin(writes(&[(7, 2)]), Level::Synced);
    let mut view = map.view();
    view.saw(7..8, rows(&[(7, 2)]));
    map.read(&view).unwrap();
    map.crash(CrashKind::Power);
    assert!(opens(&mut map, None, FIRST, Least::Promised));
    map.refuse(token);
}
