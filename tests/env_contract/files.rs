//! The contract of open files: modes, positioned I/O, lengths, space, direct I/O.

use std::path::Path;

use blackstart_vfs::{FileExt, OpenOptions};
use rustix::fs::{Mode, OFlags};

use super::check;
use super::transcript::{CREATE, EDIT, READ, WRITE};

const NEW: OpenOptions = EDIT.create_new();

/// All combinations of options but direct.
fn every_option() -> impl Iterator<Item = OpenOptions> {
    (0..64_u32).map(|bits| {
        let mut options = OpenOptions::new();
        let setters = [
            OpenOptions::read,
            OpenOptions::write,
            OpenOptions::create,
            OpenOptions::create_new,
            OpenOptions::truncate,
            OpenOptions::no_follow,
        ];
        for (bit, setter) in setters.into_iter().enumerate() {
            if bits & (1 << bit) != 0 {
                options = setter(options);
            }
        }
        options
    })
}

#[test]
fn open_modes() {
    check(|s| {
        s.create_dir("dir");
        for options in every_option() {
            let file = s.opened("file", CREATE);
            s.write(&file, b"12345", 0);
            for path in ["file", "new", "dir", "", "missing/file", "file/below"] {
                s.open(path, options);
            }
            s.contents(&file);
            s.metadata("new");
            s.remove_file("new");
        }
    });
}

#[test]
fn handles_know_their_direction() {
    check(|s| {
        let file = s.opened("file", CREATE);
        s.write(&file, b"12345", 0);
        for options in [READ, WRITE, EDIT] {
            let handle = s.opened("file", options);
            s.read(&handle, 3, 1);
            s.read(&handle, 0, 0);
            s.write(&handle, b"x", 2);
            s.write(&handle, b"", 0);
            s.set_len(&handle, 4);
            s.allocate(&handle, 0, 8);
            s.punch(&handle, 1, 2);
            s.sync_data(&handle);
            s.sync_all(&handle);
            s.len(&handle);
        }
        s.contents(&file);
    });
}

#[test]
fn a_directory_opened_as_a_file() {
    check(|s| {
        s.create_dir("dir");
        for path in ["dir", ""] {
            let handle = s.opened(path, READ);
            s.read(&handle, 10, 0);
            s.read(&handle, 0, 0);
            s.write(&handle, b"x", 0);
            s.set_len(&handle, 0);
            s.allocate(&handle, 0, 10);
            s.punch(&handle, 0, 10);
            s.sync_data(&handle);
            s.sync_all(&handle);
        }
    });
}

#[test]
fn positioned_io() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.read(&file, 10, 0);
        s.write(&file, b"hello", 0);
        s.write(&file, b"", 3);
        s.write(&file, b"", 1_000_000);
        s.len(&file);
        for (len, offset) in [
            (5, 0),
            (10, 0),
            (2, 4),
            (0, 0),
            (1, 5),
            (1, 6),
            (4, 1 << 40),
        ] {
            s.read(&file, len, offset);
        }
        s.write(&file, b"HE", 0);
        s.write(&file, b"!!", 4);
        s.contents(&file);
        // Across the ends of pages and of sectors.
        s.write(&file, &[7; 10_000], 500);
        s.write(&file, &[8; 1024], 4096 - 512);
        s.write(&file, &[9; 1], 8191);
        s.contents(&file);
        let other = s.opened("file", READ);
        s.read(&other, 20, 4090);
    });
}

#[test]
fn sparse_growth_reads_as_zeros() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.write(&file, b"end", 20_000);
        s.contents(&file);
        s.write(&file, b"middle", 9_000);
        s.contents(&file);
        s.write(&file, b"far", 1 << 33);
        s.len(&file);
        s.read(&file, 8, (1 << 33) - 4);
        s.read(&file, 100, 1 << 32);
    });
}

#[test]
fn set_len_exposes_zeros() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.write(&file, &[1; 9_000], 0);
        for len in [8_999, 4_097, 4_096, 4_095, 513, 511, 1, 0] {
            s.set_len(&file, len);
            s.contents(&file);
            s.set_len(&file, 9_000);
            s.contents(&file);
            s.write(&file, &[2; 9_000], 0);
        }
        // What a shrink cut off stays away when a write behind it extends the file again.
        s.set_len(&file, 100);
        s.write(&file, b"x", 5_000);
        s.contents(&file);
        let cut = s.opened("file", EDIT.truncate());
        s.contents(&cut);
        s.contents(&file);
        s.write(&file, b"y", 10);
        s.contents(&cut);
    });
}

#[test]
fn allocate_reserves_and_reads_as_before() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.allocate(&file, 0, 0);
        s.allocate(&file, 0, 10_000);
        s.contents(&file);
        s.write(&file, b"data", 4_094);
        s.allocate(&file, 0, 20);
        s.allocate(&file, 4_000, 200);
        s.contents(&file);
        s.allocate(&file, 50_000, 1);
        s.contents(&file);
        s.allocate(&file, u64::MAX, 1);
        s.allocate(&file, 0, u64::MAX);
        s.allocate(&file, i64::MAX as u64, 1);
        s.len(&file);
    });
}

