//! A file system that asks before each call: a test looks, does harm, or has the call fail.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart_vfs::{DirEntry, File, FileId, Fs, Lock, LockKind, Metadata, OpenOptions};

/// Which call is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A call that reads: a listing, a length.
    Look,
    /// A read of at most so many bytes.
    Read(usize),
    /// `Fs::open`.
    Open,
    /// A call that changes names.
    Name,
    /// `File::write_at`.
    Write,
    /// `File::set_len`.
    SetLen,
    /// A sync of a file or of a directory.
    Sync,
    /// `Fs::lock`.
    Lock,
    /// `Lock::check`: an error has the process be the child of a fork.
    Check,
}

type Hook = Arc<dyn Fn(Call, &Path) -> io::Result<()> + Send + Sync>;

/// A file system that calls a hook before each call; an error of the hook is the call's.
#[derive(Clone)]
pub struct HookedFs {
    inner: Arc<dyn Fs>,
    hook: Hook,
}

impl HookedFs {
    /// A file system like `inner`. The hook gets each call and the path it is made on.
    pub fn new(
        inner: Arc<dyn Fs>,
        hook: impl Fn(Call, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let hook = Arc::new(hook);
        Self { inner, hook }
    }

    fn ask(&self, call: Call, path: &Path) -> io::Result<()> {
        (self.hook)(call, path)
    }
}

struct HookedFile {
    inner: Arc<dyn File>,
    hook: Hook,
    path: PathBuf,
}

impl HookedFile {
    fn ask(&self, call: Call) -> io::Result<&dyn File> {
        (self.hook)(call, &self.path)?;
        Ok(&*self.inner)
    }
}

struct HookedLock {
    inner: Box<dyn Lock>,
    hook: Hook,
}

impl Lock for HookedLock {
    fn check(&self) -> io::Result<()> {
        (self.hook)(Call::Check, Path::new(""))?;
        self.inner.check()
    }
}

impl Fs for HookedFs {
    fn create_root(&self) -> io::Result<()> {
        self.ask(Call::Name, Path::new(""))?;
        self.inner.create_root()
    }

    fn subdir(&self, path: &Path) -> io::Result<Arc<dyn Fs>> {
        self.ask(Call::Open, path)?;
        let inner = self.inner.subdir(path)?;
        let hook = self.hook.clone();
        Ok(Arc::new(Self { inner, hook }))
    }

    fn display_path(&self, path: &Path) -> PathBuf {
        self.inner.display_path(path)
    }

    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Arc<dyn File>> {
        self.ask(Call::Open, path)?;
        Ok(Arc::new(HookedFile {
            inner: self.inner.open(path, options)?,
            hook: self.hook.clone(),
            path: path.to_path_buf(),
        }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Name, path)?;
        self.inner.create_dir(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.ask(Call::Look, path)?;
        self.inner.read_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask(Call::Name, to)?;
        self.inner.rename(from, to)
    }

    fn hard_link(&self, existing: &Path, new: &Path) -> io::Result<()> {
        self.ask(Call::Name, new)?;
        self.inner.hard_link(existing, new)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Name, path)?;
        self.inner.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Name, path)?;
        self.inner.remove_dir(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.ask(Call::Look, path)?;
        self.inner.metadata(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask(Call::Sync, path)?;
        self.inner.sync_dir(path)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Box<dyn Lock>> {
        self.ask(Call::Lock, path)?;
        Ok(Box::new(HookedLock {
            inner: self.inner.lock(path, kind)?,
            hook: self.hook.clone(),
        }))
    }
}

impl File for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.ask(Call::Read(buffer.len()))?.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.ask(Call::Write)?.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.ask(Call::SetLen)?.set_len(len)
    }

    fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        self.ask(Call::Write)?.allocate(offset, len)
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.ask(Call::Write)?.punch(offset, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.ask(Call::Sync)?.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.ask(Call::Sync)?.sync_all()
    }

    fn len(&self) -> io::Result<u64> {
        self.ask(Call::Look)?.len()
    }

    fn id(&self) -> io::Result<FileId> {
        self.ask(Call::Look)?.id()
    }

    fn link_count(&self) -> io::Result<u64> {
        self.ask(Call::Look)?.link_count()
    }
}
