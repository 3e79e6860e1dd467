//! What is done to names and lengths, each thing by itself, and who notices.

use std::io;
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{File, FileExt, FileKind, Fs, LockKind, OpenOptions};

use crate::call::CallKind;
use crate::disk::{
    Alteration, CrashKind, DiskConfig, Errno, Fate, Fault, FaultRule, Image, LedgerEntry, NewName,
    NoGate, Observed, Promise, Shown, SimFs, Survivors, Told, Trigger,
};

const LOG: &str = "00.log";

fn open(fs: &SimFs, name: &str) -> Arc<dyn File> {
    let options = OpenOptions::new().read().write().create();
    fs.open(Path::new(name), options).expect("opens")
}

/// A disk with a log that was synced twice, and an empty file.
fn disk() -> SimFs {
    let fs = SimFs::new(DiskConfig::default());
    fs.create_root().expect("a root");
    let log = open(&fs, LOG);
    log.write_all_at(b"one", 0).expect("writes");
    log.sync_all().expect("syncs");
    log.write_all_at(b"two", 3).expect("writes");
    log.sync_all().expect("syncs");
    open(&fs, "lock");
    fs.sync_dir(Path::new("")).expect("syncs");
    fs
}

fn image() -> Image {
    disk().crash_model().image(&Survivors::None)
}

fn rule(files: &str, what: Alteration) -> FaultRule {
    let when = Trigger::Boot {
        files: files.to_owned(),
        nth: 1,
    };
    FaultRule::new(when, Fault::Alter(what))
}

fn boot(image: &Image, rules: &[FaultRule]) -> SimFs {
    SimFs::boot(
        image,
        &DiskConfig::default(),
        rules,
        Arc::new(NoGate::new()),
    )
}

fn altered(files: &str, what: Alteration) -> SimFs {
    boot(&image(), &[rule(files, what)])
}

/// Names and contents; of a directory none, of a link those of what it leads to.
fn seen(fs: &SimFs) -> Vec<(String, Option<String>)> {
    let observed = Observed::read(fs).expect("reads");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let node = |(path, bytes): (std::path::PathBuf, Option<Vec<u8>>)| {
        (path.to_string_lossy().into_owned(), bytes.map(text))
    };
    observed.nodes.into_iter().map(node).collect()
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().expect("an error number")
}

#[test]
fn each_alteration_does_what_it_says_and_nothing_else() {
    let suffix = |text: &str| NewName::Suffix(text.to_owned());
    const WHOLE: Option<&str> = Some("onetwo");
    type Shown<'a> = &'a [(&'a str, Option<&'a str>)];
    let cases: Vec<(Alteration, Shown<'_>)> = vec![
        (Alteration::Empty, &[(LOG, Some(""))]),
        (Alteration::Zero, &[(LOG, Some("\0\0\0\0\0\0"))]),
        (
            Alteration::CutShort { per_mille: 500 },
            &[(LOG, Some("one"))],
        ),
        (Alteration::CutAt(4), &[(LOG, Some("onet"))]),
        (Alteration::Remove, &[]),
        (
            Alteration::Copy(suffix("~")),
            &[(LOG, WHOLE), ("00.log~", WHOLE)],
        ),
        (Alteration::Rename(suffix(".bak")), &[("00.log.bak", WHOLE)]),
        (
            Alteration::Rename(NewName::Neighbour(7)),
            &[("07.log", WHOLE)],
        ),
        (Alteration::Older(1), &[(LOG, Some("one"))]),
        (Alteration::Older(9), &[(LOG, Some(""))]),
        (
            Alteration::Link(suffix(".real")),
            &[(LOG, WHOLE), ("00.log.real", WHOLE)],
        ),
        (Alteration::Dir, &[(LOG, None)]),
    ];
    for (what, expected) in cases {
        let fs = altered(LOG, what.clone());
        let mut shown = seen(&fs);
        shown.retain(|(name, _)| name != "lock");
        let owned =
            |&(name, bytes): &(&str, Option<&str>)| (name.to_owned(), bytes.map(ToOwned::to_owned));
        let expected: Vec<_> = expected.iter().map(owned).collect();
        assert_eq!(shown, expected, "{what:?}");
        assert_eq!(fs.ledger()[0].injected, 1, "{what:?}");
        assert_eq!(fs.promise(), Promise::DamageReported);
        // It is on the disk: nothing of it goes with a loss of power.
        let before = seen(&fs);
        fs.crash(CrashKind::Power);
        assert_eq!(seen(&fs), before, "{what:?}");
    }
}

