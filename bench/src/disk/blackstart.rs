//! The simulated disk of this repository, by itself: no scheduler, no faults, profile
//! posix-strict.

use std::path::Path;
use std::sync::Arc;

use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::{File, FileExt, Fs, OpenOptions};

use super::mix::Calls;
use crate::Result;

/// The disk, used through the traits, as a program under test does.
pub struct Blackstart {
    fs: SimFs,
    files: Vec<Arc<dyn File>>,
}

impl Blackstart {
    /// An empty disk.
    pub fn new() -> Result<Self> {
        let fs = SimFs::new(DiskConfig::default());
        fs.create_root()?;
        Ok(Self {
            fs,
            files: Vec::new(),
        })
    }

    fn file(&self, file: usize) -> Result<&dyn File> {
        Ok(&**self.files.get(file).ok_or("no such file")?)
    }
}

impl Calls for Blackstart {
    fn create(&mut self) -> Result<()> {
        let name = format!("{:05}.log", self.files.len());
        let options = OpenOptions::new().read().write().create();
        self.files.push(self.fs.open(Path::new(&name), options)?);
        Ok(self.fs.sync_dir(Path::new(""))?)
    }

    fn write(&self, file: usize, bytes: &[u8], offset: u64) -> Result<()> {
        Ok(self.file(file)?.write_all_at(bytes, offset)?)
    }

    fn read(&self, file: usize, buffer: &mut [u8], offset: u64) -> Result<()> {
        Ok(self.file(file)?.read_exact_at(buffer, offset)?)
    }

    fn sync_data(&self, file: usize) -> Result<()> {
        Ok(self.file(file)?.sync_data()?)
    }
}
