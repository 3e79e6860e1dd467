//! Writes the superblock of an open log.
//!
//! Invariants:
//! - \[I1\] What an opening has read may be in the page cache only: it is written anew before
//!   anything is done on its word.

use blackstart_vfs::OpenOptions;

use super::directory::{Directory, OpenFile};
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
    /// What the file says; none if it has no valid slot.
    read: Option<Superblock>,
    /// Whether that is durable.
    is_durable: bool,
}

impl SuperblockKeeper {
    /// A keeper of a file that was found to say `read`. Nothing is written yet.
    pub fn new(directory: Directory, wanted: Superblock, read: Option<Superblock>) -> Self {
        Self {
            directory,
            wanted,
            read,
            is_durable: false,
        }
    }

    /// Makes durable what it should say, if the file may say something else after a crash: what an
    /// update that failed was to say, or what was there before it.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn confirm(&mut self) -> Result<(), LogError> {
        match self.is_durable || self.read.is_none() {
            true => Ok(()),
            false => self.update(|_| {}),
        }
    }

    /// Changes what the superblock says, durably.
    ///
    /// # Errors
    /// What it says then is the old or the new; the next update is tried from the old.
    pub fn update(&mut self, change: impl FnOnce(&mut Superblock)) -> Result<(), LogError> {
        let mut wanted = self.wanted;
        change(&mut wanted);
        wanted.counter = match &self.read {
            None => 0,
            Some(read) => {
                let number = "counter of the superblock";
                let next = read.counter.checked_add(1);
                next.ok_or(LogError::Exhausted { number })?
            }
        };
        self.is_durable = false;
        self.write(&wanted)?;
        (self.wanted, self.read, self.is_durable) = (wanted, Some(wanted), true);
        Ok(())
    }

    fn write(&self, wanted: &Superblock) -> Result<(), LogError> {
        let slot = wanted.encode();
        if self.read.is_some() {
            let options = OpenOptions::new().read().write();
            match self.directory.open_file(names::LOCK, options) {
                Ok(file) if file.len()? >= SUPERBLOCK_BYTES as u64 => {
                    file.write(&slot, wanted.position())?;
                    return file.sync_data();
                }
                // It was cut short, or taken.
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let (temp, file) = self.directory.new_file(names::lock_temp)?;
        let made = self.make(wanted, &temp, &file);
        if made.is_err() {
            // The next opening removes it otherwise.
            drop(self.directory.remove(&temp));
        }
        made
    }

    /// Makes the file. It gets its name when it is complete: a crash before could leave it with the
    /// old bytes of blocks that another file has freed, and a segment under this name is damage.
    fn make(&self, wanted: &Superblock, temp: &str, file: &OpenFile) -> Result<(), LogError> {
        let mut bytes = vec![0; SUPERBLOCK_BYTES];
        let (slot, at) = (wanted.encode(), wanted.position() as usize);
        bytes[at..at + slot.len()].copy_from_slice(&slot);
        file.write(&bytes, 0)?;
        file.sync_all()?;
        self.directory.rename(temp, names::LOCK)?;
        self.directory.sync()
    }
}

#[cfg(test)]
mod tests;
