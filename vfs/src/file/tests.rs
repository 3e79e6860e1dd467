//! The loops over calls that may be short.

use std::io;

use parking_lot::Mutex;

use super::{File, FileExt};
use crate::FileId;

/// A file that reads and writes at most `step` bytes at a time, and no byte beyond `room`.
struct Reluctant {
    bytes: Mutex<Vec<u8>>,
    step: usize,
    room: usize,
}

impl Reluctant {
    fn new(bytes: &[u8], step: usize, room: usize) -> Self {
        Self {
            bytes: Mutex::new(bytes.to_vec()),
            step,
            room,
        }
    }
}

impl File for Reluctant {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes.lock();
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(self.step);
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        let start = offset as usize;
        let count = new
            .len()
            .min(self.step)
            .min(self.room.saturating_sub(start));
        let mut bytes = self.bytes.lock();
        let len = bytes.len().max(start + count);
        bytes.resize(len, 0);
        bytes[start..start + count].copy_from_slice(&new[..count]);
        Ok(count)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(FileId::new(0, 0))
    }

    fn link_count(&self) -> io::Result<u64> {
        Ok(1)
    }
}

#[test]
fn reads_go_on_after_short_ones() {
    for step in 1..8 {
        let file = Reluctant::new(b"0123456", step, usize::MAX);
        let mut buffer = [0; 4];
        assert_eq!(file.read_full_at(&mut buffer, 2).unwrap(), 4);
        assert_eq!(&buffer, b"2345");
        assert_eq!(file.read_full_at(&mut buffer, 5).unwrap(), 2);
        assert_eq!(&buffer[..2], b"56");
        assert_eq!(file.read_full_at(&mut buffer, 100).unwrap(), 0);
        assert_eq!(file.read_full_at(&mut [], 0).unwrap(), 0);
        file.read_exact_at(&mut buffer, 3).unwrap();
        assert_eq!(&buffer, b"3456");
        let error = file.read_exact_at(&mut buffer, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn writes_go_on_after_short_ones() {
    for step in 1..8 {
        let file = Reluctant::new(b"", step, 10);
        file.write_all_at(b"abcdef", 2).unwrap();
        assert_eq!(*file.bytes.lock(), b"\0\0abcdef");
        file.write_all_at(b"", 100).unwrap();
        let error = file.write_all_at(b"xyz", 8).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(*file.bytes.lock(), b"\0\0abcdefxy");
    }
}
