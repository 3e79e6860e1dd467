//! What a program may ask of the world, in one cheap handle.

use std::path::Path;
use std::sync::Arc;

use crate::os::{OsClock, OsEntropy, OsFs, OsTasks};
use crate::{Clock, Entropy, Fs, Tasks};

/// File system, clock, tasks and entropy. Cloning it clones four reference counts.
#[derive(Clone)]
pub struct Env {
    fs: Arc<dyn Fs>,
    clock: Arc<dyn Clock>,
    tasks: Arc<dyn Tasks>,
    entropy: Arc<dyn Entropy>,
}

impl Env {
    /// An environment of the given parts.
    pub fn new(
        fs: Arc<dyn Fs>,
        clock: Arc<dyn Clock>,
        tasks: Arc<dyn Tasks>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            fs,
            clock,
            tasks,
            entropy,
        }
    }

    /// The same environment on another file system, such as a [`Fs::subdir`] of this one.
    #[must_use]
    pub fn with_fs(&self, fs: Arc<dyn Fs>) -> Self {
        Self { fs, ..self.clone() }
    }

    /// The operating system, with all paths relative to `root`. The directory need not exist;
    /// [`Fs::create_root`] makes it.
    pub fn os(root: impl AsRef<Path>) -> Self {
        Self::new(
            Arc::new(OsFs::new(root)),
            Arc::new(OsClock::new()),
            Arc::new(OsTasks::new()),
            Arc::new(OsEntropy),
        )
    }

    /// The file system.
    pub fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    /// The clocks.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Tasks and events.
    pub fn tasks(&self) -> &dyn Tasks {
        &*self.tasks
    }

    /// Random bytes.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
