//! Kind B: names that change while a log is open, at each moment of a life.
//!
//! A moment is a call of the log on its file system: before each of them the harm is done behind
//! its back, once.
//!
//! | the harm | what must be seen |
//! |---|---|
//! | `lock` is removed | nobody else can open the log; all commits are there |
//! | the directory is renamed, and perhaps made again | the log goes on in it, wherever it is |
//! | the newest segment gets another name as well | all commits |
//! | it is removed, renamed, or replaced | no commit is acknowledged after that, unless the log opens with all of them |

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart::commitlog::{Durability, ErrorClass, Log, LogError, ReadOnlyLog};
use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::port::fs;
use blackstart_vfs::{Env, Fs};

use super::directory::{env_of, options, read, record, tx};
use super::hooked::HookedFs;

/// What is done at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    LockRemoved,
    DirectoryRenamed,
    DirectoryReplaced,
    NewestLinked,
    NewestRemoved,
    NewestRenamed,
    NewestMovedUp,
    NewestCopied,
    NewestEmptied,
}

impl Harm {
    const ALL: [Self; 9] = [
        Self::LockRemoved,
        Self::DirectoryRenamed,
        Self::DirectoryReplaced,
        Self::NewestLinked,
        Self::NewestRemoved,
        Self::NewestRenamed,
        Self::NewestMovedUp,
        Self::NewestCopied,
        Self::NewestEmptied,
    ];

    /// Does it, if what it harms is there.
    fn apply(self, disk: &dyn Fs) {
        let at = |name: &str| PathBuf::from("data").join(name);
        let entries = disk.read_dir(Path::new("data")).unwrap_or_default();
        let names = entries
            .into_iter()
            .map(|entry| entry.name.into_string().expect("text"));
        let newest = names.filter(|name| name.ends_with(".log")).max();
        let done = match (self, newest) {
            (Self::LockRemoved, _) => fs::remove_file(disk, at("lock")).or(Ok(())),
            (Self::DirectoryRenamed, _) => fs::rename(disk, "data", "moved").or(Ok(())),
            (Self::DirectoryReplaced, _) => fs::rename(disk, "data", "moved")
                .and_then(|()| fs::create_dir(disk, "data"))
                .or(Ok(())),
            (_, None) => Ok(()),
            (Self::NewestLinked, Some(newest)) => fs::hard_link(disk, at(&newest), at("backup")),
            (Self::NewestRemoved, Some(newest)) => fs::remove_file(disk, at(&newest)),
            (Self::NewestRenamed, Some(newest)) => fs::rename(disk, at(&newest), at("stray")),
            (Self::NewestMovedUp, Some(newest)) => {
                fs::rename(disk, at(&newest), at("00000000000000000999.log"))
            }
            (Self::NewestCopied, Some(newest)) => {
                let bytes = fs::read(disk, at(&newest)).expect("it is there");
                fs::write(disk, at("copy"), bytes).expect("there is space");
                fs::rename(disk, at("copy"), at(&newest))
            }
            (Self::NewestEmptied, Some(newest)) => {
                fs::write(disk, at("copy"), b"").expect("there is space");
                fs::rename(disk, at("copy"), at(&newest))
            }
        };
        done.expect("the harm is done");
    }
}

/// A disk on which harm is done before one of the calls.
struct Stage {
    disk: SimFs,
    env: Env,
    calls: Arc<AtomicU64>,
    moment: u64,
}

impl Stage {
    fn new(harm: Harm, moment: u64) -> Self {
        let disk = SimFs::new(DiskConfig::default());
        disk.create_root().expect("a simulated disk has a root");
        let calls = Arc::new(AtomicU64::new(0));
        let (count, harmed) = (calls.clone(), disk.clone());
        let fs = HookedFs::new(Arc::new(disk.clone()), move |_, _| {
            if count.fetch_add(1, Ordering::Relaxed) == moment {
                harm.apply(&harmed);
            }
            Ok(())
        });
        Self {
            env: env_of(Arc::new(fs)),
            disk,
            calls,
            moment,
        }
    }

    fn is_harmed(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.moment
    }
}

/// What a life has come to.
#[derive(Debug, Default)]
struct Course {
    /// How many commits were acknowledged, synced, and not cut.
    acknowledged: u64,
    /// How many of them by calls that began after the harm.
    after_harm: u64,
    errors: Vec<LogError>,
}

impl Course {
    /// Commits and notes what was acknowledged.
    fn fill(&mut self, stage: &Stage, log: &Log, count: u64) -> Result<(), LogError> {
        for _ in 0..count {
            let (number, is_after) = (self.acknowledged, stage.is_harmed());
            let committed = log.commit(&[record(number)], Durability::Synced)?;
            assert_eq!(committed.first, tx(number));
            self.acknowledged += 1;
            self.after_harm += u64::from(is_after);
            self.expect_locked(stage);
        }
        Ok(())
    }

