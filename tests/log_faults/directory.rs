//! A directory of the operating system with a log in it, and what is seen of the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart::commitlog::{
    Durability, ErrorClass, Log, LogError, LogOptions, ReadOnlyLog, Reader, RecoveryReport,
    TxOffset, verify,
};
use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::port::fs;
use blackstart_vfs::{DirEntry, Env, FileKind, Fs};

/// Segments of 4 KiB.
pub fn options() -> LogOptions {
    LogOptions::new()
        .segment_bytes_max(4096)
        .preallocate_bytes(0)
}

pub fn tx(number: u64) -> TxOffset {
    TxOffset::new(number)
}

/// The record of a transaction: 100 bytes that say its offset.
pub fn record(number: u64) -> String {
    format!("{number:0100}")
}

/// Commits `count` records, each synced.
pub fn fill(log: &Log, count: u64) {
    for _ in 0..count {
        let number = log.visible_through().get();
        let committed = log.commit(&[record(number)], Durability::Synced);
        assert_eq!(committed.expect("a commit").first, tx(number));
    }
}

/// The name of the segment that starts there.
pub fn segment(first: u64) -> String {
    format!("{first:020}.log")
}

/// A directory of its own with a log in it.
pub struct Dir {
    env: Env,
    /// The directory, if it is one of the operating system.
    path: Option<PathBuf>,
    _root: Option<tempfile::TempDir>,
}

impl Dir {
    /// A directory on a simulated disk, on which a sync takes no time.
    pub fn new() -> Self {
        let disk = SimFs::new(DiskConfig::default());
        disk.create_root().expect("a simulated disk has a root");
        Self {
            env: env_of(Arc::new(disk)),
            path: None,
            _root: None,
        }
    }

    /// A directory of the operating system: `data` in one of its own.
    pub fn os() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = root.path().join("data");
        std::fs::create_dir(&path).expect("a directory");
        Self {
            env: Env::os(&path),
            path: Some(path),
            _root: Some(root),
        }
    }

    /// Puts these files in it.
    pub fn with(self, files: &[(String, Vec<u8>)]) -> Self {
        for (name, bytes) in files {
            self.write(name, bytes);
        }
        self
    }

    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The path of a file, or of the directory itself.
    pub fn path(&self, name: &str) -> PathBuf {
        let path = self.path.as_ref();
        path.expect("a directory of the operating system")
            .join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.env.fs(), name, bytes).expect("a file is written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.env.fs(), name).expect("a file is read")
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.env.fs(), name).expect("a file is removed");
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.env.fs(), from, to).expect("a file is renamed");
    }

    fn entries(&self) -> Vec<DirEntry> {
        self.env.fs().read_dir(Path::new("")).expect("a listing")
    }

    pub fn names(&self) -> Vec<String> {
        let entries = self.entries().into_iter();
        entries
            .map(|entry| entry.name.into_string().expect("text"))
            .collect()
    }

    /// All regular files and what is in them.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = self.entries().into_iter();
        let files = entries.filter(|entry| entry.kind == FileKind::File);
        let names = files.map(|entry| entry.name.into_string().expect("text"));
        names.map(|name| (name.clone(), self.read(&name))).collect()
    }

    pub fn open(&self, options: LogOptions) -> Result<(Log, RecoveryReport), LogError> {
        Log::open(&self.env, "", options)
    }
}

/// The environment of the operating system on another file system.
pub fn env_of(fs: Arc<dyn Fs>) -> Env {
    Env::os("").with_fs(fs)
}

/// What is seen of a log that should have so many commits of [`record`]s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All of them, and nothing is wrong.
    Whole,
    /// Somebody says what is wrong: the opening, a reader, or `verify`.
    Told(String),
    /// Only so many, and nobody says that anything is wrong.
    Fewer(u64),
}

/// Reads records up to the visible end and checks that they are what was committed.
pub fn read(mut reader: Reader) -> Result<u64, LogError> {
    loop {
        let position = reader.position().get();
        let Some(commit) = reader.next_commit()? else {
            return Ok(position);
        };
        let records: Vec<_> = commit.transactions().collect();
        let expected = record(position);
        assert_eq!(records, [(tx(position), expected.as_bytes())]);
    }
}

/// Looks at the log in every way; they must agree. An opening that refuses the log changes nothing,
/// and one that does not gives no offset twice.
pub fn look(dir: &Dir, end: u64) -> Seen {
    let env = dir.env();
    let verified = verify(env, "", &options()).map(|verified| verified.problem().cloned());
    let looked = ReadOnlyLog::open(env, "", options());
    if let Ok((_, report)) = &looked {
        everything_is_listed(dir, report);
    }
    let looked = looked.and_then(|(log, report)| {
        let read = read(log.reader(log.oldest())?)?;
        assert_eq!(report.next, tx(read));
        Ok(read)
    });
    let before = dir.files();
    let opened = dir.open(options().create(true));
    if opened.is_err() {
        let is_temp = |name: &str| name.ends_with(".tmp");
        let kept = |files: Vec<(String, Vec<u8>)>| {
            let files = files.into_iter().filter(|(name, _)| !is_temp(name));
            files.collect::<Vec<_>>()
        };
        assert!(
            kept(before) == kept(dir.files()),
            "a refused log was changed"
        );
    }
    let opened = opened.and_then(|(log, report)| {
        assert!(!report.created, "a new log was put in the place of one");
        let read = read(log.reader(log.oldest())?)?;
        assert_eq!(report.next, tx(read));
        Ok(log)
    });
    let opened = opened.map(|log| {
        let next = log.visible_through().get();
        fill(&log, 1);
        log.close().expect("it closes");
        next
    });
    let mut told = Vec::new();
    let mut seen = Vec::new();
    let problem = verified.unwrap_or_else(Some);
    told.extend(problem);
    for outcome in [looked, opened] {
        match outcome {
            Ok(count) => seen.push(count),
            Err(error) => told.push(error),
        }
    }
    match told.first() {
        Some(error) => {
            assert!(seen.is_empty(), "some say {told:?}, and others show it");
            for error in &told {
                let is_told = matches!(error.class(), ErrorClass::Damage | ErrorClass::System);
                assert!(is_told, "{error:?}");
            }
            Seen::Told(error.to_string())
        }
        None if seen == [end, end] => {
            let again = dir.open(options()).expect("it opens again").1;
            assert_eq!(again.next, tx(end + 1));
            Seen::Whole
        }
        None => {
            assert_eq!(seen[0], seen[1], "readers and writers see the same");
            Seen::Fewer(seen[0])
        }
    }
}

/// Every name is that of a segment in use, the superblock's, or in the report.
fn everything_is_listed(dir: &Dir, report: &RecoveryReport) {
    let mut names = dir.names();
    for note in &report.files {
        let place = names.iter().position(|name| *name == note.file);
        names.remove(place.expect("a note is of a file, once"));
    }
    let segments = names.iter().filter(|name| name.ends_with(".log")).count();
    let locks = names.iter().filter(|name| *name == "lock").count();
    assert_eq!(segments as u64, report.segments, "{names:?}");
    assert_eq!(
        segments + locks,
        names.len(),
        "left out in silence: {names:?}"
    );
}
