//! Tests of opening: what its options do, and what its errors say.

use std::path::Path;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{Budget, CrashKind, DiskConfig, Errno, SimFs};
use blackstart_vfs::Env;
use blackstart_vfs::port::fs;

use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{
    Durability, Features, FileReason, Inspected, Log, LogError, LogOptions, ReadOnlyLog, inspect,
};

const FIRST: &str = "00000000000000000000.log";

/// A log is created with its first commit or not at all, after a crash at any call.
#[test]
fn a_log_exists_with_its_first_commit_or_not_at_all() {
    let options = || options().first_commit(&["one", "two"]);
    let scratch = Scratch::new();
    let (log, report) = scratch.open_with(options()).unwrap();
    assert!(report.created);
    assert_eq!((report.next, report.known_durable_through), (tx(2), tx(2)));
    assert_eq!(read(log.reader(tx(0)).unwrap()), ["0:one", "1:two"]);
    drop(log);
    let (log, report) = scratch.open_with(options()).unwrap();
    assert!(!report.created, "an existing log keeps its own");
    assert_eq!(log.visible_through(), tx(2));

    let kinds = [
        CallKind::Open,
        CallKind::Write,
        CallKind::SyncAll,
        CallKind::SyncDir,
        CallKind::Rename,
        CallKind::RemoveFile,
        CallKind::Entropy,
        CallKind::Len,
        CallKind::Lock,
    ];
    let (mut with, mut without) = (0, 0);
    for (kind, nth) in kinds
        .into_iter()
        .flat_map(|kind| [1, 2, 3].map(|nth| (kind, nth)))
    {
        let scratch = Scratch::new();
        let fault = scratch.disk.fail(kind).nth(nth).times(u32::MAX);
        fault.errno(Errno::Eio);
        drop(scratch.open_with(options()));
        scratch.disk.heal();
        for (survivors, image) in scratch.disk.images(&Budget::up_to(60)) {
            let crashed = Scratch::on(SimFs::of_image(&image, &DiskConfig::default()));
            let (log, report) = crashed.open().0.close().map(|()| crashed.open()).unwrap();
            let shown = read(log.reader(tx(0)).unwrap());
            let what = format!("{kind:?} {nth} {survivors:?}: {report:?}");
            match shown.is_empty() {
                true => without += 1,
                false => with += 1,
            }
            assert!(shown.is_empty() || shown == ["0:one", "1:two"], "{what}");
        }
    }
    assert!(with > 5 && without > 5, "{with} {without}");
    let none: [&str; 0] = [];
    let empty = Scratch::new().open_with(options().first_commit(&none));
    assert!(matches!(empty, Err(LogError::EmptyCommit)), "{empty:?}");
}

/// The features of each segment's header.
fn features(scratch: &Scratch) -> Vec<u32> {
    let mut all = Vec::new();
    inspect(&scratch.env, "", &mut |seen| {
        if let Inspected::Segment { header, .. } = seen {
            all.push(header.unwrap().features.compat);
        }
    })
    .unwrap();
    all
}

fn bits(compat: u32, ro_compat: u32, incompat: u32) -> Features {
    Features {
        compat,
        ro_compat,
        incompat,
    }
}

/// Features are raised by a rotation, before the first commit that needs them, and stay.
#[test]
fn features_are_raised_by_a_rotation() {
    let scratch = Scratch::new();
    let (log, _) = scratch
        .open_with(options().features(bits(1, 0, 0)))
        .unwrap();
    log.raise_features(bits(2, 0, 0)).unwrap();
    assert_eq!(
        features(&scratch),
        [3],
        "a segment without commits gives way"
    );
    commit(&log, &["a"]);
    log.raise_features(bits(2, 0, 0)).unwrap();
    log.raise_features(bits(4, 0, 0)).unwrap();
    log.raise_features(bits(4, 0, 0)).unwrap();
    assert_eq!(features(&scratch), [3, 7]);
    scratch.disk.crash(CrashKind::Power);
    let (log, _) = scratch.open();
    assert_eq!(features(&scratch).last(), Some(&7), "durably");
    commit(&log, &["b"]);
    log.truncate_to(tx(0)).unwrap();
    assert_eq!(features(&scratch), [7], "a cut takes none away");
    commit(&log, &["c"]);
    log.rotate().unwrap();
    assert_eq!(features(&scratch), [7, 7]);
}

