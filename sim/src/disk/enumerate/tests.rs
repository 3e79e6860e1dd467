//! Choices by place mean what choices by name mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{File, FileExt, Fs, OpenOptions};

use super::*;
use crate::call::mix64;
use crate::disk::built::Built;
use crate::disk::fingerprint::Print;
use crate::disk::{DiskConfig, Profile, SimFs};

const RW: OpenOptions = OpenOptions::new().read().write().create();

/// Two files, one of them renamed, with overwrites, growth, a shrink, and a hole in a write.
fn disk(profile: Profile, is_long: bool) -> SimFs {
    let fs = SimFs::new(DiskConfig {
        profile,
        torn_units: is_long,
        ..DiskConfig::default()
    });
    fs.create_root().expect("the root");
    let open = |name: &str| -> Arc<dyn File> { fs.open(Path::new(name), RW).expect("opens") };
    let (one, two) = (open("one"), open("two"));
    one.write_all_at(&[1; 1_300], 0).expect("writes");
    one.write_all_at(&[2; 700], 200).expect("writes");
    fs.rename(Path::new("one"), Path::new("three"))
        .expect("renames");
    if is_long {
        one.set_len(600).expect("cuts");
        two.write_all_at(&[3; 5_000], 0).expect("writes");
        two.punch(1_000, 100).expect("punches");
        two.set_len(9_000).expect("grows");
        two.set_len(4_000).expect("cuts");
        // The lengths become durable, and clip what is pending of the contents.
        fs.fail(crate::call::CallKind::SyncData)
            .on("two")
            .nth(1)
            .errno(crate::disk::Errno::Eio);
        assert!(two.sync_data().is_err());
        two.write_all_at(&[4; 2_000], 100).expect("writes");
    }
    fs
}

#[test]
fn a_choice_and_its_survivors_are_one() {
    for profile in Profile::ALL {
        for is_long in [false, true] {
            let model = disk(profile, is_long).crash_model();
            let elements = Elements::of(&model);
            for choice in choices(&model, &elements, 12).take(3_000) {
                let direct = choice.resolve(&model, &elements);
                let named = resolve(&model, &choice.survivors(&model, &elements));
                assert_eq!(direct, named, "{profile:?} {choice:?}");
            }
        }
    }
}

#[test]
fn a_choice_written_down_gives_the_same_image() {
    for profile in Profile::ALL {
        for is_long in [false, true] {
            let model = disk(profile, is_long).crash_model();
            let elements = Elements::of(&model);
            for choice in choices(&model, &elements, 12).take(2_000) {
                let resolution = choice.resolve(&model, &elements);
                let written = model.survivors_of(&resolution);
                assert_eq!(
                    model.image_of(&resolution).content_hash(),
                    model.image(&written).content_hash(),
                    "{profile:?} {choice:?} {written:?}"
                );
            }
        }
    }
}

/// The contents of the first choices' images by fingerprint, each of which has but one.
fn images(model: &CrashModel, count: usize) -> BTreeMap<u64, u64> {
    let elements = Elements::of(model);
    let mut images = BTreeMap::new();
    for choice in choices(model, &elements, 12).take(count) {
        let resolution = choice.resolve(model, &elements);
        let content = model.image_of(&resolution).content_hash();
        let mut print = Print::default();
        resolution.fingerprint_into(&mut print, model, &elements);
        let fingerprint = print.seen();
        let before = images.insert(fingerprint, content);
        let profile = model.config.profile;
        assert!(
            before.is_none_or(|before| before == content),
            "{profile:?} {choice:?}"
        );
    }
    images
}

#[test]
fn equal_fingerprints_mean_equal_images() {
    for profile in Profile::ALL {
        for is_long in [false, true] {
            let model = disk(profile, is_long).crash_model();
            let images = images(&model, 9_000);
            if (profile, is_long) == (Profile::PosixStrict, false) {
                let legal = legal_images_log2(&model).exp2();
                assert!(images.len() as f64 <= legal, "{} of {legal}", images.len());
                let contents: BTreeSet<u64> = images.values().copied().collect();
                assert!(contents.len() > 50, "{} contents", contents.len());
                // Not many choices are told apart in vain: a rename brings a file its name whether
                // or not the creation was kept.
                let (contents, images) = (contents.len(), images.len());
                assert!(contents * 2 > images, "{contents} of {images}");
            }
        }
    }
}