#[test]
fn what_changes_nothing_does_not_strike() {
    let twice = NewName::Exact("lock".to_owned());
    for (files, what) in [
        ("*.txt", Alteration::Remove),
        ("lock", Alteration::Empty),
        ("lock", Alteration::Zero),
        ("lock", Alteration::Rename(NewName::Neighbour(1))),
        ("lock", Alteration::Copy(twice)),
        ("lock", Alteration::Older(1)),
        (LOG, Alteration::CutAt(6)),
    ] {
        let fs = altered(files, what.clone());
        assert_eq!(fs.ledger()[0].injected, 0, "{what:?}");
        assert_eq!(fs.promise(), Promise::Full, "{what:?}");
        assert_eq!(seen(&fs), seen(&disk()), "{what:?}");
    }
}

/// A page cache that holds what is not durable, and an alteration of each kind.
#[test]
fn after_a_kill_the_altered_file_is_durable_and_others_are_not() {
    let suffix = NewName::Suffix("~".to_owned());
    for what in [
        Alteration::Empty,
        Alteration::CutAt(2),
        Alteration::Zero,
        Alteration::Older(1),
        Alteration::Remove,
        Alteration::Copy(suffix.clone()),
        Alteration::Rename(suffix.clone()),
        Alteration::Link(suffix),
        Alteration::Dir,
    ] {
        let before = disk();
        let other = open(&before, "other");
        other.write_all_at(b"unsynced", 0).expect("writes");
        before
            .rename(Path::new(LOG), Path::new("new.log"))
            .expect("renames");
        let image = before.crash_model().kill_image();
        let fs = boot(&image, &[rule("*.log", what.clone())]);
        let shown = seen(&fs);
        assert!(shown.contains(&("other".to_owned(), Some("unsynced".to_owned()))));
        // Running on and being killed leaves what is seen: the model agrees with the disk.
        let killed = boot(&fs.crash_model().kill_image(), &[]);
        assert_eq!(seen(&killed), shown, "{what:?}");
        let is_other = |name: &str| name == "other";
        fs.crash(CrashKind::Power);
        let mut kept = seen(&fs);
        assert!(kept.iter().all(|(name, _)| !is_other(name)), "{what:?}");
        let mut expected = shown;
        expected.retain(|(name, _)| !is_other(name));
        if !matches!(
            what,
            Alteration::Remove | Alteration::Rename(_) | Alteration::Link(_) | Alteration::Dir
        ) {
            // Its contents were altered; of its names nothing is settled.
            for (name, _) in kept.iter_mut().chain(&mut expected) {
                *name = name.replace("new", "00");
            }
        }
        kept.sort();
        expected.sort();
        assert_eq!(kept, expected, "{what:?}");
    }
}

fn entry(fs: &SimFs) -> LedgerEntry {
    fs.ledger().swap_remove(0)
}

#[test]
fn whoever_lists_opens_or_looks_up_the_name_meets_it() {
    let read = OpenOptions::new().read();
    type Call = fn(&SimFs, OpenOptions);
    let calls: [(&str, Call); 4] = [
        ("listing", |fs, _| drop(fs.read_dir(Path::new("")))),
        ("opening", |fs, read| drop(fs.open(Path::new(LOG), read))),
        ("looking up", |fs, _| drop(fs.metadata(Path::new(LOG)))),
        ("removing", |fs, _| drop(fs.remove_file(Path::new(LOG)))),
    ];
    for what in [Alteration::Remove, Alteration::Empty, Alteration::Dir] {
        for (call, meet) in calls {
            let fs = altered(LOG, what.clone());
            drop(fs.open(Path::new("lock"), read));
            assert_eq!(fs.sighting_count(), 0, "another file tells nothing");
            meet(&fs, read);
            let sightings = fs.sightings();
            assert_eq!(sightings.len(), 1, "{call} after {what:?}");
            assert_eq!(sightings[0].files, [LOG]);
            assert_eq!(sightings[0].shown, Shown::Altered);
        }
    }
}

