//! A file of records, of which an opening uses only how many are whole.

use std::io;
use std::path::Path;

use blackstart_vfs::{Bytes, FileExt, Fs, Look, OpenOptions};

/// Bytes of a record: several tear units.
const RECORD: usize = 200;
const NAME: &str = "records";

/// The record of a number: it is whole if one half says the number and the other its complement.
fn record(number: u64) -> [u8; RECORD] {
    let mut bytes = [number as u8; RECORD];
    bytes[RECORD / 2..].fill(!number as u8);
    bytes
}

/// Where the last whole record ends, and its number.
fn whole(file: &dyn Bytes) -> (u64, u64) {
    let (mut end, mut number) = (0, 0);
    let mut bytes = [0; RECORD];
    while file.read_at(&mut bytes, end) == RECORD
        && u64::from(bytes[0]) > number
        && bytes == record(bytes[0].into())
    {
        number = bytes[0].into();
        end += RECORD as u64;
    }
    (end, number)
}

pub fn open(fs: &dyn Fs, uses_the_tail: bool) -> io::Result<u64> {
    let options = OpenOptions::new().read().write().create().looks();
    let file = fs.open(Path::new(NAME), options)?;
    let mut read = vec![0; file.len()? as usize];
    file.read_full_at(&mut read, 0)?;
    file.concludes(Look::new(1, |file| {
        let (end, number) = whole(file);
        end << 8 | number
    }));
    let (end, number) = whole(&read);
    if uses_the_tail && read.get(end as usize).is_some_and(|byte| *byte > 0) {
        fs.metadata(Path::new(NAME))?;
    }
    if end < Bytes::len(&read) {
        file.set_len(end)?;
    }
    file.sync_all()?;
    fs.sync_dir(Path::new(""))?;
    Ok(number)
}

pub fn append(fs: &dyn Fs, number: u64) -> io::Result<()> {
    let file = fs.open(Path::new(NAME), OpenOptions::new().write())?;
    file.write_all_at(&record(number), file.len()?)?;
    file.sync_all()
}
