//! The porting aids: the same program on the operating system, on the simulated disk, and in the
//! simulated world.
//!
//! What `std::fs` answers is the standard: its answers are compared, too.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shim is compared with what it stands for"
)]

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use blackstart_sim::call::{CallId, CallKind};
use blackstart_sim::disk::{CrashKind, DiskConfig, Image, SimFs};
use blackstart_sim::sched::{Finish, Stop, World, WorldConfig};
use blackstart_vfs::port::{Barrier, block_on, fs};
use blackstart_vfs::{Env, Event, Fs};

/// An answer in a form that all worlds share: the kind of an error, not its words.
fn said<T: std::fmt::Debug>(log: &mut String, what: &str, answer: io::Result<T>) {
    match answer {
        Ok(value) => writeln!(log, "{what}: {value:?}"),
        Err(error) => writeln!(log, "{what}: {:?}", error.kind()),
    }
    .expect("a text can be written to");
}

/// One program against `std::fs` and against the shim: `$fs` is the module, `$at` makes a path,
/// and the tokens after it are the first argument of each call.
macro_rules! program {
    ($log:ident, $fs:ident, $at:expr $(, $first:expr)?) => {{
        let at = $at;
        let log = &mut $log;
        said(log, "deep", $fs::create_dir($($first,)? at("a/b")));
        said(log, "all", $fs::create_dir_all($($first,)? at("a/b/c")));
        said(log, "again", $fs::create_dir_all($($first,)? at("a/b/c")));
        said(log, "write", $fs::write($($first,)? at("a/one"), b"line 1\nline 2\n"));
        let below = $fs::create_dir_all($($first,)? at("a/one/x"));
        said(log, "through a file", Ok(below.is_err()));
        said(log, "text", $fs::read_to_string($($first,)? at("a/one")));
        said(log, "bytes", $fs::read($($first,)? at("missing")));
        let file = $fs::OpenOptions::new().append(true).open($($first,)? at("a/one"));
        let mut file = file.expect("it is there");
        said(log, "append", file.write(b"line 3"));
        said(log, "cursor", file.stream_position());
        said(log, "sync", file.sync_all());
        said(log, "metadata", file.metadata().map(|metadata| (metadata.len(), metadata.is_file())));
        let mut options = $fs::OpenOptions::new();
        let file = options.read(true).write(true).open($($first,)? at("a/one"));
        let mut file = file.expect("it is there");
        said(log, "seek", file.seek(SeekFrom::End(-4)));
        said(log, "before the start", file.seek(SeekFrom::Current(-40)));
        said(log, "write at the cursor", file.write_all(b"L"));
        let mut rest = String::new();
        said(log, "rest", file.read_to_string(&mut rest).map(|_| rest.clone()));
        let mut twin = file.try_clone().expect("a handle can be had");
        said(log, "rewind", twin.rewind());
        let mut first = String::new();
        said(log, "line", BufReader::new(&file).read_line(&mut first).map(|_| first.clone()));
        said(log, "cut", file.set_len(3));
        said(log, "behind the end", twin.read(&mut [0; 4]));
        said(log, "sync data", file.sync_data());
        said(log, "exclusive", $fs::File::create_new($($first,)? at("a/one")).map(drop));
        said(log, "no mode", $fs::OpenOptions::new().open($($first,)? at("a/one")).map(drop));
        let mut options = $fs::OpenOptions::new();
        let answer = options.append(true).truncate(true).open($($first,)? at("a/one")).map(drop);
        said(log, "append and cut", answer);
        let mut options = $fs::OpenOptions::new();
        let answer = options.read(true).create(true).open($($first,)? at("a/two")).map(drop);
        said(log, "create to read", answer);
        said(log, "copy", $fs::copy($($first,)? at("a/one"), at("a/two")));
        said(log, "link", $fs::hard_link($($first,)? at("a/two"), at("a/three")));
        said(log, "rename", $fs::rename($($first,)? at("a/two"), at("a/b/two")));
        said(log, "exists", $fs::exists($($first,)? at("a/two")));
        said(log, "exists", $fs::exists($($first,)? at("a/b/two")));
        let dir = $fs::metadata($($first,)? at("a")).expect("it is there").file_type();
        let mut names = Vec::new();
        for entry in $fs::read_dir($($first,)? at("a")).expect("it is there") {
            let entry = entry.expect("it can be read");
            let is_dir = entry.file_type().expect("it is known") == dir;
            names.push((format!("{:?}", entry.file_name()), is_dir));
        }
        names.sort();
        said(log, "names", Ok(names));
        said(log, "remove", $fs::remove_file($($first,)? at("a/one")));
        said(log, "remove", $fs::remove_file($($first,)? at("a/one")));
        said(log, "not empty", $fs::remove_dir($($first,)? at("a")));
        said(log, "remove all", $fs::remove_dir_all($($first,)? at("a")));
        said(log, "is gone", $fs::metadata($($first,)? at("a")).map(|metadata| metadata.is_dir()));
    }};
}

