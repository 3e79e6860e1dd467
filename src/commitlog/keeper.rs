//! Writes the superblock of an open log.
//!
//! Invariants:
//! - \[I1\] Only the slot that does not hold the last durable superblock is written.

use blackstart_vfs::OpenOptions;

use super::directory::Directory;
use super::error::LogError;
use super::names;
use super::source::SourceFile;
use super::superblock::{SUPERBLOCK_BYTES, Superblock};

/// Writes the superblock of an open log.
#[derive(Debug)]
pub(crate) struct SuperblockKeeper {
    directory: Directory,
    /// What it should say.
    wanted: Superblock,
    /// What the file says for certain; none if it has no valid slot.
    durable: Option<Superblock>,
}

impl SuperblockKeeper {
    /// A keeper of a file that says `durable`. Nothing is written yet.
    pub fn new(directory: Directory, wanted: Superblock, durable: Option<Superblock>) -> Self {
        Self {
            directory,
            wanted,
            durable,
        }
    }

    /// Changes what the superblock says, durably.
    ///
    /// # Errors
    /// What it says then is the old or the new; the next update is tried from the old.
    pub fn update(&mut self, change: impl FnOnce(&mut Superblock)) -> Result<(), LogError> {
        change(&mut self.wanted);
        self.wanted.counter = self.durable.map_or(0, |durable| durable.counter + 1);
        self.write()?;
        self.durable = Some(self.wanted);
        Ok(())
    }

    fn write(&self) -> Result<(), LogError> {
        let options = OpenOptions::new().read().write().create();
        let file = self.directory.open_file(names::LOCK, options)?;
        let slot = self.wanted.encode();
        if self.durable.is_some() && file.len()? >= SUPERBLOCK_BYTES as u64 {
            file.write(&slot, self.wanted.position())?;
            return file.sync_data();
        }
        let mut bytes = vec![0; SUPERBLOCK_BYTES];
        let at = self.wanted.position() as usize;
        bytes[at..at + slot.len()].copy_from_slice(&slot);
        file.write(&bytes, 0)?;
        file.sync_all()?;
        self.directory.sync()
    }
}