#[test]
fn a_file_in_a_directory_without_a_durable_name_counts() {
    let fs = SimFs::new(DiskConfig::default());
    fs.create_root().expect("the root");
    fs.create_dir(Path::new("d")).expect("creates");
    let file = fs.open(Path::new("d/f"), RW).expect("opens");
    fs.sync_dir(Path::new("d")).expect("syncs");
    file.write_all_at(&[1; 1_024], 0).expect("writes");
    let images = images(&fs.crash_model(), 1_000);
    let contents: BTreeSet<u64> = images.values().copied().collect();
    assert!(contents.len() > 4, "{} contents", contents.len());
}

/// Few units, with a write that a later change has cut in two, a rename and a hole.
fn small_disk(profile: Profile, tear_bytes: u64) -> SimFs {
    let fs = SimFs::new(DiskConfig {
        profile,
        tear_bytes,
        ..DiskConfig::default()
    });
    fs.create_root().expect("the root");
    let open = |name: &str| -> Arc<dyn File> { fs.open(Path::new(name), RW).expect("opens") };
    let (one, two) = (open("one"), open("two"));
    one.write_all_at(&[1; 300], 0).expect("writes");
    one.sync_data().expect("syncs");
    fs.sync_dir(Path::new("")).expect("syncs");
    one.write_all_at(&[2; 700], 200).expect("writes");
    one.set_len(600).expect("cuts");
    two.write_all_at(&[3; 100], 5_000).expect("writes");
    fs.rename(Path::new("two"), Path::new("three"))
        .expect("renames");
    fs
}

#[test]
fn few_units_are_exhausted_and_no_sample_adds_to_them() {
    for profile in Profile::ALL {
        for tear_bytes in [512, 4_096] {
            let model = small_disk(profile, tear_bytes).crash_model();
            let elements = Elements::of(&model);
            let content = |choice: Choice| {
                let resolution = choice.resolve(&model, &elements);
                model.image_of(&resolution).content_hash()
            };
            let all: Vec<Choice> = choices(&model, &elements, 12).take(100_000).collect();
            assert!(all.len() < 100_000, "{profile:?}: no end");
            assert!(all.iter().all(|choice| !choice.is_sampled()));
            let exhausted: BTreeSet<u64> = all.into_iter().map(content).collect();
            assert!(exhausted.len() > 4 || profile == Profile::Tmpfs);
            for seed in 0..5_000 {
                let choice = Choice::Hashed(seed);
                assert!(
                    exhausted.contains(&content(choice)),
                    "{profile:?} {choice:?}"
                );
            }
        }
    }
}

#[test]
fn an_image_with_built_parts_is_the_same() {
    for profile in Profile::ALL {
        for is_long in [false, true] {
            let fs = disk(profile, is_long);
            // The second cut shares one file with the first.
            let cuts = [fs.crash_model(), {
                let two = fs.open(Path::new("two"), RW).expect("opens");
                two.write_all_at(&[5; 900], 4_000).expect("writes");
                fs.crash_model()
            }];
            let mut built = Built::default();
            let mut print = Print::default();
            for model in &cuts {
                let elements = Elements::of(model);
                built.at(model, &elements);
                for choice in choices(model, &elements, 12).take(3_000) {
                    let resolution = choice.resolve(model, &elements);
                    resolution.fingerprint_into(&mut print, model, &elements);
                    let built = (&mut built, !choice.is_sampled());
                    let choice = (&resolution, &print);
                    let shared = model.image_with(choice, &elements, built);
                    let anew = model.image_of(&resolution);
                    assert_eq!(shared.content_hash(), anew.content_hash(), "{profile:?}");
                    assert_eq!(shared.freed_hash(), anew.freed_hash(), "{profile:?}");
                }
            }
        }
    }
}

/// A number below `bound`, from a row of them.
fn draw(state: &mut u64, bound: u64) -> u64 {
    *state = mix64(*state);
    *state % bound
}

