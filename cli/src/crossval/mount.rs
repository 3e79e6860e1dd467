//! A real file system in an image file: made, mounted, cut off, mounted again.
//!
//! The cut is the file system's own ioctl for it, through `xfs_io` of xfsprogs, which knows it for
//! ext4 as well: from then on nothing reaches the device, and all that was only in memory is lost.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a real file system is what this is about"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use blackstart_sim::disk::Profile;

use super::CrossvalError;
use super::workload::{Cut, Round};

/// Bytes of the image file; it is sparse.
const IMAGE_BYTES: u64 = 320 << 20;

/// A file system that can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FileSystem {
    /// ext4 with data=ordered
    Ext4,
    /// XFS
    Xfs,
}

impl FileSystem {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    pub const fn profile(self) -> Profile {
        match self {
            Self::Ext4 => Profile::Ext4Ordered,
            Self::Xfs => Profile::Xfs,
        }
    }

    /// What makes one, with blocks of 4096.
    const fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F", "-b", "4096"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f", "-b", "size=4096"]),
        }
    }

    /// Options of the mount that a round may have.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["loop", "loop,nodelalloc"],
            Self::Xfs => &["loop"],
        }
    }
}

/// The mounted image.
pub(super) struct Mount {
    fs: FileSystem,
    image: PathBuf,
    point: PathBuf,
    options: &'static str,
    is_mounted: bool,
}

impl Mount {
    pub fn make(fs: FileSystem, dir: &Path) -> Result<Self, CrossvalError> {
        if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            return Err(CrossvalError::NotRoot);
        }
        let point = dir.join(format!("{}-mount", fs.name()));
        let image = dir.join(format!("{}.image", fs.name()));
        fs::create_dir_all(&point).map_err(|source| CrossvalError::io(point.display(), source))?;
        let io = |source| CrossvalError::io(image.display(), source);
        let file = fs::File::create(&image).map_err(io)?;
        file.set_len(IMAGE_BYTES).map_err(io)?;
        let (mkfs, flags) = fs.mkfs();
        let mut mount = Self {
            fs,
            image,
            point,
            options: fs.options()[0],
            is_mounted: false,
        };
        mount.run("xfs_io", &["-V"], &[])?;
        let image = mount.image.clone();
        mount.run(mkfs, flags, &[&image])?;
        mount.mount()?;
        Ok(mount)
    }

    fn run(&self, program: &str, flags: &[&str], paths: &[&Path]) -> Result<(), CrossvalError> {
        let mut command = Command::new(program);
        command.args(flags).args(paths);
        let output = command
            .output()
            .map_err(|source| CrossvalError::NoProgram {
                fs: self.fs.name(),
                program: program.to_owned(),
                source,
            })?;
        if output.status.success() && output.stderr.is_empty() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(CrossvalError::Command {
            command: format!("{command:?}"),
            stderr: stderr.trim().to_owned(),
        })
    }

    fn mount(&mut self) -> Result<(), CrossvalError> {
        let (image, point) = (self.image.clone(), self.point.clone());
        self.run("mount", &["-o", self.options], &[&image, &point])?;
        self.is_mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), CrossvalError> {
        let point = self.point.clone();
        self.run("umount", &[], &[&point])?;
        self.is_mounted = false;
        Ok(())
    }

    /// An absent directory for a round; that of the round before is removed.
    pub fn fresh_root(&mut self, round: &Round) -> Result<PathBuf, CrossvalError> {
        let root = self.point.join("round");
        if root.exists() {
            fs::remove_dir_all(&root)
                .map_err(|source| CrossvalError::io(root.display(), source))?;
        }
        let options = self.fs.options();
        let wanted = options[round.option as usize % options.len()];
        if wanted != self.options {
            self.unmount()?;
            self.options = wanted;
            self.mount()?;
        }
        Ok(root)
    }

    /// Cuts the file system off from its device and mounts it again.
    pub fn cut(&mut self, cut: Cut) -> Result<(), CrossvalError> {
        let how = match cut {
            Cut::Hard => "shutdown",
            Cut::JournalFirst => "shutdown -f",
        };
        let point = self.point.clone();
        self.run("xfs_io", &["-x", "-c", how], &[&point])?;
        self.unmount()?;
        self.mount()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted {
            // What can't be unmounted now is reported by the next run.
            let _ = self.unmount();
        }
    }
}

/// Has the kernel begin to write a file's dirty pages, without waiting for it and without a commit
/// of the journal: Linux does so when it is told that they are not needed any more.
pub(super) fn write_back(path: &Path) {
    if let Ok(file) = fs::File::open(path) {
        // It is advice: whether it is taken is none of the program's business.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}