#[test]
fn features_decide_who_may_open() {
    type Opens = (bool, bool);
    let cases: [(Features, Features, Opens); 6] = [
        (bits(8, 0, 0), Features::NONE, (true, true)),
        (bits(0, 8, 0), Features::NONE, (false, true)),
        (bits(0, 8, 0), bits(0, 8, 0), (true, true)),
        (bits(0, 0, 8), Features::NONE, (false, false)),
        (bits(0, 0, 8), bits(0, 0, 12), (true, true)),
        (bits(0, 12, 0), bits(0, 8, 0), (false, true)),
    ];
    for (has, knows, (writes, reads)) in cases {
        for is_raised in [false, true] {
            let scratch = Scratch::new();
            let created = if is_raised { Features::NONE } else { has };
            let (log, _) = scratch.open_with(options().features(created)).unwrap();
            commit(&log, &["a"]);
            log.raise_features(has).unwrap();
            log.close().unwrap();
            drop(log);
            let known = || LogOptions::new().known_features(knows);
            let opened = scratch.open_with(known());
            let shown = ReadOnlyLog::open(&scratch.env, "", known());
            let what = format!("{has:?} {knows:?} {opened:?} {shown:?}");
            assert_eq!((opened.is_ok(), shown.is_ok()), (writes, reads), "{what}");
            let named = match opened {
                Ok(_) => true,
                Err(LogError::ReadOnlyFeature { .. }) => reads,
                Err(LogError::UnsupportedFeature { bits: 8, .. }) => !reads,
                Err(_) => false,
            };
            assert!(named, "{what}");
        }
    }
}

/// History is retired before the opening writes anything else, and the archive sees it first.
#[test]
fn an_opening_may_retire_history_first() {
    for is_closed in [false, true] {
        let scratch = Scratch::new();
        let (log, _) = scratch.open();
        for pair in [["a", "b"], ["c", "d"], ["e", "f"]] {
            commit(&log, &pair);
            log.rotate().unwrap();
        }
        commit(&log, &["g"]);
        if is_closed {
            log.close().unwrap();
        }
        drop(log);
        let refusing = || {
            options()
                .retain_from(tx(5))
                .archive(|segment| match segment.range.start == tx(2) {
                    true => Err("it is full".into()),
                    false => Ok(()),
                })
        };
        let refused = scratch.open_with(refusing());
        assert!(
            matches!(refused, Err(LogError::Archive { .. })),
            "{refused:?}"
        );
        assert_eq!(
            scratch.records().len(),
            5,
            "what the archive took is retired"
        );
        let (log, report) = scratch.open_with(options().retain_from(tx(5))).unwrap();
        assert_eq!((report.oldest, report.next), (tx(4), tx(7)));
        assert_eq!(report.segments, 2);
        assert_eq!(read(log.reader(tx(4)).unwrap()), ["4:e", "5:f", "6:g"]);
        drop(log);
        let (_, report) = scratch.open_with(options().retain_from(tx(100))).unwrap();
        assert_eq!(
            (report.oldest, report.segments),
            (tx(6), 1),
            "the newest stays"
        );
    }
}

#[test]
fn a_path_of_the_system_will_do_and_errors_show_it_as_given() {
    let dir = tempfile::tempdir().unwrap();
    let given = dir.path().join("a").join("..").join("log");
    let env = Env::os(dir.path());
    fs::create_dir(env.fs(), "a").unwrap();
    let missing = Log::open_path(&given, LogOptions::new()).map(|_| ());
    let shown = given.display().to_string();
    let says = |result: Result<(), LogError>| result.unwrap_err().to_string();
    assert_eq!(says(missing), format!("{shown}: there is no log"));
    let (log, _) = Log::open_path(&given, options()).unwrap();
    commit(&log, &["a"]);
    let locked = Log::open_path(&given, options()).map(|_| ());
    assert_eq!(says(locked), format!("{shown}: the log is in use"));
    log.close().unwrap();
    let exists = Log::open_path(&given, options().create_new(true)).map(|_| ());
    assert_eq!(says(exists), format!("{shown}: it exists already"));
    let (seen, _) = ReadOnlyLog::open_path(&given, LogOptions::new()).unwrap();
    assert_eq!(read(seen.reader(tx(0)).unwrap()), ["0:a"]);
    fs::write(env.fs(), Path::new("log").join(FIRST), b"").unwrap();
    let emptied = Log::open_path(&given, options()).map(|_| ());
    let told = says(emptied);
    assert!(told.starts_with(&format!("{shown}/{FIRST}: ")), "{told}");
    // Below the root of an environment.
    let missing = Log::open(&env, "b/c", LogOptions::new()).map(|_| ());
    let shown = dir.path().join("b/c").display().to_string();
    assert_eq!(says(missing), format!("{shown}: there is no log"));
}

