//! What becomes of effects, outcome by outcome.

use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use super::super::draw::only;
use super::super::pending::What;
use super::super::{
    Account, Change, DiskConfig, Ending, Fault, How, Image, Outcome, SimFs, Stale, Survivors,
    SyncFailure,
};
use crate::call::CallKind;

/// Runs calls on an empty disk and accounts for them.
fn account(survivors: Option<&Survivors>, calls: impl FnOnce(&SimFs)) -> Account {
    let config = DiskConfig::default();
    let fs = SimFs::new(config.clone());
    fs.create_root().expect("a root");
    calls(&fs);
    let ending = survivors.map_or(Ending::Kill, Ending::Power);
    let image = Image::empty(&config);
    Account::of(&image, &config, &[], &fs.take_trace(), ending)
}

fn create(fs: &SimFs, name: &str) -> std::sync::Arc<dyn blackstart_vfs::File> {
    let options = OpenOptions::new().read().write().create();
    fs.open(Path::new(name), options).expect("opens")
}

fn outcomes(account: &Account) -> Vec<(String, Outcome)> {
    let effects = account.effects.iter();
    effects
        .map(|effect| (effect.change.to_string(), effect.outcome.clone()))
        .collect()
}

#[test]
fn a_sync_settles_what_it_covers_and_nothing_else() {
    let account = account(Some(&Survivors::None), |fs| {
        let file = create(fs, "a");
        file.write_all_at(&[1; 600], 0).expect("writes");
        file.sync_data().expect("syncs");
        file.write_all_at(&[2; 100], 600).expect("writes");
    });
    assert_eq!(
        outcomes(&account),
        [
            ("new name a".to_owned(), Outcome::Lost),
            ("bytes 0..600".to_owned(), Outcome::Durable),
            ("length 0 → 600".to_owned(), Outcome::Durable),
            ("bytes 600..700".to_owned(), Outcome::Lost),
            ("length 600 → 700".to_owned(), Outcome::Lost),
        ]
    );
    let [file] = account.files.as_slice() else {
        panic!("one file: {:?}", account.files);
    };
    // Its name was never synced: nothing of it is found again.
    assert_eq!((file.seen, file.left), (Some(700), None));
    assert!(file.spans.iter().all(|span| span.outcome == Outcome::Lost));
}

#[test]
fn what_a_failed_sync_drops_is_lost_although_nothing_crashed() {
    let account = account(None, |fs| {
        let file = create(fs, "a");
        fs.fail(CallKind::SyncData)
            .with(Fault::Sync(SyncFailure::CleanKeepNew));
        file.write_all_at(&[1; 10], 0).expect("writes");
        file.sync_data().expect_err("fails");
        fs.fail(CallKind::Write).with(Fault::LostWrite);
        file.write_all_at(&[2; 10], 0).expect("is believed");
    });
    let written: Vec<_> = account
        .effects
        .iter()
        .filter(|effect| matches!(effect.change, Change::Write { .. }))
        .map(|effect| (effect.settled.map(|(_, how)| how), effect.outcome.clone()))
        .collect();
    assert_eq!(
        written,
        [
            (Some(How::Dropped), Outcome::Lost),
            (Some(How::Swallowed), Outcome::Lost)
        ]
    );
}

#[test]
fn a_kill_leaves_everything_pending_and_a_lucky_loss_of_power_keeps_it() {
    let calls = |fs: &SimFs| {
        let file = create(fs, "a");
        file.write_all_at(&[1; 10], 0).expect("writes");
        fs.rename(Path::new("a"), Path::new("b")).expect("renames");
    };
    let killed = account(None, calls);
    assert!(
        outcomes(&killed)
            .iter()
            .all(|(_, outcome)| *outcome == Outcome::Pending)
    );
    let lucky = account(Some(&Survivors::All), calls);
    assert!(
        outcomes(&lucky)
            .iter()
            .all(|(_, outcome)| *outcome == Outcome::Survived)
    );
    assert_eq!(lucky.files[0].names, ["a", "b"]);
    assert_eq!(lucky.files[0].left, Some(10));
}

#[test]
fn stale_bytes_are_told_with_the_file_that_held_them() {
    let config = DiskConfig::default();
    let fs = SimFs::new(config.clone());
    fs.create_root().expect("a root");
    let root = Path::new("");
    for (name, len) in [("a", 300), ("b", 600)] {
        let file = create(&fs, name);
        file.write_all_at(&vec![1; len], 0).expect("writes");
        file.sync_all().expect("syncs");
        fs.sync_dir(root).expect("syncs");
        fs.remove_file(Path::new(name)).expect("removes");
    }
    fs.sync_dir(root).expect("syncs");
    let image = fs.crash_model().image(&Survivors::None);

    let fs = SimFs::of_image(&image, &config);
    create(&fs, "c")
        .write_all_at(&[2; 5_000], 0)
        .expect("writes");
    fs.sync_dir(root).expect("syncs");
    let model = fs.crash_model();
    let is_size = |what: &What| matches!(what, What::Size { .. });
    let size = model
        .pending
        .iter()
        .position(|pending| is_size(&pending.what));
    let survivors = only(&model, &[size.expect("it grew")]);
    let account = Account::of(
        &image,
        &config,
        &[],
        &fs.take_trace(),
        Ending::Power(&survivors),
    );
    let number = |name: &str| {
        let mut files = account.files.iter();
        let file = files.find(|file| file.names == [name]);
        file.map(|file| file.number).expect("is known")
    };
    // The latest file that is gone and had bytes there; nothing is known of what is behind it.
    let shown = |start, end, source| Stale {
        file: number("c"),
        start,
        end,
        source,
    };
    let b = number("c") - 1;
    assert_eq!(
        account.stale,
        [shown(0, 1_024, Some(b)), shown(1_024, 5_000, None)]
    );
    // What is kept whole shows nothing stale.
    let fs = SimFs::of_image(&image, &config);
    create(&fs, "c")
        .write_all_at(&[2; 5_000], 0)
        .expect("writes");
    let ending = Ending::Power(&Survivors::All);
    let account = Account::of(&image, &config, &[], &fs.take_trace(), ending);
    assert_eq!(account.stale, []);
}