fn by_std(root: &Path) -> String {
    use std::fs;
    let mut log = String::new();
    fs::create_dir(root.join("a")).expect("the scratch directory is empty");
    program!(log, fs, |path: &str| root.join(path));
    log
}

fn by_shim(env: &Env) -> String {
    let mut log = String::new();
    env.fs().create_root().expect("the root can be created");
    fs::create_dir(env.fs(), "a").expect("the root is empty");
    program!(log, fs, |path: &str| path.to_owned(), env.fs());
    log
}

/// An empty disk whose calls are calls of the world.
fn simulated_disk(world: &World) -> SimFs {
    let config = DiskConfig::default();
    SimFs::boot(
        &Image::empty(&config),
        &config,
        &[],
        Arc::new(world.clone()),
    )
}

/// Runs `body` as the first task of a simulated world.
fn in_simulation(body: impl FnOnce(&Env) + Send + 'static) -> Finish {
    let world = World::new(WorldConfig::default());
    let disk = simulated_disk(&world);
    let shared = Arc::new(world.clone());
    let env = Env::new(Arc::new(disk), shared.clone(), shared.clone(), shared);
    world.run(Box::new(move || body(&env)))
}

#[test]
fn the_shim_answers_as_std_does() {
    let (one, two) = (scratch(), scratch());
    let expected = by_std(one.path());
    assert!(expected.lines().count() > 30, "{expected}");
    assert_eq!(by_shim(&Env::os(two.path())), expected);
    let finish = in_simulation(move |env| assert_eq!(by_shim(env), expected));
    assert_eq!(finish, Finish::Complete);
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

/// port [I1]: the shim syncs what it is asked to sync, and nothing else.
#[test]
fn nothing_is_durable_before_it_is_synced() -> io::Result<()> {
    let after = |sync: &dyn Fn(&SimFs, &fs::File) -> io::Result<()>| {
        let disk = SimFs::new(DiskConfig::default());
        disk.create_root()?;
        let mut file = fs::File::create(&disk, "a")?;
        file.write_all(b"contents")?;
        file.flush()?;
        sync(&disk, &file)?;
        disk.crash(CrashKind::Power);
        io::Result::Ok(fs::read(&disk, "a").map_err(|error| error.kind()))
    };
    let missing = Err(io::ErrorKind::NotFound);
    assert_eq!(after(&|_, _| Ok(()))?, missing);
    assert_eq!(after(&|_, file| file.sync_all())?, missing);
    assert_eq!(after(&|disk, _| fs::sync_dir(disk, ""))?, Ok(Vec::new()));
    let both = |disk: &SimFs, file: &fs::File| file.sync_data().and(fs::sync_dir(disk, ""));
    assert_eq!(after(&both)?, Ok(b"contents".to_vec()));
    Ok(())
}

/// A future that hands a number from one task to another, and is woken in between.
async fn handed_over(env: Env) -> u32 {
    use std::future::poll_fn;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Poll, Waker};

    let waker: Arc<parking_lot::Mutex<Option<Waker>>> = Arc::default();
    let value = Arc::new(AtomicU32::new(0));
    let (to_wake, to_set, inner) = (Arc::clone(&waker), Arc::clone(&value), env.clone());
    let giver = move || {
        inner.tasks().yield_now();
        to_set.store(7, Ordering::SeqCst);
        if let Some(waker) = to_wake.lock().take() {
            waker.wake();
        }
    };
    let task = env.tasks().spawn("giver", Box::new(giver));
    let task = task.expect("a task can be had");
    let got = poll_fn(|context| {
        *waker.lock() = Some(context.waker().clone());
        match value.load(Ordering::SeqCst) {
            0 => Poll::Pending,
            got => Poll::Ready(got),
        }
    });
    let got = got.await;
    task.join().expect("the giver does not panic");
    got
}

