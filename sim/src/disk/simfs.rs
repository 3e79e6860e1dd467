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

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{DirEntry, File, Fs, Lock, LockKind, Look, Metadata, OpenOptions};
use parking_lot::Mutex;

use super::asked::{Asked, Asks};
use super::config::DiskConfig;
use super::crash::{CrashKind, CrashModel};
use super::enumerate::{Budget, enumerate};
use super::fault::{Errno, FaultRule, LedgerEntry, Promise};
use super::gate::{Gate, NoGate};
use super::hash;
use super::image::Image;
use super::inject::FaultBuilder;
use super::ledger::{Sighting, Told};
use super::live::Disk;
use super::names::text;
use super::record::{CallLog, CallRecord};
use super::survivors::Survivors;
use super::trace::Trace;
use super::tree::Ino;
use crate::call::{CallId, CallKind};

/// A simulated disk. Clones are the same disk.
#[derive(Clone)]
pub struct SimFs {
    disk: Arc<Mutex<Disk>>,
    gate: Arc<dyn Gate>,
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
        }
    }

    /// Begins the description of a fault: `fs.fail(SyncData).on("*.log").nth(3).errno(Eio)`.
    pub fn fail(&self, kind: CallKind) -> FaultBuilder<'_> {
        FaultBuilder::new(self, kind)
    }

    /// Adds a fault.
    pub fn inject(&self, rule: FaultRule) {
        let mut disk = self.disk.lock();
        disk.injector.add(rule);
        if let Some(asked) = &mut disk.asked {
            asked.void();
        }
    }

    /// Stops all faults: none strikes any more, damage at rest is undone, the disk has space and
    /// any number of files may be open.
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
        let (log, rules) = (disk.log.take(), std::mem::take(&mut disk.rules));
        let mut injector = std::mem::take(&mut disk.injector);
        injector.is_shut_down = false;
        *disk = Disk::new(&image, &disk.config.clone(), &[]);
        disk.generation = generation;
        disk.injector = injector;
        disk.log = log;
        disk.rules = rules;
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

    /// The files that are open now, by a name of theirs, and how often.
    pub fn open_files(&self) -> Vec<(String, u32)> {
        self.disk.lock().open_files()
    }

    fn call<T>(
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

    fn path_call<T>(
        &self,
        kind: CallKind,
        path: &Path,
        body: impl FnOnce(&mut Disk, CallId) -> io::Result<T>,
    ) -> io::Result<T> {
        self.two_path_call(kind, (path, Path::new("")), body)
    }

    /// A call with two paths; the first one is what it is shown by.
    fn two_path_call<T>(
        &self,
        kind: CallKind,
        (path, other): (&Path, &Path),
        body: impl FnOnce(&mut Disk, CallId) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = text(path);
        let words = |_: &Disk| {
            let [name, other] = [name, text(other)].map(|name| hash::bytes(0, name.as_bytes()));
            [name, other, 0]
        };
        self.call(kind, words, |line| line.push_str(name), body)
    }

    fn handle(&self, ino: Ino, path: &Path, options: OpenOptions) -> Handle {
        Handle {
            fs: self.clone(),
            ino,
            path: text(path).into(),
            options,
            generation: self.disk.lock().generation,
        }
    }
}