#[test]
fn an_alteration_is_detected_masked_or_silent() {
    let fs = altered(LOG, Alteration::Remove);
    drop(fs.read_dir(Path::new("")));
    assert!(fs.report(0, "lock", &Told::File).is_empty(), "another file");
    assert_eq!(fs.report(0, LOG, &Told::File).len(), 1);
    assert!(fs.settle(&|_| false).is_none());
    assert_eq!((entry(&fs).observed, entry(&fs).detected), (1, 1));

    let fs = altered(LOG, Alteration::Remove);
    drop(fs.read_dir(Path::new("")));
    fs.verified(fs.sightings()[0].call.task, 0);
    assert!(fs.settle(&|_| false).is_none());
    assert_eq!(entry(&fs).masked, 1);

    let fs = altered(LOG, Alteration::Remove);
    drop(fs.read_dir(Path::new("")));
    let silent = fs.settle(&|_| false).expect("nobody said anything");
    assert_eq!((silent.fate, silent.kind), (Fate::Silent, "file removed"));
    assert_eq!(entry(&fs).silent, 1);
}

#[test]
fn a_name_that_the_program_gives_anew_is_its_own() {
    let fs = altered(LOG, Alteration::Remove);
    assert_eq!(entry(&fs).repaired, 0);
    open(&fs, LOG);
    assert_eq!(entry(&fs).repaired, 1);
    let before = fs.sighting_count();
    drop(fs.read_dir(Path::new("")));
    assert_eq!(fs.sighting_count(), before);

    let fs = altered(LOG, Alteration::Empty);
    fs.rename(Path::new(LOG), Path::new("moved"))
        .expect("renames");
    let before = fs.sighting_count();
    drop(fs.metadata(Path::new("moved")));
    assert_eq!(fs.sighting_count(), before + 1, "its file is as it was");
}

#[test]
fn a_symbolic_link_is_another_kind_and_leads_to_the_file() {
    let fs = altered(LOG, Alteration::Link(NewName::Suffix(".real".to_owned())));
    let path = Path::new(LOG);
    let entries = fs.read_dir(Path::new("")).expect("lists");
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [FileKind::Other, FileKind::File, FileKind::File]);
    let metadata = fs.metadata(path).expect("is there");
    assert_eq!((metadata.kind, metadata.len), (FileKind::Other, 11));
    let file = fs
        .open(path, OpenOptions::new().read().write())
        .expect("opens");
    file.write_all_at(b"ONE", 0).expect("writes");
    let shown = seen(&fs);
    assert_eq!(
        shown[1],
        ("00.log.real".to_owned(), Some("ONEtwo".to_owned()))
    );
    let new = OpenOptions::new().write().create_new();
    let error = fs.open(path, new).err().expect("is taken");
    assert_eq!(errno(&error), Errno::Eexist as i32);
    let options = OpenOptions::new().read().no_follow();
    let error = fs.open(path, options).err().expect("is a link");
    assert_eq!(errno(&error), Errno::Eloop as i32);
    // A rename over it replaces the link.
    fs.rename(Path::new("lock"), path).expect("renames");
    assert_eq!(fs.metadata(path).expect("is there").kind, FileKind::File);
    assert_eq!(seen(&fs)[1], shown[1]);
}

#[test]
fn a_link_may_lead_nowhere_or_in_a_circle() {
    let to = |name: &str| NewName::Exact(name.to_owned());
    let rules = [
        rule(LOG, Alteration::Link(to("a"))),
        rule("a", Alteration::Remove),
    ];
    let fs = boot(&image(), &rules);
    let read = OpenOptions::new().read();
    let error = fs.open(Path::new(LOG), read).err().expect("dangles");
    assert_eq!(errno(&error), Errno::Enoent as i32);
    // Creating it creates what it leads to.
    open(&fs, LOG);
    assert!(fs.metadata(Path::new("a")).is_ok());

    let fs = boot(&image(), &rules);
    fs.rename(Path::new(LOG), Path::new("a"))
        .expect("moves the link");
    let error = fs.open(Path::new("a"), read).err().expect("a circle");
    assert_eq!(errno(&error), Errno::Eloop as i32);
}

