//! Everything that the disk may leave is allowed, and what it may not leave is refused.

use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::disk::{Budget, DiskConfig, Fill, draw_survivors};

const RW: OpenOptions = OpenOptions::new().read().write().create();

fn disk(profile: Profile) -> SimFs {
    let fs = SimFs::new(DiskConfig {
        profile,
        ..DiskConfig::default()
    });
    fs.create_root().expect("the root");
    fs
}

/// A mix of calls on a few files, by a seed.
fn mixed(fs: &SimFs, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..rng.random_range(2..9) {
        let [name, other] = [0, 1].map(|_| Path::new(["a", "b", "c"][rng.random_range(0..3)]));
        let file = fs.open(name, RW).expect("opens");
        let at = 300 * rng.random_range(0..4u64);
        match rng.random_range(0..10) {
            0 => file.set_len(at).expect("sets"),
            1 => file.sync_data().expect("syncs"),
            2 => fs.sync_dir(Path::new("")).expect("syncs"),
            3 => fs.rename(name, other).expect("renames"),
            4 => fs.remove_file(name).expect("removes"),
            5 => file.punch(at, 700).expect("punches"),
            6 => drop(fs.hard_link(name, other)),
            _ => {
                let letter = rng.random_range(b'a'..=b'z');
                file.write_all_at(&[letter; 700], at).expect("writes");
            }
        }
    }
}

fn seen(image: &crate::disk::Image, model: &CrashModel) -> Observed {
    Observed::read(&SimFs::of_image(image, &model.config)).expect("reads")
}

fn shows_no_stale_bytes(model: &CrashModel, survivors: &Survivors) -> Survivors {
    match model.materialize(survivors) {
        Survivors::Explicit(explicit) => Survivors::Explicit(Explicit {
            fill: Fill::Zeros,
            ..explicit
        }),
        other => other,
    }
}

#[test]
fn every_image_is_allowed() {
    let mut judged = 0;
    for seed in 0..200 {
        for profile in Profile::ALL {
            let fs = disk(profile);
            mixed(&fs, seed);
            let model = fs.crash_model();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let drawn: Vec<Survivors> = (0..6).map(|_| draw_survivors(&model, &mut rng)).collect();
            let systematic = fs
                .images(&Budget::up_to(60))
                .into_iter()
                .map(|(what, _)| what);
            for survivors in drawn.into_iter().chain(systematic) {
                let survivors = shows_no_stale_bytes(&model, &survivors);
                let tree = seen(&model.image(&survivors), &model);
                let verdict = model.judge(&tree);
                judged += 1;
                assert!(
                    matches!(verdict, Verdict::Allowed(_)),
                    "seed {seed} {profile:?} {verdict:?} {survivors:?}\n{}",
                    tree.describe()
                );
            }
        }
    }
    assert!(judged > 10_000, "{judged}");
}

#[test]
fn what_was_synced_must_be_there() {
    let fs = disk(Profile::PosixStrict);
    let file = fs.open(Path::new("a"), RW).expect("opens");
    file.write_all_at(&[1; 600], 0).expect("writes");
    file.sync_data().expect("syncs");
    fs.sync_dir(Path::new("")).expect("syncs");
    let model = fs.crash_model();
    let mut tree = Observed::read(&fs).expect("reads");
    assert_eq!(
        model.judge(&tree),
        Verdict::Allowed(Survivors::Explicit(Explicit::default()))
    );
    let lost = Observed::default();
    assert_eq!(model.judge(&lost), Verdict::Forbidden);
    let bytes = tree.nodes.get_mut(Path::new("a")).and_then(Option::as_mut);
    bytes.expect("a file")[599] = 0;
    assert_eq!(model.judge(&tree), Verdict::Forbidden);
}

#[test]
fn a_profile_that_is_too_strict_is_caught() {
    // POSIX may keep the second name without the first, and a journal may not.
    let calls = |fs: &SimFs| {
        for name in ["a", "b"] {
            fs.open(Path::new(name), RW).expect("opens");
        }
    };
    let tree = Observed {
        nodes: [(PathBuf::from("b"), Some(Vec::new()))].into(),
    };
    let verdict = |profile| {
        let fs = disk(profile);
        calls(&fs);
        fs.crash_model().judge(&tree)
    };
    assert!(matches!(verdict(Profile::PosixStrict), Verdict::Allowed(_)));
    assert_eq!(verdict(Profile::Ext4Ordered), Verdict::Forbidden);
    assert_eq!(verdict(Profile::Tmpfs), Verdict::Forbidden);
}
