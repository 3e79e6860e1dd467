//! The file system that SQLite is given (a VFS): files of the seam, behind a barrier.
//!
//! Frames of C stand between the calls and the task, and must not be unwound. So a crash stops at
//! the barrier, and SQLite meets an error of I/O from then on.
//!
//! What is done beside the plain calls is what SQLite's own VFS for Unix does: the first sync of a
//! journal or write-ahead log that may have been created syncs the directory, too, and an empty
//! file does not exist for `xAccess`.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blackstart_vfs::port::Barrier;
use blackstart_vfs::{Env, File, FileExt as _, OpenOptions};
use sqlite_vfs::{DatabaseHandle, LockKind, OpenAccess, OpenKind, Vfs, wip};

/// The name under which SQLite knows it.
pub const NAME: &str = "blackstart";

thread_local! {
    /// A VFS belongs to the process, and an era to its thread.
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// The world of the era that this thread runs.
#[derive(Clone)]
pub struct Session {
    /// The world.
    pub env: Env,
    /// Where a crash stops.
    pub barrier: Arc<Barrier>,
    /// Whether the removal of a journal is made durable, as `synchronous=EXTRA` asks for. The
    /// interface that we have does not pass that flag on.
    pub syncs_removals: bool,
}

impl Session {
    /// From now on SQLite works in this session.
    pub fn enter(self) {
        SESSION.set(Some(self));
        reseed();
    }

    fn current() -> io::Result<Self> {
        SESSION
            .with_borrow(Clone::clone)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Makes SQLite take new random numbers from the session, whatever it did before.
fn reseed() {
    #[expect(unsafe_code, reason = "an interface of C that takes no pointer here")]
    // SAFETY: with no buffer, SQLite only resets its generator, under its own lock.
    unsafe {
        rusqlite::ffi::sqlite3_randomness(0, std::ptr::null_mut());
    }
}

/// Makes it SQLite's default.
pub fn register() -> Result<(), String> {
    // The library must be set up before it is told of a file system.
    rusqlite::Connection::open_in_memory().map_err(|error| error.to_string())?;
    sqlite_vfs::register(NAME, Door, true).map_err(|error| error.to_string())
}

struct Door;

impl Vfs for Door {
    type Handle = Handle;

    fn open(&self, db: &str, opts: sqlite_vfs::OpenOptions) -> io::Result<Handle> {
        let session = Session::current()?;
        let options = OpenOptions::new().read();
        let options = match opts.access {
            OpenAccess::Read => options,
            OpenAccess::Write => options.write(),
            OpenAccess::Create => options.write().create(),
            OpenAccess::CreateNew => options.write().create_new(),
        };
        let disk = session.env.fs();
        let file = session.barrier.call(|| disk.open(Path::new(db), options))?;
        let is_journal = matches!(opts.kind, OpenKind::MainJournal | OpenKind::Wal);
        let may_create = matches!(opts.access, OpenAccess::Create | OpenAccess::CreateNew);
        Ok(Handle {
            file,
            is_name_pending: may_create && is_journal,
            session,
            lock: LockKind::None,
        })
    }

    fn delete(&self, db: &str) -> io::Result<()> {
        let session = Session::current()?;
        session.barrier.call(|| {
            session.env.fs().remove_file(Path::new(db))?;
            if session.syncs_removals {
                session.env.fs().sync_dir(Path::new(""))?;
            }
            Ok(())
        })
    }

    fn exists(&self, db: &str) -> io::Result<bool> {
        let session = Session::current()?;
        let path = Path::new(db);
        session
            .barrier
            .call(|| match session.env.fs().metadata(path) {
                Ok(found) => Ok(found.len > 0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            })
    }

    fn temporary_name(&self) -> String {
        "temporary".to_owned()
    }

    fn random(&self, buffer: &mut [i8]) {
        let mut bytes = vec![0; buffer.len()];
        if let Ok(session) = Session::current() {
            // After the crash the bytes do not matter.
            let _ = session
                .barrier
                .call(|| session.env.entropy().fill(&mut bytes));
        }
        for (to, from) in buffer.iter_mut().zip(bytes) {
            *to = from as i8;
        }
    }

    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

/// An open file.
pub struct Handle {
    file: Arc<dyn File>,
    session: Session,
    /// It may have been created, and its directory has not been synced since.
    is_name_pending: bool,
    lock: LockKind,
}

impl DatabaseHandle for Handle {
    type WalIndex = NoIndex;

    fn size(&self) -> io::Result<u64> {
        self.session.barrier.call(|| self.file.len())
    }

    fn read_exact_at(&mut self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let count = self
            .session
            .barrier
            .call(|| self.file.read_full_at(buf, offset))?;
        match buf.get_mut(count..) {
            Some(rest) if !rest.is_empty() => {
                // SQLite relies on zeros behind the end of the file.
                rest.fill(0);
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            _ => Ok(()),
        }
    }

    fn write_all_at(&mut self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.session
            .barrier
            .call(|| self.file.write_all_at(buf, offset))
    }

    fn sync(&mut self, data_only: bool) -> io::Result<()> {
        let (session, file) = (&self.session, &self.file);
        let is_name_pending = std::mem::take(&mut self.is_name_pending);
        session.barrier.call(|| {
            match data_only {
                true => file.sync_data()?,
                false => file.sync_all()?,
            }
            if is_name_pending {
                session.env.fs().sync_dir(Path::new(""))?;
            }
            Ok(())
        })
    }

    fn set_len(&mut self, size: u64) -> io::Result<()> {
        self.session.barrier.call(|| self.file.set_len(size))
    }

    // One connection has the database for itself.
    fn lock(&mut self, lock: LockKind) -> io::Result<bool> {
        self.lock = lock;
        Ok(true)
    }

    fn reserved(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn current_lock(&self) -> io::Result<LockKind> {
        Ok(self.lock)
    }

    fn wal_index(&self, _readonly: bool) -> io::Result<NoIndex> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// `locking_mode=EXCLUSIVE` keeps the index of the log in memory.
pub struct NoIndex;

impl wip::WalIndex for NoIndex {
    fn enabled() -> bool {
        false
    }

    fn map(&mut self, _region: u32) -> io::Result<[u8; 32768]> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn lock(&mut self, _locks: std::ops::Range<u8>, _lock: wip::WalIndexLock) -> io::Result<bool> {
        Ok(false)
    }

    fn delete(self) -> io::Result<()> {
        Ok(())
    }
}
