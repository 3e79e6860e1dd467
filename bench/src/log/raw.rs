//! The baselines: what a careful person would write by hand with `std::fs`.
//!
//! A frame is `len u32 | crc u32 | payload`, a payload is records of `len u32 | bytes`, one frame
//! per commit. Synced appends go through a group commit: the first writer that finds no leader
//! leads; it yields for as long as further records arrive, writes all of them with one call, and
//! syncs once for all.
//!
//! Not here: segments, epochs, recovery of a torn tail. A baseline need not be safe to be a bound.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::contender::Contender;
use super::record::{Record, Tally};
use crate::Result;

const FILE_NAME: &str = "raw.log";
const HEADER_BYTES: usize = 8;
/// How far the size is set ahead of the data.
const AHEAD_BYTES: u64 = 16 << 20;
/// A leader yields at most this often: someone who keeps appending must not starve it.
const YIELDS_MAX: usize = 64;
const READ_BYTES: usize = 1 << 20;

/// How the file gets longer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// By writing at its end: each fdatasync commits the new size, too.
    Append,
    /// By a sparse `set_len` ahead of the data: most fdatasyncs find the size unchanged.
    Ahead,
}

/// The open log.
pub struct Raw {
    file: File,
    growth: Growth,
    queue: Mutex<Queue>,
    settled: Condvar,
}

#[derive(Default)]
struct Queue {
    pending: Vec<u8>,
    spare: Vec<u8>,
    appended: u64,
    durable: u64,
    leading: bool,
    failed: bool,
    end: u64,
    file_len: u64,
}

