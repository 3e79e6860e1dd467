//! Credit is given to the fault that was met, and to no other.

use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use crate::call::CallKind;
use crate::disk::{
    DiskConfig, Errno, Fate, Fault, FaultRule, NoGate, Shown, SimFs, SyncFailure, Told, Trigger,
};

fn open() -> OpenOptions {
    OpenOptions::new().read().write().create()
}

fn disk() -> SimFs {
    let fs = SimFs::new(DiskConfig::default());
    fs.create_root().expect("it is created");
    fs
}

/// A disk with a file `a` of 1,000 bytes of which one is damaged.
fn damaged() -> SimFs {
    let fs = disk();
    let file = fs.open(Path::new("a"), open()).expect("it opens");
    file.write_all_at(&[7; 1_000], 0).expect("it is written");
    let image = fs.crash_model().kill_image();
    let rule = FaultRule::new(
        Trigger::Boot {
            files: "a".to_owned(),
            nth: 1,
        },
        Fault::BitFlip {
            per_mille: 500,
            bit: 0,
        },
    );
    let gate = std::sync::Arc::new(NoGate::new());
    SimFs::boot(&image, &DiskConfig::default(), &[rule], gate)
}

fn read(fs: &SimFs) {
    let file = fs.open(Path::new("a"), open()).expect("it opens");
    file.read_full_at(&mut [0; 1_000], 0).expect("it reads");
}

fn fates(fs: &SimFs) -> Vec<Fate> {
    fs.sightings().iter().map(|met| met.fate).collect()
}

#[test]
fn damage_that_nobody_speaks_of_is_silent() {
    let fs = damaged();
    read(&fs);
    let silent = fs.settle(&|_| false).expect("it was read and not reported");
    assert_eq!(silent.shown, Shown::Damaged(500..501));
    assert_eq!(fs.ledger()[0].silent, 1);
}

#[test]
fn damage_that_was_never_read_is_not_silent() {
    let fs = damaged();
    assert_eq!(fs.settle(&|_| true), None);
    assert_eq!((fs.ledger()[0].injected, fs.ledger()[0].observed), (1, 0));
}

#[test]
fn only_a_report_of_the_file_and_the_place_is_credited() {
    for (file, told, is_credited) in [
        ("a", Told::Bytes(0..1_000), true),
        ("a", Told::Bytes(500..501), true),
        ("b", Told::Bytes(0..1_000), false),
        ("a", Told::Bytes(0..500), false),
        ("a", Told::Bytes(501..1_000), false),
        ("a", Told::Errno(5), false),
    ] {
        let fs = damaged();
        read(&fs);
        let credited = fs.report(0, file, &told);
        assert_eq!(!credited.is_empty(), is_credited, "{file} {told:?}");
        assert_eq!(fs.settle(&|_| false).is_none(), is_credited, "{told:?}");
    }
}

#[test]
fn a_right_answer_masks_what_its_task_met_and_nothing_later() {
    let fs = damaged();
    read(&fs);
    fs.verified(1, 0);
    assert_eq!(fates(&fs), [Fate::Open], "another task's answer");
    fs.verified(0, 0);
    read(&fs);
    assert_eq!(fates(&fs), [Fate::Masked, Fate::Open]);
    assert!(fs.settle(&|_| false).is_some());
}

#[test]
fn damage_that_is_written_over_is_repaired() {
    let fs = damaged();
    assert_eq!(fs.ledger()[0].repaired, 0);
    let file = fs.open(Path::new("a"), open()).expect("it opens");
    file.write_all_at(&[1], 500).expect("it is written");
    assert_eq!(fs.ledger()[0].repaired, 1);
}

#[test]
fn a_failed_call_is_silent_only_if_it_must_be_reported() {
    let fs = disk();
    let file = fs.open(Path::new("a"), open()).expect("it opens");
    fs.fail(CallKind::SyncData).errno(Errno::Eio);
    file.sync_data().expect_err("it was asked to fail");
    assert_eq!(fs.settle(&|_| false), None);
    assert_eq!(fates(&fs), [Fate::Masked]);
    assert!(
        fs.settle(&|met| met.call.kind == CallKind::SyncData)
            .is_some()
    );
}

#[test]
fn a_file_is_known_by_the_name_it_got_since() {
    let fs = disk();
    fs.fail(CallKind::SyncData).errno(Errno::Eio);
    let file = fs.open(Path::new("a.tmp"), open()).expect("it opens");
    fs.rename(Path::new("a.tmp"), Path::new("a.log"))
        .expect("it is renamed");
    file.sync_data().expect_err("it was asked to fail");
    assert_eq!(fs.report(0, "a", &Told::Errno(5)), []);
    assert_eq!(fs.report(0, "a.log", &Told::Errno(13)), []);
    assert_eq!(fs.report(0, "a.log", &Told::Errno(5)).len(), 1);
}

#[test]
fn a_delayed_report_is_observed_when_it_is_delivered() {
    let fs = disk();
    fs.fail(CallKind::SyncData)
        .with(Fault::Sync(SyncFailure::DelayedReport));
    let file = fs.open(Path::new("a"), open()).expect("it opens");
    file.sync_data().expect("it says nothing yet");
    assert_eq!((fs.ledger()[0].injected, fs.ledger()[0].observed), (1, 0));
    file.sync_data().expect_err("now it does");
    assert_eq!((fs.ledger()[0].injected, fs.ledger()[0].observed), (1, 1));
}
