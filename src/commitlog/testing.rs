//! What the tests of this module share: a scratch directory and its files.

pub(crate) mod hooked;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use blackstart_sim::disk::{Budget, CrashModel, DiskConfig, Image, SimFs, enumerate};
use blackstart_vfs::os::{OsClock, OsEntropy, OsTasks};
use blackstart_vfs::{Env, FileExt, OpenOptions};

use super::{Durability, Log, LogError, LogOptions, ReadOnlyLog, Reader, RecoveryReport, TxOffset};

/// A disk of its own.
pub(crate) struct Scratch {
    pub env: Env,
    /// The disk, if it is a simulated one.
    pub disk: SimFs,
    _dir: Option<tempfile::TempDir>,
}

impl Scratch {
    /// A simulated disk, on which a sync takes no time and which a test can have fail.
    pub fn new() -> Self {
        Self::with(DiskConfig::default())
    }

    /// A simulated disk of this kind.
    pub fn with(config: DiskConfig) -> Self {
        Self::on(SimFs::new(config))
    }

    /// This simulated disk.
    pub fn on(disk: SimFs) -> Self {
        let (clock, tasks) = (Arc::new(OsClock::new()), Arc::new(OsTasks::new()));
        let env = Env::new(Arc::new(disk.clone()), clock, tasks, Arc::new(OsEntropy));
        env.fs().create_root().expect("a simulated disk has a root");
        Self {
            env,
            disk,
            _dir: None,
        }
    }

    /// A directory of the operating system.
    pub fn os() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let env = Env::os(dir.path());
        Self {
            env,
            disk: SimFs::new(DiskConfig::default()),
            _dir: Some(dir),
        }
    }

    pub fn names(&self) -> Vec<String> {
        let entries = self
            .env
            .fs()
            .read_dir(Path::new(""))
            .expect("the directory can be listed");
        let names = entries
            .into_iter()
            .map(|entry| entry.name.into_string().expect("text"));
        names.filter(|name| name != "lock").collect()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let file = self
            .env
            .fs()
            .open(Path::new(name), OpenOptions::new().read());
        let file = file.expect("the file exists");
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        file.read_exact_at(&mut bytes, 0)
            .expect("the file can be read");
        bytes
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let options = OpenOptions::new().write().create().truncate();
        let file = self
            .env
            .fs()
            .open(Path::new(name), options)
            .expect("the file can be made");
        file.write_all_at(bytes, 0)
            .expect("the file can be written");
    }

    pub fn remove(&self, name: &str) {
        self.env
            .fs()
            .remove_file(Path::new(name))
            .expect("the file exists");
    }

    /// Changes the bytes of a file.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(name);
        edit(&mut bytes);
        self.write(name, &bytes);
    }

    pub fn open(&self) -> (Log, RecoveryReport) {
        self.open_with(options()).expect("the log opens")
    }

    pub fn open_with(&self, options: LogOptions) -> Result<(Log, RecoveryReport), LogError> {
        Log::open(&self.env, "", options)
    }

    pub fn error(&self) -> LogError {
        match self.open_with(options()) {
            Ok((_, report)) => panic!("the log should not open: {report:?}"),
            Err(error) => error,
        }
    }

    /// All records, by a read-only look.
    pub fn records(&self) -> Vec<String> {
        let (log, _) = ReadOnlyLog::open(&self.env, "", options()).expect("the log can be read");
        read(
            log.reader(log.oldest())
                .expect("the oldest transaction is there"),
        )
    }
}

/// What a crash may leave.
pub(crate) struct Crash {
    /// After how many effects of the run it struck.
    pub cut: usize,
    /// Whether the run was over.
    pub is_over: bool,
    /// Whether only the process died: what was not synced is there, and may be lost later.
    pub is_kill: bool,
    pub disk: Scratch,
}

/// Runs on an image and crashes after each effect; each crash leaves some of what was not synced.
pub(crate) fn crashes(image: &Image, run: impl Fn(&Scratch)) -> Vec<Crash> {
    let config = DiskConfig::default();
    let scratch = Scratch::on(SimFs::of_image(image, &config));
    run(&scratch);
    let trace = scratch.disk.take_trace();
    let mut model = CrashModel::new(image, &config, &[]);
    let mut crashes = Vec::new();
    for cut in 0..=trace.len() {
        model.advance(&trace, cut);
        let mut images = vec![(model.kill_image(), true)];
        for survivors in enumerate(&model, &Budget::up_to(200)) {
            images.push((model.image(&survivors), false));
        }
        let mut seen = BTreeSet::new();
        images.retain(|(image, is_kill)| seen.insert((image.content_hash(), *is_kill)));
        crashes.extend(images.into_iter().map(|(image, is_kill)| Crash {
            cut,
            is_over: cut == trace.len(),
            is_kill,
            disk: Scratch::on(SimFs::of_image(&image, &config)),
        }));
    }
    crashes
}

/// Small segments, nothing preallocated: files that a test can reason about.
pub(crate) fn options() -> LogOptions {
    LogOptions::new()
        .create(true)
        .segment_bytes_max(4096)
        .preallocate_bytes(0)
}

/// The records of commits up to the visible end.
pub(crate) fn read(mut reader: Reader) -> Vec<String> {
    let mut records = Vec::new();
    loop {
        match reader.next_commit() {
            Ok(None) => return records,
            Ok(Some(commit)) => {
                for (tx_offset, record) in commit.transactions() {
                    let record = String::from_utf8_lossy(record);
                    records.push(format!("{tx_offset}:{record}"));
                }
            }
            Err(LogError::Lost { from, to }) => records.push(format!("lost {from}..{to}")),
            Err(error) => panic!("{error}: {:?}", records.last()),
        }
    }
}

/// Commits one record for each name.
pub(crate) fn commit(log: &Log, names: &[&str]) {
    for name in names {
        log.commit(&[name], Durability::Synced)
            .expect("the commit succeeds");
    }
}

pub(crate) fn tx(number: u64) -> TxOffset {
    TxOffset::new(number)
}
