//! Where the files are, and on what: a figure without its file system and device means nothing.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

use rustix::fs::{major, minor, stat, statfs};

use crate::Result;
use crate::table::Report;

const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A scratch directory on a real disk; removed when dropped.
pub struct Place {
    dir: PathBuf,
    file_system: String,
    device: String,
}

impl Place {
    /// Makes a scratch directory below `parent`, by default below the directory of the build's
    /// output. A file system that lives in memory is refused: it has nothing to sync.
    pub fn prepare(parent: Option<&Path>) -> Result<Self> {
        let parent = match parent {
            Some(parent) => parent.to_path_buf(),
            None => env::current_exe()?
                .parent()
                .ok_or("the binary has no directory")?
                .into(),
        };
        let dir = parent.join(format!("bench-data-{}", std::process::id()));
        fs::create_dir_all(&dir)
            .map_err(|error| format!("{}: cannot make the directory: {error}", dir.display()))?;
        let place = Self {
            file_system: file_system(&dir)?,
            device: device(&dir)?,
            dir,
        };
        if place.file_system == "tmpfs" {
            return Err(format!(
                "{} is on tmpfs, where a sync costs nothing; name a directory on a disk with --dir",
                place.dir.display()
            )
            .into());
        }
        Ok(place)
    }

    /// A path below the scratch directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// An empty report that names this place.
    pub fn report(&self) -> Report {
        Report::new(format!(
            "{}; {} on {}",
            machine(),
            self.file_system,
            self.device
        ))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{}: not removed: {error}", self.dir.display());
        }
    }
}

/// The machine's kind: processors, memory, system. No names of hosts or paths.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_gib = field(&read("/proc/meminfo"), "MemTotal:")
        .and_then(|kib| kib.trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(0, |kib| kib.div_ceil(1 << 20));
    let cpu_info = read("/proc/cpuinfo");
    let virtual_machine = field(&cpu_info, "flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor"));
    let kind = if virtual_machine {
        "virtual"
    } else {
        "physical"
    };
    let release = read("/proc/sys/kernel/osrelease");
    let release: String = release
        .trim()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    format!(
        "{cores}-core {} {kind} machine, {memory_gib} GiB, Linux {release}",
        env::consts::ARCH
    )
}

/// How many tasks wanted a processor during the last minute. What else runs makes figures worse
/// and ratios less certain, so a report says it.
pub fn load() -> String {
    read("/proc/loadavg")
        .split_whitespace()
        .next()
        .unwrap_or("unknown")
        .into()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']).trim())
}

fn file_system(dir: &Path) -> Result<String> {
    // The numbers are the kernel's, linux/magic.h.
    Ok(match u64::try_from(statfs(dir)?.f_type)? {
        0xEF53 => "ext4".into(),
        0x5846_5342 => "xfs".into(),
        0x9123_683E => "btrfs".into(),
        0x794C_7630 => "overlayfs".into(),
        TMPFS_MAGIC => "tmpfs".into(),
        other => format!("file system {other:#x}"),
    })
}

/// The kind of the device under a directory, from sysfs: the driver's prefix of its name, and
/// whether it says that it rotates.
fn device(dir: &Path) -> Result<String> {
    let number = stat(dir)?.st_dev;
    let link = format!("/sys/dev/block/{}:{}", major(number), minor(number));
    let Ok(device) = fs::canonicalize(&link) else {
        return Ok("no block device of its own".into());
    };
    let name = device
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let disk = if device.join("partition").exists() {
        device.parent()
    } else {
        Some(&*device)
    };
    let rotates = disk
        .and_then(|disk| fs::read_to_string(disk.join("queue/rotational")).ok())
        .is_some_and(|text| text.trim() == "1");
    let kind = match name.as_bytes() {
        [b'v', b'd', ..] => "a virtio disk",
        [b'n', b'v', ..] => "an NVMe disk",
        [b's', b'd', ..] => "a SCSI or SATA disk",
        [b'd', b'm', ..] => "a device-mapper volume",
        _ => "a block device",
    };
    Ok(format!(
        "{kind} ({})",
        if rotates {
            "says it rotates"
        } else {
            "says it does not rotate"
        }
    ))
}

/// Bytes on the disk of all files below a directory.
pub fn disk_bytes(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            bytes += disk_bytes(&entry.path())?;
        } else {
            // The unit of st_blocks is 512 bytes, whatever the file system's is.
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}

/// Copies a directory with all that is below it.
pub fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.metadata()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
