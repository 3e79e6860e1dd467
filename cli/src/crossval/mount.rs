//! A real file system in an image file: made, mounted, cut off, mounted again.
//!
//! The cut is the file system's own ioctl for it, through `xfs_io` of xfsprogs, which knows it for
//! ext4 as well: from then on nothing reaches the device, and all that was only in memory is lost.
//! btrfs has none. There the image file is copied while nothing is written to it, which the
//! device's counters tell, and the copy is mounted instead.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a real file system is what this is about"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use blackstart_sim::disk::Profile;

use super::CrossvalError;
use super::workload::{Cut, Round};

/// Bytes of the image file; it is sparse.
const IMAGE_BYTES: u64 = 320 << 20;

/// Long enough for a commit that comes every second.
const COMMIT_WAIT: Duration = Duration::from_millis(1_300);

/// Tries to copy an image while nothing is written to it.
const COPIES_MAX: u32 = 50;

/// A file system that can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FileSystem {
    /// ext4 with data=ordered
    Ext4,
    /// XFS
    Xfs,
    /// btrfs
    Btrfs,
}

impl FileSystem {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    pub const fn profile(self) -> Profile {
        match self {
            Self::Ext4 => Profile::Ext4Ordered,
            Self::Xfs => Profile::Xfs,
            Self::Btrfs => Profile::Btrfs,
        }
    }

    /// What makes one, with blocks of 4096.
    const fn mkfs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F", "-b", "4096"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f", "-b", "size=4096"]),
            Self::Btrfs => ("mkfs.btrfs", &["-q", "-f", "-s", "4096"]),
        }
    }

    /// Options of the mount that a round may have.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["loop", "loop,nodelalloc"],
            Self::Xfs => &["loop"],
            Self::Btrfs => &["loop,commit=1"],
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
        let mut mount = Self {
            fs,
            image,
            point,
            options: fs.options()[0],
            is_mounted: false,
        };
        if fs != FileSystem::Btrfs {
            mount.run("xfs_io", &["-V"], &[])?;
        }
        if device_of(&mount.point)? != device_of(dir)? {
            // A run before this one was stopped by force.
            mount.unmount()?;
        }
        let image = mount.image.clone();
        let io = |source| CrossvalError::io(image.display(), source);
        let file = fs::File::create(&image).map_err(io)?;
        file.set_len(IMAGE_BYTES).map_err(io)?;
        let (mkfs, flags) = fs.mkfs();
        mount.run(mkfs, flags, &[&image])?;
        mount.mount()?;
        Ok(mount)
    }

    /// Runs a program and returns what it prints.
    fn run(&self, program: &str, flags: &[&str], paths: &[&Path]) -> Result<String, CrossvalError> {
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
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
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
        let point = self.point.clone();
        let how = match cut {
            _ if self.fs == FileSystem::Btrfs => return self.cut_by_copy(cut),
            Cut::Hard => "shutdown",
            Cut::JournalFirst => "shutdown -f",
        };
        self.run("xfs_io", &["-x", "-c", how], &[&point])?;
        self.unmount()?;
        self.mount()
    }

    /// Mounts a copy of the image, taken while the device was idle.
    fn cut_by_copy(&mut self, cut: Cut) -> Result<(), CrossvalError> {
        let (image, point) = (self.image.clone(), self.point.clone());
        let copy = image.with_extension("copy");
        let device = self.run("findmnt", &["-n", "-o", "SOURCE"], &[&point])?;
        let device = device.trim_start_matches("/dev/");
        let counters = Path::new("/sys/block").join(device).join("stat");
        let counted = || {
            fs::read_to_string(&counters)
                .map_err(|source| CrossvalError::io(counters.display(), source))
        };
        if cut == Cut::JournalFirst {
            // It commits once in a second.
            std::thread::sleep(COMMIT_WAIT);
        }
        for _ in 0..COPIES_MAX {
            let before = counted()?;
            self.run("cp", &["--sparse=always"], &[&image, &copy])?;
            if before == counted()? {
                self.unmount()?;
                fs::rename(&copy, &image)
                    .map_err(|source| CrossvalError::io(copy.display(), source))?;
                return self.mount();
            }
        }
        Err(CrossvalError::Restless {
            device: device.to_owned(),
        })
    }
}

/// The number of the device that holds a file.
fn device_of(path: &Path) -> Result<u64, CrossvalError> {
    let metadata = fs::metadata(path);
    let metadata = metadata.map_err(|source| CrossvalError::io(path.display(), source))?;
    Ok(metadata.dev())
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted {
            // The next run tries it again, and says why it can't.
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
