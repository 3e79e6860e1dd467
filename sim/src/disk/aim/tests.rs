//! Tests of where damage is aimed, and of what it does there.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use super::*;
use crate::disk::{DiskConfig, NoGate, SimFs, Survivors};

const RW: OpenOptions = OpenOptions::new().read().write().create();

/// A disk on which `f` got its first 100 bytes in one call and 200 more, synced, in another.
fn written() -> (SimFs, Image) {
    let fs = SimFs::new(DiskConfig::default());
    fs.create_root().expect("the root");
    let file = fs.open(Path::new("f"), RW).expect("opens");
    file.write_all_at(&[1; 100], 0).expect("writes");
    file.write_all_at(&[2; 200], 100).expect("writes");
    file.sync_all().expect("syncs");
    fs.sync_dir(Path::new("")).expect("syncs");
    let image = fs.crash_model().image(&Survivors::None);
    (fs, image)
}

/// Where the drawn damage lies.
fn offset(rule: &FaultRule) -> u64 {
    match rule.what {
        Fault::FlipAt { offset, .. } => offset,
        ref other => panic!("{other:?} is not aimed"),
    }
}

#[test]
fn most_damage_hits_the_beginning_of_a_write() {
    let (fs, image) = written();
    let trace = fs.take_trace();
    let mut draw = Draw::seeded(1);
    let rules = (0..400).map(|_| aimed_damage(&trace, trace.len(), &image, false, &mut draw));
    let offsets: Vec<u64> = rules.flatten().map(|rule| offset(&rule)).collect();
    assert_eq!(offsets.len(), 400, "something was written");
    let near = |start: u64| move |at: &&u64| (start..start + HEAD_BYTES).contains(*at);
    let first = offsets.iter().filter(near(0)).count();
    let second = offsets.iter().filter(near(100)).count();
    assert!(first > 100 && second > 100, "{first} and {second} of 400");
    assert!(offsets.iter().all(|at| *at < 300), "within the file");
}

#[test]
fn what_the_image_does_not_hold_is_not_aimed_at() {
    let (fs, _) = written();
    let trace = fs.take_trace();
    let image = Image::empty(&DiskConfig::default());
    let mut draw = Draw::seeded(1);
    assert_eq!(
        aimed_damage(&trace, trace.len(), &image, false, &mut draw),
        None
    );
}

/// The file as a program reads it when the rule has struck the image.
fn read_with(image: &Image, what: Fault) -> Vec<u8> {
    let when = Trigger::Boot {
        files: "f".to_owned(),
        nth: 1,
    };
    let rule = FaultRule::new(when, what);
    let gate = Arc::new(NoGate::new());
    let fs = SimFs::boot(image, &DiskConfig::default(), &[rule], gate);
    let file = fs.open(Path::new("f"), RW).expect("opens");
    let mut bytes = vec![0; 300];
    file.read_exact_at(&mut bytes, 0).expect("reads");
    bytes
}

#[test]
fn the_rule_flips_the_bit_that_it_names() {
    let (_, image) = written();
    let mut expected = [[1; 100].as_slice(), &[2; 200]].concat();
    let beyond = Fault::FlipAt {
        offset: 300,
        bit: 0,
    };
    assert_eq!(read_with(&image, beyond), expected);
    expected[100] = 3;
    let first = Fault::FlipAt {
        offset: 100,
        bit: 0,
    };
    assert_eq!(read_with(&image, first), expected);
}