#[test]
fn punch_zeros_and_keeps_the_length() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.write(&file, &[1; 20_000], 0);
        for (offset, len) in [
            (10, 5),
            (4_000, 200),
            (4_096, 4_096),
            (8_000, 9_000),
            (19_999, 1),
        ] {
            s.punch(&file, offset, len);
            s.contents(&file);
        }
        s.punch(&file, 0, 0);
        s.punch(&file, 15_000, 1_000_000);
        s.contents(&file);
        s.punch(&file, 30_000, 10);
        s.punch(&file, u64::MAX, 1);
        s.punch(&file, 1, u64::MAX);
        s.len(&file);
    });
}

#[test]
fn positions_that_no_file_has() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.write(&file, b"12345", 0);
        for offset in [
            u64::MAX,
            u64::MAX - 10,
            1 << 63,
            i64::MAX as u64,
            i64::MAX as u64 - 1,
        ] {
            s.write(&file, b"xyz", offset);
            s.write(&file, b"", offset);
            s.read(&file, 3, offset);
            s.read(&file, 0, offset);
        }
        s.set_len(&file, u64::MAX);
        s.set_len(&file, 1 << 63);
        s.contents(&file);
    });
}

#[test]
fn handles_share_the_inode_not_the_name() {
    check(|s| {
        let first = s.opened("file", NEW);
        let second = s.opened("file", EDIT);
        s.write(&first, b"first", 0);
        s.contents(&second);
        s.rename("file", "renamed");
        s.write(&second, b"second", 3);
        s.contents(&first);
        s.remove_file("renamed");
        s.write(&first, b"still here", 1);
        s.contents(&second);
        s.sync_all(&second);
        s.set_len(&second, 3);
        s.contents(&first);
        let fresh = s.opened("file", NEW);
        s.write(&fresh, b"another", 0);
        s.contents(&first);
        s.contents(&fresh);
    });
}

/// A buffer whose address is a multiple of 4096, as direct I/O wants it.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
}

impl Aligned {
    const ALIGNMENT: usize = 4096;

    fn new(len: usize, fill: u8) -> Self {
        let bytes = vec![fill; len + Self::ALIGNMENT];
        let start = bytes.as_ptr().align_offset(Self::ALIGNMENT);
        Self { bytes, start }
    }

    fn get(&mut self, len: usize) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + len]
    }
}

/// Whether a file of this directory refuses misaligned direct I/O. Asked of the kernel itself, so
/// that a seam that forgets the flag is not taken for a file system that does not know it.
fn has_direct_io(directory: &Path) -> bool {
    let path = directory.join("probe");
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::DIRECT;
    let Ok(file) = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) else {
        return false;
    };
    let mut buffer = Aligned::new(4_096, 0);
    let aligned = rustix::io::pwrite(&file, buffer.get(4_096), 0).is_ok();
    let odd = rustix::io::pread(&file, buffer.get(4_095), 1);
    aligned && odd == Err(rustix::io::Errno::INVAL)
}

/// Alignment to 4096 suits every device, and no device takes an odd one.
#[test]
fn direct_io_is_aligned_or_refused() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    if !has_direct_io(scratch.path()) {
        println!("skipped: the scratch directory's file system has no direct I/O");
        return;
    }
    check(|s| {
        let plain = s.opened("file", NEW);
        s.write(&plain, &[1; 9_000], 0);
        s.sync_all(&plain);
        let direct = s.opened("file", EDIT.direct());
        let mut buffer = Aligned::new(16_384, 2);
        for (len, offset) in [
            (4_096, 0),
            (8_192, 4_096),
            (4_096, 12_288),
            (4_096, 1 << 20),
        ] {
            s.read_into(&direct, buffer.get(len), offset);
        }
        for (len, offset) in [(4_096, 1), (4_095, 0), (100, 4_096), (4_096, 4_095), (1, 0)] {
            s.read_into(&direct, buffer.get(len), offset);
            s.write(&direct, buffer.get(len), offset);
        }
        buffer.get(16_384).fill(3);
        s.write(&direct, buffer.get(4_096), 4_096);
        s.write(&direct, buffer.get(8_192), 16_384);
        s.write(&direct, buffer.get(0), 0);
        s.contents(&plain);
        s.write(&plain, b"through the cache", 4_000);
        s.read_into(&direct, buffer.get(8_192), 0);
    });
}

/// The loops over short calls, which both worlds share, meet the end of a file.
#[test]
fn loops_end_at_the_end_of_the_file() {
    check(|s| {
        let file = s.opened("file", NEW);
        s.write(&file, b"12345", 0);
        let mut buffer = [0; 8];
        assert_eq!(file.file.read_full_at(&mut buffer, 2).ok(), Some(3));
        assert_eq!(&buffer, b"345\0\0\0\0\0");
        let error = file
            .file
            .read_exact_at(&mut buffer, 2)
            .expect_err("too short");
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        assert!(file.file.write_all_at(&[6; 10_000], 5).is_ok());
        s.contents(&file);
    });
}
