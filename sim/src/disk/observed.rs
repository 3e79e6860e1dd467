//! A tree of files as a program reads it: from the simulated disk or from a real one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use blackstart_vfs::{FileExt, FileKind, Fs, OpenOptions};

/// Every name below a root with what it stands for. Inode numbers do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Contents by path; none for a directory.
    pub nodes: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl Observed {
    /// Reads everything.
    ///
    /// # Errors
    /// The first call that failed.
    pub fn read(fs: &dyn Fs) -> io::Result<Self> {
        let mut observed = Self::default();
        observed.read_dir(fs, Path::new(""))?;
        Ok(observed)
    }

    fn read_dir(&mut self, fs: &dyn Fs, dir: &Path) -> io::Result<()> {
        for entry in fs.read_dir(dir)? {
            let path = dir.join(&entry.name);
            if entry.kind == FileKind::Dir {
                self.read_dir(fs, &path)?;
                self.nodes.insert(path, None);
                continue;
            }
            let file = fs.open(&path, OpenOptions::new().read())?;
            let mut bytes = vec![0; file.len()? as usize];
            file.read_exact_at(&mut bytes, 0)?;
            self.nodes.insert(path, Some(bytes));
        }
        Ok(())
    }

    /// One line for each name: runs of equal bytes, as `0x61*512`.
    pub fn describe(&self) -> String {
        let line = |(path, contents): (&PathBuf, &Option<Vec<u8>>)| match contents {
            None => format!("{}/\n", path.display()),
            Some(bytes) => {
                let runs: Vec<String> = bytes
                    .chunk_by(|one, two| one == two)
                    .map(|run| format!("{:#04x}*{}", run[0], run.len()))
                    .collect();
                format!("{} {}: {}\n", path.display(), bytes.len(), runs.join(" "))
            }
        };
        self.nodes.iter().map(line).collect()
    }
}
