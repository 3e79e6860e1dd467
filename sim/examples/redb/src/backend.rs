//! The storage that redb is given: one file of the seam, behind a barrier.
//!
//! redb holds its own locks across calls, and its destructors take them again. A crash that unwound
//! through it would poison them and end the process. So it stops at the barrier.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blackstart_vfs::port::Barrier;
use blackstart_vfs::port::fs::exists;
use blackstart_vfs::{File, FileExt as _, Fs, OpenOptions};
use redb::StorageBackend;

/// The name of the database.
const NAME: &str = "db.redb";
/// The name of a database that is being created.
const NEW: &str = "db.new";

/// A file of the seam as redb's storage.
pub struct Backend {
    file: Arc<dyn File>,
    barrier: Arc<Barrier>,
    state: Arc<State>,
}

/// What is known of a backend that redb has taken.
#[derive(Debug, Default)]
pub struct State {
    /// redb has set the length of the file.
    pub is_resized: AtomicBool,
    /// The process is over: nothing is written any more.
    pub is_over: AtomicBool,
}

impl Backend {
    /// Opens the file of the database. Its name is made durable: a kill right after the creation
    /// may have left it in the page cache alone.
    pub fn open(disk: &dyn Fs, barrier: &Arc<Barrier>) -> io::Result<Self> {
        barrier.call(|| disk.sync_dir(Path::new("")))?;
        Self::named(disk, barrier, NAME, OpenOptions::new().read().write())
    }

    /// Whether the database has been created.
    pub fn is_there(disk: &dyn Fs, barrier: &Barrier) -> io::Result<bool> {
        barrier.call(|| exists(disk, NAME))
    }

    /// An empty file for a database that is to be created; what an attempt before left is gone.
    pub fn create(disk: &dyn Fs, barrier: &Arc<Barrier>) -> io::Result<Self> {
        let options = OpenOptions::new().read().write().create().truncate();
        Self::named(disk, barrier, NEW, options)
    }

    /// Gives the new database its name. redb must have closed it.
    pub fn install(disk: &dyn Fs, barrier: &Barrier) -> io::Result<()> {
        barrier.call(|| disk.rename(Path::new(NEW), Path::new(NAME)))
    }

    fn named(
        disk: &dyn Fs,
        barrier: &Arc<Barrier>,
        name: &str,
        options: OpenOptions,
    ) -> io::Result<Self> {
        let file = barrier.call(|| disk.open(Path::new(name), options))?;
        Ok(Self {
            file,
            barrier: Arc::clone(barrier),
            state: Arc::default(),
        })
    }

    /// What is known of it, also when redb has taken it.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    fn call<T>(&self, body: impl FnOnce(&dyn File) -> io::Result<T>) -> io::Result<T> {
        if self.state.is_over.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Other.into());
        }
        self.barrier.call(|| body(&*self.file))
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.call(|file| file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.call(|file| file.read_exact_at(out, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.is_resized.store(true, Ordering::SeqCst);
        self.call(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(|file| file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(|file| file.write_all_at(data, offset))
    }
}
