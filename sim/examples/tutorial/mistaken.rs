//! A journal of records in one file, as one would write it with `std::fs`, with one mistake.
//!
//! A record is its length, a checksum of length and contents, and the contents. An opening reads
//! all records up to the first that is not whole, which is what a crash left of the last append.

use std::io::{self, Read, Write};

use blackstart_vfs::Fs;
use blackstart_vfs::port::fs::{self, File, OpenOptions};

use crate::scenario::Engine;

const NAME: &str = "journal";

pub struct Journal {
    file: File,
}

impl Engine for Journal {
    fn open(disk: &dyn Fs) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let mut file = options.open(disk, NAME)?;
        fs::sync_dir(disk, "")?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (mut records, mut end) = (Vec::new(), 0);
        while let Some(record) = record_at(&bytes, end) {
            end += 12 + record.len();
            records.push(record.to_vec());
        }
        // What is shown must be durable: a kill may have left it in the page cache alone.
        file.sync_data()?;
        Ok((Self { file }, records))
    }

    fn append(&mut self, contents: &[u8]) -> io::Result<()> {
        let len = (contents.len() as u32).to_le_bytes();
        let mut record = len.to_vec();
        record.extend(checksum(&len, contents).to_le_bytes());
        record.extend(contents);
        self.file.write_all(&record)?;
        self.file.sync_data()
    }
}

fn record_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let (len, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let contents = rest.get(..u32::from_le_bytes(*len) as usize)?;
    (u64::from_le_bytes(*sum) == checksum(len, contents)).then_some(contents)
}

/// FNV-1a. A real journal takes a CRC.
fn checksum(len: &[u8; 4], contents: &[u8]) -> u64 {
    let bytes = len.iter().chain(contents);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