    /// While the log is open nobody else opens it, wherever its directory is.
    fn expect_locked(&self, stage: &Stage) {
        let names = ["data", "moved"];
        let opened =
            names.map(|name| Log::open(&env_of(Arc::new(stage.disk.clone())), name, options()));
        let locked = |opened: &Result<_, LogError>| matches!(opened, Err(LogError::Locked { .. }));
        assert!(opened.iter().any(locked), "a second writer: {opened:?}");
    }

    fn first_life(&mut self, stage: &Stage) -> Result<(), LogError> {
        let (log, _) = Log::open(&stage.env, "data", options().create(true))?;
        self.fill(stage, &log, 33)?;
        // From here on they may be gone.
        (self.acknowledged, self.after_harm) = (31, 0);
        log.truncate_to(tx(31))?;
        self.fill(stage, &log, 4)?;
        log.retain_from(tx(30))?;
        log.rotate()?;
        self.fill(stage, &log, 3)?;
        log.close()
    }

    fn second_life(&mut self, stage: &Stage) -> Result<(), LogError> {
        let (log, report) = Log::open(&stage.env, "data", options())?;
        assert_eq!(
            report.next,
            tx(self.acknowledged),
            "an opening shows fewer in silence"
        );
        self.fill(stage, &log, 3)?;
        // Killed.
        Ok(())
    }
}

/// What an opening says in the end of the directory that holds the log.
fn finally(stage: &Stage) -> Result<u64, LogError> {
    let env = env_of(Arc::new(stage.disk.clone()));
    let has_log = |name: &&str| {
        let names = stage.disk.read_dir(Path::new(name)).unwrap_or_default();
        names
            .iter()
            .any(|entry| entry.name.to_string_lossy().ends_with(".log"))
    };
    let dirs: Vec<_> = ["data", "moved"].into_iter().filter(has_log).collect();
    assert!(dirs.len() < 2, "the log is in two directories");
    let dir = dirs.first().copied().unwrap_or("data");
    let (log, _) = Log::open(&env, dir, options())?;
    let count = read(log.reader(log.oldest())?)?;
    drop(log);
    let (log, _) = ReadOnlyLog::open(&env, dir, options())?;
    assert_eq!(read(log.reader(log.oldest())?)?, count);
    Ok(count)
}

/// Lives through it with the harm at a moment; false once the moment is behind the life.
fn live(harm: Harm, moment: u64) -> bool {
    let stage = Stage::new(harm, moment);
    let mut course = Course::default();
    let lived = course
        .first_life(&stage)
        .and_then(|()| course.second_life(&stage));
    course.errors.extend(lived.err());
    let was_harmed = stage.is_harmed();
    let what = format!("{harm:?} at {moment}: {course:?}");
    let mut left = finally(&stage);
    if harm == Harm::NewestMovedUp && left.is_err() && course.after_harm > 0 {
        // An opening had read the file, and has put another in its place: the old one is in the
        // way.
        fs::remove_file(&stage.disk, "data/00000000000000000999.log").expect("it is there");
        left = finally(&stage);
    }
    let is_whole = matches!(&left, Ok(count) if *count >= course.acknowledged);
    let is_told = matches!(&left, Err(error) if error.class() == ErrorClass::Damage);
    match harm {
        Harm::LockRemoved | Harm::NewestLinked => {
            // An opening may have listed the file and not opened it yet.
            let is_missing = |error: &LogError| {
                matches!(
                    error,
                    LogError::Io {
                        action: "open it",
                        ..
                    }
                )
            };
            assert!(course.errors.iter().all(is_missing), "{what}");
            assert!(course.after_harm > 0 || moment > 200, "{what}");
            assert!(is_whole, "{what}: {left:?}");
        }
        Harm::DirectoryRenamed | Harm::DirectoryReplaced => {
            let is_elsewhere = |error: &LogError| matches!(error, LogError::NotFound { .. });
            assert!(course.errors.iter().all(is_elsewhere), "{what}");
            let is_nothing =
                course.acknowledged == 0 && matches!(left, Err(LogError::NotFound { .. }));
            assert!(is_whole || is_nothing, "{what}: {left:?}");
        }
        _ => {
            assert!(is_whole || is_told, "{what}: {left:?}");
            assert!(is_whole || course.after_harm == 0, "{what}: {left:?}");
        }
    }
    was_harmed
}

#[test]
fn names_may_change_at_any_moment() {
    let mut complaints = Vec::new();
    for harm in Harm::ALL {
        let mut moments = 0;
        loop {
            match std::panic::catch_unwind(|| live(harm, moments)) {
                Ok(false) => break,
                Ok(true) => {}
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned();
                    complaints.push(text.unwrap_or_else(|| format!("{harm:?} at {moments}")));
                }
            }
            moments += 1;
        }
        assert!(moments > 200, "a life has many moments: {moments}");
    }
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