/// A directory with traces of a log never becomes a new one; traces of an unfinished creation may.
#[test]
fn only_an_unfinished_creation_becomes_a_new_log() {
    const TEMP: &str = "00000000000000000000.tmp";
    let cases: [(&[&str], bool); 7] = [
        (&[], true),
        (&["lock"], true),
        (&[TEMP], true),
        (&["lock", TEMP], true),
        (&["notes"], true),
        (&[FIRST], false),
        (&["lock", FIRST, TEMP], false),
    ];
    for (names, becomes) in cases {
        let scratch = Scratch::new();
        for name in names {
            scratch.write(name, b"");
        }
        let opened = scratch.open_with(options());
        assert_eq!(opened.is_ok(), becomes, "{names:?}: {opened:?}");
        if let Ok((_, report)) = opened {
            assert!(report.created);
            let listed = names.iter().filter(|name| **name != "lock").count();
            assert_eq!(report.files.len(), listed, "{names:?}: {:?}", report.files);
            for note in &report.files {
                assert_eq!(
                    note.removed,
                    note.reason == FileReason::Unfinished,
                    "{note:?}"
                );
            }
        }
    }
    // A whole superblock and no segment: a log was here.
    let scratch = Scratch::new();
    drop(scratch.open());
    scratch.remove(FIRST);
    for name in [None, Some(TEMP)] {
        name.into_iter().for_each(|name| scratch.write(name, b""));
        let error = scratch.error();
        assert!(matches!(error, LogError::SegmentsMissing { .. }), "{error}");
    }
    // The caller's word is a trace as well.
    let scratch = Scratch::new();
    let options = options().durable_through(crate::commitlog::Epoch::FIRST, tx(1));
    let refused = scratch.open_with(options);
    assert!(
        matches!(refused, Err(LogError::SegmentsMissing { .. })),
        "{refused:?}"
    );
}

/// An opening hands its commits to a visitor, from an offset on.
#[test]
fn a_visitor_gets_what_is_asked_for() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open();
    for pair in [["a", "b"], ["c", "d"]] {
        commit(&log, &pair);
        log.rotate().unwrap();
    }
    log.commit(&["e", "f"], Durability::Os).unwrap();
    for is_closed in [false, true] {
        for from in 0..=6 {
            let mut seen = Vec::new();
            let opened = Log::open_and_visit(&scratch.env, "", options(), tx(from), &mut |got| {
                seen.push(got.commit.first().get());
                assert!(got.durable_through <= tx(6));
                Ok(())
            });
            if from == 0 && !is_closed {
                assert!(
                    matches!(opened, Err(LogError::Locked { .. })),
                    "the log is open"
                );
                log.close().unwrap();
                continue;
            }
            let (log, _) = opened.unwrap();
            let firsts = [0, 1, 2, 3, 4];
            let ends = [1, 2, 3, 4, 6];
            let expected = firsts.iter().zip(ends).filter(|(_, end)| *end > from);
            assert!(expected.map(|(first, _)| *first).eq(seen), "{from}");
            log.close().unwrap();
        }
    }
    let refuse = &mut |_: crate::commitlog::Recovered<'_>| Err("it is not wanted".into());
    let refused = Log::open_and_visit(&scratch.env, "", options(), tx(0), refuse);
    assert!(
        matches!(refused, Err(LogError::Visitor { .. })),
        "{refused:?}"
    );
    assert!(scratch.env.fs().metadata(Path::new(FIRST)).is_ok());
}