impl Fs for SimFs {
    fn create_root(&self) -> io::Result<()> {
        self.path_call(CallKind::CreateRoot, Path::new(""), |disk, call| {
            disk.create_root(call)
        })
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>> {
        let ino = self.path_call(CallKind::Open, path, |disk, call| {
            let ino = disk.open(call, path, options)?;
            disk.hold(ino);
            Ok(ino)
        })?;
        Ok(Arc::new(self.handle(ino, path, options)))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::CreateDir, path, |disk, call| {
            disk.create_dir(call, path)
        })
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.path_call(CallKind::ReadDir, path, |disk, call| {
            disk.read_dir(call, path)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.two_path_call(CallKind::Rename, (from, to), |disk, call| {
            disk.rename(call, from, to)
        })
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.two_path_call(CallKind::HardLink, (new, existing), |disk, call| {
            disk.hard_link(call, existing, new)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::RemoveFile, path, |disk, call| {
            disk.remove_file(call, path)
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::RemoveDir, path, |disk, call| {
            disk.remove_dir(call, path)
        })
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.path_call(CallKind::Metadata, path, |disk, call| {
            disk.metadata(call, path)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.path_call(CallKind::SyncDir, path, |disk, call| {
            disk.sync_dir(call, path)
        })
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>> {
        let ino = self.path_call(CallKind::Lock, path, |disk, call| {
            let ino = disk.lock(call, path, kind)?;
            disk.hold(ino);
            Ok(ino)
        })?;
        Ok(Box::new(Held(self.handle(ino, path, OpenOptions::new()))))
    }
}

/// An open file.
struct Handle {
    fs: SimFs,
    ino: Ino,
    path: Box<str>,
    options: OpenOptions,
    generation: u64,
}

impl Handle {
    fn call<T>(
        &self,
        kind: CallKind,
        at: u64,
        len: u64,
        body: impl FnOnce(&mut Disk, CallId) -> io::Result<T>,
    ) -> io::Result<T> {
        let words = |_: &Disk| [u64::from(self.ino.0), at, len];
        let describe = |line: &mut String| {
            let _ = write!(line, "{} {at}+{len}", self.path);
        };
        self.fs.call(kind, words, describe, |disk, call| {
            if disk.generation != self.generation {
                return Err(Errno::Eio.error());
            }
            body(disk, call)
        })
    }

    /// A misaligned direct call is EINVAL.
    fn check_direct(&self, disk: &Disk, offset: u64, len: usize) -> io::Result<()> {
        let block = disk.config.logical_block_bytes.max(1);
        let is_aligned = offset.is_multiple_of(block) && (len as u64).is_multiple_of(block);
        if self.options.is_direct() && !is_aligned {
            return Err(Errno::Einval.error());
        }
        Ok(())
    }

    fn check_write(&self) -> io::Result<()> {
        if self.options.is_write() {
            Ok(())
        } else {
            Err(Errno::Ebadf.error())
        }
    }
}

/// Linux: positions and lengths are signed, and a negative one is EINVAL before all else.
fn check_position(position: u64) -> io::Result<()> {
    match i64::try_from(position) {
        Ok(_) => Ok(()),
        Err(_) => Err(Errno::Einval.error()),
    }
}

/// Linux: a read or write may not reach beyond the last position.
fn check_span(offset: u64, len: u64) -> io::Result<()> {
    check_position(offset.saturating_add(len))
}

/// Linux: a range to allocate or to punch is not empty.
fn check_range(offset: u64, len: u64) -> io::Result<()> {
    check_position(offset)?;
    check_position(len)?;
    if len == 0 {
        Err(Errno::Einval.error())
    } else {
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = self.fs.disk.lock();
        if disk.generation == self.generation {
            disk.release(self.ino);
        }
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buffer.len();
        self.call(CallKind::Read, offset, len as u64, |disk, call| {
            check_position(offset)?;
            if !self.options.is_read() {
                return Err(Errno::Ebadf.error());
            }
            check_span(offset, len as u64)?;
            self.check_direct(disk, offset, len)?;
            let is_looking = self.options.is_looking();
            disk.read(call, &self.path, self.ino, buffer, offset, is_looking)
        })
    }

    fn concludes(&self, look: Look) {
        let mut disk = self.fs.disk.lock();
        if disk.generation == self.generation
            && let Ok((_, len)) = disk.content(self.ino)
            && let Some(asked) = &mut disk.asked
        {
            asked.concludes(self.ino, len, look);
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let word = hash::bytes(bytes.len() as u64, bytes);
        self.fs.call(
            CallKind::Write,
            |_| [u64::from(self.ino.0), offset, word],
            |line| {
                let _ = write!(line, "{} {offset}+{}", self.path, bytes.len());
            },
            |disk, call| {
                if disk.generation != self.generation {
                    return Err(Errno::Eio.error());
                }
                check_position(offset)?;
                self.check_write()?;
                check_span(offset, bytes.len() as u64)?;
                self.check_direct(disk, offset, bytes.len())?;
                disk.write(call, &self.path, self.ino, bytes, offset)
            },
        )
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(CallKind::SetLen, len, 0, |disk, call| {
            // Linux: EINVAL, not EBADF, for a descriptor that was not opened for writing.
            check_position(len)?;
            self.check_write().map_err(|_| Errno::Einval.error())?;
            disk.set_len(call, &self.path, self.ino, len)
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(CallKind::Allocate, offset, len, |disk, call| {
            check_range(offset, len)?;
            self.check_write()?;
            disk.allocate(call, &self.path, self.ino, offset, len)
        })
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(CallKind::Punch, offset, len, |disk, call| {
            check_range(offset, len)?;
            self.check_write()?;
            disk.punch(call, &self.path, self.ino, offset, len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(CallKind::SyncData, 0, 0, |disk, call| {
            disk.sync(call, &self.path, self.ino, false)
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.call(CallKind::SyncAll, 0, 0, |disk, call| {
            disk.sync(call, &self.path, self.ino, true)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.call(CallKind::Len, 0, 0, |disk, call| {
            disk.fault(call, &self.path)?;
            disk.ask_len(self.ino);
            disk.tree
                .get(self.ino)
                .map(|inode| inode.len)
                .ok_or_else(|| Errno::Eio.error())
        })
    }
}

/// A held lock. Its release is not a call: destructors make none.
struct Held(Handle);

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let mut disk = self.0.fs.disk.lock();
        if disk.generation == self.0.generation {
            disk.unlock(self.0.ino);
        }
    }
}
