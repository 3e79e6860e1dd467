//! The simulated disk as an implementation of [`Fs`].
//!
//! It can be used by itself in a unit test:
//!
//! ```
//! use blackstart_sim::call::CallKind;
//! use blackstart_sim::disk::{CrashKind, DiskConfig, Errno, SimFs};
//! use blackstart_vfs::{FileExt, Fs, OpenOptions};
//! use std::path::Path;
//!
//! let fs = SimFs::new(DiskConfig::default());
//! fs.create_root()?;
//! let options = OpenOptions::new().read().write().create();
//! let file = fs.open(Path::new("a.log"), options)?;
//! file.write_all_at(b"synced", 0)?;
//! file.sync_all()?;
//! fs.sync_dir(Path::new(""))?;
//! file.write_all_at(b"not synced", 6)?;
//!
//! // The third sync of a log fails as EIO.
//! fs.fail(CallKind::SyncData).on("*.log").nth(3).errno(Errno::Eio);
//!
//! fs.crash(CrashKind::Power);
//! assert!(file.len().is_err(), "handles of before the crash are dead");
//! assert_eq!(fs.metadata(Path::new("a.log"))?.len, 6);
//! # Ok::<(), std::io::Error>(())
//! ```

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart_vfs::{DirEntry, File, Fs, Lock, LockKind, Metadata, OpenOptions};
use parking_lot::Mutex;

use super::asked::{Asked, Asks};
use super::config::DiskConfig;
use super::crash::{CrashKind, CrashModel};
use super::enumerate::{Budget, enumerate};
use super::fault::{FaultRule, LedgerEntry, Promise};
use super::gate::{Gate, NoGate};
use super::handle::{Handle, Held};
use super::hash;
use super::image::Image;
use super::inject::FaultBuilder;
use super::ledger::{Sighting, Told};
use super::live::Disk;
use super::names::{At, text};
use super::record::{CallLog, CallRecord};
use super::survivors::Survivors;
use super::trace::Trace;
use super::tree::Ino;
use crate::call::{CallId, CallKind};

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimFs {
    pub(super) disk: Arc<Mutex<Disk>>,
    gate: Arc<dyn Gate>,
    /// The directory that paths begin at, unless it is the root of the disk.
    root: Option<Arc<Handle>>,
}

impl SimFs {
    /// An empty disk by itself, without a scheduler: for unit tests.
    pub fn new(config: DiskConfig) -> Self {
        Self::boot(
            &Image::empty(&config),
            &config,
            &[],
            Arc::new(NoGate::new()),
        )
    }

    /// A disk that holds `image`, with faults, behind a gate.
    pub fn boot(
        image: &Image,
        config: &DiskConfig,
        rules: &[FaultRule],
        gate: Arc<dyn Gate>,
    ) -> Self {
        Self {
            disk: Arc::new(Mutex::new(Disk::new(image, config, rules))),
            gate,
            root: None,
        }
    }

