//! The check by itself: what one profile leaves, judged by itself and by stricter ones.

use std::path::Path;

use blackstart_sim::disk::{CrashModel, DiskConfig, Observed, Profile, SimFs, Survivors, Verdict};
use blackstart_sim::draw::Draw;
use blackstart_vfs::Fs;

use super::workload;

/// The disk after a round.
fn after(profile: Profile, number: u64) -> CrashModel {
    let fs = SimFs::new(DiskConfig {
        profile,
        tear_bytes: 4_096,
        ..DiskConfig::default()
    });
    fs.create_root().expect("the root");
    let round = Draw::seeded(0).stream("round", number, workload::draw);
    for (step, number) in round.steps.iter().zip(1..) {
        // Some steps are drawn to fail: names that are not there.
        let _ = workload::apply(&fs, step, number);
    }
    fs.crash_model()
}

fn seen(model: &CrashModel, survivors: &Survivors) -> Observed {
    let image = model.image(survivors);
    let fs = SimFs::of_image(&image, &DiskConfig::default());
    Observed::read(&fs).expect("reads")
}

/// How many of the rounds leave what the other profile forbids, if hashes choose what survives.
fn forbidden(left_by: Profile, judged_by: Profile) -> usize {
    let is_forbidden = |number: &u64| {
        let survivors = Survivors::Hashed {
            seed: *number,
            keep_per_mille: 600,
            tear_per_mille: 0,
        };
        let tree = seen(&after(left_by, *number), &survivors);
        after(judged_by, *number).judge(&tree) == Verdict::Forbidden
    };
    (0..150).filter(is_forbidden).count()
}

#[test]
fn a_profile_allows_what_it_leaves_and_one_that_is_too_strict_is_caught() {
    for profile in [Profile::Ext4Ordered, Profile::Xfs, Profile::Btrfs] {
        assert_eq!(forbidden(profile, profile), 0, "{profile:?}");
    }
    // The names of btrfs jump ahead, sizes of ext4 come before data, and memory keeps nothing.
    assert!(forbidden(Profile::Ext4Ordered, Profile::Xfs) > 0);
    assert!(forbidden(Profile::Btrfs, Profile::Ext4Ordered) > 0);
    assert!(forbidden(Profile::Xfs, Profile::Tmpfs) > 100);
}

#[test]
fn one_wrong_byte_is_caught() {
    let model = after(Profile::Xfs, 3);
    let mut tree = seen(&model, &Survivors::All);
    assert!(matches!(model.judge(&tree), Verdict::Allowed(_)));
    tree.nodes.insert(Path::new("d/stray").to_owned(), None);
    assert_eq!(model.judge(&tree), Verdict::Forbidden);
}
