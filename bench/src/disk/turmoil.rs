//! turmoil-fs with its defaults: no random faults, no page cache, no latency.

use std::os::unix::fs::FileExt;

use turmoil_fs::shim::std::fs::{File, OpenOptions, create_dir, sync_dir};
use turmoil_fs::{Fs, FsEnterGuard};

use super::mix::Calls;
use crate::Result;

const DIR: &str = "/data";

/// The disk; entered on this thread while it lives.
pub struct TurmoilFs {
    files: Vec<File>,
    _entered: FsEnterGuard,
}

impl TurmoilFs {
    /// An empty disk with one directory.
    pub fn new() -> Result<Self> {
        let entered = Fs::builder().build().enter();
        create_dir(DIR)?;
        sync_dir("/")?;
        Ok(Self {
            files: Vec::new(),
            _entered: entered,
        })
    }

    fn file(&self, file: usize) -> Result<&File> {
        Ok(self.files.get(file).ok_or("no such file")?)
    }
}

impl Calls for TurmoilFs {
    fn create(&mut self) -> Result<()> {
        let path = format!("{DIR}/{:05}.log", self.files.len());
        self.files.push(
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .open(path)?,
        );
        Ok(sync_dir(DIR)?)
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