    /// Begins the description of a fault: `fs.fail(SyncData).on("*.log").nth(3).errno(Eio)`.
    pub fn fail(&self, kind: CallKind) -> FaultBuilder<'_> {
        FaultBuilder::new(self, kind)
    }

    /// As [`SimFs::fail`], for calls that make a file longer:
    /// `fs.fail_growth().on("*.log").times(100).errno(Enospc)`.
    pub fn fail_growth(&self) -> FaultBuilder<'_> {
        FaultBuilder::of_growth(self)
    }

    /// Adds a fault.
    pub fn inject(&self, rule: FaultRule) {
        let mut disk = self.disk.lock();
        disk.injector.add(rule);
        if let Some(asked) = &mut disk.asked {
            asked.void();
        }
    }

    /// Stops all faults: none strikes any more, damaged bytes are whole again, the disk has space
    /// and any number of files may be open. What was altered of names and lengths stays as it is.
    pub fn heal(&self) {
        let mut disk = self.disk.lock();
        disk.note_repairs();
        disk.injector.heal();
        disk.damage.clear();
        disk.capacity_bytes = None;
        disk.config.handles_max = None;
    }

    /// Crashes: a loss of power keeps nothing that was not synced. The disk then shows what
    /// survived, and handles and locks of before are dead.
    pub fn crash(&self, kind: CrashKind) {
        self.become_image(|model| match kind {
            CrashKind::Power => model.image(&Survivors::None),
            CrashKind::Kill => model.kill_image(),
        });
    }

    /// A loss of power that keeps what `survivors` says.
    pub fn crash_with(&self, survivors: &Survivors) {
        self.become_image(|model| model.image(survivors));
    }

    /// The images that a loss of power now may leave, in the order of
    /// [`enumerate`], each different from the ones before.
    pub fn images(&self, budget: &Budget) -> Vec<(Survivors, Image)> {
        let model = self.crash_model();
        let mut seen = std::collections::BTreeSet::new();
        let image = |survivors: Survivors| {
            let image = model.image(&survivors);
            (survivors, image)
        };
        let all = enumerate(&model, budget).map(image);
        all.filter(|(_, image)| seen.insert(image.content_hash()))
            .collect()
    }

    /// A disk of its own that holds an image.
    pub fn of_image(image: &Image, config: &DiskConfig) -> Self {
        Self::boot(image, config, &[], Arc::new(NoGate::new()))
    }

    /// From now on what the run asks of the image is written down; it must not have begun.
    pub(crate) fn note_questions(&self) {
        let mut disk = self.disk.lock();
        let is_void = !disk.rules.is_empty() || !disk.base.is_plain(&disk.config);
        disk.asked = Some(Asked::of(&disk.base.visible, is_void));
    }

    /// What the run asked of the image, if that was written down and is all that it asked.
    pub(crate) fn take_questions(&self) -> Option<Asks> {
        self.disk.lock().asked.take().and_then(Asked::take)
    }

    /// What is durable and pending now.
    pub fn crash_model(&self) -> CrashModel {
        let mut disk = self.disk.lock();
        if let Some(asked) = &mut disk.asked {
            asked.void();
        }
        let disk = &*disk;
        let mut model = CrashModel::new(&disk.base, &disk.config, &disk.rules);
        model.advance(&disk.trace, disk.trace.len());
        model
    }

    /// What is seen now, as if all of it were durable.
    pub(crate) fn seen(&self) -> Image {
        let disk = self.disk.lock();
        let mut visible = disk.tree.clone();
        visible.collect();
        Image::of_seen(visible, disk.damage.clone())
    }

    fn become_image(&self, image: impl FnOnce(&CrashModel) -> Image) {
        let image = image(&self.crash_model());
        let mut disk = self.disk.lock();
        let generation = disk.generation + 1;
        let log = disk.log.take();
        let mut injector = std::mem::take(&mut disk.injector);
        injector.is_shut_down = false;
        *disk = Disk::new(&image, &disk.config.clone(), &[]);
        disk.generation = generation;
        disk.injector = injector;
        disk.log = log;
    }

    /// How many effects there were so far.
    pub fn trace_len(&self) -> usize {
        self.disk.lock().trace.len()
    }

    /// Takes the trace out.
    pub fn take_trace(&self) -> Trace {
        std::mem::take(&mut self.disk.lock().trace)
    }

    /// A hash of every call and its result.
    pub fn trace_hash(&self) -> u64 {
        self.disk.lock().hash
    }

    /// How many effects there were so far, and how many calls are written down.
    pub(crate) fn progress(&self) -> (usize, usize) {
        let disk = self.disk.lock();
        let calls = disk.log.as_ref().map_or(0, |log| log.calls.len());
        (disk.trace.len(), calls)
    }

    /// Whether calls are written down in words, for [`SimFs::take_log`].
    pub fn set_verbose(&self, verbose: bool) {
        let mut disk = self.disk.lock();
        let ledger = disk.injector.ledger();
        disk.log = verbose.then(|| CallLog::new(ledger));
    }

    /// The calls in words.
    pub fn take_log(&self) -> Vec<CallRecord> {
        let mut disk = self.disk.lock();
        let log = disk.log.as_mut();
        log.map(|log| std::mem::take(&mut log.calls))
            .unwrap_or_default()
    }

    /// How often faults have struck that may make a program report an error.
    pub fn faults_struck(&self) -> u64 {
        self.disk.lock().injector.struck()
    }

    /// What is still promised after the faults that have struck.
    pub fn promise(&self) -> Promise {
        self.disk.lock().injector.promise()
    }

    /// What became of each fault.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        let mut disk = self.disk.lock();
        disk.note_repairs();
        disk.injector.ledger()
    }

    /// How often faults have shown themselves to the program.
    pub fn sighting_count(&self) -> usize {
        self.disk.lock().injector.ledger.sightings().len()
    }

    /// Every time that a fault has shown itself to the program, in order.
    pub fn sightings(&self) -> Vec<Sighting> {
        self.disk.lock().injector.ledger.sightings().to_vec()
    }

    /// The program has reported an error that names `file`: it detected what showed itself there
    /// from the sighting `since` on. Gives what was credited.
    pub fn report(&self, since: usize, file: &str, told: &Told) -> Vec<Sighting> {
        let mut disk = self.disk.lock();
        disk.injector.ledger.report(since, file, told)
    }

    /// What the task did since the sighting `since` was judged right.
    pub fn verified(&self, task: u32, since: usize) {
        self.disk.lock().injector.ledger.verified(task, since);
    }

    /// The run is over: what is neither reported nor followed by a right answer is silent. Gives
    /// the first such sighting.
    pub fn settle(&self, must_report: &dyn Fn(&Sighting) -> bool) -> Option<Sighting> {
        let mut disk = self.disk.lock();
        disk.injector.ledger.settle(must_report);
        disk.injector.ledger.silent().cloned()
    }

    /// The names of all files in the root.
    pub fn file_names(&self) -> Vec<String> {
        self.disk.lock().file_names(|_| true)
    }

    /// The names of the files in the root in which bytes are damaged.
    pub fn damaged_files(&self) -> Vec<String> {
        let disk = self.disk.lock();
        disk.file_names(|ino| disk.damage.is_in(ino))
    }

    /// The names that others have altered or taken, and that the program has not given anew since.
    pub fn altered_names(&self) -> Vec<String> {
        self.disk.lock().altered.names()
    }

    /// The files that are open now, by a name of theirs, and how often.
    pub fn open_files(&self) -> Vec<(String, u32)> {
        self.disk.lock().open_files()
    }

    pub(super) fn call<T>(
        &self,
        kind: CallKind,
        words: impl FnOnce(&Disk) -> [u64; 3],
        describe: impl FnOnce(&mut String),
        body: impl FnOnce(&mut Disk, CallId) -> io::Result<T>,
    ) -> io::Result<T> {
        let call = self.gate.enter(kind)?;
        let mut disk = self.disk.lock();
        let words = words(&disk);
        let result = body(&mut disk, call);
        disk.note(call, &result, words, describe);
        let waits = disk.take_waits();
        drop(disk);
        if let Some((stall_ns, jump_ns)) = waits {
            self.gate.stall(stall_ns);
            self.gate.jump_wall(jump_ns);
        }
        result
    }

    /// A path of the program, as faults and reports name it.
    fn name<'p>(&self, path: &'p Path) -> Cow<'p, str> {
        let below = text(path);
        match &self.root {
            Some(root) if below.is_empty() => root.path.to_string().into(),
            Some(root) if !root.path.is_empty() => format!("{}/{below}", root.path).into(),
            _ => below.into(),
        }
    }

    fn path_call<T>(
        &self,
        kind: CallKind,
        path: &Path,
        body: impl FnOnce(&mut Disk, CallId, At<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.two_path_call(kind, (path, Path::new("")), |disk, call, at, _| {
            body(disk, call, at)
        })
    }

    /// A call with two paths; the first one is what it is shown by.
    fn two_path_call<T>(
        &self,
        kind: CallKind,
        (path, other): (&Path, &Path),
        body: impl FnOnce(&mut Disk, CallId, At<'_>, At<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        let (name, other_name) = (&*self.name(path), &*self.name(other));
        let dir = self.root.as_ref().map_or(Ino::PATHS, |root| root.ino);
        let at = |path, name| At { dir, path, name };
        let words = |_: &Disk| {
            let [name, other] = [name, other_name].map(|name| hash::bytes(0, name.as_bytes()));
            [name, other, 0]
        };
        self.call(
            kind,
            words,
            |line| line.push_str(name),
            |disk, call| {
                if let Some(root) = &self.root {
                    root.check_alive(disk)?;
                }
                body(disk, call, at(path, name), at(other, other_name))
            },
        )
    }

    fn handle(&self, ino: Ino, path: &Path, options: OpenOptions) -> Handle {
        Handle {
            fs: self.clone(),
            ino,
            path: self.name(path).into(),
            options,
            generation: self.disk.lock().generation,
        }
    }
}

impl Fs for SimFs {
    fn create_root(&self) -> io::Result<()> {
        self.path_call(CallKind::CreateRoot, Path::new(""), |disk, call, at| {
            disk.create_root(call, at)
        })
    }

    fn subdir(&self, path: &Path) -> io::Result<Arc<dyn Fs>> {
        let ino = self.path_call(CallKind::Subdir, path, |disk, call, at| {
            let ino = disk.subdir(call, at)?;
            disk.hold(ino);
            Ok(ino)
        })?;
        let root = self.handle(ino, path, OpenOptions::new());
        let root = Some(Arc::new(root));
        Ok(Arc::new(Self {
            root,
            ..self.clone()
        }))
    }

    fn display_path(&self, path: &Path) -> PathBuf {
        match &*self.name(path) {
            "" => ".".into(),
            name => name.into(),
        }
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>> {
        let ino = self.path_call(CallKind::Open, path, |disk, call, at| {
            let ino = disk.open(call, at, options)?;
            disk.hold(ino);
            Ok(ino)
        })?;
        Ok(Arc::new(self.handle(ino, path, options)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::CreateDir, path, Disk::create_dir)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.path_call(CallKind::ReadDir, path, Disk::read_dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.two_path_call(CallKind::Rename, (from, to), Disk::rename)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.two_path_call(
            CallKind::HardLink,
            (new, existing),
            |disk, call, new, existing| disk.hard_link(call, existing, new),
        )
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::RemoveFile, path, Disk::remove_file)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::RemoveDir, path, Disk::remove_dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.path_call(CallKind::Metadata, path, Disk::metadata)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::SyncDir, path, Disk::sync_dir)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>> {
        let ino = self.path_call(CallKind::Lock, path, |disk, call, at| {
            let ino = disk.lock(call, at, kind)?;
            disk.hold(ino);
            Ok(ino)
        })?;
        Ok(Box::new(Held(self.handle(ino, path, OpenOptions::new()))))
    }
}
