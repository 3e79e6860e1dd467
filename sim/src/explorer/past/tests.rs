//! Pasts are told apart.

use super::*;

#[test]
fn what_differs_in_anything_has_another_past() {
    let ground = Past::of_ground(0, 0, Promise::Full);
    let all = [
        ground,
        Past::of_ground(1, 0, Promise::Full),
        Past::of_ground(0, 1, Promise::Full),
        Past::of_ground(0, 0, Promise::PrefixOnly),
        ground.after(&1),
        ground.after(&1).after(&1),
        ground.after(&11),
        ground.crashed(CrashKind::Kill, Promise::Full),
        ground.crashed(CrashKind::Power, Promise::Full),
        ground.crashed(CrashKind::Power, Promise::PrefixOnly),
        ground.after(&1).crashed(CrashKind::Power, Promise::Full),
        ground.crashed(CrashKind::Power, Promise::Full).after(&1),
    ];
    for (at, past) in all.iter().enumerate() {
        assert!(!all[..at].contains(past), "{at}");
    }
}