/// Does something to one of three files; errors are as good as anything else.
fn something(fs: &SimFs, state: &mut u64) {
    let names = ["one", "two", "three"];
    let name = names[draw(state, 3) as usize];
    let Ok(file) = fs.open(Path::new(name), RW) else {
        return;
    };
    let (offset, len) = (draw(state, 1_500), 1 + draw(state, 700));
    let byte = 1 + draw(state, 200) as u8;
    let _ = match draw(state, 9) {
        0..=3 => file.write_all_at(&vec![byte; len as usize], offset),
        4 => file.set_len(offset),
        5 => file.punch(offset, len),
        6 => fs.rename(Path::new(name), Path::new(names[draw(state, 3) as usize])),
        7 => file.sync_data(),
        _ => fs.sync_dir(Path::new("")),
    };
}

/// What of one cut can be told without a picture of it: equal prints, equal images; parts that are
/// shared, the same images; all parts, all images.
fn holds_at(model: &CrashModel, built: &mut Built) -> bool {
    let elements = Elements::of(model);
    built.at(model, &elements);
    let budget = Budget {
        images_max: 400,
        exhaust_max: 8,
    };
    let all: Vec<Choice> = choices(model, &elements, budget.exhaust_max)
        .take(budget.images_max)
        .collect();
    let mut print = Print::default();
    let mut known: BTreeMap<u64, u64> = BTreeMap::new();
    for choice in &all {
        let resolution = choice.resolve(model, &elements);
        resolution.fingerprint_into(&mut print, model, &elements);
        let anew = model.image_of(&resolution);
        let content = anew.content_hash();
        let before = *known.entry(print.seen()).or_insert(content);
        assert_eq!(before, content, "{choice:?}: equal prints, other images");
        let parts = (&mut *built, !choice.is_sampled());
        let shared = model.image_with((&resolution, &print), &elements, parts);
        assert_eq!(shared.content_hash(), content, "{choice:?}");
        assert_eq!(shared.hidden_hash(), anew.hidden_hash(), "{choice:?}");
        let again = model.image(&model.survivors_of(&resolution));
        assert_eq!(again.content_hash(), content, "{choice:?}");
        assert_eq!(again.hidden_hash(), anew.hidden_hash(), "{choice:?}");
    }
    let is_all = all.len() < budget.images_max && !model.pending.is_empty();
    if is_all && !model.config.torn_units {
        let contents: BTreeSet<u64> = known.into_values().collect();
        for seed in 0..200 {
            let sample = Choice::Hashed(seed).resolve(model, &elements);
            let content = model.image_of(&sample).content_hash();
            assert!(contents.contains(&content), "sample {seed} is another");
        }
    }
    is_all
}

#[test]
fn what_is_known_of_choices_holds_for_any_history() {
    let mut exhausted = 0;
    for seed in 0..240 {
        let mut state = seed;
        let config = DiskConfig {
            profile: Profile::ALL[seed as usize % Profile::ALL.len()],
            tear_bytes: [64, 512, 4_096][draw(&mut state, 3) as usize],
            torn_units: draw(&mut state, 3) == 0,
            ..DiskConfig::default()
        };
        let mut fs = SimFs::new(config.clone());
        fs.create_root().expect("the root");
        let mut built = Built::default();
        for step in 0..14 {
            something(&fs, &mut state);
            if step > 4 && draw(&mut state, 10) == 0 {
                fs = SimFs::of_image(&fs.crash_model().kill_image(), &config);
                built = Built::default();
            }
            exhausted += u32::from(holds_at(&fs.crash_model(), &mut built));
        }
    }
    assert!(exhausted > 400, "{exhausted} cuts were gone through");
}

#[test]
fn much_that_is_pending_costs_little() {
    for (tear_bytes, writes) in [(1, 2), (4_096, 3_000)] {
        let fs = SimFs::new(DiskConfig {
            tear_bytes,
            ..DiskConfig::default()
        });
        fs.create_root().expect("the root");
        let file = fs.open(Path::new("one"), RW).expect("opens");
        for write in 0..writes {
            let bytes = vec![1; (1 << 20) / writes];
            file.write_all_at(&bytes, 100 * write as u64)
                .expect("writes");
        }
        let model = fs.crash_model();
        assert_eq!(Elements::of(&model).parts.numbers(u64::MAX), None);
        let budget = Budget {
            images_max: 20,
            exhaust_max: 64,
        };
        assert_eq!(enumerate(&model, &budget).count(), 20);
    }
}
