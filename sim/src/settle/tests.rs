//! What outlives an era is found.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{File, Fs, OpenOptions, Tasks};
use parking_lot::Mutex;

use super::leak;
use crate::disk::{DiskConfig, SimFs};
use crate::sched::{Finish, World, WorldConfig};

/// Runs `body` in a world with a disk and looks for leaks behind it.
fn leak_of(body: impl FnOnce(&World, &SimFs) + Send + 'static) -> Option<String> {
    let world = World::new(WorldConfig::default());
    let fs = SimFs::new(DiskConfig::default());
    let (inner_world, inner_fs) = (world.clone(), fs.clone());
    let finish = world.run(Box::new(move || {
        inner_fs.create_root().expect("it is created");
        body(&inner_world, &inner_fs);
    }));
    assert_eq!(finish, Finish::Complete);
    leak(&fs, &world).map(|failure| failure.message)
}

fn open(fs: &SimFs) -> Arc<dyn File> {
    let options = OpenOptions::new().read().write().create();
    fs.open(Path::new("a"), options).expect("it opens")
}

#[test]
fn what_is_closed_and_joined_is_no_leak() {
    let found = leak_of(|world, fs| {
        drop(open(fs));
        let task = world.spawn("worker", Box::new(|| {})).expect("it starts");
        task.join().expect("it ends");
    });
    assert_eq!(found, None);
}

#[test]
fn a_file_that_stays_open_is_found() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let found = leak_of(move |_, fs| *keep.lock() = Some(open(fs)));
    assert_eq!(
        found.as_deref(),
        Some("files are open after the end: a (1)")
    );
}

#[test]
fn the_space_of_a_removed_file_that_stays_open_is_found() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let found = leak_of(move |_, fs| {
        *keep.lock() = Some(open(fs));
        fs.remove_file(Path::new("a")).expect("it is removed");
    });
    assert_eq!(
        found.as_deref(),
        Some("files are open after the end: a removed file (1)")
    );
}

#[test]
fn a_task_that_outlives_the_main_one_is_found() {
    let found = leak_of(|world, _| {
        let body = Box::new(|| {});
        drop(world.spawn("worker", body).expect("it starts"));
    });
    assert_eq!(found.as_deref(), Some("tasks outlive the end: worker"));
}
