//! An open log, as its handles and tickets share it.

use std::sync::Arc;

use super::Incarnation;
use super::options::ArchiveHook;
use super::queue::Queue;
use super::state::{Phase, Shared};
use super::writer::{Keeper, Writer};

/// A log that is open for writing.
///
/// Locks are taken in this order: retention, writer, keeper, the state's leaf lock.
pub(crate) struct Core {
    pub shared: Arc<Shared>,
    pub writer: blackstart_vfs::Mutex<Writer>,
    pub keeper: Keeper,
    pub queue: Queue,
    /// Above this size the submitting thread drains the queue.
    pub queue_bytes_max: u64,
    pub frame_bytes_max: u64,
    pub incarnation: Incarnation,
    pub archive: Option<ArchiveHook>,
    /// Held while segments are archived and removed.
    pub retention: blackstart_vfs::Mutex<()>,
}

impl Drop for Core {
    fn drop(&mut self) {
        // Followers outlive the handles and would wait for ever.
        let mut state = self.shared.state.lock();
        if !matches!(state.phase, Phase::Poisoned(_)) {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let directory = &self.shared.directory;
        f.debug_struct("Core")
            .field("directory", directory)
            .finish()
    }
}
