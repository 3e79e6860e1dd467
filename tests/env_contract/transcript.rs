//! Calls on a file system, each written down with its result.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{Env, File, FileId, FileKind, Fs, Lock, LockKind, OpenOptions};

/// Read only.
pub const READ: OpenOptions = OpenOptions::new().read();
/// Write only, of an existing file.
pub const WRITE: OpenOptions = OpenOptions::new().write();
/// Read and write, of an existing file.
pub const EDIT: OpenOptions = OpenOptions::new().read().write();
/// Read and write, created if missing.
pub const CREATE: OpenOptions = EDIT.create();

/// An open file and the name it goes by in the transcript.
#[derive(Clone)]
pub struct Handle {
    pub file: Arc<dyn File>,
    label: String,
    is_dir: bool,
}

/// A world under test and what it has answered so far.
pub struct Session<'a> {
    env: &'a Env,
    /// The directory that calls are made below, if it is not the root.
    held: Option<Arc<dyn Fs>>,
    /// Identities in the order in which they were first seen.
    ids: Vec<FileId>,
    lines: Vec<String>,
}

impl<'a> Session<'a> {
    pub fn new(env: &'a Env) -> Self {
        Self {
            env,
            held: None,
            ids: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn fs(&self) -> &dyn Fs {
        self.held.as_deref().unwrap_or_else(|| self.env.fs())
    }

    /// Holds a directory. The calls go on where they were.
    pub fn subdir(&mut self, path: impl AsRef<OsStr>) -> Option<Arc<dyn Fs>> {
        let path = path.as_ref();
        let result = self.fs().subdir(Path::new(path));
        self.note(format!("subdir {path:?}"), result, |_| "held".to_owned())
    }

    /// Makes the calls that follow below a held directory, or below the root again.
    pub fn go(&mut self, held: Option<&Arc<dyn Fs>>) {
        self.held = held.cloned();
        self.lines.push("go elsewhere".to_owned());
    }

    /// Which identity it is, counted by first sight: the numbers themselves differ.
    fn known(&mut self, id: io::Result<FileId>) -> io::Result<usize> {
        let id = id?;
        let known = self.ids.iter().position(|&known| known == id);
        Ok(known.unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        }))
    }

    pub fn id_of(&mut self, path: impl AsRef<OsStr>) {
        let path = path.as_ref();
        let metadata = self.fs().metadata(Path::new(path));
        let result = self.known(metadata.map(|metadata| metadata.id));
        self.note(format!("id_of {path:?}"), result, ToString::to_string);
    }

    pub fn id(&mut self, handle: &Handle) {
        let result = self.known(handle.file.id());
        self.note(format!("{} id", handle.label), result, ToString::to_string);
    }

    pub fn link_count(&mut self, handle: &Handle) {
        let result = handle.file.link_count();
        self.note(
            format!("{} link_count", handle.label),
            result,
            |count| match handle.is_dir {
                // Of a directory it means nothing.
                true => "ok".to_owned(),
                false => count.to_string(),
            },
        );
    }

    /// Writes down a call and its result.
    fn note<T>(
        &mut self,
        call: String,
        result: io::Result<T>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let answer = match &result {
            Ok(value) => show(value),
            Err(error) => match error.raw_os_error() {
                Some(errno) => io::Error::from_raw_os_error(errno).to_string(),
                None => format!("an error without a number: {error:?}"),
            },
        };
        self.lines.push(format!("{call} -> {answer}"));
        result.ok()
    }

    fn note_done(&mut self, call: String, result: io::Result<()>) -> bool {
        self.note(call, result, |()| "ok".to_owned()).is_some()
    }

    pub fn create_root(&mut self) -> bool {
        let result = self.fs().create_root();
        self.note_done("create_root".to_owned(), result)
    }

    pub fn open(&mut self, path: impl AsRef<OsStr>, options: OpenOptions) -> Option<Handle> {
        let path = path.as_ref();
        let result = self.fs().open(Path::new(path), options);
        let call = format!("open {path:?} [{}]", options_text(options));
        let file = self.note(call, result, |_| "ok".to_owned())?;
        let metadata = self.fs().metadata(Path::new(path));
        let is_dir = metadata.is_ok_and(|metadata| metadata.kind == FileKind::Dir);
        Some(Handle {
            file,
            label: path.to_string_lossy().into_owned(),
            is_dir,
        })
    }

    /// As [`open`](Self::open), where a failure would make the rest of the topic void.
    pub fn opened(&mut self, path: impl AsRef<OsStr>, options: OpenOptions) -> Handle {
        match self.open(path, options) {
            Some(handle) => handle,
            None => panic!("the topic needs this file: {:?}", self.lines.last()),
        }
    }

    pub fn create_dir(&mut self, path: impl AsRef<OsStr>) -> bool {
        let path = path.as_ref();
        let result = self.fs().create_dir(Path::new(path));
        self.note_done(format!("create_dir {path:?}"), result)
    }

    pub fn read_dir(&mut self, path: impl AsRef<OsStr>) {
        let path = path.as_ref();
        let result = self.fs().read_dir(Path::new(path));
        self.note(format!("read_dir {path:?}"), result, |entries| {
            let mut text = "names:".to_owned();
            for entry in entries {
                let _ = write!(text, " {:?} ({:?})", entry.name, entry.kind);
            }
            text
        });
    }

