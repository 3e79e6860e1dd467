//! The calls: the same for both disks, in the same order, with the same arguments.

use super::Shape;
use crate::child::Sample;
use crate::processor::cpu_time;
use crate::{Result, memory};

/// What a table says of the calls.
pub const DESCRIPTION: &str = "Of 16 calls to one file, 6 overwrite 128 bytes, 2 append 128 \
    bytes, 5 read 128 bytes, 2 read 128 bytes of the file with the pending effects, and the last \
    one syncs the data; then comes the next file. Before, each file has 4 KiB, synced, and the \
    file with the pending effects got as many writes, not synced.";

/// Bytes of a call.
const CALL_BYTES: usize = 128;
const GROUP_CALLS: u64 = 16;
const FILE_BYTES: u64 = 4_096;
/// Calls of a slice at most: what a disk keeps of each call must fit into memory.
const CALLS_MAX: u64 = 2_000_000;

/// A simulated disk with files by number.
pub trait Calls {
    /// Creates the file of the next number, its name durable.
    fn create(&mut self) -> Result<()>;
    /// Writes all bytes at an offset.
    fn write(&self, file: usize, bytes: &[u8], offset: u64) -> Result<()>;
    /// Fills the buffer from an offset.
    fn read(&self, file: usize, buffer: &mut [u8], offset: u64) -> Result<()>;
    /// fdatasync.
    fn sync_data(&self, file: usize) -> Result<()>;
}

/// Measures the calls on a disk.
pub fn measure<D: Calls>(mut disk: D, shape: Shape, seconds: f64) -> Result<Sample> {
    let bytes = [0xA5; CALL_BYTES];
    let page = [0x5A; FILE_BYTES as usize];
    for file in 0..shape.files as usize {
        disk.create()?;
        disk.write(file, &page, 0)?;
        disk.sync_data(file)?;
    }
    let pending_file = shape.files as usize;
    disk.create()?;
    for index in 0..u64::from(shape.pending) {
        disk.write(pending_file, &bytes, index * CALL_BYTES as u64)?;
    }
    let mut lens = vec![FILE_BYTES; shape.active as usize];
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let before = memory::reset_peak()?;
    let start = cpu_time();
    let (mut groups, mut calls) = (0, 0);
    while calls < CALLS_MAX && (cpu_time() - start).as_secs_f64() < seconds {
        let file = (groups % u64::from(shape.active)) as usize;
        let len = lens.get_mut(file).ok_or("no such file")?;
        let pending_bytes = u64::from(shape.pending) * CALL_BYTES as u64;
        group(&disk, &mut random, file, len, pending_file, pending_bytes)?;
        groups += 1;
        calls += GROUP_CALLS;
    }
    let seconds = (cpu_time() - start).as_secs_f64();
    let memory_bytes = memory::peak()?.saturating_sub(before);
    Ok(Sample {
        operations: calls,
        bytes: 0,
        seconds,
        memory_bytes,
        ..Sample::default()
    })
}

/// [`GROUP_CALLS`] calls.
fn group<D: Calls>(
    disk: &D,
    random: &mut Random,
    file: usize,
    len: &mut u64,
    pending_file: usize,
    pending_bytes: u64,
) -> Result<()> {
    let call_bytes = CALL_BYTES as u64;
    let bytes = [random.next() as u8; CALL_BYTES];
    let mut buffer = [0; CALL_BYTES];
    for call in 0..GROUP_CALLS {
        match call {
            0 | 2 | 4 | 6 | 8 | 10 => {
                disk.write(file, &bytes, random.below(FILE_BYTES - call_bytes))?
            }
            12 | 14 => {
                disk.write(file, &bytes, *len)?;
                *len += call_bytes;
            }
            5 | 11 => {
                let most = pending_bytes.saturating_sub(call_bytes);
                disk.read(pending_file, &mut buffer, random.below(most + 1))?;
            }
            15 => disk.sync_data(file)?,
            _ => disk.read(file, &mut buffer, random.below(FILE_BYTES - call_bytes))?,
        }
        std::hint::black_box(&mut buffer);
    }
    Ok(())
}

/// xorshift64*: the offsets need no better one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}