impl Raw {
    /// Opens the log, reading all of it to find its end.
    pub fn open(dir: &Path, growth: Growth) -> Result<Self> {
        let path = dir.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let end = scan(&file, |_| ())?;
        let queue = Queue {
            end,
            file_len: file.metadata()?.len(),
            ..Queue::default()
        };
        Ok(Self {
            file,
            growth,
            queue: Mutex::new(queue),
            settled: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `bytes` at the end, setting the size ahead first if that is due.
    fn write(&self, queue: &mut Position, bytes: &[u8]) -> Result<()> {
        let end = queue.end + bytes.len() as u64;
        if self.growth == Growth::Ahead && end > queue.file_len {
            queue.file_len = end + AHEAD_BYTES;
            self.file.set_len(queue.file_len)?;
        }
        self.file.write_all_at(bytes, queue.end)?;
        queue.end = end;
        Ok(())
    }

    /// Appends a frame and syncs it, with those of others.
    fn sync_frame(&self, frame: &[u8]) -> Result<()> {
        let mut queue = self.lock();
        queue.pending.extend_from_slice(frame);
        queue.appended += 1;
        let mine = queue.appended;
        while queue.durable < mine {
            queue = if queue.leading {
                self.settled
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.lead(queue)?
            };
            if queue.failed {
                return Err("an append of this log has failed".into());
            }
        }
        Ok(())
    }

    /// Appends one record as a frame: to the operating system, or synced.
    pub fn append_record(&self, record: &[u8], is_synced: bool) -> Result<()> {
        let mut frame = Vec::with_capacity(HEADER_BYTES + record.len());
        frame.extend_from_slice(&frame_header(record)?);
        frame.extend_from_slice(record);
        if is_synced {
            return self.sync_frame(&frame);
        }
        let mut queue = self.lock();
        let mut position = Position {
            end: queue.end,
            file_len: queue.file_len,
        };
        let outcome = self.write(&mut position, &frame);
        (queue.end, queue.file_len) = (position.end, position.file_len);
        outcome
    }

    /// Takes what is pending once nothing more arrives, writes and syncs it.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> Result<MutexGuard<'a, Queue>> {
        queue.leading = true;
        for _ in 0..YIELDS_MAX {
            let before = queue.appended;
            drop(queue);
            thread::yield_now();
            queue = self.lock();
            if queue.appended == before {
                break;
            }
        }
        let spare = std::mem::take(&mut queue.spare);
        let mut bytes = std::mem::replace(&mut queue.pending, spare);
        let target = queue.appended;
        let mut position = Position {
            end: queue.end,
            file_len: queue.file_len,
        };
        drop(queue);
        let outcome = self
            .write(&mut position, &bytes)
            .and_then(|()| self.file.sync_data().map_err(Into::into));
        bytes.clear();
        let mut queue = self.lock();
        (queue.end, queue.file_len) = (position.end, position.file_len);
        queue.spare = bytes;
        queue.leading = false;
        queue.failed |= outcome.is_err();
        queue.durable = target;
        self.settled.notify_all();
        outcome.map(|()| queue)
    }
}

/// Where the next frame goes, while the queue is unlocked.
struct Position {
    end: u64,
    file_len: u64,
}

impl Contender for Raw {
    fn append_synced(&self, _writer: usize, record: &Record) -> Result<()> {
        let mut frame = [0; HEADER_BYTES + 4 + size_of::<Record>()];
        let (header, payload) = frame.split_at_mut(HEADER_BYTES);
        let (len, bytes) = payload.split_at_mut(4);
        len.copy_from_slice(&u32::try_from(record.len())?.to_le_bytes());
        bytes.copy_from_slice(record);
        header.copy_from_slice(&frame_header(payload)?);
        self.sync_frame(&frame)
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        let mut queue = self.lock();
        let mut bytes = std::mem::take(&mut queue.spare);
        bytes.resize(HEADER_BYTES, 0);
        for record in records {
            bytes.extend_from_slice(&u32::try_from(record.len())?.to_le_bytes());
            bytes.extend_from_slice(record);
        }
        let (header, payload) = bytes.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&frame_header(payload)?);
        let mut position = Position {
            end: queue.end,
            file_len: queue.file_len,
        };
        let outcome = self.write(&mut position, &bytes);
        (queue.end, queue.file_len) = (position.end, position.file_len);
        bytes.clear();
        queue.spare = bytes;
        outcome
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.file.set_len(self.lock().end)?;
        Ok(self.file.sync_all()?)
    }
}

fn frame_header(payload: &[u8]) -> Result<[u8; HEADER_BYTES]> {
    let len = u64::from(u32::try_from(payload.len())?);
    let crc = u64::from(crc32fast::hash(payload));
    Ok((len | crc << 32).to_le_bytes())
}

/// Reads every record of the closed log in `dir`.
pub fn replay(dir: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    scan(&File::open(dir.join(FILE_NAME))?, |record| {
        tally.see(record)
    })?;
    Ok(tally)
}

/// Reads the file in big chunks, checks every frame, shows every record; returns where the good
/// frames end.
fn scan(file: &File, mut see: impl FnMut(&[u8])) -> Result<u64> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut start, mut filled, mut at) = (0, 0, 0_u64);
    loop {
        let whole = whole_frame(buffer.get(start..filled).unwrap_or_default());
        match whole {
            Frame::Good(payload) => {
                let mut rest = payload;
                while let Some((len, after)) = rest.split_first_chunk() {
                    let len = u32::from_le_bytes(*len) as usize;
                    let Some((record, after)) = after.split_at_checked(len) else {
                        return Err("a record is longer than its frame".into());
                    };
                    see(record);
                    rest = after;
                }
                start += HEADER_BYTES + payload.len();
                at += (HEADER_BYTES + payload.len()) as u64;
            }
            Frame::End => return Ok(at),
            Frame::Short(wanted) => {
                buffer.copy_within(start..filled, 0);
                (filled, start) = (filled - start, 0);
                if wanted > buffer.len() {
                    buffer.resize(wanted, 0);
                }
                let free = buffer.get_mut(filled..).unwrap_or_default();
                match file.read_at(free, at + filled as u64)? {
                    0 => return Ok(at),
                    count => filled += count,
                }
            }
        }
    }
}

enum Frame<'a> {
    Good(&'a [u8]),
    /// More bytes are needed: at least so many from the frame's start.
    Short(usize),
    End,
}

fn whole_frame(bytes: &[u8]) -> Frame<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Frame::Short(HEADER_BYTES);
    };
    let header = u64::from_le_bytes(*header);
    let (len, crc) = (
        (header & u64::from(u32::MAX)) as usize,
        (header >> 32) as u32,
    );
    if len == 0 {
        return Frame::End;
    }
    match rest.get(..len) {
        None => Frame::Short(HEADER_BYTES + len),
        Some(payload) if crc32fast::hash(payload) == crc => Frame::Good(payload),
        Some(_) => Frame::End,
    }
}