    pub fn rename(&mut self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> bool {
        let (from, to) = (from.as_ref(), to.as_ref());
        let result = self.fs().rename(Path::new(from), Path::new(to));
        self.note_done(format!("rename {from:?} {to:?}"), result)
    }

    pub fn hard_link(&mut self, existing: impl AsRef<OsStr>, new: impl AsRef<OsStr>) -> bool {
        let (existing, new) = (existing.as_ref(), new.as_ref());
        let result = self.fs().hard_link(Path::new(existing), Path::new(new));
        self.note_done(format!("hard_link {existing:?} {new:?}"), result)
    }

    pub fn remove_file(&mut self, path: impl AsRef<OsStr>) -> bool {
        let path = path.as_ref();
        let result = self.fs().remove_file(Path::new(path));
        self.note_done(format!("remove_file {path:?}"), result)
    }

    pub fn remove_dir(&mut self, path: impl AsRef<OsStr>) -> bool {
        let path = path.as_ref();
        let result = self.fs().remove_dir(Path::new(path));
        self.note_done(format!("remove_dir {path:?}"), result)
    }

    pub fn metadata(&mut self, path: impl AsRef<OsStr>) {
        let path = path.as_ref();
        let result = self.fs().metadata(Path::new(path));
        self.note(
            format!("metadata {path:?}"),
            result,
            |metadata| match metadata.kind {
                // The other fields of a directory mean nothing.
                FileKind::Dir => "Dir".to_owned(),
                kind => format!("{kind:?} {} {}", metadata.len, metadata.link_count),
            },
        );
    }

    pub fn sync_dir(&mut self, path: impl AsRef<OsStr>) {
        let path = path.as_ref();
        let result = self.fs().sync_dir(Path::new(path));
        self.note_done(format!("sync_dir {path:?}"), result);
    }

    pub fn lock(&mut self, path: impl AsRef<OsStr>, kind: LockKind) -> Option<Box<dyn Lock>> {
        let path = path.as_ref();
        let result = self.fs().lock(Path::new(path), kind);
        let would_block = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        let blocked = result.as_ref().is_err_and(would_block);
        let call = format!("lock {path:?} {kind:?} (would block: {blocked})");
        self.note(call, result, |_| "held".to_owned())
    }

    pub fn read(&mut self, handle: &Handle, len: usize, offset: u64) {
        self.read_into(handle, &mut vec![0xEE; len], offset);
    }

    pub fn read_into(&mut self, handle: &Handle, buffer: &mut [u8], offset: u64) {
        let call = format!("{} read {} at {offset}", handle.label, buffer.len());
        let result = handle.file.read_at(buffer, offset);
        self.note(call, result, |&count| {
            let bytes = buffer
                .get(..count)
                .map_or("more than asked for".to_owned(), runs);
            format!("{count} bytes: {bytes}")
        });
    }

    pub fn write(&mut self, handle: &Handle, bytes: &[u8], offset: u64) {
        let call = format!("{} write {} at {offset}", handle.label, runs(bytes));
        let result = handle.file.write_at(bytes, offset);
        self.note(call, result, |count| format!("{count} bytes"));
    }

    pub fn set_len(&mut self, handle: &Handle, len: u64) {
        let result = handle.file.set_len(len);
        self.note_done(format!("{} set_len {len}", handle.label), result);
    }

    pub fn allocate(&mut self, handle: &Handle, offset: u64, len: u64) {
        let result = handle.file.allocate(offset, len);
        self.note_done(format!("{} allocate {offset} +{len}", handle.label), result);
    }

    pub fn punch(&mut self, handle: &Handle, offset: u64, len: u64) {
        let result = handle.file.punch(offset, len);
        self.note_done(format!("{} punch {offset} +{len}", handle.label), result);
    }

    pub fn sync_data(&mut self, handle: &Handle) {
        let result = handle.file.sync_data();
        self.note_done(format!("{} sync_data", handle.label), result);
    }

    pub fn sync_all(&mut self, handle: &Handle) {
        let result = handle.file.sync_all();
        self.note_done(format!("{} sync_all", handle.label), result);
    }

    pub fn len(&mut self, handle: &Handle) {
        let result = handle.file.len();
        self.note(
            format!("{} len", handle.label),
            result,
            |len| match handle.is_dir {
                // The length of a directory means nothing.
                true => "ok".to_owned(),
                false => len.to_string(),
            },
        );
    }

    /// The length and all contents of an open file.
    pub fn contents(&mut self, handle: &Handle) {
        self.len(handle);
        let len = if handle.is_dir {
            0
        } else {
            handle.file.len().unwrap_or_default()
        };
        self.read(handle, usize::try_from(len).expect("a small file") + 1, 0);
    }

    /// Every name below the root, with metadata and contents.
    pub fn tree(&mut self) {
        let mut pending = vec![std::path::PathBuf::new()];
        while let Some(directory) = pending.pop() {
            self.read_dir(&directory);
            for entry in self.fs().read_dir(&directory).unwrap_or_default() {
                let path = directory.join(&entry.name);
                self.metadata(&path);
                if entry.kind == FileKind::Dir {
                    pending.push(path);
                } else if let Some(handle) = self.open(&path, READ) {
                    self.contents(&handle);
                }
            }
        }
    }
}

fn options_text(options: OpenOptions) -> String {
    let flags = [
        (options.is_read(), "read"),
        (options.is_write(), "write"),
        (options.is_create(), "create"),
        (options.is_create_new(), "create_new"),
        (options.is_truncate(), "truncate"),
        (options.is_direct(), "direct"),
        (options.is_no_follow(), "no_follow"),
    ];
    let names: Vec<_> = flags
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
    names.join(" ")
}

/// Bytes as runs, `41x3 00x10`: short for the sparse contents of these tests, and exact.
fn runs(bytes: &[u8]) -> String {
    let runs: Vec<_> = bytes
        .chunk_by(|left, right| left == right)
        .map(|run| {
            format!(
                "{:02x}x{}",
                run.first().copied().unwrap_or_default(),
                run.len()
            )
        })
        .collect();
    format!("[{}]", runs.join(" "))
}