#[test]
fn a_future_is_woken_in_both_worlds() {
    let env = Env::os(".");
    assert_eq!(block_on(&env, handed_over(env.clone())), 7);
    let finish = in_simulation(|env| assert_eq!(block_on(env, handed_over(env.clone())), 7));
    assert_eq!(finish, Finish::Complete);
}

#[test]
fn a_future_that_nobody_wakes_is_a_deadlock() {
    let finish = in_simulation(|env| block_on(env, std::future::pending()));
    assert!(matches!(finish, Finish::Deadlock { .. }), "{finish:?}");
    // The same of an event, so that the test is known to tell the two apart.
    let finish =
        in_simulation(|env| assert_eq!(Event::new(env).ticket(), Event::new(env).ticket()));
    assert_eq!(finish, Finish::Complete);
}

/// Linux's number.
const EIO: i32 = 5;

/// Code that must not be unwound: it counts its calls on the seam and how it was left.
struct Foreign<'a> {
    barrier: &'a Barrier,
    disk: &'a dyn Fs,
    calls: u32,
    /// Calls that went on to the seam.
    reached: u32,
    /// Calls that failed with EIO.
    errors: u32,
}

impl Foreign<'_> {
    fn touch(&mut self) {
        self.calls += 1;
        let listed = self.barrier.call(|| {
            self.reached += 1;
            self.disk.read_dir(Path::new(""))
        });
        let is_eio = |error: io::Error| error.raw_os_error() == Some(EIO);
        self.errors += u32::from(listed.is_err_and(is_eio));
    }
}

/// barrier [I1] and barrier [I2]; the seam's lib [I2].
#[test]
fn a_crash_passes_foreign_code_by_and_goes_on_behind_it() {
    let third = CallId {
        op: 0,
        task: 0,
        kind: CallKind::ReadDir,
        nth: 2,
    };
    let world = World::new(WorldConfig {
        stop: Stop::Before(third),
        ..WorldConfig::default()
    });
    let disk = simulated_disk(&world);
    let seen = Arc::new(parking_lot::Mutex::new((0, 0, 0)));
    let (to_tell, barrier) = (Arc::clone(&seen), Barrier::default());
    let finish = world.run(Box::new(move || {
        disk.create_root().expect("the root can be created");
        barrier.around(|| {
            let mut foreign = Foreign {
                barrier: &barrier,
                disk: &disk,
                calls: 0,
                reached: 0,
                errors: 0,
            };
            (0..6).for_each(|_| foreign.touch());
            *to_tell.lock() = (foreign.calls, foreign.reached, foreign.errors);
            panic!("what it says after the crash is nobody's");
        });
        *to_tell.lock() = (0, 0, 0);
    }));
    assert_eq!(finish, Finish::Crashed, "barrier [I2]");
    // The third call is the one that crashes.
    assert_eq!(*seen.lock(), (6, 3, 4), "barrier [I1]");
}
