//! Tests of what writer and readers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use super::Shared;
use crate::commitlog::options::LogOptions;
use crate::commitlog::testing::hooked::HookedFs;
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, Follower, Log, ReadOnlyLog, ReadScope, open};

/// [I1] The state's lock is free during each call on the file system, whatever a log does.
#[test]
fn no_call_is_made_while_the_state_is_locked() {
    let scratch = Scratch::new();
    let shared: Arc<OnceLock<Weak<Shared>>> = Arc::default();
    let calls = Arc::new(AtomicU64::new(0));
    let (watched, count) = (shared.clone(), calls.clone());
    let fs = HookedFs::new(Arc::new(scratch.disk.clone()), move |call, path| {
        if let Some(shared) = watched.get().and_then(Weak::upgrade) {
            let is_free = shared.state.try_lock().is_some();
            assert!(is_free, "[I1] {call:?} of {}", path.display());
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let env = scratch.env.with_fs(Arc::new(fs));
    let (core, _) = open::open(&env, "".as_ref(), options().segment_bytes_max(512), None).unwrap();
    assert!(shared.set(Arc::downgrade(&core.shared)).is_ok());
    let core = Arc::new(core);
    for number in 0..40 {
        let levels = [Durability::Synced, Durability::Os, Durability::Buffered];
        core.commit(&["x"; 3], levels[number % 3], None).unwrap();
    }
    core.retain_from(tx(30)).unwrap();
    core.rotate(crate::commitlog::Features::NONE).unwrap();
    core.with_writer(|writer| crate::commitlog::truncate::truncate(writer, tx(60)))
        .unwrap();
    core.sync_through(tx(60)).unwrap();
    let oldest = core.shared.state.lock().oldest;
    let reader = crate::commitlog::Reader::new(core.shared.clone(), oldest, ReadScope::Visible);
    read(reader.unwrap());
    assert!(calls.load(Ordering::Relaxed) > 100);
}

/// [I2] Readers see what is in the buffer, in the file, and across the place where one ends and the
/// other begins, while that moves.
#[test]
fn readers_read_across_the_end_of_what_was_written() {
    let scratch = Scratch::new();
    let (log, _) = scratch
        .open_with(options().segment_bytes_max(1 << 20))
        .unwrap();
    let mut expected = Vec::new();
    let mut readers = Vec::new();
    for number in 0..60_usize {
        let record = "x".repeat(number * 7 % 50);
        log.commit(&[&record], Durability::Buffered).unwrap();
        expected.push(format!("{number}:{record}"));
        readers.push(log.reader(tx(0)).unwrap());
        if number % 7 == 3 {
            log.flush().unwrap();
        }
        if number % 11 == 5 {
            log.sync().unwrap();
        }
        for from in [0, number / 2, number] {
            let shown = read(log.reader(tx(from as u64)).unwrap());
            assert_eq!(shown, expected[from..], "[I2] at {number} from {from}");
        }
        for (steps, reader) in readers.iter_mut().enumerate() {
            for _ in 0..steps % 3 {
                let _ = reader.next_commit().unwrap();
            }
        }
    }
    for mut reader in readers {
        let from = reader.position().get();
        let rest =
            std::iter::from_fn(|| reader.next_commit().unwrap().map(|commit| commit.first()));
        assert!(rest.map(|first| first.get()).eq(from..60), "[I2]");
    }
}

/// [I3] The frontiers go back with a truncation only, and readers and followers are told which.
#[test]
fn frontiers_go_back_with_a_truncation_only() {
    let scratch = Scratch::new();
    let (log, _) = scratch.open_with(options().segment_bytes_max(512)).unwrap();
    let view = ReadOnlyLog::open(&scratch.env, "", LogOptions::new())
        .unwrap()
        .0;
    let (mut visible, mut durable, mut seen) = (tx(0), tx(0), tx(0));
    for number in 0..80 {
        let levels = [Durability::Os, Durability::Synced, Durability::Buffered];
        log.commit(&["x"; 2], levels[number % 3]).unwrap();
        if number % 10 == 9 {
            log.rotate().unwrap();
        }
        view.refresh().unwrap();
        let now = (
            log.visible_through(),
            log.durable_through(),
            view.visible_through(),
        );
        assert!(now.0 > visible && now.1 >= durable && now.2 >= seen, "[I3]");
        assert!(now.1 <= now.0, "[I3] what is durable is visible");
        (visible, durable, seen) = now;
    }
    let mut follower: Follower = log.follow(tx(0), ReadScope::Visible).unwrap();
    let mut stays = log.reader(tx(0)).unwrap();
    for _ in 0..50 {
        follower.next_commit().unwrap().unwrap();
    }
    stays.next_commit().unwrap().unwrap();
    log.truncate_to(tx(40)).unwrap();
    view.refresh().unwrap();
    assert_eq!(
        [log.visible_through(), view.visible_through()],
        [tx(40); 2],
        "[I3]"
    );
    follower.next_commit().unwrap_err();
    stays.next_commit().unwrap().unwrap();
    commit(&log, &["y"]);
    drop::<Log>(log);
}