#[test]
fn a_lock_file_may_go_while_it_is_held() {
    let fs = disk();
    let path = Path::new("lock");
    let held = fs.lock(path, LockKind::Exclusive).expect("locks");
    assert!(fs.lock(path, LockKind::Exclusive).is_err());
    fs.fail(CallKind::Write).with(Fault::LoseLock);
    let log = open(&fs, LOG);
    log.write_all_at(b"ONE", 0).expect("writes");
    assert_eq!(entry(&fs).injected, 1);
    assert_eq!(fs.promise(), Promise::Full, "no file of the program's");
    let other = fs.lock(path, LockKind::Exclusive);
    assert!(other.is_ok(), "a path leads to another file now");
    drop((held, other));
    let sightings = fs.sightings();
    assert_eq!(sightings.len(), 1, "the second one met it");
    assert_eq!(sightings[0].files, ["lock"]);

    // Where no lock is held there is none to lose.
    let fs = disk();
    fs.fail(CallKind::Open).with(Fault::LoseLock);
    open(&fs, LOG);
    assert_eq!(entry(&fs).injected, 0);
}

#[test]
fn a_file_that_loses_its_name_is_there_for_who_has_it_open() {
    let fs = disk();
    let log = open(&fs, LOG);
    fs.fail(CallKind::Write).with(Fault::LoseName {
        files: "*.log".to_owned(),
        nth: 1,
    });
    log.write_all_at(b"ONE", 0).expect("writes");
    assert_eq!(log.len().expect("is open"), 6);
    assert_eq!(seen(&fs), [("lock".to_owned(), Some(String::new()))]);
    assert_eq!(fs.promise(), Promise::DamageReported);
    // As any removal, it is durable with its directory, and not before.
    fs.crash(CrashKind::Power);
    assert_eq!(seen(&fs)[0].0, LOG);
}

#[test]
fn a_new_root_is_where_paths_lead_and_handles_do_not() {
    let fs = disk();
    let root = Path::new("");
    let log = open(&fs, LOG);
    let directory = fs.subdir(root).expect("is held");
    fs.fail(CallKind::Write).times(9).with(Fault::RenewRoot);
    log.write_all_at(b"ONE", 0).expect("writes");
    assert_eq!(entry(&fs).injected, 0, "nobody holds a lock");

    let held = fs
        .lock(Path::new("lock"), LockKind::Exclusive)
        .expect("locks");
    log.write_all_at(b"ONE", 0).expect("writes");
    log.write_all_at(b"ONE", 0).expect("writes");
    assert_eq!(entry(&fs).injected, 1);
    assert!(fs.read_dir(root).expect("lists").is_empty());
    assert_eq!(fs.sighting_count(), 1);
    assert_eq!(directory.read_dir(root).expect("lists").len(), 2);
    assert_eq!(
        fs.sighting_count(),
        1,
        "the handle still leads to the old one"
    );
    open(&fs, "astray").write_all_at(b"?", 0).expect("writes");
    assert_eq!(fs.metadata(Path::new("astray")).expect("is there").len, 1);
    fs.sync_dir(root).expect("syncs");
    log.sync_all().expect("syncs");
    let killed = boot(&fs.crash_model().kill_image(), &[]);
    drop(held);
    for fs in [killed, fs] {
        let names: Vec<_> = seen(&fs).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [LOG, "lock"], "the renamed one is used again");
        fs.crash(CrashKind::Power);
        let log = (LOG.to_owned(), Some("ONEtwo".to_owned()));
        assert_eq!(seen(&fs)[0], log);
    }
}

#[test]
fn only_calls_that_make_a_file_longer_fail() {
    let fs = disk();
    let log = open(&fs, LOG);
    fs.fail_growth().on("*.log").times(100).errno(Errno::Efbig);
    log.write_all_at(b"ONETWO", 0).expect("overwrites");
    log.set_len(5).expect("cuts");
    log.allocate(0, 5).expect("allocates what is there");
    log.punch(0, 2).expect("punches");
    for grown in [
        log.write_all_at(b"oo", 4),
        log.set_len(6),
        log.allocate(5, 1),
    ] {
        assert_eq!(errno(&grown.expect_err("grows")), Errno::Efbig as i32);
    }
    open(&fs, "other")
        .write_all_at(b"o", 0)
        .expect("another file");
    let entry = entry(&fs);
    assert_eq!((entry.injected, entry.observed), (3, 3));
    assert_eq!(log.len().expect("is open"), 5);
}
